//! The random part of a backoff, from a source that can be given.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Where random parts of waits come from. Seeded, it gives the same waits again, which a simulation needs.
pub struct Jitter(Mutex<StdRng>);

impl fmt::Debug for Jitter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Jitter")
    }
}

impl Default for Jitter {
    /// Different in every process.
    fn default() -> Self {
        Self(Mutex::new(StdRng::from_os_rng()))
    }
}

impl Jitter {
    /// The same for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    pub(super) fn source(&self) -> MutexGuard<'_, StdRng> {
        // A generator that a panic left half advanced is as random as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
