//! What a queue must do. AWS types stay in [`crate::sqs`].

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// The most messages that one send takes, as SQS has it (`SendMessageBatch`).
pub const SEND_BATCH_MAX: usize = 10;
/// The longest poll, as SQS has it (`ReceiveMessage`, `WaitTimeSeconds`).
pub const WAIT_MAX: Duration = Duration::from_secs(20);
/// The longest that a message may stay invisible, counted from its receipt (`ChangeMessageVisibility`).
pub const VISIBILITY_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// A queue with leases: a received message is invisible for a while and comes back unless it is deleted.
#[async_trait]
pub trait Queue: Send + Sync {
    /// The queue's name for messages and logs.
    fn name(&self) -> &str;

    /// Takes up to `max` (1 to 10) messages, waiting up to `wait` (at most 20 s) for the first.
    /// What it brings is invisible to others for `visibility`. Dropping this future may orphan messages until their
    /// visibility ends: finish it.
    async fn receive(
        &self,
        max: u8,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError>;

    /// Makes the message invisible for `visibility` from now; zero gives it back at once.
    ///
    /// # Errors
    /// [`QueueError::StaleReceipt`] when the message is no longer ours.
    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError>;

    /// Deletes the message for good. A standard SQS queue may accept a stale receipt here without deleting.
    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError>;

    /// Sends up to ten messages; one result for each, in their order. See [`send_all`] for any number.
    ///
    /// # Errors
    /// An error means that the whole call failed; a [`SendFailure`] that this one message was refused.
    async fn send_batch(
        &self,
        messages: Vec<OutMessage>,
    ) -> Result<Vec<Result<(), SendFailure>>, QueueError>;

    /// How many messages there are, about.
    async fn counts(&self) -> Result<Counts, QueueError>;

    /// How the queue is set up, for `worker doctor`.
    async fn describe(&self) -> Result<QueueAttributes, QueueError>;
}

/// What names one receipt of one message. A second receipt of the same message has another.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Receipt(String);

impl Receipt {
    /// Wraps the queue's receipt handle.
    pub fn new(handle: impl Into<String>) -> Self {
        Self(handle.into())
    }

    /// The handle as the queue gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Receipt {
    /// Shows the beginning only: whoever has the whole handle can delete the message.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning: String = self.0.chars().take(8).collect();
        write!(formatter, "Receipt({beginning}..)")
    }
}

/// A message as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's id: the same for each receipt of this message.
    pub id: String,
    /// This receipt.
    pub receipt: Receipt,
    /// The body, as sent.
    pub body: String,
    /// Attributes with string or number values that the sender gave.
    pub attributes: BTreeMap<String, String>,
    /// How often it has been received, with this time. From 1.
    pub receive_count: u32,
    /// When it was sent.
    pub sent_at: Option<jiff::Timestamp>,
    /// When it was received for the first time.
    pub first_received_at: Option<jiff::Timestamp>,
}

/// A message to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutMessage {
    /// The body.
    pub body: String,
    /// At most ten string attributes. SQS refuses empty values.
    pub attributes: BTreeMap<String, String>,
    /// How long it stays invisible at first; at most 15 minutes.
    pub delay: Option<Duration>,
}

impl OutMessage {
    /// A message of only a body.
    pub fn new(body: impl Into<String>) -> Self {
        Self {
            body: body.into(),
            ..Self::default()
        }
    }
}

/// About how many messages a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting for a receiver.
    pub visible: u64,
    /// Received and not yet deleted.
    pub in_flight: u64,
    /// Sent with a delay that is not over.
    pub delayed: u64,
}

/// How a queue is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueAttributes {
    /// The queue's ARN.
    pub arn: String,
    /// The visibility timeout of a receive that names none.
    pub visibility_timeout: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// Where messages go that were received too often.
    pub dead_letter: Option<DeadLetterPolicy>,
}

/// A queue's redrive policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterPolicy {
    /// The dead-letter queue's ARN.
    pub target_arn: String,
    /// After so many receipts a message goes there.
    pub max_receive_count: u32,
}

/// Why a call to the queue failed, by what the caller can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// No answer, or a server error. Try again later.
    #[error("queue {queue} is unavailable: {reason}")]
    Unavailable {
        /// Which queue.
        queue: String,
        /// What went wrong.
        reason: String,
    },
    /// Too many calls, or too many messages in flight. Slow down, then try again.
    #[error("queue {queue} is throttled: {reason}")]
    Throttled {
        /// Which queue.
        queue: String,
        /// What the queue said.
        reason: String,
    },
    /// There is no such queue.
    #[error("queue {queue} does not exist: {remedy}")]
    NoQueue {
        /// Which queue.
        queue: String,
        /// What to do.
        remedy: String,
    },
    /// The credentials are missing or do not allow it.
    #[error("queue {queue} refused access: {remedy}")]
    Denied {
        /// Which queue.
        queue: String,
        /// What to do.
        remedy: String,
    },
    /// The queue is of a kind that this program was built without.
    #[error(
        "queue {queue} can't be reached, its client is not in this program: build it with `--features {feature}`, which is \
         one of the default features"
    )]
    NotBuilt {
        /// Which queue.
        queue: String,
        /// The cargo feature that has it; of this crate and of the programs alike.
        feature: &'static str,
    },
    /// The message is no longer ours: it became visible again, or someone else has it, or it is gone.
    #[error("the receipt is no longer valid on queue {queue}: {reason}")]
    StaleReceipt {
        /// Which queue.
        queue: String,
        /// What the queue said.
        reason: String,
    },
    /// The call itself is wrong. Trying again can't help.
    #[error("queue {queue} refused the call: {reason}")]
    Invalid {
        /// Which queue.
        queue: String,
        /// What the queue said.
        reason: String,
    },
}

impl QueueError {
    /// Whether the same call may succeed later with nothing changed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Throttled { .. })
    }

    /// The stable code, for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Throttled { .. } => "throttled",
            Self::NoQueue { .. } => "no_queue",
            Self::Denied { .. } => "denied",
            Self::NotBuilt { .. } => "not_built",
            Self::StaleReceipt { .. } => "stale_receipt",
            Self::Invalid { .. } => "invalid",
        }
    }
}

/// Why one message of a batch was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message was not sent: {code}: {reason}")]
pub struct SendFailure {
    /// The queue's code.
    pub code: String,
    /// What it said.
    pub reason: String,
    /// Whether the message itself is at fault, so that sending it again can't help.
    pub sender_fault: bool,
}

/// Sends any number of messages in batches of ten, and again what failed by no fault of its own, up to
/// `attempts` times with 0.2 s × 2ⁿ between. One result for each message, in their order.
pub async fn send_all(
    queue: &dyn Queue,
    messages: Vec<OutMessage>,
    attempts: u32,
) -> Vec<Result<(), SendFailure>> {
    let mut results = Vec::with_capacity(messages.len());
    for batch in messages.chunks(SEND_BATCH_MAX) {
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
        match queue.send_batch(outgoing).await {
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
