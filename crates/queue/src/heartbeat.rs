//! The thread that renews leases: its own OS thread, runtime and queue client, so that work can't starve it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::capabilities::Receipts;
use crate::clock::{Clock, Moment};
use crate::error::QueueError;
use crate::transport::Queue;

/// How often the thread shows that it runs.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Why the heartbeat could not start.
#[derive(Debug, thiserror::Error)]
pub enum HeartbeatError {
    /// The system gave no thread or no runtime.
    #[error(
        "the heartbeat thread could not start: {reason}: allow the worker more threads and descriptors"
    )]
    Thread {
        /// What the system said.
        reason: String,
    },
    /// Its own queue client could not be built.
    #[error("the heartbeat's queue client could not be built: {0}")]
    Queue(#[from] QueueError),
}

/// Renews the leases of one worker. One is enough: start it once, give it to each [`crate::Lease`].
pub struct Heartbeat {
    pub(crate) runtime: Handle,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pulse: Pulse,
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

/// What the heartbeat shows of itself; cheap to clone, and readable from any thread without waiting.
#[derive(Debug, Clone)]
pub struct Pulse {
    clock: Arc<dyn Clock>,
    last_beat_nanos: Arc<AtomicU64>,
    failed_renewals: Arc<AtomicU64>,
}

impl Pulse {
    fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            last_beat_nanos: Arc::new(AtomicU64::new(clock.now().as_nanos())),
            failed_renewals: Arc::default(),
            clock,
        }
    }

    /// How long ago the thread last showed that it runs; about a second at most when all is well.
    pub fn late_by(&self) -> Duration {
        let last = Moment::from_nanos(self.last_beat_nanos.load(Ordering::Relaxed));
        self.clock.now().since(last)
    }

    /// How many renewals of leases have failed so far, those that were tried again with success included.
    pub fn failed_renewals(&self) -> u64 {
        self.failed_renewals.load(Ordering::Relaxed)
    }

    pub(crate) fn count_failed_renewal(&self) {
        self.failed_renewals.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Heartbeat")
            .field("queue", &self.queue.name())
            .finish_non_exhaustive()
    }
}

impl Heartbeat {
    /// Starts the thread and builds the queue client inside it, so that the client's connections live there too.
    pub async fn start<Build, Building>(
        clock: Arc<dyn Clock>,
        build: Build,
    ) -> Result<Self, HeartbeatError>
    where
        Build: FnOnce() -> Building + Send + 'static,
        Building: Future<Output = Result<Arc<dyn Queue>, QueueError>>,
    {
        let (report, started) = oneshot::channel();
        let stop = CancellationToken::new();
        let pulse = Pulse::new(clock.clone());
        let beat = beat(pulse.clone(), stop.clone());
        let body = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let failure = HeartbeatError::Thread {
                        reason: error.to_string(),
                    };
                    // Nobody listens when the caller gave up waiting; then there is nothing to tell.
                    drop(report.send(Err(failure)));
                    return;
                }
            };
            let built = runtime.block_on(build());
            let failed = built.is_err();
            let handle = runtime.handle().clone();
            let told = report.send(
                built
                    .map(|queue| (handle, queue))
                    .map_err(HeartbeatError::from),
            );
            if failed || told.is_err() {
                return;
            }
            runtime.block_on(beat);
        };
        let thread = thread::Builder::new()
            .name("heartbeat".into())
            .spawn(body)
            .map_err(|error| HeartbeatError::Thread {
                reason: error.to_string(),
            })?;
        let (runtime, queue) = started.await.map_err(|_gone| HeartbeatError::Thread {
            reason: "it ended before it was ready".into(),
        })??;
        Ok(Self {
            runtime,
            queue,
            clock,
            pulse,
            stop,
            thread: Some(thread),
        })
    }

    /// Renews on the caller's runtime instead of a thread of its own. For simulations under a paused clock, where
    /// nothing can starve it and nobody looks at its pulse, so it has none; a worker must use [`Heartbeat::start`].
    pub fn on_current_runtime(clock: Arc<dyn Clock>, queue: Arc<dyn Queue>) -> Self {
        let stop = CancellationToken::new();
        let pulse = Pulse::new(clock.clone());
        Self {
            runtime: Handle::current(),
            queue,
            clock,
            pulse,
            stop,
            thread: None,
        }
    }

    /// The client to receive and settle with. It is one of the worker's own, which is built now, so that a renewal never
    /// queues behind a long poll; but the heartbeat's, where a receipt counts only on the connection that received it.
    pub async fn client_for_work<Build, Building>(
        &self,
        build: Build,
    ) -> Result<Arc<dyn Queue>, QueueError>
    where
        Build: FnOnce() -> Building,
        Building: Future<Output = Result<Arc<dyn Queue>, QueueError>>,
    {
        match self.queue.capabilities().receipts {
            Receipts::Anywhere => build().await,
            Receipts::Connection => Ok(Arc::clone(&self.queue)),
        }
    }

    /// See [`Pulse::late_by`].
    pub fn late_by(&self) -> Duration {
        self.pulse.late_by()
    }

    /// What it shows of itself, for a health check on another thread.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Ends the thread and waits for it. Leases that still hang on it are no longer renewed.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the heartbeat thread ended by a panic");
            }
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn beat(pulse: Pulse, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let now = pulse.clock.now().as_nanos();
        pulse.last_beat_nanos.store(now, Ordering::Relaxed);
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = pulse.clock.sleep(BEAT_EVERY) => {}
        }
    }
}
