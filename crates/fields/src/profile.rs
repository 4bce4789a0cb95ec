//! Profiles of users: which fields a kind of document has, and the hints by which they are found. A file of JSON each; no code.

use std::collections::{BTreeMap, BTreeSet};

use pagemill_metadata::DocumentType;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Profiles of an installation, fields of a profile, labels of a field, and characters of a pattern or label, at most.
pub const MAX_PROFILES: usize = 100;
const MAX_FIELDS: usize = 200;
const MAX_LABELS: usize = 50;
const MAX_TEXT: usize = 300;

/// Why a profile can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the profile {file} can't be used: {reason}")]
pub struct ProfileError {
    /// Its file.
    pub file: String,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// A profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, as in outputs: a to z, 0 to 9 and _; not `invoice` or `document`.
    pub name: String,
    /// Which documents it is for: those that one of these rules fits. Of several profiles the first one by file name counts.
    pub when: When,
    /// The fields: a JSON schema of an object, of which `properties` and `required` are read.
    pub schema: Schema,
    /// What must hold among the fields.
    #[serde(default)]
    pub checks: Vec<Rule>,
}

/// Which documents a profile is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// One of these must fit.
    pub any: Vec<Condition>,
}

/// What a document must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Its key begins so, the source prefix included.
    Prefix(String),
    /// It carries a file of one of these names, in any case.
    Attachment(Vec<String>),
    /// Its metadata say that it is of one of these types.
    Type(Vec<DocumentType>),
}

/// The JSON schema of a profile's fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Schema {
    /// `object`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The fields by name.
    pub properties: BTreeMap<String, Property>,
    /// Those that every document of the profile must have.
    #[serde(default)]
    pub required: Vec<String>,
}

/// A field. Other words of JSON schema (`title`, `description`) are left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Property {
    /// `string`, `number` or `integer`. Values are written as strings all the same.
    #[serde(rename = "type")]
    pub kind: String,
    /// `date`: what stands there is read as a date. `iban`, `vat`: an identifier of that form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// A regular expression that the value must match, such as `^L-[0-9]+$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// What stands before the value on the page, in any case: `Lieferschein-Nr.`. The first label counts most.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// What must hold among fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Rule {
    /// The sum of these is the field.
    Sum {
        /// What is summed.
        of: Vec<String>,
        /// What it makes.
        is: String,
    },
    /// The first date is not before the second.
    NotBefore(String, String),
}

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Text,
    Date,
    Amount,
    Iban,
    Vat,
}

impl Property {
    pub(crate) fn reading(&self) -> Result<Reading, String> {
        match (self.kind.as_str(), self.format.as_deref()) {
            ("string", None) => Ok(Reading::Text),
            ("string", Some("date")) => Ok(Reading::Date),
            ("string", Some("iban")) => Ok(Reading::Iban),
            ("string", Some("vat")) => Ok(Reading::Vat),
            ("number" | "integer", None) => Ok(Reading::Amount),
            (kind, format) => Err(format!(
                "the type {kind:?} with the format {format:?} is not read: use \"string\" (alone, or with \"date\", \"iban\" or \"vat\"), \"number\" or \"integer\""
            )),
        }
    }

    pub(crate) fn pattern(&self) -> Option<Regex> {
        Regex::new(self.pattern.as_deref()?).ok()
    }
}

impl Profile {
    /// Reads a profile from its file.
    ///
    /// # Errors
    /// [`ProfileError`], with the file, what is wrong and what to do.
    pub fn from_json(file: &str, json: &[u8]) -> Result<Self, ProfileError> {
        let refused = |reason: String| ProfileError {
            file: file.to_owned(),
            reason,
        };
        let profile: Self = serde_json::from_slice(json)
            .map_err(|error| refused(format!("{error}: see docs/FIELDS.md for its shape")))?;
        profile.validate().map_err(refused)?;
        Ok(profile)
    }

    fn validate(&self) -> Result<(), String> {
        let is_plain = |name: &str| {
            let is_known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            !name.is_empty() && name.len() <= 40 && name.chars().all(is_known)
        };
        if !is_plain(&self.name) || matches!(self.name.as_str(), "invoice" | "document") {
            return Err(format!(
                "its name {:?} is taken or not plain: use 1 to 40 of a to z, 0 to 9 and _",
                self.name
            ));
        }
        if self.when.any.is_empty() {
            return Err("`when.any` is empty, so that it would fit nothing: name a prefix, an attachment or a type".to_owned());
        }
        if self.schema.kind != "object" || self.schema.properties.is_empty() {
            return Err(
                "its schema must be of the type \"object\" and have `properties`".to_owned(),
            );
        }
        if self.schema.properties.len() > MAX_FIELDS {
            return Err(format!(
                "it has {} fields: give at most {MAX_FIELDS}",
                self.schema.properties.len()
            ));
        }
        for (name, property) in &self.schema.properties {
            self.check_property(property)
                .map_err(|reason| format!("its field {name}: {reason}"))?;
        }
        let known: BTreeSet<&str> = self.schema.properties.keys().map(String::as_str).collect();
        let of_rules = self.checks.iter().flat_map(|rule| match rule {
            Rule::Sum { of, is } => of.iter().chain(std::iter::once(is)).collect::<Vec<_>>(),
            Rule::NotBefore(later, earlier) => vec![later, earlier],
        });
        let unknown = self
            .schema
            .required
            .iter()
            .chain(of_rules)
            .find(|name| !known.contains(name.as_str()));
        match unknown {
            Some(name) => Err(format!(
                "it speaks of {name:?}, which is none of its `properties`: add it there, or mend the name"
            )),
            None => Ok(()),
        }
    }

    fn check_property(&self, property: &Property) -> Result<(), String> {
        let reading = property.reading()?;
        if property.labels.is_empty() && !matches!(reading, Reading::Iban | Reading::Vat) {
            return Err(
                "it has no labels, so that nothing can be found: give what stands before the value"
                    .to_owned(),
            );
        }
        let is_long = |text: &String| text.chars().count() > MAX_TEXT || text.trim().is_empty();
        if property.labels.len() > MAX_LABELS || property.labels.iter().any(is_long) {
            return Err(format!(
                "its labels are empty, too long or too many: give at most {MAX_LABELS} of {MAX_TEXT} characters"
            ));
        }
        let Some(pattern) = &property.pattern else {
            return Ok(());
        };
        if pattern.chars().count() > MAX_TEXT {
            return Err(format!(
                "its pattern is too long: give at most {MAX_TEXT} characters"
            ));
        }
        Regex::new(pattern).map(|_| ()).map_err(|error| {
            let line = error.to_string();
            let line = line.lines().last().unwrap_or_default().to_owned();
            format!("its pattern is no regular expression ({line})")
        })
    }

    /// Whether it is for a document.
    pub(crate) fn fits(
        &self,
        key: &str,
        attachments: &[&str],
        document_type: Option<DocumentType>,
    ) -> Option<&'static str> {
        self.when.any.iter().find_map(|condition| match condition {
            Condition::Prefix(prefix) => key.starts_with(prefix.as_str()).then_some("prefix"),
            Condition::Attachment(names) => {
                let has = |name: &String| {
                    attachments
                        .iter()
                        .any(|attached| attached.eq_ignore_ascii_case(name))
                };
                names.iter().any(has).then_some("attachment")
            }
            Condition::Type(types) => document_type
                .is_some_and(|found| types.contains(&found))
                .then_some("type"),
        })
    }
}
