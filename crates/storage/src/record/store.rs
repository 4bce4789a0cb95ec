//! Reading and writing records.

use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;

use super::Record;
use crate::json::to_canonical_json;
use crate::layout::{KeyLayout, SourceKey};
use crate::object::{Condition, ETag, ObjectStore, PutOptions, StorageError};

/// Records read at the same time while listing.
const LIST_CONCURRENCY: usize = 16;

/// Why a record could not be read or written, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The store failed; a lost compare-and-swap is [`StorageError::Precondition`].
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The object is there, but it is no record. Only a person can say what happened to it.
    #[error(
        "the record {key} cannot be read: {reason}; restore an older version of it, or delete it to process its \
         source from the start"
    )]
    Corrupt {
        /// The record's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer build wrote the record. This one must not touch it.
    #[error(
        "the record {key} has format {found}, and this build reads format {known} only: run the newer build, or \
         delete the record to process its source from the start"
    )]
    UnknownFormat {
        /// The record's key.
        key: String,
        /// Its format.
        found: u64,
        /// The format this build knows.
        known: u32,
    },
}

impl RecordError {
    /// Whether somebody else wrote the record first: read it again and decide anew.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Storage(StorageError::Precondition { .. }))
    }
}

/// Records as they are listed, in the order of their keys. One bad record is one error; the stream goes on.
pub type RecordStream = BoxStream<'static, Result<Record, RecordError>>;

/// The records of one store. Every write is a compare-and-swap, so that no update is lost.
#[derive(Debug, Clone)]
pub struct RecordStore {
    store: Arc<dyn ObjectStore>,
    layout: KeyLayout,
}

impl RecordStore {
    /// Records in this store under this layout.
    pub fn new(store: Arc<dyn ObjectStore>, layout: KeyLayout) -> Self {
        Self { store, layout }
    }

    /// The layout the records are kept by.
    pub fn layout(&self) -> &KeyLayout {
        &self.layout
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The record of a source and the tag to save it with; `None` when there is none yet.
    ///
    /// # Errors
    /// [`RecordError`]; a record that names another source than asked for is `Corrupt`.
    pub async fn load(&self, source: &SourceKey) -> Result<Option<(Record, ETag)>, RecordError> {
        let key = self.layout.record(source);
        let (meta, body) = match self.store.get_bytes(&key).await {
            Ok(found) => found,
            Err(StorageError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let record = parse(&key, &body)?;
        if record.source != *source {
            return Err(RecordError::Corrupt {
                key,
                reason: format!("it names the source {:?}", record.source.0),
            });
        }
        Ok(Some((record, meta.etag)))
    }

    /// Writes a record as its next revision, if nobody else has since `expected` was read; `None` says that there was
    /// none.
    ///
    /// A write whose answer was lost and which was sent again finds its own bytes in place: that counts as done.
    ///
    /// # Errors
    /// [`StorageError::Precondition`] when somebody else was first, and what the store reports.
    pub async fn save(
        &self,
        record: &mut Record,
        expected: Option<&ETag>,
    ) -> Result<ETag, RecordError> {
        record.revision = record.revision.saturating_add(1);
        let key = self.layout.record(&record.source);
        let body = to_canonical_json(record).map_err(|error| RecordError::Corrupt {
            key: key.clone(),
            reason: error.to_string(),
        })?;
        let condition = match expected {
            Some(etag) => Condition::IfMatch(etag.clone()),
            None => Condition::IfAbsent,
        };
        let options = PutOptions {
            content_type: Some("application/json"),
            condition,
        };
        match self.store.put(&key, body.clone(), options).await {
            Ok(etag) => Ok(etag),
            Err(conflict @ StorageError::Precondition { .. }) => {
                match self.store.get_bytes(&key).await {
                    Ok((meta, stored)) if stored == body => Ok(meta.etag),
                    _ => Err(conflict.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// All records, several read at a time. A record that is deleted meanwhile is left out.
    pub fn list(&self) -> RecordStream {
        let store = Arc::clone(&self.store);
        self.store
            .list(&self.layout.records())
            .try_filter(|meta| std::future::ready(meta.key.ends_with(".json")))
            .map(move |listed| {
                let store = Arc::clone(&store);
                async move {
                    let meta = match listed {
                        Ok(meta) => meta,
                        Err(error) => return Some(Err(RecordError::from(error))),
                    };
                    match store.get_bytes(&meta.key).await {
                        Ok((_, body)) => Some(parse(&meta.key, &body)),
                        Err(StorageError::NotFound { .. }) => None,
                        Err(error) => Some(Err(error.into())),
                    }
                }
            })
            .buffered(LIST_CONCURRENCY)
            .filter_map(std::future::ready)
            .boxed()
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u64,
}

fn parse(key: &str, body: &[u8]) -> Result<Record, RecordError> {
    let corrupt = |error: serde_json::Error| RecordError::Corrupt {
        key: key.to_owned(),
        reason: error.to_string(),
    };
    let FormatOnly { format } = serde_json::from_slice(body).map_err(corrupt)?;
    if format != u64::from(Record::FORMAT) {
        return Err(RecordError::UnknownFormat {
            key: key.to_owned(),
            found: format,
            known: Record::FORMAT,
        });
    }
    serde_json::from_slice(body).map_err(corrupt)
}
