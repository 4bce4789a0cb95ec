//! The record: the build log of one source, and the truth about it.

mod sequencer;
mod stage;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::sequencer::Sequencer;
pub use self::stage::{Stage, StageName, StageNameError};
pub use self::store::{RecordError, RecordStore, RecordStream};
use crate::charge::Charged;
use crate::layout::SourceKey;

/// SHA-256 (hex, 64 digits) over everything a stage's outputs depend on: content hash, upstream fingerprints,
/// settings and engine version.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl Fingerprint {
    /// The first 16 hex digits: enough to tell builds apart, short enough for keys and logs.
    pub fn short(&self) -> &str {
        self.0.get(..16).unwrap_or(&self.0)
    }
}

/// Names one build of a document's outputs: the first 16 hex digits of the fingerprint of the stage that made
/// them, so that equal inputs and settings give equal keys and point ids.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Generation(pub String);

impl From<&Fingerprint> for Generation {
    fn from(fingerprint: &Fingerprint) -> Self {
        Self(fingerprint.short().to_owned())
    }
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of one finished stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageEntry {
    /// Hash of inputs, settings and engine.
    pub fingerprint: Fingerprint,
    /// Keys of the objects that the stage wrote, or for pages the common prefix (ending in `/`).
    pub outputs: Vec<String>,
    /// When it finished.
    pub finished_at: Timestamp,
    /// Wall time in milliseconds.
    pub millis: u64,
    /// The store's tags of `outputs`, where the outputs are replaced in place: the next write is conditional on them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub etags: BTreeMap<String, String>,
    /// Small facts about the result, by documented name: counts and sizes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, serde_json::Value>,
    /// What the paid calls of the run that made it sum up to; absent where there were none.
    #[serde(default, skip_serializing_if = "Charged::is_nothing")]
    pub spent: Charged,
}

/// Where a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordStatus {
    /// Some stage has begun and the commit has not been reached.
    Processing,
    /// All stages are done and every page is whole.
    Done,
    /// All stages are done, but some pages are missing; the ledger says which and why.
    Partial,
    /// The document can't be processed; `failure` says why. A changed source, a changed setting that the failure
    /// depends on, or a forced run tries again.
    Failed,
    /// The source was removed, and everything made from it with it. Kept as a tombstone, so that an older event
    /// that arrives late is recognised.
    Removed,
}

/// Which version of the source a record speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceVersion {
    /// SHA-256 of the bytes, hex.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
    /// The store's tag when it was read.
    pub etag: String,
    /// The store's version id, where it keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The S3 event's sequencer, where an event brought the source: a larger one is newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<Sequencer>,
}

/// How every page ended. The five counts and `failed` add up to the page count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PageAccount {
    /// Pages of the document.
    pub pages: u32,
    /// Pages with a text layer.
    pub text: u32,
    /// Pages whose text was read from their pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ocr: Vec<u32>,
    /// Pages with content but no text: they need OCR.
    pub needs_ocr: Vec<u32>,
    /// Pages with nothing on them.
    pub blank: Vec<u32>,
    /// Pages that could not be processed, with the reason code.
    pub failed: BTreeMap<u32, String>,
    /// Pages whose image was made smaller than asked to keep the pixel limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scaled_down: Vec<u32>,
    /// What is in the file and not in the outputs, or counted differently by the two readers of the file. Empty when
    /// every image, link, annotation and character is accounted for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unaccounted: Vec<Unaccounted>,
}

/// Something of a document that is not in its outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unaccounted {
    /// What, and why.
    pub what: Missing,
    /// How many of them.
    pub count: u64,
    /// On which pages: the first hundred. Empty when it is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<u32>,
}

/// Kinds of [`Unaccounted`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Pages of the file's page tree that the renderer does not show.
    PagesNotShown,
    /// Pages that are shown and not in the page tree: nobody looked for their links in the objects.
    PagesNotInTree,
    /// Images of pages that were processed.
    Images,
    /// Links over the limit of a page or a document.
    LinksOverLimit,
    /// Links on pages that failed.
    LinksOfFailedPages,
    /// Links that were found in the objects and did not come back with their page.
    Links,
    /// Annotations that one reader of the file sees on a page and the other one does not.
    Annotations,
    /// Characters that are printed, and of which the file does not say what they are.
    CharactersWithoutUnicode,
    /// Pieces of text that are drawn, and that the renderer does not give as text.
    TextNotRead,
    /// Characters over the limit of text of a page.
    CharactersOverLimit,
    /// Letters that were read and are not in the text: a fault of this program.
    LettersLost,
    /// Annotations that are to be seen and are not in the image: they bring no appearance of their own, and the renderer
    /// makes up none for their kind (stamps, carets, icons of attached files ...).
    AnnotationsNotDrawn,
}

