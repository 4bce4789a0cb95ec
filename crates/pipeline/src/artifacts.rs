//! The JSON files of one document: what stands in `extracted_text/`, `extracted_links/`, `extracted_structure/` and
//! `pdf-metadata/`. Equal input and settings give equal bytes: there is no time in them. What stands in
//! `extracted_markdown/` is no JSON, and made by [`pagemill_document::markdown`].

use pagemill_document::{Inspection, Link, OutlineTarget, PageText, Structure};
use pagemill_metadata::DocumentMetadata;
use pagemill_storage::{Fingerprint, SourceKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of these formats.
pub(crate) const FORMAT: u32 = 1;

/// What every file begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// Version of the format.
    pub format: u32,
    /// The source's key.
    pub source: SourceKey,
    /// SHA-256 of the source, hex.
    pub sha256: String,
    /// Fingerprint of the stage that made the file, as in the record.
    pub fingerprint: Fingerprint,
}

/// `extracted_text/<path>.pdf.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TextFile {
    /// Where it comes from.
    #[serde(flatten)]
    pub header: Header,
    /// Every page that could be read, in order.
    pub pages: Vec<PageText>,
}

/// `extracted_links/<path>.pdf.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinksFile {
    /// Where it comes from.
    #[serde(flatten)]
    pub header: Header,
    /// All links, by page and then in the order of the annotations.
    pub links: Vec<Link>,
    /// Links beyond the limit of a page, counted and not kept.
    pub dropped: u32,
    /// Bookmarks that lead to no page of the document, in the order of the outline. They stand on no page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outline: Vec<OutlineLink>,
}

/// A bookmark that leads to no page of its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutlineLink {
    /// Its title.
    pub title: String,
    /// Where it goes.
    #[serde(flatten)]
    pub target: OutlineTarget,
}

impl OutlineLink {
    /// Those of an outline.
    pub(crate) fn of(structure: &Structure) -> Vec<Self> {
        let items = structure.outline.iter();
        let links = items.filter_map(|item| {
            Some(Self {
                title: item.title.clone(),
                target: item.link.clone()?,
            })
        });
        links.collect()
    }
}

/// `extracted_structure/<path>.pdf.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StructureFile {
    /// Where it comes from.
    #[serde(flatten)]
    pub header: Header,
    /// What the file says of itself.
    pub inspection: Inspection,
    /// Outline, headings, page labels.
    pub structure: Structure,
}

/// `pdf-metadata/<path>.pdf.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetadataFile {
    /// Where it comes from.
    #[serde(flatten)]
    pub header: Header,
    /// The metadata, by its published schema.
    pub metadata: DocumentMetadata,
}
