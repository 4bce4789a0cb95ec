//! What must hold at every moment, checked at the doubles: who may write, when a message may be deleted, what may be
//! paid for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pagemill_events::Event;
use pagemill_pipeline::Settings;
use pagemill_queue::capabilities::Receipts;
use pagemill_queue::{End, Hold, MemoryQueue, Message, Queue, Receipt};
use pagemill_storage::{Record, RecordStatus, Sequencer, SourceKey, SourceVersion, Stage};
use tokio::time::Instant;

use crate::gate::Gate;
use crate::world::Change;

/// Watches one run.
#[derive(Debug)]
pub(crate) struct Oracle {
    sources: Vec<SourceKey>,
    record_keys: Vec<String>,
    /// What the keys of parts begin with.
    parts: String,
    /// What the keys of page images begin with, by source.
    images: Vec<String>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    violations: Vec<String>,
    late_parts: BTreeSet<String>,
    late_images: BTreeSet<String>,
    /// JSON files that were replaced so late, over the very bytes that the writer knew.
    late_replacements: BTreeSet<String>,
    /// By receipt.
    grants: BTreeMap<String, Grant>,
    /// Final states that records have had.
    verdicts: Vec<Verdict>,
    records: BTreeMap<usize, Record>,
    receives: BTreeMap<String, u32>,
    /// Deliveries that nobody settled, by source: the worker died, was frozen, or could not reach the queue.
    mishaps: BTreeMap<String, u32>,
    payments: u64,
    /// Calls by a receipt whose message somebody else had received since, which the queue answered as good ones.
    stale_calls: u64,
    /// Questions to the LLM, by source and content.
    questions: BTreeMap<(usize, String), u64>,
}

/// A receipt of a message, and how long the queue grants it.
#[derive(Debug)]
struct Grant {
    message: String,
    is_settled: bool,
    process: String,
    until: Instant,
    /// When somebody else received the message.
    passed_on_at: Option<Instant>,
    events: Vec<Event>,
    body: String,
}

impl Grant {
    /// Whether the time is over that the queue granted to this receipt.
    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Whether its process may work on the message: until the time is over that the queue granted. Where messages belong to
    /// connections, the end of one is told at once, so nobody may go on when somebody else has the message.
    fn is_live(&self, queue: &MemoryQueue) -> bool {
        let is_told = queue.capabilities().receipts == Receipts::Connection;
        let is_passed_on = self.passed_on_at.is_some_and(|at| at < Instant::now());
        !(self.is_over() || is_told && is_passed_on)
    }
}

/// A final state that a record reached.
#[derive(Debug, Clone)]
struct Verdict {
    source: usize,
    status: RecordStatus,
    version: Option<SourceVersion>,
}

fn of_event(event: &Event) -> Option<(&str, Option<Sequencer>)> {
    match event {
        Event::Job(job) => Some((&job.key, job.sequencer.clone().and_then(Sequencer::new))),
        Event::Removed(removal) => Some((
            &removal.key,
            removal.sequencer.clone().and_then(Sequencer::new),
        )),
        Event::Ignored { .. } | Event::Rejected { .. } => None,
    }
}

/// The newest version that a record speaks of.
fn newest(record: &Record) -> Option<&Sequencer> {
    let failed = record.failure.as_ref();
    let failed = failed.and_then(|failure| failure.version.as_ref());
    let versions = record.version.iter().chain(failed);
    versions
        .filter_map(|version| version.sequencer.as_ref())
        .max()
}

