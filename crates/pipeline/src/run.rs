//! One run: the record in hand. [`writes`] has the only ways to write objects.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place that writes records; it asks the lease before each write"
)]

mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use pagemill_fields::Corrections;
use pagemill_storage::{
    Charged, Deaths, ETag, Failure, Fault, Fingerprint, InProgress, ObjectStore, Record,
    RecordStatus, RecordStore, Sequencer, SourceKey, SourceVersion, Stage, StageEntry,
};
use tokio::time::Instant;

pub(crate) use self::writes::Outputs;
use self::writes::Ownership;
use crate::charges::{Spending, Till};
use crate::graph::Graph;
use crate::outcome::PipelineError;
use crate::permit::{Permit, Progress};
use crate::pipeline::{Options, Pipeline};

/// How often a run that reads a long document renews its start marker. Well below [`ABANDONED_AFTER`].
///
/// [`ABANDONED_AFTER`]: crate::attempts::ABANDONED_AFTER
const MARKER_RENEWAL: Duration = Duration::from_secs(60);

/// How often a run that reads a long document says how far it is. Each time is a write of the record, for everybody who
/// watches the document.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

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
    /// What people decided of the document's fields.
    pub(crate) corrections: Corrections,
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
    /// Whether there was a record when this run began: nothing of a document is written before its record.
    pub(crate) had_record: bool,
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
            corrections: Corrections::default(),
            options,
            graph,
            resumes,
            had_record: tag.is_some(),
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
                    _ if entry.spent.is_some() => entry.spent.unwrap_or_default(),
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
    pub(crate) fn till(&self, pipeline: &'a Pipeline) -> Till<'a> {
        Till {
            outputs: self.outputs(),
            spending: Arc::clone(&self.spending),
            prices: &pipeline.parts().settings.prices,
            budget: &pipeline.parts().settings.budget,
            store: self.store,
            forced_by: self.forced_by().map(str::to_owned),
            resumes: self.resumes,
            had_record: self.had_record,
            paid: Mutex::default(),
            source: self.record.source.clone(),
            stage: self.stage,
            run: self.id.clone(),
            trace_id: self.options.trace_id.clone(),
            failed: Mutex::default(),
        }
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
    pub(crate) etags: BTreeMap<String, String>,
    pub(crate) facts: BTreeMap<String, serde_json::Value>,
    /// Whether a run before made it, and this one found it.
    pub(crate) found: bool,
    /// What it cost, where that is more than what this run paid.
    pub(crate) spent: Option<Charged>,
}

impl Finished {
    pub(crate) fn new(fingerprint: &Fingerprint) -> Self {
        Self {
            fingerprint: fingerprint.clone(),
            outputs: Vec::new(),
            etags: Default::default(),
            facts: Default::default(),
            found: false,
            spent: None,
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

    pub(crate) fn spent(mut self, spent: Charged) -> Self {
        self.spent = Some(spent);
        self
    }

    pub(crate) fn fact(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}
