//! A queue in memory that can do to a worker what a real one does: for tests.
//!
//! It behaves as its [`Capabilities`] say; [`likeness`] has those of well-known buses, and SQS's are the default. Each
//! receive gives a new receipt; holds run out; a stale receipt is refused, or changes what somebody else holds; a
//! message received too often goes to the dead-letter queue; a connection that dies gives back what it held. And faults
//! can be scripted: throttling, lost answers, hanging calls, partial batches, duplicates. The same conformance suite
//! runs against it and the adapters of real buses.

mod calls;
mod connection;
mod fault;
pub mod likeness;
mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use connection::Number;
use fault::Script;
pub use fault::{Fault, Operation};
use store::{Caller, Store};

use crate::capabilities::{Capabilities, DeadLettering, HoldLength, Receipts};
use crate::clock::Clock;
use crate::error::QueueError;
use crate::message::{Message, OutMessage, Receipt};

/// A queue in memory. Clones are handles of the same queue through the same connection.
#[derive(Clone)]
pub struct MemoryQueue {
    inner: Arc<Inner>,
    line: Arc<Mutex<Line>>,
}

struct Inner {
    name: String,
    clock: Arc<dyn Clock>,
    dead_letters: Option<MemoryQueue>,
    refuses_stale_deletes: bool,
    capabilities: Capabilities,
    store: Mutex<Store>,
    script: Mutex<Script>,
    changed: Notify,
}

/// A client's side of its connections, of which it has one at a time.
#[derive(Debug, Default)]
struct Line {
    connection: Option<Number>,
    is_hung_up: bool,
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
    /// An empty queue, like one of SQS.
    pub fn new(name: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self::build(name.into(), clock, None, likeness::sqs(), false)
    }

    /// An empty queue whose messages go to `dead_letters` instead of being received more than `max_receives` times.
    pub fn with_dead_letters(
        name: impl Into<String>,
        clock: Arc<dyn Clock>,
        dead_letters: MemoryQueue,
        max_receives: u32,
    ) -> Self {
        let capabilities = Capabilities {
            receive_limit: Some(max_receives),
            ..likeness::sqs()
        };
        Self::build(name.into(), clock, Some(dead_letters), capabilities, false)
    }

    /// The same queue, empty, that promises this and no more.
    #[must_use]
    pub fn like(self, capabilities: Capabilities) -> Self {
        let inner = &self.inner;
        Self::build(
            inner.name.clone(),
            inner.clock.clone(),
            inner.dead_letters.clone(),
            capabilities,
            inner.refuses_stale_deletes,
        )
    }

    /// The same queue, empty, that refuses to delete by a stale receipt. A standard SQS queue says yes and keeps
    /// the message; a FIFO queue and some emulators refuse.
    #[must_use]
    pub fn refusing_stale_deletes(self) -> Self {
        let inner = &self.inner;
        Self::build(
            inner.name.clone(),
            inner.clock.clone(),
            inner.dead_letters.clone(),
            inner.capabilities.clone(),
            true,
        )
    }

    fn build(
        name: String,
        clock: Arc<dyn Clock>,
        dead_letters: Option<MemoryQueue>,
        mut capabilities: Capabilities,
        refuses_stale_deletes: bool,
    ) -> Self {
        if dead_letters.is_none() {
            capabilities.dead_letter = DeadLettering::Nowhere;
        }
        let store = Store::new(capabilities.clone(), refuses_stale_deletes, clock.now());
        let inner = Inner {
            name,
            clock,
            dead_letters,
            refuses_stale_deletes,
            capabilities,
            store: Mutex::new(store),
            script: Mutex::new(Script::default()),
            changed: Notify::new(),
        };
        Self {
            inner: Arc::new(inner),
            line: Arc::default(),
        }
    }

