//! An audit of sources, records, objects and points against each other.
//!
//! It changes nothing; [`Audit::delete`] does, when it is called. Memory holds the keys of the sources and of the JSON
//! files, one entry for each generation of page images and of points, and one record at a time.

mod audit;
mod finding;
mod inventory;
mod leftovers;
mod orphans;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use pagemill_index::{VectorStore, embedded_store_to_read, qdrant_store};
use pagemill_pipeline::{AddedStage, Graph, Pipeline, Searchable, Settings};
use pagemill_storage::{FolderStore, ObjectStore, Overlay};

use self::audit::Remedies;
pub use self::audit::{Audit, Checked};
pub use self::finding::{Finding, Kind};
pub use self::orphans::Orphan;
use crate::adapters::{self, VECTORS, Vectors};
use crate::environment::Environment;

/// What changed so short a time ago in a bucket is taken as being at work.
const GRACE_IN_BUCKET: Duration = Duration::from_secs(3600);

/// What to audit.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The folder that `worker local` wrote; none: the bucket of the environment.
    pub out: Option<PathBuf>,
    /// The folder that `worker local` processed, to compare the sources too.
    pub input: Option<PathBuf>,
    /// Whether the settings in force are compared too: what would be made otherwise today.
    pub settings: bool,
    /// Whether every text is read too: whether it has the letters that were read from its document.
    pub letters: bool,
    /// What changed so short a time ago is taken as being at work; none: an hour in a bucket, nothing in a folder.
    pub grace: Option<Duration>,
}

impl Audit {
    /// Opens what is to be audited.
    ///
    /// # Errors
    /// When the options or the environment name nothing that can be audited.
    pub async fn open(options: &Options, environment: &Environment) -> anyhow::Result<Self> {
        let (store, settings, remedies) = what_to_verify(options, environment).await?;
        let vectors = vectors(options, environment)?;
        let pipeline = match options.settings {
            true => {
                let vectors = vectors.as_ref();
                let planner = pipeline(options, environment, &settings, &store, vectors)?;
                Some(planner)
            }
            false => None,
        };
        let grace = options.grace.unwrap_or(match &options.out {
            None => GRACE_IN_BUCKET,
            Some(_) => Duration::ZERO,
        });
        Ok(Self {
            layout: settings.layout.clone(),
            vectors,
            collections: environment.collections.clone(),
            graph: graph_to_look_for(pipeline.as_ref().map(Pipeline::graph)),
            pipeline,
            letters: options.letters,
            grace,
            remedies,
            store,
        })
    }

    /// What is not looked at, and why.
    pub fn skipped(&self) -> Vec<&'static str> {
        let mut skipped = Vec::new();
        if self.vectors.is_none() {
            skipped.push("points: no vector store is configured, or there is none yet");
        }
        if !self.remedies.has_sources {
            skipped.push("sources: give the folder that was processed with --input");
        }
        skipped
    }
}

async fn what_to_verify(
    options: &Options,
    environment: &Environment,
) -> anyhow::Result<(Arc<dyn ObjectStore>, Settings, Remedies)> {
    let Some(out) = &options.out else {
        let bucket = environment.bucket.clone().context(
            "neither --out nor S3_BUCKET says what to verify: give --out FOLDER, or set S3_BUCKET",
        )?;
        let store: Arc<dyn ObjectStore> = Arc::new(adapters::bucket(&bucket).await);
        let settings = adapters::settings_from_store(&*store, &environment.app_config_key).await?;
        let remedies = Remedies {
            has_sources: true,
            again: "bulk-trigger send".into(),
            again_by_key: true,
        };
        return Ok((store, settings, remedies));
    };
    if !out.is_dir() {
        bail!(
            "{} is no folder: give the one that `worker local` wrote",
            out.display()
        );
    }
    let settings = adapters::settings_from_file(&out.join(&environment.app_config_key), false)?;
    let derived: Arc<dyn ObjectStore> = Arc::new(FolderStore::new(out));
    let input = match &options.input {
        Some(input) if input.is_dir() => input.display().to_string(),
        Some(input) => bail!("{} is no folder", input.display()),
        None => "IN".to_owned(),
    };
    let remedies = Remedies {
        has_sources: options.input.is_some(),
        again: format!("worker local {input} --out {}", out.display()),
        again_by_key: false,
    };
    let store: Arc<dyn ObjectStore> = match &options.input {
        None => derived,
        Some(input) => Arc::new(Overlay::new(
            Arc::new(FolderStore::read_only(input)),
            derived,
            settings.layout.source.clone(),
        )),
    };
    Ok((store, settings, remedies))
}

fn vectors(
    options: &Options,
    environment: &Environment,
) -> anyhow::Result<Option<Arc<dyn VectorStore>>> {
    let embedded = match &options.out {
        Some(out) => Some(out.join(VECTORS)),
        None => environment.vector_dir.clone(),
    };
    if let Some(qdrant) = &environment.qdrant {
        return Ok(Some(qdrant_store(&qdrant.url, qdrant.api_key.as_ref())?));
    }
    match embedded.filter(|folder| folder.is_dir()) {
        Some(folder) => Ok(Some(embedded_store_to_read(&folder)?)),
        None => Ok(None),
    }
}

/// The stages whose files are looked for: also those that some runs of these programs have and others have not. One
/// leaves behind what the other never looks at.
fn graph_to_look_for(planned: Option<&Arc<Graph>>) -> Arc<Graph> {
    let graph = planned.map(|graph| Graph::clone(graph)).unwrap_or_default();
    match graph.row(Searchable.spec().stage) {
        Some(_) => Arc::new(graph),
        None => {
            let with_copies = graph.with(Arc::new(Searchable));
            Arc::new(with_copies.expect("it is made from the text, which every graph has"))
        }
    }
}

/// A pipeline that only plans, to compare the settings in force.
fn pipeline(
    options: &Options,
    environment: &Environment,
    settings: &Settings,
    store: &Arc<dyn ObjectStore>,
    vectors: Option<&Arc<dyn VectorStore>>,
) -> anyhow::Result<Pipeline> {
    if options.out.is_some() && options.input.is_none() {
        bail!("--settings compares sources too: give their folder with --input");
    }
    let vectors = vectors.map_or(Vectors::Environment, |open| Vectors::Open(Arc::clone(open)));
    let parts = adapters::parts(environment, settings.clone(), Arc::clone(store), vectors)?;
    Ok(Pipeline::new(parts))
}

#[cfg(test)]
mod tests;
