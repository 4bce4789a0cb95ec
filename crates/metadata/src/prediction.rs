//! What a model said of a document, before anybody judges it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of asking a model for a document's metadata. Everything that is judged later is in it: new rules of grounding and
/// merging need no call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prediction {
    /// The model that was asked; null where none was.
    pub model: Option<String>,
    /// How it went.
    pub ending: Ending,
    /// Why there is no answer, in words and without document text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The answers to the question about the whole document: the first, and the one of the repair round where there was one.
    pub answers: Vec<Said>,
    /// What the model was not shown, in words.
    pub warnings: Vec<String>,
}

/// How it went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// No model was asked: there is none, or nothing to ask about.
    #[default]
    NotAsked,
    /// There are answers to judge.
    Answered,
    /// No answer can be used.
    Useless,
    /// The budget did not allow a call.
    BudgetReached,
}

impl Ending {
    /// Its name, as in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::Answered => "answered",
            Self::Useless => "useless",
            Self::BudgetReached => "budget_reached",
        }
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// SHA-256 of what was asked, hex.
    pub request_sha: String,
    /// Whether it was cut at the output limit.
    pub was_cut: bool,
    /// What the model wrote.
    pub content: String,
}

impl Prediction {
    /// One without answers.
    #[cfg(feature = "llm")]
    pub(crate) fn without(ending: Ending, model: &str, reason: String) -> Self {
        Self {
            model: Some(model.to_owned()),
            ending,
            reason: Some(reason),
            ..Self::default()
        }
    }
}
