//! What becomes of a message, by the outcome of its records.

use std::sync::Arc;
use std::time::Duration;

use pagemill_queue::memory::likeness::sqs;
use pagemill_queue::memory::{Fault, Operation};
use pagemill_queue::settle::{BACKOFF_MAX, backoff};
use pagemill_queue::{
    Ask, Clock, Depth, Heartbeat, Lease, LeaseSettings, MemoryQueue, Message, OutMessage, Outcome,
    PermanentFailure, Queue, QueueError, SettleContext, SettlePermit, Settled, Settler, TokioClock,
};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

struct Setup {
    clock: Arc<dyn Clock>,
    queue: MemoryQueue,
    dead_letters: MemoryQueue,
    settler: Settler,
}

fn setup() -> Setup {
    let clock = TokioClock::shared();
    let dead_letters = MemoryQueue::new("pdfs-dlq", clock.clone());
    let queue = MemoryQueue::with_dead_letters("pdfs", clock.clone(), dead_letters.clone(), 100);
    let settler = Settler::new(Arc::new(queue.clone()), "1.2.3");
    Setup {
        clock,
        queue,
        dead_letters,
        settler,
    }
}

impl Setup {
    async fn take(&self) -> (Message, SettlePermit) {
        let heartbeat =
            Heartbeat::on_current_runtime(self.clock.clone(), Arc::new(self.queue.clone()));
        let settings = LeaseSettings::default();
        let taken_at = self.clock.now();
        let message = self
            .queue
            .receive(Ask::one(SECOND, settings.first_hold))
            .await
            .expect("a receive")
            .remove(0);
        let lease = Lease::start(&heartbeat, message.receipt.clone(), taken_at, settings);
        let permit = lease.finish().await.expect("a live lease");
        (message, permit)
    }

    async fn settle_one(&self, outcome: Outcome) -> Result<Settled, QueueError> {
        self.queue.push("the body");
        let (message, permit) = self.take().await;
        self.settler
            .settle(permit, &message, &outcome, &SettleContext::default())
            .await
    }
}

fn encrypted() -> PermanentFailure {
    PermanentFailure {
        reason_code: "encrypted".into(),
        stage: Some("inspect".into()),
        page: Some(3),
        message: "no known password opens it".into(),
    }
}

fn transient() -> Outcome {
    Outcome::Transient {
        reason: "timeout".into(),
        retry_after: None,
    }
}

fn unavailable() -> Fault {
    Fault::Error(QueueError::Unavailable {
        queue: "pdfs".into(),
        reason: "scripted".into(),
    })
}

