//! What can be made to go wrong, and the count of calls.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::error::QueueError;

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// [`crate::Queue::receive`].
    Receive,
    /// [`crate::Queue::renew`].
    Renew,
    /// [`crate::Queue::settle`].
    Settle,
    /// [`crate::Queue::send`].
    Send,
    /// [`crate::Queue::depth`] and [`crate::Queue::describe`].
    Describe,
}

/// How one call goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No fault: lets this call through.
    None,
    /// It fails and has no effect.
    Error(QueueError),
    /// It has its effect, but the answer is lost on the way back. A receive orphans what it took, until
    /// its hold ends; where receipts live with their connection, that is lost with the answer.
    AnswerLost(QueueError),
    /// It takes this long, then works.
    Hang(Duration),
    /// The messages at these places of the batch are not sent.
    PartialSend(Vec<usize>),
}

#[derive(Debug, Default)]
pub(super) struct Script {
    faults: BTreeMap<Operation, VecDeque<Fault>>,
    calls: BTreeMap<Operation, u64>,
}

impl Script {
    pub(super) fn add(&mut self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        self.faults.entry(operation).or_default().extend(faults);
    }

    pub(super) fn next(&mut self, operation: Operation) -> Option<Fault> {
        *self.calls.entry(operation).or_default() += 1;
        self.faults
            .get_mut(&operation)?
            .pop_front()
            .filter(|fault| *fault != Fault::None)
    }

    pub(super) fn calls(&self, operation: Operation) -> u64 {
        self.calls.get(&operation).copied().unwrap_or(0)
    }
}
