//! The name of a stage of the build graph.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A stage of the build graph, by its name.
///
/// Those of every pipeline are variants. A pipeline may have more ([`Stage::Named`]), and records of such a one are read by
/// every build. That stages can be ordered is for maps: the order of work is the graph's, which this crate does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Hash, header, encryption, page count, info.
    Inspect,
    /// Page images.
    Pages,
    /// Text with layout.
    Text,
    /// Links from annotations.
    Links,
    /// Outline, headings, page labels.
    Structure,
    /// The files that the document carries.
    Attachments,
    /// The document as Markdown.
    Markdown,
    /// All that is asked of a model and paid for.
    Predict,
    /// Document metadata.
    Metadata,
    /// The fields of a profile, such as those of an invoice.
    Extract,
    /// Chunks, embeddings, points.
    Index,
    /// Everything above is in place; older generations are gone.
    Commit,
    /// One that is added to the graph.
    Named(StageName),
}

/// The name of a stage that is added to the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageName(&'static str);

/// Longest name of a stage, in bytes.
const MAX_NAME_BYTES: usize = 40;

/// Most names of added stages in one process. They are kept for good, so that a stage can be copied like a number.
const MAX_NAMES: usize = 256;

/// A name that no stage can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} can't be the name of a stage: {reason}")]
pub struct StageNameError {
    name: String,
    reason: &'static str,
}

impl Stage {
    const ALWAYS: [Self; 12] = [
        Self::Inspect,
        Self::Pages,
        Self::Text,
        Self::Links,
        Self::Structure,
        Self::Attachments,
        Self::Markdown,
        Self::Predict,
        Self::Metadata,
        Self::Extract,
        Self::Index,
        Self::Commit,
    ];

    /// Its name, as in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inspect => "inspect",
            Self::Pages => "pages",
            Self::Text => "text",
            Self::Links => "links",
            Self::Structure => "structure",
            Self::Attachments => "attachments",
            Self::Markdown => "markdown",
            Self::Predict => "predict",
            Self::Metadata => "metadata",
            Self::Extract => "extract",
            Self::Index => "index",
            Self::Commit => "commit",
            Self::Named(StageName(name)) => name,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Stage {
    type Err = StageNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if let Some(known) = Self::ALWAYS.into_iter().find(|stage| stage.name() == name) {
            return Ok(known);
        }
        let refused = |reason| StageNameError {
            name: name.chars().take(MAX_NAME_BYTES).collect(),
            reason,
        };
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_plain) {
            return Err(refused("use 1 to 40 of a to z, 0 to 9 and _"));
        }
        kept(name)
            .map(|name| Self::Named(StageName(name)))
            .ok_or_else(|| refused("this process has met 256 others"))
    }
}

/// The name for as long as the process lives; `None` where there are too many.
fn kept(name: &str) -> Option<&'static str> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = names.get(name) {
        return Some(kept);
    }
    if names.len() >= MAX_NAMES {
        return None;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    Some(kept)
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <Cow<'de, str>>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Stage {
    fn schema_name() -> Cow<'static, str> {
        "Stage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let always = Self::ALWAYS.map(Self::name).join(", ");
        json_schema!({
            "type": "string",
            "pattern": "^[a-z0-9_]{1,40}$",
            "description": format!("A stage of the build graph: {always}, or one that is added to it."),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn names_of_stages_that_nobody_here_knows_come_back_as_they_were() {
        let json = r#"{"commit":1,"text":2,"extracted_words":3}"#;
        let read: BTreeMap<Stage, u32> = serde_json::from_str(json).unwrap();
        let words: Stage = "extracted_words".parse().unwrap();
        assert!(matches!(words, Stage::Named(_)));
        assert_eq!((read[&words], read[&Stage::Text]), (3, 2));
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
        assert_eq!("text".parse(), Ok(Stage::Text));
    }

    #[test]
    fn what_could_not_stand_in_a_key_is_no_name() {
        for name in ["", "Words", "a/b", "a-b", "ä", &"a".repeat(41)] {
            let error = name.parse::<Stage>().unwrap_err();
            assert!(error.to_string().contains("a to z"), "{error}");
        }
    }
}
