//! The queue and its dead-letter queue. Permissions are probed with calls that the queue must refuse as wrong: who may
//! not make them at all gets another answer.

use std::sync::Arc;
use std::time::Duration;

use pagemill_queue::{
    LeaseSettings, OutMessage, Queue, QueueAttributes, QueueError, Receipt, SqsQueue,
};

use super::Report;
use crate::adapters;
use crate::environment::Environment;

/// Releases on shutdown count as receives in the queue, so its own limit must be far above what they make.
const RECEIVES_RECOMMENDED: u32 = 50;
/// SQS lets a standard queue have so many messages in flight.
const IN_FLIGHT_MAX: u64 = 120_000;

/// Answers the queue's ARN, to look for it in the bucket's notification.
pub(super) async fn examine(
    url: &str,
    environment: &Environment,
    report: &mut Report<'_>,
) -> Option<String> {
    let queue = adapters::queue(url).await;
    let attributes = match queue.describe().await {
        Ok(attributes) => attributes,
        Err(error) => {
            report.error("queue", "it can't be looked at", &error);
            return None;
        }
    };
    report.ok("queue", format!("{} answers", queue.name()));
    counts(&queue, report).await;
    visibility(&attributes, report);
    permissions(&queue, report).await;
    dead_letters(&queue, &attributes, environment, report).await;
    Some(attributes.arn)
}

async fn counts(queue: &SqsQueue, report: &mut Report<'_>) {
    match queue.counts().await {
        Ok(counts) if counts.in_flight > IN_FLIGHT_MAX * 9 / 10 => report.warn(
            "queue",
            format!(
                "{} of at most {IN_FLIGHT_MAX} messages are in flight",
                counts.in_flight
            ),
            "run fewer workers, or find out who receives and does not delete",
        ),
        Ok(counts) => report.ok(
            "queue",
            format!(
                "{} messages wait, {} are in flight, {} are delayed",
                counts.visible, counts.in_flight, counts.delayed
            ),
        ),
        Err(error) => report.error("queue", "its messages can't be counted", &error),
    }
}

fn visibility(attributes: &QueueAttributes, report: &mut Report<'_>) {
    let lease = LeaseSettings::default();
    let timeout = attributes.visibility_timeout;
    if timeout < lease.first_visibility {
        report.warn(
            "queue",
            format!("its visibility timeout is {} s", timeout.as_secs()),
            "set 30 to 60 minutes; the worker asks for its own, but a redrive or a hand at work does not",
        );
    } else {
        report.ok(
            "queue",
            format!("its visibility timeout is {} s", timeout.as_secs()),
        );
    }
}

async fn permissions(queue: &SqsQueue, report: &mut Report<'_>) {
    let nothing = Receipt::new("worker-doctor-probe");
    // None of these can do anything: no message has that receipt, and zero messages are asked for.
    let probes = [
        (
            "sqs:ReceiveMessage",
            queue.receive(0, Duration::ZERO, Duration::ZERO).await.err(),
        ),
        (
            "sqs:ChangeMessageVisibility",
            queue.extend(&nothing, Duration::ZERO).await.err(),
        ),
        ("sqs:DeleteMessage", queue.delete(&nothing).await.err()),
    ];
    for (action, error) in probes {
        permission("queue", action, error, report);
    }
}

fn permission(
    area: &'static str,
    action: &str,
    error: Option<QueueError>,
    report: &mut Report<'_>,
) {
    match error {
        Some(error @ QueueError::Denied { .. }) => {
            report.error(area, &format!("{action} is not allowed"), &error);
        }
        Some(error) if error.is_transient() => {
            report.error(area, &format!("{action} could not be probed"), &error);
        }
        _ => report.ok(area, format!("{action} is allowed")),
    }
}

async fn dead_letters(
    queue: &SqsQueue,
    attributes: &QueueAttributes,
    environment: &Environment,
    report: &mut Report<'_>,
) {
    match &attributes.dead_letter {
        None => report.warn(
            "dlq",
            "the queue has no redrive policy, so a message that ends every worker is received for ever",
            "give the queue a redrive policy with a maxReceiveCount of 50 or more",
        ),
        Some(policy) if policy.max_receive_count < RECEIVES_RECOMMENDED => report.warn(
            "dlq",
            format!("maxReceiveCount is {}", policy.max_receive_count),
            "set 50 or more: releases on shutdown and outages count as receives, and the worker itself sends what can't be processed",
        ),
        Some(policy) => report.ok(
            "dlq",
            format!("maxReceiveCount is {}, a backstop", policy.max_receive_count),
        ),
    }
    let named = adapters::dead_letters(queue, environment.dlq_url.as_deref()).await;
    let dead_letters = match named {
        Ok(Some(dead_letters)) => dead_letters,
        Ok(None) => {
            report.fail(
                "dlq",
                "there is no dead-letter queue",
                "set SQS_DLQ_URL, or give the queue a redrive policy; without, what can't be processed comes back until it expires",
            );
            return;
        }
        Err(error) => {
            report.error(
                "dlq",
                "the one that the redrive policy names can't be found",
                &error,
            );
            return;
        }
    };
    match dead_letters.describe().await {
        Ok(described) if described.retention < attributes.retention => report.warn(
            "dlq",
            format!(
                "it keeps messages for {} days, the queue for {}",
                days(described.retention),
                days(attributes.retention)
            ),
            "keep them there at least as long as in the queue (14 days): a message keeps its age when it is moved",
        ),
        Ok(described) => report.ok(
            "dlq",
            format!(
                "{} answers and keeps messages for {} days",
                dead_letters.name(),
                days(described.retention)
            ),
        ),
        Err(error) => report.error("dlq", "it can't be looked at", &error),
    }
    match dead_letters.counts().await {
        Ok(counts) if counts.visible + counts.in_flight > 0 => report.warn(
            "dlq",
            format!("{} dead letters wait", counts.visible + counts.in_flight),
            "see docs/RUNBOOK.md, \"The dead-letter queue is not empty\"",
        ),
        Ok(_) => report.ok("dlq", "it is empty"),
        Err(error) => report.error("dlq", "its messages can't be counted", &error),
    }
    send(Arc::new(dead_letters), report).await;
}

/// Sends a message without a body, which SQS refuses from whoever may send.
async fn send(dead_letters: Arc<dyn Queue>, report: &mut Report<'_>) {
    match dead_letters.send_batch(vec![OutMessage::new("")]).await {
        Err(error) => permission("dlq", "sqs:SendMessage", Some(error), report),
        Ok(results) if results.iter().all(Result::is_err) => {
            report.ok("dlq", "sqs:SendMessage is allowed");
        }
        Ok(_) => report.warn(
            "dlq",
            "sqs:SendMessage is allowed, and the queue took an empty message, which SQS refuses",
            "remove the empty message; this is no SQS",
        ),
    }
}

fn days(duration: Duration) -> f64 {
    (duration.as_secs_f64() / 8_640.0).round() / 10.0
}
