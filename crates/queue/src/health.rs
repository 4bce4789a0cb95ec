//! Whether polling goes on. Its silent end is the commonest complaint about queue workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Moment};

/// Shared between the intake, which writes it, and the health check, which reads it.
#[derive(Debug)]
pub struct PollHealth {
    clock: Arc<dyn Clock>,
    last_completed_nanos: AtomicU64,
    polls: AtomicU64,
    paused: AtomicBool,
    ended: AtomicBool,
}

impl PollHealth {
    /// Counts from now, as if a poll had just completed.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let last_completed_nanos = AtomicU64::new(clock.now().as_nanos());
        Arc::new(Self {
            clock,
            last_completed_nanos,
            polls: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        })
    }

    /// A poll came back without an error, with or without messages.
    pub fn completed(&self) {
        self.last_completed_nanos
            .store(self.clock.now().as_nanos(), Ordering::Relaxed);
        self.polls.fetch_add(1, Ordering::Relaxed);
    }

    /// Says whether the intake does not poll on purpose: every slot is busy, or a breaker is open. Coming out of a
    /// pause counts as a completed poll, so that the pause does not look like silence.
    pub fn set_paused(&self, paused: bool) {
        let was_paused = self.paused.swap(paused, Ordering::Relaxed);
        if was_paused && !paused {
            self.last_completed_nanos
                .store(self.clock.now().as_nanos(), Ordering::Relaxed);
        }
    }

    /// Whether the intake does not poll on purpose.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Nothing is polled for any more, on purpose: a shutdown, or the task's protection was refused.
    pub fn end(&self) {
        self.set_paused(true);
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether nothing is polled for any more, on purpose.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// How long ago the last poll completed.
    pub fn age(&self) -> Duration {
        let last = Moment::from_nanos(self.last_completed_nanos.load(Ordering::Relaxed));
        self.clock.now().since(last)
    }

    /// How many polls have completed.
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// Whether polling goes on: paused on purpose, or the last completed poll is younger than `limit`.
    /// A limit must allow for the longest poll, 20 s.
    pub fn is_alive(&self, limit: Duration) -> bool {
        self.is_paused() || self.age() < limit
    }
}
