//! The engine: a pool of renderer processes, and the documents it opens.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use futures::stream::BoxStream;
use pagemill_document::{Inspection, OutlineItem, PageLabel, PageNumber};
use pagemill_reader::{
    Attachment, Counted, ExtractRequest, Limits, PageFailure, PageOutput, PageWords, PdfError,
    SealedFile,
};
use serde::{Deserialize, Serialize};

use crate::encode::JpegEncoder;
use crate::pool::Pool;
use crate::sandbox::{Layer, LayerName};

mod attachments;
mod check;
mod contract;
mod extraction;
#[cfg(test)]
mod fuzz;
mod opening;
mod retry_budget;
mod searchable;

pub use extraction::PAGES_PER_TURN;
use opening::OpenedDocument;

/// How children are started and what they may use. Not part of any fingerprint.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The program to start as a child, and its arguments: the worker's own binary with its hidden subcommand.
    pub child_command: Vec<String>,
    /// Path of libpdfium, or the folder that holds it.
    pub libpdfium: PathBuf,
    /// Child processes at work at the same time.
    pub children: usize,
    /// Limits that every document and page is held to.
    pub limits: Limits,
    /// Layers of the sandbox without which no child is used. One of the others that is missing is only reported.
    pub required_layers: BTreeSet<LayerName>,
    /// How pages without text are read from their pictures; none: they are told as such.
    pub ocr: Option<OcrSettings>,
}

/// How pages without text, and pictures among text, are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OcrSettings {
    /// The folder that holds Tesseract's library and its models.
    pub tesseract: PathBuf,
    /// The folder that holds PP-OCR's models.
    pub ppocr: PathBuf,
    /// The languages that pages may be in, as Tesseract calls them; the first is tried first.
    pub languages: Vec<String>,
    /// Pixels an inch of the picture that is read.
    pub dpi: u32,
    /// Most pixels of that picture.
    pub max_pixels: u64,
    /// Whether the pictures of pages that have text are read too.
    pub pictures: bool,
}

/// What the engine is made of, for a doctor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineReport {
    /// The file that libpdfium was loaded from.
    pub libpdfium: PathBuf,
    /// Size of that file in bytes.
    pub libpdfium_bytes: u64,
    /// What encodes JPEGs.
    pub jpeg_encoder: JpegEncoder,
    /// The layers of the sandbox around a child, up and missing.
    pub layers: Vec<Layer>,
    /// What reads pictures of pages.
    pub ocr: OcrReport,
}

/// What reads pictures of pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum OcrReport {
    /// Nobody, as it is switched off.
    Off,
    /// These.
    Ready {
        /// The one first that a picture is read by first.
        readers: Vec<OcrReaderReport>,
        /// Why another one is not there, and the remedy.
        lacks: Option<String>,
    },
    /// Nobody, for want of something.
    Missing {
        /// What, and the remedy.
        reason: String,
    },
}

/// One of those that read pictures of pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OcrReaderReport {
    /// Which one it is.
    pub kind: OcrReaderKind,
    /// Its name and version; of PP-OCR, the name of its models.
    pub name: String,
    /// The library that was loaded, or the folder of the models.
    pub place: PathBuf,
    /// The wanted languages that it reads; PP-OCR may have none, and reads what others were not sure of.
    pub languages: Vec<String>,
    /// The files that its readings depend on, each with a name for it.
    pub models: Vec<(String, PathBuf)>,
}

/// The readers of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OcrReaderKind {
    /// Tesseract 5, which has a model for each language.
    Tesseract,
    /// PP-OCR, whose model reads Chinese, Japanese and languages in Latin letters.
    PpOcr,
}

/// A pool of renderer processes, shared by all documents. Clones share the pool; the last one ends its children.
#[derive(Debug, Clone)]
pub struct Engine {
    pool: Arc<Pool>,
    report: Arc<EngineReport>,
}

impl Engine {
    /// Starts one child to see that libpdfium loads there. Blocks for the few milliseconds that takes.
    ///
    /// # Errors
    /// [`PdfError::Engine`] when no child can be started, it can't load libpdfium, or a required layer of its sandbox is
    /// missing.
    pub fn new(settings: EngineSettings) -> Result<Self, PdfError> {
        let (pool, first) = Pool::start(settings)?;
        let libpdfium_bytes = fs::metadata(&first.libpdfium).map_or(0, |metadata| metadata.len());
        Ok(Self {
            pool: Arc::new(pool),
            report: Arc::new(EngineReport {
                libpdfium: first.libpdfium,
                libpdfium_bytes,
                jpeg_encoder: first.jpeg_encoder,
                layers: first.layers,
                ocr: first.ocr,
            }),
        })
    }

