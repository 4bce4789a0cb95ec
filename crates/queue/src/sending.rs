//! Sending any number of messages, and sending a dead letter.

use std::time::Duration;

use crate::error::{QueueError, SendFailure};
use crate::message::{OutMessage, Receipt};
use crate::transport::{End, Queue};

/// Sends any number of messages in batches as large as the queue takes, and again what failed by no fault of its own, up to
/// `attempts` times with 0.2 s × 2ⁿ between. One result for each message, in their order.
pub async fn send_all(
    queue: &dyn Queue,
    messages: Vec<OutMessage>,
    attempts: u32,
) -> Vec<Result<(), SendFailure>> {
    let mut results = Vec::with_capacity(messages.len());
    for batch in messages.chunks(queue.capabilities().limits.send) {
        results.extend(send_one_batch(queue, batch, attempts).await);
    }
    results
}

async fn send_one_batch(
    queue: &dyn Queue,
    batch: &[OutMessage],
    attempts: u32,
) -> Vec<Result<(), SendFailure>> {
    let unsent = SendFailure {
        code: "not_tried".into(),
        reason: "no attempt was made".into(),
        sender_fault: false,
    };
    let mut results: Vec<Result<(), SendFailure>> = vec![Err(unsent); batch.len()];
    for attempt in 0..attempts.max(1) {
        let pending: Vec<usize> = (0..batch.len())
            .filter(|&index| matches!(&results[index], Err(failure) if !failure.sender_fault))
            .collect();
        if pending.is_empty() {
            break;
        }
        if attempt > 0 {
            tokio::time::sleep(
                Duration::from_millis(200) * 2_u32.saturating_pow((attempt - 1).min(6)),
            )
            .await;
        }
        let outgoing = pending.iter().map(|&index| batch[index].clone()).collect();
        match queue.send(outgoing).await {
            Ok(answers) => {
                for (&index, answer) in pending.iter().zip(answers) {
                    results[index] = answer;
                }
            }
            Err(error) => {
                let failure = SendFailure {
                    code: error.code().into(),
                    reason: error.to_string(),
                    sender_fault: !error.is_transient(),
                };
                for &index in &pending {
                    results[index] = Err(failure.clone());
                }
            }
        }
    }
    results
}

/// Makes a dead letter of a message on a bus that can't do it in one step ([`DeadLettering::SendThenDelete`]): for
/// adapters.
///
/// # Errors
/// [`QueueError::LetterSent`] when only the second step failed.
///
/// [`DeadLettering::SendThenDelete`]: crate::capabilities::DeadLettering::SendThenDelete
pub async fn send_then_delete(
    queue: &dyn Queue,
    dead_letters: &dyn Queue,
    receipt: &Receipt,
    letter: &OutMessage,
) -> Result<(), QueueError> {
    let mut results = dead_letters.send(vec![letter.clone()]).await?;
    let queue_of_letters = dead_letters.name().to_owned();
    match results.pop() {
        Some(Ok(())) => {}
        Some(Err(refused)) if refused.sender_fault => {
            return Err(QueueError::Invalid {
                queue: queue_of_letters,
                reason: refused.to_string(),
            });
        }
        Some(Err(refused)) => {
            return Err(QueueError::Unavailable {
                queue: queue_of_letters,
                reason: refused.to_string(),
            });
        }
        None => {
            return Err(QueueError::Unavailable {
                queue: queue_of_letters,
                reason: "the batch had no answer for its message".to_owned(),
            });
        }
    }
    match queue.settle(receipt, &End::Done).await {
        Err(error) if error.is_transient() => Err(QueueError::LetterSent {
            queue: queue.name().to_owned(),
            reason: error.to_string(),
        }),
        settled => settled,
    }
}
