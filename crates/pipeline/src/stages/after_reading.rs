//! The stages that need the PDF no more: metadata, index and commit.

use pagemill_document::Dependency;
use pagemill_metadata::Usage;
use pagemill_storage::{Generation, RecordStatus, SourceKey, SourceVersion, Stage};

use super::Extracted;
use crate::artifacts::{Header, MetadataFile};
use crate::outcome::PipelineError;
use crate::permit::Progress;
use crate::pipeline::{Options, Pipeline};
use crate::plan::Plan;
use crate::run::{Finished, Run};

impl Pipeline {
    /// Makes the metadata, out of what a model says where one is asked, and writes it.
    pub(crate) async fn metadata(
        &self,
        run: &mut Run<'_>,
        extracted: &Extracted,
        version: &SourceVersion,
        plan: &Plan,
        options: &Options,
    ) -> Result<(MetadataFile, Usage), PipelineError> {
        let key = self.layout().metadata(&run.record.source);
        let left = match run.resumes && !options.force {
            true => run.read_tagged_json::<MetadataFile>(&key).await?,
            false => None,
        };
        let left =
            left.filter(|(file, _)| file.header.fingerprint == *plan.fingerprint(Stage::Metadata));
        let is_found = left.is_some() && !plan.runs(Stage::Predict);
        let (file, tag, usage) = match left {
            // The run before this one died between the write of the file and that of the record.
            Some((file, tag)) if !plan.runs(Stage::Predict) => (file, tag, Usage::default()),
            _ => {
                let (file, usage) = self
                    .ask_for_metadata(run, extracted, version, plan, options)
                    .await?;
                let tag = run.replace_json(Stage::Metadata, &key, &file).await?;
                (file, tag, usage)
            }
        };
        let entry = Finished::new(plan.fingerprint(Stage::Metadata)).output(key, Some(tag));
        run.finish(Stage::Metadata, entry.found(is_found));
        run.enter(Stage::Index);
        run.mark_in_progress();
        run.save().await?;
        Ok((file, usage))
    }

    /// Asks the generator; answers the file to write and what it used.
    async fn ask_for_metadata(
        &self,
        run: &mut Run<'_>,
        extracted: &Extracted,
        version: &SourceVersion,
        plan: &Plan,
        options: &Options,
    ) -> Result<(MetadataFile, Usage), PipelineError> {
        let source = run.record.source.clone();
        let structure = extracted.structure_file();
        let (pages, links) = (extracted.pages_without_details()?, extracted.all_links()?);
        let input = pagemill_metadata::DocumentInput {
            source_name: self.layout().relative(&source),
            sha256: &version.sha256,
            inspection: &structure.inspection,
            structure: &structure.structure,
            pages: &pages,
            links: &links,
            custom_prompt: options.custom_prompt.as_deref(),
        };
        let is_asked = plan.runs(Stage::Predict);
        let stored = match self.predicts() && !is_asked {
            true => self.stored_prediction(run, plan).await?,
            false => None,
        };
        let (prediction, usage) = match stored {
            Some(stored) => (stored, Usage::default()),
            // Also where the file is gone: its answers are not, so this costs nothing.
            None if self.predicts() => self.predict(run, input, version, plan).await?,
            None => Default::default(),
        };
        run.boundary()?;
        run.enter(Stage::Metadata);
        run.permit.check()?;
        let made = self.parts().generator.judge(input, &prediction).await;
        let made = made.map_err(|error| PipelineError::from_metadata(Stage::Metadata, error));
        let mut metadata = made?;
        run.permit.progress(Progress::Step);
        extracted.show_lines(&mut metadata)?;
        let header = Header::of(Stage::Metadata, &source, &version.sha256, plan);
        Ok((MetadataFile { header, metadata }, usage))
    }

    /// Fills the vector stores with points of a new generation. The old one stays until the commit.
    pub(crate) async fn index(
        &self,
        run: &mut Run<'_>,
        extracted: &Extracted,
        metadata: Option<MetadataFile>,
        version: &SourceVersion,
        plan: &Plan,
    ) -> Result<(), PipelineError> {
        run.enter(Stage::Index);
        let metadata = match metadata {
            Some(metadata) => metadata,
            None => {
                let key = self.layout().metadata(&run.record.source);
                run.read_json(&key)
                    .await?
                    .ok_or_else(|| PipelineError::Transient {
                        dependency: Dependency::Store,
                        stage: Stage::Index,
                        message: format!("{key} vanished during the run"),
                        retry_after: None,
                    })?
            }
        };
        let generation = Generation::from(plan.fingerprint(Stage::Index));
        let image_generation = Generation::from(plan.fingerprint(Stage::Pages));
        let extension = self.parts().settings.pages.format.extension();
        let source = run.record.source.clone();
        let has_image = |page: &u32| !run.record.ledger.failed.contains_key(page);
        let page_images = (1..=run.record.ledger.pages)
            .filter(has_image)
            .map(|page| {
                let key = self
                    .layout()
                    .page_image(&source, &image_generation, page, extension);
                (pagemill_document::PageNumber(page), key)
            })
            .collect();
        let metadata = &metadata.metadata;
        let document = pagemill_index::IndexInput {
            source: source.as_str(),
            generation: &generation.0,
            sha256: &version.sha256,
            language: metadata
                .languages
                .first()
                .map(|language| language.value.as_str()),
            title: metadata
                .title
                .as_ref()
                .and_then(|title| title.value.as_deref()),
            pages: &extracted.pages,
            page_images: &page_images,
        };
        let permit = run.index_permit();
        let till = run.till(self);
        let report = self
            .parts()
            .indexer
            .index(&document, &plan.targets, &permit, &till)
            .await;
        till.close()?;
        if !run.spending().of(Stage::Index).is_nothing() {
            run.permit.used(Dependency::Embedder);
        }
        let report = report.map_err(|error| run.index_error(error))?;
        if report.embedded > 0 {
            run.permit.used(Dependency::Embedder);
        }
        if !report.points.is_empty() {
            run.permit.used(Dependency::Vectors);
        }
        let mut entry = Finished::new(plan.fingerprint(Stage::Index)).fact("chunks", report.chunks);
        for (target, points) in &report.points {
            entry = entry.fact(&format!("points_{}", target.name()), *points);
        }
        run.finish(Stage::Index, entry);
        Ok(())
    }

