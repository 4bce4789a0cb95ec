//! Infrastructure and secrets, from the environment.
//!
//! [`VARIABLES`] is the whole list; `docs/CONFIGURATION.md` is made from it. A variable that begins with `PAGEMILL_`
//! and is not in the list is refused, so that a slip of the pen can't pass for a default.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use pagemill_index::CollectionNames;
use pagemill_pdf::LayerName;
use secrecy::{ExposeSecret, SecretString};

use crate::memory_limit;

/// One environment variable that is read.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) secret: bool,
    pub(crate) meaning: &'static str,
}

const fn variable(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable {
        name,
        default,
        secret: false,
        meaning,
    }
}

const fn secret(name: &'static str, meaning: &'static str) -> Variable {
    Variable {
        name,
        default: "",
        secret: true,
        meaning,
    }
}

/// Every variable that is read, but for the AWS SDK's own (`AWS_REGION`, `AWS_ENDPOINT_URL`, credentials).
pub(crate) const VARIABLES: &[Variable] = &[
    variable(
        "S3_BUCKET",
        "",
        "Bucket with the sources and all outputs. Needed by `run`.",
    ),
    variable(
        "SQS_QUEUE_URL",
        "",
        "URL of the queue that the bucket's events arrive on. Needed by `run`.",
    ),
    variable(
        "SQS_DLQ_URL",
        "",
        "URL of the dead-letter queue, where a document that can never be processed goes at once, with its reason. When it is not given, the one that the queue's redrive policy names is used.",
    ),
    variable(
        "QDRANT_URL",
        "",
        "gRPC address of a Qdrant server, such as `http://qdrant:6334`.",
    ),
    secret("QDRANT_API_KEY", "API key of the Qdrant server."),
    variable(
        "QDRANT_API_KEY_SECRET_ARN",
        "",
        "Secrets Manager ARN to read QDRANT_API_KEY from instead.",
    ),
    variable(
        "PAGEMILL_VECTOR_DIR",
        "",
        "Folder for the embedded vector store, instead of a Qdrant server. `local` uses `OUT/vectors`.",
    ),
    variable(
        "QDRANT_PAGES_COLLECTION",
        "pdf_pages_store",
        "Collection of the `pages` store.",
    ),
    variable(
        "QDRANT_SEMANTIC_COLLECTION",
        "semantic_store",
        "Collection of the `semantic` store.",
    ),
    variable(
        "QDRANT_HAYSTACK_COLLECTION",
        "haystack_store",
        "Collection of the `haystack` store.",
    ),
    variable(
        "LLM_BASE_URL",
        "",
        "Base URL of an OpenAI-compatible API, such as `http://llm:8080/v1`. Needed when `metadata.generator` is `llm`.",
    ),
    secret("LLM_API_KEY", "API key of that API."),
    variable(
        "LLM_API_KEY_SECRET_ARN",
        "",
        "Secrets Manager ARN to read LLM_API_KEY from instead.",
    ),
    variable(
        "EMBEDDINGS_BASE_URL",
        "LLM_BASE_URL",
        "Base URL of an OpenAI-compatible embeddings API. Needed when `index.embedder` is an API.",
    ),
    secret(
        "EMBEDDINGS_API_KEY",
        "API key of that API; LLM_API_KEY when not set.",
    ),
    variable(
        "ECS_AGENT_URI",
        "",
        "Address of the ECS container agent; ECS sets it in every container. `run` has the task protected from scale-in while it is at work.",
    ),
    variable(
        "APP_CONFIG_KEY",
        "config/app_config.json",
        "Key of the tunables in the bucket; the defaults are used when there is no such object.",
    ),
    variable(
        "PAGEMILL_RUNTIME",
        ".pagemill",
        "Folder that holds `libpdfium.so` and `models/`, as `scripts/setup` makes it.",
    ),
    variable(
        "PAGEMILL_CHILDREN",
        "number of processors, fewer where the container's memory is small",
        "Renderer processes at work at the same time.",
    ),
    variable(
        "PAGEMILL_DOCUMENTS",
        "number of processors, fewer where the container's memory is small",
        "Documents that `run` works on at the same time.",
    ),
    variable(
        "PAGEMILL_SANDBOX",
        "best-effort",
        "What must be there of the sandbox around renderer processes. `best-effort`: what this machine has is used, and `doctor` warns of each missing layer. `required`: nothing starts when any layer is missing. Or the layers that must be there, separated by commas: `environment`, `descriptors`, `undumpable`, `capabilities`, `landlock`, `seccomp` (`limits` and `no-new-privileges` always must).",
    ),
    variable(
        "PAGEMILL_LOG_FORMAT",
        "json for `run`, else text",
        "`json` or `text`.",
    ),
    variable(
        "RUST_LOG",
        "info for `run`, else warn",
        "What is logged, in the syntax of tracing's EnvFilter.",
    ),
    variable(
        "PAGEMILL_DRAIN_SECONDS",
        "110",
        "After SIGTERM, how long work in progress may take to finish before it is released. Keep it below the container's stop timeout.",
    ),
    variable(
        "PAGEMILL_LEASE_SECONDS",
        "120",
        "To how many seconds of visibility a message's lease is renewed, 6 to 1024. At first it is taken for half of that, and renewed after a third. A shorter lease brings the message of a dead worker back sooner, and survives a shorter trouble of the network; below 96 a poll for messages waits less than 20 s, so that what it brings still has half of its first time, and an idle worker polls more often.",
    ),
    variable(
        "PAGEMILL_STATUS_FILE",
        "`/scratch/worker-status.json` where there is a folder `/scratch`, else `pagemill-worker-status.json` in the folder for temporary files",
        "Where `run` keeps its status, which `health` reads. Give each worker its own when several run on one machine.",
    ),
    variable(
        "PAGEMILL_STATUS_SECONDS",
        "5",
        "How often the status is written. `health` fails when it is more than four times as old.",
    ),
    variable(
        "PAGEMILL_METRICS",
        "on",
        "`on`: `run` writes its metrics to standard output, once a minute, as CloudWatch Embedded Metric Format (docs/METRICS.md). `off`: it writes none.",
    ),
    variable(
        "PAGEMILL_METRICS_NAMESPACE",
        "Pagemill",
        "Namespace of the metrics in CloudWatch.",
    ),
];

