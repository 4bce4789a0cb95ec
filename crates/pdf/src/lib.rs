//! A PDF in, pages, text, links and structure out. No AWS, no network.
//!
//! A PDF is hostile until proven otherwise: it is parsed and rendered only in child processes of the same binary,
//! each with one PDFium, a memory limit and a CPU limit. The parent ([`engine`]) hands a child the file as a
//! sealed memory file, asks for ranges of pages and trusts nothing that comes back (`protocol`).
//!
//! What comes out is told in the words of [`pagemill_document`]: an [`Inspection`](pagemill_document::Inspection) of the
//! file; for each page a [`PageOutput`] with its image, its [`PageText`](pagemill_document::PageText) in reading order, and
//! its links; for the whole its structure.

mod annotation_text;
pub mod child;
mod drawing;
mod encode;
pub mod engine;
pub mod error;
#[cfg(test)]
mod fuzz;
pub mod inspect;
pub mod link;
pub mod memory_file;
pub mod page;
mod pdfium;
mod pool;
mod protocol;
mod render;
mod repair;
pub mod sandbox;
mod scan;
pub mod spill;
pub mod structure;
pub mod text;

pub use child::child_main;
pub use encode::JpegEncoder;
pub use engine::{
    Behind, Counted, Document, Engine, EngineReport, EngineSettings, ExtractRequest, Limits,
    OcrReport, OcrSettings, Pace, PageOutput, PdfDocument, PdfEngine,
};
pub use error::{PageFailure, PdfError};
pub use memory_file::{SealedFile, SpoolFile};
pub use page::{ImageFormat, ImageSettings, PageImage};
pub use sandbox::{Layer, LayerName, LayerState};
pub use spill::Spill;
