//! Golden data: the right values of a document's fields, and how what was extracted compares with them.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::correction::written_value;
use crate::field::Field;
use crate::ids::compact;
use crate::printed::without_form;
use crate::term::{self, Kind, Term};

/// The version of the format of [`Golden`].
pub const FORMAT: u32 = 1;

/// The right values of a document's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Version of the format: 1.
    pub format: u32,
    /// SHA-256 of the file that the values were taken from, hex. Where it is given, another file of that name is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Who decided the values, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// The values by the keys of fields (`BT-84`, or the names of a user's profile), written as `to` of a correction is: dates as
    /// `2024-05-31`, amounts as `1064.65`; `null` where the document has no such value. Fields that are not named are not judged.
    pub fields: BTreeMap<String, Option<String>>,
}

/// Why a file is no golden data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the golden data {file} can't be used: {reason}")]
pub struct GoldenError {
    /// The file.
    pub file: String,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// How what was extracted of a field compares with what is right.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is the value, but for the way in which it is written.
    Right,
    /// It is another value.
    Wrong,
    /// There is a value where the document has none.
    Invented,
    /// Nothing was found of a value that is there.
    Missing,
    /// Sources contradict each other, and people are to decide: no value was taken.
    Conflict,
    /// Nothing was taken, and there is nothing.
    Absent,
}

impl Verdict {
    /// Of a field and its right value.
    pub fn of(key: &str, right: Option<&str>, field: Option<&Field>) -> Self {
        let found = field.and_then(|field| field.value.as_deref());
        match (right, found) {
            (Some(right), Some(found)) if is_same(key, right, found) => Self::Right,
            (Some(_), Some(_)) => Self::Wrong,
            (None, Some(_)) => Self::Invented,
            (Some(_), None) if field.is_some() => Self::Conflict,
            (Some(_), None) => Self::Missing,
            (None, None) => Self::Absent,
        }
    }

    /// Its name, as in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Invented => "invented",
            Self::Missing => "missing",
            Self::Conflict => "conflict",
            Self::Absent => "absent",
        }
    }

    /// Whether a value was taken that is not right.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Wrong | Self::Invented)
    }
}

impl Golden {
    /// Reads a file of golden data. Values are brought into the form that outputs have.
    ///
    /// # Errors
    /// [`GoldenError`], with the file, what is wrong and what to do.
    pub fn from_json(file: &str, json: &[u8]) -> Result<Self, GoldenError> {
        let refused = |reason: String| GoldenError {
            file: file.to_owned(),
            reason,
        };
        let mut golden: Self = serde_json::from_slice(json)
            .map_err(|error| refused(format!("{error}: see docs/EVALUATION.md for its shape")))?;
        if golden.format != FORMAT {
            return Err(refused(format!(
                "its format is {}: this program reads {FORMAT}",
                golden.format
            )));
        }
        for (field, value) in &mut golden.fields {
            let Some(value) = value else {
                continue;
            };
            if value.trim().is_empty() {
                return Err(refused(format!(
                    "{field} is empty: write null where the document has no such value, or leave the field out where that is not known"
                )));
            }
            *value = written_value(field, value).map_err(|error| refused(error.to_string()))?;
        }
        Ok(golden)
    }
}

/// Whether two values of a field are the same but for the way in which they are written: case, white space and punctuation; of
/// names also the legal form, of amounts the sign (credit notes are written both ways) and zeros at the end.
pub fn is_same(key: &str, left: &str, right: &str) -> bool {
    let amounts = || {
        left.parse::<Decimal>()
            .ok()
            .zip(right.parse::<Decimal>().ok())
    };
    match Term::of(key) {
        Some(term) if [term::SELLER, term::SELLER_TRADING, term::BUYER].contains(&term) => {
            without_form(left) == without_form(right)
        }
        Some(term) => match term.kind() {
            Kind::Identifier | Kind::Text => folded(left) == folded(right),
            Kind::Amount => amounts().is_some_and(|(left, right)| left.abs() == right.abs()),
            Kind::Date => left == right,
        },
        // What a field of a user's profile is, its name does not say.
        None => match amounts() {
            Some((left, right)) => left == right,
            None => folded(left) == folded(right),
        },
    }
}

fn folded(value: &str) -> String {
    compact(value).to_lowercase()
}
