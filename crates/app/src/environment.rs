//! Infrastructure and secrets, from the environment.
//!
//! [`VARIABLES`] is the whole list; `docs/CONFIGURATION.md` is made from it. A variable that begins with `PAGEMILL_`
//! and is not in the list is refused, so that a slip of the pen can't pass for a default.

mod secrets;
mod variables;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use pagemill_index::CollectionNames;
use secrecy::SecretString;

use self::variables::FOREIGN;
pub use self::variables::{VARIABLES, Variable};
use crate::memory_limit;

/// What the environment says.
#[derive(Debug)]
pub struct Environment {
    /// Bucket with the sources and all outputs.
    pub bucket: Option<String>,
    /// The queue that the bucket's events arrive on.
    pub queue_url: Option<String>,
    /// The dead-letter queue, where it is not the one of the queue's redrive policy.
    pub dlq_url: Option<String>,
    /// The vector store, where it is a server.
    pub qdrant: Option<Qdrant>,
    /// Folder of the embedded vector store.
    pub vector_dir: Option<PathBuf>,
    /// What the vector stores' collections are called.
    pub collections: CollectionNames,
    /// The API of the language model.
    pub llm: Option<Api>,
    /// The API of the embedding model.
    pub embeddings: Option<Api>,
    /// Address of the ECS container agent.
    pub ecs_agent: Option<String>,
    /// Key of the tunables in the bucket.
    pub app_config_key: String,
    /// Folder of libpdfium and the models.
    pub runtime: PathBuf,
    /// Renderer processes at work at the same time.
    pub children: usize,
    /// What must be there of the sandbox around renderers, as it was written.
    pub sandbox: Option<String>,
    /// Documents at work at the same time.
    pub documents: usize,
    /// After SIGTERM, how long work may take to finish.
    pub drain: Duration,
    /// To how long a message's lease is renewed.
    pub lease: Duration,
    /// How often the status file is written.
    pub status_every: Duration,
    /// The namespace of the metrics; none: they are not written.
    pub metrics: Option<String>,
}

/// A Qdrant server.
#[derive(Debug)]
pub struct Qdrant {
    /// Its gRPC address.
    pub url: String,
    /// Its key, where it wants one.
    pub api_key: Option<SecretString>,
}

/// An OpenAI-compatible API.
#[derive(Debug, Clone)]
pub struct Api {
    /// What its paths begin with, such as `http://llm:8080/v1`.
    pub base_url: String,
    /// Its key, where it wants one.
    pub api_key: Option<SecretString>,
}

/// Reads `.env` of the working directory, when there is one. What the environment has already wins.
///
/// # Errors
/// When it is there and can't be read.
pub fn load_dotenv() -> anyhow::Result<()> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(error) => Err(error).context(".env can't be read: mend or remove it"),
    }
}

/// Where `run` keeps its status and `health` looks for it. Read alone, as `health` needs nothing else.
pub fn status_file() -> PathBuf {
    match std::env::var_os("PAGEMILL_STATUS_FILE") {
        Some(path) if !path.is_empty() => path.into(),
        _ if std::path::Path::new("/scratch").is_dir() => "/scratch/worker-status.json".into(),
        _ => std::env::temp_dir().join("pagemill-worker-status.json"),
    }
}

impl Environment {
    /// Reads the environment, and secrets from Secrets Manager where it names an ARN.
    ///
    /// # Errors
    /// When a variable can't be used, or a secret can't be read; the text names it and the remedy.
    pub async fn read() -> anyhow::Result<Self> {
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut environment = Self::from_variables(&variables)?;
        environment.resolve_secrets(&variables).await?;
        Ok(environment)
    }

