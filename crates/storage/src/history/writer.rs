//! Writing the history: many updates in one write, and from the records alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use jiff::Timestamp;
use rand::Rng;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{HistoryEntry, HistoryView};
use crate::layout::SourceKey;
use crate::object::{Condition, ETag, PutOptions, StorageError};
use crate::record::{Record, RecordError, RecordStore};

/// Lost races in a row before a write is put off.
const MAX_CONFLICTS: u32 = 10;
/// A large history takes long to write. The pause is at least this many times as long as the last write took, so
/// that writing it stays a small part of the work whatever its size.
const PAUSE_PER_WRITE: u32 = 10;

/// Why the history could not be written. It can be made again from the records at any time.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store failed, or others kept writing first.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The records could not be listed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A newer build wrote the history. This one leaves it alone.
    #[error("{key} has format {found}, and this build writes format {known}: run the newer build")]
    UnknownFormat {
        /// The history's key.
        key: String,
        /// Its format.
        found: u64,
        /// The format this build knows.
        known: u32,
    },
}

/// Keeps the history up to date behind the records: at most one write in an interval, and one at
/// [`HistoryWriter::flush`].
///
/// Several writers, in several processes, may work on one history: each write is a compare-and-swap, a lost race
/// reads again, and of two entries for a source the one of the newer record stays.
#[derive(Debug)]
pub struct HistoryWriter {
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    records: RecordStore,
    pending: Mutex<BTreeMap<SourceKey, HistoryEntry>>,
    arrived: Notify,
    /// Held while writing.
    writing: tokio::sync::Mutex<()>,
}

impl HistoryWriter {
    /// The usual pause between two writes.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

    /// Starts a writer on the current runtime.
    pub fn start(records: RecordStore, interval: Duration) -> Self {
        let shared = Arc::new(Shared {
            records,
            pending: Mutex::default(),
            arrived: Notify::new(),
            writing: tokio::sync::Mutex::new(()),
        });
        let task = tokio::spawn(write_by_interval(Arc::clone(&shared), interval));
        Self { shared, task }
    }

    /// Notes the state of a record. Returns at once and cannot fail: the history is not worth a document.
    pub fn update(&self, record: &Record) {
        let entry = HistoryEntry::from(record);
        self.shared.note(record.source.clone(), entry);
        self.shared.arrived.notify_one();
    }

    /// Writes what was noted and is not yet written.
    ///
    /// # Errors
    /// [`HistoryError`], for the log; what was noted is kept for the next write.
    pub async fn flush(&self) -> Result<(), HistoryError> {
        self.shared.write_pending().await
    }
}

impl Drop for HistoryWriter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn write_by_interval(shared: Arc<Shared>, interval: Duration) {
    let mut pause = interval;
    loop {
        shared.arrived.notified().await;
        tokio::time::sleep(pause).await;
        let begun = Instant::now();
        if let Err(error) = shared.write_pending().await {
            tracing::warn!(%error, "could not write the history, which is tried again");
            shared.arrived.notify_one();
        }
        pause = interval.max(begun.elapsed() * PAUSE_PER_WRITE);
    }
}

impl Shared {
    fn note(&self, source: SourceKey, entry: HistoryEntry) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newer = pending
            .get(&source)
            .is_none_or(|present| present.updated_at <= entry.updated_at);
        if is_newer {
            pending.insert(source, entry);
        }
    }

    /// A panic while writing is an error like any other: the view is not worth the program.
    async fn write_pending(&self) -> Result<(), HistoryError> {
        let written = pagemill_panics::caught(self.write_taken()).await;
        written.unwrap_or_else(|panicked| {
            Err(HistoryError::Storage(StorageError::Unavailable {
                action: "write",
                key: self.records.layout().history(),
                store: self.records.store().name().to_owned(),
                reason: panicked.to_string(),
            }))
        })
    }

    async fn write_taken(&self) -> Result<(), HistoryError> {
        let _turn = self.writing.lock().await;
        let taken = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *pending)
        };
        if taken.is_empty() {
            return Ok(());
        }
        // When the write is given up halfway, by an error or by dropping this future, nothing noted is lost.
        let mut put_back = PutBack {
            shared: self,
            entries: taken,
        };
        write_merged(&self.records, |view| {
            let mut changed = false;
            for (source, entry) in &put_back.entries {
                changed |= view.merge(source, entry.clone());
            }
            changed
        })
        .await?;
        put_back.entries.clear();
        Ok(())
    }
}

