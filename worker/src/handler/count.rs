//! What is counted of messages and documents.

use std::time::Duration;

use pagemill_pipeline::{PipelineError, RunOutcome};
use pagemill_queue::{Message, Outcome, QueueError, Settled};
use pagemill_storage::Charge;

use crate::metrics::{Metric, Metrics};

/// A message came.
pub(super) fn received(metrics: &Metrics, message: &Message) {
    metrics.count(Metric::MessagesReceived, "");
    if message.receive_count > 1 {
        metrics.count(Metric::MessagesReceivedAgain, "");
    } else if let Some(sent) = message.sent_at {
        // The queue's own two clocks where it gives both; else this machine's.
        let first = message
            .first_received_at
            .unwrap_or_else(jiff::Timestamp::now);
        metrics.observe(Metric::QueueLag, "", millis_between(sent, first));
    }
}

/// A message was settled, or could not be.
pub(super) fn settled(
    metrics: &Metrics,
    message: &Message,
    outcome: &Outcome,
    settled: &Result<Settled, QueueError>,
) {
    let result = match settled {
        Ok(Settled::Deleted) => "deleted",
        Ok(Settled::DeadLettered) => "dead_lettered",
        Ok(Settled::Delayed(_)) => "delayed",
        Ok(Settled::Released) => "released",
        Ok(Settled::Left) => "left",
        Err(_) => "error",
    };
    metrics.count(Metric::MessagesSettled, result);
    if matches!(settled, Ok(Settled::Deleted | Settled::DeadLettered))
        && let Some(sent) = message.sent_at
    {
        let age = millis_between(sent, jiff::Timestamp::now());
        metrics.observe(Metric::MessageAge, "", age);
    }
    if let (Ok(Settled::DeadLettered), Outcome::Permanent(failure)) = (settled, outcome) {
        metrics.count(Metric::DeadLetters, &failure.reason_code);
    }
}

/// A call of a paid service ended.
pub(super) fn charged(metrics: &Metrics, charge: &Charge) {
    let stage = charge.stage.name();
    if !charge.outcome.is_answer() {
        metrics.count(Metric::FailedCalls, charge.outcome.name());
        return;
    }
    metrics.count(Metric::PaidCalls, stage);
    for (metric, amount) in [
        (Metric::PaidInputTokens, charge.units.input_tokens),
        (Metric::PaidOutputTokens, charge.units.output_tokens),
        (Metric::PaidMicroUsd, charge.micro_usd),
    ] {
        if let Some(amount) = amount {
            metrics.add(metric, stage, amount as f64);
        }
    }
    if charge.micro_usd.is_none() {
        metrics.count(Metric::PaidCallsUnpriced, stage);
    }
}

/// A document's run came to an end.
pub(super) fn concluded(
    metrics: &Metrics,
    took: Duration,
    result: &Result<RunOutcome, PipelineError>,
) {
    let outcome = match result {
        Ok(RunOutcome::Processed(done)) => {
            metrics.observe(Metric::DocumentTime, "", took.as_secs_f64() * 1_000.0);
            let sums = [
                (Metric::PagesProcessed, u64::from(done.counts.pages)),
                (Metric::PagesNeedOcr, done.counts.needs_ocr.into()),
                (Metric::ChunksIndexed, done.counts.chunks.into()),
                (Metric::SourceBytes, done.spent.source_bytes),
                (Metric::ImageBytes, done.spent.image_bytes),
            ];
            for (metric, amount) in sums {
                metrics.add(metric, "", amount as f64);
            }
            for reason in done.failed_pages.values() {
                metrics.count(Metric::PagesFailed, reason);
            }
            match done.failed_pages.is_empty() {
                true => "processed",
                false => "partial",
            }
        }
        Ok(RunOutcome::Unchanged(_)) => "unchanged",
        Ok(RunOutcome::Superseded) => "superseded",
        Ok(RunOutcome::Removed) => "removed",
        Err(PipelineError::Permanent { reason, .. }) => {
            metrics.count(Metric::DocumentsFailed, reason);
            "failed"
        }
        Err(PipelineError::Transient { .. }) => "put_off",
        Err(PipelineError::Configuration { .. }) => "configuration",
        Err(PipelineError::Internal { .. }) => "internal_error",
        Err(PipelineError::Conflict) => "conflict",
        Err(PipelineError::Stopped) => "released",
        Err(PipelineError::PermitLost(_)) => "lease_lost",
    };
    metrics.count(Metric::DocumentsEnded, outcome);
}

fn millis_between(earlier: jiff::Timestamp, later: jiff::Timestamp) -> f64 {
    let nanos = later.as_nanosecond() - earlier.as_nanosecond();
    (nanos.max(0) / 1_000_000) as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pagemill_queue::Receipt;

    use super::*;

    fn message(receive_count: u32) -> Message {
        Message {
            id: "m".into(),
            receipt: Receipt::new("r"),
            body: String::new(),
            attributes: BTreeMap::new(),
            receive_count,
            sent_at: jiff::Timestamp::from_millisecond(1_000_000).ok(),
            first_received_at: jiff::Timestamp::from_millisecond(1_004_500).ok(),
        }
    }

    #[test]
    fn he_3_lag_is_measured_on_the_first_receipt_only() {
        let metrics = Metrics::default();
        received(&metrics, &message(1));
        received(&metrics, &message(2));
        let lines = metrics
            .drain("Pagemill", std::time::SystemTime::now())
            .join("\n");
        assert!(lines.contains("\"QueueLag\":[4500]"), "{lines}");
        assert!(lines.contains("\"MessagesReceived\":2"), "{lines}");
        assert!(lines.contains("\"MessagesReceivedAgain\":1"), "{lines}");
    }
}
