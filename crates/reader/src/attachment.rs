//! Files that a document carries: what is asked for, and what comes of each.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Attached files of a document that are told at most; what more there is is left out, and the count says so.
pub const MAX_ATTACHMENTS: usize = 1_000;

/// Why the bytes of an attached file were not kept. The document goes on without them.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    thiserror::Error,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NotKept {
    /// It is no XML; of other files only the names are kept.
    #[error("only XML is kept")]
    NotXml,
    /// It, or all of them together, have more bytes than `limits.max_attachment_bytes` allows.
    #[error("it is larger than limits.max_attachment_bytes allows")]
    OverLimit,
    /// The file does not have it, or its filters can't be undone.
    #[error("it is damaged, or not in the file")]
    Unreadable,
    /// The process that read it died of it, or of one before it.
    #[error("the process that read it died")]
    ReaderDied,
}

/// A file that a document carries. Its name is whatever the document says: nothing that a path may be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, for people: control characters are removed, and it is cut.
    pub name: String,
    /// Its media type, as the document has it, such as `text/xml`.
    pub media_type: Option<String>,
    /// What it is to the document (ISO 32000-2 table 43, `AFRelationship`): `Alternative`, `Data`, `Source` ...
    pub relationship: Option<String>,
    /// Its bytes.
    pub content: Result<Bytes, NotKept>,
}