    /// What the first child found: the library and the sandbox around it.
    pub fn report(&self) -> &EngineReport {
        &self.report
    }

    /// Opens and inspects a document. The empty password is tried first, then `passwords` in their order.
    ///
    /// # Errors
    /// Every [`PdfError`], by what the caller can do about it.
    pub async fn open(&self, file: SealedFile, passwords: &[String]) -> Result<Document, PdfError> {
        let opened = opening::open(&self.pool, file, passwords).await?;
        Ok(Document {
            pool: Arc::clone(&self.pool),
            opened: Arc::new(opened),
        })
    }

    /// How many children have died over a document so far: crashed, out of memory or out of time.
    pub fn deaths(&self) -> u64 {
        self.pool.deaths()
    }

    /// Ends all idle children; busy ones end when their work ends. A later call of [`Engine::open`] fails, while
    /// streams that are being read go on to their end.
    pub async fn shutdown(&self) {
        self.pool.close().await;
    }
}

/// An opened document. Clones share it. It holds the file's bytes in memory until the last clone and the last stream
/// are gone.
#[derive(Debug, Clone)]
pub struct Document {
    pool: Arc<Pool>,
    opened: Arc<OpenedDocument>,
}

impl Document {
    /// What the file says of itself. `pages` is the count that is extracted.
    pub fn inspection(&self) -> &Inspection {
        &self.opened.inspection
    }

    /// The bookmarks of the file.
    pub fn outline(&self) -> &[OutlineItem] {
        &self.opened.outline
    }

    /// The printed page labels, only where the file has them.
    pub fn page_labels(&self) -> &[PageLabel] {
        &self.opened.page_labels
    }

    /// Pages in the file's page tree, as the second reader finds them; nothing when it can't read the file.
    pub fn pages_in_tree(&self) -> Option<u32> {
        self.opened.pages_in_tree
    }

    /// What the second reader counts on a page; nothing when it did not get that far.
    pub fn counted(&self, page: PageNumber) -> Option<Counted> {
        self.opened.counted(page)
    }

    /// A copy of the file in which these words can be found and copied at their places, invisible, on pages that are seen as
    /// before. An encrypted file loses its encryption. Opening it again gives the same pages.
    ///
    /// # Errors
    /// [`PdfError::Corrupt`] when the object reader can't read the file or does not find the pages,
    /// [`PdfError::OverLimit`] when the copy would be larger than a file may be, and [`PdfError::Poison`] when no child
    /// survives it.
    pub async fn searchable(&self, pages: Vec<PageWords>) -> Result<Vec<u8>, PdfError> {
        searchable::searchable(&self.pool, &self.opened, pages).await
    }

    /// The files that the document carries, with the bytes of those that are XML and within the limits. They are read in a
    /// child; one that ends it is told as such, and those behind it come from another child.
    ///
    /// # Errors
    /// [`PdfError::Corrupt`] when the object reader can't read the file, and [`PdfError::Engine`] when no child can be started.
    pub async fn attachments(&self) -> Result<Vec<Attachment>, PdfError> {
        attachments::attachments(&self.pool, &self.opened).await
    }

    /// Every page that is not behind exactly once, in page order, each whole or failed with a reason. Must be polled in
    /// a tokio runtime.
    ///
    /// Pages are worked on in turns of [`PAGES_PER_TURN`], one turn more than there are children. So many pages are
    /// held at most, and not more bytes of them than [`Limits::page_buffer_mib`] but for one page: a slow reader slows
    /// the children. The time of [`Limits::document_timeout_seconds`] begins with this call. With [`Pace::Cautious`](pagemill_reader::Pace::Cautious) a turn is one page, and there is one
    /// turn at a time. Dropping the stream stops the work: the children that are busy with it are killed.
    pub fn extract(
        &self,
        request: ExtractRequest,
    ) -> BoxStream<'static, (PageNumber, Result<PageOutput, PageFailure>)> {
        extraction::extract(Arc::clone(&self.pool), Arc::clone(&self.opened), request)
    }
}
