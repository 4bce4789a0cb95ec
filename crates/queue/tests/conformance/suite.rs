//! The checks, and what a bus gives them to run on.

mod arrival;
mod ends;
mod holds;
mod stale;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pagemill_queue::capabilities::{HoldLength, Stale};
use pagemill_queue::{Ask, Message, OutMessage, Queue};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Makes fresh queues of one bus.
#[async_trait]
pub(crate) trait Kind: Sync {
    /// An empty queue. Where its bus has a limit of receives, it is this one.
    async fn fresh(&self, receive_limit: u32) -> Fresh;

    /// What becomes of a `Done` by a stale receipt where stale calls are refused: that may be accepted without effect.
    fn stale_done(&self) -> Stale;

    /// Whether hours pass in no time.
    fn can_let_hours_pass(&self) -> bool {
        false
    }
}

/// A queue, empty.
pub(crate) struct Fresh {
    pub(crate) queue: Arc<dyn Queue>,
    /// The same queue for another worker, through a connection of its own.
    pub(crate) other: Arc<dyn Queue>,
    pub(crate) dead_letters: Arc<dyn Queue>,
    /// Ends the first worker's connection, as its death does.
    pub(crate) hang_up: Box<dyn Fn() + Send + Sync>,
}

impl Fresh {
    /// A message that the first worker received, did not settle, and lost to the other one: both receipts of it.
    pub(crate) async fn lost_to_another(&self) -> (Message, Message) {
        send(&*self.queue, OutMessage::new("body")).await;
        let first = take(&*self.queue, SECOND, SECOND).await;
        let hold = self.queue.capabilities().hold;
        if matches!(hold, HoldLength::Connection { .. }) {
            (self.hang_up)();
        }
        let within = hold.granted(SECOND) + SECOND * 5;
        let second = take(&*self.other, within, SECOND * 60).await;
        (first, second)
    }
}

/// Runs every check.
pub(crate) async fn run(kind: &dyn Kind) {
    arrival::check(kind).await;
    holds::check(kind).await;
    stale::check(kind).await;
    ends::check(kind).await;
}

/// Receives one message, which must come within this time; it may take several polls.
pub(crate) async fn take(queue: &dyn Queue, within: Duration, hold: Duration) -> Message {
    let taken = poll(queue, within, hold).await;
    taken.expect("a message must come")
}

/// Looks for a message for so long.
pub(crate) async fn poll(queue: &dyn Queue, within: Duration, hold: Duration) -> Option<Message> {
    let mut left = within;
    loop {
        let wait = left.min(queue.capabilities().limits.wait);
        let ask = Ask::one(wait, hold);
        let mut messages = queue.receive(ask).await.expect("a receive");
        if let Some(message) = messages.pop() {
            return Some(message);
        }
        left -= wait;
        if left.is_zero() {
            return None;
        }
    }
}

/// Whether nobody gets anything just now.
pub(crate) async fn is_held(queue: &dyn Queue) -> bool {
    poll(queue, Duration::ZERO, SECOND).await.is_none()
}

pub(crate) async fn send(queue: &dyn Queue, message: OutMessage) {
    let results = queue.send(vec![message]).await.expect("a send");
    assert_eq!(results, [Ok(())]);
}
