//! Receiving only what can start now, pausing for breakers, and a shutdown that orphans nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pagemill_queue::breaker::BreakerState;
use pagemill_queue::memory::likeness::sqs;
use pagemill_queue::memory::{Fault, Operation};
use pagemill_queue::{
    Breaker, BreakerSettings, Breakers, Clock, Depth, End, Heartbeat, Intake, IntakeSettings,
    Lease, LeaseSettings, MemoryQueue, PollHealth, Queue, QueueError, TokioClock,
};
use pretty_assertions::assert_eq;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

struct Setup {
    clock: Arc<dyn Clock>,
    queue: MemoryQueue,
    health: Arc<PollHealth>,
    shutdown: CancellationToken,
    started: mpsc::Receiver<String>,
    /// Lets one handler end.
    release: Arc<Notify>,
    intake: JoinHandle<Result<(), QueueError>>,
}

fn run(
    slots: usize,
    breakers: impl FnOnce(&Arc<dyn Clock>) -> Arc<Breakers>,
    prepare: impl FnOnce(&MemoryQueue),
) -> Setup {
    let clock = TokioClock::shared();
    let queue = MemoryQueue::new("pdfs", clock.clone());
    prepare(&queue);
    let health = PollHealth::new(clock.clone());
    let shutdown = CancellationToken::new();
    let (report, started) = mpsc::channel(64);
    let release = Arc::new(Notify::new());
    let settings = IntakeSettings {
        slots,
        ..IntakeSettings::default()
    };
    let intake = Intake::new(
        Arc::new(queue.clone()),
        settings,
        breakers(&clock),
        health.clone(),
        clock.clone(),
    );
    let handlers = (queue.clone(), release.clone());
    let until = shutdown.clone();
    let intake = tokio::spawn(async move {
        let (handler_queue, handler_release) = handlers;
        let handle = move |delivery: pagemill_queue::Delivery| {
            let (queue, release, report) = (
                handler_queue.clone(),
                handler_release.clone(),
                report.clone(),
            );
            async move {
                report
                    .send(delivery.message.body.clone())
                    .await
                    .expect("the test listens");
                release.notified().await;
                queue
                    .settle(&delivery.message.receipt, &End::Done)
                    .await
                    .expect("a delete");
            }
        };
        intake.run(until, handle).await
    });
    Setup {
        clock,
        queue,
        health,
        shutdown,
        started,
        release,
        intake,
    }
}

fn no_breakers(_: &Arc<dyn Clock>) -> Arc<Breakers> {
    Breakers::new(vec![])
}

#[tokio::test(start_paused = true)]
async fn le_1_nothing_is_received_that_can_not_start() {
    let mut setup = run(2, no_breakers, |queue| {
        for number in 0..5 {
            queue.push(format!("message {number}"));
        }
    });
    for _ in 0..2 {
        setup.started.recv().await.expect("a start");
    }
    setup.clock.sleep(SECOND * 30).await;
    let depth = setup.queue.depth().await.expect("depth");
    assert_eq!(
        depth,
        Depth {
            waiting: 3,
            in_flight: Some(2),
            delayed: Some(0),
        }
    );
    assert!(setup.health.is_alive(SECOND), "busy is not silent");
    for _ in 0..3 {
        setup.release.notify_one();
        setup.started.recv().await.expect("the next start");
    }
    setup.release.notify_waiters();
    setup.shutdown.cancel();
    setup.intake.await.expect("no panic").expect("no error");
    assert_eq!(setup.queue.contents(), []);
}

#[tokio::test(start_paused = true)]
async fn sh_1_poll_under_way_is_finished_and_what_it_brings_is_given_back() {
    let mut setup = run(1, no_breakers, |_| {});
    setup.clock.sleep(SECOND * 5).await;
    setup.shutdown.cancel();
    setup.clock.sleep(SECOND).await;
    assert!(!setup.intake.is_finished(), "the poll was cancelled");
    setup.queue.push("late");
    (&mut setup.intake)
        .await
        .expect("no panic")
        .expect("no error");
    assert!(
        setup.started.try_recv().is_err(),
        "nothing starts after the shutdown began"
    );
    let depth = setup.queue.depth().await.expect("depth");
    assert_eq!(
        depth,
        Depth {
            waiting: 1,
            in_flight: Some(0),
            delayed: Some(0),
        }
    );
}

