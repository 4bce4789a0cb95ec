//! The double of the PDF engine: it knows the few contents, and takes its time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use pagemill_doubles::{ScriptedDocument, page_of};
use pagemill_pdf::{PageFailure, PdfDocument, PdfEngine, PdfError, SealedFile};

use crate::documents::Content;
use crate::gate::Gate;

/// Opens the documents of the simulation.
#[derive(Debug)]
pub(crate) struct SimulatedEngine {
    pub(crate) gate: Arc<Gate>,
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
        let pages = content.pages();
        let count = u32::try_from(pages.len()).unwrap_or(u32::MAX);
        let gate = Arc::clone(&self.gate);
        let document = ScriptedDocument::new(count, move |page, request| {
            let gate = Arc::clone(&gate);
            let with_image = request.images.is_some();
            let text = pages[page.0 as usize - 1].clone();
            async move {
                gate.works(effort(&gate)).await;
                let text = text.ok_or(PageFailure::Unreadable { page })?;
                let mut output = page_of(page, text);
                output.image = output.image.filter(|_| with_image);
                Ok(output)
            }
            .boxed()
        });
        Ok(Box::new(document))
    }

    async fn shutdown(&self) {}
}
