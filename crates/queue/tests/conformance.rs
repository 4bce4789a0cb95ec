//! One suite for every queue: what the worker relies on. It runs against [`MemoryQueue`] under a paused clock, and
//! against [`SqsQueue`] on an emulator when `PAGEMILL_MINISTACK` names the emulator's command.

#[path = "emulator/ministack.rs"]
mod emulator;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use emulator::Emulator;
use pagemill_queue::transport::send_all;
use pagemill_queue::{
    Counts, MemoryQueue, Message, OutMessage, Queue, QueueError, SqsQueue, TokioClock,
};
use pretty_assertions::assert_eq;

const SECOND: Duration = Duration::from_secs(1);

/// Makes fresh queues of one kind.
#[async_trait]
trait Kind: Sync {
    /// A queue and its dead-letter queue.
    async fn queues(&self, max_receive_count: u32) -> (Arc<dyn Queue>, Arc<dyn Queue>);
}

async fn suite(kind: &dyn Kind) {
    message_arrives_whole(kind).await;
    deleted_message_is_gone(kind).await;
    message_comes_back_under_a_new_receipt(kind).await;
    a_stale_delete_loses_nothing(kind).await;
    extension_counts_from_now(kind).await;
    zero_gives_back_at_once(kind).await;
    long_poll_ends_with_the_first_message(kind).await;
    message_received_too_often_is_dead_lettered(kind).await;
    delayed_message_waits(kind).await;
    any_number_is_sent_in_batches(kind).await;
    batch_of_eleven_is_refused(kind).await;
    redrive_policy_is_told(kind).await;
}

async fn take(queue: &dyn Queue, wait: Duration, visibility: Duration) -> Message {
    let mut messages = queue.receive(1, wait, visibility).await.expect("a receive");
    messages.pop().expect("a message")
}

async fn send(queue: &dyn Queue, message: OutMessage) {
    let results = queue.send_batch(vec![message]).await.expect("a send");
    assert_eq!(results, [Ok(())]);
}

async fn message_arrives_whole(kind: &dyn Kind) {
    let (queue, _) = kind.queues(5).await;
    let body = "{\"key\":\"a+b/ü📄<&>\\\"\"}\n second line";
    let attributes: BTreeMap<String, String> = [("reason", "encrypted"), ("trace_id", "ä-1")]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
    send(
        &*queue,
        OutMessage {
            attributes: attributes.clone(),
            ..OutMessage::new(body)
        },
    )
    .await;
    let message = take(&*queue, SECOND, SECOND * 60).await;
    assert_eq!(message.body, body);
    assert_eq!(message.attributes, attributes);
    assert_eq!(message.receive_count, 1);
    assert!(message.sent_at.is_some() && message.first_received_at >= message.sent_at);
    assert_eq!(
        queue.counts().await,
        Ok(Counts {
            visible: 0,
            in_flight: 1,
            delayed: 0
        })
    );
}

async fn deleted_message_is_gone(kind: &dyn Kind) {
    let (queue, _) = kind.queues(5).await;
    send(&*queue, OutMessage::new("body")).await;
    let message = take(&*queue, SECOND, SECOND).await;
    queue.delete(&message.receipt).await.expect("a delete");
    assert_eq!(queue.receive(1, SECOND * 2, SECOND).await, Ok(vec![]));
    assert_eq!(queue.counts().await, Ok(Counts::default()));
}

async fn message_comes_back_under_a_new_receipt(kind: &dyn Kind) {
    let (queue, _) = kind.queues(5).await;
    send(&*queue, OutMessage::new("body")).await;
    let first = take(&*queue, SECOND, SECOND).await;
    let second = take(&*queue, SECOND * 5, SECOND * 60).await;
    assert_eq!(second.id, first.id);
    assert_ne!(second.receipt, first.receipt);
    assert_eq!(second.receive_count, 2);
    let stale = queue.extend(&first.receipt, SECOND * 60).await;
    assert!(
        matches!(stale, Err(QueueError::StaleReceipt { .. })),
        "{stale:?}"
    );
    queue
        .delete(&second.receipt)
        .await
        .expect("a delete by the newest receipt");
}

