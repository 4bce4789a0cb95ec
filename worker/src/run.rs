//! `worker run`: messages from the queue, documents through the pipeline, until SIGTERM.

mod outage;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use pagemill_pipeline::{Parts, Pipeline};
use pagemill_queue::{
    BootClock, Clock, Heartbeat, Intake, IntakeSettings, LeaseSettings, PollHealth, Pulse, Queue,
    Settler,
};
use pagemill_storage::ObjectStore;
use tokio_util::sync::CancellationToken;

use crate::cli::{self, RunArguments};
use crate::handler::Handler;
use crate::health::{StatusWriter, Vitals};
use crate::metrics::{Metric, MetricsWriter};
use crate::task_protection::{EcsAgent, ProtectionSettings, TaskProtection};
use crate::telemetry::Telemetry;
use pagemill_app::adapters::{self, Vectors};
use pagemill_app::environment::{self, Environment};

/// How long a poll waits with `--until-empty`: the end is noticed soon, and there is nothing to save calls for.
const UNTIL_EMPTY_WAIT: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) async fn command(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::read().await?;
    let bucket = environment.bucket.clone().context(
        "S3_BUCKET is not set: set it to the bucket of the sources, or use `worker local` for a folder",
    )?;
    let queue_url = environment.queue_url.clone().context(
        "SQS_QUEUE_URL is not set: set it to the URL of the queue that the bucket's events arrive on",
    )?;
    let store: Arc<dyn ObjectStore> = Arc::new(adapters::bucket(&bucket).await);
    let settings = adapters::settings_from_store(&*store, &environment.app_config_key).await?;
    let targets = settings.targets(None)?;
    let parts = adapters::parts(
        &environment,
        settings,
        Arc::clone(&store),
        Vectors::Environment,
    )?;
    let clock = BootClock::shared();
    let (queue, heartbeat) = open_queue(&environment, &queue_url, &clock).await?;
    let shutdown = CancellationToken::new();
    stop_on_signal(shutdown.clone())?;
    let breakers = outage::breakers(&clock);
    let probes = outage::spawn_probes(&breakers, &environment, &parts, shutdown.clone())?;
    let lease = LeaseSettings::renewed_to(environment.lease)
        .fit(queue.capabilities())
        .map_err(anyhow::Error::msg)?;
    let polls = PollHealth::new(clock.clone());
    let telemetry = Arc::new(Telemetry::default());
    let vitals = Vitals {
        clock: clock.clone(),
        polls: Arc::clone(&polls),
        pulse: heartbeat.pulse(),
        breakers: Arc::clone(&breakers),
        telemetry: Arc::clone(&telemetry),
        shutdown: shutdown.clone(),
        slots: environment.documents,
        stall: lease.stall_timeout,
    };
    let settings = intake_settings(&arguments, &lease, &*queue, environment.documents);
    let intake = Intake::new(
        Arc::clone(&queue),
        settings,
        Arc::clone(&breakers),
        Arc::clone(&polls),
        clock.clone(),
    );
    let intake = match &environment.ecs_agent {
        Some(uri) => {
            let agent = Arc::new(EcsAgent::new(uri)?);
            let settings = ProtectionSettings::default();
            intake.protected_by(TaskProtection::new(agent, settings, clock))
        }
        None => intake,
    };
    let handler = Arc::new(Handler {
        pipeline: Pipeline::new(parts),
        bucket: bucket.clone(),
        settler: Settler::new(Arc::clone(&queue), env!("CARGO_PKG_VERSION")),
        heartbeat,
        lease,
        breakers,
        shutdown: shutdown.clone(),
        drain: environment.drain,
        telemetry: Arc::clone(&telemetry),
    });
    let watched = watch(&environment, telemetry, vitals, &handler)?;
    let indexer = Arc::clone(&handler.pipeline.parts().indexer);
    let waits_for_store = !arguments.until_empty;
    outage::prepare_collections(
        &indexer,
        &targets,
        waits_for_store,
        &handler.breakers,
        &polls,
        &shutdown,
    )
    .await?;
    if arguments.until_empty {
        stop_when_empty(queue, shutdown.clone());
    }
    tracing::info!(
        bucket,
        queue = queue_url,
        documents_at_once = environment.documents,
        "ready"
    );
    let received = intake
        .run(shutdown.clone(), |delivery| {
            let handler = Arc::clone(&handler);
            async move { handler.handle(delivery).await }
        })
        .await;
    shutdown.cancel();
    for probe in probes {
        probe.abort();
    }
    finish(handler.pipeline.parts()).await?;
    watched.finish();
    received.with_context(|| format!("{queue_url} can't be received from"))?;
    tracing::info!("stopped");
    Ok(ExitCode::from(cli::EXIT_OK))
}

