//! Reads the letters in a picture of a page: a grey image in, words with boxes and confidences out.
//!
//! There are two readers. Tesseract 5 is loaded at run time as libpdfium is, and has a model for each language. PP-OCR is two
//! networks that `rten` runs in this process, for Chinese, Japanese and languages in Latin letters. Models are given as bytes.
//! So everything that comes from the file system is there before the first pixel, and a process can put up its walls in
//! between:
//!
//! ```no_run
//! use std::path::Path;
//! use std::time::Duration;
//! use pagemill_ocr::{GreyImage, Library, Looks, PpOcrModels, Readers};
//!
//! let folder = Path::new(".pagemill/tesseract");
//! let library = Library::load(folder);
//! let ppocr = PpOcrModels::open(Path::new(".pagemill/ppocr"));
//! let mut readers = Readers::new(library, folder, ppocr, &["eng".into(), "deu".into()])?;
//! // ... the walls go up here ...
//! let image = GreyImage { width: 2, height: 2, dpi: 300, pixels: &[255; 4] };
//! let mut readings = Vec::new();
//! while let Some(engine) = readers.next(Looks::AtPage, &readings) {
//!     let reading = readers.read(engine, &image, Looks::AtPage, Duration::from_secs(20))?;
//!     readings.push((engine, reading));
//! }
//! assert!(Readers::best(readings).words.is_empty());
//! # Ok::<(), pagemill_ocr::OcrError>(())
//! ```
//!
//! What a scanner or a fax left on the page is taken away first, for the reader's eyes only: see `enhance`. So are the
//! rules of tables, which a reading tells apart from its words: see `strokes`. Who reads a picture is decided in `readers`.
//! Tesseract reads a page in the first language; where what comes out is in another one that there is a model for, or is hardly
//! anything, again in that one. What a page gives does not depend on the pages before it.
//!
//! It knows images and letters. It does not know PDF, pages of a document, or how text is laid out.

mod enhance;
mod image;
mod language;
mod models;
#[cfg(feature = "ppocr")]
mod ppocr;
#[cfg(not(feature = "ppocr"))]
#[path = "ppocr_not_built.rs"]
mod ppocr;
mod reader;
mod readers;
mod strokes;
mod tesseract;

pub use enhance::Turn;
pub use image::GreyImage;
pub use models::Models;
pub use ppocr::{PpOcrModels, PpOcrReader, compute_on_this_thread};
pub use reader::{Looks, Reading, TesseractReader, Word};
pub use readers::{Engine, Present, Readers};
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
    /// Neither reader is to be had.
    #[error("{tesseract}; nor does PP-OCR read in its place: {ppocr}")]
    NoReader {
        /// Why not Tesseract.
        tesseract: String,
        /// Why not PP-OCR.
        ppocr: String,
    },
    /// A file of PP-OCR's is not to be had.
    #[error("{} can't be read ({reason}): run scripts/setup", path.display())]
    NoNetwork {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file of PP-OCR's is there and can't be used.
    #[error("{file} can't be used ({reason}): bring it again with scripts/setup")]
    BadNetwork {
        /// Its name.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// PP-OCR can't be used here.
    #[error("{reason}")]
    NoPpOcr {
        /// Why not, and the remedy.
        reason: String,
    },
    /// This build has no PP-OCR.
    #[error("this build has no PP-OCR: build it with --features ppocr")]
    NotBuilt,
    /// What PP-OCR computes would be computed on other threads than the one that asks.
    #[error("PP-OCR can't be kept to one thread ({reason}): it is not used in this process")]
    Threads {
        /// Why not.
        reason: String,
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