    /// The same queue through a connection of its own.
    #[must_use]
    pub fn connect(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            line: Arc::default(),
        }
    }

    /// Closes the connection for good, as the death of its process does. What it held comes back at once, where
    /// receipts live with their connection.
    pub fn hang_up(&self) {
        let mut line = self.line();
        line.is_hung_up = true;
        let now = self.inner.clock.now();
        if let Some(connection) = line.connection {
            self.store().connections.close(connection, now);
        }
        drop(line);
        self.inner.changed.notify_waiters();
    }

    /// Breaks the connection. What it held comes back at once, where receipts live with their connection; the next receive
    /// opens another.
    pub fn lose_connection(&self) {
        let now = self.inner.clock.now();
        if let Some(connection) = self.line().connection {
            self.store().connections.close(connection, now);
        }
        self.inner.changed.notify_waiters();
    }

    /// No sign of life comes from this connection any more, as when its process is stopped. The queue closes it after
    /// a while, where receipts live with their connection.
    pub fn fall_silent(&self) {
        if let (Some(connection), Some(patience)) = (self.line().connection, self.patience()) {
            let now = self.inner.clock.now();
            let mut store = self.store();
            store.connections.fall_silent(connection, patience, now);
        }
        self.inner.changed.notify_waiters();
    }

    /// Signs of life come again. A connection that the queue has closed meanwhile stays closed; the next receive opens
    /// another.
    pub fn speak_again(&self) {
        if let Some(connection) = self.line().connection {
            let now = self.inner.clock.now();
            self.store().connections.speak_again(connection, now);
        }
        self.inner.changed.notify_waiters();
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

    /// Others can have the next received message too, so that it is delivered twice.
    pub fn duplicate_next_receive(&self) {
        self.store().duplicate_next = true;
    }

    /// How often a call of this kind was made, faults included.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.scripted().calls(operation)
    }

    /// All messages that are still here, held or not: body and attributes, in the order sent.
    pub fn contents(&self) -> Vec<(String, BTreeMap<String, String>)> {
        self.store().contents()
    }

    /// Whether a message is in flight under this receipt just now.
    pub fn holds(&self, receipt: &Receipt) -> bool {
        self.store().holds(receipt, self.inner.clock.now())
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

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the queue waits for a sign of life of a connection, where that matters.
    fn patience(&self) -> Option<Duration> {
        match (
            self.inner.capabilities.hold,
            self.inner.capabilities.receipts,
        ) {
            (HoldLength::Connection { grant }, Receipts::Connection) => Some(grant),
            _ => None,
        }
    }

    /// Who calls. Where receipts live with their connection, the call is a sign of life of it.
    fn caller(&self) -> Caller {
        let now = self.inner.clock.now();
        let connection = self.patience().and_then(|patience| {
            let connection = self.line().connection?;
            self.store().connections.hear(connection, patience, now);
            Some(connection)
        });
        Caller { connection, now }
    }

    /// As [`MemoryQueue::caller`], through a new connection where there is none that is open.
    fn receiver(&self) -> Result<Caller, QueueError> {
        let now = self.inner.clock.now();
        if self.patience().is_some() {
            let mut line = self.line();
            if line.is_hung_up {
                return Err(self.closed());
            }
            let mut store = self.store();
            let is_open = line
                .connection
                .is_some_and(|connection| store.connections.is_open(connection, now));
            if !is_open {
                line.connection = Some(store.connections.open(now));
            }
        }
        Ok(self.caller())
    }

    fn closed(&self) -> QueueError {
        QueueError::Unavailable {
            queue: self.inner.name.clone(),
            reason: "the connection is closed".to_owned(),
        }
    }

    fn take_free(
        &self,
        most: usize,
        wish: Duration,
        caller: Caller,
    ) -> Result<Vec<Message>, QueueError> {
        let (taken, dead) = {
            let mut store = self.store();
            let is_open = |connection| store.connections.is_open(connection, caller.now);
            if !caller.connection.is_none_or(is_open) {
                return Err(self.closed());
            }
            store.take(most, wish, caller)
        };
        if let Some(dead_letters) = &self.inner.dead_letters {
            for message in dead {
                dead_letters.push_message(message);
            }
        }
        Ok(taken)
    }
}
