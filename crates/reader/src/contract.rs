//! What a caller needs of an engine, so that it can be run over another one: a simulation has no child processes.

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use pagemill_document::{Inspection, OutlineItem, PageLabel, PageNumber};

use crate::attachment::Attachment;
use crate::error::{PageFailure, PdfError};
use crate::file::SealedFile;
use crate::request::{Counted, ExtractRequest, PageOutput};
use crate::words::PageWords;

/// Opens PDFs.
#[async_trait]
pub trait PdfEngine: Send + Sync + std::fmt::Debug {
    /// Opens and inspects a document. The empty password is tried first, then `passwords` in their order.
    ///
    /// # Errors
    /// Every [`PdfError`], by what the caller can do about it.
    async fn open(
        &self,
        file: SealedFile,
        passwords: &[String],
    ) -> Result<Box<dyn PdfDocument>, PdfError>;

    /// Ends what the engine runs beside this process. A later call of [`PdfEngine::open`] fails, while streams that are
    /// being read go on to their end.
    async fn shutdown(&self);

    /// How many processes have died over a document so far: crashed, out of memory or out of time. An engine without
    /// processes of its own has none.
    fn deaths(&self) -> u64 {
        0
    }
}

/// An opened PDF. It holds the file's bytes in memory until it and its last stream are gone.
pub trait PdfDocument: Send + Sync + std::fmt::Debug {
    /// What the file says of itself. `pages` is the count that is extracted.
    fn inspection(&self) -> &Inspection;

    /// The bookmarks of the file.
    fn outline(&self) -> &[OutlineItem];

    /// The printed page labels, only where the file has them.
    fn page_labels(&self) -> &[PageLabel];

    /// Pages in the file's page tree, as a second reader finds them; an engine with one reader has none.
    fn pages_in_tree(&self) -> Option<u32> {
        None
    }

    /// What a second reader counts on a page; an engine with one reader has none.
    fn counted(&self, _page: PageNumber) -> Option<Counted> {
        None
    }

    /// The file with these words on its pages, invisible, where their boxes are; an engine that writes no PDFs says so.
    ///
    /// # Errors
    /// Every [`PdfError`]; of a file that was opened mostly [`PdfError::Corrupt`] and [`PdfError::OverLimit`].
    fn searchable(&self, _pages: Vec<PageWords>) -> BoxFuture<'_, Result<Vec<u8>, PdfError>> {
        Box::pin(async {
            Err(PdfError::Engine {
                reason: "this engine writes no searchable PDFs: use another one".to_owned(),
            })
        })
    }

    /// The files that the document carries, in the order of [`Inspection::attachments`], with the bytes of those that are XML
    /// and within the limits. An engine that reads no attachments has none.
    ///
    /// # Errors
    /// Every [`PdfError`]; a file that can't be read is no error, and says so itself.
    fn attachments(&self) -> BoxFuture<'_, Result<Vec<Attachment>, PdfError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Every page that is not [behind](ExtractRequest::behind) exactly once, in page order, each whole or failed with a
    /// reason. Dropping the stream stops the work.
    fn extract(
        &self,
        request: ExtractRequest,
    ) -> BoxStream<'static, (PageNumber, Result<PageOutput, PageFailure>)>;
}
