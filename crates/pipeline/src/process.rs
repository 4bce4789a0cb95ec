//! The run: from a source's key to its committed record.

use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::{self, Either};
use jiff::Timestamp;
use pagemill_document::Dependency;
use pagemill_index::{Indexer, TargetStore};
use pagemill_metadata::MetadataGenerator;
use pagemill_reader::{PdfEngine, PdfError, SealedFile, SpoolFile};
use pagemill_storage::history::HistoryWriter;
use pagemill_storage::{
    Charged, ETag, KeyLayout, ObjectMeta, ObjectStore, Record, RecordStatus, RecordStore,
    Sequencer, SourceKey, SourceVersion, Stage, StorageError,
};
use tracing::Instrument;

use crate::attempts::{INTERNAL_ERROR, QueueMessage, UnrecordedEnds, WORKER_DIED};
use crate::graph::{Graph, GraphError, StageSpec};
use crate::outcome::{DocumentSize, PipelineError, Processed, RunOutcome, Spent};
use crate::permit::{Permit, Progress};
use crate::plan::{Plan, Reason};
use crate::prompt;
use crate::run::{FailedStage, Run};
use crate::settings::Settings;
use crate::stages::Extracted;

/// What a pipeline works with. Adapters are chosen once, at start.
#[derive(Debug)]
pub struct Parts {
    /// Objects: sources, outputs, records.
    pub store: Arc<dyn ObjectStore>,
    /// Opens and renders PDFs; in production in child processes (`Engine` of `pagemill-pdf`).
    pub engine: Arc<dyn PdfEngine>,
    /// Which engine that is (a hash of its library): part of the fingerprints of what it makes.
    pub engine_version: String,
    /// What reads pages from their pictures, with its models; empty where nobody does. Part of the text's fingerprint.
    pub ocr_version: String,
    /// Makes document metadata.
    pub generator: Arc<dyn MetadataGenerator>,
    /// Chunks, embeds, stores.
    pub indexer: Arc<Indexer>,
    /// The history view; a failed write of it never fails a document.
    pub history: Option<Arc<HistoryWriter>>,
    /// The tunables.
    pub settings: Arc<Settings>,
}

/// One source to process, with what the event said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its key.
    pub key: SourceKey,
    /// The version that the event speaks of, where the bucket keeps versions.
    pub version_id: Option<String>,
    /// The event's place in the order of events of this key, where it has one.
    pub sequencer: Option<Sequencer>,
}

impl Source {
    /// The newest version of a key.
    pub fn newest(key: impl Into<String>) -> Self {
        Self {
            key: SourceKey(key.into()),
            version_id: None,
            sequencer: None,
        }
    }
}

/// How one run differs from the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Run every stage, whatever the record says.
    pub force: bool,
    /// The custom prompt that a message or a command gives, beside the configured prompts; see [`crate::prompt`]. Goes into
    /// the fingerprint of the metadata stage, and never into a log.
    pub custom_prompt: Option<String>,
    /// Ties the logs of one message together.
    pub trace_id: String,
    /// The queue message that asks for the run, where one does: it tells a dead worker from one that is at work.
    pub message: Option<QueueMessage>,
}

/// Runs documents. Cheap to clone; one for the whole process.
#[derive(Debug, Clone)]
pub struct Pipeline {
    parts: Arc<Parts>,
    graph: Arc<Graph>,
    records: Arc<RecordStore>,
    pub(crate) unrecorded_ends: Arc<UnrecordedEnds>,
}

impl Pipeline {
    /// Puts the parts together, with the stages of every pipeline.
    pub fn new(parts: Parts) -> Self {
        Self::build_with(parts, Graph::default())
    }

    /// The same with stages of the caller's own.
    ///
    /// # Errors
    /// When one of them writes where something else stands.
    pub fn with_graph(parts: Parts, graph: Graph) -> Result<Self, GraphError> {
        graph.check_places(&parts.settings.layout)?;
        Ok(Self::build_with(parts, graph))
    }

    fn build_with(parts: Parts, graph: Graph) -> Self {
        let records = RecordStore::new(Arc::clone(&parts.store), parts.settings.layout.clone());
        Self {
            parts: Arc::new(parts),
            graph: Arc::new(graph),
            records: Arc::new(records),
            unrecorded_ends: Arc::default(),
        }
    }

    /// The records.
    pub fn records(&self) -> &RecordStore {
        &self.records
    }

    /// The parts.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The stages.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The key layout.
    pub fn layout(&self) -> &KeyLayout {
        &self.parts.settings.layout
    }

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
        let loaded = self.records.load(&source.key).await;
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
            &self.parts.store,
            &self.records,
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
        let resolved = self.with_prompt_in_force(run.asked_prompt.as_deref(), &head, options);
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
            return Ok(RunOutcome::Unchanged(unchanged(&run.record)));
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

