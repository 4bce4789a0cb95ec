//! The JSON files of one document: what stands in `extracted_text/`, `extracted_links/`, `extracted_structure/` and
//! `pdf-metadata/`. Equal input and settings give equal bytes: there is no time in them. What stands in
//! `extracted_markdown/` is no JSON, and made by [`pagemill_document::markdown`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pagemill_document::{Inspection, Link, OutlineTarget, PageText, Structure};
use pagemill_fields::DocumentFields;
use pagemill_metadata::DocumentMetadata;
use pagemill_reader::{Attachment, NotKept};
use pagemill_storage::{Fingerprint, SourceKey, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::plan::Plan;

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

impl Header {
    /// Of a stage's file, as a plan has it made from these bytes of a source.
    pub(crate) fn of(stage: Stage, source: &SourceKey, sha256: &str, plan: &Plan) -> Self {
        Self {
            format: FORMAT,
            source: source.clone(),
            sha256: sha256.to_owned(),
            fingerprint: plan.fingerprint(stage).clone(),
        }
    }
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

/// `extracted_attachments/<path>.pdf.json`. Whatever a document calls its files, no key is made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttachmentsFile {
    /// Where it comes from.
    #[serde(flatten)]
    pub header: Header,
    /// The files that the document carries, in its order.
    pub attachments: Vec<AttachedFile>,
}

/// A file that a document carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttachedFile {
    /// Its name, as the document has it: not safe as the name of a file.
    pub name: String,
    /// Its media type, as the document has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What it is to the document (`AFRelationship`): `Alternative`, `Data`, `Source` ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relationship: Option<String>,
    /// What it holds, or why that is not here.
    #[serde(flatten)]
    pub content: AttachedContent,
}

/// What an attached file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AttachedContent {
    /// It is text.
    Text {
        /// In UTF-8, as it is.
        text: String,
        /// SHA-256 of its bytes, hex.
        sha256: String,
    },
    /// It is XML in another encoding.
    Bytes {
        /// Its bytes.
        base64: String,
        /// SHA-256 of its bytes, hex.
        sha256: String,
    },
    /// Its bytes were not kept.
    NotKept {
        /// Why.
        not_kept: NotKept,
    },
}

impl AttachedFile {
    /// Its bytes, where they were kept.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match &self.content {
            AttachedContent::Text { text, .. } => Some(text.clone().into_bytes()),
            AttachedContent::Bytes { base64, .. } => BASE64.decode(base64).ok(),
            AttachedContent::NotKept { .. } => None,
        }
    }
}

impl From<Attachment> for AttachedFile {
    fn from(attachment: Attachment) -> Self {
        let content = match attachment.content {
            Err(not_kept) => AttachedContent::NotKept { not_kept },
            Ok(bytes) => {
                let sha256 = hex::encode(Sha256::digest(&bytes));
                match String::from_utf8(bytes.to_vec()) {
                    Ok(text) => AttachedContent::Text { text, sha256 },
                    Err(_) => AttachedContent::Bytes {
                        base64: BASE64.encode(&bytes),
                        sha256,
                    },
                }
            }
        };
        Self {
            name: attachment.name,
            media_type: attachment.media_type,
            relationship: attachment.relationship,
            content,
        }
    }
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

/// `extracted_fields/<path>.pdf.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldsFile {
    /// Where it comes from.
    #[serde(flatten)]
    pub header: Header,
    /// The fields of the document's profile.
    #[serde(flatten)]
    pub fields: DocumentFields,
}
