//! The thread that keeps the status file. It is no task of the runtime, so that a starved runtime can't hide, and the
//! file of a frozen process grows old.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use pagemill_queue::breaker::BreakerState;
use pagemill_queue::{Breakers, Clock, PollHealth, Pulse};
use tokio_util::sync::CancellationToken;

use super::status::{JobStatus, Status};
use crate::metrics::Metric;
use crate::telemetry::Telemetry;

/// Everything a worker's health is read from. Reading it never waits for a task.
#[derive(Debug, Clone)]
pub(crate) struct Vitals {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) polls: Arc<PollHealth>,
    pub(crate) pulse: Pulse,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) slots: usize,
    pub(crate) stall: Duration,
}

impl Vitals {
    /// The status at this moment.
    pub(crate) fn status(&self, every: Duration) -> Status {
        let jobs = self.telemetry.jobs().into_iter().map(|job| JobStatus {
            trace_id: job.trace_id,
            source: job.source,
            stage: job.stage.map(str::to_owned),
            idle_millis: millis(job.idle),
            running_millis: millis(job.running),
        });
        let jobs = jobs.collect();
        let open = self
            .breakers
            .iter()
            .filter(|breaker| breaker.state() != BreakerState::Closed);
        Status {
            format: Status::FORMAT,
            pid: std::process::id(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            every_millis: millis(every),
            polls: self.polls.polls(),
            poll_age_millis: millis(self.polls.age()),
            paused: self.polls.is_paused(),
            draining: self.shutdown.is_cancelled() || self.polls.has_ended(),
            open_breakers: open.map(|breaker| breaker.name().to_owned()).collect(),
            heartbeat_late_millis: millis(self.pulse.late_by()),
            stall_millis: millis(self.stall),
            slots: self.slots as u64,
            jobs,
            // Last, so that everything above is older than it says.
            written_boot_nanos: self.clock.now().as_nanos(),
        }
    }

    /// Notes what is measured at a moment.
    pub(crate) fn sample(&self, telemetry: &Telemetry) {
        let metrics = telemetry.metrics();
        for breaker in self.breakers.iter() {
            let is_open = breaker.state() != BreakerState::Closed;
            metrics.observe(
                Metric::BreakerOpen,
                breaker.name(),
                f64::from(u8::from(is_open)),
            );
        }
        let poll_age = match self.polls.is_paused() {
            true => Duration::ZERO,
            false => self.polls.age(),
        };
        metrics.observe(Metric::PollAge, "", poll_age.as_secs_f64() * 1_000.0);
        let late = self.pulse.late_by().as_secs_f64() * 1_000.0;
        metrics.observe(Metric::HeartbeatLate, "", late);
        let busy = telemetry.jobs().len();
        metrics.observe(Metric::SlotsBusy, "", busy as f64);
        let free = self.slots.saturating_sub(busy);
        metrics.observe(Metric::SlotsFree, "", free as f64);
    }
}

/// Keeps the file until it is stopped.
#[derive(Debug)]
pub(crate) struct StatusWriter {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl StatusWriter {
    /// Writes the first status and starts the thread. A file that can't be written is said once, and then the worker
    /// goes on without: it works, though nobody can see it.
    pub(crate) fn start(path: PathBuf, every: Duration, vitals: Vitals) -> anyhow::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let body = move || {
            let mut is_said = false;
            loop {
                match vitals.status(every).write(&path) {
                    Ok(()) => is_said = false,
                    Err(error) if !is_said => {
                        is_said = true;
                        tracing::warn!(
                            "the status file {} can't be written ({error}), so `worker health` fails: set PAGEMILL_STATUS_FILE to a place that can be written",
                            path.display()
                        );
                    }
                    Err(_) => {}
                }
                if stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!("the status file stays behind: {error}");
            }
        };
        let thread = thread::Builder::new().name("status".into()).spawn(body)?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread and takes the file away: a worker that has ended is not healthy.
    pub(crate) fn finish(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the status thread ended by a panic");
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
