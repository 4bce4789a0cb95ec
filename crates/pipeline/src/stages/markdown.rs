//! The document as Markdown, from the pages that were read or read back; no more than a page of it is in memory.

use std::io::{self, Write};

use pagemill_document::Link;
use pagemill_document::markdown::MarkdownPages;
use pagemill_storage::Stage;

use super::Extracted;
use crate::outcome::PipelineError;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::run::{Finished, Run};

const CONTENT_TYPE: &str = "text/markdown; charset=utf-8";

impl Pipeline {
    /// Writes the document as Markdown.
    pub(crate) async fn markdown(
        &self,
        run: &mut Run<'_>,
        extracted: &Extracted,
        plan: &Plan,
    ) -> Result<(), PipelineError> {
        run.enter(Stage::Markdown);
        let key = self.layout().markdown(&run.record.source);
        let pages = run.record.ledger.pages;
        let write = |out: &mut dyn Write| extracted.write_markdown(pages, out);
        let tag = run
            .replace(Stage::Markdown, &key, CONTENT_TYPE, write)
            .await?;
        let entry = Finished::new(plan.fingerprint(Stage::Markdown)).output(key, Some(tag));
        run.finish(Stage::Markdown, entry);
        Ok(())
    }
}

impl Extracted {
    /// Writes a document of so many pages, of which those are here that could be read.
    fn write_markdown(&self, pages: u32, out: &mut dyn Write) -> io::Result<()> {
        let mut markdown = MarkdownPages::of(pages);
        let mut links = self.links.by_page().peekable();
        for page in self.pages.iter() {
            let page = page?;
            let mut of_page = None;
            while let Some(next) = links.next_if(|next| is_up_to(next, page.page.0)) {
                of_page = Some(next?);
            }
            let of_page = of_page.iter().flat_map(|links| links.iter());
            let of_page: Vec<&Link> = of_page.filter(|link| link.page == page.page).collect();
            out.write_all(markdown.next(&page, &of_page).as_bytes())?;
        }
        out.write_all(markdown.finish().as_bytes())
    }
}

/// Whether the links of a page are those of this page or of one before it, or can't be read.
fn is_up_to<L: AsRef<Vec<Link>>>(links: &io::Result<L>, page: u32) -> bool {
    match links {
        Ok(links) => links
            .as_ref()
            .first()
            .is_none_or(|link| link.page.0 <= page),
        Err(_) => true,
    }
}
