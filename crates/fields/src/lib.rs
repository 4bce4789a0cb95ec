//! Fields out of documents: the values of a profile, each as a claim that says who says so, where it stands and how far it was
//! checked.
//!
//! It knows pages of text ([`PageText`]), the XML files that a document carries, and what kind of document it is said to be. It
//! knows no engine, no store and no model, and reads nothing from anywhere: equal input gives equal fields.
//!
//! - [`xml`] reads the XML that invoices carry. Where there is one, it is what the invoice says; each value is then looked for on
//!   the pages (`shown`), and where the pages say otherwise of the account or the total, that is a conflict for people to decide.
//! - `printed` reads invoices that are nothing but pages: by labels in several languages, by check digits, and by arithmetic. No
//!   sender has a template.
//! - [`profile`] has the profiles of users: other kinds of documents, whose fields and hints a file of JSON names.
//! - [`correction`] has what people decided, which counts more than all of these.
//! - [`checks`] holds all of it against the rules of EN 16931, and [`evaluation`] says whether people must look at it.
//! - [`golden`] compares it with what is known to be right; [`confidence`] has what speaks for a value and against it, which a
//!   [`calibration`] makes a probability of ([`isotonic`]); [`statistics`] says how far such a number can be believed.
//!
//! Fields have the numbers of EN 16931 (`BT-1`) and a name ([`term`]); amounts are decimals as strings.
//!
//! ```
//! use pagemill_fields::{Input, XmlFile, extract};
//!
//! let xml = br#"<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"><ID>7</ID></Invoice>"#;
//! let files = [XmlFile { name: "invoice.xml", bytes: xml }];
//! let found = extract(&Input { files: &files, ..Input::default() });
//! assert_eq!(found.profile, "invoice");
//! assert_eq!(found.fields["BT-1"].value.as_deref(), Some("7"));
//! assert_eq!(found.fields["BT-1"].shown, Some(false));
//! ```

pub mod calibration;
pub mod checks;
pub mod confidence;
pub mod correction;
pub mod evaluation;
pub mod golden;
pub mod isotonic;
pub mod profile;
pub mod statistics;
pub mod term;
pub mod xml;

mod amounts;
mod custom;
mod dates;
mod document;
mod extract;
mod field;
mod ids;
mod printed;
mod rows;
mod shown;

pub use calibration::{Calibration, CalibrationError};
pub use checks::{Check, Outcome};
pub use confidence::Features;
pub use correction::{Correction, Corrections};
pub use document::{DocumentFields, SeedView, XmlUsed, schema};
pub use evaluation::{Decision, Evaluation};
pub use extract::{Input, XmlFile, extract};
pub use field::{Field, Fields, Verified};
pub use golden::{Golden, GoldenError, Verdict};
pub use pagemill_document::PageText;
pub use profile::{Profile, ProfileError};

/// The version of the shape and of the rules: with another one, equal input may give other fields.
pub const VERSION: u32 = 3;
