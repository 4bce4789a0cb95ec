//! Zombies: a worker is frozen by SIGSTOP until its lease is over and another worker has finished the document, and
//! then it goes on.
//!
//! What it had handed to its HTTP client before the freeze may still arrive at a service afterwards; no client can call that back. So such
//! calls must be harmless by what they are: conditional on the tag that the record holds (records and JSON files),
//! named by their content (images, points), or refused for an old receipt (the message). The wire holds such a call
//! until the other worker is done, and lets it through then.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use nix::sys::signal::Signal;
use pagemill_samples::hostile;
use pagemill_testkit::Emulator;

use crate::calls;
use crate::emulated_cloud::{Cloud, settings};
use crate::state::State;
use crate::wire::{Action, Gate, Moment, Rule, Wire};
use crate::wired::{Wired, queue_is_empty};

/// A lease that a test can outwait.
const LEASE: (&str, &str) = ("PAGEMILL_LEASE_SECONDS", "6");

/// What becomes of the call at which the worker is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frozen {
    /// The service sees it only when everything is over.
    OnTheWay,
    /// The service has done it, and the answer waits in the worker's socket.
    Answered,
    /// It never arrives, and the connection is found cut: a client that repeats calls would repeat this one.
    Lost,
}

async fn cloud(emulator: &Arc<Emulator>, name: &str) -> Option<Cloud> {
    let cloud = Cloud::beside(emulator, "zombie", name, 100).await?;
    cloud.configure(&settings()).await;
    cloud.send_events_of_sources_only().await;
    // One page, so that one call is under way: of several images that go up at once, the client may still have some
    // to hand to the kernel.
    let pdf = hostile::many_pages(1);
    cloud.put("source-pdfs/paper.pdf", pdf).await;
    Some(cloud)
}

/// Freezes a worker at a call; answers a line for the table.
async fn freeze(
    emulator: &Arc<Emulator>,
    undisturbed: &State,
    number: usize,
    step: &str,
    frozen: Frozen,
) -> String {
    let what = format!("{step}, {frozen:?}");
    let cloud = cloud(emulator, &format!("zombie-{number}")).await;
    let cloud = cloud.expect("what it needs was there a moment ago");
    let gate = Arc::new(Gate::default());
    let stop = Action::Signal(Signal::SIGSTOP);
    let (moment, actions) = match frozen {
        Frozen::OnTheWay => (Moment::Before, vec![stop, Action::Hold(Arc::clone(&gate))]),
        Frozen::Answered => (Moment::After, vec![stop]),
        Frozen::Lost => (Moment::Before, vec![stop, Action::Cut]),
    };
    let rule = Rule {
        name: step.to_owned(),
        nth: Some(1),
        moment,
        actions,
    };
    let zombie = Wired::start(&cloud, &[LEASE], [rule]).await;
    zombie.wire.until(&what, |wire| wire.fired() > 0).await;
    let at_work = zombie.wire.receipts().len();
    assert_eq!(at_work, 1, "{what}: it has the message");

    // Nobody gives the message back: the other worker gets it when the queue holds the lease for over.
    let heir = Wired::start(&cloud, &[LEASE], []).await;
    let took_over = |wire: &Wire| !wire.receipts().is_empty();
    heir.wire.until("the lease is over", took_over).await;
    let (_, heir) = heir.stops_when_done(&cloud).await;
    let finished = State::of(&cloud).await;
    let objects = cloud.objects().await;
    assert_eq!(
        undisturbed.differences(&finished),
        Vec::<String>::new(),
        "{what}"
    );

    // What was on the way arrives.
    gate.open();
    let held = match frozen {
        Frozen::OnTheWay => {
            let arrived = |wire: &Wire| held_call(wire, step).is_some_and(|status| status > 0);
            zombie.wire.until("the held call arrives", arrived).await;
            held_call(&zombie.wire, step)
                .expect("it arrived")
                .to_string()
        }
        Frozen::Answered | Frozen::Lost => "-".to_owned(),
    };
    let before = zombie.wire.calls().len();
    let woken = Instant::now();
    zombie.signal(Signal::SIGCONT);
    let polls = zombie.wire.count("SQS ReceiveMessage");
    let goes_on = |wire: &Wire| wire.count("SQS ReceiveMessage") > polls;
    zombie.wire.until("it looks for other work", goes_on).await;
    let after_waking = woken.elapsed();
    let (_, _, wire) = zombie.stops().await;
    let written: Vec<String> = wire.calls()[before..]
        .iter()
        .filter(|call| calls::writes(&call.name))
        .map(|call| format!("{} {:?}", call.name, call.answered))
        .collect();
    assert_eq!(
        written,
        Vec::<String>::new(),
        "{what}: written after waking"
    );
    assert!(objects == cloud.objects().await, "{what}: the same bytes");
    let in_the_end = State::of(&cloud).await;
    assert_eq!(
        undisturbed.differences(&in_the_end),
        Vec::<String>::new(),
        "{what}"
    );
    queue_is_empty(&cloud, &heir).await;
    assert_eq!(cloud.messages(&cloud.dead_letters).await, (0, 0), "{what}");
    format!(
        "| {step} | {frozen:?} | {held} | nothing | {} ms |",
        after_waking.as_millis()
    )
}

/// The status that the service gave the call at which the worker was frozen.
fn held_call(wire: &Wire, step: &str) -> Option<u16> {
    let calls = wire.calls();
    let call = calls.iter().find(|call| call.name.starts_with(step))?;
    call.answered.map(|(_, status)| status)
}

#[tokio::test(flavor = "multi_thread")]
async fn le_4_a_frozen_worker_writes_nothing_more() {
    let Some(emulator) = Emulator::start("zombie").await.map(Arc::new) else {
        return;
    };
    let Some(alone) = cloud(&emulator, "zombie-alone").await else {
        return;
    };
    let worker = Wired::start(&alone, &[LEASE], []).await;
    worker.stops_when_done(&alone).await;
    let undisturbed = State::of(&alone).await;

    let freezes = [
        ("S3 PUT page image", Frozen::OnTheWay),
        ("S3 PUT page image", Frozen::Answered),
        ("S3 PUT page image", Frozen::Lost),
        ("S3 PUT text", Frozen::OnTheWay),
        ("LLM chat", Frozen::Answered),
        ("S3 PUT metadata", Frozen::OnTheWay),
        ("S3 PUT metadata", Frozen::Lost),
        ("Qdrant Upsert semantic_store", Frozen::OnTheWay),
        ("Qdrant Upsert semantic_store", Frozen::Answered),
        ("Qdrant Upsert semantic_store", Frozen::Lost),
        ("S3 PUT record (done, commit)", Frozen::OnTheWay),
        ("S3 PUT record (done, commit)", Frozen::Answered),
        ("S3 PUT record (done, commit)", Frozen::Lost),
        ("S3 PUT record (done)", Frozen::OnTheWay),
        ("SQS DeleteMessage", Frozen::OnTheWay),
        ("SQS DeleteMessage", Frozen::Lost),
    ];
    let rows: Vec<String> = futures::stream::iter(freezes.into_iter().enumerate())
        .map(|(number, (step, frozen))| freeze(&emulator, &undisturbed, number, step, frozen))
        .buffered(6)
        .collect()
        .await;
    println!(
        "| frozen at | the call | its late status | written after SIGCONT | polls again after |"
    );
    println!("|---|---|---|---|---|");
    for row in rows {
        println!("{row}");
    }
}
