//! Objects and records: where Pagemill keeps what it reads and what it makes.
//!
//! One trait, [`ObjectStore`], with two real backends, [`s3::S3Store`] and [`folder::FolderStore`], and one in
//! memory for tests, [`memory::MemoryStore`]. All pass one conformance suite. On top of it:
//!
//! - [`layout`]: the key of every object, from the key of its source;
//! - [`record`]: the record of one source, which is the truth about it, written by compare-and-swap;
//! - [`history`]: the roll-up of all records for people and older readers. A view, never the truth.
//!
//! AWS types stay inside [`s3`].

pub mod layout;
pub mod object;
pub mod record;

pub use layout::{KeyLayout, SourceKey};
pub use object::{
    ByteStream, Condition, ETag, Listing, ObjectMeta, ObjectStore, PutOptions, StorageError,
};
pub use record::{
    Fingerprint, Generation, Failure, InProgress, PageLedger, Record, RecordStatus, SourceVersion, Stage, StageEntry,
};
