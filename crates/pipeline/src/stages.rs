//! The stages of the build graph: what each one makes, writes and leaves in the record.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use pagemill_metadata::Usage;
use pagemill_pdf::memory_file::SealedFile;
use pagemill_pdf::{
    ExtractRequest, ImageSettings, Inspection, Link, Pace, PageState, PageText, PdfDocument,
};
use pagemill_storage::{
    Generation, PageLedger, RecordStatus, SourceKey, SourceVersion, Stage, StorageError,
};

use crate::artifacts::{FORMAT, Header, LinksFile, MetadataFile, StructureFile, TextFile};
use crate::outcome::PipelineError;
use crate::permit::Progress;
use crate::plan::Plan;
use crate::process::{Options, Pipeline};
use crate::run::{Finished, Outputs, Run};

/// Page images that are uploaded at the same time by one document.
const UPLOADS_AT_ONCE: usize = 8;

impl Pipeline {
    /// Inspects the document, and makes those of its images, text, links and structure that the plan asks for.
    pub(crate) async fn extract(
        &self,
        run: &mut Run<'_>,
        file: SealedFile,
        version: &SourceVersion,
        plan: &Plan,
    ) -> Result<Extracted, PipelineError> {
        let settings = &self.parts().settings;
        let passwords = settings.passwords.candidates(&run.record.source);
        let in_inspect = |error| PipelineError::from_pdf(Stage::Inspect, error);
        let document = self
            .parts()
            .engine
            .open(file, &passwords)
            .await
            .map_err(in_inspect)?;
        let inspection = document.inspection().clone();
        run.permit.progress(Progress::Opened {
            pages: inspection.pages,
        });
        run.finish(
            Stage::Inspect,
            inspected(&inspection, plan, run.is_cautious()),
        );

        // Text is cheap next to images, and everything downstream needs it: it is always taken anew.
        run.enter(Stage::Pages);
        let generation = Generation::from(plan.fingerprint(Stage::Pages));
        let images = plan.runs(Stage::Pages).then(|| settings.pages.clone());
        let mut gathered = self.pages(run, &*document, images, &generation).await?;
        if gathered.texts.is_empty() && inspection.pages > 0 {
            let reasons: std::collections::BTreeSet<_> =
                gathered.failed.values().cloned().collect();
            return Err(PipelineError::Permanent {
                reason: "no_page_survived".into(),
                stage: Stage::Pages,
                message: format!(
                    "none of the {} pages could be processed ({}): the file is damaged or hostile",
                    inspection.pages,
                    reasons.into_iter().collect::<Vec<_>>().join(", ")
                ),
            });
        }
        if plan.runs(Stage::Pages) {
            let entry = Finished::new(plan.fingerprint(Stage::Pages))
                .output(
                    self.layout().page_images(&run.record.source, &generation),
                    None,
                )
                .fact("images", gathered.images)
                .fact("bytes", gathered.image_bytes);
            run.finish(Stage::Pages, entry);
        }
        let scaled_down = match plan.runs(Stage::Pages) {
            true => std::mem::take(&mut gathered.scaled_down),
            false => std::mem::take(&mut run.record.ledger.scaled_down),
        };

        run.enter(Stage::Text);
        let mut pages = std::mem::take(&mut gathered.texts);
        pagemill_pdf::text::classify(&mut pages);
        let structure = pagemill_pdf::Structure {
            outline: document.outline().to_vec(),
            headings: pagemill_pdf::structure::headings(&pages),
            page_labels: document.page_labels().to_vec(),
        };
        run.record.ledger = ledger(inspection.pages, &pages, gathered.failed, scaled_down);
        let header = |stage| Header {
            format: FORMAT,
            source: run.record.source.clone(),
            sha256: version.sha256.clone(),
            fingerprint: plan.fingerprint(stage).clone(),
        };
        let text = TextFile {
            header: header(Stage::Text),
            pages,
        };
        let links = LinksFile {
            header: header(Stage::Links),
            links: std::mem::take(&mut gathered.links),
            dropped: gathered.links_dropped,
        };
        let structure = StructureFile {
            header: header(Stage::Structure),
            inspection,
            structure,
        };
        if plan.runs(Stage::Text) {
            let key = self.layout().text(&run.record.source);
            let tag = run.replace_json(Stage::Text, &key, &text).await?;
            let characters: usize = text
                .pages
                .iter()
                .map(|page| page.text.chars().count())
                .sum();
            let entry = Finished::new(plan.fingerprint(Stage::Text)).output(key, Some(tag));
            run.finish(Stage::Text, entry.fact("characters", characters));
        }
        if plan.runs(Stage::Links) {
            run.enter(Stage::Links);
            let key = self.layout().links(&run.record.source);
            let tag = run.replace_json(Stage::Links, &key, &links).await?;
            let entry = Finished::new(plan.fingerprint(Stage::Links)).output(key, Some(tag));
            run.finish(
                Stage::Links,
                entry
                    .fact("links", links.links.len())
                    .fact("dropped", links.dropped),
            );
        }
        if plan.runs(Stage::Structure) {
            run.enter(Stage::Structure);
            let key = self.layout().structure(&run.record.source);
            let tag = run.replace_json(Stage::Structure, &key, &structure).await?;
            let entry = Finished::new(plan.fingerprint(Stage::Structure)).output(key, Some(tag));
            let entry = entry
                .fact("outline", structure.structure.outline.len())
                .fact("headings", structure.structure.headings.len());
            run.finish(Stage::Structure, entry);
        }
        run.enter(Stage::Metadata);
        run.mark_in_progress();
        run.save().await?;
        Ok(Extracted {
            text: text.pages,
            links: links.links,
            structure: Some(structure),
        })
    }

