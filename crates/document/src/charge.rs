//! What calls of paid services use, and the seam through which whoever makes such a call has it written down.
//!
//! A model behind an API takes its money for an answer that is cut, unusable or thrown away too. So the call is handed to a
//! [`ChargeSink`] as soon as its answer is there, before anybody looks at what the answer is worth. Who pays, and for which
//! document, the sink knows; what one unit costs as well.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was used, as the provider counts it. What it does not count or does not say is absent, which is not 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Units {
    /// Tokens that the model read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Those of them that it had read before, and that many providers sell for less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Tokens that the model wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Texts that were embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texts: Option<u64>,
    /// Pages or page images that the model looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
}

impl Units {
    /// Adds what another call used.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.cached_tokens, other.cached_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.texts, other.texts),
            (&mut self.pages, other.pages),
        ] {
            if let Some(more) = more {
                *sum = Some(sum.unwrap_or(0).saturating_add(more));
            }
        }
    }

    /// Whether nothing was counted.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// One answered call of a paid service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidCall {
    /// Whose service it is: the host of its address. No path, no key.
    pub provider: String,
    /// The model, by the name that the settings have for it.
    pub model: String,
    /// What it used.
    pub units: Units,
}

/// Where a paid call is written down.
#[async_trait]
pub trait ChargeSink: Send + Sync {
    /// Takes note of a call, durably where the sink keeps anything. To be called once for each answer, as soon as it is there
    /// and before it is judged.
    ///
    /// # Errors
    /// When it could not be written down, or the caller may not spend any more: make no further call, and give the work up.
    async fn charge(&self, call: PaidCall) -> Result<(), NotCharged>;

    /// Takes note that an answer comes in, piece by piece: a slow model is at work, and no reason to believe that this run hangs.
    /// May be called often.
    fn answering(&self) {}
}

/// A paid call could not be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCharged {
    /// Why, without a word of the document.
    pub reason: String,
}

impl std::fmt::Display for NotCharged {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "a paid call can't be recorded: {}", self.reason)
    }
}

impl std::error::Error for NotCharged {}

/// For calls that belong to no document, such as those of a search: nothing is written down.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uncharged;

#[async_trait]
impl ChargeSink for Uncharged {
    async fn charge(&self, _: PaidCall) -> Result<(), NotCharged> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_counted_stays_unknown_in_a_sum() {
        let mut sum = Units::default();
        assert!(sum.is_unknown());
        sum.add(&Units {
            input_tokens: Some(7),
            ..Units::default()
        });
        sum.add(&Units {
            input_tokens: Some(u64::MAX),
            output_tokens: Some(0),
            ..Units::default()
        });
        assert_eq!(sum.input_tokens, Some(u64::MAX));
        assert_eq!((sum.output_tokens, sum.texts), (Some(0), None));
        assert_eq!(
            serde_json::to_value(sum).unwrap(),
            serde_json::json!({"input_tokens": u64::MAX, "output_tokens": 0})
        );
    }
}
