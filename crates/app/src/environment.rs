//! Infrastructure and secrets, from the environment.
//!
//! [`VARIABLES`] is the whole list; `docs/CONFIGURATION.md` is made from it. A variable that begins with `PAGEMILL_`
//! and is not in the list is refused, so that a slip of the pen can't pass for a default.

mod given;
mod secrets;
mod variables;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use pagemill_index::CollectionNames;
use secrecy::SecretString;

use self::given::Given;
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
        let given = Given(variables);
        given.refuse_unknown()?;
        given.refuse_contradictions()?;
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let at_once = memory_limit::at_once(processors, memory_limit::of_container_mib());
        let (llm, embeddings) = given.apis();
        Ok(Self {
            bucket: given.text("S3_BUCKET"),
            queue_url: given.text("SQS_QUEUE_URL"),
            dlq_url: given.text("SQS_DLQ_URL"),
            qdrant: given.text("QDRANT_URL").map(|url| Qdrant {
                url,
                api_key: given.secret("QDRANT_API_KEY"),
            }),
            vector_dir: given.text("PAGEMILL_VECTOR_DIR").map(PathBuf::from),
            collections: given.collections()?,
            llm,
            embeddings,
            ecs_agent: given.text("ECS_AGENT_URI"),
            app_config_key: given
                .text("APP_CONFIG_KEY")
                .unwrap_or_else(|| "config/app_config.json".into()),
            runtime: given
                .text("PAGEMILL_RUNTIME")
                .map_or_else(|| ".pagemill".into(), PathBuf::from),
            children: given.count("PAGEMILL_CHILDREN", at_once)?,
            sandbox: given.text("PAGEMILL_SANDBOX"),
            documents: given.count("PAGEMILL_DOCUMENTS", at_once)?,
            drain: given.seconds("PAGEMILL_DRAIN_SECONDS", 110)?,
            lease: given.lease()?,
            status_every: given.seconds("PAGEMILL_STATUS_SECONDS", 5)?,
            metrics: given.metrics()?,
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
