//! What a run writes: objects that its record speaks of by their tags, and objects that never change under their keys.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place that writes objects; it asks the lease before each write"
)]

use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use pagemill_index::IndexError;
use pagemill_storage::{
    Condition, ETag, FileBody, KeyLayout, ObjectStore, PutOptions, RecordStore, SourceKey, Stage,
    StorageError,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{SpooledData, SpooledTempFile};
use tokio::time::Instant;

use super::Run;
use crate::outcome::PipelineError;
use crate::permit::{Permit, PermitLost, Progress};
use crate::stages::no_temporary_file;

/// A run that has seen its record for longer than this asks whether it is still its own, before it writes what nothing else
/// fences. Shorter than any run that could overtake it with a model to ask; and a look every second costs little.
const CONFIRMATION: Duration = Duration::from_secs(1);

/// A file of more bytes is not held in memory while it is written.
const MAX_BODY_IN_MEMORY: usize = 4 << 20;

/// What is written to a temporary file at a time.
const SPOOL_BUFFER_BYTES: usize = 64 << 10;

impl<'a> Run<'a> {
    /// The way to write objects while the record is written too.
    pub(crate) fn outputs(&self) -> Outputs<'a> {
        Outputs {
            store: self.store,
            records: self.records,
            ownership: Arc::clone(&self.ownership),
            source: self.record.source.clone(),
            permit: self.permit,
            stage: self.stage,
        }
    }

    /// Writes a JSON object over the one that this source's record speaks of, and answers the new tag: [`Run::replace`].
    pub(crate) async fn replace_json<T: Serialize>(
        &self,
        stage: Stage,
        key: &str,
        value: &T,
    ) -> Result<ETag, PipelineError> {
        let write = |mut out: &mut dyn Write| {
            serde_json::to_writer(&mut out, value)?;
            out.write_all(b"\n")
        };
        self.replace(stage, key, "application/json", write).await
    }

    /// Writes an object over the one that this source's record speaks of, and answers the new tag.
    ///
    /// The write is conditional on the tag in the record, so that a worker that was overtaken can't put old content
    /// over new. Where the object was changed by other hands, but the record was not, it is put right.
    pub(crate) async fn replace(
        &self,
        stage: Stage,
        key: &str,
        content_type: &'static str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<ETag, PipelineError> {
        let body = Body::written(write).map_err(no_temporary_file)?;
        let known = self
            .record
            .stages
            .get(&stage)
            .and_then(|entry| entry.etags.get(key));
        let mut condition = match known {
            Some(tag) => Condition::IfMatch(ETag(tag.clone())),
            None => Condition::IfAbsent,
        };
        if condition == Condition::IfAbsent {
            confirm_in_doubt(
                self.records,
                &self.record.source,
                &self.ownership,
                self.stage,
            )
            .await?;
        }
        // Two rounds settle it, unless somebody else is at work on the same document.
        for _ in 0..3 {
            self.permit.check()?;
            let options = PutOptions {
                content_type: Some(content_type),
                condition: condition.clone(),
            };
            let written = match &body {
                Body::Memory(bytes) => self.store.put(key, bytes.clone(), options).await,
                Body::File(file) => self.store.put_file(key, file.clone(), options).await,
            };
            match written {
                Ok(tag) => return Ok(tag),
                Err(StorageError::Precondition { .. } | StorageError::NotFound { .. }) => {}
                Err(error) => return Err(self.storage(error)),
            }
            self.confirm_record().await?;
            condition = match self.store.head(key, None).await {
                Ok(meta) => Condition::IfMatch(meta.etag),
                Err(StorageError::NotFound { .. }) => Condition::IfAbsent,
                Err(error) => return Err(self.storage(error)),
            };
        }
        Err(PipelineError::Conflict)
    }

    /// The keys below a prefix that pass.
    pub(crate) async fn keys_below(
        &self,
        prefix: &str,
        passes: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, PipelineError> {
        let mut keys = Vec::new();
        let mut listing = self.store.list(prefix);
        let failed = |error| self.storage(error);
        while let Some(object) = listing.try_next().await.map_err(failed)? {
            if passes(&object.key) {
                keys.push(object.key);
            }
        }
        Ok(keys)
    }

    /// Reads back what an earlier run of a stage wrote; `None` when it is gone or is not of that run.
    pub(crate) async fn read_json<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<T>, PipelineError> {
        let read = self.read_tagged_json(key).await?;
        Ok(read.map(|(value, _)| value))
    }

    /// The same with the object's tag.
    pub(crate) async fn read_tagged_json<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<(T, ETag)>, PipelineError> {
        match self.store.get_bytes(key).await {
            Ok((meta, body)) => {
                let value = serde_json::from_slice(&body).ok();
                Ok(value.map(|value| (value, meta.etag)))
            }
            Err(StorageError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.storage(error)),
        }
    }

    /// The same of a file that may be long: it lies in a temporary file while it is read.
    pub(crate) async fn read_long_json<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<T>, PipelineError> {
        let mut body = match self.store.get(key, None).await {
            Ok((_, body)) => body,
            Err(StorageError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.storage(error)),
        };
        let mut spool = SpooledTempFile::new(MAX_BODY_IN_MEMORY);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| self.storage(error))?;
            spool.write_all(&chunk).map_err(no_temporary_file)?;
        }
        spool.rewind().map_err(no_temporary_file)?;
        let spool = BufReader::with_capacity(SPOOL_BUFFER_BYTES, spool);
        Ok(serde_json::from_reader(spool).ok())
    }

    /// Deletes objects.
    pub(crate) async fn delete(&self, keys: Vec<String>) -> Result<(), PipelineError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.permit.check()?;
        self.store
            .delete_many(keys)
            .await
            .map_err(|error| self.storage(error))
    }

    /// What the indexer asks before each write.
    pub(crate) fn index_permit(
        &self,
    ) -> impl Fn() -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + Sync + use<'a>
    {
        let permit = self.permit;
        move || {
            permit.progress(Progress::Step);
            permit.check().map_err(Into::into)
        }
    }

    /// An index error in the stage at hand.
    pub(crate) fn index_error(&self, error: IndexError) -> PipelineError {
        match error {
            IndexError::NotPermitted(_) => PipelineError::PermitLost(PermitLost),
            IndexError::Pages(error) => crate::stages::no_temporary_file(error),
            other => PipelineError::from_index(self.stage, other),
        }
    }

    /// A storage error in the stage at hand.
    pub(crate) fn storage(&self, error: StorageError) -> PipelineError {
        PipelineError::from_storage(self.stage, error)
    }

    /// Fails when the record is no longer the one that this run wrote.
    pub(crate) async fn confirm_record(&self) -> Result<(), PipelineError> {
        let (records, source) = (self.records, &self.record.source);
        confirm(records, source, self.tag.as_ref(), self.stage).await
    }
}

