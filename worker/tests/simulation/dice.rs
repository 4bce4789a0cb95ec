//! All chance of one run, from one seed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// A source of chance. The same seed gives the same throws in the same order.
#[derive(Debug)]
pub(crate) struct Dice(Mutex<StdRng>);

impl Dice {
    /// `stream` keeps throws for different ends apart, so that more of one kind do not change the others.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mixed = seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(Mutex::new(StdRng::seed_from_u64(mixed)))
    }

    fn random(&self) -> MutexGuard<'_, StdRng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True so many times in a thousand.
    pub(crate) fn per_mille(&self, chance: u32) -> bool {
        self.random().random_range(0..1000) < chance
    }

    /// True half of the time.
    pub(crate) fn coin(&self) -> bool {
        self.random().random()
    }

    /// From `low` to `high`, both included.
    pub(crate) fn number(&self, low: u64, high: u64) -> u64 {
        self.random().random_range(low..=high)
    }

    /// A time from `low` to `high` milliseconds.
    pub(crate) fn millis(&self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.number(low, high))
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&self, these: &'a [T]) -> &'a T {
        these
            .choose(&mut *self.random())
            .expect("a choice needs something to choose from")
    }
}
