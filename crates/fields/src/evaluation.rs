//! How good what was extracted is, and whether people must look at it: by gates that can be explained, not by a guess of how sure
//! the rules are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calibration::Basis;
use crate::checks::{Check, Outcome};
use crate::field::{Field, Fields, Verified};
use crate::term;

/// What is to be done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// All that is required is there and stands on the page, and nothing speaks against it.
    Approved,
    /// People must look at it; `reasons` says at what.
    ManualReview,
}

impl Decision {
    /// Its name, as in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::ManualReview => "manual_review",
        }
    }
}

/// Why people must look at a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The field, by its key in `fields`.
    pub field: String,
    /// `missing`, `conflict`, `not_shown` (only the XML says it, and no page), `corrected_before` (people decided it of an earlier
    /// version of the file, and this one says otherwise), or `check` and the rule that failed.
    pub reason: String,
}

impl Reason {
    pub(crate) fn new(field: &str, reason: &str) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// Shares, each from 0 to 1 in steps of 0.01.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gates {
    /// Of the fields that are required: those that have a value, or of which people say that the document has none.
    pub required: f32,
    /// Of the checks that apply: those that passed.
    pub rules: f32,
    /// Of the fields: those that a page shows.
    pub grounded: f32,
}

/// How good what was extracted is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluation {
    /// The lowest of the gates: what is bad in one way is not made up for by another.
    pub quality_score: f32,
    /// What it is made of.
    pub gates: Gates,
    /// What is to be done.
    pub decision: Decision,
    /// The mean probability of the values that were extracted, by the calibration in force; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_accuracy: Option<f64>,
    /// What the calibration in force rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Basis>,
    /// Why people must look at it; nothing where they need not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// What an invoice can't be paid without.
pub(crate) fn required_of_invoices() -> Vec<String> {
    let terms = [
        term::NUMBER,
        term::ISSUED,
        term::CURRENCY,
        term::SELLER,
        term::BUYER,
        term::NET,
        term::VAT,
        term::GROSS,
    ];
    terms.iter().map(|term| term.number().to_owned()).collect()
}

/// `again` is what people must look at although values speak for themselves.
pub(crate) fn evaluate(
    required: &[String],
    fields: &Fields,
    checks: &[Check],
    again: Vec<Reason>,
) -> Evaluation {
    let is_decided = |key: &String| {
        let field = fields.get(key);
        field.is_some_and(|field| field.verified == Verified::Corrected)
    };
    let has_value = |key: &String| fields.get(key).is_some_and(|field| field.value.is_some());
    let present = required
        .iter()
        .filter(|key| has_value(key) || is_decided(key));
    let applied = checks
        .iter()
        .filter(|check| check.outcome != Outcome::NotApplicable);
    let passed = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Passed);
    let judged: Vec<&Field> = fields.values().filter(|field| is_judged(field)).collect();
    let grounded = judged.iter().filter(|field| is_grounded(field));
    let gates = Gates {
        required: share(present.count(), required.len()),
        rules: share(passed.count(), applied.count()),
        grounded: share(grounded.count(), judged.len()),
    };
    let reason = |field: &String, reason: &str| Reason::new(field, reason);
    let conflicts = fields
        .iter()
        .filter(|(_, field)| field.verified == Verified::Conflict);
    let mut reasons: Vec<Reason> = conflicts.map(|(key, _)| reason(key, "conflict")).collect();
    let is_new =
        |reasons: &[Reason], key: &String| !reasons.iter().any(|known| known.field == *key);
    for reason in again {
        if is_new(&reasons, &reason.field) {
            reasons.push(reason);
        }
    }
    for key in required {
        match fields.get(key) {
            None if is_new(&reasons, key) => reasons.push(reason(key, "missing")),
            Some(field) if field.value.is_some() && is_judged(field) && !is_grounded(field) => {
                if is_new(&reasons, key) {
                    reasons.push(reason(key, "not_shown"));
                }
            }
            None | Some(_) => {}
        }
    }
    // What is missing or in conflict is said already, and what people decided is not asked of them again.
    let failed = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Failed);
    for check in failed {
        let fields = check
            .fields
            .iter()
            .filter(|key| is_new(&reasons, key) && !is_decided(key));
        let new: Vec<Reason> = fields
            .map(|key| reason(key, &format!("check {}", check.rule)))
            .collect();
        reasons.extend(new);
    }
    Evaluation {
        quality_score: gates.required.min(gates.rules).min(gates.grounded),
        gates,
        decision: match reasons.is_empty() {
            true => Decision::Approved,
            false => Decision::ManualReview,
        },
        predicted_accuracy: None,
        calibration: None,
        reasons,
    }
}

/// Codes are shown by no page, and say nothing of how well it was read; nor does what people decided.
fn is_judged(field: &Field) -> bool {
    match field.verified {
        Verified::Xml => field.shown.is_some(),
        Verified::Corrected => false,
        _ => true,
    }
}

fn is_grounded(field: &Field) -> bool {
    match field.verified {
        Verified::Xml => field.shown == Some(true),
        Verified::Verbatim | Verified::Normalised => !field.evidence.is_empty(),
        // A VAT of nothing stands nowhere; what it follows from does.
        Verified::Arithmetic => !field.derived_from.is_empty(),
        Verified::Conflict | Verified::Corrected => false,
    }
}

/// A share of nothing is whole.
fn share(part: usize, of: usize) -> f32 {
    match of {
        0 => 1.0,
        _ => (part as f32 / of as f32 * 100.0).floor() / 100.0,
    }
}
