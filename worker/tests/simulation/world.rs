//! The world of one run: the bucket, the queue, the vector store, the users, the workers, and what goes wrong.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pagemill_events::JobRequest;
use pagemill_pipeline::{Graph, Settings};
use pagemill_queue::{Clock, MemoryQueue, TokioClock};
use pagemill_storage::{KeyLayout, MemoryStore, ObjectStore, PutOptions, SourceKey};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::bus::Bus;
use crate::dice::Dice;
use crate::documents::{self, Content, KEYS};
use crate::gate::{Gate, Luck, Mode, Trouble};
use crate::oracle::Oracle;
use crate::process::Process;
use crate::sabotage::Sabotage;
use crate::schedule::{Action, Dependency, Plan};
use crate::trace::{Trace, traced};

/// The bucket's name.
pub(crate) const BUCKET: &str = "bucket";

/// Once everything is healed, all work must be done within this time.
const SETTLES_WITHIN: Duration = Duration::from_secs(4 * 3600);

/// How long an ECS task has between SIGTERM and SIGKILL.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a request under way may need to arrive.
const STRAGGLERS: Duration = Duration::from_secs(60);

static SETTINGS: LazyLock<Arc<Settings>> = LazyLock::new(|| Arc::new(Settings::default()));

/// What a user did to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) sequencer: String,
    /// `None` is a removal.
    pub(crate) content: Option<Content>,
    pub(crate) etag: String,
}

/// How long a request and its answer travel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Travel {
    pub(crate) there: Duration,
    pub(crate) back: Duration,
}

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) sabotage: Sabotage,
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) vectors: Arc<pagemill_doubles::MemoryVectors>,
    pub(crate) queue: MemoryQueue,
    pub(crate) dead_letters: MemoryQueue,
    begun: Instant,
    oracle: Oracle,
    sources: Vec<SourceKey>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    is_calm: bool,
    outages: BTreeMap<Dependency, Instant>,
    processes: Vec<Option<Process>>,
    started: Vec<u32>,
    /// What is to come, by its time and then in the order in which it was decided.
    agenda: BTreeMap<(Instant, u64), Action>,
    decided: u64,
    messages: Vec<String>,
    /// Events that wait for others, to be sent in one message.
    held: Vec<Value>,
    sequence: u64,
    changes: Vec<Vec<Change>>,
    settled_after: Option<Duration>,
    calls: BTreeMap<Dependency, u64>,
}

