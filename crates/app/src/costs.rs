//! What was spent: the ledger, summed up by what a person asks for. One sum a group is held, however many calls there are.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use pagemill_storage::{
    Charge, ChargeError, Charged, KeyLayout, ObjectStore, SourceKey, StorageError, ledger,
};

/// What calls are summed up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The day on which they ended, UTC.
    Day,
    /// The model.
    Model,
    /// The stage.
    Stage,
    /// The folder below the prefix of sources in which the document is.
    Prefix,
    /// How they ended.
    Outcome,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Day,
        Self::Model,
        Self::Stage,
        Self::Prefix,
        Self::Outcome,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Model => "model",
            Self::Stage => "stage",
            Self::Prefix => "prefix",
            Self::Outcome => "outcome",
        }
    }

    fn of(self, charge: &Charge, layout: &KeyLayout) -> String {
        match self {
            Self::Day => charge.at.to_zoned(TimeZone::UTC).date().to_string(),
            Self::Model => charge.model.clone(),
            Self::Stage => charge.stage.name().to_owned(),
            Self::Prefix => folder_of(&charge.source, layout),
            Self::Outcome => charge.outcome.name().to_owned(),
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for By {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|by| by.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("calls are not summed up by {name:?}: give some of {names}")
        })
    }
}

/// The first folder of a document below the prefix of sources; `/` for one that is in none.
fn folder_of(source: &SourceKey, layout: &KeyLayout) -> String {
    match layout.relative(source).split_once('/') {
        Some((folder, _)) => format!("{folder}/"),
        None => "/".to_owned(),
    }
}

/// What was spent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Costs {
    /// The sum of each group, by its names in the order that was asked for.
    pub groups: BTreeMap<Vec<String>, Charged>,
    /// All of it.
    pub total: Charged,
    /// Rows of the ledger that can't be read, at most a hundred of them with the reason.
    pub unreadable: Vec<String>,
}

/// Sums up the calls that were made for documents whose keys begin with this, since a time.
///
/// # Errors
/// When the store does not answer.
pub async fn costs(
    store: &Arc<dyn ObjectStore>,
    layout: &KeyLayout,
    prefix: &str,
    since: Option<Timestamp>,
    by: &[By],
) -> Result<Costs, StorageError> {
    let mut costs = Costs::default();
    let mut rows = ledger(store, layout, prefix, since);
    while let Some(row) = rows.next().await {
        let charge = match row {
            Ok(charge) => charge,
            Err(ChargeError::Storage(error)) => return Err(error),
            Err(unreadable @ ChargeError::Unreadable { .. }) => {
                if costs.unreadable.len() < 100 {
                    costs.unreadable.push(unreadable.to_string());
                }
                continue;
            }
        };
        let names = by.iter().map(|by| by.of(&charge, layout)).collect();
        let charged = Charged::from(&charge);
        costs.groups.entry(names).or_default().add(&charged);
        costs.total.add(&charged);
    }
    Ok(costs)
}

#[cfg(test)]
mod tests {
    use pagemill_document::{CallOutcome, Units};
    use pagemill_storage::{MemoryStore, PutOptions, Stage};

    use super::*;

    #[tokio::test]
    async fn out_5_the_ledger_is_summed_up_by_day_model_stage_prefix_and_outcome() {
        let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new("test"));
        let layout = KeyLayout::default();
        let day = |day: i8| jiff::civil::date(2026, 1, day).to_zoned(TimeZone::UTC);
        let rows = [
            (
                "source-pdfs/in/a.pdf",
                1,
                "m",
                CallOutcome::Answered,
                Some(5),
            ),
            ("source-pdfs/in/a.pdf", 2, "m", CallOutcome::Cut, Some(7)),
            ("source-pdfs/in/a.pdf", 2, "n", CallOutcome::Lost, None),
            ("source-pdfs/b.pdf", 2, "m", CallOutcome::Answered, Some(11)),
        ];
        for (number, (source, at, model, outcome, micro_usd)) in rows.into_iter().enumerate() {
            let charge = Charge {
                format: Charge::FORMAT,
                source: SourceKey(source.to_owned()),
                stage: Stage::Predict,
                provider: "api.example.com".to_owned(),
                model: model.to_owned(),
                units: Units::default(),
                micro_usd,
                outcome,
                request_sha: None,
                run: "0123456789abcdef".to_owned(),
                trace_id: "t".to_owned(),
                at: day(at).expect("a day").timestamp(),
            };
            let key = layout.charge(&charge.source, &charge.run, charge.stage, number as u32);
            let body = serde_json::to_vec(&charge).expect("JSON");
            let put = store.put(&key, body.into(), PutOptions::default());
            put.await.expect("put");
        }
        let bad = layout.charge(&SourceKey("source-pdfs/b.pdf".into()), "0", Stage::Index, 1);
        store
            .put(&bad, "{}".into(), PutOptions::default())
            .await
            .expect("put");

        let all = costs(&store, &layout, "", None, &[By::Day, By::Prefix])
            .await
            .expect("sums");
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            all.groups[&names]
        };
        assert_eq!(of(&["2026-01-01", "in/"]).micro_usd, Some(5));
        let second = of(&["2026-01-02", "in/"]);
        assert_eq!(
            (
                second.micro_usd,
                second.calls,
                second.failed_calls,
                second.unpriced_calls
            ),
            (Some(7), 1, 1, 1)
        );
        assert_eq!(of(&["2026-01-02", "/"]).micro_usd, Some(11));
        assert_eq!((all.total.micro_usd, all.unreadable.len()), (Some(23), 1));

        let below = costs(
            &store,
            &layout,
            "source-pdfs/in/",
            None,
            &[By::Model, By::Outcome, By::Stage],
        );
        let below = below.await.expect("sums");
        assert_eq!(below.groups.len(), 3);
        let since = Some(day(2).expect("a day").timestamp());
        let later = costs(&store, &layout, "", since, &[]).await.expect("sums");
        assert_eq!(later.total.micro_usd, Some(18));
        assert!(
            "weekday"
                .parse::<By>()
                .expect_err("unknown")
                .contains("prefix")
        );
    }
}
