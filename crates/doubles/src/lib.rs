//! What stands in for an engine and a vector store where tests run documents without processes and services.
//!
//! [`ScriptedDocument`] is a PDF whose pages a test makes up as they are asked for: they may take their time, fail, or never
//! come. [`MemoryVectors`] keeps what was written to it, so that a test can say which points a document left, and refuses
//! writes where it is told to. The object store and the queue have doubles that programs use too, in their own crates.
//!
//! It knows the traits, and nobody who calls them.

mod document;
mod vectors;

pub use document::{ScriptedDocument, page_of};
pub use vectors::{MemoryVectors, VectorFault};
