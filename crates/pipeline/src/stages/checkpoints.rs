//! What a run that reads a long document keeps of it, for a run that comes after it should it die.
//!
//! Now and then the pages that were read since the last time are put into the store as a [`part`], with a key that holds
//! the fingerprint of everything that they depend on. The next run with the same fingerprint takes them in, one part after
//! the other from the first page on, through the very code that takes in pages just read: so what it writes in the end is
//! the same. Where the row of parts ends, or one is damaged, or an image that it speaks of is not there, the reading
//! begins. Nobody else ever looks at a part.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use futures::TryStreamExt;
use pagemill_reader::{Behind, ImageSettings, PageFailure, PdfDocument};
use pagemill_storage::{Generation, Stage, StorageError};
use tokio::time::Instant;

use super::no_temporary_file;
use super::pages::Gathered;
use super::part::{self, KeptPage, Origin, UploadedImage};
use crate::fingerprint::Fingerprinter;
use crate::graph::{self, ALWAYS};
use crate::outcome::PipelineError;
use crate::permit::Progress;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::run::Run;

/// What the pages of a part may weigh in memory, but for one more. A document with more text than this in a few seconds
/// is kept more often.
const MAX_PART_BYTES: usize = 8 << 20;

/// No part is larger: what is under its key is something else, and not brought into memory.
const MAX_STORED_BYTES: u64 = 128 << 20;

/// When the pages that were read are kept, and as what.
#[derive(Debug)]
pub(super) struct Checkpoints {
    origin: Origin,
    generation: Generation,
    every: Duration,
    last: Instant,
    /// What earlier runs kept.
    pub(super) behind: Behind,
}

impl Checkpoints {
    /// Whether it is time to keep what was read.
    pub(super) fn are_due(&self, gathered: &Gathered) -> bool {
        self.last.elapsed() >= self.every || gathered.unkept_bytes() > MAX_PART_BYTES
    }
}

/// The images that the store has of a build, by key, with their bytes.
struct Images<'a> {
    generation: &'a Generation,
    settings: &'a ImageSettings,
    bytes: HashMap<String, u64>,
}

impl Pipeline {
    /// Checkpoints of this run's pages. A forced run shares them with runs of the same request only, for it asks that
    /// nothing of before is used.
    pub(super) fn checkpoints(
        &self,
        run: &Run<'_>,
        plan: &Plan,
        images: Option<&ImageSettings>,
    ) -> Checkpoints {
        let settings = &self.parts().settings;
        let print = Fingerprinter::new(Stage::Pages, self.graph().code_version(Stage::Pages))
            .part("parts")
            .part(&part::FORMAT.to_string())
            .part(if images.is_some() { "images" } else { "" })
            // How a page fails depends on more of them than its text does.
            .settings(&settings.limits);
        // Stages that were added open the file for themselves.
        let upstream = ALWAYS.iter().filter(|spec| spec.reads_source);
        let upstream = upstream.filter_map(|spec| plan.expected.get(&spec.stage));
        let print = upstream.fold(print, Fingerprinter::upstream);
        let fingerprint = match run.forced_by() {
            Some(request) => print.part(request).finish(),
            None => print.finish(),
        };
        Checkpoints {
            generation: Generation::from(&fingerprint),
            origin: Origin {
                format: part::FORMAT,
                source: run.record.source.clone(),
                fingerprint,
            },
            every: Duration::from_secs(u64::from(settings.checkpoints.every_seconds)),
            last: Instant::now(),
            behind: Behind::default(),
        }
    }

    /// Keeps the pages that were read since the last time.
    pub(super) async fn keep(
        &self,
        run: &mut Run<'_>,
        checkpoints: &mut Checkpoints,
        gathered: &mut Gathered,
    ) -> Result<(), PipelineError> {
        let Some(pages) = gathered.unkept_pages() else {
            return Ok(());
        };
        let time = checkpoints.last.elapsed();
        let body = part::write(&checkpoints.origin, &pages, time, gathered.unkept());
        let body = body.map_err(no_temporary_file)?;
        let key = self
            .layout()
            .part(&run.record.source, &checkpoints.generation, &pages);
        run.may_have_parts = true;
        run.outputs()
            .put_new(&key, body.into(), "application/x-ndjson")
            .await?;
        gathered.are_kept();
        checkpoints.last = Instant::now();
        run.has_kept(*pages.end());
        tracing::debug!(key, "pages are kept");
        Ok(())
    }

