//! What people must look at, and their decisions: listing, and appending to the corrections of a document.
//!
//! A correction is appended by compare-and-swap on the object that holds them, so that of two people who decide at the same time
//! neither is lost, and a write whose answer was lost is not doubled by doing it again. Fields are not touched here: the next run
//! of the document takes corrections over.

mod status;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, bail};
use futures::{Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use pagemill_fields::correction::written_value;
use pagemill_fields::evaluation::Reason;
use pagemill_fields::term::Term;
use pagemill_fields::{Correction, Corrections, DocumentFields};
use pagemill_pipeline::{FieldsFile, OpenFile};
use pagemill_storage::{
    Condition, KeyLayout, ObjectStore, PutOptions, Record, RecordStore, SourceKey, StorageError,
};

pub use self::status::status;
use crate::stored;

/// Longest name of who decides, and longest value, in characters.
const MAX_TEXT: usize = 500;

/// The most that the corrections of one document take: every run of it reads them.
const MAX_BYTES: usize = 1 << 20;

/// Tries to append. Each lost one means that another person's took place.
const TRIES: u32 = 20;

/// Documents read at the same time while listing.
const AT_ONCE: usize = 8;

/// The review of one place.
#[derive(Debug, Clone)]
pub struct Review {
    store: Arc<dyn ObjectStore>,
    layout: KeyLayout,
}

/// A document and what is known of its review.
#[derive(Debug, Clone)]
pub struct Reviewed {
    /// Its record.
    pub record: Record,
    /// What people must look at; `None` where there is nothing.
    pub open: Option<OpenFile>,
    /// What they decided so far, of earlier versions of the file too.
    pub corrections: Corrections,
}

/// What somebody decides of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// One has this value; `None`: the document has none.
    Is {
        /// Its key, such as `BT-84`.
        field: String,
        /// The value, as people write it.
        value: Option<String>,
    },
    /// These are right as they are; where none is named, all that are open and not decided yet. One that is missing is approved as
    /// missing.
    Approved(Vec<String>),
    /// All that has a value, and all that is open, is right as it is, but for what was decided already: somebody looked at the whole
    /// document.
    ApprovedWhole,
}

impl Decided {
    /// Whether the fields are named one by one, so that it counts for those that were decided already, too.
    fn names_fields(&self) -> bool {
        match self {
            Self::Is { .. } => true,
            Self::Approved(fields) => !fields.is_empty(),
            Self::ApprovedWhole => false,
        }
    }
}

impl Review {
    /// The review of what is in a store.
    pub fn new(store: Arc<dyn ObjectStore>, layout: KeyLayout) -> Self {
        Self { store, layout }
    }

