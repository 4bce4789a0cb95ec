//! A PDF without a file.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use pagemill_document::{Inspection, OutlineItem, PageLabel, PageNumber, PageState, PageText};
use pagemill_reader::{
    ExtractRequest, ImageFormat, PageFailure, PageImage, PageOutput, PdfDocument,
};

/// How a page comes to be: called when the pages before it are done.
type Script = dyn Fn(PageNumber, &ExtractRequest) -> BoxFuture<'static, Result<PageOutput, PageFailure>>
    + Send
    + Sync;

/// A document whose pages a script makes.
pub struct ScriptedDocument {
    inspection: Inspection,
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
            script: Arc::new(script),
        }
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
            characters: Default::default(),
            ocr: None,
            truncated: false,
        }),
        links: Some(Vec::new()),
        links_dropped: 0,
        annotations: 0,
    }
}
