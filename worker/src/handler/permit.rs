//! What a run under a lease may do, and until when: the lease itself, and what is left of the drain time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use pagemill_pipeline::{Budget, Dependency, Permit, PermitLost, Progress};
use pagemill_queue::LeaseWatch;
use pagemill_storage::Charge;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metric;
use crate::telemetry::JobHandle;

/// What is left of the drain time when work is stopped where it stands: half of it to write the end of the run into
/// the record, half to release the message. Of a short drain time it is a quarter.
const END_RESERVE: Duration = Duration::from_secs(10);

/// How much of the time after a shutdown's beginning is left. Work ends in three steps: at its next boundary, when
/// three quarters of its time are gone; wherever it is, at the end of its time; and, should the end of the run not be
/// written by then, without that, so that the message is still released.
pub(super) struct Drain<'a> {
    shutdown: &'a CancellationToken,
    drain: Duration,
    began: OnceLock<Instant>,
}

impl<'a> Drain<'a> {
    pub(super) fn of(shutdown: &'a CancellationToken, drain: Duration) -> Self {
        Self {
            shutdown,
            drain,
            began: OnceLock::new(),
        }
    }

    fn reserve(&self) -> Duration {
        END_RESERVE.min(self.drain / 4)
    }

    /// The time that work has.
    fn work_time(&self) -> Duration {
        self.drain - self.reserve()
    }

    fn began(&self) -> Instant {
        *self.began.get_or_init(Instant::now)
    }

    /// Whether work should end at its next boundary.
    fn is_nearly_over(&self) -> bool {
        self.shutdown.is_cancelled() && self.began().elapsed() > self.work_time() * 3 / 4
    }

    /// Resolves when work must end wherever it is.
    async fn is_over(&self) {
        self.shutdown.cancelled().await;
        tokio::time::sleep_until(self.began() + self.work_time()).await;
    }

    /// Resolves when not even the end of a run may be waited for any more.
    pub(super) async fn is_out(&self) {
        self.shutdown.cancelled().await;
        tokio::time::sleep_until(self.began() + self.drain - self.reserve() / 2).await;
    }
}

/// The permit of the runs of one message.
pub(super) struct LeasePermit<'a> {
    pub(super) watch: LeaseWatch,
    pub(super) drain: Drain<'a>,
    pub(super) job: &'a JobHandle,
    attempts: AtomicU32,
    used: Mutex<BTreeSet<Dependency>>,
}

impl<'a> LeasePermit<'a> {
    pub(super) fn new(watch: LeaseWatch, drain: Drain<'a>, job: &'a JobHandle) -> Self {
        Self {
            watch,
            drain,
            job,
            attempts: AtomicU32::new(0),
            used: Mutex::default(),
        }
    }

    /// What the run that has just ended made use of.
    pub(super) fn take_used(&self) -> BTreeSet<Dependency> {
        std::mem::take(&mut self.locked_used())
    }

    fn locked_used(&self) -> MutexGuard<'_, BTreeSet<Dependency>> {
        // A set that a panic left is as good as before.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The failed attempts of the message's documents by their records, the most of any; 0 where no record said one.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }
}

impl Permit for LeasePermit<'_> {
    fn check(&self) -> Result<(), PermitLost> {
        match self.watch.proof() {
            Ok(_proof) => Ok(()),
            Err(_lost) => Err(PermitLost),
        }
    }

    fn progress(&self, progress: Progress) {
        self.watch.progress();
        match progress {
            Progress::Stage(stage) => self.job.stage(stage),
            Progress::Death => self.job.death(),
            _ => {}
        }
    }

    fn should_stop(&self) -> bool {
        self.drain.is_nearly_over()
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        self.drain.is_over().boxed()
    }

    fn used(&self, dependency: Dependency) {
        self.locked_used().insert(dependency);
    }

    fn charged(&self, charge: &Charge) {
        super::count::charged(self.job.metrics(), charge);
    }

    fn budget_reached(&self, budget: Budget) {
        self.job
            .metrics()
            .count(Metric::BudgetReached, budget.name());
    }

    fn failed(&self, attempts: u32) {
        self.attempts.fetch_max(attempts, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(100);

    #[tokio::test(start_paused = true)]
    async fn sh_1_work_ends_at_a_boundary_then_anywhere_then_without_its_end() {
        let shutdown = CancellationToken::new();
        let drain = Drain::of(&shutdown, DRAIN);
        tokio::time::sleep(Duration::from_secs(1_000)).await;
        assert!(!drain.is_nearly_over(), "nobody wants to stop");
        shutdown.cancel();
        assert!(!drain.is_nearly_over());
        let began = Instant::now();
        tokio::time::sleep(Duration::from_secs(68)).await;
        assert!(drain.is_nearly_over(), "three quarters of 90 s are gone");
        drain.is_over().await;
        let over = began.elapsed();
        drain.is_out().await;
        let out = began.elapsed();
        assert!(
            over >= Duration::from_secs(90) && over < Duration::from_secs(91),
            "{over:?}"
        );
        assert!(
            out >= Duration::from_secs(95) && out < Duration::from_secs(96),
            "{out:?}"
        );
    }

    #[test]
    fn sh_1_a_short_drain_time_leaves_time_for_the_end_too() {
        let shutdown = CancellationToken::new();
        let drain = Drain::of(&shutdown, Duration::from_secs(2));
        assert_eq!(drain.work_time(), Duration::from_millis(1_500));
    }
}
