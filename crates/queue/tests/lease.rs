//! A lease is live only as long as the queue is sure to agree, and its loss is final.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use pagemill_queue::memory::{Fault, Operation};
use pagemill_queue::{
    Ask, BootClock, Clock, End, Heartbeat, Lease, LeaseLost, LeaseSettings, MemoryQueue, Message,
    Queue, QueueError, TokioClock,
};
use pretty_assertions::assert_eq;

const SECOND: Duration = Duration::from_secs(1);

struct Setup {
    clock: Arc<dyn Clock>,
    queue: MemoryQueue,
    heartbeat: Heartbeat,
    settings: LeaseSettings,
}

fn setup() -> Setup {
    let clock = TokioClock::shared();
    let queue = MemoryQueue::new("pdfs", clock.clone());
    let heartbeat = Heartbeat::on_current_runtime(clock.clone(), Arc::new(queue.clone()));
    Setup {
        clock,
        queue,
        heartbeat,
        settings: LeaseSettings::default(),
    }
}

impl Setup {
    async fn take(&self) -> (Message, Lease) {
        self.queue.push("body");
        let taken_at = self.clock.now();
        let mut messages = self
            .queue
            .receive(Ask::one(SECOND, self.settings.first_hold))
            .await
            .expect("a receive");
        let message = messages.pop().expect("a message");
        let lease = Lease::start(
            &self.heartbeat,
            message.receipt.clone(),
            taken_at,
            self.settings.clone(),
        );
        (message, lease)
    }
}

fn unavailable() -> Fault {
    Fault::Error(QueueError::Unavailable {
        queue: "pdfs".into(),
        reason: "scripted".into(),
    })
}

async fn within<T>(limit: Duration, waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, waiting)
        .await
        .expect("it must come in time")
}

#[test]
fn default_settings_are_consistent_and_contradictions_are_named() {
    LeaseSettings::default().validate().expect("the defaults");
    assert_eq!(
        LeaseSettings::renewed_to(120 * SECOND),
        LeaseSettings::default()
    );
    for seconds in [6, 7, 1024] {
        let settings = LeaseSettings::renewed_to(seconds * SECOND);
        settings.validate().expect("the proportions hold");
    }
    let second = Duration::from_secs(1);
    let contradictory = [
        LeaseSettings {
            margin: second * 60,
            ..LeaseSettings::default()
        },
        LeaseSettings {
            renew_every: second * 115,
            ..LeaseSettings::default()
        },
        LeaseSettings {
            stall_timeout: Duration::ZERO,
            ..LeaseSettings::default()
        },
    ];
    for settings in contradictory {
        settings.validate().expect_err("a contradiction");
    }
}

#[tokio::test(start_paused = true)]
async fn le_2_long_job_keeps_its_message() {
    let setup = setup();
    let (_, lease) = setup.take().await;
    for _ in 0..60 {
        setup.clock.sleep(SECOND * 60).await;
        lease.progress();
        lease.proof().expect("the lease is live");
        let others = setup
            .queue
            .receive(Ask::one(Duration::ZERO, SECOND))
            .await
            .expect("a receive");
        assert_eq!(others, []);
    }
    // The first after 20 s, then one each 40 s.
    assert_eq!(setup.queue.calls(Operation::Renew), 1 + (3600 - 20) / 40);
    lease.finish().await.expect("still ours");
}

#[tokio::test(start_paused = true)]
async fn le_2_short_job_costs_no_renewal() {
    let setup = setup();
    let (_, lease) = setup.take().await;
    setup.clock.sleep(SECOND * 15).await;
    lease.finish().await.expect("still ours");
    assert_eq!(setup.queue.calls(Operation::Renew), 0);
}

