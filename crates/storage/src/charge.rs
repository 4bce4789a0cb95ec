//! Charges: one object for each call of a paid service that was made for a document, failed ones too, written when the call
//! ended and never again. Together they are the ledger.
//!
//! The charges of a source stand below `processing/charges/<path>/`, as `<run>-<stage>-<number>.json`. Two runs never share a
//! key, so a re-run adds to what the document has cost and takes nothing away. They outlive the document: money that was
//! spent stays spent. The sum stands in the [record](crate::Record::spent); these are what it is the sum of.

use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use pagemill_document::{CallOutcome, Units};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layout::{KeyLayout, SourceKey};
use crate::object::{ObjectMeta, ObjectStore, StorageError};
use crate::record::Stage;

/// Charges read at the same time while listing.
const LIST_CONCURRENCY: usize = 16;

/// One call of a paid service.
///
/// ```json
/// {"at": "2026-01-01T00:00:00Z", "format": 1, "micro_usd": 1234, "model": "gpt-4o-mini", "outcome": "answered",
///  "provider": "api.openai.com", "request_sha": "9f86d081…", "run": "0123456789abcdef", "source": "source-pdfs/report.pdf",
///  "stage": "predict", "trace_id": "…", "units": {"input_tokens": 7000, "output_tokens": 300}}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Charge {
    /// Version of this format.
    pub format: u32,
    /// The document that the call was made for.
    pub source: SourceKey,
    /// The stage that made it.
    pub stage: Stage,
    /// Whose service it is: the host of its address.
    pub provider: String,
    /// The model, by the name that the settings have for it.
    pub model: String,
    /// What it used, as the provider counts it.
    pub units: Units,
    /// What that costs in millionths of a US dollar, rounded up; null where the settings have no price for the model, the
    /// provider did not say what was used, or no answer came that could say so. 0 where the service answered with an error,
    /// and never for what is not known.
    pub micro_usd: Option<u64>,
    /// How the call ended.
    #[serde(default)]
    pub outcome: CallOutcome,
    /// SHA-256 of what was asked, hex; of calls whose answers are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_sha: Option<String>,
    /// The run that made the call, as in the record's start marker.
    pub run: String,
    /// The trace id of the run, as in the logs.
    pub trace_id: String,
    /// When the call ended.
    pub at: Timestamp,
}

impl Charge {
    /// The format that this build writes.
    pub const FORMAT: u32 = 1;
}

/// The sum of many charges, of a bounded size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Charged {
    /// Answered calls.
    pub calls: u64,
    /// What they used.
    #[serde(default)]
    pub units: Units,
    /// What those with a price cost, in millionths of a US dollar; null where none has one.
    pub micro_usd: Option<u64>,
    /// Calls that ended with an error of the service or with nothing; `calls` leaves them out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_calls: u64,
    /// Calls whose price is not known, failed ones without an answer too: `micro_usd` says nothing of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unpriced_calls: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Charged {
    /// Whether nothing was charged.
    pub fn is_nothing(&self) -> bool {
        self.calls == 0 && self.failed_calls == 0
    }

    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failed_calls = self.failed_calls.saturating_add(other.failed_calls);
        self.units.add(&other.units);
        if let Some(more) = other.micro_usd {
            self.micro_usd = Some(self.micro_usd.unwrap_or(0).saturating_add(more));
        }
        self.unpriced_calls = self.unpriced_calls.saturating_add(other.unpriced_calls);
    }
}

impl From<&Charge> for Charged {
    fn from(charge: &Charge) -> Self {
        let is_answer = charge.outcome.is_answer();
        Self {
            calls: u64::from(is_answer),
            failed_calls: u64::from(!is_answer),
            units: charge.units,
            micro_usd: charge.micro_usd.filter(|cost| is_answer || *cost > 0),
            unpriced_calls: u64::from(charge.micro_usd.is_none()),
        }
    }
}