/// Fails when a source's record no longer has this tag.
async fn confirm(
    records: &RecordStore,
    source: &SourceKey,
    tag: Option<&ETag>,
    stage: Stage,
) -> Result<(), PipelineError> {
    let loaded = records.load(source).await;
    let loaded = loaded.map_err(|error| PipelineError::from_record(stage, error))?;
    if loaded.as_ref().map(|(_, tag)| tag) == tag {
        Ok(())
    } else {
        Err(PipelineError::Conflict)
    }
}

/// The same, unless the record was seen a moment ago. For writes that no tag fences: of a run that another one overtook they
/// would stay, for the other's commit or removal may be done already.
async fn confirm_in_doubt(
    records: &RecordStore,
    source: &SourceKey,
    ownership: &Ownership,
    stage: Stage,
) -> Result<(), PipelineError> {
    if let Some(tag) = ownership.in_doubt() {
        confirm(records, source, tag.as_ref(), stage).await?;
        ownership.confirmed(tag);
    }
    Ok(())
}

/// The record's tag as this run knows it, and when it was last seen to be that.
#[derive(Debug)]
pub(super) struct Ownership(Mutex<(Option<ETag>, Instant)>);

impl Ownership {
    pub(super) fn new(tag: Option<ETag>) -> Self {
        Self(Mutex::new((tag, Instant::now())))
    }

