//! What Pagemill's programs do, without saying how it is shown: settings from the environment, the one place where
//! adapters are chosen, and operations that *return* what they find. The programs print it, or serve it.
//!
//! | operation | does |
//! |---|---|
//! | [`send`] | asks the workers for many documents |
//! | [`redrive`] | brings dead letters back |
//! | [`doctor`] | checks everything that a worker needs |
//! | [`verify`] | audits sources, records, objects and points against each other |
//! | [`replay`] | runs a message of the dead-letter queue here |
//! | [`search`] | a question in, hits out |
//! | [`evaluate`] | holds extracted fields against golden data |
//!
//! It knows every other crate, and none knows it but the programs. It does not know a command line, standard output or
//! HTTP. To add an operation, write a module with its `Options` and a function that takes a callback where it has
//! something to tell on its way; to add an adapter, choose it in [`adapters`].
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use pagemill_app::send::{self, Options};
//! use pagemill_queue::{MemoryQueue, TokioClock};
//! use pagemill_storage::{KeyLayout, MemoryStore, ObjectStore, PutOptions, RecordStore};
//!
//! let store = std::sync::Arc::new(MemoryStore::new("documents"));
//! store.put("source-pdfs/a.pdf", "%PDF-1.7".into(), PutOptions::default()).await?;
//! let records = RecordStore::new(store.clone(), KeyLayout::default());
//! let queue = MemoryQueue::new("jobs", TokioClock::shared());
//!
//! let sent = send::send(&*store, &records, &queue, &Options::default(), &mut |_| ()).await;
//! assert_eq!((sent.tally.listed, sent.sent), (1, 1));
//! # Ok::<(), pagemill_storage::StorageError>(())
//! # }).unwrap();
//! ```
//!
//! # Features
//!
//! `work` (default): what processes documents, and what looks into it. Without it there are [`send`], [`redrive`],
//! [`environment`] and the bucket and queues of [`adapters`], and no PDF engine is compiled.

pub mod adapters;
pub mod environment;
pub mod error;
pub mod output;
pub mod redrive;
pub mod send;

#[cfg(feature = "work")]
pub mod costs;
#[cfg(feature = "work")]
pub mod doctor;
#[cfg(feature = "work")]
pub mod evaluate;
#[cfg(feature = "work")]
pub mod plans;
#[cfg(feature = "work")]
pub mod reasons;
#[cfg(feature = "work")]
pub mod replay;
#[cfg(feature = "work")]
pub mod review;
#[cfg(feature = "work")]
pub mod search;
#[cfg(feature = "work")]
pub mod verify;

mod memory_limit;
#[cfg(feature = "work")]
mod stored;

pub use environment::Environment;
pub use error::Error;
