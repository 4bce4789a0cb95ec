//! How many tokens a prompt may have, and what of them is left for the document.

use serde_json::Value;

use super::plan::Tokenizer;
use super::transport::TooLong;
use crate::error::MetadataError;

/// Tokens that a document must have at least.
const LEAST_ROOM: usize = 500;
/// Tokens kept free for message framing, the fence and the schema in the prompt.
pub(super) const MARGIN_TOKENS: usize = 300;

/// Most tokens of a prompt and of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) input: usize,
    pub(super) output: u32,
}

impl Limits {
    /// Those for a server that found a prompt too long. Its tokens are not ours, so what it says of its own count is a measure.
    pub(super) fn lowered(self, told: TooLong) -> Self {
        let Some(context) = told.context else {
            return Self {
                input: self.input * 2 / 3,
                ..self
            };
        };
        let output = self
            .output
            .min(u32::try_from(context / 3).unwrap_or(self.output));
        let free = context.saturating_sub(output as usize);
        let scaled = match told.prompt {
            Some(prompt) if prompt > free => free * self.input / prompt,
            _ => free,
        };
        let input = (scaled * 19 / 20).min(self.input * 9 / 10);
        Self { input, output }
    }
    /// Tokens that are left for a document beside these texts and the schema, where settings allow prompts of
    /// `allowed` tokens.
    pub(super) fn room(
        self,
        allowed: usize,
        tokenizer: Tokenizer,
        texts: &[&str],
        schema: &Value,
        custom: &str,
    ) -> Result<usize, MetadataError> {
        let used: usize = texts.iter().map(|text| tokenizer.count(text)).sum();
        let used = used + tokenizer.count(&schema.to_string()) + MARGIN_TOKENS;
        let room = self.input.saturating_sub(used);
        if room >= LEAST_ROOM {
            return Ok(room);
        }
        if self.input < allowed {
            return Err(MetadataError::Refused {
                reason: format!(
                    "its context leaves {} tokens for a prompt, and prompts and schema take {used}",
                    self.input
                ),
                remedy: "give the model's server a larger context, or take a model that has one"
                    .to_owned(),
            });
        }
        let of_custom = match custom.is_empty() {
            true => 0,
            false => {
                let times = texts.iter().filter(|text| text.contains(custom)).count();
                (times * tokenizer.count(custom)).min(used)
            }
        };
        let without_it = (used - of_custom).saturating_add(LEAST_ROOM);
        if without_it <= self.input && of_custom > 0 {
            return Err(MetadataError::CustomPrompt {
                reason: format!(
                    "it takes {of_custom} tokens and leaves no room for the document in max_input_tokens = {}",
                    self.input
                ),
            });
        }
        Err(MetadataError::Configuration(format!(
            "the prompts and the schema take {used} of max_input_tokens = {}; raise it, or shorten the prompts",
            self.input
        )))
    }
}
