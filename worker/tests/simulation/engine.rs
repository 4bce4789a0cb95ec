//! The double of the PDF engine: it knows the few contents, and takes its time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use pagemill_document::{Inspection, OutlineItem, PageLabel, PageNumber, PageState, PageText};
use pagemill_pdf::{
    ExtractRequest, ImageFormat, PageFailure, PageImage, PageOutput, PdfDocument, PdfEngine,
    PdfError, SealedFile,
};

use crate::documents::Content;
use crate::gate::Gate;

/// Opens the documents of the simulation.
#[derive(Debug)]
pub(crate) struct SimulatedEngine {
    pub(crate) gate: Arc<Gate>,
}

#[derive(Debug)]
struct SimulatedDocument {
    gate: Arc<Gate>,
    content: Content,
    inspection: Inspection,
}

/// How long a piece of work takes: mostly little, sometimes so long that the lease must be renewed.
fn effort(gate: &Gate) -> Duration {
    let dice = &gate.world.dice;
    if !gate.world.plan.quick && dice.per_mille(100) {
        dice.millis(1_000, 40_000)
    } else {
        dice.millis(1, 500)
    }
}

#[async_trait]
impl PdfEngine for SimulatedEngine {
    async fn open(
        &self,
        file: SealedFile,
        _passwords: &[String],
    ) -> Result<Box<dyn PdfDocument>, PdfError> {
        let content = Content::of_length(file.bytes());
        self.gate.note(&format!("open {content:?}"));
        self.gate.works(effort(&self.gate)).await;
        match content {
            Content::Corrupt => {
                return Err(PdfError::Corrupt {
                    reason: "simulated".to_owned(),
                });
            }
            Content::Killer => {
                self.gate.die("of the document");
                return std::future::pending().await;
            }
            Content::Three | Content::One | Content::Long | Content::HalfReadable => {}
        }
        let pages = u32::try_from(content.pages().len()).unwrap_or(u32::MAX);
        Ok(Box::new(SimulatedDocument {
            gate: Arc::clone(&self.gate),
            content,
            inspection: Inspection {
                pages,
                pdf_version: "1.7".to_owned(),
                ..Inspection::default()
            },
        }))
    }

    async fn shutdown(&self) {}
}

impl PdfDocument for SimulatedDocument {
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
        let gate = Arc::clone(&self.gate);
        let pages = (1_u32..).map(PageNumber).zip(self.content.pages());
        let with_image = request.images.is_some();
        let behind = request.behind.pages as usize;
        stream::iter(pages.skip(behind).collect::<Vec<_>>())
            .then(move |(page, text)| {
                let gate = Arc::clone(&gate);
                async move {
                    gate.works(effort(&gate)).await;
                    let output = match text {
                        Some(text) => Ok(output(page, text, with_image)),
                        None => Err(PageFailure::Unreadable { page }),
                    };
                    (page, output)
                }
            })
            .boxed()
    }
}

fn output(page: PageNumber, text: String, with_image: bool) -> PageOutput {
    let image = with_image.then(|| PageImage {
        width: 10,
        height: 10,
        format: ImageFormat::Png,
        grey: true,
        scaled_down: false,
        data: Bytes::from(format!("image of: {text}")),
        thumbnail: None,
    });
    PageOutput {
        page,
        image,
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