/// SQS says yes to a delete by a stale receipt and keeps the message; others refuse. Nobody may delete it.
async fn a_stale_delete_loses_nothing(kind: &dyn Kind) {
    let (queue, _) = kind.queues(5).await;
    send(&*queue, OutMessage::new("a")).await;
    let first = take(&*queue, Duration::ZERO, SECOND).await;
    let second = take(&*queue, SECOND * 5, SECOND * 60).await;
    let answer = queue.delete(&first.receipt).await;
    let refused = matches!(answer, Err(QueueError::StaleReceipt { .. }));
    println!(
        "{}: a stale delete is {}",
        queue.name(),
        if refused { "refused" } else { "accepted" }
    );
    assert!(refused || answer.is_ok(), "{answer:?}");
    queue
        .extend(&second.receipt, Duration::ZERO)
        .await
        .expect("the message is still there");
    let third = take(&*queue, SECOND * 5, SECOND * 60).await;
    queue.delete(&third.receipt).await.expect("a delete");
}

async fn extension_counts_from_now(kind: &dyn Kind) {
    let (queue, _) = kind.queues(5).await;
    send(&*queue, OutMessage::new("body")).await;
    let message = take(&*queue, SECOND, SECOND * 60).await;
    queue
        .extend(&message.receipt, SECOND * 2)
        .await
        .expect("an extension");
    assert_eq!(queue.receive(1, Duration::ZERO, SECOND).await, Ok(vec![]));
    assert_eq!(take(&*queue, SECOND * 6, SECOND).await.id, message.id);
}

async fn zero_gives_back_at_once(kind: &dyn Kind) {
    let (queue, _) = kind.queues(5).await;
    send(&*queue, OutMessage::new("body")).await;
    let message = take(&*queue, SECOND, SECOND * 60).await;
    queue
        .extend(&message.receipt, Duration::ZERO)
        .await
        .expect("a release");
    assert_eq!(take(&*queue, SECOND, SECOND).await.id, message.id);
}

async fn long_poll_ends_with_the_first_message(kind: &dyn Kind) {
    let (queue, _) = kind.queues(5).await;
    let polling = take(&*queue, SECOND * 20, SECOND);
    let sending = async {
        tokio::time::sleep(SECOND).await;
        send(&*queue, OutMessage::new("late")).await;
    };
    let (message, ()) = tokio::time::timeout(SECOND * 10, futures::future::join(polling, sending))
        .await
        .expect("the poll must not wait its whole 20 s");
    assert_eq!(message.body, "late");
}

async fn message_received_too_often_is_dead_lettered(kind: &dyn Kind) {
    let (queue, dead_letters) = kind.queues(2).await;
    send(&*queue, OutMessage::new("poison")).await;
    for _ in 0..2 {
        let message = take(&*queue, SECOND * 5, SECOND * 60).await;
        queue
            .extend(&message.receipt, Duration::ZERO)
            .await
            .expect("a release");
    }
    assert_eq!(queue.receive(1, SECOND, SECOND).await, Ok(vec![]));
    assert_eq!(
        take(&*dead_letters, SECOND * 5, SECOND).await.body,
        "poison"
    );
}

async fn delayed_message_waits(kind: &dyn Kind) {
    let (queue, _) = kind.queues(5).await;
    send(
        &*queue,
        OutMessage {
            delay: Some(SECOND * 2),
            ..OutMessage::new("body")
        },
    )
    .await;
    assert_eq!(queue.receive(1, Duration::ZERO, SECOND).await, Ok(vec![]));
    assert_eq!(take(&*queue, SECOND * 6, SECOND).await.body, "body");
}