    /// Reads everything that needs no network.
    ///
    /// # Errors
    /// When a variable is unknown, contradicts another one, or can't be used.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        for name in variables
            .keys()
            .filter(|name| name.starts_with("PAGEMILL_"))
        {
            let is_known = VARIABLES.iter().any(|known| known.name == name);
            if !is_known && !FOREIGN.contains(&name.as_str()) {
                bail!(
                    "{name} is set but is no setting of the worker: correct or unset it (see docs/CONFIGURATION.md)"
                );
            }
        }
        let text = |name: &str| {
            variables
                .get(name)
                .filter(|value| !value.trim().is_empty())
                .cloned()
        };
        let secret = |name: &str| text(name).map(SecretString::from);
        let count = |name: &str, default: usize| match text(name) {
            None => Ok(default),
            Some(value) => match value.parse::<usize>() {
                Ok(number) if (1..=1024).contains(&number) => Ok(number),
                _ => bail!("{name} is {value:?}: give a number from 1 to 1024"),
            },
        };
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let at_once = memory_limit::at_once(processors, memory_limit::of_container_mib());
        for (key, arn) in [
            ("QDRANT_API_KEY", "QDRANT_API_KEY_SECRET_ARN"),
            ("LLM_API_KEY", "LLM_API_KEY_SECRET_ARN"),
        ] {
            if text(key).is_some() && text(arn).is_some() {
                bail!("{key} and {arn} are both set: unset one of them");
            }
        }
        if text("QDRANT_URL").is_some() && text("PAGEMILL_VECTOR_DIR").is_some() {
            bail!(
                "QDRANT_URL and PAGEMILL_VECTOR_DIR are both set: unset the one that is not meant"
            );
        }
        if text("QDRANT_URL").is_none() && text("QDRANT_API_KEY").is_some() {
            bail!("QDRANT_API_KEY is set without QDRANT_URL: set QDRANT_URL, or unset the key");
        }
        let defaults = CollectionNames::default();
        let collections = CollectionNames {
            pages: text("QDRANT_PAGES_COLLECTION").unwrap_or(defaults.pages),
            semantic: text("QDRANT_SEMANTIC_COLLECTION").unwrap_or(defaults.semantic),
            haystack: text("QDRANT_HAYSTACK_COLLECTION").unwrap_or(defaults.haystack),
        };
        let names = [
            &collections.pages,
            &collections.semantic,
            &collections.haystack,
        ];
        if names
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            < names.len()
        {
            bail!(
                "two of the QDRANT_*_COLLECTION variables name the same collection: give each store its own"
            );
        }
        let llm = text("LLM_BASE_URL").map(|base_url| Api {
            base_url,
            api_key: secret("LLM_API_KEY"),
        });
        let embeddings = match text("EMBEDDINGS_BASE_URL") {
            Some(base_url) => Some(Api {
                base_url,
                api_key: secret("EMBEDDINGS_API_KEY").or_else(|| secret("LLM_API_KEY")),
            }),
            None => llm.clone().map(|llm| Api {
                api_key: secret("EMBEDDINGS_API_KEY").or(llm.api_key),
                base_url: llm.base_url,
            }),
        };
        let drain = count("PAGEMILL_DRAIN_SECONDS", 110)?;
        let lease = count("PAGEMILL_LEASE_SECONDS", 120)?;
        if lease < 6 {
            bail!("PAGEMILL_LEASE_SECONDS is {lease}: give at least 6, or renewals come too late");
        }
        let status_seconds = count("PAGEMILL_STATUS_SECONDS", 5)?;
        let namespace = text("PAGEMILL_METRICS_NAMESPACE").unwrap_or_else(|| "Pagemill".into());
        if namespace.chars().count() > 255 || namespace.starts_with("AWS/") {
            bail!(
                "PAGEMILL_METRICS_NAMESPACE is {namespace:?}: give at most 255 characters that do not begin with AWS/"
            );
        }
        let metrics = match text("PAGEMILL_METRICS").as_deref() {
            None | Some("on") => Some(namespace),
            Some("off") => None,
            Some(other) => bail!("PAGEMILL_METRICS is {other:?}: give on or off"),
        };
        Ok(Self {
            bucket: text("S3_BUCKET"),
            queue_url: text("SQS_QUEUE_URL"),
            dlq_url: text("SQS_DLQ_URL"),
            qdrant: text("QDRANT_URL").map(|url| Qdrant {
                url,
                api_key: secret("QDRANT_API_KEY"),
            }),
            vector_dir: text("PAGEMILL_VECTOR_DIR").map(PathBuf::from),
            collections,
            llm,
            embeddings,
            ecs_agent: text("ECS_AGENT_URI"),
            app_config_key: text("APP_CONFIG_KEY")
                .unwrap_or_else(|| "config/app_config.json".into()),
            runtime: text("PAGEMILL_RUNTIME").map_or_else(|| ".pagemill".into(), PathBuf::from),
            children: count("PAGEMILL_CHILDREN", at_once)?,
            sandbox: text("PAGEMILL_SANDBOX"),
            documents: count("PAGEMILL_DOCUMENTS", at_once)?,
            drain: Duration::from_secs(drain as u64),
            lease: Duration::from_secs(lease as u64),
            status_every: Duration::from_secs(status_seconds as u64),
            metrics,
        })
    }

    async fn resolve_secrets(
        &mut self,
        variables: &BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        if let (Some(arn), Some(qdrant)) = (
            variables.get("QDRANT_API_KEY_SECRET_ARN"),
            self.qdrant.as_mut(),
        ) {
            qdrant.api_key = Some(secrets::value("QDRANT_API_KEY_SECRET_ARN", arn).await?);
        }
        if let Some(arn) = variables.get("LLM_API_KEY_SECRET_ARN") {
            let key = secrets::value("LLM_API_KEY_SECRET_ARN", arn).await?;
            if let Some(llm) = self.llm.as_mut() {
                llm.api_key = Some(key.clone());
            }
            if let Some(embeddings) = self.embeddings.as_mut()
                && embeddings.api_key.is_none()
            {
                embeddings.api_key = Some(key);
            }
        }
        Ok(())
    }

    /// Every variable with its value in force, secrets masked, for `worker config`.
    pub fn in_force() -> Vec<(&'static str, String)> {
        VARIABLES
            .iter()
            .map(|variable| {
                let value = match std::env::var(variable.name) {
                    Ok(value) if !value.is_empty() && variable.secret => "********".to_owned(),
                    Ok(value) if !value.is_empty() => without_credentials(&value),
                    _ if variable.default.is_empty() => "(not set)".to_owned(),
                    _ => format!("{} (default)", variable.default),
                };
                (variable.name, value)
            })
            .collect()
    }
}

/// Masks user name and password inside an address.
pub fn without_credentials(value: &str) -> String {
    match (value.find("://"), value.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}********{}", &value[..scheme + 3], &value[at..])
        }
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests;
