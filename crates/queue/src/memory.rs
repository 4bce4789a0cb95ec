//! A queue in memory that can do to a worker what SQS does: for tests.
//!
//! Each receive gives a new receipt; visibility runs out; a stale receipt is refused; a message received too often
//! goes to the dead-letter queue; nothing stays invisible beyond 12 hours; and faults can be scripted: throttling,
//! lost answers, hanging calls, partial batches, duplicates. The same conformance suite runs against it and SQS.

mod fault;
mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use fault::Script;
pub use fault::{Fault, Operation};
use store::Store;

use crate::clock::Clock;
use crate::transport::{
    Counts, DeadLetterPolicy, Message, OutMessage, Queue, QueueAttributes, QueueError, Receipt,
    SEND_BATCH_MAX, SendFailure, VISIBILITY_MAX, WAIT_MAX,
};

/// The visibility of a queue that sets none, as SQS has it.
const VISIBILITY_DEFAULT: Duration = Duration::from_secs(30);
/// The retention of a queue that sets none, as SQS has it. Nothing expires here.
const RETENTION_DEFAULT: Duration = Duration::from_secs(4 * 24 * 60 * 60);
/// SQS takes ten attributes a message.
const ATTRIBUTES_MAX: usize = 10;

/// A queue in memory. Clones are handles of the same queue.
#[derive(Clone)]
pub struct MemoryQueue {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    clock: Arc<dyn Clock>,
    dead_letters: Option<(MemoryQueue, u32)>,
    refuses_stale_deletes: bool,
    store: Mutex<Store>,
    script: Mutex<Script>,
    changed: Notify,
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemoryQueue")
            .field("name", &self.inner.name)
            .finish_non_exhaustive()
    }
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new(name: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self::build(name.into(), clock, None, false)
    }

    /// An empty queue whose messages go to `dead_letters` instead of being received more than `max_receive_count`
    /// times.
    pub fn with_dead_letters(
        name: impl Into<String>,
        clock: Arc<dyn Clock>,
        dead_letters: MemoryQueue,
        max_receive_count: u32,
    ) -> Self {
        Self::build(
            name.into(),
            clock,
            Some((dead_letters, max_receive_count)),
            false,
        )
    }

    /// The same queue, empty, that refuses to delete by a stale receipt. A standard SQS queue says yes and keeps
    /// the message; a FIFO queue and some emulators refuse.
    pub fn refusing_stale_deletes(self) -> Self {
        let inner = &self.inner;
        Self::build(
            inner.name.clone(),
            inner.clock.clone(),
            inner.dead_letters.clone(),
            true,
        )
    }

    fn build(
        name: String,
        clock: Arc<dyn Clock>,
        dead_letters: Option<(MemoryQueue, u32)>,
        refuses_stale_deletes: bool,
    ) -> Self {
        let store = Mutex::new(Store::new(clock.now()));
        let script = Mutex::new(Script::default());
        let changed = Notify::new();
        let inner = Inner {
            name,
            clock,
            dead_letters,
            refuses_stale_deletes,
            store,
            script,
            changed,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Sends one body now.
    pub fn push(&self, body: impl Into<String>) {
        self.push_message(OutMessage::new(body));
    }

    /// Sends one message now.
    pub fn push_message(&self, message: OutMessage) {
        self.store().insert(message, self.inner.clock.now());
        self.inner.changed.notify_waiters();
    }

    /// Lets the next calls of this kind go wrong, one fault a call, in order.
    pub fn script(&self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        self.scripted().add(operation, faults);
    }

    /// The next received message stays visible too, so that it is delivered twice.
    pub fn duplicate_next_receive(&self) {
        self.store().duplicate_next = true;
    }

    /// How often a call of this kind was made, faults included.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.scripted().calls(operation)
    }

    /// All messages that are still here, visible or not: body and attributes, in the order sent.
    pub fn contents(&self) -> Vec<(String, BTreeMap<String, String>)> {
        self.store().contents()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.inner
            .store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn scripted(&self) -> MutexGuard<'_, Script> {
        self.inner
            .script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Plays the next fault. `Ok(Some)` is one that comes after the call had its effect.
    async fn misbehave(&self, operation: Operation) -> Result<Option<Fault>, QueueError> {
        let fault = self.scripted().next(operation);
        match fault {
            Some(Fault::Error(error)) => Err(error),
            Some(Fault::Hang(time)) => {
                self.inner.clock.sleep(time).await;
                Ok(None)
            }
            other => Ok(other),
        }
    }

    fn stale(&self, reason: &str) -> QueueError {
        QueueError::StaleReceipt {
            queue: self.inner.name.clone(),
            reason: reason.to_owned(),
        }
    }

    fn invalid(&self, reason: impl Into<String>) -> QueueError {
        QueueError::Invalid {
            queue: self.inner.name.clone(),
            reason: reason.into(),
        }
    }

    fn take_visible(&self, max: u8, visibility: Duration) -> Vec<Message> {
        let now = self.inner.clock.now();
        let limit = self
            .inner
            .dead_letters
            .as_ref()
            .map(|(_, max_receive_count)| *max_receive_count);
        let (taken, dead) = self.store().take(usize::from(max), visibility, limit, now);
        if let Some((dead_letters, _)) = &self.inner.dead_letters {
            for message in dead {
                dead_letters.push_message(message);
            }
        }
        taken
    }
}

fn answer(fault: Option<Fault>) -> Result<(), QueueError> {
    match fault {
        Some(Fault::AnswerLost(error)) => Err(error),
        _ => Ok(()),
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    fn name(&self) -> &str {
        &self.inner.name
    }

    async fn receive(
        &self,
        max: u8,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        let fault = self.misbehave(Operation::Receive).await?;
        if max == 0 || max > 10 || wait > WAIT_MAX || visibility > VISIBILITY_MAX {
            return Err(self.invalid(
                "a receive takes 1 to 10 messages, waits 20 s and hides for 12 h at most",
            ));
        }
        let gives_up_at = self.inner.clock.now() + wait;
        loop {
            let changed = self.inner.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let taken = self.take_visible(max, visibility);
            let now = self.inner.clock.now();
            if !taken.is_empty() || now >= gives_up_at {
                answer(fault)?;
                return Ok(taken);
            }
            let next_visible = self.store().next_visible_at(now);
            let wakes_at = next_visible.map_or(gives_up_at, |at| at.min(gives_up_at));
            tokio::select! {
                biased;
                () = changed => {}
                () = self.inner.clock.sleep(wakes_at.since(now)) => {}
            }
        }
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        let fault = self.misbehave(Operation::Extend).await?;
        let now = self.inner.clock.now();
        let extended = self.store().extend(receipt, visibility, now);
        match extended {
            store::Extended::Yes => {}
            store::Extended::NotOurs => {
                return Err(self.stale("the message is not in flight under this receipt"));
            }
            store::Extended::BeyondLimit => {
                return Err(
                    self.invalid("the total visibility is beyond the limit of 43200 seconds")
                );
            }
        }
        self.inner.changed.notify_waiters();
        answer(fault)
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let fault = self.misbehave(Operation::Delete).await?;
        let deleted = self.store().delete(receipt);
        if !deleted && self.inner.refuses_stale_deletes {
            return Err(self.stale("the receipt has expired"));
        }
        answer(fault)
    }

    async fn send_batch(
        &self,
        messages: Vec<OutMessage>,
    ) -> Result<Vec<Result<(), SendFailure>>, QueueError> {
        let fault = self.misbehave(Operation::Send).await?;
        if messages.is_empty() || messages.len() > SEND_BATCH_MAX {
            return Err(self.invalid("a batch has 1 to 10 messages"));
        }
        let failing = match &fault {
            Some(Fault::PartialSend(indexes)) => indexes.clone(),
            _ => Vec::new(),
        };
        let mut results = Vec::with_capacity(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            results.push(match refusal(&message) {
                Some(reason) => Err(SendFailure {
                    code: "InvalidParameterValue".into(),
                    reason,
                    sender_fault: true,
                }),
                None if failing.contains(&index) => Err(SendFailure {
                    code: "InternalError".into(),
                    reason: "scripted".into(),
                    sender_fault: false,
                }),
                None => {
                    self.push_message(message);
                    Ok(())
                }
            });
        }
        answer(fault)?;
        Ok(results)
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        let fault = self.misbehave(Operation::Describe).await?;
        answer(fault)?;
        Ok(self.store().counts(self.inner.clock.now()))
    }

    async fn describe(&self) -> Result<QueueAttributes, QueueError> {
        let fault = self.misbehave(Operation::Describe).await?;
        answer(fault)?;
        let dead_letter = self
            .inner
            .dead_letters
            .as_ref()
            .map(|(queue, max_receive_count)| DeadLetterPolicy {
                target_arn: format!("arn:memory:::{}", queue.name()),
                max_receive_count: *max_receive_count,
            });
        Ok(QueueAttributes {
            arn: format!("arn:memory:::{}", self.inner.name),
            visibility_timeout: VISIBILITY_DEFAULT,
            retention: RETENTION_DEFAULT,
            dead_letter,
        })
    }
}

fn refusal(message: &OutMessage) -> Option<String> {
    if message.body.is_empty() {
        return Some("the body is empty".to_owned());
    }
    if message.attributes.len() > ATTRIBUTES_MAX {
        return Some("more than ten attributes".to_owned());
    }
    let empty = message
        .attributes
        .iter()
        .find(|(_, value)| value.is_empty());
    empty.map(|(name, _)| format!("the attribute {name} is empty"))
}
