//! The XML that invoices carry: Factur-X and ZUGFeRD (CII), XRechnung (CII or UBL), and UBL.
//!
//! The file is hostile until read: its size, depth and number of elements are bounded, and nothing that a document type declares
//! is expanded. What is read is values by business term, as they stand there but for dates and amounts, which are normalised.

use std::collections::BTreeMap;

use crate::term::Term;

mod cii;
mod tree;
mod ubl;

pub use tree::XmlError;

/// Largest file that is read, in bytes. The largest samples have some hundred kilobytes.
pub const MAX_BYTES: usize = 16 << 20;

/// Lines and VAT rows that are kept at most.
const MAX_ROWS: usize = 10_000;

/// In which language of XML an invoice is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// UN/CEFACT Cross Industry Invoice: Factur-X, ZUGFeRD, XRechnung.
    Cii,
    /// Universal Business Language 2.x: XRechnung, Peppol.
    Ubl,
}

impl Syntax {
    /// Its name, as in sources.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cii => "cii",
            Self::Ubl => "ubl",
        }
    }
}

/// Values by term.
pub(crate) type Values = BTreeMap<Term, String>;

/// What an invoice's XML says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlInvoice {
    /// Its language.
    pub syntax: Syntax,
    /// Of the document.
    pub(crate) values: Values,
    /// Of each line.
    pub(crate) lines: Vec<Values>,
    /// Of each row of the VAT breakdown.
    pub(crate) vat: Vec<Values>,
}

/// Reads an invoice.
///
/// # Errors
/// [`XmlError`], when the bytes are no XML within the bounds, or XML of something else.
pub fn read(bytes: &[u8]) -> Result<XmlInvoice, XmlError> {
    let root = tree::parse(bytes)?;
    match root.name.as_str() {
        // ZUGFeRD 1.0 calls it a document, and has other names for the parts.
        "CrossIndustryInvoice" | "CrossIndustryDocument" => cii::read(&root),
        "Invoice" | "CreditNote" => Ok(ubl::read(&root)),
        other => Err(XmlError::NoInvoice {
            root: other.chars().take(80).collect(),
        }),
    }
}

/// Sets a value, unless it is empty or there is one.
fn set(values: &mut Values, term: Term, value: Option<String>) {
    let value = value.map(|value| value.trim().to_owned());
    let nothing = ["", "null", "n/a", "NULL", "N/A"];
    if let Some(value) = value.filter(|value| !nothing.contains(&value.as_str())) {
        values.entry(term).or_insert(value);
    }
}
