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

/// How a call of a paid service ended.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// With an answer.
    #[default]
    Answered,
    /// With an answer that was cut at the output limit.
    Cut,
    /// With the model's word, or that of a filter behind it, that it does not answer.
    Refused,
    /// With something that used tokens and is no answer, such as a stream that broke off.
    Unusable,
    /// With an error of the service. Providers take no money for it.
    Rejected,
    /// With nothing: a time-out or a lost connection. It may have been paid for; nobody can say.
    Lost,
}

impl CallOutcome {
    /// Its name, as in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Cut => "cut",
            Self::Refused => "refused",
            Self::Unusable => "unusable",
            Self::Rejected => "rejected",
            Self::Lost => "lost",
        }
    }

    /// Whether the model was at work, as far as one can see from here.
    pub fn is_answer(self) -> bool {
        !matches!(self, Self::Rejected | Self::Lost)
    }
}

/// Money set aside for a call before it is made, in millionths of a US dollar; 0 where no budget asks for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Out of the document's budget.
    pub of_document: u64,
    /// Out of the day's budget.
    pub of_day: u64,
    /// Which day that is: days since 1970-01-01, UTC.
    pub day: i32,
}

/// One call of a paid service, answered or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidCall {
    /// Whose service it is: the host of its address. No path, no key.
    pub provider: String,
    /// The model, by the name that the settings have for it.
    pub model: String,
    /// What it used.
    pub units: Units,
    /// How it ended.
    pub outcome: CallOutcome,
    /// SHA-256 of what was asked, hex, where equal questions have equal answers.
    pub request_sha: Option<String>,
    /// The whole answer, as JSON, where it is worth keeping: whoever asks the same again is given it.
    pub answer: Option<String>,
    /// What [`ChargeSink::reserve`] set aside for it, which this call ends.
    pub reserved: Reserved,
}

impl PaidCall {
    /// An answered call that nobody will ask for again.
    pub fn answered(provider: &str, model: &str, units: Units) -> Self {
        Self {
            provider: provider.to_owned(),
            model: model.to_owned(),
            units,
            outcome: CallOutcome::Answered,
            request_sha: None,
            answer: None,
            reserved: Reserved::default(),
        }
    }
}

/// Where a paid call is written down.
#[async_trait]
pub trait ChargeSink: Send + Sync {
    /// Takes note of a call, durably where the sink keeps anything. To be called once for each, as soon as it ended and before
    /// its answer is judged.
    ///
    /// # Errors
    /// When it could not be written down, or the caller may not spend any more: make no further call, and give the work up.
    async fn charge(&self, call: PaidCall) -> Result<(), NotCharged>;

    /// The answer that was given to the same request before, as [`PaidCall::answer`] had it: it is paid for.
    ///
    /// # Errors
    /// When what was kept can't be looked at: make no call, and give the work up.
    async fn kept(&self, _request_sha: &str) -> Result<Option<String>, NotCharged> {
        Ok(None)
    }

    /// Asks leave for a call that uses no more than this of a model. What is set aside for it comes back with
    /// [`PaidCall::reserved`].
    ///
    /// # Errors
    /// When the budget does not allow it, or nobody can say: the call must not be made.
    async fn reserve(&self, _model: &str, _most: &Units) -> Result<Reserved, NotReserved> {
        Ok(Reserved::default())
    }

    /// Takes note that an answer comes in, piece by piece: a slow model is at work, and no reason to believe that this run hangs.
    /// May be called often.
    fn answering(&self) {}
}

/// Why a call must not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReserved {
    /// The budget does not allow it: go on without the model. In words, such as `the day's budget of 5.000000 USD`.
    Budget(String),
    /// Give the work up.
    Stop(NotCharged),
}

impl std::fmt::Display for NotReserved {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Budget(budget) => write!(formatter, "{budget} does not allow another call"),
            Self::Stop(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for NotReserved {}

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