impl World {
    pub(crate) fn new(plan: Plan, sabotage: Sabotage, keeps_lines: bool) -> Arc<Self> {
        let clock = TokioClock::shared();
        let dead_letters = MemoryQueue::new("dead-letters", clock.clone());
        let capabilities = plan.bus.capabilities();
        let queue = MemoryQueue::with_dead_letters("pdfs", clock.clone(), dead_letters.clone(), 1)
            .like(capabilities);
        let sources: Vec<SourceKey> = (0..KEYS.len()).map(documents::source).collect();
        let begun = Instant::now();
        let agenda = plan
            .actions
            .iter()
            .zip(0..)
            .map(|(&(at, action), number)| ((begun + at, number), action))
            .collect();
        let state = State {
            is_calm: false,
            outages: BTreeMap::new(),
            processes: (0..plan.workers).map(|_| None).collect(),
            started: vec![0; plan.workers],
            agenda,
            decided: plan.actions.len() as u64,
            messages: Vec::new(),
            held: Vec::new(),
            sequence: 0,
            changes: vec![Vec::new(); KEYS.len()],
            settled_after: None,
            calls: BTreeMap::new(),
        };
        Arc::new(Self {
            dice: Dice::new(plan.seed, 2),
            trace: Trace::new(keeps_lines),
            store: Arc::new(MemoryStore::new(BUCKET)),
            vectors: Arc::default(),
            oracle: Oracle::new(sources.clone()),
            settings: Arc::clone(&SETTINGS),
            plan,
            sabotage,
            clock,
            queue,
            dead_letters,
            begun,
            sources,
            state: Mutex::new(state),
            changed: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn layout(&self) -> &KeyLayout {
        &self.settings.layout
    }

    pub(crate) fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// What was done to a key, oldest first.
    pub(crate) fn changes(&self, key: usize) -> Vec<Change> {
        self.state().changes[key].clone()
    }

    /// How many calls were made of each dependency.
    pub(crate) fn calls(&self) -> BTreeMap<Dependency, u64> {
        self.state().calls.clone()
    }

    pub(crate) fn note(&self, who: &str, what: &str) {
        self.trace.note(self.begun.elapsed(), who, what);
    }

    pub(crate) fn note_result<Answer, Refusal: Display>(
        &self,
        who: &str,
        what: &str,
        result: &Result<Answer, Refusal>,
    ) {
        match result {
            Ok(_) => self.note(who, &format!("{what} -> done")),
            Err(error) => self.note(who, &traced(&format!("{what} -> {error}"))),
        }
    }

    /// Which source an object was made from.
    pub(crate) fn owner_of(&self, key: &str) -> Option<usize> {
        let (layout, graph) = (self.layout(), Graph::default());
        self.sources.iter().position(|source| {
            layout.generation_of_image(source, key).is_some()
                || layout.is_charge_of(source, key)
                || layout.is_answer_of(source, key)
                || layout.is_part_of(source, key)
                || layout.record(source) == key
                || graph.files(layout, source).any(|(_, owned)| owned == key)
        })
    }

    pub(crate) fn number_of(&self, source: &str) -> Option<usize> {
        KEYS.iter().position(|key| *key == source)
    }

    pub(crate) fn number_of_relative(&self, name: &str) -> Option<usize> {
        self.sources
            .iter()
            .position(|source| self.layout().relative(source) == name)
    }

    /// How long it took until no message was left; to the second in a quick plan, else to ten.
    pub(crate) fn settled_after(&self) -> Option<Duration> {
        self.state().settled_after
    }

    pub(crate) fn count_call(&self, dependency: Dependency) {
        *self.state().calls.entry(dependency).or_default() += 1;
    }

    /// Whether a dependency does not answer just now.
    pub(crate) fn is_out(&self, dependency: Dependency) -> bool {
        let state = self.state();
        let until = state.outages.get(&dependency);
        !state.is_calm && until.is_some_and(|until| Instant::now() < *until)
    }

    /// How a call ends.
    pub(crate) fn luck(&self, dependency: Dependency) -> Luck {
        if self.is_out(dependency) {
            return Luck::Fails(Trouble::Unavailable);
        }
        if self.state().is_calm {
            return Luck::Good;
        }
        let rates = &self.plan.rates;
        let mut throw = self.dice.number(0, 999);
        for (rate, luck) in [
            (rates.fails, Luck::Fails(Trouble::Unavailable)),
            (rates.fails / 2, Luck::Fails(Trouble::Throttled)),
            (rates.answer_lost, Luck::AnswerLost),
            (rates.sent_twice, Luck::SentTwice),
            (rates.dies_before, Luck::DiesBefore),
            (rates.dies_after, Luck::DiesAfter),
        ] {
            if throw < u64::from(rate) {
                return luck;
            }
            throw -= u64::from(rate);
        }
        Luck::Good
    }

    /// How long a call takes. What a request changes is changed within the lease's margin after it was sent; its
    /// answer may take longer than anybody waits.
    pub(crate) fn travel(&self, dependency: Dependency) -> Travel {
        let dice = &self.dice;
        let is_slow = !self.state().is_calm && dice.per_mille(self.plan.rates.slow);
        let there = match dependency {
            Dependency::Llm if self.plan.quick => dice.millis(500, 2_000),
            Dependency::Llm if dice.per_mille(200) => dice.millis(10_000, 100_000),
            Dependency::Llm => dice.millis(500, 10_000),
            _ if is_slow => dice.millis(500, 8_000),
            _ => dice.millis(1, 40),
        };
        let back = if is_slow && dice.coin() {
            dice.millis(100, 30_000)
        } else {
            dice.millis(1, 10)
        };
        Travel { there, back }
    }

    /// SQS delivers a message twice now and then.
    pub(crate) fn may_duplicate(&self) {
        let is_at_least_once = self.plan.bus == Bus::Sqs;
        if is_at_least_once
            && !self.state().is_calm
            && self.dice.per_mille(self.plan.rates.duplicate)
        {
            self.note("queue", "the next message is delivered twice");
            self.queue.duplicate_next_receive();
        }
    }

    /// A process ended by itself or was killed: its worker is started again after a while.
    pub(crate) fn died(&self, worker: usize) {
        let process = self.state().processes[worker].take();
        if let Some(process) = process {
            process.abort();
        }
        self.plan_for(self.dice.millis(500, 60_000), Action::Start { worker });
    }

    /// Puts something on the agenda.
    fn plan_for(&self, after: Duration, action: Action) {
        let mut state = self.state();
        state.decided += 1;
        let place = (Instant::now() + after, state.decided);
        state.agenda.insert(place, action);
        drop(state);
        self.changed.notify_one();
    }

    /// Lives until all is done, or for as long as that may take.
    pub(crate) async fn live(self: &Arc<Self>) {
        for worker in 0..self.plan.workers {
            self.act(Action::Start { worker }).await;
        }
        let calm_at = self.begun + self.plan.calm_at;
        self.go_on_until(calm_at, || false).await;
        self.calm_down();
        let deadline = Instant::now() + SETTLES_WITHIN;
        let settled = || self.state().agenda.is_empty() && self.queue.contents().is_empty();
        while !settled() {
            if Instant::now() >= deadline {
                let left: Vec<_> = self
                    .queue
                    .contents()
                    .into_iter()
                    .map(|(body, _)| body)
                    .collect();
                self.oracle.violated(format!(
                    "still queued {} h after everything healed: {left:?}",
                    SETTLES_WITHIN.as_secs() / 3600
                ));
                return;
            }
            let step = if self.plan.quick { 1 } else { 10 };
            self.go_on_until(Instant::now() + Duration::from_secs(step), settled)
                .await;
        }
        self.state().settled_after = Some(self.begun.elapsed());
        self.stop_all().await;
        tokio::time::sleep(STRAGGLERS).await;
        crate::model::compare(self);
    }

    /// Does what is on the agenda until a time.
    async fn go_on_until(self: &Arc<Self>, end: Instant, is_enough: impl Fn() -> bool) {
        loop {
            let due = {
                let mut state = self.state();
                match state.agenda.first_key_value() {
                    Some((&(at, _), _)) if at <= Instant::now() => state.agenda.pop_first(),
                    _ => None,
                }
            };
            if let Some((_, action)) = due {
                self.act(action).await;
                continue;
            }
            if Instant::now() >= end || is_enough() {
                return;
            }
            let next = self
                .state()
                .agenda
                .first_key_value()
                .map(|(&(at, _), _)| at);
            let wakes_at = next.map_or(end, |at| at.min(end));
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(wakes_at) => {}
            }
        }
    }

    /// From here on nothing goes wrong any more.
    fn calm_down(&self) {
        self.note("world", "CALM: nothing goes wrong from here on");
        self.state().is_calm = true;
        let gates: Vec<Arc<Gate>> = {
            let state = self.state();
            let processes = state.processes.iter().flatten();
            processes.map(|process| Arc::clone(&process.gate)).collect()
        };
        for gate in gates {
            gate.thaw();
        }
        let held = std::mem::take(&mut self.state().held);
        if !held.is_empty() {
            self.send_later(json!({ "Records": held }).to_string(), Duration::ZERO);
        }
    }

    /// Ends all workers by SIGTERM. They have nothing to do, so they end at once, but for the poll under way.
    async fn stop_all(self: &Arc<Self>) {
        self.note("world", "all is done, the workers are stopped");
        for worker in 0..self.plan.workers {
            if let Some(process) = &self.state().processes[worker] {
                process.shutdown.cancel();
            }
        }
        let limit = Instant::now() + crate::process::DRAIN;
        let all_gone = || self.state().processes.iter().all(Option::is_none);
        while !all_gone() && Instant::now() < limit {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if !all_gone() {
            self.oracle.violated(format!(
                "a worker was still there {} s after SIGTERM",
                crate::process::DRAIN.as_secs()
            ));
        }
    }

    async fn act(self: &Arc<Self>, action: Action) {
        let gate_of = |worker: usize, number: Option<u32>| {
            let state = self.state();
            let process = state.processes[worker].as_ref()?;
            (number.is_none_or(|number| process.number == number))
                .then(|| (Arc::clone(&process.gate), process.number))
        };
        match action {
            Action::Upload { key, content } => self.upload(key, content).await,
            Action::Remove { key } => self.remove(key).await,
            Action::Ask { key } => {
                self.note("user", &format!("asks for {}", KEYS[key]));
                let body = JobRequest::new(BUCKET, KEYS[key]).to_json();
                self.send_later(body, self.dice.millis(0, 5_000));
            }
            Action::Send { message } => {
                let body = self.state().messages[message].clone();
                self.note("queue", &format!("gets {body}"));
                self.queue.push(body);
            }
            Action::Outage { dependency, time } => {
                self.note(
                    "world",
                    &format!("OUTAGE of {dependency:?} for {} s", time.as_secs()),
                );
                let until = Instant::now() + time;
                self.state().outages.insert(dependency, until);
            }
            Action::Start { worker } => {
                let number = {
                    let mut state = self.state();
                    if state.processes[worker].is_some() {
                        return;
                    }
                    state.started[worker] += 1;
                    state.started[worker]
                };
                let process = Process::start(self, worker, number);
                self.state().processes[worker] = Some(process);
            }
            Action::Kill { worker } => {
                if let Some((gate, _)) = gate_of(worker, None) {
                    gate.die("of SIGKILL");
                }
            }
            Action::Freeze { worker, time } => {
                if let Some((gate, process)) = gate_of(worker, None)
                    && gate.mode() == Mode::Running
                {
                    gate.freeze();
                    self.plan_for(time, Action::Resume { worker, process });
                }
            }
            Action::Resume { worker, process } => {
                if let Some((gate, _)) = gate_of(worker, Some(process)) {
                    gate.thaw();
                }
            }
            Action::Terminate { worker } => {
                let Some((gate, process)) = gate_of(worker, None) else {
                    return;
                };
                gate.note("SIGTERM");
                if let Some(running) = &self.state().processes[worker] {
                    running.shutdown.cancel();
                }
                self.plan_for(PATIENCE, Action::EndOfPatience { worker, process });
            }
            Action::EndOfPatience { worker, process } => {
                if let Some((gate, _)) = gate_of(worker, Some(process)) {
                    gate.die("of SIGKILL, for it did not stop in time");
                }
            }
        }
    }

    async fn upload(&self, key: usize, content: Content) {
        let body = content.bytes();
        let length = body.len();
        let etag = self
            .store
            .put(KEYS[key], body.into(), PutOptions::default())
            .await
            .expect("the bucket takes what users write");
        let meta = self.store.head(KEYS[key], None).await;
        let meta = meta.expect("it was written a moment ago");
        let sequencer = self.next_sequencer();
        self.note(
            "user",
            &format!("writes {content:?} to {} ({sequencer})", KEYS[key]),
        );
        self.state().changes[key].push(Change {
            sequencer: sequencer.clone(),
            content: Some(content),
            etag: etag.0.clone(),
        });
        let mut object = json!({
            "key": form_encoded(KEYS[key]),
            "size": length,
            "eTag": etag.0.trim_matches('"'),
            "sequencer": sequencer,
        });
        if self.plan.versioned {
            object["versionId"] = json!(meta.version_id);
        }
        self.tell("ObjectCreated:Put", object);
    }

    async fn remove(&self, key: usize) {
        if self.store.head(KEYS[key], None).await.is_err() {
            return;
        }
        let deleted = self.store.delete(KEYS[key]).await;
        deleted.expect("users may delete what they wrote");
        let sequencer = self.next_sequencer();
        self.note("user", &format!("removes {} ({sequencer})", KEYS[key]));
        self.state().changes[key].push(Change {
            sequencer: sequencer.clone(),
            content: None,
            etag: String::new(),
        });
        let mut object = json!({ "key": form_encoded(KEYS[key]), "sequencer": sequencer });
        let name = if self.plan.versioned {
            object["versionId"] = json!(format!("marker-{sequencer}"));
            "ObjectRemoved:DeleteMarkerCreated"
        } else {
            "ObjectRemoved:Delete"
        };
        self.tell(name, object);
    }

    fn next_sequencer(&self) -> String {
        let mut state = self.state();
        state.sequence += 1;
        // Of different lengths, as S3's are: padded on the right they are in order all the same.
        let digits = format!("{:08X}", state.sequence);
        if state.sequence.is_multiple_of(3) {
            digits + "00"
        } else {
            digits
        }
    }

    /// Makes an event, which is sent now or later, once or twice, alone or with others.
    fn tell(&self, name: &str, object: Value) {
        let record = json!({
            "eventSource": "aws:s3",
            "eventName": name,
            "s3": { "bucket": { "name": BUCKET }, "object": object },
        });
        let disturbed = self.plan.seed != 0;
        let mut records = {
            let mut state = self.state();
            if disturbed && !state.is_calm && self.dice.per_mille(150) {
                state.held.push(record);
                return;
            }
            std::mem::take(&mut state.held)
        };
        records.push(record);
        let body = json!({ "Records": records }).to_string();
        let delay = |dice: &Dice| {
            if self.plan.quick {
                dice.millis(0, 100)
            } else if dice.coin() {
                dice.millis(0, 1_000)
            } else {
                dice.millis(0, 60_000)
            }
        };
        if disturbed && self.dice.per_mille(150) {
            self.send_later(body.clone(), delay(&self.dice));
        }
        self.send_later(body, delay(&self.dice));
    }

    fn send_later(&self, body: String, after: Duration) {
        let message = {
            let mut state = self.state();
            state.messages.push(body);
            state.messages.len() - 1
        };
        self.plan_for(after, Action::Send { message });
    }

    /// Ends what still hangs together, so that the memory of this run is given back.
    pub(crate) fn end(&self) {
        let processes: Vec<Process> = {
            let mut state = self.state();
            state
                .processes
                .iter_mut()
                .filter_map(Option::take)
                .collect()
        };
        for process in processes {
            process.abort();
        }
    }
}

impl Gate {
    /// The process ended by itself.
    pub(crate) fn exit(&self) {
        self.leave();
        self.note("EXITED");
        self.world.died(self.worker);
    }
}

/// `application/x-www-form-urlencoded`, as S3 writes keys into its events.
fn form_encoded(key: &str) -> String {
    let mut encoded = String::new();
    for byte in key.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                encoded.push(char::from(byte));
            }
            other => write!(encoded, "%{other:02X}").expect("writing into a string never fails"),
        }
    }
    encoded
}
