//! Many messages out, in batches, with partial failures.

use std::time::Duration;

use pagemill_queue::memory::{Fault, Operation};
use pagemill_queue::{MemoryQueue, OutMessage, QueueError, TokioClock, send_all};
use pretty_assertions::assert_eq;

fn numbered(count: usize) -> Vec<OutMessage> {
    (0..count)
        .map(|number| OutMessage::new(format!("message {number}")))
        .collect()
}

fn bodies(queue: &MemoryQueue) -> Vec<String> {
    let mut bodies: Vec<String> = queue.contents().into_iter().map(|(body, _)| body).collect();
    bodies.sort_unstable();
    bodies
}

fn expected(count: usize) -> Vec<String> {
    let mut bodies: Vec<String> = numbered(count)
        .into_iter()
        .map(|message| message.body)
        .collect();
    bodies.sort_unstable();
    bodies
}

#[tokio::test(start_paused = true)]
async fn only_what_failed_is_sent_again() {
    let queue = MemoryQueue::new("pdfs", TokioClock::shared());
    queue.script(
        Operation::Send,
        [Fault::PartialSend(vec![2, 7]), Fault::PartialSend(vec![1])],
    );
    let results = send_all(&queue, numbered(25), 3).await;
    assert_eq!(results, vec![Ok(()); 25]);
    assert_eq!(bodies(&queue), expected(25));
    assert_eq!(queue.calls(Operation::Send), 3 + 2);
}

#[tokio::test(start_paused = true)]
async fn message_at_fault_is_not_sent_again_and_holds_up_no_other() {
    let queue = MemoryQueue::new("pdfs", TokioClock::shared());
    let mut messages = numbered(3);
    messages[1]
        .attributes
        .insert("reason".into(), String::new());
    let results = send_all(&queue, messages, 3).await;
    let failure = results[1].as_ref().expect_err("an empty attribute");
    assert!(
        failure.sender_fault && failure.reason.contains("reason"),
        "{failure}"
    );
    assert_eq!((&results[0], &results[2]), (&Ok(()), &Ok(())));
    assert_eq!(queue.calls(Operation::Send), 1);
}

#[tokio::test(start_paused = true)]
async fn throttling_is_waited_out_and_an_outage_is_reported_for_each_message() {
    let queue = MemoryQueue::new("pdfs", TokioClock::shared());
    let throttled = QueueError::Throttled {
        queue: "pdfs".into(),
        reason: "scripted".into(),
    };
    queue.script(Operation::Send, [Fault::Error(throttled.clone())]);
    let begun = tokio::time::Instant::now();
    assert_eq!(send_all(&queue, numbered(2), 3).await, vec![Ok(()); 2]);
    assert!(begun.elapsed() >= Duration::from_millis(200));

    let broken = MemoryQueue::new("pdfs", TokioClock::shared());
    broken.script(
        Operation::Send,
        std::iter::repeat_n(Fault::Error(throttled), 3),
    );
    let results = send_all(&broken, numbered(2), 3).await;
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(failure) if failure.code == "throttled"))
    );
    assert_eq!(broken.contents(), []);
}
