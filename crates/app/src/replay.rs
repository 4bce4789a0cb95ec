//! A message of the dead-letter queue, run here and watched.
//!
//! The bucket is only read, and only where no source is given; the queues are not touched. Outputs, record and vectors
//! go into a folder. An LLM that is configured is asked, as in a real run.

mod saved;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use pagemill_events::Job;
use pagemill_index::TargetStore;
use pagemill_pipeline::{
    Options as RunOptions, Permit, Pipeline, PipelineError, RunOutcome, Settings, Source,
};
use pagemill_storage::{
    FolderStore, MemoryStore, ObjectStore, Overlay, PutOptions, SourceKey, shown,
};

pub use self::saved::{SavedMessage, read};
use crate::adapters::{self, Origin, VECTORS, Vectors};
use crate::environment::Environment;

/// What a replay reads and where it writes.
#[derive(Debug, Clone)]
pub struct Options {
    /// The PDF itself, instead of reading it from the bucket.
    pub source: Option<PathBuf>,
    /// Where everything is written; the folder is there.
    pub out: PathBuf,
    /// A file of tunables, instead of those of the bucket.
    pub config: Option<PathBuf>,
}

/// A job, ready to run.
#[derive(Debug)]
pub struct Replay {
    pipeline: Pipeline,
    source: Source,
    targets: Vec<TargetStore>,
    options: RunOptions,
    /// Whether the tunables are the defaults, for want of any others.
    pub uses_defaults: bool,
}

impl Replay {
    /// Puts together what a job needs. `trace_id` is the message's, where it has one.
    ///
    /// # Errors
    /// When the source, the tunables or an adapter can't be had.
    pub async fn prepare(
        options: &Options,
        environment: &Environment,
        job: &Job,
        trace_id: Option<String>,
    ) -> anyhow::Result<Self> {
        let (settings, origin) = settings(options, environment, &job.bucket).await?;
        let uses_defaults = origin == Origin::Defaults;
        let (sources, version_id) = sources(options, &settings, job).await?;
        let targets = settings.targets(job.target_stores.as_deref())?;
        let derived: Arc<dyn ObjectStore> = Arc::new(FolderStore::create(&options.out)?);
        let store: Arc<dyn ObjectStore> = Arc::new(Overlay::with_whole_keys(
            sources,
            derived,
            settings.layout.source.clone(),
        ));
        let vectors = Vectors::Embedded(options.out.join(VECTORS));
        let parts = adapters::parts(environment, settings, store, vectors)?;
        parts.indexer.ensure(&targets).await?;
        Ok(Self {
            pipeline: Pipeline::new(parts),
            // The sequencer is left out: what the message was overtaken by is in the bucket's records, not here.
            source: Source {
                key: SourceKey(job.key.clone()),
                version_id,
                sequencer: None,
            },
            targets,
            options: RunOptions {
                force: true,
                custom_prompt: job.custom_prompt.clone(),
                trace_id: trace_id
                    .or_else(|| job.trace_id.clone())
                    .unwrap_or_else(|| "replay".to_owned()),
                ..RunOptions::default()
            },
            uses_defaults,
        })
    }

    /// Runs it. The inner result is the document's.
    ///
    /// # Errors
    /// When what was made can't be written down at the end.
    pub async fn run(
        self,
        permit: &dyn Permit,
    ) -> anyhow::Result<Result<RunOutcome, PipelineError>> {
        let result = self
            .pipeline
            .process_single_source(&self.source, &self.targets, &self.options, permit)
            .await;
        let parts = self.pipeline.parts();
        if let Some(history) = &parts.history {
            history.flush().await?;
        }
        parts.indexer.store().flush().await?;
        parts.engine.shutdown().await;
        Ok(result)
    }
}

/// The tunables, and where they are from. A source that was brought along needs no bucket.
async fn settings(
    options: &Options,
    environment: &Environment,
    bucket: &str,
) -> anyhow::Result<(Settings, Origin)> {
    let needs_bucket = options.source.is_none() || environment.bucket.is_some();
    let bucket = match needs_bucket && options.config.is_none() {
        true => Some(adapters::bucket(bucket).await),
        false => None,
    };
    let store = bucket.as_ref().map(|store| store as &dyn ObjectStore);
    let config = options.config.as_deref();
    adapters::settings_in_force(config, store, &environment.app_config_key).await
}

/// Where the source is read from, and which version of it.
async fn sources(
    options: &Options,
    settings: &Settings,
    job: &Job,
) -> anyhow::Result<(Arc<dyn ObjectStore>, Option<String>)> {
    if !settings.layout.is_source(&job.key) {
        bail!(
            "{} is no PDF below {}: a worker ignores it",
            shown(&job.key),
            settings.layout.source
        );
    }
    let Some(path) = &options.source else {
        let store: Arc<dyn ObjectStore> = Arc::new(adapters::bucket(&job.bucket).await);
        return Ok((store, job.version_id.clone()));
    };
    let bytes = std::fs::read(path)
        .with_context(|| format!("{} can't be read: give the PDF", path.display()))?;
    let store = MemoryStore::new("--source");
    store
        .put(&job.key, Bytes::from(bytes), PutOptions::default())
        .await?;
    Ok((Arc::new(store), None))
}
