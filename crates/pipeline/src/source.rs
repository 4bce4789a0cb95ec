//! The source: which version of it is meant, and its bytes.

use futures::StreamExt;
use pagemill_reader::{PdfError, SealedFile, SpoolFile};
use pagemill_storage::{ETag, ObjectMeta, Record, Sequencer, SourceVersion, Stage, StorageError};

use crate::outcome::PipelineError;
use crate::permit::Progress;
use crate::pipeline::{Pipeline, Source};
use crate::run::Run;

impl Pipeline {
    /// Downloads the source into a sealed memory file, hashing it on the way.
    pub(crate) async fn fetch(
        &self,
        run: &mut Run<'_>,
        source: &Source,
    ) -> Result<(SealedFile, SourceVersion), PipelineError> {
        let opened = self
            .parts()
            .store
            .get(source.key.as_str(), source.version_id.as_deref())
            .await;
        let (meta, mut body) = opened.map_err(missing_source)?;
        let fetched = async {
            let mut spool = SpoolFile::new(self.parts().settings.limits.max_file_bytes)?;
            let mut bytes = 0;
            while let Some(chunk) = body.next().await {
                let chunk = chunk.map_err(FetchError::Storage)?;
                spool.write(&chunk)?;
                bytes += chunk.len() as u64;
                run.permit.progress(Progress::Fetched { bytes });
            }
            let sealed = spool.seal()?;
            Ok::<_, FetchError>(sealed)
        };
        match fetched.await {
            Ok(sealed) => {
                let version = version_of(sealed.sha256().to_owned(), &meta, source);
                Ok((sealed, version))
            }
            Err(FetchError::Storage(error)) => Err(run.storage(error)),
            Err(FetchError::Pdf(error)) => {
                // Empty, too large or not a PDF: there is no document to build, but there is a verdict to record.
                run.current = Some(version_of(String::new(), &meta, source));
                Err(PipelineError::from_pdf(Stage::Inspect, error))
            }
        }
    }

    /// What the store says of the source that an event speaks of.
    ///
    /// Where the bucket keeps versions and a newer one than the event's is there, it is the newer one's: that has an
    /// event too, which will find the work done. So of many uploads in quick succession few are built, as in a bucket
    /// without versions. A request that names a version, but no place among the events, means that version.
    pub(crate) async fn newest_head(&self, source: &Source) -> Result<ObjectMeta, StorageError> {
        let (store, key) = (&self.parts().store, source.key.as_str());
        if source.version_id.is_some() && source.sequencer.is_some() {
            match store.head(key, None).await {
                Ok(head) if head.version_id.is_some() => return Ok(head),
                // Removed meanwhile, or a store that does not name versions.
                Ok(_) | Err(StorageError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        store.head(key, source.version_id.as_deref()).await
    }
}

/// Why the bytes did not come.
enum FetchError {
    Storage(StorageError),
    Pdf(PdfError),
}

impl From<PdfError> for FetchError {
    fn from(error: PdfError) -> Self {
        Self::Pdf(error)
    }
}

/// A record's version, when it is of the bytes that the store has now.
pub(crate) fn same_bytes<'a>(
    version: Option<&'a SourceVersion>,
    head: &ObjectMeta,
) -> Option<&'a SourceVersion> {
    version.filter(|version| version.etag == head.etag.0 && version.bytes == head.bytes)
}

pub(crate) fn version_of(sha256: String, meta: &ObjectMeta, source: &Source) -> SourceVersion {
    let ETag(etag) = meta.etag.clone();
    SourceVersion {
        sha256,
        bytes: meta.bytes,
        etag,
        version_id: meta.version_id.clone(),
        sequencer: source.sequencer.clone(),
    }
}

pub(crate) fn missing_source(error: StorageError) -> PipelineError {
    match error {
        StorageError::NotFound { .. } => PipelineError::Permanent {
            reason: "missing_source".into(),
            stage: Stage::Inspect,
            message: format!(
                "{error}: it was removed or moved after the message was sent; upload it again"
            ),
        },
        StorageError::BadKey { .. } => PipelineError::Permanent {
            reason: "bad_key".into(),
            stage: Stage::Inspect,
            message: error.to_string(),
        },
        other => PipelineError::from_storage(Stage::Inspect, other),
    }
}

/// The newest event that a record has seen.
pub(crate) fn newest_sequencer(record: &Record) -> Option<&Sequencer> {
    let failed = record
        .failure
        .as_ref()
        .and_then(|failure| failure.version.as_ref());
    let seen = record.version.as_ref().into_iter().chain(failed);
    seen.filter_map(|version| version.sequencer.as_ref()).max()
}

/// Whether an event is known to be older than another of the same key.
pub(crate) fn is_older(event: Option<&Sequencer>, seen: Option<&Sequencer>) -> bool {
    matches!((event, seen), (Some(event), Some(seen)) if event < seen)
}
