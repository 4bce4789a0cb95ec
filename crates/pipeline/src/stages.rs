//! The stages of the build graph: what each one makes, writes and leaves in the record.
//!
//! [`reading`] takes everything out of the PDF in one pass; [`pages`] keeps it meanwhile, mostly out of memory;
//! [`checkpoints`] keeps it for a run that comes after a death, and [`readings`] what its pictures were read as for every
//! later one; [`stored`] takes it from the files of an earlier run instead; [`attachments`], [`markdown`], [`fields`] and
//! [`after_reading`] do what needs the PDF no more, and [`predict`] what is paid for.

mod accounts;
mod after_reading;
mod attachments;
mod checkpoints;
mod fields;
mod markdown;
mod pages;
mod part;
mod predict;
mod reading;
mod readings;
mod stored;
mod uploads;

use pagemill_document::{Dependency, Link, PageText};
use pagemill_metadata::DocumentMetadata;

pub use fields::fields_without_corrections;
pub use predict::PredictionFile;

use crate::artifacts::StructureFile;
use crate::outcome::PipelineError;
use pages::{Links, Pages};

/// What the extraction stages gave, made now or read back.
#[derive(Debug, Default)]
pub(crate) struct Extracted {
    pages: Pages,
    links: Links,
    structure: Option<StructureFile>,
}

impl Extracted {
    fn structure_file(&self) -> &StructureFile {
        self.structure.as_ref().expect(
            "stages that need it run only after an extraction or after its files were read back",
        )
    }

    /// The text of all pages in memory, without their lines and cells, which metadata is not made of.
    fn pages_without_details(&self) -> Result<Vec<PageText>, PipelineError> {
        let pages = self.pages.iter().map(|page| {
            let mut page = page?;
            for block in &mut page.blocks {
                block.lines = Vec::new();
                block.table = None;
            }
            page.blocks.shrink_to_fit();
            Ok(page)
        });
        pages
            .collect::<std::io::Result<_>>()
            .map_err(no_temporary_file)
    }

    /// Gives the evidence of metadata the boxes of its lines, page by page.
    fn show_lines(&self, metadata: &mut DocumentMetadata) -> Result<(), PipelineError> {
        let Some(last) = metadata.last_page_shown() else {
            return Ok(());
        };
        for page in self.pages.iter() {
            let page = page.map_err(no_temporary_file)?;
            if page.page > last {
                break;
            }
            metadata.show_lines(&page);
        }
        Ok(())
    }

    /// The text of the first pages in memory.
    fn first_pages(&self, most: usize) -> Result<Vec<PageText>, PipelineError> {
        let pages = self.pages.iter().take(most);
        let pages = pages.collect::<std::io::Result<_>>();
        pages.map_err(no_temporary_file)
    }

    /// All links in memory.
    fn all_links(&self) -> Result<Vec<Link>, PipelineError> {
        self.links.all().map_err(no_temporary_file)
    }
}

/// Temporary files can't be written or read: this machine's fault, and another one may have room.
pub(crate) fn no_temporary_file(error: std::io::Error) -> PipelineError {
    PipelineError::Transient {
        dependency: Dependency::Disk,
        stage: pagemill_storage::Stage::Text,
        message: format!(
            "temporary files can't be kept in {}: {error}; point TMPDIR at a folder with room",
            std::env::temp_dir().display()
        ),
        retry_after: None,
    }
}
