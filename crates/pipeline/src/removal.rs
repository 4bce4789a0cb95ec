//! What happens when a source is removed: everything made from it goes too.

use pagemill_document::Dependency;
use pagemill_storage::{PageAccount, RecordStatus, SourceVersion, Stage, StorageError};

use crate::outcome::{PipelineError, RunOutcome};
use crate::permit::Permit;
use crate::pipeline::{Options, Pipeline, Source};
use crate::process::document_span;
use crate::run::Run;
use crate::source::{is_older, missing_source, newest_sequencer};
use tracing::Instrument;

impl Pipeline {
    /// Removes what was made from a source: points, images, files. The record stays as a tombstone, so that an older
    /// event that arrives late is recognised as such. The charges of its paid calls stay too, and their sum in the record:
    /// they hold nothing of the document, and what was spent is not given back. So do the corrections of its fields.
    ///
    /// An event that is older than the record's newest is [`RunOutcome::Superseded`]: the source was uploaded again.
    ///
    /// # Errors
    /// See [`PipelineError`]. A panic is such an error too.
    pub async fn remove_source(
        &self,
        source: &Source,
        options: &Options,
        permit: &dyn Permit,
    ) -> Result<RunOutcome, PipelineError> {
        let span = document_span(source, options);
        let work = self.remove_in_span(source, options, permit);
        let ended = pagemill_panics::caught(work.instrument(span)).await;
        ended.unwrap_or_else(|panicked| {
            Err(self.panicked_outside(Stage::Commit, &panicked, options))
        })
    }

    async fn remove_in_span(
        &self,
        source: &Source,
        options: &Options,
        permit: &dyn Permit,
    ) -> Result<RunOutcome, PipelineError> {
        let loaded = self.records().load(&source.key).await;
        let loaded = loaded.map_err(|error| PipelineError::from_record(Stage::Commit, error))?;
        permit.used(Dependency::Store);
        let newest_seen = loaded
            .as_ref()
            .and_then(|(record, _)| newest_sequencer(record));
        if is_older(source.sequencer.as_ref(), newest_seen) {
            return Ok(RunOutcome::Superseded);
        }
        let parts = self.parts();
        let mut run = Run::new(
            &parts.store,
            self.records(),
            permit,
            options,
            self.graph(),
            &source.key,
            loaded,
        );
        self.step_aside(&run.record, options)?;
        if run.resumes {
            self.recount(&mut run).await?;
        }
        run.enter(Stage::Commit);
        // The tombstone comes first: from here on, a run that is under way for this source can't commit any more, and
        // ends at its next write of the record. Its marker keeps the run of a newer upload away until all is deleted;
        // a crash after it leaves the rest to the message, which comes back.
        run.record.status = RecordStatus::Removed;
        let of_unknown_stages = self.outputs_of_unknown_stages(&run);
        run.record.stages.clear();
        run.record.target_stores.clear();
        run.record.custom_prompt = None;
        run.record.ledger = PageAccount::default();
        run.record.failure = None;
        run.mark_in_progress();
        run.record.attempts = 0;
        run.record.deaths = None;
        let last = run.record.version.take();
        run.record.version = Some(SourceVersion {
            sequencer: source.sequencer.clone(),
            ..last.unwrap_or_else(|| SourceVersion {
                sha256: String::new(),
                bytes: 0,
                etag: String::new(),
                version_id: None,
                sequencer: None,
            })
        });
        run.save().await?;

        // What is deleted is listed before the record is looked at again: had the source been uploaded anew meanwhile,
        // its run would have written the record before its first output.
        let layout = self.layout();
        let mut keys = self.part_keys(&run).await?;
        keys.extend(self.reading_keys(&run).await?);
        keys.extend(self.page_image_keys(&run, &source.key, None).await?);
        keys.extend(self.graph().files(layout, &source.key).map(|(_, key)| key));
        keys.extend(self.superseded_answers(&run).await?);
        // What people decided stays: it is their work, and counts again should the same bytes come back.
        keys.push(layout.open_review(&source.key));
        keys.extend(of_unknown_stages);
        run.confirm_record().await?;
        let index_permit = run.index_permit();
        let removed = parts
            .indexer
            .remove(source.key.as_str(), &index_permit)
            .await;
        removed.map_err(|error| run.index_error(error))?;
        permit.used(Dependency::Vectors);
        run.confirm_record().await?;
        run.delete(keys).await?;
        run.record.in_progress = None;
        run.save().await?;
        self.note_history(&run.record);
        Ok(RunOutcome::Removed)
    }

    /// What becomes of an event whose source is not in the store.
    ///
    /// The store's own event says that the source was there: it was removed meanwhile, and what was made from it goes
    /// too, whether or not removals are notified. A request of somebody's names something that never was, and fails.
    pub(crate) async fn source_is_missing(
        &self,
        source: &Source,
        options: &Options,
        permit: &dyn Permit,
        error: StorageError,
    ) -> Result<RunOutcome, PipelineError> {
        if !matches!(error, StorageError::NotFound { .. }) || source.sequencer.is_none() {
            return Err(missing_source(error));
        }
        if source.version_id.is_some() {
            match self.parts().store.head(source.key.as_str(), None).await {
                // A newer version has an event of its own.
                Ok(_) => return Ok(RunOutcome::Superseded),
                Err(StorageError::NotFound { .. }) => {}
                Err(other) => return Err(PipelineError::from_storage(Stage::Inspect, other)),
            }
        }
        tracing::info!(source = %source.key, "the source was removed before it was processed");
        self.remove_source(source, options, permit).await
    }
}
