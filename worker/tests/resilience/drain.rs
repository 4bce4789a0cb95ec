//! SIGTERM: exit 0 within the drain time, every message back on the queue or finished, no attempt and no death counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use nix::sys::signal::Signal;
use pagemill_metadata::stub::Reply;
use pagemill_samples::hostile;
use pagemill_storage::RecordStatus;
use pagemill_testkit::Emulator;
use rand::{Rng, SeedableRng};

use crate::emulated_cloud::{Cloud, settings};
use crate::wire::{Action, Moment, Rule, Wire, p50_and_max};
use crate::wired::{Wired, give_back};

/// What the template sets: a backstop.
const MAX_RECEIVES: u32 = 100;
/// Workers that are drained at the same time, each with its own queue.
const LANES: usize = 3;
const ROUNDS: usize = 11;
/// What work that never ends on its own is given.
const SHORT_DRAIN: Duration = Duration::from_secs(6);
/// What a machine that does ten other things adds to the end of a process. The figures themselves are printed.
const SLACK: Duration = Duration::from_secs(5);

async fn cloud(emulator: &Arc<Emulator>, test: &str, name: &str) -> Option<Cloud> {
    let cloud = Cloud::beside(emulator, test, name, MAX_RECEIVES).await?;
    cloud.configure(&settings()).await;
    cloud.send_events_of_sources_only().await;
    Some(cloud)
}

/// Records in which a run that nobody killed counts as a death or an attempt, or seems to go on.
async fn wrong_records(cloud: &Cloud) -> Vec<String> {
    let mut wrong = Vec::new();
    for key in cloud.keys().await {
        let Some(name) = key.strip_prefix("processing/records/") else {
            continue;
        };
        let record = cloud.record(name.trim_end_matches(".json")).await;
        if record.deaths.is_some() || record.attempts > 0 || record.in_progress.is_some() {
            wrong.push(format!(
                "{name}: deaths {:?}, attempts {}, in progress {:?}",
                record.deaths, record.attempts, record.in_progress
            ));
        }
    }
    wrong
}

/// Drains workers at random moments, and answers how long each drain took.
async fn lane(emulator: Arc<Emulator>, number: usize, seed: u64) -> Vec<(Duration, u32)> {
    let cloud = cloud(&emulator, "drain", &format!("drain-{number}")).await;
    let cloud = cloud.expect("what it needs was there a moment ago");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed.wrapping_add(number as u64));
    let mut drains = Vec::new();
    for round in 0..ROUNDS {
        for document in 0..4 {
            let key = format!("source-pdfs/{round}-{document}.pdf");
            cloud.put(&key, hostile::many_pages(2)).await;
        }
        let budget = random.random_range(9..=14_u64);
        let moment = Duration::from_millis(random.random_range(0..1500));
        let environment = [
            ("PAGEMILL_DRAIN_SECONDS", &*budget.to_string()),
            ("PAGEMILL_DOCUMENTS", "2"),
        ];
        let worker = Wired::start(&cloud, &environment, []).await;
        let is_ready = |wire: &Wire| wire.count("SQS ReceiveMessage") > 0;
        worker.wire.until("it polls", is_ready).await;
        // The moment is the test's subject, not something that it waits for.
        tokio::time::sleep(moment).await;
        let (_, took, wire) = worker.stops().await;
        let what = format!("lane {number} round {round}: SIGTERM {moment:?} after the first poll");
        let longest = Duration::from_secs(budget) + SLACK;
        assert!(took < longest, "{what}: {took:?}");
        let (visible, taken) = cloud.messages(&cloud.queue).await;
        assert_eq!(
            taken,
            0,
            "{what}: a message is nobody's: {:#?}",
            wire.calls()
        );
        assert_eq!(wrong_records(&cloud).await, Vec::<String>::new(), "{what}");
        drains.push((took, visible));
    }
    let last = Wired::start(&cloud, &[("PAGEMILL_DOCUMENTS", "2")], []).await;
    last.stops_when_done(&cloud).await;
    for round in 0..ROUNDS {
        for document in 0..4 {
            let record = cloud.record(&format!("{round}-{document}.pdf")).await;
            assert_eq!(record.status, RecordStatus::Done);
        }
    }
    assert_eq!(cloud.messages(&cloud.dead_letters).await, (0, 0));
    assert_eq!(
        cloud.llm.chat_calls(),
        ROUNDS * 4,
        "no answer is paid for twice"
    );
    drains
}

