//! What is extracted of a document, as it is stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checks::Check;
use crate::evaluation::Evaluation;
use crate::field::{Fields, value};
use crate::term;

/// The XML that values were taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct XmlUsed {
    /// The name of the attached file.
    pub name: String,
    /// `cii` or `ubl`.
    pub syntax: String,
}

/// The same under other names, for callers who know invoices by these. `amount` is the total without VAT.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeedView {
    /// `BT-1`.
    pub invoice_number: Option<String>,
    /// `BT-2`.
    pub invoice_date: Option<String>,
    /// `BT-27`.
    pub vendor_name: Option<String>,
    /// `BT-109`, without VAT.
    pub amount: Option<String>,
    /// `BT-110`.
    pub vat: Option<String>,
    /// `BT-112`, with VAT.
    pub total: Option<String>,
    /// `BT-9`.
    pub due_date: Option<String>,
}

impl SeedView {
    pub(crate) fn of(fields: &Fields) -> Self {
        let of = |term| value(fields, term).map(str::to_owned);
        Self {
            invoice_number: of(term::NUMBER),
            invoice_date: of(term::ISSUED),
            vendor_name: of(term::SELLER),
            amount: of(term::NET),
            vat: of(term::VAT),
            total: of(term::GROSS),
            due_date: of(term::DUE),
        }
    }
}

/// What is extracted of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentFields {
    /// Which profile: that of a user by its name, `invoice`, or `document`, which has no fields of its own.
    pub profile: String,
    /// Why this one: `prefix`, `attachment`, `type`, `content` or `none`.
    pub chosen_by: String,
    /// The XML that the document carries, where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xml: Option<XmlUsed>,
    /// The values of the document as a whole.
    pub fields: Fields,
    /// Those of each line of an invoice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Fields>,
    /// Those of each row of the VAT breakdown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vat_breakdown: Vec<Fields>,
    /// What rules and check digits say of the values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// How good that is, and whether people must look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Evaluation>,
    /// An invoice under other names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed_view: Option<SeedView>,
    /// What could not be read, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The JSON schema of [`DocumentFields`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(DocumentFields).to_value()
}
