//! Which documents to ask for.

use std::fmt;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use globset::GlobSet;
use jiff::Timestamp;
use pagemill_storage::{
    KeyLayout, ObjectMeta, Record, RecordError, RecordStatus, RecordStore, SourceKey,
};

use super::Options;
use crate::error::Error;

/// Records read at the same time.
const RECORD_CONCURRENCY: usize = 16;

/// What the filters say of one listed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Wanted(SourceKey),
    NotPdf,
    OtherPath,
    TooOld,
    AlreadyDone,
    NotFailed,
}

/// How many objects each filter took out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Objects below the prefix.
    pub listed: u64,
    /// Left by the filters.
    pub wanted: u64,
    /// No PDF by their name.
    pub not_pdf: u64,
    /// Not matched by a pattern.
    pub other_path: u64,
    /// Written before the time asked for.
    pub too_old: u64,
    /// Done in their present version.
    pub already_done: u64,
    /// Without a failed record.
    pub not_failed: u64,
}

impl Tally {
    pub(super) fn count(&mut self, verdict: &Verdict) {
        self.listed += 1;
        let counter = match verdict {
            Verdict::Wanted(_) => &mut self.wanted,
            Verdict::NotPdf => &mut self.not_pdf,
            Verdict::OtherPath => &mut self.other_path,
            Verdict::TooOld => &mut self.too_old,
            Verdict::AlreadyDone => &mut self.already_done,
            Verdict::NotFailed => &mut self.not_failed,
        };
        *counter += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listed {}", self.listed)?;
        let left_out = [
            (self.not_pdf, "no PDF"),
            (self.other_path, "other path (--glob)"),
            (self.too_old, "too old (--since)"),
            (self.already_done, "already done (--only-new)"),
            (self.not_failed, "not failed (--failed)"),
        ];
        for (count, why) in left_out.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {why}")?;
        }
        Ok(())
    }
}

/// The filters of `send`.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    globs: Option<GlobSet>,
    since: Option<Timestamp>,
    by_record: ByRecord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByRecord {
    All,
    OnlyNew,
    Failed,
}

impl Filter {
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let mut globs = GlobSet::builder();
        for glob in &options.globs {
            globs.add(glob.clone());
        }
        let globs = globs
            .build()
            .map_err(|error| Error::Setting(format!("--glob: {error}")))?;
        let by_record = match (options.only_new, options.failed) {
            (true, _) => ByRecord::OnlyNew,
            (_, true) => ByRecord::Failed,
            _ => ByRecord::All,
        };
        Ok(Self {
            globs: (!options.globs.is_empty()).then_some(globs),
            since: options.since,
            by_record,
        })
    }

    /// What can be said without the record; `None` leaves it to the record.
    fn by_listing(&self, layout: &KeyLayout, object: &ObjectMeta) -> Option<Verdict> {
        if !layout.is_source(&object.key) {
            return Some(Verdict::NotPdf);
        }
        let source = SourceKey(object.key.clone());
        if self
            .globs
            .as_ref()
            .is_some_and(|globs| !globs.is_match(layout.relative(&source)))
        {
            return Some(Verdict::OtherPath);
        }
        if self.since.is_some_and(|since| object.modified < since) {
            return Some(Verdict::TooOld);
        }
        (self.by_record == ByRecord::All).then_some(Verdict::Wanted(source))
    }

    fn by_record(&self, object: &ObjectMeta, record: Option<&Record>) -> Verdict {
        let is_wanted = match self.by_record {
            ByRecord::All => true,
            ByRecord::OnlyNew => !record.is_some_and(|record| is_done(record, object)),
            ByRecord::Failed => record.is_some_and(|record| record.status == RecordStatus::Failed),
        };
        match (is_wanted, self.by_record) {
            (true, _) => Verdict::Wanted(SourceKey(object.key.clone())),
            (false, ByRecord::Failed) => Verdict::NotFailed,
            (false, _) => Verdict::AlreadyDone,
        }
    }
}

/// A document with missing pages is done too: another run would miss the same pages.
fn is_done(record: &Record, object: &ObjectMeta) -> bool {
    let is_current = record
        .version
        .as_ref()
        .is_some_and(|version| version.etag == object.etag.0);
    matches!(record.status, RecordStatus::Done | RecordStatus::Partial) && is_current
}

/// A verdict on each object below the prefix, in key order.
pub(super) fn verdicts(
    store: &dyn pagemill_storage::ObjectStore,
    records: &RecordStore,
    prefix: &str,
    filter: &Filter,
) -> BoxStream<'static, Result<Verdict, Error>> {
    let layout = records.layout().clone();
    let full_prefix = match prefix.starts_with(&layout.source) {
        true => prefix.to_owned(),
        false => format!("{}{prefix}", layout.source),
    };
    let records = records.clone();
    let filter = filter.clone();
    store
        .list(&full_prefix)
        .map_err(Error::from)
        .map(move |listed| judge(listed, records.clone(), filter.clone()))
        .buffered(RECORD_CONCURRENCY)
        .boxed()
}

async fn judge(
    listed: Result<ObjectMeta, Error>,
    records: RecordStore,
    filter: Filter,
) -> Result<Verdict, Error> {
    let object = listed?;
    if let Some(verdict) = filter.by_listing(records.layout(), &object) {
        return Ok(verdict);
    }
    match records.load(&SourceKey(object.key.clone())).await {
        Ok(found) => Ok(filter.by_record(&object, found.as_ref().map(|(record, _)| record))),
        Err(error @ RecordError::Storage(_)) => Err(error.into()),
        // The worker that gets the message says what to do about it.
        Err(error) => {
            tracing::warn!(%error, "taken as not done");
            Ok(filter.by_record(&object, None))
        }
    }
}
