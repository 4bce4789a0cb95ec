//! The crash matrix: SIGKILL before and after every call that a worker makes, a restart, and then the state of a run
//! that nobody disturbed.
//!
//! The steps are read from an undisturbed run, so that none can be forgotten, now or later. Without
//! `PAGEMILL_CRASH_MATRIX=all`, the first call of each name stands for all of its name, and one kill for all that leave
//! the same behind: SIGKILL before a read, after it, and before the write that follows it are one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use nix::sys::signal::Signal;
use pagemill_index::testing::TestQdrant;
use pagemill_samples::hostile;
use pagemill_testkit::Emulator;
use serde_json::{Value, json};

use crate::calls;
use crate::emulated_cloud::{Cloud, settings};
use crate::state::State;
use crate::wire::{Action, Call, Moment, Rule, Wire};
use crate::wired::{Wired, give_back};

/// Cells that run at the same time.
const AT_ONCE: usize = 8;
/// More than any cell needs; a cell that comes near it is one that loops.
const MAX_RECEIVES: u32 = 10;
const SOURCE: &str = "source-pdfs/paper.pdf";
/// Pages of a document that is long.
const LONG_PAGES: usize = 4;
const HISTORY: &str = "processing/pdf_process_history.json";

/// What the event under test is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// A source that was never there before.
    NewSource,
    /// A source that replaces a longer one, whose images and points are there.
    ShorterSource,
    /// A removal of a source whose outputs are there.
    Removal,
    /// A source that takes so long that its pages are kept one by one.
    LongSource,
    /// The same, of which a run that was stopped has kept some pages.
    HalfReadSource,
    /// A source so long that the model is asked about its parts, one paid call after the other.
    ManyCalls,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::NewSource => "new",
            Self::ShorterSource => "shorter",
            Self::Removal => "removal",
            Self::LongSource => "long",
            Self::HalfReadSource => "half-read",
            Self::ManyCalls => "many-calls",
        }
    }

    fn settings(self) -> Value {
        let mut settings = settings();
        if matches!(self, Self::LongSource | Self::HalfReadSource) {
            settings["checkpoints"] = json!({"every_seconds": 0});
        }
        if self == Self::ManyCalls {
            settings["metadata"]["max_input_tokens"] = json!(3_000);
            settings["metadata"]["concurrency"] = json!(1);
        }
        settings
    }
}

/// Whether a call is one of those around paid calls.
fn is_of_answers(call: &Call) -> bool {
    let names = [
        "LLM chat",
        "S3 GET answer",
        "S3 PUT answer",
        "S3 PUT charge",
        "S3 PUT prediction",
        "S3 PUT metadata",
        "S3 LIST answers",
    ];
    names.contains(&call.name.as_str())
}

/// What stands in bucket and vector store before the event.
#[derive(Default)]
struct Before {
    objects: BTreeMap<String, Vec<u8>>,
    qdrant: Option<TestQdrant>,
}

/// One matrix: an event, what was there before it, and what is there after it.
struct Matrix {
    event: Event,
    emulator: Arc<Emulator>,
    before: Before,
    calls: Vec<Call>,
    undisturbed: State,
    llm_calls: usize,
}

/// One kill.
#[derive(Debug, Clone)]
struct Cell {
    number: usize,
    step: Call,
    moment: Moment,
}

/// What came of it.
struct Row {
    cell: Cell,
    llm_calls: usize,
    faults: Vec<String>,
}

impl Matrix {
    /// Runs the event undisturbed.
    async fn of(event: Event, test: &str, emulator: &Arc<Emulator>) -> Option<Self> {
        let mut matrix = Self {
            event,
            emulator: Arc::clone(emulator),
            before: Before::default(),
            calls: Vec::new(),
            undisturbed: State {
                objects: BTreeMap::new(),
                points: BTreeMap::new(),
            },
            llm_calls: 0,
        };
        if event == Event::HalfReadSource {
            matrix.before.objects = matrix.half_read(test).await?;
        }
        if matches!(event, Event::ShorterSource | Event::Removal) {
            let name = format!("{}-before", event.name());
            let cloud = Cloud::beside(emulator, test, &name, MAX_RECEIVES).await?;
            cloud.configure(&settings()).await;
            cloud.send_events_of_sources_only().await;
            cloud.put(SOURCE, pagemill_samples::paper()).await;
            let worker = Wired::start(&cloud, &[], []).await;
            worker.stops_when_done(&cloud).await;
            for key in cloud.keys().await {
                let bytes = cloud.get(&key).await;
                matrix.before.objects.insert(key, bytes);
            }
            matrix.before.qdrant = Some(cloud.qdrant);
        }
        let cloud = matrix.cloud("undisturbed").await;
        let worker = Wired::start(&cloud, &[], []).await;
        let (_, wire) = worker.stops_when_done(&cloud).await;
        matrix.calls = wire.calls();
        matrix.undisturbed = State::of(&cloud).await;
        matrix.llm_calls = cloud.llm.chat_calls();
        assert!(event != Event::ManyCalls || matrix.llm_calls > 2);
        Some(matrix)
    }

