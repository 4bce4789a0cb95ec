//! The run: from a source's key to its committed record.

use std::pin::pin;

use futures::future::{self, Either};
use pagemill_document::Dependency;
use pagemill_index::TargetStore;
use pagemill_reader::SealedFile;
use pagemill_storage::{ObjectMeta, Record, RecordStatus, SourceVersion, Stage};
use tracing::Instrument;

use crate::attempts::{INTERNAL_ERROR, WORKER_DIED};
use crate::graph::StageSpec;
use crate::outcome::{PipelineError, Processed, RunOutcome};
use crate::permit::Permit;
use crate::pipeline::{Options, Pipeline, Source};
use crate::plan::Plan;
use crate::prompt;
use crate::run::{FailedStage, Run};
use crate::source::{is_older, newest_sequencer, same_bytes, version_of};
use crate::stages::Extracted;

impl Pipeline {
    /// Processes one source end to end: runs the stages that are not up to date, and commits.
    ///
    /// `targets` are the vector stores asked for; stores that hold the document already are kept up to date too.
    ///
    /// # Errors
    /// See [`PipelineError`]. A permanent error is in the record when this returns. A panic is such an error too.
    pub async fn process_single_source(
        &self,
        source: &Source,
        targets: &[TargetStore],
        options: &Options,
        permit: &dyn Permit,
    ) -> Result<RunOutcome, PipelineError> {
        let span = document_span(source, options);
        let work = self.look_and_run(source, targets, options, permit);
        // On the heap: it is large, and every future that waits for it would be so too, down a stack of 2 MiB.
        let work = Box::pin(work.instrument(span));
        let ended = pagemill_panics::caught(work).await;
        ended.unwrap_or_else(|panicked| {
            Err(self.panicked_outside(Stage::Inspect, &panicked, options))
        })
    }

    async fn look_and_run(
        &self,
        source: &Source,
        targets: &[TargetStore],
        options: &Options,
        permit: &dyn Permit,
    ) -> Result<RunOutcome, PipelineError> {
        let loaded = self.records().load(&source.key).await;
        let loaded = loaded.map_err(|error| PipelineError::from_record(Stage::Inspect, error))?;
        permit.used(Dependency::Store);
        let newest_seen = loaded
            .as_ref()
            .and_then(|(record, _)| newest_sequencer(record));
        if is_older(source.sequencer.as_ref(), newest_seen) {
            return Ok(RunOutcome::Superseded);
        }
        let is_news = source.sequencer.as_ref() > newest_seen;
        // A request without a place among the events must not make the record forget the newest event.
        let placed = Source {
            sequencer: source.sequencer.as_ref().or(newest_seen).cloned(),
            ..source.clone()
        };
        let mut run = Run::new(
            &self.parts().store,
            self.records(),
            permit,
            options,
            self.graph(),
            &source.key,
            loaded,
        );
        let targets = self.all_targets(&run.record, targets);

        // What the store says of the source may be enough to see that there is nothing to do.
        let head = match self.newest_head(source).await {
            Ok(head) => head,
            Err(error) => return self.source_is_missing(source, options, permit, error).await,
        };
        let placed = Source {
            version_id: match &source.version_id {
                Some(_) => head.version_id.clone().or(placed.version_id),
                None => None,
            },
            ..placed
        };
        run.asked_prompt = prompt::asked(&run.record, &head, options);
        let mut resolved = self.with_prompt_in_force(run.asked_prompt.as_deref(), &head, options);
        resolved.corrections = self.corrections(&source.key).await?;
        run.corrections = resolved.corrections.clone();
        if !options.force
            && let Some(done) = self.up_to_date(&run.record, &head, &targets, &resolved)
        {
            if is_news {
                // Nothing to build, but the record must know of this event: an older one may still come, and would
                // otherwise put its version in the place of this one.
                match run.save_event(placed.sequencer).await {
                    // Many events of one document come together, as after a storm of uploads, and each writes its own.
                    // There is nothing to wait for: what the record says now decides. Each turn means that another
                    // one's write took place, and the permit ends it at the latest.
                    Err(PipelineError::Conflict) => {
                        let again = self.look_and_run(source, &targets, options, permit);
                        return Box::pin(again).await;
                    }
                    saved => saved?,
                }
            }
            match &done {
                // An earlier run may have died between its commit and the history.
                Ok(_) => self.note_history(&run.record),
                Err(_) => permit.failed(run.record.attempts),
            }
            return done;
        }

        if let Err(error) = self.take_over(&mut run, &head, &targets, &resolved) {
            let PipelineError::Permanent {
                reason,
                stage,
                message,
            } = &error
            else {
                return Err(error);
            };
            let failed = FailedStage {
                reason: reason.clone(),
                stage: *stage,
                message: message.clone(),
                fault: None,
            };
            let fingerprint = self.death_fingerprint(&source.key, &head, &targets, &resolved);
            // This is the last run that looks for what the one that died has paid.
            self.recount(&mut run).await?;
            self.fail_after_deaths(&mut run, failed, &placed, &head, fingerprint)
                .await?;
            permit.failed(run.record.attempts);
            return Err(error);
        }

        let work =
            pagemill_panics::caught(self.work(&mut run, &placed, &head, &targets, &resolved));
        let ended = match future::select(pin!(work), permit.stopped()).await {
            Either::Left((ended, _)) => ended,
            // What was under way is dropped here; `Run` knows how to go on after a write that was cut short.
            Either::Right(((), _)) => Ok(Err(PipelineError::Stopped)),
        };
        match ended {
            Ok(ended) => self.conclude(run, ended, &resolved).await,
            Err(panicked) => Err(self
                .end_after_panic(run, &panicked, &placed, &head, &targets, &resolved)
                .await),
        }
    }

