//! The message that a permanent failure leaves: the same body, and attributes that say what happened.

use std::collections::BTreeMap;

use super::PermanentFailure;
use crate::message::{Message, OutMessage};

/// The names of a dead letter's attributes.
pub mod attribute {
    /// The stable reason code.
    pub const REASON: &str = "reason";
    /// The stage that failed.
    pub const STAGE: &str = "stage";
    /// The page that failed, from 1.
    pub const PAGE: &str = "page";
    /// The reason for people.
    pub const MESSAGE: &str = "message";
    /// How many attempts were made.
    pub const ATTEMPTS: &str = "attempts";
    /// The build that gave up.
    pub const BUILD: &str = "build";
    /// The trace id.
    pub const TRACE_ID: &str = "trace_id";
}

/// Enough for a person; the record has the whole story.
const VALUE_CHARS_MAX: usize = 1_000;

pub(super) fn write(
    message: &Message,
    failure: &PermanentFailure,
    attempts: u32,
    build: &str,
    trace_id: Option<&str>,
    most_attributes: usize,
) -> OutMessage {
    let page = failure.page.map(|number| number.to_string());
    let attempts_text = attempts.to_string();
    let facts = [
        (attribute::REASON, Some(failure.reason_code.as_str())),
        (attribute::STAGE, failure.stage.as_deref()),
        (attribute::PAGE, page.as_deref()),
        (attribute::MESSAGE, Some(failure.message.as_str())),
        (attribute::ATTEMPTS, Some(attempts_text.as_str())),
        (attribute::BUILD, Some(build)),
        (attribute::TRACE_ID, trace_id),
    ];
    let mut attributes: BTreeMap<String, String> = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), clean(value?)?)))
        .collect();
    for (name, value) in &message.attributes {
        if attributes.len() >= most_attributes {
            break;
        }
        attributes
            .entry(name.clone())
            .or_insert_with(|| value.clone());
    }
    OutMessage {
        body: message.body.clone(),
        attributes,
        delay: None,
    }
}

/// What every bus takes: of the characters those that XML 1.0 allows, as SQS has it, and no empty value.
fn clean(value: &str) -> Option<String> {
    let allowed = |character: char| match character {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        other => other >= ' ',
    };
    let cleaned: String = value
        .chars()
        .map(|character| {
            if allowed(character) {
                character
            } else {
                '\u{fffd}'
            }
        })
        .take(VALUE_CHARS_MAX)
        .collect();
    (!cleaned.is_empty()).then_some(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_every_bus_takes() {
        assert_eq!(clean(""), None);
        assert_eq!(
            clean("a\0b\u{1b}[31m").as_deref(),
            Some("a\u{fffd}b\u{fffd}[31m")
        );
        assert_eq!(
            clean(&"é".repeat(5_000)).map(|text| text.chars().count()),
            Some(VALUE_CHARS_MAX)
        );
    }
}