/// The queue, on the connection that its messages must be settled on, and what renews their leases.
async fn open_queue(
    environment: &Environment,
    url: &str,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Arc<dyn Queue>, Heartbeat)> {
    let queue = adapters::queue(url).await;
    let described = queue.describe().await;
    let description = described.with_context(|| format!("SQS_QUEUE_URL ({url}) can't be used"))?;
    let dead_letters = adapters::dead_letters(&queue, environment.dlq_url.as_deref()).await?;
    if dead_letters.is_none() {
        tracing::warn!(
            "no dead-letter queue: documents that can't be processed come back until their messages expire"
        );
    }
    let renewed = url.to_owned();
    let heartbeat = Heartbeat::start(clock.clone(), move || async move {
        Ok(Arc::new(adapters::queue(&renewed).await) as Arc<dyn Queue>)
    })
    .await?;
    let queue = queue
        .described_by(&description)
        .with_dead_letters(dead_letters);
    let queue = heartbeat
        .client_for_work(|| async { Ok(Arc::new(queue) as Arc<dyn Queue>) })
        .await?;
    Ok((queue, heartbeat))
}

fn intake_settings(
    arguments: &RunArguments,
    lease: &LeaseSettings,
    queue: &dyn Queue,
    documents: usize,
) -> IntakeSettings {
    let settings = IntakeSettings::under(lease, queue.capabilities(), documents);
    match arguments.until_empty {
        true => IntakeSettings {
            wait: UNTIL_EMPTY_WAIT.min(settings.wait),
            ..settings
        },
        false => settings,
    }
}

/// Writes what is not written yet, and ends the children.
async fn finish(parts: &Parts) -> anyhow::Result<()> {
    if let Some(history) = &parts.history
        && let Err(error) = history.flush().await
    {
        tracing::warn!(
            "the history view could not be written ({error}); bulk-trigger history rebuild makes it anew"
        );
    }
    parts.indexer.store().flush().await?;
    parts.engine.shutdown().await;
    Ok(())
}

/// The threads that show how the worker does.
struct Watched {
    status: StatusWriter,
    metrics: Option<MetricsWriter>,
}

impl Watched {
    /// Blocks for the moment that the last metrics take to write.
    fn finish(self) {
        if let Some(metrics) = self.metrics {
            metrics.finish();
        }
        self.status.finish();
    }
}

/// Starts to show how the worker does: in the status file, and in the metrics.
fn watch(
    environment: &Environment,
    telemetry: Arc<Telemetry>,
    vitals: Vitals,
    handler: &Arc<Handler>,
) -> anyhow::Result<Watched> {
    let status = StatusWriter::start(
        environment::status_file(),
        environment.status_every,
        vitals.clone(),
    )?;
    let Some(namespace) = environment.metrics.clone() else {
        return Ok(Watched {
            status,
            metrics: None,
        });
    };
    let counters = Counters::new(vitals.pulse.clone(), handler.pipeline.clone());
    let sample = move |telemetry: &Telemetry| {
        vitals.sample(telemetry);
        counters.sample(telemetry);
    };
    let metrics = MetricsWriter::start(namespace, telemetry, Box::new(sample))?;
    Ok(Watched {
        status,
        metrics: Some(metrics),
    })
}

/// Counts that others keep since the beginning, given on as what came since the last look.
struct Counters {
    pulse: Pulse,
    pipeline: Pipeline,
    seen: Mutex<[u64; 2]>,
}

impl Counters {
    fn new(pulse: Pulse, pipeline: Pipeline) -> Self {
        Self {
            pulse,
            pipeline,
            seen: Mutex::new([0; 2]),
        }
    }

    fn sample(&self, telemetry: &Telemetry) {
        let now = [
            self.pulse.failed_renewals(),
            self.pipeline.parts().engine.deaths(),
        ];
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (metric, (now, seen)) in [Metric::RenewalsFailed, Metric::RendererDeaths]
            .into_iter()
            .zip(now.into_iter().zip(*seen))
        {
            let more = now.saturating_sub(seen);
            telemetry.metrics().add(metric, "", more as f64);
        }
        *seen = now;
    }
}

/// SIGTERM (ECS, Docker) and Ctrl-C both begin the drain.
fn stop_on_signal(shutdown: CancellationToken) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down: the poll under way is finished, nothing more is taken");
        shutdown.cancel();
    });
    Ok(())
}

/// Ends the run when the queue holds nothing, seen at two looks in a row.
fn stop_when_empty(queue: Arc<dyn Queue>, shutdown: CancellationToken) {
    tokio::spawn(async move {
        let mut looks = 0;
        while looks < 2 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            looks = match queue.depth().await {
                Ok(depth) if depth.total() == 0 => looks + 1,
                _ => 0,
            };
        }
        shutdown.cancel();
    });
}