    /// What a run leaves that has kept two pages and was stopped then.
    async fn half_read(&self, test: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let name = format!("{}-before", self.event.name());
        let cloud = Cloud::beside(&self.emulator, test, &name, MAX_RECEIVES).await?;
        cloud.configure(&self.event.settings()).await;
        cloud.send_events_of_sources_only().await;
        cloud.put(SOURCE, hostile::many_pages(LONG_PAGES)).await;
        let kill = Rule {
            name: "S3 PUT part".to_owned(),
            nth: Some(2),
            moment: Moment::After,
            actions: vec![Action::Signal(Signal::SIGKILL)],
        };
        let worker = Wired::start(&cloud, &[], [kill]).await;
        worker.dies("two pages are kept").await;
        let mut objects = BTreeMap::new();
        for key in cloud.keys().await {
            let mut bytes = cloud.get(&key).await;
            if key.starts_with("processing/records/") {
                let mut record: Value = serde_json::from_slice(&bytes).expect("a record");
                let fields = record.as_object_mut().expect("an object");
                fields.remove("in_progress").expect("it was at work");
                bytes = record.to_string().into_bytes();
            }
            objects.insert(key, bytes);
        }
        let parts = objects.keys().filter(|key| key.contains("/parts/"));
        assert_eq!(parts.count(), 2, "{:?}", objects.keys());
        Some(objects)
    }

    /// A cloud in the state before the event, and the event on its queue.
    async fn cloud(&self, name: &str) -> Cloud {
        let name = format!("{}-{name}", self.event.name());
        let cloud = Cloud::beside(&self.emulator, "crash matrix", &name, MAX_RECEIVES).await;
        let cloud = cloud.expect("what it needs was there a moment ago");
        cloud.configure(&self.event.settings()).await;
        for (key, bytes) in &self.before.objects {
            cloud.put(key, bytes.clone()).await;
        }
        if let Some(qdrant) = &self.before.qdrant {
            cloud.qdrant.copy_from(qdrant);
        }
        cloud.send_events_of_sources_only().await;
        match self.event {
            Event::NewSource | Event::ShorterSource => {
                cloud.put(SOURCE, hostile::many_pages(2)).await;
            }
            Event::Removal => cloud.delete(SOURCE).await,
            Event::ManyCalls => cloud.put(SOURCE, hostile::wordy_pages(8)).await,
            Event::LongSource | Event::HalfReadSource => {
                cloud.put(SOURCE, hostile::many_pages(LONG_PAGES)).await;
            }
        }
        cloud
    }

    /// Every call of the undisturbed run, before and after; of the polls only the first, for how many there are is
    /// chance.
    fn cells(&self) -> Vec<Cell> {
        let all = std::env::var("PAGEMILL_CRASH_MATRIX").is_ok_and(|value| value == "all");
        let mut cells: Vec<Cell> = Vec::new();
        let mut states = BTreeSet::new();
        let start = match self.event {
            Event::NewSource => 0,
            // What comes before the first message is the same, and in the first matrix.
            _ => {
                let polls = |call: &Call| call.name == "SQS ReceiveMessage";
                self.calls.iter().position(polls).expect("it polls")
            }
        };
        for step in &self.calls[start..] {
            let whole = all
                || step.name == "S3 PUT part"
                || (self.event == Event::ManyCalls && is_of_answers(step));
            if step.nth > 1 && (!whole || step.name == "SQS ReceiveMessage") {
                continue;
            }
            // All else is in the first matrix.
            let is_new = step.name.contains("part") || step.name == "S3 DELETE many";
            let is_told = match self.event {
                Event::LongSource => !is_new,
                Event::HalfReadSource => !step.name.starts_with("S3 "),
                Event::ManyCalls => !is_of_answers(step),
                _ => false,
            };
            if is_told {
                continue;
            }
            for moment in [Moment::Before, Moment::After] {
                let is_known = self
                    .left_behind(step, moment)
                    .is_some_and(|state| !states.insert(state));
                if is_known && !all {
                    continue;
                }
                cells.push(Cell {
                    number: cells.len(),
                    step: step.clone(),
                    moment,
                });
            }
        }
        cells
    }

    /// The calls that have changed something when a worker is killed here; `None` while another one is under way, for
    /// what that leaves is chance.
    fn left_behind(&self, step: &Call, moment: Moment) -> Option<BTreeSet<(&str, usize)>> {
        let at = match moment {
            Moment::Before => step.sent,
            Moment::After => step.answered?.0,
        };
        let mut done = BTreeSet::new();
        // There is one message: the first receive hides it, and those beside the work get none.
        let changes = |call: &&Call| {
            calls::writes(&call.name)
                || call.name.starts_with("LLM ")
                || (call.name == "SQS ReceiveMessage" && call.nth == 1)
        };
        for call in self.calls.iter().filter(changes) {
            let is_here = call.name == step.name && call.nth == step.nth;
            let is_done = match is_here {
                true => moment == Moment::After,
                false => call.answered.is_some_and(|(answered, _)| answered <= at),
            };
            if is_done {
                done.insert((call.name.as_str(), call.nth));
            } else if !is_here && call.sent <= at {
                return None;
            }
        }
        Some(done)
    }

