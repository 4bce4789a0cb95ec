//! Time for deadlines. A lease must count the time in which this process could not run.
//!
//! `CLOCK_MONOTONIC` goes on while a process is stopped by SIGSTOP but stands still while the machine is suspended.
//! `CLOCK_BOOTTIME` counts both (clock_gettime(2)), so a worker that wakes up in a resumed machine sees that its
//! lease is over.

use std::fmt::Debug;
use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

/// A point in time of one [`Clock`]. Moments of different clocks must not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The time since an earlier moment; zero when it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment, moved back; never before the clock's zero.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }

    /// The moment so many nanoseconds after the clock's zero.
    pub fn from_nanos(nanos: u64) -> Self {
        Self(Duration::from_nanos(nanos))
    }

    /// Nanoseconds since the clock's zero: for [`BootClock`], since the machine was started, the same in every process.
    pub fn as_nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// Tells the time and waits. One clock serves a whole worker; tests bring a paused one.
pub trait Clock: Send + Sync + Debug {
    /// Now.
    fn now(&self) -> Moment;

    /// Waits at least this long. What wakes late must look at [`Clock::now`] again.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The clock of production: `CLOCK_BOOTTIME`, which counts stopped and suspended time too.
#[derive(Debug, Clone, Copy, Default)]
pub struct BootClock;

impl BootClock {
    /// This clock behind the pointer that leases and queues take.
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self)
    }
}

impl Clock for BootClock {
    fn now(&self) -> Moment {
        let reading = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
            .expect("CLOCK_BOOTTIME exists since Linux 2.6.39 and its reading can't fail");
        Moment(Duration::from(reading))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }
}

/// Tokio's own clock, for tests with paused time. Read it only inside the runtime whose time it tells.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    zero: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that starts an hour after its zero, so that a test can look back.
    pub fn shared() -> Arc<dyn Clock> {
        let hour = Duration::from_secs(3600);
        let now = tokio::time::Instant::now();
        Arc::new(Self {
            zero: now.checked_sub(hour).unwrap_or(now),
        })
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Moment {
        Moment(tokio::time::Instant::now().saturating_duration_since(self.zero))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_clock_goes_forward() {
        let clock = BootClock;
        let first = clock.now();
        let second = clock.now();
        assert!(second >= first);
        assert!(first.since(second) == Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn tokio_clock_follows_paused_time() {
        let clock = TokioClock::shared();
        let before = clock.now();
        clock.sleep(Duration::from_secs(90)).await;
        let slept = clock.now().since(before);
        assert!(
            slept >= Duration::from_secs(90) && slept < Duration::from_secs(91),
            "{slept:?}"
        );
    }
}
