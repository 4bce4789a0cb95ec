//! What earlier runs left: whether it can be believed, and reading it back.

use pagemill_storage::{Stage, StorageError};
use serde::Deserialize;

use super::Extracted;
use super::pages::{Links, Pages};
use crate::artifacts::{Header, MetadataFile, StructureFile};
use crate::outcome::PipelineError;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::run::Run;

/// [`TextFile`](crate::TextFile) as it is read back, page by page.
#[derive(Deserialize)]
struct StoredText {
    #[serde(flatten)]
    header: Header,
    pages: Pages,
}

/// [`LinksFile`](crate::LinksFile) as it is read back, page by page.
#[derive(Deserialize)]
struct StoredLinks {
    #[serde(flatten)]
    header: Header,
    links: Links,
}

impl Pipeline {
    /// Adds to the plan the stages whose files are not those that the record speaks of: a run of another version, which
    /// did not get to the end, wrote over them.
    pub(crate) async fn redo_overwritten(
        &self,
        run: &Run<'_>,
        plan: &mut Plan,
    ) -> Result<(), PipelineError> {
        let (layout, source) = (self.layout(), &run.record.source);
        let mut lost = Vec::new();
        for (stage, key) in self.graph().files(layout, source) {
            let is_done = run.record.stages.contains_key(&stage);
            if is_done && !plan.runs(stage) && !is_as_recorded(run, stage, &key).await? {
                lost.push(stage);
            }
        }
        plan.redo(&lost);
        Ok(())
    }

    /// Adds to the plan what added stages are made from and what is gone.
    async fn redo_lost_upstream(
        &self,
        run: &Run<'_>,
        plan: &mut Plan,
    ) -> Result<(), PipelineError> {
        let mut lost = Vec::new();
        for (_, spec) in self
            .graph()
            .added()
            .filter(|(_, spec)| plan.runs(spec.stage))
        {
            for stage in spec.upstream.iter().filter(|stage| !plan.runs(**stage)) {
                let row = self.graph().row(*stage);
                let Some(file) = row.and_then(|row| row.file.as_ref()) else {
                    continue;
                };
                let key = file.key(self.layout(), &run.record.source);
                if !is_as_recorded(run, *stage, &key).await? {
                    lost.push(*stage);
                }
            }
        }
        plan.redo(&lost);
        Ok(())
    }

    /// Adds the attached files to the plan, where fields are made of them and they are gone.
    async fn redo_lost_attachments(
        &self,
        run: &Run<'_>,
        plan: &mut Plan,
    ) -> Result<(), PipelineError> {
        if !plan.runs(Stage::Extract) || plan.runs(Stage::Attachments) {
            return Ok(());
        }
        let key = self.layout().attachments(&run.record.source);
        let header: Option<Header> = run.read_json(&key).await?;
        let is_current = header
            .is_some_and(|header| header.fingerprint == *plan.fingerprint(Stage::Attachments));
        if !is_current {
            plan.redo(&[Stage::Attachments]);
        }
        Ok(())
    }

    /// What earlier runs extracted, when later stages need nothing else. What is gone is added to the plan.
    pub(crate) async fn load_stored(
        &self,
        run: &Run<'_>,
        plan: &mut Plan,
    ) -> Result<Option<Extracted>, PipelineError> {
        self.redo_lost_upstream(run, plan).await?;
        self.redo_lost_attachments(run, plan).await?;
        let asks = plan.runs(Stage::Predict) || plan.runs(Stage::Metadata);
        let tells = asks || plan.runs(Stage::Index);
        let carries = plan.runs(Stage::Attachments);
        let extracts = plan.runs(Stage::Extract);
        if !tells && !carries && !extracts && !plan.runs(Stage::Markdown) {
            return Ok(None);
        }
        let (layout, source) = (self.layout(), &run.record.source);
        let text: Option<StoredText> = run.read_long_json(&layout.text(source)).await?;
        let links: Option<StoredLinks> = run.read_long_json(&layout.links(source)).await?;
        let structure: Option<StructureFile> = match tells || carries || extracts {
            true => run.read_json(&layout.structure(source)).await?,
            false => None,
        };
        let metadata: Option<MetadataFile> =
            match (tells || extracts) && !plan.runs(Stage::Metadata) {
                true => run.read_json(&layout.metadata(source)).await?,
                false => None,
            };
        let is_current = |stage, header: Option<&Header>| {
            header.is_some_and(|header| header.fingerprint == *plan.fingerprint(stage))
        };
        let mut needed = vec![
            (Stage::Text, text.as_ref().map(|file| &file.header)),
            (Stage::Links, links.as_ref().map(|file| &file.header)),
        ];
        if tells || carries || extracts {
            let structure = structure.as_ref().map(|file| &file.header);
            needed.push((Stage::Structure, structure));
        }
        if tells || extracts {
            let metadata = metadata.as_ref().map(|file| &file.header);
            needed.push((Stage::Metadata, metadata));
        }
        let is_lost = |(stage, header)| {
            let is_lost = !plan.runs(stage) && !is_current(stage, header);
            is_lost.then_some(stage)
        };
        let lost: Vec<Stage> = needed.into_iter().filter_map(is_lost).collect();
        if !lost.is_empty() {
            tracing::warn!(source = %source, ?lost, "stored outputs are gone or damaged and are made again");
            plan.redo(&lost);
        }
        match (text, links) {
            (Some(text), Some(links)) if !plan.reads_pages() => Ok(Some(Extracted {
                pages: text.pages,
                links: links.links,
                structure,
            })),
            _ => Ok(None),
        }
    }
}

/// Whether a stage's file is the one that the record speaks of.
async fn is_as_recorded(run: &Run<'_>, stage: Stage, key: &str) -> Result<bool, PipelineError> {
    let entry = run.record.stages.get(&stage);
    let known = entry.and_then(|entry| entry.etags.get(key));
    match run.store.head(key, None).await {
        Ok(meta) => Ok(known == Some(&meta.etag.0)),
        Err(StorageError::NotFound { .. }) => Ok(false),
        Err(error) => Err(run.storage(error)),
    }
}