    /// Everything between the decision to run and the end marker. May be dropped, or panic, at any point.
    async fn work(
        &self,
        run: &mut Run<'_>,
        source: &Source,
        head: &ObjectMeta,
        targets: &[TargetStore],
        options: &Options,
    ) -> Result<RunOutcome, PipelineError> {
        if run.resumes {
            self.recount(run).await?;
        }
        // Bring the bytes, unless the stages that must run can do without them.
        let known =
            same_bytes(run.record.version.as_ref(), head).map(|version| version.sha256.clone());
        let mut plan = known
            .as_deref()
            .map(|sha256| self.plan_for(&run.record, sha256, targets, options));
        let status_before = run.record.status;
        let mut stored = None;
        if let Some(plan) = plan.as_mut() {
            if status_before == RecordStatus::Processing {
                self.redo_overwritten(run, plan).await?;
            }
            if !plan.reads_pages() {
                stored = self.load_stored(run, plan).await?;
            }
        }
        let file = match &plan {
            Some(plan) if !plan.needs_source() => None,
            _ => {
                // Reading a file into memory may already end a worker, so the start marker comes first.
                run.record.status = RecordStatus::Processing;
                run.begin(Stage::Inspect).await?;
                Some(self.fetch(run, source).await?)
            }
        };
        let version = match &file {
            Some((_, version)) => version.clone(),
            None => version_of(
                known.expect("a plan without fetching is made from a known hash"),
                head,
                source,
            ),
        };
        run.current = Some(version.clone());
        let plan = match plan {
            Some(plan)
                if run
                    .record
                    .version
                    .as_ref()
                    .is_some_and(|old| old.sha256 == version.sha256) =>
            {
                plan
            }
            _ => {
                let mut fresh = self.plan_for(&run.record, &version.sha256, targets, options);
                if status_before == RecordStatus::Processing {
                    self.redo_overwritten(run, &mut fresh).await?;
                }
                fresh
            }
        };
        if plan.is_empty() && matches!(status_before, RecordStatus::Done | RecordStatus::Partial) {
            // The same bytes under a new tag: remember the tag, so that next time nothing is fetched.
            run.record.version = Some(version);
            run.record.custom_prompt = run.asked_prompt.clone();
            run.record.status = status_before;
            run.record.in_progress = None;
            run.record.deaths = None;
            run.record.attempts = 0;
            run.save().await?;
            self.note_history(&run.record);
            return Ok(RunOutcome::Unchanged(Processed::unchanged(&run.record)));
        }
        let file = file.map(|(file, _)| file);
        self.build(run, file, stored, &version, &plan, options)
            .await
    }

