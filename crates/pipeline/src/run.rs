//! One run: the record in hand, and the only ways to write.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place that writes; it asks the lease before each write"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use jiff::Timestamp;
use pagemill_index::IndexError;
use pagemill_storage::{
    Charged, Condition, Deaths, ETag, Failure, Fault, FileBody, Fingerprint, InProgress, KeyLayout,
    ObjectStore, PutOptions, Record, RecordStatus, RecordStore, Sequencer, SourceKey,
    SourceVersion, Stage, StageEntry, StorageError,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{SpooledData, SpooledTempFile};
use tokio::time::Instant;

use crate::charges::{Spending, Till};
use crate::graph::Graph;
use crate::outcome::PipelineError;
use crate::permit::{Permit, PermitLost, Progress};
use crate::prices::Prices;
use crate::process::Options;
use crate::stages::no_temporary_file;

/// How often a run that reads a long document renews its start marker. Well below [`ABANDONED_AFTER`].
///
/// [`ABANDONED_AFTER`]: crate::attempts::ABANDONED_AFTER
const MARKER_RENEWAL: Duration = Duration::from_secs(60);

/// How often a run that reads a long document says how far it is. Each time is a write of the record, for everybody who
/// watches the document.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// A run that has seen its record for longer than this asks whether it is still its own, before it writes what nothing else
/// fences. Shorter than any run that could overtake it with a model to ask; and a look every second costs little.
const CONFIRMATION: Duration = Duration::from_secs(1);

/// A file of more bytes is not held in memory while it is written.
const MAX_BODY_IN_MEMORY: usize = 4 << 20;

/// What is written to a temporary file at a time.
const SPOOL_BUFFER_BYTES: usize = 64 << 10;

/// A run over one source. Every write goes through here, and asks the permit first.
pub(crate) struct Run<'a> {
    pub(crate) store: &'a Arc<dyn ObjectStore>,
    pub(crate) records: &'a RecordStore,
    pub(crate) permit: &'a dyn Permit,
    /// Tells this run from every other.
    pub(crate) id: String,
    pub(crate) record: Record,
    /// The version of the source at work, once its bytes were read.
    pub(crate) current: Option<SourceVersion>,
    /// The custom prompt that a message or a command gave, for the record to keep.
    pub(crate) asked_prompt: Option<String>,
    options: &'a Options,
    graph: &'a Graph,
    tag: Option<ETag>,
    ownership: Arc<Ownership>,
    writes: Writes,
    saved_at: Instant,
    /// Whether an earlier run of this document ended before its commit: what it wrote last may not be in the record.
    pub(crate) resumes: bool,
    spending: Arc<Spending>,
    /// What was paid before this run: all of it, and by the last run of each stage where that was looked up.
    spent_before: Charged,
    last_spent: BTreeMap<Stage, Charged>,
    /// Whether a run before this one may have left page images: each begins with a record.
    pub(crate) may_have_images: bool,
    /// Whether parts of this document may be in the store: none are in that of a document that is at rest.
    pub(crate) may_have_parts: bool,
    /// How far the reading of the PDF is, once it is open.
    reading: Option<Reading>,
    /// The version that the record's stages were made from, before this run.
    built: Option<SourceVersion>,
    stage: Stage,
    begun: Instant,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        store: &'a Arc<dyn ObjectStore>,
        records: &'a RecordStore,
        permit: &'a dyn Permit,
        options: &'a Options,
        graph: &'a Graph,
        source: &SourceKey,
        loaded: Option<(Record, ETag)>,
    ) -> Self {
        let (record, tag) = match loaded {
            Some((record, tag)) => (record, Some(tag)),
            None => (Record::new(source.clone(), Timestamp::now()), None),
        };
        let resumes = record.status == RecordStatus::Processing && tag.is_some();
        // Also where a commit ended in the middle: its record says already that the document is done.
        let is_committed =
            record.status == RecordStatus::Removed || record.stages.contains_key(&Stage::Commit);
        let is_at_rest = record.in_progress.is_none() && is_committed;
        let may_have_parts = tag.is_some() && !is_at_rest;
        Self {
            store,
            records,
            permit,
            id: format!("{:016x}", rand::random::<u64>()),
            current: None,
            asked_prompt: None,
            options,
            graph,
            resumes,
            may_have_images: tag.is_some(),
            may_have_parts,
            reading: None,
            spending: Arc::default(),
            spent_before: record.spent,
            last_spent: BTreeMap::new(),
            built: record.version.clone(),
            ownership: Arc::new(Ownership::new(tag.clone())),
            record,
            tag,
            writes: Writes::None,
            saved_at: Instant::now(),
            stage: Stage::Inspect,
            begun: Instant::now(),
        }
    }

    /// Ends the run where a later one can go on, when the worker is shutting down.
    pub(crate) fn boundary(&self) -> Result<(), PipelineError> {
        if self.permit.should_stop() {
            Err(PipelineError::Stopped)
        } else {
            Ok(())
        }
    }

    /// Enters a stage; what `finish` notes is counted from here.
    pub(crate) fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.begun = Instant::now();
        tracing::Span::current().record("stage", stage.name());
        self.permit.progress(Progress::Stage(stage));
        tracing::debug!(stage = ?stage, "stage begins");
    }

    /// Enters the first stage, and makes the start marker durable.
    pub(crate) async fn begin(&mut self, stage: Stage) -> Result<(), PipelineError> {
        self.enter(stage);
        self.mark_in_progress();
        self.save().await
    }

    /// The stage at work.
    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether this run's start marker is in the record.
    pub(crate) fn has_begun(&self) -> bool {
        self.writes != Writes::None
    }

    /// Puts the start marker of the stage entered into the record, to be saved with it. Deaths in an earlier stage
    /// are behind the document now.
    pub(crate) fn mark_in_progress(&mut self) {
        let graph = self.graph;
        // One in a stage that this graph has not is past too.
        let is_past = |deaths: &Deaths| {
            graph.position(self.stage) > graph.position(deaths.stage)
                && !(graph.reads_source(self.stage) && graph.reads_source(deaths.stage))
        };
        if self.record.deaths.as_ref().is_some_and(is_past) {
            self.record.deaths = None;
        }
        let message = self.options.message.as_ref();
        let reads_source = graph.reads_source(self.stage);
        let reading = self.reading.filter(|_| reads_source);
        self.record.in_progress = Some(InProgress {
            stage: self.stage,
            since: Timestamp::now(),
            trace_id: self.options.trace_id.clone(),
            run: self.id.clone(),
            message_id: message.map(|message| message.message_id.clone()),
            page: None,
            done: reading.map(|reading| reading.kept),
            total: reading.map(|reading| reading.pages),
        });
    }

    /// Whether a worker died while it read this PDF, and got no further than one before: then one page is at work at a
    /// time, and the record says which.
    pub(crate) fn is_cautious(&self) -> bool {
        let deaths = self.record.deaths.as_ref();
        deaths.is_some_and(|deaths| deaths.count > 0 && self.graph.reads_source(deaths.stage))
    }

    /// Notes how many of a document's pages are kept from earlier runs. A run that died may have kept more than its marker
    /// says: then it made progress, and the record must say so before this run can die.
    pub(crate) async fn found_kept(&mut self, kept: u32, pages: u32) -> Result<(), PipelineError> {
        self.reading = Some(Reading { kept, pages });
        let deaths = self.record.deaths.as_mut();
        let deaths = deaths.filter(|deaths| self.graph.reads_source(deaths.stage));
        let Some(deaths) = deaths.filter(|deaths| kept > deaths.done) else {
            return Ok(());
        };
        (deaths.count, deaths.done) = (0, kept);
        self.record.attempts = 0;
        self.mark_in_progress();
        self.save().await
    }

    /// Notes that pages up to this one are kept.
    pub(crate) fn has_kept(&mut self, page: u32) {
        if let Some(reading) = &mut self.reading {
            reading.kept = page;
        }
    }

    /// How many pages are kept.
    pub(crate) fn kept(&self) -> u32 {
        self.reading.map_or(0, |reading| reading.kept)
    }

    /// Tells the request that forces this run from every other one; nothing where nobody forces it.
    pub(crate) fn forced_by(&self) -> Option<&str> {
        let message = self.options.message.as_ref();
        let request = message.map_or(self.id.as_str(), |message| &message.message_id);
        self.options.force.then_some(request)
    }

    /// Pages that no child may see, for a worker died at each of them.
    pub(crate) fn left_out(&self) -> BTreeSet<u32> {
        let deaths = self.record.deaths.as_ref();
        deaths
            .map(|deaths| deaths.pages.clone())
            .unwrap_or_default()
    }

    /// Says in the start marker which page is at work, if any. A write a page: only a cautious run does it.
    pub(crate) async fn at_page(&mut self, page: Option<u32>) -> Result<(), PipelineError> {
        self.mark_in_progress();
        if let Some(marker) = &mut self.record.in_progress {
            marker.page = page;
        }
        self.save().await
    }

    /// Renews the start marker of a run that takes long, so that nobody takes it for one that was left behind, and
    /// everybody sees how far it is.
    pub(crate) async fn renew_marker(&mut self) -> Result<(), PipelineError> {
        let marker = self.record.in_progress.as_ref();
        let said = marker.and_then(|marker| marker.done);
        let interval = match said == self.reading.map(|reading| reading.kept) {
            true => MARKER_RENEWAL,
            false => PROGRESS_INTERVAL,
        };
        if self.saved_at.elapsed() < interval {
            return Ok(());
        }
        self.mark_in_progress();
        self.save().await
    }

    /// Notes a finished stage in the record; [`Run::save`] makes it durable.
    pub(crate) fn finish(&mut self, stage: Stage, entry: Finished) {
        self.record.stages.insert(
            stage,
            StageEntry {
                fingerprint: entry.fingerprint,
                outputs: entry.outputs,
                finished_at: Timestamp::now(),
                millis: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                etags: entry.etags,
                facts: entry.facts,
                spent: match entry.found {
                    true => self.last_spent.get(&stage).copied().unwrap_or_default(),
                    false => self.spending.of(stage),
                },
            },
        );
    }

    /// Writes the record, if nobody else wrote it since it was read.
    pub(crate) async fn save(&mut self) -> Result<(), PipelineError> {
        self.permit.check()?;
        self.record.updated_at = Timestamp::now();
        self.record.spent = self.spent_before;
        self.record.spent.add(&self.spending.total());
        // Until the answer is there, nobody knows whether the write took place; this future may also be dropped.
        self.writes = Writes::UnderWay;
        let tag = self
            .records
            .save(&mut self.record, self.tag.as_ref())
            .await
            .map_err(|error| PipelineError::from_record(self.stage, error))?;
        self.ownership.confirmed(Some(tag.clone()));
        self.tag = Some(tag);
        self.writes = Writes::Done;
        self.saved_at = Instant::now();
        Ok(())
    }

    /// Records that the version at hand is also that of a newer event.
    pub(crate) async fn save_event(
        &mut self,
        sequencer: Option<Sequencer>,
    ) -> Result<(), PipelineError> {
        let failed = self.record.failure.as_mut();
        let failed = failed.and_then(|failure| failure.version.as_mut());
        if let Some(version) = failed.or(self.record.version.as_mut()) {
            version.sequencer = sequencer;
        }
        self.save().await
    }

    /// Records that this version of the source can't be processed. What an earlier version gave stays in place.
    pub(crate) async fn save_failure(
        &mut self,
        failed: FailedStage,
        version: SourceVersion,
        fingerprint: Fingerprint,
    ) -> Result<(), PipelineError> {
        let FailedStage {
            reason,
            stage,
            message,
            fault,
        } = failed;
        self.record.status = RecordStatus::Failed;
        self.record.in_progress = None;
        self.record.deaths = None;
        self.record.version = self.built.clone();
        self.record.custom_prompt = self.asked_prompt.clone();
        let at = Timestamp::now();
        let version = Some(version);
        self.record.failure = Some(Failure {
            reason,
            stage,
            message,
            at,
            version,
            fingerprint,
            fault,
        });
        self.save().await
    }

    /// Writes the end marker of a run that did not reach a final state, so that its start marker does not pass for a
    /// death; `counts` says whether the run counts as a failed attempt. Answers whether the record has no marker of
    /// this run any more.
    ///
    /// The work may have been dropped in the middle of a write of the record. Then the record is read again: where it
    /// is as this run left it, or has this run's marker, it is written over.
    pub(crate) async fn save_end(&mut self, counts: bool) -> bool {
        if counts {
            self.record.attempts = self.record.attempts.saturating_add(1);
        }
        if self.writes == Writes::None {
            return true;
        }
        // A write that was dropped may still arrive between the reading and the writing, once.
        for _ in 0..3 {
            if self.writes == Writes::UnderWay {
                match self.find_again().await {
                    Ok(Found::Ours) => {}
                    Ok(Found::Over) => return true,
                    Err(error) => return self.without_end(&error),
                }
            }
            self.record.in_progress = None;
            match self.save().await {
                Ok(()) => return true,
                Err(PipelineError::Conflict) => {}
                Err(error) => return self.without_end(&error),
            }
        }
        self.without_end(&PipelineError::Conflict)
    }

    /// Writes the end of a run that panicked as [`Run::save_end`] does, also when it had not written anything yet: the
    /// death must be in the record. Answers whether the record says so.
    pub(crate) async fn save_death(&mut self) -> bool {
        if self.writes == Writes::None {
            self.writes = Writes::Done;
        }
        self.save_end(true).await
    }

    fn without_end(&self, error: &PipelineError) -> bool {
        tracing::warn!(source = %self.record.source, "the end of the run could not be recorded: {error}");
        false
    }

    /// Learns what became of a write without an answer.
    async fn find_again(&mut self) -> Result<Found, PipelineError> {
        let loaded = self.records.load(&self.record.source).await;
        let loaded = loaded.map_err(|error| PipelineError::from_record(self.stage, error))?;
        let (record, tag) = match loaded {
            Some((record, tag)) => (Some(record), Some(tag)),
            None => (None, None),
        };
        let marker = record.and_then(|record| record.in_progress);
        let is_ours = marker.is_some_and(|marker| marker.run == self.id);
        if tag != self.tag && !is_ours {
            // The last write took place and was an end, or somebody else has the document.
            return Ok(Found::Over);
        }
        // A write that did not take place and may still arrive is kept out by the end that is written in its place.
        self.tag = tag;
        Ok(Found::Ours)
    }

    /// What was paid before this run, looked up anew.
    pub(crate) fn recounted(&mut self, total: Charged, last_runs: BTreeMap<Stage, Charged>) {
        self.spent_before = total;
        self.last_spent = last_runs;
    }

    /// What this run has paid so far.
    pub(crate) fn spending(&self) -> &Spending {
        &self.spending
    }

    /// Where the stage at work has its paid calls written down.
    pub(crate) fn till(&self, prices: &'a Prices) -> Till<'a> {
        Till {
            outputs: self.outputs(),
            spending: Arc::clone(&self.spending),
            prices,
            source: self.record.source.clone(),
            stage: self.stage,
            run: self.id.clone(),
            trace_id: self.options.trace_id.clone(),
            failed: Mutex::default(),
        }
    }

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

/// How far the reading of a PDF is.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// Pages from the first on that the next run need not read again.
    kept: u32,
    /// Pages of the document.
    pages: u32,
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
struct Ownership(Mutex<(Option<ETag>, Instant)>);

impl Ownership {
    fn new(tag: Option<ETag>) -> Self {
        Self(Mutex::new((tag, Instant::now())))
    }

    fn confirmed(&self, tag: Option<ETag>) {
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
    pub(crate) async fn append(&self, key: &str, body: Bytes) -> Result<(), PipelineError> {
        self.permit.check()?;
        let options = PutOptions {
            content_type: Some("application/json"),
            condition: Condition::IfAbsent,
        };
        match self.store.put(key, body, options).await {
            Ok(_) | Err(StorageError::Precondition { .. }) => Ok(()),
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

/// What became of a run's own writes of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    /// There was none.
    None,
    /// One has no answer yet.
    UnderWay,
    /// Each was answered.
    Done,
}

/// Whose record is in the store.
enum Found {
    /// As this run read it or wrote it.
    Ours,
    /// No marker of this run is in it.
    Over,
}

/// Where and why a document failed for good.
pub(crate) struct FailedStage {
    pub(crate) reason: String,
    pub(crate) stage: Stage,
    pub(crate) message: String,
    pub(crate) fault: Option<Fault>,
}

/// What a finished stage leaves in the record.
pub(crate) struct Finished {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) outputs: Vec<String>,
    pub(crate) etags: std::collections::BTreeMap<String, String>,
    pub(crate) facts: std::collections::BTreeMap<String, serde_json::Value>,
    /// Whether a run before made it, and this one found it.
    pub(crate) found: bool,
}

impl Finished {
    pub(crate) fn new(fingerprint: &Fingerprint) -> Self {
        Self {
            fingerprint: fingerprint.clone(),
            outputs: Vec::new(),
            etags: Default::default(),
            facts: Default::default(),
            found: false,
        }
    }

    /// An object that is replaced in place, with its new tag.
    pub(crate) fn output(mut self, key: String, tag: Option<ETag>) -> Self {
        if let Some(tag) = tag {
            self.etags.insert(key.clone(), tag.0);
        }
        self.outputs.push(key);
        self
    }

    pub(crate) fn found(mut self, found: bool) -> Self {
        self.found = found;
        self
    }

    pub(crate) fn fact(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}