    /// What a run would do, why, and what it may cost, without doing it. Where nobody has read the source in its present
    /// version, that is every stage up to the goal.
    ///
    /// # Errors
    /// When the record or the source can't be read.
    pub async fn plan(
        &self,
        source: &Source,
        targets: &[TargetStore],
        options: &Options,
    ) -> Result<Plan, PipelineError> {
        let loaded = self.records.load(&source.key).await;
        let loaded = loaded.map_err(|error| PipelineError::from_record(Stage::Inspect, error))?;
        let head = self
            .parts
            .store
            .head(source.key.as_str(), source.version_id.as_deref())
            .await;
        let head = head.map_err(missing_source)?;
        let record = loaded.as_ref().map(|(record, _)| record);
        let never_seen = Record::new(source.key.clone(), Timestamp::now());
        let known = record.unwrap_or(&never_seen);
        let targets = self.all_targets(known, targets);
        let asked = prompt::asked(known, &head, options);
        let resolved = self.with_prompt_in_force(asked.as_deref(), &head, options);
        let mut plan = match same_bytes(known.version.as_ref(), &head) {
            Some(version) => self.plan_for(known, &version.sha256, &targets, &resolved),
            None => {
                let goal = self.parts.settings.goal;
                let rows = self.graph.rows().iter();
                let stages = rows.filter(|row| row.goal <= goal).map(|row| row.stage);
                let reason = match record.filter(|record| record.version.is_some()) {
                    Some(record) if record.status != RecordStatus::Removed => Reason::Uploaded,
                    _ => Reason::New,
                };
                Plan::unread(&self.graph, stages, targets, reason)
            }
        };
        self.estimate(&mut plan, record, &head);
        Ok(plan)
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
        let needs_pages = [Stage::Markdown, Stage::Metadata, Stage::Index];
        let needs_pages = needs_pages.iter().any(|stage| plan.runs(*stage));
        let is_read = plan.reads_pages() || (needs_pages && stored.is_none());
        let extracted = match (file, stored) {
            (Some(file), _) if is_read => self.extract(run, file, version, plan).await?,
            (_, Some(stored)) => stored,
            // Only stages that were added are left to do, and the commit.
            (_, None) => Extracted::default(),
        };
        if plan.runs(Stage::Markdown) {
            self.markdown(run, &extracted, plan).await?;
        }
        // One write of the record for all that is read, and what costs next to nothing then.
        if is_read || plan.runs(Stage::Markdown) {
            run.enter(Stage::Metadata);
            run.mark_in_progress();
            run.save().await?;
        }
        let mut llm_calls = 0;
        let mut metadata = None;
        run.boundary()?;
        if plan.runs(Stage::Metadata) {
            let (made, usage) = self
                .metadata(run, &extracted, version, plan, options)
                .await?;
            llm_calls = usage.calls;
            metadata = Some(made);
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
        Ok(RunOutcome::Processed(summary(
            &run.record,
            ran,
            llm_calls,
            charged,
        )))
    }

    /// Downloads the source into a sealed memory file, hashing it on the way.
    async fn fetch(
        &self,
        run: &mut Run<'_>,
        source: &Source,
    ) -> Result<(SealedFile, SourceVersion), PipelineError> {
        let opened = self
            .parts
            .store
            .get(source.key.as_str(), source.version_id.as_deref())
            .await;
        let (meta, mut body) = opened.map_err(missing_source)?;
        let fetched = async {
            let mut spool = SpoolFile::new(self.parts.settings.limits.max_file_bytes)?;
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
    async fn newest_head(&self, source: &Source) -> Result<ObjectMeta, StorageError> {
        let (store, key) = (&self.parts.store, source.key.as_str());
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
                    .then(|| Ok(RunOutcome::Unchanged(unchanged(record))))
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

    /// Tells the history view. It is not the truth, so an error is logged and no more.
    pub(crate) fn note_history(&self, record: &Record) {
        if let Some(history) = &self.parts.history {
            history.update(record);
        }
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

/// What every log line of a run says: which document, which request, and, once there is one, which stage.
pub(crate) fn document_span(source: &Source, options: &Options) -> tracing::Span {
    tracing::info_span!(
        "document",
        source = %source.key,
        trace_id = options.trace_id,
        stage = tracing::field::Empty
    )
}

/// What is in place where nothing ran.
fn unchanged(record: &Record) -> Processed {
    summary(record, Vec::new(), 0, Charged::default())
}

fn summary(record: &Record, ran: Vec<Stage>, llm_calls: u32, charged: Charged) -> Processed {
    let fact = |stage, name: &str| {
        let value = record
            .stages
            .get(&stage)
            .and_then(|entry| entry.facts.get(name));
        value.and_then(serde_json::Value::as_u64).unwrap_or(0)
    };
    let count = |stage, name| u32::try_from(fact(stage, name)).unwrap_or(u32::MAX);
    let of_run = |stage, name| match ran.contains(&stage) {
        true => fact(stage, name),
        false => 0,
    };
    let version = record.version.as_ref().filter(|_| !ran.is_empty());
    let spent = Spent {
        source_bytes: version.map_or(0, |version| version.bytes),
        image_bytes: of_run(Stage::Pages, "bytes"),
        charged,
    };
    Processed {
        counts: DocumentSize {
            pages: record.ledger.pages,
            links: count(Stage::Links, "links"),
            chunks: count(Stage::Index, "chunks"),
            ocr: u32::try_from(record.ledger.ocr.len()).unwrap_or(u32::MAX),
            needs_ocr: u32::try_from(record.ledger.needs_ocr.len()).unwrap_or(u32::MAX),
        },
        failed_pages: record.ledger.failed.clone(),
        llm_calls,
        spent,
        ran,
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
