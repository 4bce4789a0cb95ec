//! What a running worker shows of itself: the jobs at work, for the health check, and the metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pagemill_queue::LeaseWatch;
use pagemill_storage::Stage;

use crate::metrics::{Metric, Metrics};

/// Shared by the handler, which fills it, and the threads that show it. Nothing in it waits.
#[derive(Debug, Default)]
pub struct Telemetry {
    metrics: Metrics,
    jobs: Mutex<Jobs>,
}

#[derive(Debug, Default)]
struct Jobs {
    next: u64,
    at_work: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    trace_id: String,
    source: Option<String>,
    stage: Option<(Stage, Instant)>,
    begun: Instant,
    lease: Option<LeaseWatch>,
}

/// One job at work, as the health check sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobAtWork {
    pub(crate) trace_id: String,
    pub(crate) source: Option<String>,
    pub(crate) stage: Option<&'static str>,
    /// How long ago it last got on.
    pub(crate) idle: Duration,
    pub(crate) running: Duration,
}

impl Telemetry {
    /// The metrics.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Shows a message as being at work until the answer is dropped.
    pub(crate) fn begin(self: &Arc<Self>, trace_id: &str, lease: Option<LeaseWatch>) -> JobHandle {
        let mut jobs = self.locked();
        let id = jobs.next;
        jobs.next += 1;
        let job = Entry {
            trace_id: trace_id.to_owned(),
            source: None,
            stage: None,
            begun: Instant::now(),
            lease,
        };
        jobs.at_work.insert(id, job);
        drop(jobs);
        JobHandle {
            telemetry: Arc::clone(self),
            id,
        }
    }

    /// What is at work now.
    pub(crate) fn jobs(&self) -> Vec<JobAtWork> {
        let jobs = self.locked();
        let all = jobs.at_work.values().map(|job| JobAtWork {
            trace_id: job.trace_id.clone(),
            source: job.source.clone(),
            stage: job.stage.map(|(stage, _)| stage.name()),
            idle: match &job.lease {
                Some(lease) => lease.idle(),
                None => job.begun.elapsed(),
            },
            running: job.begun.elapsed(),
        });
        all.collect()
    }

    fn locked(&self) -> MutexGuard<'_, Jobs> {
        // A panic elsewhere leaves a job that is no longer there at worst, and its handle removes it when dropped.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job that is shown as long as this lives.
#[derive(Debug)]
pub(crate) struct JobHandle {
    telemetry: Arc<Telemetry>,
    id: u64,
}

impl JobHandle {
    /// Where what the job does is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.telemetry.metrics
    }

    /// The message is about this source now.
    pub(crate) fn source(&self, key: &str) {
        self.change(|job| {
            job.source = Some(key.to_owned());
            job.stage = None;
        });
    }

    /// The document has entered a stage. The time of the one before is counted.
    pub(crate) fn stage(&self, stage: Stage) {
        let now = Instant::now();
        let before = self.change(|job| job.stage.replace((stage, now)));
        self.count(before.flatten(), now);
    }

    /// The document has left its last stage.
    pub(crate) fn end_of_stages(&self) {
        let before = self.change(|job| job.stage.take());
        self.count(before.flatten(), Instant::now());
    }

    /// An earlier worker has died in the document.
    pub(crate) fn death(&self) {
        self.telemetry.metrics.count(Metric::Deaths, "");
    }

    fn count(&self, before: Option<(Stage, Instant)>, now: Instant) {
        if let Some((stage, since)) = before {
            let millis = now.duration_since(since).as_secs_f64() * 1_000.0;
            self.telemetry
                .metrics
                .observe(Metric::StageTime, stage.name(), millis);
        }
    }

    fn change<Answer>(&self, change: impl FnOnce(&mut Entry) -> Answer) -> Option<Answer> {
        self.telemetry
            .locked()
            .at_work
            .get_mut(&self.id)
            .map(change)
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        self.telemetry.locked().at_work.remove(&self.id);
    }
}
