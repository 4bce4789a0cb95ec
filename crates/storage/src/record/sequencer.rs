//! The order of the events of one key.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Orders the events of one object key: the greater one happened later. Says nothing across keys.
///
/// A hexadecimal number as text, of varying length: "right pad the shorter value with zeros, and then do a
/// lexicographical comparison" (Amazon S3 User Guide, "Event message structure"). So `0A` equals `0A00`, and case
/// does not matter.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Sequencer(String);

impl Sequencer {
    /// Wraps the text of an event; `None` for an empty one.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let owned: String = text.into();
        (!owned.is_empty()).then_some(Self(owned))
    }

    /// The text as the event had it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits that count. With trailing zeros gone, the plain order of the rest is the order of the padded
    /// values: where one is a prefix of the other, the longer one goes on with something above zero.
    fn significant(&self) -> impl Iterator<Item = u8> + '_ {
        self.0
            .trim_end_matches('0')
            .bytes()
            .map(|digit| digit.to_ascii_uppercase())
    }
}

impl Ord for Sequencer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.significant().cmp(other.significant())
    }
}

impl PartialOrd for Sequencer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sequencer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sequencer {}

impl Hash for Sequencer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for digit in self.significant() {
            state.write_u8(digit);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sequencer(text: &str) -> Sequencer {
        Sequencer::new(text).expect("not empty")
    }

    #[test]
    fn in_5_longer_sequencer_is_not_later_by_its_length() {
        assert!(sequencer("0055AED6DCD90281E5") < sequencer("0055AED6DCD90281E6"));
        assert!(sequencer("0A") < sequencer("0A01"));
        assert!(sequencer("0B") > sequencer("0AFFFFFFFF"));
        assert_eq!(sequencer("0A"), sequencer("0A00"));
        assert_eq!(sequencer("0a1"), sequencer("0A1"));
    }

    #[test]
    fn empty_is_none() {
        assert_eq!(Sequencer::new(""), None);
    }

    proptest! {
        #[test]
        fn order_is_that_of_right_padded_text(left in "[0-9A-F]{1,20}", right in "[0-9A-F]{1,20}") {
            let padded_order = format!("{left:0<24}").cmp(&format!("{right:0<24}"));
            prop_assert_eq!(sequencer(&left).cmp(&sequencer(&right)), padded_order);
        }
    }
}
