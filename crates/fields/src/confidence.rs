//! What an extraction says of how sure a value is: features that can be looked up in the output, and a score of them.
//!
//! The score has no unit. It only orders values, the surer ones higher, by what is known of each kind of evidence beforehand; what
//! share of the values with a score is right says a [calibration](crate::calibration), from golden data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checks::Outcome;
use crate::document::DocumentFields;
use crate::field::{Field, Verified};
use crate::term::{self, Kind, Term};

/// The version of features and score. A calibration is of one version and is not used with another.
pub const SCORE: u32 = 1;

/// What speaks for a value and against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Features {
    /// How far it was checked.
    pub verified: Verified,
    /// Of a value from XML: whether a page shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<bool>,
    /// Its rule took it by where it stands alone: nothing on the page says what it is.
    pub by_place: bool,
    /// A rule read it off the page, and it has nothing that could be checked: a name, or an amount that is in no sum.
    pub unchecked: bool,
    /// Sources that say the same, beyond the first.
    pub agreeing: u32,
    /// Other values bear it out by arithmetic.
    pub borne_out: bool,
    /// Checks of sums, check digits and dates that speak of it and passed.
    pub passed: u32,
    /// Checks that speak of it and failed.
    pub failed: u32,
    /// Another value was said, too.
    pub doubted: bool,
}

/// Rules that go by place: a number without a word beside it, the first date, names by where addresses stand.
const BY_PLACE: &[&str] = &[
    "rule:number.alone",
    "rule:date.first",
    "rule:party.domain",
    "rule:party.foot",
    "rule:party.registered",
    "rule:party.first",
    "rule:party.place",
    "rule:party.address",
    "rule:party.company",
];

/// Most of what rules read wrong are these.
const NAMES: [Term; 3] = [term::SELLER, term::SELLER_TRADING, term::BUYER];

/// Rules that pass wherever there is a value at all: they say nothing of which.
const PRESENCE: &[&str] = &[
    "BR-02", "BR-03", "BR-04", "BR-05", "BR-06", "BR-07", "BR-CO-09", "REQUIRED",
];

impl Features {
    /// Those of a field; `None` where no value was extracted, or people decided it.
    pub fn of(document: &DocumentFields, key: &str) -> Option<Self> {
        let field = document.fields.get(key)?;
        let is_judged = !matches!(field.verified, Verified::Corrected | Verified::Conflict);
        (is_judged && field.value.is_some()).then(|| Self::of_field(document, key, field))
    }

    fn of_field(document: &DocumentFields, key: &str, field: &Field) -> Self {
        let checks = document.checks.iter();
        let checks = checks.filter(|check| check.fields.iter().any(|named| named == key));
        let (mut passed, mut failed) = (0, 0);
        for check in checks {
            match check.outcome {
                Outcome::Passed if !PRESENCE.contains(&check.rule.as_str()) => passed += 1,
                Outcome::Failed => failed += 1,
                Outcome::Passed | Outcome::NotApplicable => {}
            }
        }
        let first = field.sources.first();
        let borne_out = !field.derived_from.is_empty();
        let is_read = matches!(field.verified, Verified::Verbatim | Verified::Normalised);
        let term = Term::of(key);
        let is_name = term.is_some_and(|term| NAMES.contains(&term));
        let is_bare =
            term.is_some_and(|term| term.kind() == Kind::Amount) && !borne_out && passed == 0;
        Self {
            verified: field.verified,
            shown: field.shown,
            by_place: first.is_some_and(|source| BY_PLACE.contains(&source.0.as_str())),
            unchecked: is_read && (is_name || is_bare),
            agreeing: field.sources.len().saturating_sub(1) as u32,
            borne_out,
            passed,
            failed,
            doubted: !field.candidates.is_empty(),
        }
    }

    /// The score: a sum of points.
    ///
    /// | what | points |
    /// |---|---|
    /// | the XML says it and a page shows it; it is a code, which no page shows; no page shows it | 6; 5; 2 |
    /// | it stands on the page, or follows from what stands there | 3 |
    /// | its rule goes by place alone | -3 |
    /// | it was read off the page and has nothing that could be checked | -1 |
    /// | each source that says the same (of at most two) | 1 |
    /// | other values bear it out by arithmetic | 1 |
    /// | each check that it passed (of at most two) | 1 |
    /// | each check that it failed (of at most two) | -3 |
    /// | another value was said, too | -2 |
    pub fn score(&self) -> i32 {
        let by_class = match (self.verified, self.shown) {
            (Verified::Xml, Some(true)) => 6,
            (Verified::Xml, None) => 5,
            (Verified::Xml, Some(false)) => 2,
            (Verified::Verbatim | Verified::Normalised | Verified::Arithmetic, _) => 3,
            (Verified::Conflict | Verified::Corrected, _) => 0,
        };
        let at_most_two = |count: u32| count.min(2) as i32;
        by_class - 3 * i32::from(self.by_place) - i32::from(self.unchecked)
            + at_most_two(self.agreeing)
            + i32::from(self.borne_out)
            + at_most_two(self.passed)
            - 3 * at_most_two(self.failed)
            - 2 * i32::from(self.doubted)
    }
}