struct PutBack<'a> {
    shared: &'a Shared,
    entries: BTreeMap<SourceKey, HistoryEntry>,
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        for (source, entry) in std::mem::take(&mut self.entries) {
            self.shared.note(source, entry);
        }
    }
}

/// Reads, changes and writes the history until no one else writes in between. `change` answers whether there is
/// anything to write.
async fn write_merged(
    records: &RecordStore,
    change: impl Fn(&mut HistoryView) -> bool,
) -> Result<(), HistoryError> {
    let mut conflicts = 0;
    loop {
        let (mut view, expected) = read(records).await?;
        if !change(&mut view) {
            return Ok(());
        }
        match write(records, &view, expected).await {
            Err(HistoryError::Storage(StorageError::Precondition { .. }))
                if conflicts < MAX_CONFLICTS =>
            {
                conflicts += 1;
                let millis = rand::rng().random_range(1..=20 * u64::from(conflicts));
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            done => return done,
        }
    }
}

async fn read(records: &RecordStore) -> Result<(HistoryView, Option<ETag>), HistoryError> {
    let (stored, tag) = match read_bytes(records).await? {
        None => return Ok((HistoryView::default(), None)),
        Some((body, tag)) => (parse(&records.layout().history(), &body)?, tag),
    };
    let view = match stored {
        Some(view) => view,
        None => {
            tracing::warn!("the history cannot be read and is made again from the records");
            from_records(records).await?.0
        }
    };
    Ok((view, Some(tag)))
}

async fn read_bytes(records: &RecordStore) -> Result<Option<(Bytes, ETag)>, HistoryError> {
    match records.store().get_bytes(&records.layout().history()).await {
        Ok((meta, body)) => Ok(Some((body, meta.etag))),
        Err(StorageError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u64,
}

/// `None` when it is no history at all.
fn parse(key: &str, body: &[u8]) -> Result<Option<HistoryView>, HistoryError> {
    let Ok(FormatOnly { format }) = serde_json::from_slice(body) else {
        return Ok(None);
    };
    if format > u64::from(HistoryView::FORMAT) {
        return Err(HistoryError::UnknownFormat {
            key: key.to_owned(),
            found: format,
            known: HistoryView::FORMAT,
        });
    }
    Ok(serde_json::from_slice(body).ok())
}

async fn write(
    records: &RecordStore,
    view: &HistoryView,
    expected: Option<ETag>,
) -> Result<(), HistoryError> {
    let key = records.layout().history();
    let body = view.to_bytes().map_err(|error| StorageError::BadKey {
        key: key.clone(),
        reason: error.to_string(),
    })?;
    let condition = expected.map_or(Condition::IfAbsent, Condition::IfMatch);
    let options = PutOptions {
        content_type: Some("application/json"),
        condition,
    };
    records.store().put(&key, body, options).await?;
    Ok(())
}

/// The view of all readable records, and what is wrong with the others.
async fn from_records(
    records: &RecordStore,
) -> Result<(HistoryView, Vec<RecordError>), HistoryError> {
    let mut view = HistoryView::default();
    let mut unreadable = Vec::new();
    let mut listed = records.list();
    while let Some(record) = listed.next().await {
        match record {
            Ok(record) => {
                view.merge(&record.source, HistoryEntry::from(&record));
            }
            Err(error @ RecordError::Storage(_)) => return Err(error.into()),
            Err(error) => unreadable.push(error),
        }
    }
    Ok((view, unreadable))
}

/// What [`rebuild_history`] found.
#[derive(Debug)]
pub struct Rebuilt {
    /// Documents in the new history.
    pub documents: usize,
    /// Records that could not be read and are left out, with the reason.
    pub unreadable: Vec<RecordError>,
}

/// Writes the history from the records alone. Workers may go on: what they add meanwhile is kept.
///
/// # Errors
/// [`HistoryError`]; the old history is then still in place.
pub async fn rebuild_history(records: &RecordStore) -> Result<Rebuilt, HistoryError> {
    let begun = Timestamp::now();
    let (fresh, unreadable) = from_records(records).await?;
    let rebuilt = Mutex::new(0);
    write_merged(records, |stored| {
        let mut view = fresh.clone();
        for (source, entry) in &stored.documents {
            if entry.updated_at >= begun {
                view.merge(source, entry.clone());
            }
        }
        *rebuilt.lock().unwrap_or_else(PoisonError::into_inner) = view.documents.len();
        let changed = *stored != view;
        *stored = view;
        changed
    })
    .await?;
    let documents = rebuilt.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Rebuilt {
        documents,
        unreadable,
    })
}
