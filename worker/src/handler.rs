//! One message: its events, each through the pipeline under one lease, and then its settlement.

mod count;
mod permit;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pagemill_events::{Event, Job, Removal};
use pagemill_panics::Panicked;
use pagemill_pipeline::{
    Dependency, Options, Pipeline, PipelineError, QueueMessage, RunOutcome, Source,
};
use pagemill_queue::{
    Breakers, Delivery, Heartbeat, Lease, LeaseSettings, Message, Outcome, PermanentFailure,
    SettleContext, SettlePermit, Settler,
};
use pagemill_storage::{Sequencer, SourceKey, StorageError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::permit::{Drain, LeasePermit};
use crate::metrics::Metric;
use crate::telemetry::{JobHandle, Telemetry};

// What a message may carry is what the metadata stage takes.
const _: () =
    assert!(pagemill_events::CUSTOM_PROMPT_MAX_BYTES == pagemill_metadata::CUSTOM_PROMPT_MAX_BYTES);

/// How long a message waits that met a wrong setting: somebody has to mend it first.
const CONFIGURATION_WAIT: Duration = Duration::from_secs(120);
/// So often a message is received whose handling panics outside its documents' runs, where no record counts it.
const MAX_PANICS: u32 = 10;

/// Handles messages. One for the whole process.
#[derive(Debug)]
pub struct Handler {
    /// Processes documents.
    pub pipeline: Pipeline,
    /// The bucket that this worker serves; messages about others are refused.
    pub bucket: String,
    /// Ends messages.
    pub settler: Settler,
    /// Renews leases.
    pub heartbeat: Heartbeat,
    /// How leases are kept.
    pub lease: LeaseSettings,
    /// What is known of the dependencies.
    pub breakers: Arc<Breakers>,
    /// Cancelled when the worker is to stop.
    pub shutdown: CancellationToken,
    /// How long work may go on after that.
    pub drain: Duration,
    /// Shows what is at work, and counts.
    pub telemetry: Arc<Telemetry>,
}

impl Handler {
    /// Handles one message to its settlement.
    pub async fn handle(&self, delivery: Delivery) {
        let message = &delivery.message;
        let events = pagemill_events::parse(&message.body);
        let trace_id = trace_id(&events, &message.id);
        let span = tracing::info_span!("message", trace_id, message_id = %message.id);
        let mut context = SettleContext {
            attempts: 0,
            trace_id: Some(trace_id.clone()),
        };
        count::received(self.telemetry.metrics(), message);
        async {
            let needs_work = events.iter().any(|event| matches!(event, Event::Job(_) | Event::Removed(_)));
            let (permit, outcome) = if needs_work {
                let lease = Lease::start(
                    &self.heartbeat,
                    message.receipt.clone(),
                    delivery.taken_at,
                    self.lease.clone(),
                );
                let job = self.telemetry.begin(&trace_id, Some(lease.watch()));
                let worked = self.work(message, &events, &lease, &trace_id, &job);
                let (outcome, attempts) = pagemill_panics::caught(worked)
                    .await
                    .unwrap_or_else(|panicked| (self.panicked(message, &panicked), 0));
                context.attempts = attempts;
                match lease.finish().await {
                    Ok(permit) => (permit, outcome),
                    Err(lost) => {
                        self.telemetry.metrics().count(Metric::LeasesLost, lost.code());
                        tracing::warn!("the lease is lost, and the message is left to its next receiver: {lost}");
                        self.settler.leave(message).await;
                        return;
                    }
                }
            } else {
                (delivery.settle_permit(self.lease.margin), self.without_work(&events))
            };
            self.settle(permit, &delivery, &outcome, &context).await;
        }
        .instrument(span)
        .await;
    }

    async fn settle(
        &self,
        permit: SettlePermit,
        delivery: &Delivery,
        outcome: &Outcome,
        context: &SettleContext,
    ) {
        let settled = self
            .settler
            .settle(permit, &delivery.message, outcome, context)
            .await;
        count::settled(
            self.telemetry.metrics(),
            &delivery.message,
            outcome,
            &settled,
        );
        match settled {
            Ok(settled) => tracing::debug!(?settled, "settled"),
            Err(error) => {
                tracing::warn!(
                    "the message could not be settled and comes back by itself: {error}"
                );
                self.settler.leave(&delivery.message).await;
            }
        }
    }

    /// What becomes of a message whose handling panicked. Panics of a document's run are the pipeline's: it counts them.
    fn panicked(&self, message: &Message, panicked: &Panicked) -> Outcome {
        self.count_end("internal_error");
        let place = panicked.place();
        tracing::error!(place, "the program panicked at this message");
        let text = format!(
            "Pagemill itself failed at {place} (build {}): report this place and build",
            env!("CARGO_PKG_VERSION")
        );
        match message.receive_count > MAX_PANICS {
            true => permanent("internal_error", None, text),
            false => Outcome::Transient {
                reason: text,
                retry_after: None,
            },
        }
    }

    /// What becomes of a message with nothing to process in it.
    fn without_work(&self, events: &[Event]) -> Outcome {
        Outcome::worst_of(events.iter().map(|event| match event {
            Event::Ignored { reason } => {
                self.count_end("ignored");
                tracing::info!(code = reason.code(), "ignored: {reason}");
                Outcome::Done
            }
            Event::Rejected { reason } => {
                self.count_end("rejected");
                tracing::warn!(code = reason.code(), "rejected: {reason}");
                permanent(reason.code(), Some("envelope"), reason.to_string())
            }
            Event::Job(_) | Event::Removed(_) => Outcome::Done,
        }))
    }

    /// Works on the events of a message one after the other, until the lease is lost or the drain time is over. The
    /// second answer is how many attempts have failed by the records, 0 where none said so.
    async fn work(
        &self,
        message: &Message,
        events: &[Event],
        lease: &Lease,
        trace_id: &str,
        job: &JobHandle,
    ) -> (Outcome, u32) {
        let watch = lease.watch();
        let drain = Drain::of(&self.shutdown, self.drain);
        let permit = LeasePermit::new(watch.clone(), drain, job);
        let options = Options {
            trace_id: trace_id.to_owned(),
            message: Some(QueueMessage {
                message_id: message.id.clone(),
                receives: message.receive_count,
            }),
            ..Options::default()
        };
        let all = async {
            let mut outcome = self.without_work(events);
            for event in events {
                let one = match event {
                    overtaken if is_overtaken(overtaken, events) => {
                        tracing::info!("superseded by a newer event in the same message");
                        Outcome::Superseded
                    }
                    Event::Job(job) => self.process(job, &permit, &options).await,
                    Event::Removed(removal) => self.remove(removal, &permit, &options).await,
                    Event::Ignored { .. } | Event::Rejected { .. } => continue,
                };
                let is_over = matches!(one, Outcome::LeaseLost | Outcome::Released);
                outcome = outcome.worse(one);
                if is_over {
                    break;
                }
            }
            outcome
        };
        // The lease first: a worker that was frozen must not take one more step of its work when it wakes up. Work
        // that is done comes before the end of the drain time, for it needs no release.
        let outcome = tokio::select! {
            biased;
            lost = watch.lost() => {
                self.count_end("lease_lost");
                tracing::warn!("work stopped: {lost}");
                Outcome::LeaseLost
            }
            outcome = all => outcome,
            () = permit.drain.is_out() => {
                self.count_end("released");
                tracing::warn!(
                    "the drain time is over before the end of the run was recorded: the document is released, and \
                     its next run takes this one for dead"
                );
                Outcome::Released
            }
        };
        (outcome, permit.attempts())
    }

    async fn process(&self, job: &Job, permit: &LeasePermit<'_>, options: &Options) -> Outcome {
        if let Some(refused) = self.refuse(&job.bucket, &job.key) {
            return refused;
        }
        permit.job.source(&job.key);
        let parts = self.pipeline.parts();
        let targets = match parts.settings.targets(job.target_stores.as_deref()) {
            Ok(targets) => targets,
            Err(error) => {
                self.count_end("rejected");
                return permanent("unknown_target_store", None, error.to_string());
            }
        };
        let source = Source {
            key: SourceKey(job.key.clone()),
            version_id: job.version_id.clone(),
            sequencer: job.sequencer.clone().and_then(Sequencer::new),
        };
        let options = Options {
            force: job.force,
            custom_prompt: job.custom_prompt.clone(),
            ..options.clone()
        };
        let begun = Instant::now();
        let result = self
            .pipeline
            .process_single_source(&source, &targets, &options, permit)
            .await;
        permit.job.end_of_stages();
        self.conclude(&job.key, begun.elapsed(), result, &permit.take_used())
    }

    async fn remove(
        &self,
        removal: &Removal,
        permit: &LeasePermit<'_>,
        options: &Options,
    ) -> Outcome {
        if let Some(refused) = self.refuse(&removal.bucket, &removal.key) {
            return refused;
        }
        permit.job.source(&removal.key);
        // Where only an old version was removed, or the key was written again meanwhile, the object is still there.
        match self.pipeline.parts().store.head(&removal.key, None).await {
            Ok(_) => {
                tracing::info!(source = removal.key, "not removed: the object is there");
                return Outcome::Superseded;
            }
            Err(StorageError::NotFound { .. }) => {}
            Err(error) => {
                self.count_end("put_off");
                return Outcome::Transient {
                    reason: error.to_string(),
                    retry_after: None,
                };
            }
        }
        let source = Source {
            key: SourceKey(removal.key.clone()),
            version_id: None,
            sequencer: removal.sequencer.clone().and_then(Sequencer::new),
        };
        let begun = Instant::now();
        let result = self.pipeline.remove_source(&source, options, permit).await;
        permit.job.end_of_stages();
        self.conclude(&removal.key, begun.elapsed(), result, &permit.take_used())
    }

    /// Refuses what is not a source of this worker's bucket.
    fn refuse(&self, bucket: &str, key: &str) -> Option<Outcome> {
        if bucket != self.bucket {
            let message = format!(
                "the message is about the bucket {bucket}, and this worker serves {}",
                self.bucket
            );
            self.count_end("rejected");
            return Some(permanent("other_bucket", None, message));
        }
        if !self.pipeline.layout().is_source(key) {
            self.count_end("ignored");
            tracing::info!(key, "ignored: not a PDF below the source prefix");
            return Some(Outcome::Done);
        }
        None
    }

    /// Turns the pipeline's word into the message's outcome, and tells the breakers. `used` is what the run made use of.
    fn conclude(
        &self,
        key: &str,
        took: Duration,
        result: Result<RunOutcome, PipelineError>,
        used: &BTreeSet<Dependency>,
    ) -> Outcome {
        count::concluded(self.telemetry.metrics(), took, &result);
        self.tell_breakers(used, &result);
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let error = match result {
            Ok(outcome) => return concluded(key, millis, &outcome),
            Err(error) => error,
        };
        match error {
            PipelineError::Permanent {
                reason,
                stage,
                message,
            } => {
                tracing::warn!(
                    source = key,
                    reason,
                    stage = stage.name(),
                    millis,
                    "failed for good: {message}"
                );
                permanent(&reason, Some(stage.name()), message)
            }
            PipelineError::Transient {
                dependency,
                stage,
                message,
                retry_after,
            } => {
                tracing::warn!(
                    source = key,
                    dependency = dependency.name(),
                    stage = stage.name(),
                    millis,
                    "put off: {message}"
                );
                Outcome::Transient {
                    reason: message,
                    retry_after,
                }
            }
            PipelineError::Configuration {
                dependency,
                stage,
                message,
            } => {
                tracing::error!(
                    source = key,
                    dependency = dependency.name(),
                    stage = stage.name(),
                    "a setting is wrong: {message}"
                );
                Outcome::Transient {
                    reason: message,
                    retry_after: Some(CONFIGURATION_WAIT),
                }
            }
            internal @ PipelineError::Internal { .. } => {
                tracing::warn!(source = key, millis, "put off: {internal}");
                Outcome::Transient {
                    reason: internal.to_string(),
                    retry_after: None,
                }
            }
            PipelineError::Conflict => {
                tracing::info!(source = key, "another message's run has the document");
                Outcome::Yielded
            }
            PipelineError::Stopped => {
                tracing::info!(source = key, "released, and a later run goes on");
                Outcome::Released
            }
            PipelineError::PermitLost(lost) => {
                tracing::warn!(source = key, "{lost}");
                Outcome::LeaseLost
            }
        }
    }

    fn count_end(&self, outcome: &str) {
        self.telemetry
            .metrics()
            .count(Metric::DocumentsEnded, outcome);
    }

    /// Tells the breakers what a run found out: of the services that it used, no other. What an unchanged document or
    /// one that failed before it came to the LLM says of the LLM is nothing.
    fn tell_breakers(
        &self,
        used: &BTreeSet<Dependency>,
        result: &Result<RunOutcome, PipelineError>,
    ) {
        let failed = match result {
            // A worker that was frozen knows nothing of the present.
            Err(PipelineError::PermitLost(_)) => return,
            Err(error) => error.dependency(),
            Ok(_) => None,
        };
        for dependency in used.iter().filter(|used| Some(**used) != failed) {
            if let Some(breaker) = self.breakers.get(dependency.name()) {
                breaker.record_success();
            }
        }
        if let Some(breaker) = failed.and_then(|failed| self.breakers.get(failed.name())) {
            breaker.record_failure();
        }
    }
}

fn concluded(key: &str, millis: u64, outcome: &RunOutcome) -> Outcome {
    match outcome {
        RunOutcome::Processed(done) => {
            let stages: Vec<_> = done.ran.iter().map(|stage| stage.name()).collect();
            tracing::info!(
                source = key,
                pages = done.counts.pages,
                links = done.counts.links,
                chunks = done.counts.chunks,
                failed_pages = done.failed_pages.len(),
                llm_calls = done.llm_calls,
                stages = stages.join(","),
                millis,
                "processed"
            );
            Outcome::Done
        }
        RunOutcome::Unchanged(_) => {
            tracing::info!(source = key, millis, "unchanged");
            Outcome::Done
        }
        RunOutcome::Superseded => {
            tracing::info!(source = key, "superseded by a newer event");
            Outcome::Superseded
        }
        RunOutcome::Removed => {
            tracing::info!(source = key, millis, "removed");
            Outcome::Done
        }
    }
}

/// Whether the same message has a newer event of the same key. The older one is not worked on: where the newer one
/// can't be finished, each delivery would build the older version anew before it fails again.
fn is_overtaken(event: &Event, events: &[Event]) -> bool {
    let (Some((key, Some(sequencer))), true) = (place_of(event), events.len() > 1) else {
        return false;
    };
    events
        .iter()
        .filter_map(place_of)
        .any(|(other_key, other)| other_key == key && other.is_some_and(|other| other > sequencer))
}

/// An event's bucket and key, and its place among the events of that key.
fn place_of(event: &Event) -> Option<((&str, &str), Option<Sequencer>)> {
    let (bucket, key, sequencer) = match event {
        Event::Job(job) => (&job.bucket, &job.key, &job.sequencer),
        Event::Removed(removal) => (&removal.bucket, &removal.key, &removal.sequencer),
        Event::Ignored { .. } | Event::Rejected { .. } => return None,
    };
    let sequencer = sequencer.clone().and_then(Sequencer::new);
    Some(((bucket.as_str(), key.as_str()), sequencer))
}

fn permanent(reason: &str, stage: Option<&str>, message: String) -> Outcome {
    Outcome::Permanent(PermanentFailure {
        reason_code: reason.to_owned(),
        stage: stage.map(str::to_owned),
        page: None,
        message,
    })
}

/// The trace id that the sender gave, or the message's own id.
fn trace_id(events: &[Event], message_id: &str) -> String {
    let given = events.iter().find_map(|event| match event {
        Event::Job(job) => job.trace_id.clone(),
        _ => None,
    });
    given.unwrap_or_else(|| message_id.to_owned())
}

#[cfg(test)]
mod tests;
