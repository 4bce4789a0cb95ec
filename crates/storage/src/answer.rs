//! Answers of models: one object for each paid call whose answer can be used, written before the answer is judged.
//!
//! Those of a source stand below `processing/answers/<path>/` under the SHA-256 of what was asked, so that whoever asks the same
//! again is given the answer instead of paying for it. They hold what the model said of the document, and go with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::charge::Charge;

/// The answer of a model, and what it cost.
///
/// ```json
/// {"answer": {"choices": ["…"], "usage": {"completion_tokens": 300, "prompt_tokens": 7000}},
///  "charge": {"model": "gpt-4o-mini", "outcome": "answered", "request_sha": "9f86d081…", "…": "…"},
///  "charge_key": "processing/charges/report.pdf/0123456789abcdef-predict-00001.json", "format": 1}
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// Version of this format.
    pub format: u32,
    /// The call, as the ledger has it.
    pub charge: Charge,
    /// Where the ledger has it. The answer is written first: a run that finds one makes sure that its charge is there.
    pub charge_key: String,
    /// The request that forced the run, where one did: another one that forces the document is not given this answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_by: Option<String>,
    /// The completion as the service gave it; one that came in pieces is put together.
    pub answer: Value,
}

impl Answer {
    /// The format that this build writes.
    pub const FORMAT: u32 = 1;
}
