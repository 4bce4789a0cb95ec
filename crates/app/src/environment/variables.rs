//! Every variable that is read.

/// One environment variable that is read.
#[derive(Debug)]
pub struct Variable {
    /// As it is set.
    pub name: &'static str,
    /// What holds without it, as a value or in words; empty for nothing.
    pub default: &'static str,
    /// Whether its value is never shown.
    pub secret: bool,
    /// What it does, in a sentence or more.
    pub meaning: &'static str,
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
pub const VARIABLES: &[Variable] = &[
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
        "Base URL of an OpenAI-compatible API, such as `http://llm:8080/v1`, or a provider by name: `openai`, `gemini`, `anthropic`. Needed when `metadata.generator` is `llm`.",
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
        "For how many seconds a renewal holds a message, 6 to 1024. At first it is held for half of that, and renewed after a third. A shorter lease brings the message of a dead worker back sooner, and survives a shorter trouble of the network; below 96 a poll for messages waits less than 20 s, so that what it brings still has half of its first time, and an idle worker polls more often.",
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
pub(super) const FOREIGN: &[&str] = &[
    "PAGEMILL_ALLOW_SKIPS",
    "PAGEMILL_CORPUS",
    "PAGEMILL_MINISTACK",
    "PAGEMILL_PROFILE",
    "PAGEMILL_SIM_BUS",
    "PAGEMILL_SIM_FAILURES",
    "PAGEMILL_SIM_FIRST",
    "PAGEMILL_SIM_SEED",
    "PAGEMILL_SIM_SEEDS",
];