    /// Declares the new generation the document's state, then removes what older ones left.
    pub(crate) async fn commit(&self, run: &mut Run<'_>, plan: &Plan) -> Result<(), PipelineError> {
        run.enter(Stage::Commit);
        run.record.status = match run.record.ledger.failed.is_empty() {
            true => RecordStatus::Done,
            false => RecordStatus::Partial,
        };
        run.mark_in_progress();
        // What goes beyond the goal is out of the record before it is deleted: a run after a crash must not rely on it.
        let not_wanted = self.files_not_wanted(run, plan);
        let had_predicted = run.resumes || run.record.stages.contains_key(&Stage::Predict);
        run.record.stages.retain(|stage, _| plan.wants(*stage));
        run.save().await?;

        let source = run.record.source.clone();
        // Where no points are wanted, those of every generation are others.
        let generation = plan
            .wants(Stage::Index)
            .then(|| Generation::from(plan.fingerprint(Stage::Index)).0);
        let permit = run.index_permit();
        let removed = self
            .parts()
            .indexer
            .remove_other_generations(
                source.as_str(),
                generation.as_deref().unwrap_or_default(),
                &plan.targets,
                &permit,
            )
            .await;
        removed.map_err(|error| run.index_error(error))?;
        if !plan.targets.is_empty() {
            run.permit.used(Dependency::Vectors);
        }
        if !plan.wants(Stage::Index) {
            run.record.target_stores.clear();
        }
        run.delete(not_wanted).await?;
        if run.had_record && (self.predicts() || had_predicted) {
            let superseded = self.superseded_answers(run).await?;
            run.delete(superseded).await?;
        }
        // Before the images: what is in a part must be in the store too, for whoever finds the part.
        self.delete_parts(run).await?;
        if run.had_record {
            let sha256 = run.record.version.as_ref().map(|version| &version.sha256);
            let sha256 = sha256.cloned().unwrap_or_default();
            let superseded = self.superseded_readings(run, &sha256).await?;
            run.delete(superseded).await?;
            let images = Generation::from(plan.fingerprint(Stage::Pages));
            let old = self.page_image_keys(run, &source, Some(&images)).await?;
            run.delete(old).await?;
        }

        run.finish(
            Stage::Commit,
            Finished::new(plan.fingerprint(Stage::Commit)),
        );
        run.record.in_progress = None;
        run.record.attempts = 0;
        run.record.deaths = None;
        run.save().await?;
        self.note_history(&run.record);
        Ok(())
    }

    /// The files of stages that the goal leaves out, and of those that this graph has not: they would speak of what is gone.
    fn files_not_wanted(&self, run: &Run<'_>, plan: &Plan) -> Vec<String> {
        let source = &run.record.source;
        let files = self.graph().files(self.layout(), source);
        let of_the_graph = files.filter(|(stage, _)| {
            let may_be_there = run.record.stages.contains_key(stage) || run.resumes;
            !plan.wants(*stage) && may_be_there
        });
        let mut keys: Vec<String> = of_the_graph.map(|(_, key)| key).collect();
        keys.extend(self.outputs_of_unknown_stages(run));
        keys
    }

    /// The files that the record names of stages that this graph has not.
    pub(crate) fn outputs_of_unknown_stages(&self, run: &Run<'_>) -> Vec<String> {
        let stages = run.record.stages.iter();
        let unknown = stages.filter(|(stage, _)| self.graph().row(**stage).is_none());
        unknown
            .flat_map(|(_, entry)| entry.outputs.iter().cloned())
            .collect()
    }

    /// Keys of a source's page images, but for those of one generation.
    pub(crate) async fn page_image_keys(
        &self,
        run: &Run<'_>,
        source: &SourceKey,
        keep: Option<&Generation>,
    ) -> Result<Vec<String>, PipelineError> {
        let layout = self.layout();
        let is_other = |key: &str| {
            let generation = layout.generation_of_image(source, key);
            generation.is_some_and(|generation| keep != Some(&generation))
        };
        run.keys_below(&layout.page_images_of_all_generations(source), is_other)
            .await
    }
}