/// Variables that tests and scripts use, which the worker may meet and leaves alone.
const FOREIGN: &[&str] = &[
    "PAGEMILL_CORPUS",
    "PAGEMILL_MINISTACK",
    "PAGEMILL_PROFILE",
    "PAGEMILL_SIM_FAILURES",
    "PAGEMILL_SIM_FIRST",
    "PAGEMILL_SIM_SEED",
    "PAGEMILL_SIM_SEEDS",
];

/// What the environment says.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) bucket: Option<String>,
    pub(crate) queue_url: Option<String>,
    pub(crate) dlq_url: Option<String>,
    pub(crate) qdrant: Option<Qdrant>,
    pub(crate) vector_dir: Option<PathBuf>,
    pub(crate) collections: CollectionNames,
    pub(crate) llm: Option<Api>,
    pub(crate) embeddings: Option<Api>,
    pub(crate) ecs_agent: Option<String>,
    pub(crate) app_config_key: String,
    pub(crate) runtime: PathBuf,
    pub(crate) children: usize,
    /// Layers of the sandbox without which no renderer is used.
    pub(crate) required_layers: BTreeSet<LayerName>,
    pub(crate) documents: usize,
    pub(crate) drain: Duration,
    pub(crate) lease: Duration,
    pub(crate) status_every: Duration,
    /// The namespace of the metrics; none: they are not written.
    pub(crate) metrics: Option<String>,
}

/// A Qdrant server.
#[derive(Debug)]
pub(crate) struct Qdrant {
    pub(crate) url: String,
    pub(crate) api_key: Option<SecretString>,
}

/// An OpenAI-compatible API.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) base_url: String,
    pub(crate) api_key: Option<SecretString>,
}

/// Reads `.env` of the working directory, when there is one. What the environment has already wins.
pub(crate) fn load_dotenv() -> anyhow::Result<()> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(error) => Err(error).context(".env can't be read: mend or remove it"),
    }
}

/// Where `run` keeps its status and `health` looks for it. Read alone, as `health` needs nothing else.
pub(crate) fn status_file() -> PathBuf {
    match std::env::var_os("PAGEMILL_STATUS_FILE") {
        Some(path) if !path.is_empty() => path.into(),
        _ if std::path::Path::new("/scratch").is_dir() => "/scratch/worker-status.json".into(),
        _ => std::env::temp_dir().join("pagemill-worker-status.json"),
    }
}

impl Environment {
    /// Reads the environment, and secrets from Secrets Manager where it names an ARN.
    pub(crate) async fn read() -> anyhow::Result<Self> {
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut environment = Self::from_variables(&variables)?;
        environment.resolve_secrets(&variables).await?;
        Ok(environment)
    }