/// Why a document failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Stable reason code, such as `encrypted` or `not_a_pdf`.
    pub reason: String,
    /// The stage that failed.
    pub stage: Stage,
    /// What happened and what to do, for people.
    pub message: String,
    /// When.
    pub at: Timestamp,
    /// The version of the source that failed.
    pub version: Option<SourceVersion>,
    /// Hash of what the failure depends on: while it is the same, trying again can't help.
    pub fingerprint: Fingerprint,
    /// Where the program itself failed, for the reason `internal_error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// A place in the program that fails at a document: what a report of the fault must say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// File and line, as `crates/index/src/chunk.rs:217`.
    pub place: String,
    /// The version of the program.
    pub build: String,
}

/// The build log of one source. Written only through [`RecordStore`], by compare-and-swap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Version of this format; readers refuse what they don't know.
    pub format: u32,
    /// The source's key.
    pub source: SourceKey,
    /// One more with each save, so that of two states of a record the later one is known; clocks can't tell. Numbers may
    /// be left out where a save got no answer. 0 in records of before it was counted.
    #[serde(default)]
    pub revision: u64,
    /// Where the document stands.
    pub status: RecordStatus,
    /// The version of the source that the stages below were made from; of a removed source, the last one seen.
    pub version: Option<SourceVersion>,
    /// Which vector stores hold it, sorted.
    pub target_stores: Vec<String>,
    /// The custom prompt that a message or a command gave for this version; empty where it asked for none. What gives
    /// none of its own, such as a late event of the bucket, leaves it in force while the bytes stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_prompt: Option<String>,
    /// Every finished stage.
    pub stages: BTreeMap<Stage, StageEntry>,
    /// How every page ended.
    #[serde(default)]
    pub ledger: PageAccount,
    /// What all paid calls for this source sum up to, of every run and version, also of those that came to nothing. The
    /// [charges](crate::charge) themselves stay when the source is removed.
    #[serde(default, skip_serializing_if = "Charged::is_nothing")]
    pub spent: Charged,
    /// Runs in a row that failed: deaths, failures that may pass, and a failure for good. Releases on shutdown and
    /// runs that another worker overtook do not count; a commit begins anew at 0.
    #[serde(default)]
    pub attempts: u32,
    /// Set while a worker is inside a stage: a start without an end is a death.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_progress: Option<InProgress>,
    /// Deaths in the stage that the document has not got past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deaths: Option<Deaths>,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// First seen.
    pub created_at: Timestamp,
    /// Last change of this record.
    pub updated_at: Timestamp,
}

/// The start marker of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InProgress {
    /// The stage that was begun.
    pub stage: Stage,
    /// When.
    pub since: Timestamp,
    /// Trace id of the run, as in the logs.
    pub trace_id: String,
    /// The run, told from every other one, also of the same message.
    #[serde(default)]
    pub run: String,
    /// The queue message that asked for the run, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The page at work. Only a cautious run, which does one page at a time, says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Pages that are read and kept, from the first on: the next run begins behind them. While the PDF is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<u32>,
    /// Of so many pages. While the PDF is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
}

/// Workers that died in one stage of a document: killed, out of memory, crashed, or without a lease before the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deaths {
    /// The stage of the last one. The stages that read the PDF (`inspect` to `structure`) count as one.
    pub stage: Stage,
    /// How many in a row without progress: one that came after more pages were kept than at any death before is not
    /// counted, and begins anew at 0.
    pub count: u32,
    /// The most pages that were kept at any of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub done: u32,
    /// Hash of what they depend on: another version of the source, other settings, another engine or another build
    /// begin anew.
    pub fingerprint: Fingerprint,
    /// Pages at which a cautious run died. The next run leaves them out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pages: BTreeSet<u32>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Record {
    /// The format that this build writes and reads.
    pub const FORMAT: u32 = 1;

    /// The record of a source that is seen for the first time.
    pub fn new(source: SourceKey, at: Timestamp) -> Self {
        Self {
            format: Self::FORMAT,
            source,
            revision: 0,
            status: RecordStatus::Processing,
            version: None,
            target_stores: Vec::new(),
            custom_prompt: None,
            stages: BTreeMap::new(),
            ledger: PageAccount::default(),
            spent: Charged::default(),
            attempts: 0,
            in_progress: None,
            deaths: None,
            failure: None,
            created_at: at,
            updated_at: at,
        }
    }
}