    /// Takes in what earlier runs kept, from the first page on.
    pub(super) async fn take_up(
        &self,
        run: &mut Run<'_>,
        document: &dyn PdfDocument,
        checkpoints: &mut Checkpoints,
        images: Option<(&ImageSettings, &Generation)>,
    ) -> Result<Gathered, PipelineError> {
        let mut gathered = Gathered::default();
        let pages = document.inspection().pages;
        let parts = match run.resumes {
            true => self.listed_parts(run, checkpoints, pages).await?,
            false => Vec::new(),
        };
        if parts.is_empty() {
            run.found_kept(0, pages).await?;
            return Ok(gathered);
        }
        let left_out = run.left_out();
        let mut behind = Behind::default();
        let images = match images {
            Some((settings, generation)) => {
                Some(self.listed_images(run, settings, generation).await?)
            }
            None => None,
        };
        for (range, key) in &parts {
            // Of two that begin at the same page, the longer one comes first.
            if *range.start() != behind.pages + 1 {
                continue;
            }
            let body = match run.store.get_bytes(key).await {
                Ok((_, body)) => body,
                Err(StorageError::NotFound { .. }) => continue,
                Err(error) => return Err(run.storage(error)),
            };
            let mut part = match part::read(&body, &checkpoints.origin, range) {
                Ok(part) => part,
                Err(damage) => {
                    tracing::warn!(key, "a part is not used: {damage}");
                    continue;
                }
            };
            behind.time += part.time;
            let is_usable = |kept: &KeptPage<'_>| {
                let is_there = |images: &Images<'_>| self.has_image(run, images, kept);
                let died = matches!(kept.failed, Some(PageFailure::KilledTheWorker { .. }));
                images.as_ref().is_none_or(is_there) && (!died || left_out.contains(&kept.page.0))
            };
            while let Some(Ok(kept)) = part.next()
                && is_usable(&kept)
            {
                let page = kept.page;
                let end = kept.into_end();
                behind.pages = page.0;
                behind.deaths += u32::from(end.as_ref().is_err_and(PageFailure::ended_renderers));
                let counted = document.counted(page);
                let taken = gathered.take(page, end, images.is_some(), counted);
                taken.map_err(no_temporary_file)?;
                run.permit.progress(Progress::Page { page: page.0 });
            }
            if behind.pages < *range.end() {
                tracing::warn!(
                    key,
                    page = behind.pages + 1,
                    "the rest of a part is not used"
                );
            }
        }
        gathered.are_kept();
        run.found_kept(behind.pages, pages).await?;
        tracing::info!(
            source = %run.record.source,
            pages = behind.pages,
            of = pages,
            "pages that an earlier run had read are not read again"
        );
        checkpoints.behind = behind;
        checkpoints.last = Instant::now();
        Ok(gathered)
    }

    /// The parts of this fingerprint with their pages, in the order of these.
    async fn listed_parts(
        &self,
        run: &Run<'_>,
        checkpoints: &Checkpoints,
        pages: u32,
    ) -> Result<Vec<(RangeInclusive<u32>, String)>, PipelineError> {
        let (layout, source) = (self.layout(), &run.record.source);
        let generation = &checkpoints.generation;
        let mut parts = Vec::new();
        let mut listing = run.store.list(&layout.parts_of(source, generation));
        while let Some(object) = next(run, &mut listing).await? {
            let range = layout.pages_of_part(source, generation, &object.key);
            let range = range.filter(|range| *range.start() > 0 && *range.end() <= pages);
            let range = range.filter(|_| object.bytes <= MAX_STORED_BYTES);
            parts.extend(range.map(|range| (range, object.key)));
        }
        parts.sort_by_key(|(range, _)| (*range.start(), std::cmp::Reverse(*range.end())));
        Ok(parts)
    }

    async fn listed_images<'a>(
        &self,
        run: &Run<'_>,
        settings: &'a ImageSettings,
        generation: &'a Generation,
    ) -> Result<Images<'a>, PipelineError> {
        let folder = self.layout().page_images(&run.record.source, generation);
        let mut bytes = HashMap::new();
        let mut listing = run.store.list(&folder);
        while let Some(object) = next(run, &mut listing).await? {
            bytes.insert(object.key, object.bytes);
        }
        Ok(Images {
            generation,
            settings,
            bytes,
        })
    }

    /// Whether the image of a page is in the store as it was written, where there is to be one.
    fn has_image(&self, run: &Run<'_>, images: &Images<'_>, kept: &KeptPage<'_>) -> bool {
        let Some(UploadedImage { bytes, .. }) = kept.image else {
            return true;
        };
        let (layout, source, page) = (self.layout(), &run.record.source, kept.page.0);
        let extension = images.settings.format.extension();
        let of = |key: String| images.bytes.get(&key).copied();
        let image = of(layout.page_image(source, images.generation, page, extension));
        let thumbnail = of(layout.thumbnail(source, images.generation, page, extension));
        image.is_some_and(|image| image + thumbnail.unwrap_or(0) == bytes)
    }

    /// The keys of a source's parts, of every build.
    pub(crate) async fn part_keys(&self, run: &Run<'_>) -> Result<Vec<String>, PipelineError> {
        if !run.may_have_parts {
            return Ok(Vec::new());
        }
        let (layout, source) = (self.layout(), &run.record.source);
        let is_ours = |key: &str| layout.is_part_of(source, key);
        run.keys_below(&graph::parts(layout, source), is_ours).await
    }

    /// Deletes a source's parts, of every build: what they are for is done, or will never be.
    pub(crate) async fn delete_parts(&self, run: &Run<'_>) -> Result<(), PipelineError> {
        run.delete(self.part_keys(run).await?).await
    }
}

async fn next(
    run: &Run<'_>,
    listing: &mut pagemill_storage::Listing,
) -> Result<Option<pagemill_storage::ObjectMeta>, PipelineError> {
    let object = listing.try_next().await;
    object.map_err(|error| run.storage(error))
}
