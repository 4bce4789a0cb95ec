//! Errors, by what the caller can do about them.

use std::time::Duration;

pub use pagemill_document::Dependency;

/// Why a document could not be indexed or searched for.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The dependency does not answer, or answers that it can't just now. Try again later.
    #[error("{dependency} is unavailable: {reason}")]
    Unavailable {
        /// The vector store or the embedder.
        dependency: Dependency,
        /// What was tried and what came back.
        reason: String,
    },
    /// The dependency asks for fewer calls. Try again after `retry_after`.
    #[error("{dependency} throttles{}: {reason}", .retry_after.map(|wait| format!(" for {} s", wait.as_secs())).unwrap_or_default())]
    Throttled {
        /// The vector store or the embedder.
        dependency: Dependency,
        /// How long it asks to wait, when it says so.
        retry_after: Option<Duration>,
        /// What it said.
        reason: String,
    },
    /// The dependency does not accept our key, or does not let us do this. An operator's task.
    #[error("{dependency} refuses access: {reason}: check its API key and what the key may do")]
    Refused {
        /// The vector store or the embedder.
        dependency: Dependency,
        /// What it said.
        reason: String,
    },
    /// The dependency says that the request itself is wrong. Asking again can't help.
    #[error("{dependency} rejects the request: {reason}")]
    Rejected {
        /// The vector store or the embedder.
        dependency: Dependency,
        /// What it said.
        reason: String,
    },
    /// The collection was made for another embedder.
    #[error(
        "collection {collection} holds vectors of {found} dimensions, the embedder makes {expected}: \
         set the embedder the collection was made with, or name another collection and index again"
    )]
    WrongVectorSize {
        /// Its name.
        collection: String,
        /// Dimensions in the collection.
        found: u64,
        /// Dimensions of the embedder.
        expected: u64,
    },
    /// The collection exists but not in the layout that is written here.
    #[error("collection {collection} has another layout: {reason}: name another collection")]
    WrongLayout {
        /// Its name.
        collection: String,
        /// What differs.
        reason: String,
    },
    /// The embedder gave vectors of another size than configured.
    #[error(
        "the embedder gave vectors of {found} dimensions where {expected} are configured: correct `dimensions`"
    )]
    WrongEmbedding {
        /// What came.
        found: usize,
        /// What was expected.
        expected: usize,
    },
    /// A model's file is not there.
    #[error(
        "the model file {file} is missing: run scripts/setup, set PAGEMILL_RUNTIME to the folder that holds models/, \
         or choose another embedder"
    )]
    ModelMissing {
        /// Its path.
        file: String,
    },
    /// A model's file can't be used.
    #[error("the model file {file} can't be used: {reason}: run scripts/setup to fetch it again")]
    ModelInvalid {
        /// Its path.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Another process has the embedded store open.
    #[error(
        "the embedded store in {dir} is in use by another process: wait until it ends, or use a Qdrant server; \
         searches need not wait"
    )]
    Locked {
        /// Its directory.
        dir: String,
    },
    /// The embedded store can't read or write its files, or failed inside.
    #[error("the embedded store failed: {reason}")]
    Engine {
        /// What was tried and what happened.
        reason: String,
    },
    /// The text of the document's pages can't be read from where it is kept.
    #[error("the text of the pages can't be read: {0}")]
    Pages(std::io::Error),
    /// The settings ask for what this program was built without.
    #[error(
        "{what} is not in this program: build it with `--features {feature}`, which is one of the default features"
    )]
    NotBuilt {
        /// What was asked for.
        what: String,
        /// The cargo feature that has it; of this crate and of the programs alike.
        feature: &'static str,
    },
    /// A setting makes no sense.
    #[error("{setting} can't be {value}: {remedy}")]
    Settings {
        /// The setting's name.
        setting: String,
        /// What it was set to.
        value: String,
        /// What to do.
        remedy: String,
    },
    /// The caller's permit was withdrawn, so nothing more was written.
    #[error("nothing more was written: {0}")]
    NotPermitted(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl IndexError {
    /// The stable reason code, used in records, the DLQ and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } | Self::Pages(_) => "unavailable",
            Self::Throttled { .. } => "throttled",
            Self::Refused { .. } => "refused",
            Self::Rejected { .. } => "rejected",
            Self::WrongVectorSize { .. } => "wrong_vector_size",
            Self::WrongLayout { .. } => "wrong_layout",
            Self::WrongEmbedding { .. } => "wrong_embedding",
            Self::ModelMissing { .. } => "model_missing",
            Self::ModelInvalid { .. } => "model_invalid",
            Self::Locked { .. } => "store_locked",
            Self::Engine { .. } => "store_engine",
            Self::NotBuilt { .. } => "not_built",
            Self::Settings { .. } => "settings",
            Self::NotPermitted(_) => "not_permitted",
        }
    }

    /// Whether trying the same document again can't help. Only a rejected request is the document's fault; what is
    /// wrong with the configuration or a dependency is not.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Rejected { .. })
    }

    /// Whether an operator has to change something before it can work.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::WrongVectorSize { .. }
                | Self::WrongLayout { .. }
                | Self::WrongEmbedding { .. }
                | Self::ModelMissing { .. }
                | Self::ModelInvalid { .. }
                | Self::NotBuilt { .. }
                | Self::Settings { .. }
        )
    }

    /// The dependency at fault, when it is one: its breaker opens.
    pub fn dependency(&self) -> Option<Dependency> {
        match self {
            Self::Unavailable { dependency, .. }
            | Self::Throttled { dependency, .. }
            | Self::Refused { dependency, .. } => Some(*dependency),
            Self::WrongVectorSize { .. }
            | Self::WrongLayout { .. }
            | Self::Locked { .. }
            | Self::Engine { .. } => Some(Dependency::Vectors),
            Self::WrongEmbedding { .. } | Self::ModelMissing { .. } | Self::ModelInvalid { .. } => {
                Some(Dependency::Embedder)
            }
            Self::Pages(_) => Some(Dependency::Disk),
            Self::Rejected { .. }
            | Self::NotBuilt { .. }
            | Self::Settings { .. }
            | Self::NotPermitted(_) => None,
        }
    }

    /// How long the dependency asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
