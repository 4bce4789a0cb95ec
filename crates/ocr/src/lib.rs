//! Reads the letters in a picture of a page: a grey image in, words with boxes and confidences out.
//!
//! The reader is Tesseract 5, loaded at run time as libpdfium is; its models are given as bytes. So everything that
//! comes from the file system is there before the first pixel, and a process can put up its walls in between:
//!
//! ```no_run
//! use std::path::Path;
//! use pagemill_ocr::{GreyImage, Library, Models, Reader};
//!
//! let library = Library::load(Path::new(".pagemill/tesseract"))?;
//! let models = Models::open(Path::new(".pagemill/tesseract"), &["eng".into(), "deu".into()])?;
//! // ... the walls go up here ...
//! let mut reader = Reader::new(library, models);
//! let image = GreyImage { width: 2, height: 2, dpi: 300, pixels: &[255; 4] };
//! let reading = reader.read(&image, std::time::Duration::from_secs(20))?;
//! assert!(reading.words.is_empty());
//! # Ok::<(), pagemill_ocr::OcrError>(())
//! ```
//!
//! What a scanner or a fax left on the page is taken away first, for the reader's eyes only: see `enhance`. So are the
//! rules of tables, which a reading tells apart from its words: see `strokes`.
//! A page is read in the first language; where what comes out is in another one that there is a model for, or is hardly
//! anything, the page is read again with that one. What a page gives does not depend on the pages before it.
//!
//! It knows images and letters. It does not know PDF, pages of a document, or how text is laid out.

mod enhance;
mod image;
mod language;
mod models;
mod reader;
mod strokes;
mod tesseract;

pub use enhance::Turn;
pub use image::GreyImage;
pub use models::Models;
pub use reader::{Reader, Reading, Word};
pub use strokes::{StraightLine, straight_lines};
pub use tesseract::Library;

use std::path::PathBuf;

/// The version of what this crate makes of a picture. Raise it when the same picture gives another [`Reading`] than before
/// with the same library and models: readings that were kept are then of no use any more.
pub const VERSION: u32 = 1;

/// Why nothing could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OcrError {
    /// The library is not to be had.
    #[error("{} can't be loaded ({reason}): run scripts/setup, or set ocr.enabled to false", path.display())]
    NoLibrary {
        /// Where it was looked for.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// A language has no model.
    #[error("there is no model for the language {language}: {} can't be read ({reason}); put it there, or take the language out of ocr.languages", path.display())]
    NoModel {
        /// The language, such as `eng`.
        language: String,
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A model is there and can't be used.
    #[error(
        "the model for the language {language} can't be used: bring it again with scripts/setup"
    )]
    BadModel {
        /// The language, such as `eng`.
        language: String,
    },
    /// The image is not what its size says.
    #[error("an image of {width} x {height} pixels with {bytes} bytes")]
    BadImage {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// That came with it.
        bytes: usize,
    },
    /// The time was over before the page was read.
    #[error("the page was not read in time: raise limits.page_timeout_seconds")]
    TimedOut,
}
