//! A field: a value, who says so, where it stands, and how far that was checked.

use std::collections::BTreeMap;

use pagemill_metadata::document::Candidate;
use pagemill_metadata::{Evidence, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::term::Term;

/// How far a value was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// The invoice's own XML says it. [`Field::shown`] says whether a page shows it too.
    Xml,
    /// It stands on the page as it is.
    Verbatim,
    /// What stands on the page (`raw`) reads as the value.
    Normalised,
    /// It follows from other values by arithmetic; `derived_from` names them.
    Arithmetic,
    /// Sources contradict each other: there is no value, and `candidates` are to be decided upon.
    Conflict,
    /// People decided it, of this file; `value` is null where they say that the document has none.
    Corrected,
}

/// A value of a profile's field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    /// What the field is called beside its number, such as `issue_date`.
    pub name: String,
    /// The value: dates as `2024-05-31`, amounts as decimals with a point, identifiers without spaces. `null` only where
    /// `verified` is `conflict` or `corrected`.
    pub value: Option<String>,
    /// What stands on the page or in the XML for it, where that is written otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// How far it was checked.
    pub verified: Verified,
    /// Of a value from XML: whether a page shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<bool>,
    /// The probability that the value is right, from 0 to 1, by the calibration in force; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Who says so: `xml:cii`, `xml:ubl`, `rule:` and the rule's name, `person:` and who decided.
    pub sources: Vec<Source>,
    /// Where it stands on the pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// The fields or amounts that it was computed from, or that bear it out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived_from: Vec<String>,
    /// What else was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
}

impl Field {
    /// A value with its source, and no place yet.
    pub(crate) fn new(name: &str, value: String, verified: Verified, source: Source) -> Self {
        Self {
            name: name.to_owned(),
            value: Some(value),
            raw: None,
            verified,
            shown: None,
            probability: None,
            sources: vec![source],
            evidence: Vec::new(),
            derived_from: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// No value: these contradict each other.
    pub(crate) fn conflict(name: &str, candidates: Vec<Candidate>) -> Self {
        let mut sources: Vec<Source> = candidates.iter().map(|said| said.source.clone()).collect();
        sources.dedup();
        Self {
            name: name.to_owned(),
            value: None,
            raw: None,
            verified: Verified::Conflict,
            shown: None,
            probability: None,
            sources,
            evidence: Vec::new(),
            derived_from: Vec::new(),
            candidates,
        }
    }
}

/// Fields by their keys: numbers of EN 16931 (`BT-1`), or the names of a user's own profile.
pub type Fields = BTreeMap<String, Field>;

/// The value of a term, where it has one.
pub(crate) fn value(fields: &Fields, term: Term) -> Option<&str> {
    fields.get(term.0)?.value.as_deref()
}