#[tokio::test(start_paused = true)]
async fn sh_1_handlers_that_run_are_waited_for() {
    let mut setup = run(1, no_breakers, |queue| queue.push("body"));
    setup.started.recv().await.expect("a start");
    setup.shutdown.cancel();
    setup.clock.sleep(SECOND * 60).await;
    assert!(!setup.intake.is_finished());
    setup.release.notify_one();
    setup.intake.await.expect("no panic").expect("no error");
}

fn outage() -> QueueError {
    QueueError::Unavailable {
        queue: "pdfs".into(),
        reason: "scripted".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn he_1_failed_polls_are_tried_again_and_do_not_count_as_polls() {
    let mut setup = run(1, no_breakers, |queue| {
        queue.script(
            Operation::Receive,
            std::iter::repeat_n(Fault::Error(outage()), 6),
        );
        queue.push("body");
    });
    setup.clock.sleep(SECOND * 50).await;
    assert_eq!(setup.health.polls(), 0);
    assert!(
        !setup.health.is_alive(SECOND * 45),
        "an outage of the queue shows in the health"
    );
    setup
        .started
        .recv()
        .await
        .expect("it goes on after the outage");
    assert_eq!(setup.health.polls(), 1);
}

#[tokio::test(start_paused = true)]
async fn missing_queue_ends_the_start_but_not_a_running_worker() {
    let gone = QueueError::NoQueue {
        queue: "pdfs".into(),
        remedy: "create it".into(),
    };
    let setup = run(1, no_breakers, |queue| {
        queue.script(Operation::Receive, [Fault::Error(gone.clone())])
    });
    assert_eq!(setup.intake.await.expect("no panic"), Err(gone.clone()));

    let mut setup = run(1, no_breakers, |queue| {
        queue.script(Operation::Receive, [Fault::None, Fault::Error(gone)]);
    });
    setup.clock.sleep(SECOND * 20).await;
    setup.queue.push("body");
    setup.started.recv().await.expect("it goes on");
}

#[tokio::test(start_paused = true)]
async fn handler_that_panics_frees_its_slot() {
    let clock = TokioClock::shared();
    let queue = MemoryQueue::new("pdfs", clock.clone());
    queue.push("bad");
    queue.push("good");
    let health = PollHealth::new(clock.clone());
    let settings = IntakeSettings::default();
    let intake = Intake::new(
        Arc::new(queue),
        settings,
        Breakers::new(vec![]),
        health,
        clock,
    );
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let handle = move |delivery: pagemill_queue::Delivery| {
        let stop = stop.clone();
        async move {
            assert_ne!(delivery.message.body, "bad");
            stop.cancel();
        }
    };
    intake
        .run(shutdown, handle)
        .await
        .expect("the good message was handled");
}

/// A message that arrives at the very end of a poll, for each lease that a worker can be given.
#[tokio::test(start_paused = true)]
async fn le_2_a_message_keeps_its_lease_however_long_the_poll_waited_for_it() {
    for seconds in 6..=1024 {
        let lease = LeaseSettings::renewed_to(SECOND * seconds);
        let settings = IntakeSettings::under(&lease, &sqs(), 1);
        let wait = settings.wait;
        assert!(wait >= SECOND && wait <= SECOND * 20, "{seconds}: {wait:?}");
        let clock = TokioClock::shared();
        let queue = MemoryQueue::new("pdfs", clock.clone());
        let heartbeat = Heartbeat::on_current_runtime(clock.clone(), Arc::new(queue.clone()));
        let intake = Intake::new(
            Arc::new(queue.clone()),
            settings,
            Breakers::new(vec![]),
            PollHealth::new(clock.clone()),
            clock.clone(),
        );
        let (late, arrives) = (queue.clone(), wait - SECOND / 1000);
        let arrival = clock.sleep(arrives);
        tokio::spawn(async move {
            arrival.await;
            late.push("body");
        });
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let of_handler = (queue.clone(), clock.clone());
        let handle = move |delivery: pagemill_queue::Delivery| {
            let (queue, clock) = of_handler.clone();
            let begun = Lease::start(
                &heartbeat,
                delivery.message.receipt.clone(),
                delivery.taken_at,
                lease.clone(),
            );
            let (stop, length) = (stop.clone(), lease.renew_to);
            async move {
                // Three leases long, so that it lives by its renewals.
                for _ in 0..12 {
                    begun.proof().expect("a live lease");
                    begun.progress();
                    clock.sleep(length / 4).await;
                }
                begun.finish().await.expect("still ours");
                queue
                    .settle(&delivery.message.receipt, &End::Done)
                    .await
                    .expect("a delete");
                stop.cancel();
            }
        };
        intake.run(shutdown, handle).await.expect("it receives");
        assert_eq!(queue.contents(), [], "{seconds}: it never came back");
    }
}

#[test]
fn le_2_a_lease_that_no_poll_fits_is_refused() {
    let short = LeaseSettings {
        first_hold: SECOND * 3,
        margin: SECOND * 2,
        ..LeaseSettings::default()
    };
    let refusal = short.validate().expect_err("no poll fits");
    assert!(refusal.contains("lengthen the first hold"), "{refusal}");
}

fn open_breaker(clock: &Arc<dyn Clock>, settings: BreakerSettings) -> Arc<Breaker> {
    let breaker = Breaker::new("qdrant", settings, clock.clone());
    while breaker.state() == BreakerState::Closed {
        breaker.record_failure();
    }
    breaker
}

#[tokio::test(start_paused = true)]
async fn se_3_open_breaker_pauses_the_intake_for_an_hour_and_a_probe_ends_it() {
    let mut held = None;
    let mut setup = run(
        1,
        |clock| {
            let breaker = open_breaker(clock, BreakerSettings::default());
            held = Some(breaker.clone());
            Breakers::new(vec![breaker])
        },
        |queue| queue.push("body"),
    );
    let breaker = held.expect("made");
    let probes = Arc::new(AtomicUsize::new(0));
    let back_at = setup.clock.now() + SECOND * 3600;
    let (clock, counter) = (setup.clock.clone(), probes.clone());
    tokio::spawn(async move {
        let probe = || {
            counter.fetch_add(1, Ordering::Relaxed);
            let answers = clock.now() >= back_at;
            async move { answers }
        };
        breaker.recover_with(probe).await;
    });
    setup.clock.sleep(SECOND * 3590).await;
    assert_eq!(
        setup.queue.calls(Operation::Receive),
        0,
        "no message is spent on an outage"
    );
    assert!(setup.health.is_alive(SECOND), "a pause is not silence");
    let made = probes.load(Ordering::Relaxed);
    assert!((50..80).contains(&made), "{made} probes in an hour");
    setup
        .started
        .recv()
        .await
        .expect("it goes on when the dependency is back");
}

#[tokio::test(start_paused = true)]
async fn se_3_only_a_probe_closes_a_breaker_that_has_one() {
    let clock = TokioClock::shared();
    let breaker = open_breaker(&clock, BreakerSettings::default());
    // Work that began before the outage ends well.
    breaker.record_success();
    assert_eq!(breaker.state(), BreakerState::Open);
    let probing = breaker.clone();
    let recovery = tokio::spawn(async move { probing.recover_with(|| async { true }).await });
    clock.sleep(SECOND * 6).await;
    assert_eq!(breaker.state(), BreakerState::Closed);
    recovery.abort();
    // While it is closed, a success begins the count anew.
    for _ in 0..5 {
        breaker.record_failure();
        breaker.record_failure();
        breaker.record_success();
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn se_3_breaker_without_a_probe_tries_with_one_message() {
    let mut held = None;
    let settings = BreakerSettings {
        probed: false,
        ..BreakerSettings::default()
    };
    let mut setup = run(
        5,
        |clock| {
            let breaker = open_breaker(clock, settings.clone());
            held = Some(breaker.clone());
            Breakers::new(vec![breaker])
        },
        |queue| {
            for _ in 0..5 {
                queue.push("body");
            }
        },
    );
    let breaker = held.expect("made");
    setup.clock.sleep(SECOND * 4).await;
    assert_eq!(setup.queue.calls(Operation::Receive), 0);
    setup.started.recv().await.expect("the trial");
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    breaker.record_failure();
    let failed_at = setup.clock.now();
    setup.started.recv().await.expect("the second trial");
    assert!(
        setup.clock.now().since(failed_at) >= SECOND * 10,
        "the cooldown doubles"
    );
    breaker.record_success();
    for _ in 0..3 {
        setup.started.recv().await.expect("the rest");
    }
}
