//! What a PDF says of itself before any page is looked at.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the file is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// It is not.
    #[default]
    None,
    /// The empty user password opens it.
    EmptyPassword,
    /// A password of the configuration opened it.
    Password,
}

/// The document information dictionary and what XMP adds to it. Values are as the file has them, control
/// characters removed; dates are ISO 8601 where they could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentInfo {
    /// Entries of the info dictionary by lower-case name: `title`, `author`, `creation_date`, `mod_date` ...
    pub info: BTreeMap<String, String>,
    /// Properties of the XMP packet by prefixed name: `dc:title`, `dc:creator`, `pdf:Keywords` ... Lists are joined by `; `.
    pub xmp: BTreeMap<String, String>,
}

/// What was learnt of the file as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inspection {
    /// Pages.
    pub pages: u32,
    /// The version that the file claims, such as `1.7`.
    pub pdf_version: String,
    /// How it is encrypted.
    pub encryption: Encryption,
    /// Info dictionary and XMP.
    pub info: DocumentInfo,
    /// Whether it has a structure tree (tagged PDF).
    pub tagged: bool,
    /// Whether it has form fields.
    pub has_form: bool,
    /// Whether it has JavaScript or actions that run on opening.
    pub has_script: bool,
    /// Names of embedded files.
    pub attachments: Vec<String>,
    /// What had to be repaired or was left out, in words.
    pub warnings: Vec<String>,
}