    /// Ends a run in the record, by how its work ended.
    async fn conclude(
        &self,
        mut run: Run<'_>,
        ended: Result<RunOutcome, PipelineError>,
        options: &Options,
    ) -> Result<RunOutcome, PipelineError> {
        let error = match ended {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        let counts = match &error {
            // Not this worker's document any more: nothing is written.
            PipelineError::PermitLost(_) | PipelineError::Conflict => return Err(error),
            PipelineError::Stopped => false,
            PipelineError::Permanent { .. }
            | PipelineError::Transient { .. }
            | PipelineError::Configuration { .. }
            | PipelineError::Internal { .. } => true,
        };
        let error = match error {
            // Nobody comes after it who would need what it kept.
            PipelineError::Permanent { .. } => match self.delete_parts(&run).await {
                Ok(()) => error,
                Err(away) => away,
            },
            other => other,
        };
        if let (
            PipelineError::Permanent {
                reason,
                stage,
                message,
            },
            Some(version),
        ) = (&error, run.current.take())
        {
            let failed = FailedStage {
                reason: reason.clone(),
                stage: *stage,
                message: message.clone(),
                fault: None,
            };
            run.record.attempts = run.record.attempts.saturating_add(1);
            if let Err(unrecorded) = self.fail(&mut run, failed, version, options).await {
                self.unrecorded_ends.add(&run.id);
                return Err(unrecorded);
            }
        } else if !run.save_end(counts).await {
            self.unrecorded_ends.add(&run.id);
        }
        if counts {
            run.permit.failed(run.record.attempts);
        }
        Err(error)
    }

    /// Records a permanent failure of a version whose bytes were read.
    async fn fail(
        &self,
        run: &mut Run<'_>,
        failed: FailedStage,
        version: SourceVersion,
        options: &Options,
    ) -> Result<(), PipelineError> {
        let fingerprint = self.failure_fingerprint(&run.record.source, &version.sha256, options);
        run.save_failure(failed, version, fingerprint).await?;
        self.note_history(&run.record);
        Ok(())
    }

    /// Runs the stages of a plan and commits.
    async fn build(
        &self,
        run: &mut Run<'_>,
        file: Option<SealedFile>,
        stored: Option<Extracted>,
        version: &SourceVersion,
        plan: &Plan,
        options: &Options,
    ) -> Result<RunOutcome, PipelineError> {
        run.record.status = RecordStatus::Processing;
        run.record.failure = None;
        // Until this run commits, nothing is committed: the entry may be of the same content, from before another one. What
        // goes further than the goal is known to be true by the commit that it was made for.
        if plan.needs_source() || !self.goes_further(plan) {
            run.record.stages.remove(&Stage::Commit);
        }
        run.record.version = Some(version.clone());
        run.record.custom_prompt = run.asked_prompt.clone();
        run.record.target_stores = plan
            .targets
            .iter()
            .map(|target| target.name().to_owned())
            .collect();
        let first = plan
            .stages
            .first()
            .map_or(Stage::Commit, |planned| planned.stage);
        if !run.has_begun() {
            run.begin(first).await?;
        }

        let reads_later = |spec: &StageSpec| spec.reads_source && plan.runs(spec.stage);
        let is_read_later = self.graph().added().any(|(_, spec)| reads_later(spec));
        let pdf = file.clone().filter(|_| is_read_later);
        let needs_pages = [
            Stage::Attachments,
            Stage::Markdown,
            Stage::Predict,
            Stage::Metadata,
            Stage::Extract,
            Stage::Index,
        ];
        let needs_pages = needs_pages.iter().any(|stage| plan.runs(*stage));
        let is_read = plan.reads_pages() || (needs_pages && stored.is_none());
        let attached_to = file.clone();
        let extracted = match (file, stored) {
            (Some(file), _) if is_read => self.extract(run, file, version, plan).await?,
            (_, Some(stored)) => stored,
            // Only stages that were added are left to do, and the commit.
            (_, None) => Extracted::default(),
        };
        let mut attached = None;
        if plan.runs(Stage::Attachments) {
            let made = self.attachments(run, &extracted, attached_to, version, plan);
            attached = Some(made.await?);
        }
        if plan.runs(Stage::Markdown) {
            self.markdown(run, &extracted, plan).await?;
        }
        // One write of the record for all that is read, and what costs next to nothing then.
        if is_read || plan.runs(Stage::Attachments) || plan.runs(Stage::Markdown) {
            run.enter(Stage::Metadata);
            run.mark_in_progress();
            run.save().await?;
        }
        let mut llm_calls = 0;
        let mut metadata = None;
        run.boundary()?;
        if plan.runs(Stage::Metadata) || plan.runs(Stage::Predict) {
            let (made, usage) = self
                .metadata(run, &extracted, version, plan, options)
                .await?;
            llm_calls = usage.calls;
            metadata = Some(made);
        }
        run.boundary()?;
        if plan.runs(Stage::Extract) {
            let metadata = metadata.as_ref();
            self.extract_fields(run, &extracted, attached, metadata, version, plan)
                .await?;
        }
        run.boundary()?;
        if plan.runs(Stage::Index) {
            self.index(run, &extracted, metadata, version, plan).await?;
        }
        for (added, spec) in self.graph().added() {
            if plan.runs(spec.stage) {
                run.boundary()?;
                self.make_added(run, &**added, spec, plan, pdf.as_ref(), options.force)
                    .await?;
            }
        }
        self.commit(run, plan).await?;
        let ran = plan.stages.iter().map(|planned| planned.stage).collect();
        let charged = run.spending().total();
        Ok(RunOutcome::Processed(Processed::by(
            &run.record,
            ran,
            llm_calls,
            charged,
        )))
    }

    /// The answer of the record alone, when it has one: nothing to do, or failed for reasons that still hold.
    fn up_to_date(
        &self,
        record: &Record,
        head: &ObjectMeta,
        targets: &[TargetStore],
        options: &Options,
    ) -> Option<Result<RunOutcome, PipelineError>> {
        match record.status {
            RecordStatus::Done | RecordStatus::Partial => {
                let version = same_bytes(record.version.as_ref(), head)?;
                let plan = self.plan_for(record, &version.sha256, targets, options);
                plan.is_empty()
                    .then(|| Ok(RunOutcome::Unchanged(Processed::unchanged(record))))
            }
            RecordStatus::Failed => {
                let failure = record.failure.as_ref()?;
                let version = same_bytes(failure.version.as_ref(), head)?;
                let fingerprint = match failure.reason.as_str() {
                    WORKER_DIED | INTERNAL_ERROR => {
                        self.death_fingerprint(&record.source, head, targets, options)
                    }
                    _ => self.failure_fingerprint(&record.source, &version.sha256, options),
                };
                (failure.fingerprint == fingerprint).then(|| {
                    Err(PipelineError::Permanent {
                        reason: failure.reason.clone(),
                        stage: failure.stage,
                        message: failure.message.clone(),
                    })
                })
            }
            RecordStatus::Processing | RecordStatus::Removed => None,
        }
    }
}

/// What every log line of a run says: which document, which request, and, once there is one, which stage.
pub(crate) fn document_span(source: &Source, options: &Options) -> tracing::Span {
    tracing::info_span!(
        "document",
        source = %source.key,
        trace_id = options.trace_id,
        stage = tracing::field::Empty
    )
}