    /// Takes every page, and uploads the images as they come.
    ///
    /// After a death it is cautious: one page at a time, and the record says which before it is begun, so that the
    /// page at which the next worker dies is known. The run after that leaves this page out.
    async fn pages(
        &self,
        run: &mut Run<'_>,
        document: &dyn PdfDocument,
        images: Option<ImageSettings>,
        generation: &Generation,
    ) -> Result<Gathered, PipelineError> {
        let cautious = run.is_cautious();
        let deaths = run.record.deaths.as_ref().filter(|_| cautious);
        let skip = deaths
            .map(|deaths| deaths.pages.clone())
            .unwrap_or_default();
        let pages = document.inspection().pages;
        let next_at_work = |after: u32| (after + 1..=pages).find(|page| !skip.contains(page));
        let (pace, at_once) = match cautious {
            true => (Pace::Cautious, 1),
            false => (Pace::Full, UPLOADS_AT_ONCE),
        };
        if cautious {
            tracing::warn!(
                source = %run.record.source,
                left_out = ?skip,
                "a worker died while it read this document: one page at a time"
            );
            run.at_page(next_at_work(0)).await?;
        }
        let request = ExtractRequest {
            images,
            text: true,
            links: true,
            pace,
            skip: skip.clone(),
        };
        let mut gathered = Gathered::default();
        let (outputs, source) = (run.outputs(), run.record.source.clone());
        let source = &source;
        let mut results = document
            .extract(request)
            .map(|(page, result)| async move {
                let output = match result {
                    Ok(output) => output,
                    Err(failure) => return Ok((page, Err(failure))),
                };
                let image = match &output.image {
                    Some(image) => Some(
                        self.upload_page(outputs, source, generation, page.0, image)
                            .await?,
                    ),
                    None => None,
                };
                Ok::<_, PipelineError>((page, Ok((output, image))))
            })
            .buffered(at_once);
        while let Some((page, result)) = results.try_next().await? {
            run.permit.progress(Progress::Page { page: page.0 });
            run.boundary()?;
            match result {
                Err(failure) => {
                    tracing::warn!(
                        page = page.0,
                        reason = failure.code(),
                        "page failed: {failure}"
                    );
                    gathered.failed.insert(page.0, failure.code().to_owned());
                }
                Ok((output, image)) => gathered.add(output, image),
            }
            if !cautious {
                run.renew_marker().await?;
            } else if !skip.contains(&page.0) {
                // The stream begins the next page only when it is asked for it.
                run.at_page(next_at_work(page.0)).await?;
            }
        }
        Ok(gathered)
    }

    /// Uploads a page's image, and its thumbnail where it has one; answers the bytes written.
    async fn upload_page(
        &self,
        outputs: Outputs<'_>,
        source: &SourceKey,
        generation: &Generation,
        page: u32,
        image: &pagemill_pdf::PageImage,
    ) -> Result<UploadedImage, PipelineError> {
        let (extension, content_type) = (image.format.extension(), image.format.content_type());
        let key = self
            .layout()
            .page_image(source, generation, page, extension);
        let mut bytes = image.data.len() as u64;
        outputs
            .put_new(&key, image.data.clone(), content_type)
            .await?;
        if let Some(thumbnail) = &image.thumbnail {
            let key = self.layout().thumbnail(source, generation, page, extension);
            bytes += thumbnail.len() as u64;
            outputs
                .put_new(&key, thumbnail.clone(), content_type)
                .await?;
        }
        Ok(UploadedImage {
            bytes,
            scaled_down: image.scaled_down,
        })
    }

