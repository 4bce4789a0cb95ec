//! The way of asking that a server takes: in which form the answer is asked for, and which fields a request has.
//!
//! One begins with what its provider is known to take, and leaves out what a server refuses, one thing a refusal. What the
//! refusal names goes first; where it names nothing, the form is made simpler.

use super::refusal::Named;
use crate::settings::{MetadataSettings, OutputLimitField, Provider};

/// In which form the answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A strict schema with the longest lists and texts.
    Limited,
    /// A strict schema without: some servers know of no limits.
    Schema,
    /// Any JSON object; the schema stands in the prompt.
    Object,
    /// Only in words.
    Words,
}

impl Form {
    fn simpler(self) -> Option<Self> {
        match self {
            Self::Limited => Some(Self::Schema),
            Self::Schema => Some(Self::Object),
            Self::Object => Some(Self::Words),
            Self::Words => None,
        }
    }
}

/// A way of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) form: Form,
    /// Whether the answer is to come in pieces.
    pub(crate) streams: bool,
    /// Whether a stream is to say at its end what was used.
    pub(crate) tells_usage: bool,
    /// Whether the settings' temperature and seed are sent.
    pub(crate) temperature: bool,
    pub(crate) seed: bool,
    /// The field that limits the answer's length, and whether it is the other one than that of the settings.
    pub(crate) limit: OutputLimitField,
    has_other_limit: bool,
    first_form: Form,
}

impl Way {
    /// The first to try.
    pub(crate) fn first(settings: &MetadataSettings, provider: Provider) -> Self {
        let form = match provider {
            // Its compatible endpoint says nothing of a schema and does not follow it: only the prompt does.
            Provider::Anthropic => Form::Words,
            Provider::OpenAi | Provider::Gemini | Provider::Compatible => Form::Limited,
        };
        Self {
            form,
            streams: true,
            tells_usage: true,
            temperature: settings.temperature.is_some(),
            // Anthropic ignores it, and Gemini knows it by no name.
            seed: settings.seed.is_some()
                && matches!(provider, Provider::OpenAi | Provider::Compatible),
            limit: settings.output_limit_field,
            has_other_limit: false,
            first_form: form,
        }
    }

    /// The next to try after a refusal; `None` when there is no other.
    pub(crate) fn after(self, named: Named) -> Option<Self> {
        let mut next = self;
        match named {
            Named::Temperature if self.temperature => next.temperature = false,
            Named::Seed if self.seed => next.seed = false,
            Named::OutputLimit if !self.has_other_limit => {
                next.has_other_limit = true;
                next.limit = match self.limit {
                    OutputLimitField::MaxCompletionTokens => OutputLimitField::MaxTokens,
                    OutputLimitField::MaxTokens => OutputLimitField::MaxCompletionTokens,
                };
            }
            Named::StreamOptions if self.streams && self.tells_usage => next.tells_usage = false,
            Named::StreamOptions | Named::Stream if self.streams => next.streams = false,
            _ => match self.form.simpler() {
                Some(simpler) => next.form = simpler,
                None if self.streams => {
                    next.streams = false;
                    next.form = self.first_form;
                }
                None => return None,
            },
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(provider: Provider) -> Way {
        Way::first(&MetadataSettings::default(), provider)
    }

    #[test]
    fn what_a_refusal_names_is_left_out_and_nothing_else() {
        let way = first(Provider::OpenAi);
        let without = way.after(Named::Temperature).expect("another way");
        assert!(!without.temperature && without.seed && without.form == Form::Limited);
        let other = without.after(Named::OutputLimit).expect("another way");
        assert_eq!(other.limit, OutputLimitField::MaxTokens);
        assert!(!other.temperature && other.streams);
        let still = other.after(Named::StreamOptions).expect("another way");
        assert!(still.streams && !still.tells_usage);
        assert!(
            !still
                .after(Named::StreamOptions)
                .expect("another way")
                .streams
        );
    }

    #[test]
    fn every_row_of_refusals_ends() {
        for named in [
            Named::Nothing,
            Named::Temperature,
            Named::Seed,
            Named::OutputLimit,
            Named::Stream,
            Named::StreamOptions,
        ] {
            let mut tried = 0;
            let mut way = Some(first(Provider::Compatible));
            while let Some(this) = way {
                tried += 1;
                way = this.after(named);
            }
            assert!((4..=10).contains(&tried), "{named:?}: {tried}");
        }
    }

    #[test]
    fn each_provider_is_asked_as_it_is_known_to_answer() {
        assert_eq!(first(Provider::Anthropic).form, Form::Words);
        assert!(!first(Provider::Gemini).seed);
        assert!(first(Provider::Compatible).seed);
    }
}
