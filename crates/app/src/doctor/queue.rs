//! The queue and its dead-letter queue.

use std::time::Duration;

use pagemill_queue::{Access, Description, LeaseSettings, Probe, Queue, QueueError, SqsQueue};

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
    let description = match queue.describe().await {
        Ok(description) => description,
        Err(error) => {
            report.error("queue", "it can't be looked at", &error);
            return None;
        }
    };
    report.ok("queue", format!("{} answers", queue.name()));
    depth(&queue, report).await;
    visibility(&description, report);
    permissions("queue", queue.probe(Access::Work).await, report);
    dead_letters(&queue, &description, environment, report).await;
    Some(description.address)
}

async fn depth(queue: &SqsQueue, report: &mut Report<'_>) {
    let found = queue.depth().await.map(|depth| {
        let in_flight = depth.in_flight.unwrap_or(0);
        (depth.waiting, in_flight, depth.delayed.unwrap_or(0))
    });
    match found {
        Ok((_, in_flight, _)) if in_flight > IN_FLIGHT_MAX * 9 / 10 => report.warn(
            "queue",
            format!("{in_flight} of at most {IN_FLIGHT_MAX} messages are in flight"),
            "run fewer workers, or find out who receives and does not delete",
        ),
        Ok((waiting, in_flight, delayed)) => report.ok(
            "queue",
            format!("{waiting} messages wait, {in_flight} are in flight, {delayed} are delayed"),
        ),
        Err(error) => report.error("queue", "its messages can't be counted", &error),
    }
}

fn visibility(description: &Description, report: &mut Report<'_>) {
    let lease = LeaseSettings::default();
    let timeout = description.hold.unwrap_or_default();
    if timeout < lease.first_hold {
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

fn permissions(area: &'static str, probes: Vec<Probe>, report: &mut Report<'_>) {
    for Probe { permission, found } in probes {
        match found {
            Ok(()) => report.ok(area, format!("{permission} is allowed")),
            Err(error @ QueueError::Denied { .. }) => {
                report.error(area, &format!("{permission} is not allowed"), &error);
            }
            Err(error) => {
                report.error(area, &format!("{permission} could not be probed"), &error);
            }
        }
    }
}

async fn dead_letters(
    queue: &SqsQueue,
    description: &Description,
    environment: &Environment,
    report: &mut Report<'_>,
) {
    match &description.dead_letters {
        None => report.warn(
            "dlq",
            "the queue has no redrive policy, so a message that ends every worker is received for ever",
            "give the queue a redrive policy with a maxReceiveCount of 50 or more",
        ),
        Some(policy) if policy.max_receives < RECEIVES_RECOMMENDED => report.warn(
            "dlq",
            format!("maxReceiveCount is {}", policy.max_receives),
            "set 50 or more: releases on shutdown and outages count as receives, and the worker itself sends what can't be processed",
        ),
        Some(policy) => report.ok(
            "dlq",
            format!("maxReceiveCount is {}, a backstop", policy.max_receives),
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
        Ok(described) if described.retention < description.retention => report.warn(
            "dlq",
            format!(
                "it keeps messages for {} days, the queue for {}",
                days(described.retention),
                days(description.retention)
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
    let letters = dead_letters.depth().await;
    match letters.map(|depth| depth.waiting + depth.in_flight.unwrap_or(0)) {
        Ok(letters) if letters > 0 => report.warn(
            "dlq",
            format!("{letters} dead letters wait"),
            "see docs/RUNBOOK.md, \"The dead-letter queue is not empty\"",
        ),
        Ok(_) => report.ok("dlq", "it is empty"),
        Err(error) => report.error("dlq", "its messages can't be counted", &error),
    }
    permissions("dlq", dead_letters.probe(Access::Send).await, report);
}

fn days(duration: Option<Duration>) -> f64 {
    (duration.unwrap_or_default().as_secs_f64() / 8_640.0).round() / 10.0
}
