//! `process_single_source`: one PDF, end to end. The only way a document is processed, from every entry: queue,
//! folder, bulk, replay, test.
//!
//! # A document is a small build
//!
//! ```text
//! fetch -> inspect -+-> pages   (images)   ----------------+
//!                   +-> text    (layout)   -+-> markdown   +-> predict -> metadata -+-> index   -> commit
//!                   +-> links              -+              |                        +-> extract -+
//!                   +-> structure -> attachments ----------+
//! ```
//!
//! Every stage has a [fingerprint]: a hash of its inputs, its settings and its engine's version. The
//! [record](pagemill_storage::Record) of a source is its build log. [`plan`] compares the two and names the stages
//! that must run; [`Pipeline::process_single_source`] runs them, writes each one's outputs, and then its entry into
//! the record by compare-and-swap; those that read the PDF are one pass, and are entered together. From that follow,
//! without special cases: an unchanged document does nothing; a changed prompt re-runs metadata and index and nothing
//! else; a killed run resumes at the stage that was not finished, and in the pass over the PDF at the pages that were not
//! kept; a message delivered twice converges to one result.
//!
//! # What it needs
//!
//! Traits only: an [`ObjectStore`](pagemill_storage::ObjectStore), a PDF [engine](pagemill_reader::PdfEngine), a
//! [metadata generator](pagemill_metadata::MetadataGenerator), an [indexer](pagemill_index::Indexer), and for each
//! run a [`Permit`], which is asked before every write whether this worker still holds the document.
//!
//! # Reading order
//!
//! [`settings`] (what can be tuned) -> [`graph`] (the stages, as a table; [`added`] for those of others) -> [`fingerprint`] -> [`prompt`] -> `expected`
//! (what every stage should be) -> [`plan`] -> [`pipeline`] (its parts) -> `process` (the run) -> `stages` (what each stage makes) -> [`outcome`]
//! -> [`attempts`] (what a run that ended early leaves to the next) -> `charges` (what it pays, by the settings' [`prices`]).

pub mod added;
pub mod attempts;
pub mod fingerprint;
pub mod graph;
pub mod outcome;
pub mod permit;
pub mod pipeline;
pub mod plan;
pub mod prices;
pub mod prompt;
pub mod removal;
pub mod searchable;
pub mod settings;

mod artifacts;
mod budget;
mod charges;
mod estimate;
mod expected;
mod process;
mod review;
mod run;
mod source;
mod stages;

pub use added::{AddedStage, Made, StageWork};
pub use artifacts::{
    AttachedContent, AttachedFile, AttachmentsFile, FieldsFile, LinksFile, MetadataFile,
    OutlineLink, StructureFile, TextFile,
};
pub use attempts::QueueMessage;
pub use budget::{Budget, BudgetSettings, DayCount, OnReached};
pub use graph::{Graph, GraphError, StageFile, StageSpec};
pub use outcome::{DocumentSize, PipelineError, Processed, RunOutcome, Spent};
pub use pagemill_document::Dependency;
pub use permit::{Permit, PermitLost, Progress, Unlimited};
pub use pipeline::{Options, Parts, Pipeline, Source};
pub use plan::{Estimate, Plan, PlannedStage, Reason, Size};
pub use prices::{Price, Prices, Usd};
pub use review::{OpenFile, OpenItem};
pub use searchable::Searchable;
pub use settings::{
    CalibrationFile, CheckpointSettings, Goal, Passwords, Profiles, Settings, SettingsError,
};
pub use stages::{PredictionFile, fields_without_corrections};
