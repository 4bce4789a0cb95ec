//! A question in, hits out.

use std::path::PathBuf;

use anyhow::{Context, bail};
use pagemill_index::{Hit, Indexer, SearchFilter, TargetStore, embedded_store_to_read};

use crate::adapters::{self, VECTORS, Vectors};
use crate::environment::Environment;

/// What to look for, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that `worker local` wrote; none: the vector store of the environment.
    pub out: Option<PathBuf>,
    /// A file of tunables, instead of the folder's own.
    pub config: Option<PathBuf>,
    /// Which store to ask.
    pub store: TargetStore,
    /// Only documents whose key starts with this; it ends with `/`.
    pub prefix: Option<String>,
    /// How many hits at most.
    pub limit: usize,
}

/// A store that is open for questions.
#[derive(Debug)]
pub struct Searcher {
    indexer: Indexer,
    store: TargetStore,
    filter: SearchFilter,
    limit: usize,
}

impl Searcher {
    /// Opens the store.
    ///
    /// # Errors
    /// When there is no store yet, or a setting is wrong.
    pub fn open(options: &Options, environment: &Environment) -> anyhow::Result<Self> {
        let config = match (&options.config, &options.out) {
            (Some(config), _) => config.clone(),
            (None, Some(out)) => out.join(&environment.app_config_key),
            (None, None) => environment.app_config_key.clone().into(),
        };
        let settings = adapters::settings_from_file(&config, options.config.is_some())?;
        let vectors = match (&options.out, &environment.qdrant) {
            (Some(out), None) => {
                let folder = out.join(VECTORS);
                if !folder.is_dir() {
                    bail!(
                        "{} holds no vectors yet: run worker local IN --out {} first",
                        out.display(),
                        out.display()
                    );
                }
                Vectors::Open(embedded_store_to_read(&folder)?)
            }
            (None, None) => match &environment.vector_dir {
                Some(folder) => Vectors::Open(embedded_store_to_read(folder)?),
                None => Vectors::Environment,
            },
            (_, Some(_)) => Vectors::Environment,
        };
        if let Some(prefix) = &options.prefix
            && !prefix.ends_with('/')
        {
            bail!("--prefix {prefix} names no folder: end it with /");
        }
        Ok(Self {
            indexer: adapters::indexer(environment, &settings, vectors, true)?,
            store: options.store,
            filter: SearchFilter {
                folder: options.prefix.clone(),
                ..SearchFilter::default()
            },
            limit: options.limit,
        })
    }

    /// What the store has for a question, best first.
    ///
    /// # Errors
    /// When the store does not answer, or was made by another embedder.
    pub async fn ask(&self, question: &str) -> anyhow::Result<Vec<Hit>> {
        let filter = self.filter.clone();
        let found = self
            .indexer
            .search(self.store, question, self.limit, filter);
        let store = self.store;
        found
            .await
            .with_context(|| format!("the {store} store can't be searched"))
    }
}
