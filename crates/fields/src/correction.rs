//! What people decided of a document's fields: the highest source there is, for the bytes that they looked at.
//!
//! Corrections are lines of JSON, the newest last, and none is ever changed or taken out. Of a field the last line counts that
//! was made of the same bytes. One of other bytes is not applied: where the document says otherwise now, people are asked again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pagemill_metadata::Source;
use pagemill_metadata::document::Candidate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::evaluation::Reason;
use crate::field::{Field, Fields, Verified};
use crate::ids::compact;
use crate::term::{Kind, Term};

/// What somebody decided of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The field, by its key: `BT-84`, or a name of a user's profile.
    pub field: String,
    /// What was extracted; `null` where nothing was.
    pub from: Option<String>,
    /// What it is: the same where it was approved, `null` where the document has no such value.
    pub to: Option<String>,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// SHA-256 of the file that they looked at, hex.
    pub sha256: String,
    /// The fingerprint of the fields that they looked at.
    pub fingerprint: String,
}

/// The corrections of a document, in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corrections {
    /// Those that could be read.
    pub all: Vec<Correction>,
    /// The numbers, from 1, of lines that could not.
    pub unreadable: Vec<usize>,
}

/// Why a value can't be one of a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} can't be the value of {field}: {reason}")]
pub struct ValueError {
    field: String,
    value: String,
    reason: &'static str,
}

impl Corrections {
    /// Reads lines of JSON. Never fails: a line that can't be read is told, and the others count.
    pub fn read(lines: &[u8]) -> Self {
        let mut read = Self::default();
        for (at, line) in lines.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(correction) => read.all.push(correction),
                Err(_) => read.unreadable.push(at + 1),
            }
        }
        read
    }

    /// Whether nobody decided anything.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.unreadable.is_empty()
    }

    /// What counts for a file: the last correction of each field that was made of these bytes, by field.
    pub fn in_force(&self, sha256: &str) -> BTreeMap<&str, &Correction> {
        let of_these_bytes = self.all.iter().filter(|made| made.sha256 == sha256);
        of_these_bytes
            .map(|made| (made.field.as_str(), made))
            .collect()
    }

    /// The last correction of each field that nobody looked at since the file was changed.
    fn of_earlier_files(&self, sha256: &str) -> BTreeMap<&str, &Correction> {
        let in_force = self.in_force(sha256);
        let all = self.all.iter().map(|made| (made.field.as_str(), made));
        let mut last: BTreeMap<&str, &Correction> = all.collect();
        last.retain(|field, _| !in_force.contains_key(field));
        last
    }

    /// Puts what people decided into the fields, those that `is_known` has, and returns what they must look at again.
    pub(crate) fn apply(
        &self,
        sha256: &str,
        fields: &mut Fields,
        is_known: impl Fn(&str) -> bool,
        warnings: &mut Vec<String>,
    ) -> Vec<Reason> {
        for line in &self.unreadable {
            warnings.push(format!(
                "line {line} of the corrections can't be read: restore an older version of the object, or mend the line"
            ));
        }
        for (key, correction) in self.in_force(sha256) {
            if is_known(key) {
                let before = fields.remove(key);
                fields.insert(key.to_owned(), corrected(correction, before));
            } else {
                warnings.push(format!(
                    "the correction of {key} is not applied: the document's profile has no such field"
                ));
            }
        }
        let mut again = Vec::new();
        for (key, correction) in self.of_earlier_files(sha256) {
            let now = fields.get(key).and_then(|field| field.value.as_ref());
            if !is_known(key) || now == correction.to.as_ref() {
                continue;
            }
            if let (Some(field), Some(value)) = (fields.get_mut(key), &correction.to) {
                field.candidates.push(Candidate {
                    value: value.clone(),
                    source: person(&correction.by),
                    reason: "decided of an earlier version of the file".to_owned(),
                    evidence: None,
                });
            }
            again.push(Reason::new(key, "corrected_before"));
        }
        again
    }
}

fn person(by: &str) -> Source {
    Source(format!("person:{by}"))
}

/// The field as somebody decided it. What was extracted stays beside it, and its place where the value is the same.
fn corrected(correction: &Correction, before: Option<Field>) -> Field {
    let name = name_of(&correction.field).to_owned();
    let mut field = Field {
        name,
        value: correction.to.clone(),
        raw: None,
        verified: Verified::Corrected,
        shown: None,
        probability: None,
        sources: vec![person(&correction.by)],
        evidence: Vec::new(),
        derived_from: Vec::new(),
        candidates: Vec::new(),
    };
    let Some(before) = before else {
        return field;
    };
    field.name = before.name;
    if before.value == field.value {
        field.sources.extend(before.sources);
        (field.raw, field.shown) = (before.raw, before.shown);
        (field.evidence, field.derived_from) = (before.evidence, before.derived_from);
        return field;
    }
    let chosen = before.candidates.iter();
    let mut chosen = chosen.filter(|said| Some(&said.value) == field.value.as_ref());
    field
        .evidence
        .extend(chosen.find_map(|said| said.evidence.clone()));
    field.candidates = before.candidates;
    if let Some(value) = before.value {
        field.candidates.push(Candidate {
            value,
            source: before
                .sources
                .first()
                .cloned()
                .unwrap_or_else(|| Source::rule("printed")),
            reason: "people decided otherwise".to_owned(),
            evidence: before.evidence.into_iter().next(),
        });
    }
    field
}

/// The name of a field beside its key.
pub fn name_of(key: &str) -> &str {
    match Term::of(key) {
        Some(term) => term.name(),
        None => key,
    }
}

/// A value as it is written in the output: dates as `2024-05-31`, amounts as decimals with a point, accounts without spaces.
///
/// # Errors
/// [`ValueError`], where the field is one of EN 16931 and can't have it.
pub fn written_value(field: &str, value: &str) -> Result<String, ValueError> {
    let refused = |reason| ValueError {
        field: field.to_owned(),
        value: value.to_owned(),
        reason,
    };
    let value = value.trim();
    if value.is_empty() {
        return Err(refused(
            "it is empty: say with --none that the document has none",
        ));
    }
    match Term::of(field).map(Term::kind) {
        None | Some(Kind::Text) => Ok(value.to_owned()),
        Some(Kind::Identifier) => Ok(compact(value)),
        Some(Kind::Date) => match value.parse::<jiff::civil::Date>() {
            Ok(date) => Ok(date.to_string()),
            Err(_) => Err(refused("write the date as 2024-05-31")),
        },
        Some(Kind::Amount) => match value.parse::<Decimal>() {
            Ok(_) => Ok(value.to_owned()),
            Err(_) => Err(refused(
                "write the amount with a point and nothing else, as 1064.65",
            )),
        },
    }
}