/// Why a charge could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ChargeError {
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The object is there, but it is no charge of a format that this build reads.
    #[error(
        "the charge {key} cannot be read: {reason}; restore an older version of it, or run the build that wrote it"
    )]
    Unreadable {
        /// Its key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The charges of a source, in the order of their keys. One bad object is one error; the stream goes on.
pub fn charges_of(
    store: &Arc<dyn ObjectStore>,
    layout: &KeyLayout,
    source: &SourceKey,
) -> BoxStream<'static, Result<Charge, ChargeError>> {
    let (of_layout, of_source) = (layout.clone(), source.clone());
    let is_one = move |object: &ObjectMeta| of_layout.is_charge_of(&of_source, &object.key);
    read_below(store, &layout.charges(source), is_one)
}

/// The charges of all sources whose keys begin with this, not older than a time, in the order of their keys: the ledger. Some
/// of them are held at a time, however many there are; of those that don't belong only the keys are looked at.
pub fn ledger(
    store: &Arc<dyn ObjectStore>,
    layout: &KeyLayout,
    source_prefix: &str,
    since: Option<Timestamp>,
) -> BoxStream<'static, Result<Charge, ChargeError>> {
    let (below, wanted) = (layout.all_charges(), source_prefix.to_owned());
    let path = source_prefix
        .strip_prefix(&layout.source)
        .map(str::to_owned);
    let may_belong = move |object: &ObjectMeta| {
        // An object is not written before its call ended.
        let is_new = since.is_none_or(|since| object.modified >= since);
        let plain = object.key.strip_prefix(&below).unwrap_or_default();
        // What comes behind this mark stands for something else.
        let plain = plain.split("%~").next().unwrap_or_default();
        let path = path.as_deref().unwrap_or_default();
        is_new && (plain.starts_with(path) || path.starts_with(plain))
    };
    read_below(store, &layout.all_charges(), may_belong)
        .try_filter(move |charge| {
            let is_new = since.is_none_or(|since| charge.at >= since);
            std::future::ready(is_new && charge.source.as_str().starts_with(&wanted))
        })
        .boxed()
}

fn read_below(
    store: &Arc<dyn ObjectStore>,
    prefix: &str,
    is_one: impl Fn(&ObjectMeta) -> bool + Send + Sync + 'static,
) -> BoxStream<'static, Result<Charge, ChargeError>> {
    let store = Arc::clone(store);
    let listing = store.list(prefix);
    listing
        .try_filter_map(move |object| std::future::ready(Ok(is_one(&object).then_some(object.key))))
        .map_ok(move |key| {
            let store = Arc::clone(&store);
            async move {
                let (_, body) = store.get_bytes(&key).await?;
                parse(&key, &body)
            }
        })
        .err_into()
        .try_buffered(LIST_CONCURRENCY)
        .boxed()
}

