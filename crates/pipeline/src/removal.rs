//! What happens when a source is removed: everything made from it goes too.

use pagemill_storage::{PageLedger, RecordStatus, SourceVersion, Stage};

use crate::outcome::{Outcome, PipelineError};
use crate::permit::Permit;
use crate::process::{Options, Pipeline, Source, is_older, newest_sequencer};
use crate::run::Run;

impl Pipeline {
    /// Removes what was made from a source: points, images, files. The record stays as a tombstone, so that an older
    /// event that arrives late is recognised as such.
    ///
    /// An event that is older than the record's newest is [`Outcome::Superseded`]: the source was uploaded again.
    ///
    /// # Errors
    /// See [`PipelineError`].
    pub async fn remove_source(
        &self,
        source: &Source,
        options: &Options,
        permit: &dyn Permit,
    ) -> Result<Outcome, PipelineError> {
        let loaded = self.records().load(&source.key).await;
        let loaded = loaded.map_err(|error| PipelineError::from_record(Stage::Commit, error))?;
        let newest_seen = loaded
            .as_ref()
            .and_then(|(record, _)| newest_sequencer(record));
        if is_older(source.sequencer.as_ref(), newest_seen) {
            return Ok(Outcome::Superseded);
        }
        let parts = self.parts();
        let mut run = Run::new(
            &parts.store,
            self.records(),
            permit,
            options,
            &source.key,
            loaded,
        );
        run.enter(Stage::Commit);
        let index_permit = run.index_permit();
        let removed = parts
            .indexer
            .remove(source.key.as_str(), &index_permit)
            .await;
        removed.map_err(|error| run.index_error(error))?;
        let layout = self.layout();
        let mut keys = self.page_image_keys(&run, &source.key, None).await?;
        keys.extend([
            layout.text(&source.key),
            layout.links(&source.key),
            layout.structure(&source.key),
            layout.metadata(&source.key),
        ]);
        run.delete(keys).await?;
        run.record.status = RecordStatus::Removed;
        run.record.stages.clear();
        run.record.target_stores.clear();
        run.record.ledger = PageLedger::default();
        run.record.failure = None;
        run.record.in_progress = None;
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
        self.note_history(&run.record);
        Ok(Outcome::Removed)
    }
}
