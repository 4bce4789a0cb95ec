//! What can go wrong, by what the caller can do.

use std::time::Duration;

use pagemill_document::{Dependency, NotCharged};

/// Why no metadata could be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetadataError {
    /// The LLM can't be reached or is overloaded, also after the configured retries. Not the document's fault: try
    /// later, no sooner than `retry_after`.
    #[error(
        "{dependency} is unavailable ({reason}): try again later, or check that its base URL answers"
    )]
    Unavailable {
        /// Which dependency: the LLM.
        dependency: Dependency,
        /// What the last attempt ended with; no document text, no key.
        reason: String,
        /// The wait that the server asked for.
        retry_after: Option<Duration>,
    },
    /// The LLM refuses the request for a reason of configuration: key, model, quota, parameters. No document will
    /// pass until the configuration is changed.
    #[error("llm refused the request ({reason}): {remedy}")]
    Refused {
        /// What the server said, shortened; no key.
        reason: String,
        /// What to change.
        remedy: String,
    },
    /// The document's custom prompt is too long. No word of it is in the message.
    #[error(
        "the custom prompt can't be used ({reason}): shorten it and ask for the document again"
    )]
    CustomPrompt {
        /// How long it is, and what is allowed.
        reason: String,
    },
    /// A call was paid for and can't be recorded, or nothing more may be spent: the work was given up.
    #[error("{0}")]
    NotPermitted(#[from] NotCharged),
    /// The settings ask for what this program was built without.
    #[error(
        "{what} is not in this program: build it with `--features {feature}`, which is one of the default features"
    )]
    NotBuilt {
        /// What was asked for.
        what: &'static str,
        /// The cargo feature that has it; of this crate and of the programs alike.
        feature: &'static str,
    },
    /// The settings contradict each other or lack something.
    #[error("metadata settings can't be used: {0}")]
    Configuration(String),
}

impl MetadataError {
    /// Whether trying the same document again with the same settings is of no use.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Refused { .. }
            | Self::NotPermitted(_)
            | Self::NotBuilt { .. }
            | Self::Configuration(_) => false,
            Self::CustomPrompt { .. } => true,
        }
    }

    /// Whether no document can pass until a person changes the configuration.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::NotBuilt { .. } | Self::Configuration(_)
        )
    }

    /// The wait that the dependency asked for, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// A stable reason code for records and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "llm_unavailable",
            Self::Refused { .. } => "llm_refused",
            Self::CustomPrompt { .. } => "custom_prompt_too_long",
            Self::NotPermitted(_) => "not_permitted",
            Self::NotBuilt { .. } => "not_built",
            Self::Configuration(_) => "metadata_configuration",
        }
    }
}