impl Oracle {
    pub(crate) fn new(sources: Vec<SourceKey>) -> Self {
        let layout = Settings::default().layout;
        let all_images = |source| layout.page_images_of_all_generations(source);
        Self {
            record_keys: sources.iter().map(|source| layout.record(source)).collect(),
            parts: layout.parts(),
            images: sources.iter().map(all_images).collect(),
            sources,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a promise was broken.
    pub(crate) fn violated(&self, what: String) {
        self.inner().violations.push(what);
    }

    /// The promises that were broken.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.inner().violations.clone()
    }

    /// Answers of the LLM, and how many of them were for a text that it had been asked about before.
    pub(crate) fn payments(&self) -> (u64, u64) {
        let inner = self.inner();
        let again = inner.questions.values().map(|asked| asked - 1).sum();
        (inner.payments, again)
    }

    /// How often a call by a stale receipt was answered as a good one.
    pub(crate) fn stale_calls(&self) -> u64 {
        self.inner().stale_calls
    }

    /// The most times that one message was received.
    pub(crate) fn most_receives(&self) -> u32 {
        self.inner().receives.values().copied().max().unwrap_or(0)
    }

    /// What a record says, in short, for the trace.
    pub(crate) fn gist(&self, key: &str, body: &[u8]) -> String {
        if !self.record_keys.iter().any(|record| record == key) {
            return String::new();
        }
        match serde_json::from_slice::<Record>(body) {
            Ok(record) => {
                let at = record.in_progress.as_ref().map(|at| at.stage.name());
                let newest = newest(&record).map_or("none", Sequencer::as_str);
                format!(
                    " [{:?}, in progress {at:?}, attempts {}, version {newest}]",
                    record.status, record.attempts
                )
            }
            Err(error) => format!(" [no record: {error}]"),
        }
    }

    /// Messages were handed to a process.
    pub(crate) fn received(&self, gate: &Gate, messages: &[Message], hold: Duration) {
        let mut inner = self.inner();
        for message in messages {
            gate.note(&format!(
                "gets {} as {}",
                message.id,
                message.receipt.as_str()
            ));
            *inner.receives.entry(message.id.clone()).or_default() += 1;
            let unsettled: Vec<String> = inner
                .grants
                .values_mut()
                .filter(|grant| grant.message == message.id)
                .filter_map(|grant| {
                    grant.passed_on_at.get_or_insert(Instant::now());
                    let is_unsettled = !std::mem::replace(&mut grant.is_settled, true);
                    is_unsettled.then_some(grant)
                })
                .flat_map(|grant| grant.events.iter().filter_map(of_event))
                .map(|(key, _)| key.to_owned())
                .collect();
            for key in unsettled {
                *inner.mishaps.entry(key).or_default() += 1;
            }
            let grant = Grant {
                message: message.id.clone(),
                is_settled: false,
                process: gate.name.clone(),
                until: Instant::now() + hold,
                passed_on_at: None,
                events: pagemill_events::parse(&message.body),
                body: message.body.clone(),
            };
            inner
                .grants
                .insert(message.receipt.as_str().to_owned(), grant);
        }
    }

    /// The queue granted more time. Where a stale renewal is granted too, it is worth nothing to whoever made it.
    pub(crate) fn renewed(&self, receipt: &Receipt, hold: Hold) {
        let mut inner = self.inner();
        inner.stale_calls += u64::from(inner.is_stale(receipt));
        if let Some(grant) = inner.grants.get_mut(receipt.as_str())
            && !grant.is_over()
        {
            grant.until = Instant::now() + hold.0;
        }
    }

    /// The queue took the message back, or took it away.
    pub(crate) fn settled(&self, receipt: &Receipt, end: &End) {
        let mut inner = self.inner();
        let inner = &mut *inner;
        inner.stale_calls += u64::from(inner.is_stale(receipt));
        let after = match end {
            End::Done | End::DeadLetter(_) => return,
            End::Release => Duration::ZERO,
            End::Retry { after } => *after,
        };
        if let Some(grant) = inner.grants.get_mut(receipt.as_str()) {
            if !grant.is_settled {
                // A run whose end the store did not take looks like a death to the next worker.
                for record in inner.records.values() {
                    let marker = record.in_progress.as_ref();
                    if marker.is_some_and(|at| at.message_id.as_ref() == Some(&grant.message)) {
                        *inner.mishaps.entry(record.source.0.clone()).or_default() += 1;
                    }
                }
            }
            grant.is_settled = true;
            grant.until = Instant::now() + after;
        }
    }

    /// How many deliveries of messages about a source nobody settled.
    pub(crate) fn mishaps(&self, key: &str) -> u32 {
        self.inner().mishaps.get(key).copied().unwrap_or(0)
    }

    /// A process writes. It must hold a message about that source just now.
    pub(crate) fn written(&self, gate: &Gate, source: usize, what: &str) {
        let key = &self.sources[source].0;
        let mut inner = self.inner();
        let is_held = inner.grants.values().any(|grant| {
            grant.process == gate.name
                && grant.is_live(&gate.world.queue)
                && grant
                    .events
                    .iter()
                    .filter_map(of_event)
                    .any(|(held, _)| held == key)
        });
        if !is_held {
            inner.violations.push(format!(
                "LE-4: {} writes without a lease: {what}",
                gate.name
            ));
            drop(inner);
            gate.note(&format!("VIOLATION: no lease for {what}"));
        }
    }

    /// A request took effect although nobody waited for it any more, or long after it was sent. No lease can hold such a
    /// one back; where it brings a part of a document that is done meanwhile, or an image of a version that was replaced,
    /// that stays, and where the document has gone back to the bytes of before, so has the file's tag, and the file is
    /// replaced (docs/SEMANTICS.md).
    pub(crate) fn came_late(&self, what: &str) {
        let put = what.strip_prefix("put ");
        if let Some(key) = put.and_then(|put| put.strip_suffix(" if unchanged")) {
            self.inner().late_replacements.insert(key.to_owned());
        }
        let Some(key) = put.map(str::trim_end) else {
            return;
        };
        if key.starts_with(&self.parts) {
            self.inner().late_parts.insert(key.to_owned());
        } else if self.images.iter().any(|images| key.starts_with(images)) {
            self.inner().late_images.insert(key.to_owned());
        }
    }

    /// Whether a key is that of a part which came late.
    pub(crate) fn is_late_part(&self, key: &str) -> bool {
        self.inner().late_parts.contains(key)
    }

    /// Whether a key is that of a page image which came late.
    pub(crate) fn is_late_image(&self, key: &str) -> bool {
        self.inner().late_images.contains(key)
    }

    /// Whether a key is that of a file which was replaced late.
    pub(crate) fn is_late_replacement(&self, key: &str) -> bool {
        self.inner().late_replacements.contains(key)
    }

    /// A write arrived.
    pub(crate) fn stored(&self, key: &str, body: &[u8]) {
        let Some(source) = self.record_keys.iter().position(|record| record == key) else {
            return;
        };
        let record: Record =
            serde_json::from_slice(body).expect("what is written as a record is one");
        let mut inner = self.inner();
        let is_final = record.in_progress.is_none() && record.status != RecordStatus::Processing;
        if is_final {
            let version = match &record.failure {
                Some(failure) if record.status == RecordStatus::Failed => failure.version.clone(),
                _ => record.version.clone(),
            };
            inner.verdicts.push(Verdict {
                source,
                status: record.status,
                version,
            });
        }
        inner.records.insert(source, record);
    }

    /// A process deletes a message: everything in it must have its verdict, and the lease must be live.
    pub(crate) fn deletes(&self, gate: &Gate, receipt: &Receipt, end: &End) {
        let dead: Vec<String> = gate
            .world
            .dead_letters
            .contents()
            .into_iter()
            .map(|(body, _)| body)
            .collect();
        let inner = self.inner();
        let Some(grant) = inner.grants.get(receipt.as_str()) else {
            return;
        };
        let mut broken = Vec::new();
        if grant.is_over() {
            broken.push(format!("LE-4: {} deletes without a lease", gate.name));
        }
        let is_dead = matches!(end, End::DeadLetter(_)) || dead.contains(&grant.body);
        if !is_dead {
            for event in &grant.events {
                let Some((key, sequencer)) = of_event(event) else {
                    continue;
                };
                // Of several events of one key, the newest decides.
                let is_overtaken = grant
                    .events
                    .iter()
                    .filter_map(of_event)
                    .any(|(other, later)| other == key && sequencer.is_some() && later > sequencer);
                if is_overtaken {
                    continue;
                }
                let Some(source) = gate.world.number_of(key) else {
                    continue;
                };
                let changes = gate.world.changes(source);
                if !inner.has_verdict(source, event, sequencer.as_ref(), &changes) {
                    broken.push(format!(
                        "SE-1: {} deletes {} before the commit of {key} ({})",
                        gate.name,
                        receipt.as_str(),
                        sequencer.as_ref().map_or("none", Sequencer::as_str)
                    ));
                }
            }
        }
        drop(inner);
        for what in broken {
            gate.note(&format!("VIOLATION: {what}"));
            self.violated(what);
        }
    }

    /// A process is about to ask the LLM. A finished stage must not be paid for again.
    pub(crate) fn asks_llm(&self, gate: &Gate, source: Option<usize>, sha256: &str) {
        let Some(source) = source else {
            return self.violated("the LLM was asked about an unknown source".to_owned());
        };
        let mut inner = self.inner();
        let key = &self.sources[source].0;
        let holders = inner.grants.values().filter(|grant| {
            let mut events = grant.events.iter().filter_map(of_event);
            grant.is_live(&gate.world.queue) && events.any(|(held, _)| held == key)
        });
        // Two deliveries at the same time may each ask; what one of them gets is thrown away.
        let is_alone = holders.count() < 2;
        let is_finished = inner.records.get(&source).is_some_and(|record| {
            let version = record.version.as_ref();
            record.stages.contains_key(&Stage::Predict)
                && version.is_some_and(|version| version.sha256 == sha256)
                && is_of_this_text(record)
        });
        *inner
            .questions
            .entry((source, sha256.to_owned()))
            .or_default() += 1;
        drop(inner);
        if is_finished && is_alone {
            self.violated(format!(
                "OUT-1: {} pays again for what was answered about {}",
                gate.name, self.sources[source].0
            ));
            gate.note("VIOLATION: the predict stage is finished");
        }
    }

    /// The LLM answered.
    pub(crate) fn paid(&self) {
        self.inner().payments += 1;
    }
}

/// Whether the predict stage was made for the content that the record speaks of: an older content's entry stays in
/// the record until the stage is made anew.
fn is_of_this_text(record: &Record) -> bool {
    let finished = |stage| record.stages.get(&stage).map(|entry| entry.finished_at);
    finished(Stage::Predict) >= finished(Stage::Text)
}

impl Inner {
    /// Whether the message was received again since.
    fn is_stale(&self, receipt: &Receipt) -> bool {
        let grant = self.grants.get(receipt.as_str());
        grant.is_some_and(|grant| grant.passed_on_at.is_some())
    }

    /// Whether what an event asks for was decided: committed, failed, removed, or overtaken.
    fn has_verdict(
        &self,
        source: usize,
        event: &Event,
        sequencer: Option<&Sequencer>,
        changes: &[Change],
    ) -> bool {
        let later_changes = || {
            changes.iter().filter(move |change| {
                let changed = Sequencer::new(change.sequencer.clone());
                sequencer.is_none() || changed.as_ref() >= sequencer
            })
        };
        let mut verdicts = self
            .verdicts
            .iter()
            .filter(|verdict| verdict.source == source);
        let is_decided = verdicts.any(|verdict| {
            let Some(version) = &verdict.version else {
                return false;
            };
            let is_not_older = sequencer.is_some() && version.sequencer.as_ref() >= sequencer;
            let is_same = verdict.status != RecordStatus::Removed
                && later_changes().any(|change| change.etag == version.etag);
            is_not_older || is_same
        });
        let is_overtaken = sequencer.is_some()
            && self
                .records
                .get(&source)
                .is_some_and(|record| newest(record) > sequencer);
        // A removal of something that was written again asks for nothing.
        let is_back = matches!(event, Event::Removed(_))
            && later_changes().any(|change| change.content.is_some());
        is_decided || is_overtaken || is_back
    }
}