#[tokio::test(start_paused = true)]
async fn se_1_done_is_deleted_before_settle_returns() {
    for outcome in [Outcome::Done, Outcome::Superseded] {
        let setup = setup();
        assert_eq!(setup.settle_one(outcome).await, Ok(Settled::Deleted));
        assert_eq!(setup.queue.contents(), []);
        assert_eq!(setup.dead_letters.contents(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn se_1_delete_is_tried_again_while_the_lease_lives() {
    let setup = setup();
    setup
        .queue
        .script(Operation::Settle, [unavailable(), unavailable()]);
    assert_eq!(setup.settle_one(Outcome::Done).await, Ok(Settled::Deleted));
    setup.queue.script(
        Operation::Settle,
        [unavailable(), unavailable(), unavailable()],
    );
    let failed = setup
        .settle_one(Outcome::Done)
        .await
        .expect_err("three failures");
    assert!(failed.is_transient());
    assert_eq!(
        setup.queue.contents().len(),
        1,
        "what was not deleted is still there"
    );
}

#[tokio::test(start_paused = true)]
async fn out_2_a_message_that_steps_aside_comes_back_in_seconds_and_then_more_slowly() {
    let setup = setup();
    setup.queue.push("the body");
    let mut waits = Vec::new();
    for _ in 0..12 {
        let (message, permit) = setup.take().await;
        let settled = setup
            .settler
            .settle(
                permit,
                &message,
                &Outcome::Yielded,
                &SettleContext::default(),
            )
            .await;
        let Ok(Settled::Delayed(wait)) = settled else {
            panic!("a delay, not {settled:?}");
        };
        waits.push(wait);
        setup.clock.sleep(wait).await;
    }
    assert_eq!(waits[0], SECOND);
    for (before, wait) in (0..).zip(&waits) {
        let full = (SECOND * 2_u32.pow(before)).min(BACKOFF_MAX);
        assert!(*wait >= full / 2 && *wait <= full, "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn se_2_transient_failure_comes_back_after_its_backoff() {
    let setup = setup();
    let Ok(Settled::Delayed(delay)) = setup.settle_one(transient()).await else {
        panic!("a delay");
    };
    assert!(delay >= SECOND * 15 && delay <= SECOND * 30, "{delay:?}");
    setup.clock.sleep(delay - SECOND).await;
    assert_eq!(
        setup.queue.receive(Ask::one(Duration::ZERO, SECOND)).await,
        Ok(vec![])
    );
    setup.clock.sleep(SECOND).await;
    let again = setup
        .queue
        .receive(Ask::one(SECOND, SECOND))
        .await
        .expect("a receive");
    assert_eq!(again[0].receive_count, 2);
    assert_eq!(setup.dead_letters.contents(), []);
}

#[tokio::test(start_paused = true)]
async fn se_2_permanent_failure_is_dead_lettered_at_once_and_says_why() {
    let setup = setup();
    let from = OutMessage {
        attributes: [("origin".to_owned(), "s3".to_owned())].into(),
        ..OutMessage::new("the body")
    };
    setup.queue.push_message(from);
    let (message, permit) = setup.take().await;
    let context = SettleContext {
        attempts: 0,
        trace_id: Some("t-1".into()),
    };
    let outcome = Outcome::Permanent(encrypted());
    let settled = setup
        .settler
        .settle(permit, &message, &outcome, &context)
        .await;
    assert_eq!(settled, Ok(Settled::DeadLettered));
    assert_eq!(setup.queue.contents(), []);
    let expected = [
        ("attempts", "1"),
        ("build", "1.2.3"),
        ("message", "no known password opens it"),
        ("origin", "s3"),
        ("page", "3"),
        ("reason", "encrypted"),
        ("stage", "inspect"),
        ("trace_id", "t-1"),
    ];
    let attributes = expected
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(
        setup.dead_letters.contents(),
        [("the body".to_owned(), attributes)]
    );
}

#[tokio::test(start_paused = true)]
async fn se_2_dead_letter_that_can_not_be_sent_keeps_the_message() {
    let setup = setup();
    setup.dead_letters.script(
        Operation::Send,
        [unavailable(), unavailable(), unavailable()],
    );
    let settled = setup.settle_one(Outcome::Permanent(encrypted())).await;
    assert!(matches!(settled, Ok(Settled::Delayed(_))), "{settled:?}");
    assert_eq!(setup.queue.contents().len(), 1);
    // One refused message of the batch is no success either; the next try sends it.
    let fresh = self::setup();
    fresh
        .dead_letters
        .script(Operation::Send, [Fault::PartialSend(vec![0])]);
    assert_eq!(
        fresh.settle_one(Outcome::Permanent(encrypted())).await,
        Ok(Settled::DeadLettered)
    );
    assert_eq!(fresh.dead_letters.contents().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn se_2_a_letter_is_sent_once_though_its_message_can_not_be_deleted_at_first() {
    let setup = setup();
    setup
        .queue
        .script(Operation::Settle, [unavailable(), unavailable()]);
    let settled = setup.settle_one(Outcome::Permanent(encrypted())).await;
    assert_eq!(settled, Ok(Settled::DeadLettered));
    assert_eq!(setup.queue.contents(), []);
    assert_eq!(setup.dead_letters.contents().len(), 1);
    assert_eq!(setup.dead_letters.calls(Operation::Send), 1);
}

#[tokio::test(start_paused = true)]
async fn se_2_without_a_dead_letter_queue_nothing_is_lost() {
    let mut setup = setup();
    setup.queue = MemoryQueue::new("pdfs", setup.clock.clone());
    let settler = Settler::new(Arc::new(setup.queue.clone()), "1.2.3");
    setup.queue.push("the body");
    let (message, permit) = setup.take().await;
    let outcome = Outcome::Permanent(encrypted());
    let settled = settler
        .settle(permit, &message, &outcome, &SettleContext::default())
        .await;
    assert_eq!(settled, Ok(Settled::Delayed(BACKOFF_MAX)));
    assert_eq!(setup.queue.contents().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn se_3_released_message_can_be_received_at_once() {
    let setup = setup();
    assert_eq!(
        setup.settle_one(Outcome::Released).await,
        Ok(Settled::Released)
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
async fn le_4_lost_lease_touches_nothing() {
    let setup = setup();
    assert_eq!(
        setup.settle_one(Outcome::LeaseLost).await,
        Ok(Settled::Left)
    );
    assert_eq!(setup.queue.calls(Operation::Settle), 0);
}

#[tokio::test(start_paused = true)]
async fn le_4_permit_that_ran_out_settles_nothing() {
    for outcome in [
        Outcome::Done,
        transient(),
        Outcome::Permanent(encrypted()),
        Outcome::Released,
    ] {
        let setup = setup();
        setup.queue.push("the body");
        let (message, permit) = setup.take().await;
        tokio::time::advance(SECOND * 50).await;
        let settled = setup
            .settler
            .settle(permit, &message, &outcome, &SettleContext::default())
            .await;
        assert_eq!(settled, Ok(Settled::Left), "{outcome:?}");
        assert_eq!(setup.queue.calls(Operation::Settle), 0);
        assert_eq!(setup.dead_letters.contents(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn le_4_stale_receipt_on_delete_is_no_error() {
    let clock = TokioClock::shared();
    let queue = MemoryQueue::new("pdfs", clock.clone()).refusing_stale_deletes();
    let settler = Settler::new(Arc::new(queue.clone()), "1.2.3");
    let setup = Setup {
        clock,
        queue: queue.clone(),
        dead_letters: queue.clone(),
        settler,
    };
    queue.push("the body");
    queue.duplicate_next_receive();
    let (message, permit) = setup.take().await;
    let other = queue
        .receive(Ask::one(SECOND, SECOND * 60))
        .await
        .expect("a receive");
    let settled = setup
        .settler
        .settle(permit, &message, &Outcome::Done, &SettleContext::default())
        .await;
    assert_eq!(settled, Ok(Settled::Left));
    assert_eq!(
        queue.contents().len(),
        1,
        "the other receiver's message is untouched"
    );
    queue
        .renew(&other[0].receipt, SECOND)
        .await
        .expect("still the other's");
}

#[test]
fn in_3_message_ends_as_the_worst_of_its_records() {
    let permanent = Outcome::Permanent(encrypted());
    let second = Outcome::Permanent(PermanentFailure {
        reason_code: "corrupt".into(),
        ..encrypted()
    });
    let done = Outcome::Done;
    let cases = [
        (vec![], Outcome::Done),
        (vec![done.clone(), Outcome::Superseded], Outcome::Superseded),
        (
            vec![permanent.clone(), done.clone(), second],
            permanent.clone(),
        ),
        (
            vec![permanent.clone(), transient(), done.clone()],
            transient(),
        ),
        (vec![Outcome::Released, permanent], Outcome::Released),
        (
            vec![transient(), Outcome::LeaseLost, done],
            Outcome::LeaseLost,
        ),
    ];
    for (records, expected) in cases {
        assert_eq!(Outcome::worst_of(records), expected);
    }
}

proptest! {
    #[test]
    fn se_2_backoff_doubles_has_jitter_and_ends_at_fifteen_minutes(attempts in 0_u32..u32::MAX) {
        let full = (30.0 * 2_f64.powi(i32::try_from(attempts.saturating_sub(1).min(20)).expect("small"))).min(900.0);
        let delay = backoff(attempts, None, &sqs().retry, &mut rand::rng()).as_secs_f64();
        prop_assert!(delay >= full / 2.0 - 1.0 && delay <= full, "{} for {}", delay, attempts);
    }

    #[test]
    fn se_2_retry_after_is_a_lower_bound(seconds in 0_u64..5_000) {
        let asked = Duration::from_secs(seconds);
        let delay = backoff(1, Some(asked), &sqs().retry, &mut rand::rng());
        prop_assert!(delay >= asked.min(BACKOFF_MAX) && delay <= BACKOFF_MAX);
    }
}
