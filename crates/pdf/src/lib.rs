//! A PDF in, pages, text, links and structure out. No AWS, no network.
//!
//! A PDF is hostile until proven otherwise: it is parsed and rendered only in child processes of the same binary,
//! each with one PDFium, a memory limit and a CPU limit. The parent ([`engine`]) hands a child the file as a
//! sealed memory file, asks for ranges of pages and trusts nothing that comes back (`protocol`).
//!
//! What it is asked, and how it answers, is the contract in [`pagemill_reader`]: whoever asks through that compiles no engine.
//! What comes out is told in the words of [`pagemill_document`]: an [`Inspection`](pagemill_document::Inspection) of the
//! file; for each page a [`PageOutput`] with its image, its [`PageText`](pagemill_document::PageText) in reading order, and
//! its links; for the whole its structure.

mod annotation_text;
pub mod child;
mod drawing;
mod encode;
pub mod engine;
#[cfg(test)]
mod fuzz;
pub mod inspect;
pub mod link;
mod pdfium;
mod pool;
mod protocol;
mod render;
mod repair;
pub mod sandbox;
mod scan;
mod searchable;
pub mod structure;
pub mod text;

pub use child::child_main;
pub use encode::JpegEncoder;
pub use engine::{
    Document, Engine, EngineReport, EngineSettings, OcrReaderKind, OcrReaderReport, OcrReport,
    OcrSettings,
};
// The contract that the engine keeps, so that whoever uses the engine alone needs this crate alone.
pub use pagemill_reader::{
    Behind, Counted, ExtractRequest, ImageFormat, ImageSettings, Limits, Pace, PageFailure,
    PageImage, PageOutput, PageWords, PdfDocument, PdfEngine, PdfError, PlacedWord, SealedFile,
    SpoolFile,
};
pub use sandbox::{Layer, LayerName, LayerState};