fn parse(key: &str, body: &[u8]) -> Result<Charge, ChargeError> {
    let unreadable = |reason: String| ChargeError::Unreadable {
        key: key.to_owned(),
        reason,
    };
    let charge: Charge =
        serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))?;
    match charge.format {
        Charge::FORMAT => Ok(charge),
        newer => Err(unreadable(format!("its format is {newer}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(micro_usd: Option<u64>) -> Charge {
        Charge {
            format: Charge::FORMAT,
            source: SourceKey("source-pdfs/a.pdf".into()),
            stage: Stage::Metadata,
            provider: "api.example.com".into(),
            model: "m".into(),
            units: Units {
                input_tokens: Some(10),
                ..Units::default()
            },
            micro_usd,
            outcome: CallOutcome::Answered,
            request_sha: None,
            run: "0123456789abcdef".into(),
            trace_id: "t".into(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_unknown_price_is_null_and_never_nothing() {
        let json = serde_json::to_value(charge(None)).unwrap();
        assert!(json["micro_usd"].is_null() && json.get("micro_usd").is_some());
        let mut sum = Charged::from(&charge(None));
        assert_eq!((sum.micro_usd, sum.unpriced_calls), (None, 1));
        sum.add(&Charged::from(&charge(Some(5))));
        sum.add(&Charged::from(&charge(Some(7))));
        assert_eq!(
            (sum.calls, sum.micro_usd, sum.unpriced_calls),
            (3, Some(12), 1)
        );
        assert_eq!(sum.units.input_tokens, Some(30));
    }

    #[test]
    fn a_call_that_failed_is_counted_apart_and_one_without_an_answer_has_no_price() {
        let mut rejected = charge(Some(0));
        (rejected.outcome, rejected.units) = (CallOutcome::Rejected, Units::default());
        let mut lost = rejected.clone();
        (lost.outcome, lost.micro_usd) = (CallOutcome::Lost, None);
        let mut sum = Charged::from(&rejected);
        assert_eq!((sum.micro_usd, sum.unpriced_calls), (None, 0));
        sum.add(&Charged::from(&lost));
        sum.add(&Charged::from(&charge(Some(7))));
        assert_eq!((sum.calls, sum.failed_calls), (1, 2));
        assert_eq!((sum.micro_usd, sum.unpriced_calls), (Some(7), 1));
    }

    #[tokio::test]
    async fn charges_are_those_of_the_source_and_a_bad_one_hides_no_other() {
        let store: Arc<dyn ObjectStore> = Arc::new(crate::MemoryStore::new("test"));
        let layout = KeyLayout::default();
        let outer = SourceKey("source-pdfs/a.pdf".into());
        let inner = SourceKey("source-pdfs/a.pdf/b.pdf".into());
        let body = serde_json::to_vec(&charge(Some(1))).unwrap();
        for (source, number, body) in [
            (&outer, 1, body.as_slice()),
            (&outer, 2, b"{}"),
            (&outer, 3, &body),
            (&inner, 1, &body),
        ] {
            let key = layout.charge(source, "0123456789abcdef", Stage::Metadata, number);
            let put = store.put(&key, body.to_vec().into(), crate::PutOptions::default());
            put.await.unwrap();
        }
        let found: Vec<_> = charges_of(&store, &layout, &outer).collect().await;
        let read: Vec<bool> = found.iter().map(Result::is_ok).collect();
        assert_eq!(read, [true, false, true]);
        let of_inner: Vec<_> = charges_of(&store, &layout, &inner).collect().await;
        assert_eq!(of_inner.len(), 1);
    }

    #[tokio::test]
    async fn the_ledger_has_the_calls_of_a_prefix_however_its_keys_are_written() {
        let store: Arc<dyn ObjectStore> = Arc::new(crate::MemoryStore::new("test"));
        let layout = KeyLayout::default();
        let long = format!("source-pdfs/in/{}.pdf", "x".repeat(300));
        for name in [
            "source-pdfs/in/a.pdf",
            "source-pdfs/in/b\n.pdf",
            &long,
            "source-pdfs/out/a.pdf",
        ] {
            let source = SourceKey(name.into());
            let charge = Charge {
                source: source.clone(),
                ..charge(Some(1))
            };
            let key = layout.charge(&source, "0123456789abcdef", Stage::Predict, 1);
            let body = serde_json::to_vec(&charge).unwrap();
            let put = store.put(&key, body.into(), crate::PutOptions::default());
            put.await.unwrap();
        }
        for (prefix, calls) in [
            ("", 4),
            ("source-pdfs/in/", 3),
            ("source-pdfs/in/a", 1),
            ("elsewhere/", 0),
        ] {
            let found: Vec<_> = ledger(&store, &layout, prefix, None).collect().await;
            assert_eq!(found.len(), calls, "{prefix}");
        }
        let after = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1);
        let newer: Vec<_> = ledger(&store, &layout, "", Some(after)).collect().await;
        assert_eq!(newer.len(), 0, "they are told to be older");
    }
}
