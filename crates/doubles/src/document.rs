//! A PDF without a file.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use pagemill_document::{Inspection, OutlineItem, PageLabel, PageNumber, PageState, PageText};
use pagemill_reader::{
    Attachment, ExtractRequest, ImageFormat, NotKept, PageFailure, PageImage, PageOutput,
    PdfDocument, PdfError,
};

/// How a page comes to be: called when the pages before it are done.
type Script = dyn Fn(PageNumber, &ExtractRequest) -> BoxFuture<'static, Result<PageOutput, PageFailure>>
    + Send
    + Sync;

/// A document whose pages a script makes.
pub struct ScriptedDocument {
    inspection: Inspection,
    carries: Vec<(String, String)>,
    script: Arc<Script>,
}

impl ScriptedDocument {
    /// A document of so many pages.
    pub fn new(
        pages: u32,
        script: impl Fn(
            PageNumber,
            &ExtractRequest,
        ) -> BoxFuture<'static, Result<PageOutput, PageFailure>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            inspection: Inspection {
                pages,
                pdf_version: "1.7".to_owned(),
                ..Inspection::default()
            },
            carries: Vec::new(),
            script: Arc::new(script),
        }
    }

    /// The same with XML attached, each file a name and what is in it. One with nothing in it is told as too large.
    #[must_use]
    pub fn carrying(mut self, files: Vec<(String, String)>) -> Self {
        self.inspection.attachments = files.iter().map(|(name, _)| name.clone()).collect();
        self.carries = files;
        self
    }
}

impl fmt::Debug for ScriptedDocument {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a document of {} pages", self.inspection.pages)
    }
}

impl PdfDocument for ScriptedDocument {
    fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    fn outline(&self) -> &[OutlineItem] {
        &[]
    }

    fn page_labels(&self) -> &[PageLabel] {
        &[]
    }

    fn attachments(&self) -> BoxFuture<'_, Result<Vec<Attachment>, PdfError>> {
        let carried = self.carries.iter().map(|(name, text)| Attachment {
            name: name.clone(),
            media_type: Some("text/xml".to_owned()),
            relationship: None,
            content: match text.is_empty() {
                true => Err(NotKept::OverLimit),
                false => Ok(text.clone().into()),
            },
        });
        let carried = carried.collect();
        Box::pin(async { Ok(carried) })
    }

    fn extract(
        &self,
        request: ExtractRequest,
    ) -> BoxStream<'static, (PageNumber, Result<PageOutput, PageFailure>)> {
        let script = Arc::clone(&self.script);
        stream::iter(request.behind.pages + 1..=self.inspection.pages)
            .then(move |number| {
                let page = PageNumber(number);
                let made = script(page, &request);
                async move { (page, made.await) }
            })
            .boxed()
    }
}

/// A page with this text and a small image, which differs from page text to page text.
pub fn page_of(page: PageNumber, text: String) -> PageOutput {
    PageOutput {
        page,
        image: Some(PageImage {
            width: 10,
            height: 10,
            format: ImageFormat::Png,
            grey: true,
            scaled_down: false,
            data: Bytes::from(format!("image of: {text}")),
            thumbnail: None,
        }),
        text: Some(PageText {
            page,
            width: 100.0,
            height: 100.0,
            rotation: 0,
            state: PageState::Text,
            text,
            blocks: Vec::new(),
            annotations: Vec::new(),
            raised: Vec::new(),
            figures: Vec::new(),
            characters: Default::default(),
            ocr: None,
            truncated: false,
        }),
        links: Some(Vec::new()),
        links_dropped: 0,
        annotations: 0,
        readings: Vec::new(),
    }
}
