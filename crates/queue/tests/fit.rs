//! A lease on queues that hold messages otherwise than SQS does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pagemill_queue::memory::likeness::{nats, rabbitmq, sqs};
use pagemill_queue::memory::{Fault, Operation};
use pagemill_queue::{
    Ask, BootClock, Capabilities, Clock, End, Heartbeat, Lease, LeaseLost, LeaseSettings,
    MemoryQueue, Message, Queue, QueueError, Settler, TokioClock,
};
use pretty_assertions::assert_eq;

const SECOND: Duration = Duration::from_secs(1);

struct Setup {
    clock: Arc<dyn Clock>,
    queue: MemoryQueue,
    settings: LeaseSettings,
}

fn setup(capabilities: Capabilities) -> Setup {
    let clock = TokioClock::shared();
    let queue = MemoryQueue::new("pdfs", clock.clone()).like(capabilities);
    let settings = LeaseSettings::default().fit(queue.capabilities());
    Setup {
        clock,
        queue,
        settings: settings.expect("it fits"),
    }
}

impl Setup {
    async fn take(&self) -> (Message, Lease) {
        self.queue.push("body");
        let taken_at = self.clock.now();
        let ask = Ask::one(SECOND, self.settings.first_hold);
        let message = self.queue.receive(ask).await.expect("a receive").remove(0);
        let client: Arc<dyn Queue> = Arc::new(self.queue.clone());
        let heartbeat = Heartbeat::on_current_runtime(self.clock.clone(), client);
        let settings = self.settings.clone();
        let lease = Lease::start(&heartbeat, message.receipt.clone(), taken_at, settings);
        (message, lease)
    }

    /// Works for so long, with progress.
    async fn work(&self, lease: &Lease, time: Duration) -> Option<LeaseLost> {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            lease.progress();
            tokio::select! {
                biased;
                lost = lease.lost() => return Some(lost),
                () = self.clock.sleep(SECOND) => {}
            }
        }
        None
    }
}

#[test]
fn le_2_what_fits_sqs_is_left_as_it_is() {
    for seconds in 6..=1024 {
        let settings = LeaseSettings::renewed_to(SECOND * seconds);
        assert_eq!(settings.clone().fit(&sqs()), Ok(settings));
    }
}

#[test]
fn le_2_a_hold_that_the_queue_sets_is_taken_as_it_is() {
    let expected = LeaseSettings {
        first_hold: SECOND * 12,
        renew_to: SECOND * 12,
        renew_every: SECOND * 4,
        margin: SECOND,
        call_timeout: SECOND,
        ..LeaseSettings::default()
    };
    assert_eq!(
        LeaseSettings::default().fit(&nats(SECOND * 12)),
        Ok(expected.clone())
    );
    assert_eq!(
        LeaseSettings::default().fit(&rabbitmq(SECOND * 6)),
        Ok(expected)
    );
    // A longer one costs no more renewals than were asked for, and no longer margin.
    let long = LeaseSettings::default().fit(&nats(SECOND * 3600));
    let long = long.expect("it fits");
    let settings = LeaseSettings::default();
    assert_eq!(
        (long.renew_every, long.margin),
        (settings.renew_every, settings.margin)
    );
}

#[test]
fn le_3_a_queue_that_leaves_no_time_to_work_is_refused_with_the_remedy() {
    let capabilities = Capabilities {
        hold_total: Some(SECOND * 130),
        ..sqs()
    };
    let refusal = LeaseSettings::default().fit(&capabilities);
    let refusal = refusal.expect_err("130 s are no time");
    assert!(
        refusal.contains("130 s") && refusal.contains("lengthen"),
        "{refusal}"
    );
}

#[tokio::test(start_paused = true)]
async fn le_3_a_lease_ends_before_the_queue_takes_the_message_back() {
    let half_an_hour = SECOND * 1800;
    let setup = setup(Capabilities {
        hold_total: Some(half_an_hour),
        ..rabbitmq(SECOND * 60)
    });
    let (message, lease) = setup.take().await;
    let lost = setup.work(&lease, half_an_hour * 2).await;
    let limit = half_an_hour - SECOND * 120;
    assert_eq!(lost, Some(LeaseLost::TooLong { limit }));
    assert!(setup.queue.holds(&message.receipt), "the queue did not yet");
}

#[tokio::test(start_paused = true)]
async fn le_4_the_deadline_counts_from_the_hold_that_was_granted() {
    let setup = setup(nats(SECOND * 30));
    let (_, lease) = setup.take().await;
    assert_eq!(setup.work(&lease, SECOND * 600).await, None);
    let remaining = lease.proof().expect("live").remaining();
    assert!(remaining <= SECOND * 30, "{remaining:?}");
    assert!(setup.queue.calls(Operation::Renew) >= 59);
}

/// Nobody says that the lease is lost: the queue grants the renewal.
#[tokio::test(start_paused = true)]
async fn le_4_a_lease_is_lost_by_its_own_deadline_where_stale_renewals_are_granted() {
    let setup = setup(nats(SECOND * 30));
    let (message, lease) = setup.take().await;
    // As after SIGSTOP: no timer fires in between.
    tokio::time::advance(SECOND * 60).await;
    let ask = Ask::one(SECOND, SECOND * 30);
    let others = setup.queue.receive(ask).await.expect("a receive");
    assert_eq!(others.len(), 1);
    let renewed = setup.queue.renew(&message.receipt, SECOND * 30).await;
    assert!(renewed.is_ok(), "{renewed:?}");
    assert_eq!(lease.finish().await.map(drop), Err(LeaseLost::Expired));
}

