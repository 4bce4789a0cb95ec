//! What earlier runs left: whether it can be believed, and reading it back.

use pagemill_storage::{Stage, StorageError};

use super::pages::{Links, Pages};
use super::{Extracted, no_temporary_file};
use crate::artifacts::{Header, LinksFile, MetadataFile, StructureFile, TextFile};
use crate::outcome::PipelineError;
use crate::plan::Plan;
use crate::process::Pipeline;
use crate::run::Run;

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

    /// What earlier runs extracted, when later stages need nothing else. What is gone is added to the plan.
    pub(crate) async fn load_stored(
        &self,
        run: &Run<'_>,
        plan: &mut Plan,
    ) -> Result<Option<Extracted>, PipelineError> {
        self.redo_lost_upstream(run, plan).await?;
        if !plan.runs(Stage::Metadata) && !plan.runs(Stage::Index) {
            return Ok(None);
        }
        let (layout, source) = (self.layout(), &run.record.source);
        let text: Option<TextFile> = run.read_json(&layout.text(source)).await?;
        let links: Option<LinksFile> = run.read_json(&layout.links(source)).await?;
        let structure: Option<StructureFile> = run.read_json(&layout.structure(source)).await?;
        let metadata: Option<MetadataFile> = match plan.runs(Stage::Metadata) {
            true => None,
            false => run.read_json(&layout.metadata(source)).await?,
        };
        let is_current = |stage, header: Option<&Header>| {
            header.is_some_and(|header| header.fingerprint == *plan.fingerprint(stage))
        };
        let mut lost = Vec::new();
        for (stage, header) in [
            (Stage::Text, text.as_ref().map(|file| &file.header)),
            (Stage::Links, links.as_ref().map(|file| &file.header)),
            (
                Stage::Structure,
                structure.as_ref().map(|file| &file.header),
            ),
            (Stage::Metadata, metadata.as_ref().map(|file| &file.header)),
        ] {
            if !plan.runs(stage) && !is_current(stage, header) {
                lost.push(stage);
            }
        }
        if !lost.is_empty() {
            tracing::warn!(source = %source, ?lost, "stored outputs are gone or damaged and are made again");
            plan.redo(&lost);
        }
        match (text, links, structure) {
            (Some(text), Some(file), Some(structure)) if !plan.needs_source() => {
                let mut links = Links::default();
                links.add(file.links).map_err(no_temporary_file)?;
                Ok(Some(Extracted {
                    pages: Pages::classified(text.pages).map_err(no_temporary_file)?,
                    links,
                    structure: Some(structure),
                }))
            }
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
