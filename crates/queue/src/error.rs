//! Why a call failed, by what the caller can do.

/// Why a call to the queue failed, by what the caller can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// No answer, or a server error. Try again later.
    #[error("queue {queue} is unavailable: {reason}")]
    Unavailable {
        /// Its name.
        queue: String,
        /// What went wrong.
        reason: String,
    },
    /// Too many calls, or too many messages in flight. Slow down, then try again.
    #[error("queue {queue} is throttled: {reason}")]
    Throttled {
        /// Its name.
        queue: String,
        /// What the queue said.
        reason: String,
    },
    /// There is no such queue.
    #[error("queue {queue} does not exist: {remedy}")]
    NoQueue {
        /// Its name.
        queue: String,
        /// What to do.
        remedy: String,
    },
    /// The credentials are missing or do not allow it.
    #[error("queue {queue} refused access: {remedy}")]
    Denied {
        /// Its name.
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
        /// Its name.
        queue: String,
        /// The cargo feature that has it; of this crate and of the programs alike.
        feature: &'static str,
    },
    /// The message is no longer ours: its hold has ended, or someone else has it, or it is gone.
    #[error("the receipt is no longer valid on queue {queue}: {reason}")]
    StaleReceipt {
        /// Its name.
        queue: String,
        /// What the queue said.
        reason: String,
    },
    /// Of a dead-lettering, the letter is sent and the message is still there: end it with [`crate::End::Done`], or
    /// the letter is sent once more.
    #[error("the dead letter is sent, and queue {queue} still has the message: {reason}")]
    LetterSent {
        /// Its name.
        queue: String,
        /// Why the message is still there.
        reason: String,
    },
    /// The call itself is wrong. Trying again can't help.
    #[error("queue {queue} refused the call: {reason}")]
    Invalid {
        /// Its name.
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
            Self::LetterSent { .. } => "letter_sent",
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
