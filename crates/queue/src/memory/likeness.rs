//! What well-known buses promise, for queues in memory that are to behave as those do.

use std::time::Duration;

use crate::capabilities::{
    Capabilities, DeadLettering, HoldLength, Limits, Proof, Receipts, Receives, RetryDelays, Stale,
};

const HOUR: Duration = Duration::from_secs(3600);
const LIMITS: Limits = Limits {
    receive: 10,
    send: 10,
    wait: Duration::from_secs(20),
    delay: Duration::from_secs(15 * 60),
    attributes: 10,
};

/// A standard queue of Amazon SQS.
pub fn sqs() -> Capabilities {
    Capabilities {
        hold: HoldLength::PerCall { max: HOUR * 12 },
        hold_total: Some(HOUR * 12),
        receipts: Receipts::Anywhere,
        stale: Stale::Refused,
        proof: Proof::Answered,
        retry: RetryDelays::Any { max: HOUR * 12 },
        receives: Receives::Approximate,
        receive_limit: None,
        dead_letter: DeadLettering::SendThenDelete,
        limits: LIMITS,
    }
}

/// A pull consumer of NATS JetStream (2.15): `AckWait` is a setting of the consumer, and whoever calls by a receipt of a
/// message changes that message, whoever holds it (nats-server#4786).
pub fn nats(ack_wait: Duration) -> Capabilities {
    Capabilities {
        hold: HoldLength::Fixed(ack_wait),
        hold_total: None,
        stale: Stale::Applied,
        receives: Receives::Exact,
        dead_letter: DeadLettering::Deduplicated { window: HOUR },
        ..sqs()
    }
}

/// A quorum queue of RabbitMQ (4): a message belongs to the connection that received it, and comes back when that is
/// closed, or gives no sign of life for two `beat`s. A delay is a queue of its own, so there is one for each step; the
/// count of receives travels in a header of ours, for the queue's own is lost on that way.
pub fn rabbitmq(beat: Duration) -> Capabilities {
    let doubling = (0..10).map(|power| Duration::from_secs(1 << power));
    Capabilities {
        hold: HoldLength::Connection { grant: beat * 2 },
        // Its consumer timeout, which is 30 minutes where nobody sets it.
        hold_total: Some(HOUR * 12),
        receipts: Receipts::Connection,
        proof: Proof::Ordered,
        retry: RetryDelays::Steps(doubling.chain([Duration::from_secs(900)]).collect()),
        receives: Receives::Exact,
        ..sqs()
    }
}
