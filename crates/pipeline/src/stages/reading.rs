//! The stages that read the PDF: inspect, pages, text, links and structure, from one pass over its pages.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};
use pagemill_document::{Heading, Inspection, Structure, headings_of_page};
use pagemill_reader::{
    ExtractRequest, ImageSettings, Pace, PageImage, PageOutput, PdfDocument, SealedFile,
};
use pagemill_storage::{Generation, SourceKey, SourceVersion, Stage};
use serde::Serialize;

use super::checkpoints::Checkpoints;
use super::pages::{Gathered, Links, Pages};
use super::part::UploadedImage;
use super::readings::Readings;
use super::{Extracted, no_temporary_file, uploads};
use crate::artifacts::{Header, OutlineLink, StructureFile};
use crate::outcome::PipelineError;
use crate::permit::Progress;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::run::{Finished, Outputs, Run};

/// Page images that are uploaded at the same time by one document.
const UPLOADS_AT_ONCE: usize = 8;

/// Bytes of page images that are uploaded at the same time by one document, but for one more image.
const UPLOAD_BYTES: u64 = 16 << 20;

/// Most headings of a document. One that is made of headings has millions.
const MAX_HEADINGS: usize = 50_000;

/// `extracted_text/<path>.pdf.json` as it is written: [`TextFile`](crate::TextFile), page by page.
#[derive(Serialize)]
struct TextToWrite<'a> {
    #[serde(flatten)]
    header: Header,
    pages: &'a Pages,
}

/// `extracted_links/<path>.pdf.json` as it is written: [`LinksFile`](crate::LinksFile), page by page.
#[derive(Serialize)]
struct LinksToWrite<'a> {
    #[serde(flatten)]
    header: Header,
    links: &'a Links,
    dropped: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outline: Vec<OutlineLink>,
}

/// What the files that are written of a document have in common.
struct ReadFiles<'a> {
    source: &'a SourceKey,
    version: &'a SourceVersion,
    plan: &'a Plan,
}

impl ReadFiles<'_> {
    fn header(&self, stage: Stage) -> Header {
        Header::of(stage, self.source, &self.version.sha256, self.plan)
    }
}

