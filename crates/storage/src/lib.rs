//! Objects and records: where Pagemill keeps what it reads and what it makes.
//!
//! One trait, [`ObjectStore`], with two real backends, [`s3::S3Store`] and [`folder::FolderStore`], and one in
//! memory for tests, [`memory::MemoryStore`]. All pass one conformance suite. [`overlay::Overlay`] joins a folder
//! that is only read with a store for the results. On top of it:
//!
//! - [`layout`]: the key of every object, from the key of its source;
//! - [`record`]: the record of one source, which is the truth about it, written by compare-and-swap;
//! - [`charge`]: what each paid call of a document used and cost;
//! - [`answer`]: what a model said, kept so that it is not paid for twice;
//! - [`history`]: the roll-up of all records for people and older readers. A view, never the truth.
//!
//! AWS types stay inside [`s3`].

pub mod answer;
mod body;
pub mod charge;
pub mod folder;
pub mod history;
pub mod json;
pub mod layout;
pub mod memory;
pub mod object;
pub mod overlay;
pub mod record;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(not(feature = "s3"))]
#[path = "s3_not_built.rs"]
pub mod s3;
pub mod shown;

pub use answer::Answer;
pub use body::FileBody;
pub use charge::{Charge, ChargeError, Charged, charges_of, ledger};
pub use folder::FolderStore;
pub use history::{
    HistoryEntry, HistoryError, HistoryFailure, HistoryView, HistoryWriter, Rebuilt,
    rebuild_history,
};
pub use json::to_canonical_json;
pub use layout::{KeyLayout, SourceKey, is_pdf_name};
pub use memory::MemoryStore;
pub use object::{
    ByteStream, Condition, ETag, Listing, ObjectMeta, ObjectStore, PutOptions, StorageError,
};
pub use overlay::Overlay;
pub use record::{
    Deaths, Failure, Fault, Fingerprint, Generation, InProgress, Missing, PageAccount, Record,
    RecordError, RecordStatus, RecordStore, RecordStream, Sequencer, SourceVersion, Stage,
    StageEntry, StageName, StageNameError, Unaccounted,
};
pub use s3::{S3Options, S3Store};
pub use shown::shown;