    /// Adds to the plan the stages whose files are not those that the record speaks of: a run of another version, which
    /// did not get to the end, wrote over them.
    pub(crate) async fn redo_overwritten(
        &self,
        run: &Run<'_>,
        plan: &mut Plan,
    ) -> Result<(), PipelineError> {
        let (layout, source) = (self.layout(), &run.record.source);
        let files = [
            (Stage::Text, layout.text(source)),
            (Stage::Links, layout.links(source)),
            (Stage::Structure, layout.structure(source)),
            (Stage::Metadata, layout.metadata(source)),
        ];
        let mut lost = Vec::new();
        for (stage, key) in files {
            let entry = run.record.stages.get(&stage);
            let Some(entry) = entry.filter(|_| !plan.runs(stage)) else {
                continue;
            };
            let is_there = match run.store.head(&key, None).await {
                Ok(meta) => entry.etags.get(&key) == Some(&meta.etag.0),
                Err(StorageError::NotFound { .. }) => false,
                Err(error) => return Err(run.storage(error)),
            };
            if !is_there {
                lost.push(stage);
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
            (Some(text), Some(links), Some(structure)) if !plan.needs_source() => {
                Ok(Some(Extracted {
                    text: text.pages,
                    links: links.links,
                    structure: Some(structure),
                }))
            }
            _ => Ok(None),
        }
    }

    /// Makes the metadata and writes it at once, so that an answer of the LLM is never paid for twice.
    pub(crate) async fn metadata(
        &self,
        run: &mut Run<'_>,
        extracted: &Extracted,
        version: &SourceVersion,
        plan: &Plan,
        options: &Options,
    ) -> Result<(MetadataFile, Usage), PipelineError> {
        run.enter(Stage::Metadata);
        let key = self.layout().metadata(&run.record.source);
        let left = match run.resumes && !options.force {
            true => run.read_tagged_json::<MetadataFile>(&key).await?,
            false => None,
        };
        let left =
            left.filter(|(file, _)| file.header.fingerprint == *plan.fingerprint(Stage::Metadata));
        let (file, tag, usage) = match left {
            // The run before this one died between the write of the answer and that of the record.
            Some((file, tag)) => (file, tag, Usage::default()),
            None => {
                let (file, usage) = self
                    .ask_for_metadata(run, extracted, version, plan, options)
                    .await?;
                let tag = run.replace_json(Stage::Metadata, &key, &file).await?;
                (file, tag, usage)
            }
        };
        let mut entry = Finished::new(plan.fingerprint(Stage::Metadata)).output(key, Some(tag));
        if let Some(usage) = &file.usage {
            entry = entry
                .fact("llm_calls", usage.calls)
                .fact("input_tokens", usage.input_tokens)
                .fact("output_tokens", usage.output_tokens);
            if let Some(cost) = usage.cost_micro_usd {
                entry = entry.fact("cost_micro_usd", cost);
            }
        }
        run.finish(Stage::Metadata, entry);
        run.enter(Stage::Index);
        run.mark_in_progress();
        run.save().await?;
        Ok((file, usage))
    }

    /// Asks the generator; answers the file to write and what it cost.
    async fn ask_for_metadata(
        &self,
        run: &Run<'_>,
        extracted: &Extracted,
        version: &SourceVersion,
        plan: &Plan,
        options: &Options,
    ) -> Result<(MetadataFile, Usage), PipelineError> {
        let structure = extracted.structure_file();
        let input = pagemill_metadata::DocumentInput {
            source_name: self.layout().relative(&run.record.source),
            sha256: &version.sha256,
            inspection: &structure.inspection,
            structure: &structure.structure,
            pages: &extracted.text,
            links: &extracted.links,
            custom_prompt: options.custom_prompt.as_deref(),
        };
        run.permit.check()?;
        let made = self.parts().generator.generate(input).await;
        let (metadata, usage) = made.map_err(PipelineError::from_metadata)?;
        run.permit.progress(Progress::Step);
        let header = Header {
            format: FORMAT,
            source: run.record.source.clone(),
            sha256: version.sha256.clone(),
            fingerprint: plan.fingerprint(Stage::Metadata).clone(),
        };
        let file = MetadataFile {
            header,
            metadata,
            usage: (usage.calls > 0).then_some(usage),
        };
        Ok((file, usage))
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
                        dependency: "s3",
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
                (pagemill_pdf::PageNumber(page), key)
            })
            .collect();
        let metadata = &metadata.metadata;
        let document = pagemill_index::DocumentInput {
            source: source.as_str(),
            generation: &generation.0,
            sha256: &version.sha256,
            language: metadata
                .languages
                .first()
                .map(|language| language.value.as_str()),
            title: metadata.title.as_ref().map(|title| title.value.as_str()),
            pages: &extracted.text,
            page_images: &page_images,
        };
        let permit = run.index_permit();
        let report = self
            .parts()
            .indexer
            .index(&document, &plan.targets, &permit)
            .await;
        let report = report.map_err(|error| run.index_error(error))?;
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
        run.save().await?;