#[tokio::test(start_paused = true)]
async fn le_2_orphaned_message_is_back_within_its_first_hold() {
    let setup = setup();
    let (_, lease) = setup.take().await;
    drop(lease);
    setup.clock.sleep(SECOND * 60).await;
    let again = setup
        .queue
        .receive(Ask::one(SECOND, SECOND))
        .await
        .expect("a receive");
    assert_eq!(again.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn le_2_failed_renewals_are_tried_again() {
    let setup = setup();
    setup.queue.script(
        Operation::Renew,
        [unavailable(), unavailable(), unavailable()],
    );
    let (_, lease) = setup.take().await;
    setup.clock.sleep(SECOND * 100).await;
    lease
        .proof()
        .expect("the fourth renewal succeeded before the lease ran out");
}

#[tokio::test(start_paused = true)]
async fn le_4_deadline_counts_from_the_start_of_the_renewal_less_the_margin() {
    let setup = setup();
    // The answer to the only renewal that works takes 7 s; it was started 20 s after the message was taken.
    setup
        .queue
        .script(Operation::Renew, [Fault::Hang(SECOND * 7)]);
    setup
        .queue
        .script(Operation::Renew, std::iter::repeat_n(unavailable(), 100));
    let (_, lease) = setup.take().await;
    let begun = setup.clock.now();
    assert_eq!(within(SECOND * 600, lease.lost()).await, LeaseLost::Expired);
    let held = setup.clock.now().since(begun);
    let expected = SECOND * (20 + 120 - 10);
    assert!(
        held >= expected && held <= expected + Duration::from_millis(20),
        "{held:?}"
    );
    assert_eq!(lease.proof().map(drop), Err(LeaseLost::Expired));
}

#[tokio::test(start_paused = true)]
async fn le_4_process_that_did_not_run_finds_its_lease_lost_and_writes_nothing_more() {
    let setup = setup();
    let (_, lease) = setup.take().await;
    let before = lease.proof().expect("live");
    assert!(before.is_live());
    // Time passes and nothing of this process runs, as after SIGSTOP: no timer fires in between.
    tokio::time::advance(SECOND * 300).await;
    assert!(
        !before.is_live(),
        "a proof made before the stop has run out too"
    );
    assert_eq!(lease.proof().map(drop), Err(LeaseLost::Expired));
    drop(before);
    // A renewal that would succeed now makes it no better.
    setup.clock.sleep(SECOND * 60).await;
    assert_eq!(lease.proof().map(drop), Err(LeaseLost::Expired));
    assert_eq!(lease.finish().await.map(drop), Err(LeaseLost::Expired));
}

#[tokio::test(start_paused = true)]
async fn le_4_message_that_someone_else_holds_is_lost_at_the_next_renewal() {
    let setup = setup();
    setup.queue.duplicate_next_receive();
    let (_, lease) = setup.take().await;
    let other = setup
        .queue
        .receive(Ask::one(SECOND, SECOND * 60))
        .await
        .expect("a receive");
    assert_eq!(other.len(), 1);
    let lost = within(SECOND * 21, lease.lost()).await;
    assert!(matches!(lost, LeaseLost::Taken { .. }), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn le_3_job_without_progress_loses_its_lease() {
    let setup = setup();
    let (_, lease) = setup.take().await;
    let begun = setup.clock.now();
    setup.clock.sleep(SECOND * 300).await;
    lease.progress();
    let lost = within(SECOND * 1_000, lease.lost()).await;
    assert!(matches!(lost, LeaseLost::Stalled { .. }), "{lost:?}");
    let held = setup.clock.now().since(begun);
    assert!(held >= SECOND * 900 && held < SECOND * 901, "{held:?}");
    // No renewal after that: the message is free again when the last one ends.
    let again = within(SECOND * 130, async {
        loop {
            let messages = setup
                .queue
                .receive(Ask::one(SECOND * 20, SECOND))
                .await
                .expect("a receive");
            if !messages.is_empty() {
                return messages;
            }
        }
    });
    assert_eq!(again.await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn le_3_total_time_ends_below_twelve_hours() {
    let setup = setup();
    let (_, lease) = setup.take().await;
    let begun = setup.clock.now();
    let watch = lease.watch();
    let lost = loop {
        tokio::select! {
            lost = lease.lost() => break lost,
            () = setup.clock.sleep(SECOND * 60) => watch.progress(),
        }
    };
    assert_eq!(
        lost,
        LeaseLost::TooLong {
            limit: setup.settings.max_total
        }
    );
    assert!(setup.clock.now().since(begun) < SECOND * 43_200);
}

#[tokio::test(start_paused = true)]
async fn le_5_renewal_under_way_is_waited_for_before_settling() {
    let setup = setup();
    setup
        .queue
        .script(Operation::Renew, [Fault::Hang(SECOND * 9)]);
    let (message, lease) = setup.take().await;
    // The renewal starts after 20 s and hangs; finishing at 22 s has to wait for it until 29 s.
    setup.clock.sleep(SECOND * 22).await;
    let begun = setup.clock.now();
    let permit = lease.finish().await.expect("still ours");
    let waited = setup.clock.now().since(begun);
    assert!(
        waited >= SECOND * 6,
        "finish came back during a renewal, after {waited:?}"
    );
    drop(permit);
    // So a backoff set now stands.
    let backoff = End::Retry { after: SECOND * 30 };
    setup
        .queue
        .settle(&message.receipt, &backoff)
        .await
        .expect("a backoff");
    setup.clock.sleep(SECOND * 31).await;
    let again = setup
        .queue
        .receive(Ask::one(Duration::ZERO, SECOND))
        .await
        .expect("a receive");
    assert_eq!(again.len(), 1, "a late renewal overwrote the backoff");
}

#[tokio::test]
async fn le_2_heartbeat_thread_renews_while_this_runtime_is_busy() {
    let clock = BootClock::shared();
    let queue = MemoryQueue::new("pdfs", clock.clone());
    let own_handle: Arc<dyn Queue> = Arc::new(queue.clone());
    let heartbeat = Heartbeat::start(clock.clone(), move || async move { Ok(own_handle) })
        .await
        .expect("a heartbeat");
    let settings = LeaseSettings {
        first_hold: SECOND * 3,
        renew_to: SECOND * 3,
        renew_every: Duration::from_millis(20),
        margin: Duration::from_millis(100),
        ..LeaseSettings::default()
    };
    queue.push("body");
    let taken_at = clock.now();
    let message = queue
        .receive(Ask::one(SECOND, settings.first_hold))
        .await
        .expect("a receive")
        .remove(0);
    let lease = Lease::start(&heartbeat, message.receipt, taken_at, settings);
    // CPU work on the only thread of this runtime: nothing here yields until renewals were seen.
    let begun = clock.now();
    while queue.calls(Operation::Renew) < 5 {
        assert!(
            clock.now().since(begun) < SECOND * 20,
            "the heartbeat starved"
        );
        std::hint::spin_loop();
    }
    assert!(heartbeat.late_by() < SECOND * 20);
    lease.finish().await.expect("still ours");
    let calls = queue.calls(Operation::Renew);
    heartbeat.stop().await;
    assert_eq!(
        queue.calls(Operation::Renew),
        calls,
        "no renewal after the lease was finished"
    );
}

#[tokio::test]
async fn heartbeat_that_can_not_build_its_client_says_so() {
    let build = || async {
        Err(QueueError::Denied {
            queue: "pdfs".into(),
            remedy: "give it a role".into(),
        })
    };
    let error = Heartbeat::start(BootClock::shared(), build)
        .await
        .expect_err("no client");
    assert!(error.to_string().contains("give it a role"), "{error}");
}
