//! What a caller needs of an engine, so that it can be run over another one: a simulation has no child processes.

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{Counted, Document, Engine, ExtractRequest, PageOutput};
use crate::error::{PageFailure, PdfError};
use crate::memory_file::SealedFile;
use pagemill_document::{Inspection, OutlineItem, PageLabel, PageNumber};

/// Opens PDFs. [`Engine`] is the one of production.
#[async_trait]
pub trait PdfEngine: Send + Sync + std::fmt::Debug {
    /// See [`Engine::open`].
    ///
    /// # Errors
    /// Every [`PdfError`], by what the caller can do about it.
    async fn open(
        &self,
        file: SealedFile,
        passwords: &[String],
    ) -> Result<Box<dyn PdfDocument>, PdfError>;

    /// See [`Engine::shutdown`].
    async fn shutdown(&self);

    /// See [`Engine::deaths`]; an engine without child processes has none.
    fn deaths(&self) -> u64 {
        0
    }
}

/// An opened PDF. [`Document`] is the one of production.
pub trait PdfDocument: Send + Sync + std::fmt::Debug {
    /// What the file says of itself. `pages` is the count that is extracted.
    fn inspection(&self) -> &Inspection;

    /// The bookmarks of the file.
    fn outline(&self) -> &[OutlineItem];

    /// The printed page labels, only where the file has them.
    fn page_labels(&self) -> &[PageLabel];

    /// See [`Document::pages_in_tree`]; an engine with one reader has none.
    fn pages_in_tree(&self) -> Option<u32> {
        None
    }

    /// See [`Document::counted`]; an engine with one reader has none.
    fn counted(&self, _page: PageNumber) -> Option<Counted> {
        None
    }

    /// Every page that is not behind exactly once, in page order; see [`Document::extract`].
    fn extract(
        &self,
        request: ExtractRequest,
    ) -> BoxStream<'static, (PageNumber, Result<PageOutput, PageFailure>)>;
}

#[async_trait]
impl PdfEngine for Engine {
    async fn open(
        &self,
        file: SealedFile,
        passwords: &[String],
    ) -> Result<Box<dyn PdfDocument>, PdfError> {
        let document = Engine::open(self, file, passwords).await?;
        Ok(Box::new(document))
    }

    async fn shutdown(&self) {
        Engine::shutdown(self).await;
    }

    fn deaths(&self) -> u64 {
        Engine::deaths(self)
    }
}

impl PdfDocument for Document {
    fn inspection(&self) -> &Inspection {
        Document::inspection(self)
    }

    fn outline(&self) -> &[OutlineItem] {
        Document::outline(self)
    }

    fn page_labels(&self) -> &[PageLabel] {
        Document::page_labels(self)
    }

    fn pages_in_tree(&self) -> Option<u32> {
        Document::pages_in_tree(self)
    }

    fn counted(&self, page: PageNumber) -> Option<Counted> {
        Document::counted(self, page)
    }

    fn extract(
        &self,
        request: ExtractRequest,
    ) -> BoxStream<'static, (PageNumber, Result<PageOutput, PageFailure>)> {
        Document::extract(self, request)
    }
}
