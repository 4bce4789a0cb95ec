//! Text in, document metadata out, by a published schema.
//!
//! Two generators implement [`MetadataGenerator`]:
//! - **extractive** needs no network. It takes what the file says of itself, parses dates and identifiers, detects
//!   languages, picks keywords and summary sentences, and leaves empty what it can't know.
//! - **llm** starts from the extractive result and lets a model behind an OpenAI-compatible API fill the rest. What
//!   the model claims with a quote is checked against the cited page.
//!
//! Every value is a [`Claim`]: who says so, where in the text it stands, and how far that was checked ([`Verified`]). The result holds no time stamps and no usage, so equal
//! input and settings give equal bytes.
//!
//! What is paid for is made apart: [`MetadataGenerator::predict`] asks the model, tells each call to a
//! [`ChargeSink`](pagemill_document::ChargeSink) and gives a [`Prediction`], the answers as they came;
//! [`MetadataGenerator::judge`] makes the metadata of it, as often as one likes.
//!
//! Start with [`generator()`], which chooses by [`MetadataSettings`]. The second generator, with its HTTP client, is the
//! feature `llm`, on by default; without it, asking for it is [`MetadataError::NotBuilt`].

pub mod check_digits;
pub mod document;
pub mod error;
pub mod extractive;
#[cfg(all(test, feature = "llm"))]
mod fuzz;
pub mod generator;
mod grounding;
mod labels;
#[cfg(feature = "llm")]
pub mod llm;
mod orders;
mod places;
pub mod prediction;
#[cfg(feature = "llm")]
mod prose;
mod roles;
pub mod settings;
#[cfg(feature = "stub")]
pub mod stub;
pub mod usage;
mod visible;

pub use document::{Claim, DocumentMetadata, DocumentType, Evidence, Source, Verified, schema};
pub use error::MetadataError;
pub use generator::{DocumentInput, MetadataGenerator, generator};
pub use prediction::{Ending, Prediction, Said};
pub use settings::{
    CUSTOM_PROMPT_MAX_BYTES, GeneratorKind, LlmEndpoint, MetadataSettings, Provider,
};
pub use usage::Usage;
