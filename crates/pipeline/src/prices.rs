//! What models cost, as the settings say.

use std::collections::BTreeMap;
use std::fmt;

use pagemill_document::Units;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::SettingsError;

/// Tokens that a price is for.
const PER: u128 = 1_000_000;

/// The price of a model, in millionths of a US dollar for a million tokens: 2500000 is 2.50 USD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// For tokens that the model reads.
    pub input: u64,
    /// For those of them that it had read before; `input` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<u64>,
    /// For tokens that it writes; left out for a model that writes none, such as one for embeddings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
}

impl Price {
    /// What this much costs in millionths of a US dollar, rounded up. `None` when something is not known: what was used, or
    /// what it costs.
    pub fn of(&self, units: &Units) -> Option<u64> {
        let input = units.input_tokens?;
        let cached = units.cached_tokens.unwrap_or(0).min(input);
        let written = match (units.output_tokens, self.output) {
            (Some(tokens), Some(price)) => u128::from(tokens) * u128::from(price),
            (None | Some(0), None) => 0,
            (Some(_), None) | (None, Some(_)) => return None,
        };
        let of_cached = u128::from(self.cached_input.unwrap_or(self.input));
        let read = u128::from(input - cached) * u128::from(self.input);
        let cost = (read + u128::from(cached) * of_cached + written).div_ceil(PER);
        Some(u64::try_from(cost).unwrap_or(u64::MAX))
    }
}

/// Prices by the model's name, as `metadata.model` and `index.embedder` have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Prices(pub BTreeMap<String, Price>);

impl Prices {
    /// What a call of a model costs in millionths of a US dollar; `None` where that is not known, which is not 0.
    pub fn of(&self, model: &str, units: &Units) -> Option<u64> {
        self.0.get(model)?.of(units)
    }

    pub(crate) fn validate(&self) -> Result<(), SettingsError> {
        match self.0.keys().find(|model| model.trim().is_empty()) {
            Some(_) => Err(SettingsError(
                "prices has a price for a model without a name: name the model as metadata.model or index.embedder does"
                    .into(),
            )),
            None => Ok(()),
        }
    }
}

/// Millionths of a US dollar, shown as dollars.
#[derive(Debug, Clone, Copy)]
pub struct Usd(pub u64);

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} USD", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(input: Option<u64>, cached: Option<u64>, output: Option<u64>) -> Units {
        Units {
            input_tokens: input,
            cached_tokens: cached,
            output_tokens: output,
            ..Units::default()
        }
    }

    #[test]
    fn tokens_are_priced_by_kind_and_rounded_up() {
        let price = Price {
            input: 2_500_000,
            cached_input: Some(250_000),
            output: Some(10_000_000),
        };
        let of = |input, cached, output| price.of(&units(Some(input), cached, Some(output)));
        assert_eq!(of(1_000, None, 100), Some(3_500));
        assert_eq!(of(1_000, Some(1_000), 0), Some(250));
        assert_eq!(of(1, Some(1), 0), Some(1), "a quarter is rounded up");
        assert_eq!(of(u64::MAX, None, u64::MAX), Some(u64::MAX));
    }

    #[test]
    fn what_is_not_known_has_no_price() {
        let chat = Price {
            input: 1,
            cached_input: None,
            output: Some(1),
        };
        let embedding = Price {
            output: None,
            ..chat
        };
        assert_eq!(chat.of(&units(None, None, Some(1))), None);
        assert_eq!(chat.of(&units(Some(1), None, None)), None);
        assert_eq!(embedding.of(&units(Some(1), None, Some(1))), None);
        assert_eq!(embedding.of(&units(Some(1), None, None)), Some(1));
        assert_eq!(Prices::default().of("m", &units(Some(1), None, None)), None);
    }
}
