//! A searchable copy of each PDF: a stage that a pipeline has when somebody asks for it.

use std::io::Write;

use async_trait::async_trait;
use pagemill_reader::{PageWords, PdfError};
use pagemill_storage::Stage;

use crate::added::{AddedStage, Made, StageWork};
use crate::artifacts::TextFile;
use crate::graph::{StageFile, StageSpec};
use crate::outcome::PipelineError;
use crate::settings::Goal;

/// Where the copies stand.
const PREFIX: &str = "searchable_pdf/";

const CONTENT_TYPE: &str = "application/pdf";

/// Writes `searchable_pdf/<path>.pdf`: the source, with the words that were read from the pictures of its pages lying over
/// them, invisible. A source without such pages is copied as it is, and so is one that no words can be written into, which
/// the record says then (`without_words`).
///
/// Once made, a copy stays while its document is unchanged, also in runs of pipelines without this stage; when the document
/// changes, these remove it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Searchable;

#[async_trait]
impl AddedStage for Searchable {
    fn spec(&self) -> StageSpec {
        StageSpec {
            stage: "searchable".parse().expect("a plain name"),
            goal: Goal::Extraction,
            upstream: vec![Stage::Text].into(),
            reads_source: true,
            file: Some(StageFile::Pdf(PREFIX.into())),
            code_version: 1,
        }
    }

    async fn make(&self, work: &mut StageWork<'_, '_>) -> Result<Made, PipelineError> {
        let text: TextFile = work.read(Stage::Text).await?;
        let pages: Vec<PageWords> = text.pages.iter().filter_map(PageWords::of).collect();
        drop(text);
        work.step()?;
        work.fact("pages", pages.len());
        let copy = match pages.is_empty() {
            true => None,
            false => with_words(work, pages).await?,
        };
        match copy {
            Some(copy) => {
                work.write_file(CONTENT_TYPE, |out: &mut dyn Write| out.write_all(&copy))
                    .await
            }
            None => {
                let source = work.pdf()?.clone();
                work.write_file(CONTENT_TYPE, |out: &mut dyn Write| source.write_to(out))
                    .await
            }
        }
    }
}

/// The copy; `None` where the file is one that words can't be written into. Its pages were read all the same.
async fn with_words(
    work: &mut StageWork<'_, '_>,
    pages: Vec<PageWords>,
) -> Result<Option<Vec<u8>>, PipelineError> {
    let document = work.open_pdf().await?;
    match document.searchable(pages).await {
        Ok(copy) => Ok(Some(copy)),
        Err(error @ PdfError::Engine { .. }) => Err(work.pdf_error(error)),
        Err(error) => {
            tracing::warn!(source = %work.source(), reason = error.code(), "no words can be written into the file: {error}");
            work.fact("without_words", error.code());
            Ok(None)
        }
    }
}
