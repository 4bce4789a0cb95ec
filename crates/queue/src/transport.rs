//! What a queue must do. A bus's own words and types stay in its adapter, such as [`crate::sqs`].

use std::time::Duration;

use async_trait::async_trait;

use crate::capabilities::Capabilities;
use crate::clock::Moment;
use crate::description::{Access, Description, Probe};
use crate::error::{QueueError, SendFailure};
use crate::message::{Message, OutMessage, Receipt};

/// A queue with leases: a received message is hidden from others for a while and comes back unless it is settled.
///
/// Where queues differ, [`Queue::capabilities`] says how.
#[async_trait]
pub trait Queue: Send + Sync {
    /// The queue's name for messages and logs.
    fn name(&self) -> &str;

    /// What this queue promises.
    fn capabilities(&self) -> &Capabilities;

    /// Takes messages, waiting for the first. Dropping this future may orphan messages until their hold ends: finish
    /// it.
    ///
    /// # Errors
    /// What the call took all the same must come back by itself soon. Where only the end of a connection ends a hold,
    /// the adapter closes it before it returns the error: else a message that nobody knows of is held for hours.
    async fn receive(&self, ask: Ask) -> Result<Vec<Message>, QueueError>;

    /// Holds the message for longer: for `wish`, as far as [`crate::capabilities::HoldLength`] allows.
    ///
    /// # Errors
    /// [`QueueError::StaleReceipt`] when the message is no longer ours, where the queue tells
    /// ([`crate::capabilities::Stale`]).
    async fn renew(&self, receipt: &Receipt, wish: Duration) -> Result<Hold, QueueError>;

    /// Resolves when this side learns that the queue has taken the message back before its hold was over: the connection
    /// of the receipt is closed. Never, where that is no reason ([`crate::capabilities::Receipts::Anywhere`]).
    async fn taken_back(&self, receipt: &Receipt);

    /// Ends this receipt of the message. When it returns without an error, the end is as certain as
    /// [`crate::capabilities::Proof`] says.
    ///
    /// # Errors
    /// [`QueueError::StaleReceipt`] as for [`Queue::renew`]; [`QueueError::LetterSent`] for half an
    /// [`End::DeadLetter`].
    async fn settle(&self, receipt: &Receipt, end: &End) -> Result<(), QueueError>;

    /// Sends up to [`crate::capabilities::Limits::send`] messages; one result for each, in their order. See
    /// [`crate::send_all`] for any number.
    ///
    /// # Errors
    /// An error means that the whole call failed; a [`SendFailure`] that this one message was refused.
    async fn send(
        &self,
        messages: Vec<OutMessage>,
    ) -> Result<Vec<Result<(), SendFailure>>, QueueError>;

    /// How many messages there are, about.
    async fn depth(&self) -> Result<Depth, QueueError>;

    /// How the queue is set up, for `worker doctor`.
    async fn describe(&self) -> Result<Description, QueueError>;

    /// Whether the calls that this access consists of are allowed, for `worker doctor`. Without an effect.
    async fn probe(&self, access: Access) -> Vec<Probe>;
}

/// What one receive asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The most messages, from 1 to [`crate::capabilities::Limits::receive`].
    pub most: usize,
    /// How long to wait for the first, at most [`crate::capabilities::Limits::wait`].
    pub wait: Duration,
    /// For how long to hold what comes, as far as [`crate::capabilities::HoldLength`] allows.
    pub hold: Duration,
}

impl Ask {
    /// For one message.
    pub fn one(wait: Duration, hold: Duration) -> Self {
        Self {
            most: 1,
            wait,
            hold,
        }
    }
}

/// For how long a queue holds a message, counted from the *start* of the call that asked for it. The queue itself
/// counts from when it handled the call, so that this side believes the hold over first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hold(pub Duration);

impl Hold {
    /// When it ends, for a call that was started then.
    pub fn until(self, started_at: Moment) -> Moment {
        started_at + self.0
    }
}

/// How a receipt of a message ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The message is deleted for good.
    Done,
    /// Anybody may receive it at once.
    Release,
    /// It comes back later.
    Retry {
        /// When, as far as [`crate::capabilities::RetryDelays`] allows.
        after: Duration,
    },
    /// This letter goes to the dead-letter queue, and the message is deleted.
    DeadLetter(OutMessage),
}

/// About how many messages a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Waiting for a receiver.
    pub waiting: u64,
    /// Received and not yet settled, where the queue can tell.
    pub in_flight: Option<u64>,
    /// Sent or given back with a delay that is not over, where the queue can tell.
    pub delayed: Option<u64>,
}

impl Depth {
    /// Every message that the queue can tell of.
    pub fn total(&self) -> u64 {
        self.waiting + self.in_flight.unwrap_or(0) + self.delayed.unwrap_or(0)
    }
}
