//! What a queue promises, where queues differ. Lease, settler, intake and conformance suite branch on it.

use std::time::Duration;

/// What one queue promises. It is known once the adapter is connected, and does not change after that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// For how long a receive and a renewal hide a message from others.
    pub hold: HoldLength,
    /// The longest that one receipt may hold a message, from its receive; `None` where nothing ends it.
    pub hold_total: Option<Duration>,
    /// Where a receipt counts.
    pub receipts: Receipts,
    /// What a call by a receipt does that is no longer the newest, or whose hold has ended.
    pub stale: Stale,
    /// How it is known that a message is gone.
    pub proof: Proof,
    /// How long a message can be made to wait for its next try.
    pub retry: RetryDelays,
    /// What [`crate::Message::receive_count`] says.
    pub receives: Receives,
    /// After so many receives the queue takes a message out by itself. `None` where it does not, as far as the adapter
    /// knows.
    pub receive_limit: Option<u32>,
    /// How a message becomes a dead letter.
    pub dead_letter: DeadLettering,
    /// The sizes that calls must keep to.
    pub limits: Limits,
}

/// For how long a message is hidden from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldLength {
    /// As each call asks, up to this.
    PerCall {
        /// The longest.
        max: Duration,
    },
    /// Always so long: it is a setting of the queue.
    Fixed(Duration),
    /// For as long as the queue hears of the connection that received it. A renewal shows that the connection lives,
    /// after which the queue waits at least this long before it gives up on it.
    Connection {
        /// How long a renewal is good for.
        grant: Duration,
    },
}

impl HoldLength {
    /// What a call that asks for `wish` is granted, counted from its start.
    pub fn granted(self, wish: Duration) -> Duration {
        match self {
            Self::PerCall { max } => wish.min(max),
            Self::Fixed(length) => length,
            Self::Connection { grant } => grant,
        }
    }
}

/// Where a receipt counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipts {
    /// On every connection: the heartbeat has one of its own.
    Anywhere,
    /// Only on the connection that received it, and no longer than that: the worker works on the heartbeat's.
    Connection,
}

/// What becomes of a call by a stale receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// It has no effect and is refused with [`crate::QueueError::StaleReceipt`]. A [`crate::End::Done`] may be accepted
    /// all the same, without effect.
    Refused,
    /// It has no effect, and nothing says so.
    Ignored,
    /// It does to the message what a valid one would: it deletes, extends or gives back what somebody else holds.
    Applied,
}

/// How it is known that a message is gone once a settling call has succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The queue answers the call itself.
    Answered,
    /// The queue does not answer it, but handles the calls of a connection in their order; the adapter makes one after
    /// it that is answered.
    Ordered,
}

/// How long a message can be made to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryDelays {
    /// Any time up to this.
    Any {
        /// The longest.
        max: Duration,
    },
    /// One of these, in ascending order and not empty. [`crate::End::Retry`] with another time takes the next longer
    /// one, or the last.
    Steps(Vec<Duration>),
}

impl RetryDelays {
    /// How long a message waits that was asked to wait for `wish`.
    pub fn granted(&self, wish: Duration) -> Duration {
        match self {
            Self::Any { max } => wish.min(*max),
            Self::Steps(steps) => {
                let longer = steps.iter().find(|step| **step >= wish);
                longer.or(steps.last()).copied().unwrap_or(wish)
            }
        }
    }
}

/// What the count of a message's receives says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receives {
    /// Each time that the queue handed it out counts one.
    Exact,
    /// About as many as that.
    Approximate,
}

/// How a message becomes a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLettering {
    /// There is no dead-letter queue: [`crate::End::DeadLetter`] is refused.
    Nowhere,
    /// In one step.
    Atomic,
    /// The letter first, then the message; a letter that is sent again within this time is dropped.
    Deduplicated {
        /// For how long the queue remembers letters.
        window: Duration,
    },
    /// The letter first, then the message. Whoever dies between the two leaves a letter that will come twice.
    SendThenDelete,
}

/// The sizes that calls must keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most messages of one receive.
    pub receive: usize,
    /// The most messages of one send.
    pub send: usize,
    /// The longest that a receive can wait for its first message.
    pub wait: Duration,
    /// The longest delay of a message that is sent.
    pub delay: Duration,
    /// The most attributes of a message.
    pub attributes: usize,
}