    /// Reads everything that needs no network.
    pub(crate) fn from_variables(variables: &BTreeMap<String, String>) -> anyhow::Result<Self> {
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
            required_layers: required_layers(text("PAGEMILL_SANDBOX").as_deref())?,
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
            qdrant.api_key = Some(secret_value("QDRANT_API_KEY_SECRET_ARN", arn).await?);
        }
        if let Some(arn) = variables.get("LLM_API_KEY_SECRET_ARN") {
            let key = secret_value("LLM_API_KEY_SECRET_ARN", arn).await?;
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
    pub(crate) fn in_force() -> Vec<(&'static str, String)> {
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
pub(crate) fn without_credentials(value: &str) -> String {
    match (value.find("://"), value.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}********{}", &value[..scheme + 3], &value[at..])
        }
        _ => value.to_owned(),
    }
}

/// Reads one secret. A JSON secret with a single field gives that field's value.
async fn secret_value(variable: &str, arn: &str) -> anyhow::Result<SecretString> {
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let client = aws_sdk_secretsmanager::Client::new(&config);
    let answer = client.get_secret_value().secret_id(arn).send().await;
    let answer = answer.map_err(|error| {
        let reason = aws_sdk_secretsmanager::error::DisplayErrorContext(error).to_string();
        anyhow::anyhow!(
            "the secret named by {variable} can't be read: check the ARN and the task role's secretsmanager:GetSecretValue ({reason})"
        )
    })?;
    let Some(text) = answer.secret_string() else {
        bail!("the secret named by {variable} is binary: store the key as text");
    };
    let fields = serde_json::from_str::<BTreeMap<String, String>>(text).unwrap_or_default();
    let value = match fields.len() {
        0 => text.to_owned(),
        1 => fields.into_values().next().unwrap_or_default(),
        _ => bail!(
            "the secret named by {variable} has several fields: name one with a single field, or plain text"
        ),
    };
    let secret = SecretString::from(value);
    if secret.expose_secret().trim().is_empty() {
        bail!("the secret named by {variable} is empty: store the key in it");
    }
    Ok(secret)
}

/// The layers that a value of PAGEMILL_SANDBOX asks for.
fn required_layers(value: Option<&str>) -> anyhow::Result<BTreeSet<LayerName>> {
    match value {
        None | Some("best-effort") => Ok(BTreeSet::new()),
        Some("required") => Ok(BTreeSet::from(LayerName::ALL)),
        Some(names) => names
            .split(',')
            .map(|name| name.trim().parse::<LayerName>().map_err(anyhow::Error::msg))
            .collect::<anyhow::Result<_>>()
            .context("PAGEMILL_SANDBOX is neither best-effort nor required nor a list of layers"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> anyhow::Result<Environment> {
        let variables = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment::from_variables(&variables.collect())
    }

    #[test]
    fn an_unknown_variable_of_ours_is_refused_by_name() {
        let error = read(&[("PAGEMILL_CHILDRN", "3")]).unwrap_err().to_string();
        assert!(error.contains("PAGEMILL_CHILDRN"), "{error}");
    }

    #[test]
    fn ho_1_the_sandbox_can_be_required_wholly_or_by_layer() {
        let layers = |value| {
            read(&[("PAGEMILL_SANDBOX", value)]).map(|environment| environment.required_layers)
        };
        assert!(read(&[]).unwrap().required_layers.is_empty());
        assert!(layers("best-effort").unwrap().is_empty());
        assert_eq!(layers("required").unwrap().len(), LayerName::ALL.len());
        let some = [LayerName::Capabilities, LayerName::Seccomp];
        assert_eq!(layers("seccomp, capabilities").unwrap(), some.into());
        let refusal = format!("{:#}", layers("seccomp,lundlock").unwrap_err());
        for part in ["PAGEMILL_SANDBOX", "lundlock", "landlock"] {
            assert!(refusal.contains(part), "{refusal}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for pairs in [
            &[
                ("QDRANT_URL", "http://q:6334"),
                ("PAGEMILL_VECTOR_DIR", "v"),
            ][..],
            &[("LLM_API_KEY", "k"), ("LLM_API_KEY_SECRET_ARN", "arn:x")][..],
            &[("QDRANT_API_KEY", "k")][..],
            &[
                ("QDRANT_PAGES_COLLECTION", "x"),
                ("QDRANT_SEMANTIC_COLLECTION", "x"),
            ][..],
            &[("PAGEMILL_CHILDREN", "none")][..],
            &[("PAGEMILL_LEASE_SECONDS", "5")][..],
        ] {
            assert!(read(pairs).is_err(), "{pairs:?}");
        }
    }

    #[test]
    fn le_2_every_lease_that_is_accepted_outlives_the_poll_before_it() {
        let mut accepted = 0;
        for seconds in 1..=1025 {
            let value = seconds.to_string();
            let Ok(environment) = read(&[("PAGEMILL_LEASE_SECONDS", &value)]) else {
                continue;
            };
            accepted += 1;
            let lease = pagemill_queue::LeaseSettings::renewed_to(environment.lease);
            lease.validate().expect("what is accepted works");
            let left = lease.first_visibility - lease.margin - lease.poll_wait();
            assert!(left > lease.call_timeout, "{seconds}: {left:?} is left");
        }
        assert_eq!(accepted, 1024 - 5);
        let refusal = read(&[("PAGEMILL_LEASE_SECONDS", "5")]).unwrap_err();
        assert!(refusal.to_string().contains("at least 6"), "{refusal}");
    }

    #[test]
    fn secrets_do_not_appear_when_shown() {
        let environment = read(&[
            ("QDRANT_URL", "http://q:6334"),
            ("QDRANT_API_KEY", "s3cr3t"),
            ("LLM_BASE_URL", "http://l"),
            ("LLM_API_KEY", "hush"),
        ]);
        let shown = format!("{:?}", environment.unwrap());
        assert!(
            !shown.contains("s3cr3t") && !shown.contains("hush"),
            "{shown}"
        );
        assert_eq!(
            without_credentials("http://user:pw@host:1/x"),
            "http://********@host:1/x"
        );
    }
}