    pub(super) fn confirmed(&self, tag: Option<ETag>) {
        *self.locked() = (tag, Instant::now());
    }

    /// The tag, when it is time to look whether the record still has it.
    fn in_doubt(&self) -> Option<Option<ETag>> {
        let known = self.locked();
        (known.1.elapsed() >= CONFIRMATION).then(|| known.0.clone())
    }

    fn locked(&self) -> MutexGuard<'_, (Option<ETag>, Instant)> {
        // Plain values: a panic elsewhere can't leave them half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file to be written.
enum Body {
    Memory(Bytes),
    File(FileBody),
}

impl Body {
    /// What is written to it: in memory while it is short, else in a temporary file without a name.
    fn written(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Self> {
        let mut spool =
            BufWriter::with_capacity(SPOOL_BUFFER_BYTES, SpooledTempFile::new(MAX_BODY_IN_MEMORY));
        write(&mut spool)?;
        let spool = spool.into_inner().map_err(io::IntoInnerError::into_error)?;
        match spool.into_inner() {
            SpooledData::InMemory(bytes) => Ok(Self::Memory(bytes.into_inner().into())),
            SpooledData::OnDisk(file) => Ok(Self::File(FileBody::new(file)?)),
        }
    }
}

/// Writes objects that never change under their keys.
#[derive(Clone)]
pub(crate) struct Outputs<'a> {
    store: &'a Arc<dyn ObjectStore>,
    records: &'a RecordStore,
    ownership: Arc<Ownership>,
    source: SourceKey,
    permit: &'a dyn Permit,
    stage: Stage,
}

impl<'a> Outputs<'a> {
    pub(crate) fn layout(&self) -> &'a KeyLayout {
        self.records.layout()
    }

    pub(crate) fn permit(&self) -> &'a dyn Permit {
        self.permit
    }

    /// Writes an object that is true whatever becomes of the run, under a key that no other run has.
    ///
    /// So the record is not asked, and an object that is there is the one of an earlier try whose answer was lost.
    /// Says whether it was this write that made it.
    pub(crate) async fn append(&self, key: &str, body: Bytes) -> Result<bool, PipelineError> {
        self.permit.check()?;
        let options = PutOptions {
            content_type: Some("application/json"),
            condition: Condition::IfAbsent,
        };
        match self.store.put(key, body, options).await {
            Ok(_) => Ok(true),
            Err(StorageError::Precondition { .. }) => Ok(false),
            Err(error) => Err(PipelineError::from_storage(self.stage, error)),
        }
    }

    /// Reads an object, if it is there.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<Bytes>, PipelineError> {
        match self.store.get_bytes(key).await {
            Ok((_, body)) => Ok(Some(body)),
            Err(StorageError::NotFound { .. }) => Ok(None),
            Err(error) => Err(PipelineError::from_storage(self.stage, error)),
        }
    }

    /// Writes an object that never changes under its key. No tag fences such a write, so the record is asked first.
    pub(crate) async fn put_new(
        &self,
        key: &str,
        body: Bytes,
        content_type: &'static str,
    ) -> Result<(), PipelineError> {
        confirm_in_doubt(self.records, &self.source, &self.ownership, self.stage).await?;
        self.permit.check()?;
        let options = PutOptions {
            content_type: Some(content_type),
            condition: Condition::None,
        };
        let written = self.store.put(key, body, options).await;
        written.map_err(|error| PipelineError::from_storage(self.stage, error))?;
        Ok(())
    }
}
