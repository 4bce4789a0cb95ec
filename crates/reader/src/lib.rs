//! What is asked of whoever reads PDFs, and what comes back. Not how a PDF is read.
//!
//! The pipeline asks through [`PdfEngine`] and [`PdfDocument`], and `pagemill-pdf` answers with PDFium in child processes;
//! doubles of tests and the simulation answer without. So none of those who ask compiles an engine. The content of a document
//! is told in the words of [`pagemill_document`].
//!
//! # A tour
//!
//! 1. Bytes arrive in a [`SpoolFile`], which counts and hashes them. Sealed, they are a [`SealedFile`]: in memory, and nobody
//!    can change them any more. What can be no PDF is refused here.
//! 2. [`PdfEngine::open`] makes a [`PdfDocument`] of it, or says by a [`PdfError`] what the caller can do.
//! 3. [`PdfDocument::extract`] streams the pages of an [`ExtractRequest`], each a [`PageOutput`] or a [`PageFailure`].
//!    What was [behind](Behind) it already does not come again, and pictures that were [read](KeptReadings) are not read again.
//! 4. [`PdfDocument::attachments`] gives the files that the document carries, each an [`Attachment`] with its bytes or why not.
//!
//! ```
//! use pagemill_reader::{PdfError, SealedFile};
//!
//! let file = SealedFile::from_bytes(b"%PDF-1.7\n%%EOF\n", 1 << 20)?;
//! assert_eq!(file.bytes(), 15);
//! let refused = SealedFile::from_bytes(b"<!doctype html>", 1 << 20);
//! assert!(matches!(refused, Err(PdfError::NotAPdf { .. })));
//! # Ok::<(), PdfError>(())
//! ```
//!
//! [`ImageSettings`] and [`Limits`] are settings, so their fields' comments become the reference. [`Spill`] holds what grows
//! with a document, on either side of the contract.
//!
//! # Adding to it
//!
//! A kind of failure is a variant with a code in `error.rs` (CONTRIBUTING has the steps); what one more engine can't tell has
//! a default in the trait.

mod attachment;
mod contract;
mod error;
mod file;
mod header;
mod image;
mod limits;
mod readings;
mod request;
mod spill;
mod words;

pub use attachment::{Attachment, MAX_ATTACHMENTS, NotKept};
pub use contract::{PdfDocument, PdfEngine};
pub use error::{PageFailure, PdfError};
pub use file::{SealedFile, SpoolFile, required_seals};
pub use header::{check_header, has_header, is_headless, not_a_pdf};
pub use image::{ImageFormat, ImageSettings, PageImage};
pub use limits::Limits;
pub use readings::{KeptReadings, PictureReading};
pub use request::{Behind, Counted, ExtractRequest, Pace, PageOutput};
pub use spill::Spill;
pub use words::{PageWords, PlacedWord};
