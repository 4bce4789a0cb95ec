//! What a run asked of the model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the generation of one document's metadata used, for logs. All zero for the extractive generator. What it cost is told
/// call by call to the [`ChargeSink`](pagemill_document::ChargeSink).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Requests that were answered with a completion, good or bad.
    pub calls: u32,
    /// Prompt tokens as the server counted them; nothing is added for a server that does not say.
    pub input_tokens: u64,
    /// Completion tokens as the server counted them; nothing is added for a server that does not say.
    pub output_tokens: u64,
    /// Requests sent again after a 429, a 5xx, a time-out or a lost connection.
    pub retries: u32,
}

impl Usage {
    /// Adds what another part of the same run used.
    pub fn add(&mut self, other: &Usage) {
        self.calls += other.calls;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.retries += other.retries;
    }
}