#[tokio::test(start_paused = true)]
async fn le_2_a_stopped_worker_loses_its_lease_before_the_queue_closes_its_connection() {
    let setup = setup(rabbitmq(SECOND * 60));
    let (message, lease) = setup.take().await;
    assert_eq!(setup.work(&lease, SECOND * 300).await, None);
    setup.queue.fall_silent();
    let remaining = lease.proof().expect("live").remaining();
    tokio::time::advance(remaining).await;
    assert_eq!(lease.proof().map(drop), Err(LeaseLost::Expired));
    assert!(setup.queue.holds(&message.receipt), "not yet another's");
    // Its beats have not come for two of their intervals at most then.
    tokio::time::advance(setup.settings.margin + setup.settings.renew_every).await;
    assert!(!setup.queue.holds(&message.receipt));
    setup.queue.speak_again();
    let settled = setup.queue.settle(&message.receipt, &End::Done).await;
    settled.expect_err("the connection is another one now");
}

/// A worker that was stopped for less than its connection survives keeps nothing from others.
#[tokio::test(start_paused = true)]
async fn le_4_a_message_whose_lease_is_lost_is_given_back_where_its_connection_would_keep_it() {
    let setup = setup(rabbitmq(SECOND * 60));
    let (message, lease) = setup.take().await;
    tokio::time::advance(SECOND * 115).await;
    assert_eq!(lease.finish().await.map(drop), Err(LeaseLost::Expired));
    assert!(setup.queue.holds(&message.receipt));
    let settler = Settler::new(Arc::new(setup.queue.clone()), "1.2.3");
    settler.leave(&message).await;
    let ask = Ask::one(SECOND, SECOND * 60);
    let again = setup.queue.connect().receive(ask).await;
    assert_eq!(again.expect("a receive").len(), 1);
}

/// Else a worker that had one refused call keeps it for as long as its connection lives.
#[tokio::test(start_paused = true)]
async fn le_4_a_message_is_given_back_by_another_call_when_the_first_one_fails() {
    let setup = setup(rabbitmq(SECOND * 60));
    let (message, lease) = setup.take().await;
    drop(lease);
    let refused = QueueError::Unavailable {
        queue: "pdfs".into(),
        reason: "scripted".into(),
    };
    let faults = [0; 3].map(|_| Fault::Error(refused.clone()));
    setup.queue.script(Operation::Settle, faults);
    let settler = Settler::new(Arc::new(setup.queue.clone()), "1.2.3");
    settler.leave(&message).await;
    assert!(!setup.queue.holds(&message.receipt));
}

/// Others have the message from that moment on, long before the deadline.
#[tokio::test(start_paused = true)]
async fn le_4_a_lease_is_lost_with_the_connection_that_its_receipt_lives_with() {
    let setup = setup(rabbitmq(SECOND * 60));
    let (_, lease) = setup.take().await;
    assert_eq!(setup.work(&lease, SECOND * 50).await, None);
    setup.queue.lose_connection();
    let lost = setup.work(&lease, SECOND).await;
    assert!(matches!(lost, Some(LeaseLost::Taken { .. })), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn le_2_what_a_lost_answer_took_is_back_at_once_where_messages_belong_to_connections() {
    let setup = setup(rabbitmq(SECOND * 60));
    let lost = QueueError::Unavailable {
        queue: "pdfs".into(),
        reason: "scripted".into(),
    };
    setup
        .queue
        .script(Operation::Receive, [Fault::AnswerLost(lost.clone())]);
    setup.queue.push("body");
    let ask = Ask::one(SECOND, SECOND * 60);
    assert_eq!(setup.queue.receive(ask).await, Err(lost));
    let again = setup.queue.receive(ask).await.expect("a receive");
    assert_eq!(again.len(), 1);
}

#[tokio::test]
async fn le_2_the_worker_works_on_the_heartbeats_connection_where_receipts_live_with_it() {
    let clock = BootClock::shared();
    for (capabilities, clients) in [(sqs(), 2), (nats(SECOND * 6), 2), (rabbitmq(SECOND * 3), 1)] {
        let queue = MemoryQueue::new("pdfs", clock.clone()).like(capabilities);
        let built = Arc::new(AtomicUsize::new(0));
        let build = {
            let (queue, built) = (queue.clone(), built.clone());
            move || {
                built.fetch_add(1, Ordering::Relaxed);
                let client: Arc<dyn Queue> = Arc::new(queue.connect());
                async move { Ok(client) }
            }
        };
        let heartbeat = Heartbeat::start(clock.clone(), build.clone());
        let heartbeat = heartbeat.await.expect("a heartbeat");
        let client = heartbeat.client_for_work(build).await.expect("a client");
        assert_eq!(built.load(Ordering::Relaxed), clients);
        // So that renewals count, whoever received.
        queue.push("body");
        let settings = LeaseSettings {
            renew_every: Duration::from_millis(20),
            ..LeaseSettings::default()
        };
        let taken_at = clock.now();
        let ask = Ask::one(SECOND, settings.first_hold);
        let message = client.receive(ask).await.expect("a receive").remove(0);
        let settings = settings.fit(client.capabilities()).expect("it fits");
        let lease = Lease::start(&heartbeat, message.receipt.clone(), taken_at, settings);
        while queue.calls(Operation::Renew) < 3 {
            lease.proof().expect("no renewal is refused");
            tokio::task::yield_now().await;
        }
        lease.finish().await.expect("still ours");
        let settled = client.settle(&message.receipt, &End::Done).await;
        settled.expect("an end");
        heartbeat.stop().await;
    }
}