#[tokio::test(flavor = "multi_thread")]
async fn sh_1_sigterm_at_any_moment_ends_well_and_leaves_every_message_to_the_next() {
    let Some(emulator) = Emulator::start("drain").await.map(Arc::new) else {
        return;
    };
    if cloud(&emulator, "drain", "drain-probe").await.is_none() {
        return;
    }
    let seed = std::env::var("PAGEMILL_SEED").map_or_else(
        |_| rand::random(),
        |seed| seed.parse().expect("PAGEMILL_SEED is a number"),
    );
    println!("PAGEMILL_SEED={seed}");
    let drains: Vec<(Duration, u32)> = futures::stream::iter(0..LANES)
        .map(|number| lane(Arc::clone(&emulator), number, seed))
        .buffer_unordered(LANES)
        .collect::<Vec<_>>()
        .await
        .concat();
    let times: Vec<Duration> = drains.iter().map(|(took, _)| *took).collect();
    let (p50, max) = p50_and_max(&times);
    let unfinished = drains.iter().filter(|(_, visible)| *visible > 0).count();
    println!(
        "{} drains, {unfinished} with work left: p50 {p50:?}, max {max:?}",
        times.len()
    );
    assert!(
        unfinished > 0,
        "some moments must lie in the middle of the work"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn se_4_twenty_releases_in_a_row_are_no_failure_and_three_crashes_are() {
    let Some(emulator) = Emulator::start("releases").await.map(Arc::new) else {
        return;
    };
    let Some(cloud) = cloud(&emulator, "releases", "releases").await else {
        return;
    };
    cloud
        .put("source-pdfs/paper.pdf", hostile::many_pages(2))
        .await;
    cloud.llm.set_default(Reply::Slow(Duration::from_secs(600)));
    let seconds = SHORT_DRAIN.as_secs().to_string();
    let short_drain = [("PAGEMILL_DRAIN_SECONDS", &*seconds)];
    let mut times = Vec::new();
    for release in 1..=20 {
        let worker = Wired::start(&cloud, &short_drain, []).await;
        let asked = |wire: &Wire| wire.count("LLM chat") > 0;
        worker.wire.until("the LLM is asked", asked).await;
        let (_, took, _) = worker.stops().await;
        times.push(took);
        assert!(took < SHORT_DRAIN + SLACK, "release {release}: {took:?}");
        assert_eq!(
            cloud.messages(&cloud.queue).await,
            (1, 0),
            "release {release}"
        );
        assert_eq!(
            wrong_records(&cloud).await,
            Vec::<String>::new(),
            "release {release}"
        );
    }
    let (p50, max) = p50_and_max(&times);
    println!("20 releases of a document that does not fit the budget: p50 {p50:?}, max {max:?}");
    assert_eq!(cloud.messages(&cloud.dead_letters).await, (0, 0));

    // The same message, and now its workers die.
    cloud.llm.set_default(Reply::Good);
    for _ in 0..3 {
        let kill = Rule {
            name: "LLM chat".into(),
            nth: Some(1),
            moment: Moment::Before,
            actions: vec![Action::Signal(Signal::SIGKILL)],
        };
        let worker = Wired::start(&cloud, &[], [kill]).await;
        let wire = worker.dies("a crash").await;
        give_back(&cloud, &wire).await;
    }
    let worker = Wired::start(&cloud, &[], []).await;
    let (_, wire) = worker.stops_when_done(&cloud).await;
    assert_eq!(wire.count("LLM chat"), 0, "the fourth worker does not try");
    assert_eq!(cloud.messages(&cloud.dead_letters).await, (1, 0));
    let dead = cloud.dead_letter_reason().await;
    assert_eq!(dead, "worker_died");
    let record = cloud.record("paper.pdf").await;
    assert_eq!(record.status, RecordStatus::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn sh_1_a_poll_under_way_is_finished_and_not_cancelled() {
    let Some(emulator) = Emulator::start("idle").await.map(Arc::new) else {
        return;
    };
    let Some(cloud) = cloud(&emulator, "idle", "idle").await else {
        return;
    };
    let worker = Wired::start(&cloud, &[], []).await;
    worker.wire.poll_as_asked();
    let polled = |wire: &Wire| wire.count("SQS ReceiveMessage") > 1;
    worker.wire.until("a poll", polled).await;
    let begun = worker.wire.calls();
    let second = worker.wire.count("SQS ReceiveMessage");
    let next = |wire: &Wire| wire.count("SQS ReceiveMessage") > second;
    let from = Instant::now();
    worker.wire.until("the poll after it", next).await;
    let cycle = from.elapsed();
    let calls = &worker.wire.calls()[begun.len()..];
    let per_minute = calls.len() as f64 * 60.0 / cycle.as_secs_f64();
    println!(
        "idle: {per_minute:.1} calls a minute ({} in {cycle:?})",
        calls.len()
    );
    assert!(per_minute < 4.0, "{calls:#?}");

    // A document comes in while the worker drains: the poll takes it, and it is given back.
    worker.signal(Signal::SIGTERM);
    cloud
        .put("source-pdfs/late.pdf", hostile::many_pages(1))
        .await;
    let (ended, took, wire) = worker.ends().await;
    ended.with_code(0);
    println!("SIGTERM into an idle poll, ended by a message: {took:?}");
    let last_poll = wire.calls();
    let last_poll = last_poll
        .iter()
        .rfind(|call| call.name == "SQS ReceiveMessage");
    assert!(
        last_poll.is_some_and(|call| call.answered.is_some()),
        "the poll has its answer"
    );
    assert_eq!(wire.receipts().len(), 1, "the poll took the message");
    assert_eq!(cloud.messages(&cloud.queue).await, (1, 0), "and it is back");
}