    /// What is open of the documents whose keys begin with `prefix`, in the order of keys.
    ///
    /// Fails where the store does not answer or a file can't be read.
    pub fn open<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Stream<Item = anyhow::Result<OpenFile>> + 'a {
        let listed = self.store.list(&self.layout.open_reviews());
        let read = listed.map(move |object| async move {
            let key = object?.key;
            stored::read::<OpenFile>(&*self.store, &key).await
        });
        let read = read.buffered(AT_ONCE);
        // One that was decided since it was listed is open no more.
        read.try_filter_map(move |file| async move {
            Ok(file.filter(|file| file.header.source.as_str().starts_with(prefix)))
        })
    }

    /// What is known of a document.
    ///
    /// # Errors
    /// When it was never processed, or the store does not answer.
    pub async fn of(&self, source: &SourceKey) -> anyhow::Result<Reviewed> {
        let records = RecordStore::new(Arc::clone(&self.store), self.layout.clone());
        let loaded = records.load(source).await?;
        let (record, _) = loaded
            .with_context(|| format!("{source} was never processed: give the key of a source"))?;
        let open = stored::read(&*self.store, &self.layout.open_review(source)).await?;
        let (corrections, _) = self.corrections(source).await?;
        Ok(Reviewed {
            record,
            open,
            corrections: Corrections::read(&corrections),
        })
    }

    /// Appends what somebody decided, and returns the corrections that are new; none where all of it stood there already.
    ///
    /// # Errors
    /// When the document has no fields or not this one, a value can't be one, what is approved is in conflict, or the store does
    /// not answer. Nothing is written then.
    pub async fn decide(
        &self,
        source: &SourceKey,
        decided: &Decided,
        by: &str,
    ) -> anyhow::Result<Vec<Correction>> {
        let by = by.trim();
        if by.is_empty() || by.chars().count() > MAX_TEXT || by.contains(char::is_control) {
            bail!("--by must name who decides, in at most {MAX_TEXT} characters of one line");
        }
        let key = self.layout.fields(source);
        let file: FieldsFile = stored::read(&*self.store, &key).await?.with_context(|| {
            format!("nothing is extracted of {source}: process it first, with metadata as the goal at least")
        })?;
        let (known, _) = self.corrections(source).await?;
        let known = Corrections::read(&known);
        let known = known.in_force(&file.header.sha256);
        let values = values(&file.fields, decided, &|field| known.contains_key(field))?;
        let at = Timestamp::now();
        let made = values.into_iter().map(|(field, to)| Correction {
            from: file
                .fields
                .fields
                .get(&field)
                .and_then(|field| field.value.clone()),
            field,
            to,
            by: by.to_owned(),
            at,
            sha256: file.header.sha256.clone(),
            fingerprint: file.header.fingerprint.0.clone(),
        });
        self.append(source, made.collect(), decided.names_fields())
            .await
    }

    async fn append(
        &self,
        source: &SourceKey,
        made: Vec<Correction>,
        is_named: bool,
    ) -> anyhow::Result<Vec<Correction>> {
        let key = self.layout.corrections(source);
        for _ in 0..TRIES {
            let (mut lines, condition) = self.corrections(source).await?;
            let known = Corrections::read(&lines);
            let new: Vec<Correction> = made
                .iter()
                .filter(|made| match is_named {
                    true => !is_in_force(&known, made),
                    false => !known
                        .in_force(&made.sha256)
                        .contains_key(made.field.as_str()),
                })
                .cloned()
                .collect();
            if new.is_empty() {
                return Ok(new);
            }
            if !lines.is_empty() && !lines.ends_with(b"\n") {
                lines.push(b'\n');
            }
            for correction in &new {
                serde_json::to_writer(&mut lines, correction)?;
                lines.push(b'\n');
            }
            if lines.len() > MAX_BYTES {
                bail!(
                    "{key} would have more than {MAX_BYTES} bytes: move it away, and decide anew what still counts"
                );
            }
            let options = PutOptions {
                content_type: Some("application/jsonl"),
                condition,
            };
            match self.store.put(&key, lines.into(), options).await {
                Ok(_) => return Ok(new),
                Err(StorageError::Precondition { .. } | StorageError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bail!("others write to {key} all the time: try again");
    }

    /// The corrections as they stand, and the condition to write over them.
    async fn corrections(&self, source: &SourceKey) -> anyhow::Result<(Vec<u8>, Condition)> {
        let key = self.layout.corrections(source);
        match self.store.get_bytes(&key).await {
            Ok((meta, lines)) => Ok((lines.to_vec(), Condition::IfMatch(meta.etag))),
            Err(StorageError::NotFound { .. }) => Ok((Vec::new(), Condition::IfAbsent)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the same was decided already, by the same person of the same file, and nothing else since.
fn is_in_force(known: &Corrections, made: &Correction) -> bool {
    let in_force = known.in_force(&made.sha256);
    in_force
        .get(made.field.as_str())
        .is_some_and(|last| last.to == made.to && last.by == made.by)
}

/// The fields that a decision is of, with what they are.
fn values(
    fields: &DocumentFields,
    decided: &Decided,
    is_decided: &dyn Fn(&str) -> bool,
) -> anyhow::Result<Vec<(String, Option<String>)>> {
    let open = fields.evaluation.as_ref();
    let open = open.map_or(&[][..], |evaluation| evaluation.reasons.as_slice());
    let check = |field: &String| {
        let is_open = open.iter().any(|reason| reason.field == *field);
        let is_term = fields.profile == "invoice" && Term::of(field).is_some();
        match is_open || is_term || fields.fields.contains_key(field) {
            true => Ok(()),
            false => Err(anyhow::anyhow!(
                "the profile {} has no field {field}: give the key of one, such as BT-84; fields of lines can't be corrected",
                fields.profile
            )),
        }
    };
    let approve = |key: String| {
        check(&key)?;
        let field = fields.fields.get(&key);
        match field.map(|field| (&field.value, field.candidates.is_empty())) {
            Some((None, false)) => {
                bail!("{key} is in conflict, there is nothing to approve: decide it with `correct`")
            }
            Some((value, _)) => Ok((key, value.clone())),
            None => Ok((key, None)),
        }
    };
    // No run may have taken a decision over yet: what is stored then says what was there before it.
    let of_reasons = || {
        let open = open.iter().map(|reason: &Reason| reason.field.clone());
        open.filter(|field| !is_decided(field))
    };
    match decided {
        Decided::Is { field, value } => {
            check(field)?;
            let value = value.as_deref();
            if value.is_some_and(|value| value.chars().count() > MAX_TEXT) {
                bail!("the value is too long: give at most {MAX_TEXT} characters");
            }
            let written = value.map(|value| written_value(field, value)).transpose()?;
            Ok(vec![(field.clone(), written)])
        }
        Decided::Approved(named) => {
            let named: Vec<String> = match named.is_empty() {
                true => of_reasons().collect(),
                false => named.clone(),
            };
            named.into_iter().map(approve).collect()
        }
        Decided::ApprovedWhole => {
            let with_value = fields.fields.iter();
            let with_value =
                with_value.filter(|(key, field)| field.value.is_some() && !is_decided(key));
            let keys = with_value.map(|(key, _)| key.clone()).chain(of_reasons());
            let keys: BTreeSet<String> = keys.collect();
            keys.into_iter().map(approve).collect()
        }
    }
}

#[cfg(test)]
mod tests;
