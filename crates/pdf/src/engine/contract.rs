//! The engine as the pipeline sees it: through the contract that every reader of PDFs keeps.

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use pagemill_document::{Inspection, OutlineItem, PageLabel, PageNumber};
use pagemill_reader::{
    Attachment, Counted, ExtractRequest, PageFailure, PageOutput, PageWords, PdfDocument,
    PdfEngine, PdfError, SealedFile,
};

use super::{Document, Engine};

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

    fn searchable(&self, pages: Vec<PageWords>) -> BoxFuture<'_, Result<Vec<u8>, PdfError>> {
        Box::pin(Document::searchable(self, pages))
    }

    fn attachments(&self) -> BoxFuture<'_, Result<Vec<Attachment>, PdfError>> {
        Box::pin(Document::attachments(self))
    }

    fn extract(
        &self,
        request: ExtractRequest,
    ) -> BoxStream<'static, (PageNumber, Result<PageOutput, PageFailure>)> {
        Document::extract(self, request)
    }
}