    /// Kills a worker in a cell, starts another, and compares.
    async fn run(&self, cell: Cell) -> Row {
        let cloud = self.cloud(&format!("{}", cell.number)).await;
        let what = format!("{} {} {:?}", cell.step.name, cell.step.nth, cell.moment);
        let kill = Rule {
            name: cell.step.name.clone(),
            nth: Some(cell.step.nth),
            moment: cell.moment,
            actions: vec![Action::Signal(Signal::SIGKILL)],
        };
        let victim = Wired::start(&cloud, &[], [kill]).await;
        let reached = |wire: &Wire| wire.fired() > 0 || is_deleted(wire);
        victim.wire.until(&what, reached).await;
        if victim.wire.fired() == 0 {
            // The last steps come when a worker ends.
            victim.signal(Signal::SIGTERM);
        }
        let wire = victim.dies(&what).await;
        give_back(&cloud, &wire).await;
        let is_settled = wire
            .calls()
            .iter()
            .any(|call| call.name == "SQS DeleteMessage" && call.answered.is_some());

        let heir = Wired::start(&cloud, &[], []).await;
        heir.stops_when_done(&cloud).await;
        let found = State::of(&cloud).await;
        let mut faults = self.undisturbed.differences(&found);
        if is_settled {
            // The history is a view that is written from time to time: what died with its message settled is in the
            // next one.
            faults.retain(|fault| !fault.contains(HISTORY));
        }
        let dead = cloud.messages(&cloud.dead_letters).await;
        if dead != (0, 0) {
            faults.push(format!("dead letters: {dead:?}"));
        }
        let llm_calls = cloud.llm.chat_calls();
        let wanted = self.llm_calls + usize::from(self.loses_an_answer(&cell));
        if llm_calls != wanted {
            faults.push(format!("{llm_calls} LLM calls and not {wanted}"));
        }
        Row {
            cell,
            llm_calls,
            faults,
        }
    }

    /// Whether the kill lies between an answer of the LLM and its write: then it is paid for again, and no other is.
    fn loses_an_answer(&self, cell: &Cell) -> bool {
        let is_here = |call: &Call| call.name == cell.step.name && call.nth == cell.step.nth;
        let here = self.calls.iter().position(is_here);
        let here = here.expect("it is one of the calls");
        let before = match cell.moment {
            Moment::Before => &self.calls[..here],
            Moment::After => &self.calls[..=here],
        };
        let count = |name: &str| before.iter().filter(|call| call.name == name).count();
        count("LLM chat") > count("S3 PUT answer")
    }
}

fn is_deleted(wire: &Wire) -> bool {
    let calls = wire.calls();
    calls
        .iter()
        .any(|call| call.name == "SQS DeleteMessage" && call.answered.is_some())
}

/// Runs a matrix, prints it, and fails where a cell differs.
async fn matrix(event: Event, test: &str) {
    let Some(emulator) = Emulator::start(test).await.map(Arc::new) else {
        return;
    };
    let Some(matrix) = Matrix::of(event, test, &emulator).await else {
        return;
    };
    let begun = Instant::now();
    let cells = matrix.cells();
    let count = cells.len();
    let mut rows: Vec<Row> = futures::stream::iter(cells)
        .map(|cell| matrix.run(cell))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    rows.sort_by_key(|row| row.cell.number);
    println!("| {} | step | SIGKILL | result | LLM calls |", event.name());
    println!("|---|---|---|---|---|");
    for row in &rows {
        let step = &row.cell.step;
        let moment = match row.cell.moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        let result = match row.faults.is_empty() {
            true => "equal".to_owned(),
            false => row.faults.join("; "),
        };
        println!(
            "| {} | {} {} | {moment} | {result} | {} |",
            row.cell.number, step.name, step.nth, row.llm_calls
        );
    }
    println!("{count} cells in {:?}", begun.elapsed());
    let bad = rows.iter().filter(|row| !row.faults.is_empty()).count();
    assert_eq!(bad, 0, "cells that differ from the undisturbed run");
}

#[tokio::test(flavor = "multi_thread")]
async fn out_1_a_kill_at_any_call_of_a_first_run_changes_nothing() {
    matrix(Event::NewSource, "crash matrix").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_1_a_kill_at_any_call_of_a_second_version_leaves_nothing_of_the_first() {
    matrix(Event::ShorterSource, "crash matrix, second version").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_1_a_kill_at_any_call_that_keeps_pages_changes_nothing() {
    matrix(Event::LongSource, "crash matrix, long document").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_1_a_kill_at_any_call_of_a_run_that_goes_on_changes_nothing() {
    matrix(Event::HalfReadSource, "crash matrix, half-read document").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_1_a_kill_between_any_two_paid_calls_pays_none_of_them_twice() {
    matrix(Event::ManyCalls, "crash matrix, many calls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_1_a_kill_at_any_call_of_a_removal_leaves_nothing() {
    matrix(Event::Removal, "crash matrix, removal").await;
}
