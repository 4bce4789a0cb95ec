//! The history: a roll-up of all records in one file, for people and older readers. A view, never the truth.
//!
//! ```json
//! {
//!   "documents": {
//!     "source-pdfs/report.pdf": {
//!       "bytes": 81234, "generations": {"pages": "0123456789abcdef", "…": "…"}, "pages": 12,
//!       "processed_at": "2026-01-01T00:00:00Z", "sha256": "…", "status": "done",
//!       "target_stores": ["pages"], "updated_at": "2026-01-01T00:00:00Z"
//!     }
//!   },
//!   "format": 1
//! }
//! ```
//! A failed document has `failure` with `reason`, `stage` and `message`. Equal records give equal bytes.

mod writer;

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::writer::{HistoryError, HistoryWriter, Rebuilt, rebuild_history};
use crate::json::to_canonical_json;
use crate::layout::SourceKey;
use crate::record::{Generation, Record, RecordStatus, Stage};

/// The whole history file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryView {
    /// Version of this format.
    pub format: u32,
    /// One entry a source.
    pub documents: BTreeMap<SourceKey, HistoryEntry>,
}

/// What the history says of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// Where the document stands.
    pub status: RecordStatus,
    /// SHA-256 of the source, hex, once it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Size of the source in bytes, once it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Pages of the document.
    pub pages: u32,
    /// When the last commit was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed_at: Option<Timestamp>,
    /// When the record was last changed; of two entries for one source the newer counts.
    pub updated_at: Timestamp,
    /// Which vector stores hold it.
    pub target_stores: Vec<String>,
    /// The generation of each finished stage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generations: BTreeMap<Stage, Generation>,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<HistoryFailure>,
}

/// Why a document failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryFailure {
    /// Stable reason code.
    pub reason: String,
    /// The stage that failed.
    pub stage: Stage,
    /// What happened and what to do.
    pub message: String,
}

impl Default for HistoryView {
    fn default() -> Self {
        Self {
            format: Self::FORMAT,
            documents: BTreeMap::new(),
        }
    }
}

impl HistoryView {
    /// The format that this build writes and reads.
    pub const FORMAT: u32 = 1;

    /// The history of these records.
    pub fn from_records<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut view = Self::default();
        for record in records {
            view.merge(&record.source, HistoryEntry::from(record));
        }
        view
    }

    /// Takes an entry unless a newer one is there. Answers whether the view changed.
    pub fn merge(&mut self, source: &SourceKey, entry: HistoryEntry) -> bool {
        match self.documents.get(source) {
            Some(present) if present.updated_at > entry.updated_at || *present == entry => false,
            _ => {
                self.documents.insert(source.clone(), entry);
                true
            }
        }
    }

    /// The file's bytes; the same for equal views.
    ///
    /// # Errors
    /// None in practice: every part of a view has a JSON form.
    pub fn to_bytes(&self) -> Result<Bytes, serde_json::Error> {
        to_canonical_json(self)
    }
}

impl From<&Record> for HistoryEntry {
    fn from(record: &Record) -> Self {
        let commit = record.stages.get(&Stage::Commit);
        let failed_version = record
            .failure
            .as_ref()
            .and_then(|failure| failure.version.as_ref());
        let version = failed_version.or(record.version.as_ref());
        Self {
            status: record.status,
            sha256: version.map(|version| version.sha256.clone()),
            bytes: version.map(|version| version.bytes),
            pages: record.ledger.pages,
            processed_at: commit.map(|entry| entry.finished_at),
            updated_at: record.updated_at,
            target_stores: record.target_stores.clone(),
            generations: record
                .stages
                .iter()
                .map(|(stage, entry)| (*stage, Generation::from(&entry.fingerprint)))
                .collect(),
            failure: record.failure.as_ref().map(|failure| HistoryFailure {
                reason: failure.reason.clone(),
                stage: failure.stage,
                message: failure.message.clone(),
            }),
        }
    }
}
