//! The thread that writes metrics, so that a starved runtime still shows that it is starved.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::telemetry::Telemetry;

/// How often metrics are written. CloudWatch keeps a value a minute.
const EVERY: Duration = Duration::from_secs(60);

/// Notes what is measured at a moment, such as open breakers, right before each writing.
pub(crate) type Sampler = Box<dyn Fn(&Telemetry) + Send>;

/// Writes until it is stopped.
#[derive(Debug)]
pub(crate) struct MetricsWriter {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl MetricsWriter {
    /// Starts the thread.
    pub(crate) fn start(
        namespace: String,
        telemetry: Arc<Telemetry>,
        sample: Sampler,
    ) -> anyhow::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let body = move || {
            loop {
                let is_over = stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout);
                sample(&telemetry);
                write(&namespace, &telemetry);
                if is_over {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("metrics".into()).spawn(body)?;
        Ok(Self { stop, thread })
    }

    /// Writes what is left and ends the thread.
    pub(crate) fn finish(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the metrics thread ended by a panic");
        }
    }
}

fn write(namespace: &str, telemetry: &Telemetry) {
    let mut output = std::io::stdout().lock();
    for line in telemetry.metrics().drain(namespace, SystemTime::now()) {
        // Nobody reads: then nobody misses them.
        if writeln!(output, "{line}").is_err() {
            return;
        }
    }
    drop(output.flush());
}