/// What is kept of a document while it is read: its pages, for a run that comes after a kill, and what its pictures were
/// read as, for every later one.
struct Kept {
    checkpoints: Checkpoints,
    readings: Option<Readings>,
}

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
        let generation = Generation::from(plan.fingerprint(Stage::Pages));
        let images = plan.runs(Stage::Pages).then(|| settings.pages.clone());
        let mut checkpoints = self.checkpoints(run, plan, images.as_ref());
        let readings = self.readings(run, &version.sha256).await?;
        let wanted = images.as_ref().map(|settings| (settings, &generation));
        let mut gathered = self
            .take_up(run, &*document, &mut checkpoints, wanted)
            .await?;
        run.finish(
            Stage::Inspect,
            inspected(&inspection, plan, run.is_cautious()),
        );

        // Text is cheap next to images, and everything downstream needs it: it is always taken anew.
        run.enter(Stage::Pages);
        self.pages(
            run,
            &*document,
            images,
            &generation,
            Kept {
                checkpoints,
                readings,
            },
            &mut gathered,
        )
        .await?;
        if gathered.is_empty() && inspection.pages > 0 {
            return Err(no_page_survived(&gathered, &inspection));
        }
        self.finish_pages(run, plan, &generation, &mut gathered, inspection.pages);

        run.enter(Stage::Text);
        let (characters, dropped) = (gathered.characters, gathered.links_dropped);
        let (pages, links) = gathered.finish(document.outline());
        let structure = Structure {
            outline: document.outline().to_vec(),
            headings: headings(&pages)?,
            page_labels: document.page_labels().to_vec(),
        };
        drop(document);
        let files = ReadFiles {
            source: &run.record.source.clone(),
            version,
            plan,
        };
        let structure = StructureFile {
            header: files.header(Stage::Structure),
            inspection,
            structure,
        };
        self.write_text(run, &files, &pages, characters).await?;
        self.write_links(run, &files, &links, dropped, &structure)
            .await?;
        self.write_structure(run, &files, &structure).await?;
        Ok(Extracted {
            pages,
            links,
            structure: Some(structure),
        })
    }

    /// Enters the images and how each page ended. Images of before stay as the record has them.
    fn finish_pages(
        &self,
        run: &mut Run<'_>,
        plan: &Plan,
        generation: &Generation,
        gathered: &mut Gathered,
        pages: u32,
    ) {
        let scaled_down = match plan.runs(Stage::Pages) {
            true => {
                let images = self.layout().page_images(&run.record.source, generation);
                let entry = Finished::new(plan.fingerprint(Stage::Pages))
                    .output(images, None)
                    .fact("images", gathered.images)
                    .fact("bytes", gathered.image_bytes);
                run.finish(Stage::Pages, entry);
                std::mem::take(&mut gathered.scaled_down)
            }
            false => std::mem::take(&mut run.record.ledger.scaled_down),
        };
        run.record.ledger = gathered.ledger(pages, scaled_down);
    }

    async fn write_text(
        &self,
        run: &mut Run<'_>,
        files: &ReadFiles<'_>,
        pages: &Pages,
        characters: usize,
    ) -> Result<(), PipelineError> {
        if !files.plan.runs(Stage::Text) {
            return Ok(());
        }
        let key = self.layout().text(files.source);
        let text = TextToWrite {
            header: files.header(Stage::Text),
            pages,
        };
        let tag = run.replace_json(Stage::Text, &key, &text).await?;
        let entry = Finished::new(files.plan.fingerprint(Stage::Text)).output(key, Some(tag));
        run.finish(Stage::Text, entry.fact("characters", characters));
        Ok(())
    }

    async fn write_links(
        &self,
        run: &mut Run<'_>,
        files: &ReadFiles<'_>,
        links: &Links,
        dropped: u32,
        structure: &StructureFile,
    ) -> Result<(), PipelineError> {
        if !files.plan.runs(Stage::Links) {
            return Ok(());
        }
        run.enter(Stage::Links);
        let key = self.layout().links(files.source);
        let file = LinksToWrite {
            header: files.header(Stage::Links),
            links,
            dropped,
            outline: OutlineLink::of(&structure.structure),
        };
        let tag = run.replace_json(Stage::Links, &key, &file).await?;
        let entry = Finished::new(files.plan.fingerprint(Stage::Links)).output(key, Some(tag));
        let entry = entry.fact("links", links.len()).fact("dropped", dropped);
        run.finish(Stage::Links, entry);
        Ok(())
    }

    async fn write_structure(
        &self,
        run: &mut Run<'_>,
        files: &ReadFiles<'_>,
        structure: &StructureFile,
    ) -> Result<(), PipelineError> {
        if !files.plan.runs(Stage::Structure) {
            return Ok(());
        }
        run.enter(Stage::Structure);
        let key = self.layout().structure(files.source);
        let tag = run.replace_json(Stage::Structure, &key, structure).await?;
        let entry = Finished::new(files.plan.fingerprint(Stage::Structure)).output(key, Some(tag));
        let entry = entry
            .fact("outline", structure.structure.outline.len())
            .fact("headings", structure.structure.headings.len());
        run.finish(Stage::Structure, entry);
        Ok(())
    }

    /// Takes every page, and uploads the images as they come.
    ///
    /// After a death it is cautious: one page at a time, and the record says which before it is begun, so that the
    /// page at which the next worker dies is known. The run after that leaves this page out.
    ///
    /// What earlier runs kept is taken in already; what is read now is kept now and then.
    async fn pages(
        &self,
        run: &mut Run<'_>,
        document: &dyn PdfDocument,
        images: Option<ImageSettings>,
        generation: &Generation,
        kept: Kept,
        gathered: &mut Gathered,
    ) -> Result<(), PipelineError> {
        let Kept {
            mut checkpoints,
            readings,
        } = kept;
        let cautious = run.is_cautious();
        let (skip, behind) = (run.left_out(), checkpoints.behind);
        let last = document.inspection().pages;
        let next_at_work = |after: u32| (after + 1..=last).find(|page| !skip.contains(page));
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
            run.at_page(next_at_work(behind.pages)).await?;
        }
        let request = ExtractRequest {
            images,
            text: true,
            links: true,
            pace,
            skip: skip.clone(),
            behind,
            readings: readings.as_ref().map(Readings::known),
        };
        let wants_images = request.images.is_some();
        gathered.accounts.document(last, document.pages_in_tree());
        let (outputs, source) = (run.outputs(), run.record.source.clone());
        let (source, readings) = (&source, readings.as_ref());
        let pages = document.extract(request).map(|(page, result)| {
            let bytes = result.as_ref().map_or(0, image_bytes);
            let outputs = outputs.clone();
            let uploaded = async move {
                let mut output = match result {
                    Ok(output) => output,
                    Err(failure) => return Ok((page, Err(failure))),
                };
                if let Some(readings) = readings {
                    let read = std::mem::take(&mut output.readings);
                    readings.keep(&outputs, page, read).await?;
                }
                let image = match &output.image {
                    Some(image) => Some(
                        self.upload_page(&outputs, source, generation, page.0, image)
                            .await?,
                    ),
                    None => None,
                };
                Ok::<_, PipelineError>((page, Ok((output, image))))
            };
            (bytes, uploaded)
        });
        let mut results = std::pin::pin!(uploads::in_order(pages, at_once, UPLOAD_BYTES));
        while let Some((page, end)) = results.try_next().await? {
            run.permit.progress(Progress::Page { page: page.0 });
            if let Err(failure) = &end {
                tracing::warn!(
                    page = page.0,
                    reason = failure.code(),
                    "page failed: {failure}"
                );
            }
            let counted = document.counted(page);
            let taken = gathered.take(page, end, wants_images, counted);
            taken.map_err(no_temporary_file)?;
            let boundary = run.boundary();
            // After the last page the files themselves are written.
            if page.0 < last && (boundary.is_err() || checkpoints.are_due(gathered)) {
                self.keep(run, &mut checkpoints, gathered).await?;
            }
            boundary?;
            if !cautious {
                run.renew_marker().await?;
            } else if !skip.contains(&page.0) {
                // The stream begins the next page only when it is asked for it.
                run.at_page(next_at_work(page.0)).await?;
            }
        }
        Ok(())
    }

    /// Uploads a page's image, and its thumbnail where it has one; answers the bytes written.
    async fn upload_page(
        &self,
        outputs: &Outputs<'_>,
        source: &SourceKey,
        generation: &Generation,
        page: u32,
        image: &PageImage,
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
}

/// A document of which there is nothing to keep.
fn no_page_survived(gathered: &Gathered, inspection: &Inspection) -> PipelineError {
    let reasons: BTreeSet<&str> = gathered.failed.values().map(String::as_str).collect();
    PipelineError::Permanent {
        reason: "no_page_survived".into(),
        stage: Stage::Pages,
        message: format!(
            "none of the {} pages could be processed ({}): the file is damaged or hostile",
            inspection.pages,
            Vec::from_iter(reasons).join(", ")
        ),
    }
}

/// The bytes of a page's image and thumbnail.
fn image_bytes(output: &PageOutput) -> u64 {
    output.image.as_ref().map_or(0, |image| {
        let thumbnail = image.thumbnail.as_ref().map_or(0, |file| file.len());
        (image.data.len() + thumbnail) as u64
    })
}

/// The headings of all pages, in reading order.
fn headings(pages: &Pages) -> Result<Vec<Heading>, PipelineError> {
    let mut found = Vec::new();
    for page in pages.iter() {
        found.extend(headings_of_page(&page.map_err(no_temporary_file)?));
        if found.len() > MAX_HEADINGS {
            found.truncate(MAX_HEADINGS);
            break;
        }
    }
    Ok(found)
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