async fn any_number_is_sent_in_batches(kind: &dyn Kind) {
    let (queue, _) = kind.queues(5).await;
    let messages = (0..23)
        .map(|number| OutMessage::new(format!("message {number}")))
        .collect();
    let results = send_all(&*queue, messages, 3).await;
    assert_eq!(results, vec![Ok(()); 23]);
    let mut bodies = Vec::new();
    while bodies.len() < 23 {
        let messages = queue
            .receive(10, SECOND * 5, SECOND * 60)
            .await
            .expect("a receive");
        assert!(
            !messages.is_empty() && messages.len() <= 10,
            "{} messages",
            messages.len()
        );
        bodies.extend(messages.into_iter().map(|message| message.body));
    }
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len(), 23);
}

async fn batch_of_eleven_is_refused(kind: &dyn Kind) {
    let (queue, _) = kind.queues(5).await;
    let refused = queue.send_batch(vec![OutMessage::new("body"); 11]).await;
    assert!(
        matches!(refused, Err(QueueError::Invalid { .. })),
        "{refused:?}"
    );
}

async fn redrive_policy_is_told(kind: &dyn Kind) {
    let (queue, dead_letters) = kind.queues(7).await;
    let policy = queue
        .describe()
        .await
        .expect("attributes")
        .dead_letter
        .expect("a policy");
    assert_eq!(policy.max_receive_count, 7);
    assert!(
        policy.target_arn.ends_with(dead_letters.name()),
        "{}",
        policy.target_arn
    );
}

struct InMemory;

#[async_trait]
impl Kind for InMemory {
    async fn queues(&self, max_receive_count: u32) -> (Arc<dyn Queue>, Arc<dyn Queue>) {
        let clock = TokioClock::shared();
        let dead_letters = MemoryQueue::new("pdfs-dlq", clock.clone());
        let queue =
            MemoryQueue::with_dead_letters("pdfs", clock, dead_letters.clone(), max_receive_count);
        (Arc::new(queue), Arc::new(dead_letters))
    }
}

#[async_trait]
impl Kind for Emulator {
    async fn queues(&self, max_receive_count: u32) -> (Arc<dyn Queue>, Arc<dyn Queue>) {
        let (queue, dead_letters) = self.create_queues(max_receive_count).await;
        (Arc::new(queue), Arc::new(dead_letters))
    }
}

#[tokio::test(start_paused = true)]
async fn memory_queue_conforms() {
    suite(&InMemory).await;
}

#[tokio::test]
async fn sqs_conforms_on_the_emulator() {
    let Some(emulator) = Emulator::start().await else {
        return;
    };
    suite(&emulator).await;

    let (queue, dead_letters) = emulator.create_queues(3).await;
    let found = queue
        .dead_letters()
        .await
        .expect("attributes")
        .expect("a policy");
    assert_eq!(found.name(), dead_letters.name());
    let missing = SqsQueue::new(
        emulator.client(),
        format!("{}/000000000000/no-such-queue", emulator.endpoint()),
    );
    let error = missing
        .receive(1, Duration::ZERO, SECOND)
        .await
        .expect_err("no such queue");
    assert!(matches!(error, QueueError::NoQueue { .. }), "{error}");
}

#[tokio::test]
async fn unreachable_sqs_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let queue = SqsQueue::new(
        emulator::client_for(&endpoint),
        format!("{endpoint}/000000000000/pdfs"),
    );
    let error = queue
        .receive(1, Duration::ZERO, SECOND)
        .await
        .expect_err("nobody listens");
    assert!(matches!(error, QueueError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn missing_credentials_are_denied_with_the_remedy() {
    let nothing = aws_config::profile::ProfileFileCredentialsProvider::builder()
        .profile_name("pagemill-no-such-profile")
        .build();
    let client = emulator::client_for("http://127.0.0.1:9");
    let config = client
        .config()
        .to_builder()
        .credentials_provider(nothing)
        .build();
    let queue = SqsQueue::new(
        aws_sdk_sqs::Client::from_conf(config),
        "http://127.0.0.1:9/000000000000/pdfs",
    );
    let error = queue
        .receive(1, Duration::ZERO, SECOND)
        .await
        .expect_err("no credentials");
    assert!(matches!(error, QueueError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("sqs:ReceiveMessage"), "{error}");
}
