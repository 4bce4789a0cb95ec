//! How a queue is set up and whether its calls are allowed, for `worker doctor`.

use std::time::Duration;

use crate::error::QueueError;

/// How a queue is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// What other services call it, such as an ARN.
    pub address: String,
    /// How long a receive that asks for nothing holds a message.
    pub hold: Option<Duration>,
    /// How long a message is kept.
    pub retention: Option<Duration>,
    /// Where messages go that were received too often.
    pub dead_letters: Option<DeadLetterPolicy>,
}

/// A queue's own limit of receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterPolicy {
    /// The dead-letter queue's [`Description::address`].
    pub target: String,
    /// After so many receives a message goes there.
    pub max_receives: u32,
}

/// What a program needs of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To receive, renew and settle.
    Work,
    /// To send.
    Send,
}

/// Whether one call is allowed, found out without an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The permission's name, as whoever grants it knows it, such as `sqs:ReceiveMessage`.
    pub permission: &'static str,
    /// [`QueueError::Denied`] when it is missing; another error says that it could not be found out.
    pub found: Result<(), QueueError>,
}