        let generation = Generation::from(plan.fingerprint(Stage::Index));
        let source = run.record.source.clone();
        let permit = run.index_permit();
        let removed = self
            .parts()
            .indexer
            .remove_other_generations(source.as_str(), &generation.0, &plan.targets, &permit)
            .await;
        removed.map_err(|error| run.index_error(error))?;
        let images = Generation::from(plan.fingerprint(Stage::Pages));
        let old = self.page_image_keys(run, &source, Some(&images)).await?;
        run.delete(old).await?;

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

    /// Keys of a source's page images, but for those of one generation.
    pub(crate) async fn page_image_keys(
        &self,
        run: &Run<'_>,
        source: &SourceKey,
        keep: Option<&Generation>,
    ) -> Result<Vec<String>, PipelineError> {
        let mut listing = self
            .parts()
            .store
            .list(&self.layout().page_images_of_all_generations(source));
        let mut keys = Vec::new();
        while let Some(object) = listing
            .try_next()
            .await
            .map_err(|error| run.storage(error))?
        {
            let generation = self.layout().generation_of_image(source, &object.key);
            if generation.is_some_and(|generation| keep != Some(&generation)) {
                keys.push(object.key);
            }
        }
        Ok(keys)
    }
}

/// What an inspection leaves in the record.
fn inspected(inspection: &Inspection, plan: &Plan, cautious: bool) -> Finished {
    let entry = Finished::new(plan.fingerprint(Stage::Inspect))
        .fact("pages", inspection.pages)
        .fact("pdf_version", inspection.pdf_version.clone());
    match cautious {
        true => entry.fact("cautious", true),
        false => entry,
    }
}

/// What the extraction stages gave, made now or read back.
#[derive(Default)]
pub(crate) struct Extracted {
    text: Vec<PageText>,
    links: Vec<Link>,
    structure: Option<StructureFile>,
}

impl Extracted {
    fn structure_file(&self) -> &StructureFile {
        self.structure.as_ref().expect(
            "metadata and index run only after an extraction or after its files were read back",
        )
    }
}

/// A page image that is in the store.
struct UploadedImage {
    bytes: u64,
    scaled_down: bool,
}

/// What comes together while pages stream through. The images themselves do not stay.
#[derive(Default)]
struct Gathered {
    texts: Vec<PageText>,
    links: Vec<Link>,
    links_dropped: u32,
    failed: BTreeMap<u32, String>,
    scaled_down: Vec<u32>,
    images: u32,
    image_bytes: u64,
}

impl Gathered {
    fn add(&mut self, output: pagemill_pdf::PageOutput, image: Option<UploadedImage>) {
        if let Some(image) = image {
            self.images += 1;
            self.image_bytes += image.bytes;
            if image.scaled_down {
                self.scaled_down.push(output.page.0);
            }
        }
        self.texts.extend(output.text);
        self.links.extend(output.links.into_iter().flatten());
        self.links_dropped += output.links_dropped;
    }
}

fn ledger(
    pages: u32,
    texts: &[PageText],
    failed: BTreeMap<u32, String>,
    scaled_down: Vec<u32>,
) -> PageLedger {
    let of_state = |state| {
        texts
            .iter()
            .filter(move |text| text.state == state)
            .map(|text| text.page.0)
    };
    PageLedger {
        pages,
        text: u32::try_from(of_state(PageState::Text).count()).unwrap_or(u32::MAX),
        needs_ocr: of_state(PageState::NeedsOcr).collect(),
        blank: of_state(PageState::Blank).collect(),
        failed,
        scaled_down,
    }
}
