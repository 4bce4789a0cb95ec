//! One turn: a few pages in a row.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Extraction, Finished, again};
use crate::engine::check;
use crate::engine::opening::OpenedDocument;
use crate::engine::patience::Patience;
use crate::pool::{Death, DeathKind, Lease, Trouble, Wound};
use crate::protocol::{Answer, FrameCaps, PageTask, Request};
use pagemill_document::PageNumber;
use pagemill_reader::{ExtractRequest, Pace, PageFailure, PageOutput, PdfError};

/// Attempts to start a child in the middle of a document, and the time between them. Nobody is to blame when the
/// machine is out of processes for a moment.
const START_ATTEMPTS: u32 = 5;
const START_PAUSE: Duration = Duration::from_millis(500);

/// Bytes that a page takes besides its image, for each byte of its text: the text comes twice, with boxes around it.
const BYTES_PER_TEXT_BYTE: u64 = 4;

/// Some pages of one document.
pub(super) struct Turn {
    extraction: Arc<Extraction>,
    /// The pages that have not ended.
    pages: Range<u32>,
    finished: mpsc::Sender<Finished>,
}

impl Turn {
    /// A turn that sends its pages, each as it ends, in order.
    pub(super) fn new(
        extraction: Arc<Extraction>,
        pages: Range<u32>,
        finished: mpsc::Sender<Finished>,
    ) -> Self {
        Self {
            extraction,
            pages,
            finished,
        }
    }

    /// Works through the pages.
    pub(super) async fn run(mut self) {
        while !self.pages.is_empty() {
            let next = self.pages.start;
            let page = PageNumber(next);
            let skip = &self.extraction.request.skip;
            if skip.contains(&next) {
                self.push(Err(PageFailure::KilledTheWorker { page })).await;
                continue;
            }
            if let Some(failure) = self.extraction.allowance.refuses(page) {
                self.push(Err(failure)).await;
                continue;
            }
            let skipped = skip.range(self.pages.clone()).next();
            let stop = skipped.copied().unwrap_or(self.pages.end);
            let lease = self.lease(false).await;
            if let Err(setback) = self.attempt(lease, stop).await {
                self.try_alone(setback).await;
            }
        }
    }

    /// Sends the next page's end to the reader, when there is room for it.
    async fn push(&mut self, result: Result<PageOutput, PageFailure>) {
        let Some(number) = self.pages.next() else {
            return;
        };
        let bytes = result.as_ref().map_or(0, weight);
        self.extraction.room.enter(number, bytes).await;
        let outcome = (PageNumber(number), result);
        // A reader that is gone has this task aborted.
        if self
            .finished
            .send(Finished { outcome, bytes })
            .await
            .is_err()
        {
            tracing::trace!(number, "nobody reads the pages any more");
        }
    }

    /// Tries the next page again, alone in a fresh child, and sends its end, good or bad.
    async fn try_alone(&mut self, first: Setback) {
        let number = self.pages.start;
        let mut patience = Patience::default();
        let mut setback = first;
        while !setback.is_final() && patience.survives(setback.kind) {
            tracing::debug!(page = number, failure = %setback.failure, "a page is tried again, alone");
            let fresh = self.lease(true).await;
            match self.attempt(fresh, number + 1).await {
                Ok(()) => return,
                Err(again) => setback = again,
            }
        }
        self.extraction.allowance.page_died();
        self.push(Err(setback.failure)).await;
    }

    async fn lease(&self, fresh: bool) -> Result<Lease, PdfError> {
        let Extraction {
            pool,
            document,
            request,
            room,
            ..
        } = &*self.extraction;
        let _waiting = room.without_child(self.pages.start);
        let mut attempt = 1;
        loop {
            let outcome = match request.pace {
                Pace::Cautious => pool.lease_alone().await,
                Pace::Full if fresh => pool.lease_fresh(document.source.id).await,
                Pace::Full => pool.lease(document.source.id).await,
            };
            match outcome {
                Err(error) if attempt < START_ATTEMPTS => {
                    tracing::warn!(%error, attempt, "no renderer could be started");
                    tokio::time::sleep(START_PAUSE).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// Works through the pages before `stop` in one child. What is done is sent; the first page that its child did not
    /// survive, or had no memory for, ends the attempt.
    async fn attempt(&mut self, lease: Result<Lease, PdfError>, stop: u32) -> Result<(), Setback> {
        let extraction = Arc::clone(&self.extraction);
        let Extraction {
            document, request, ..
        } = &*extraction;
        let pages = self.pages.start..stop;
        let first = PageNumber(pages.start);
        let mut lease = lease.map_err(|error| {
            tracing::error!(%error, "no renderer could be started");
            PageFailure::Crashed { page: first }
        })?;
        match lease.open(&document.source).await {
            Ok(_) => {}
            Err(Trouble::Died(death)) => return Err(setback(&extraction, first, &death)),
            // It could be opened before.
            Err(Trouble::Refused(_)) => return Err(PageFailure::Unreadable { page: first }.into()),
        }
        let has_copy = extraction.attach(&mut lease).await;
        let has_copy = has_copy.map_err(|death| setback(&extraction, first, &death))?;
        let may_wait = !has_copy && !extraction.is_as_clear_as_can_be();
        let numbers = pages.clone().map(PageNumber);
        let pages_request = pages_request(document, request, numbers, may_wait);
        if let Err(wound) = lease.send(&pages_request, None).await {
            let death = lease.bury(wound).await;
            return Err(setback(&extraction, first, &death));
        }
        let had_room = lease.has_room();
        // Pages whose text is to be read again, and those behind them.
        let mut held = Vec::new();
        for page in pages.map(PageNumber) {
            let outcome = match receive(&extraction, request, &mut lease, page).await {
                Ok(outcome) => outcome,
                Err(setback) => {
                    let had_all_memory = had_room && page == first;
                    drop(lease);
                    self.push_held(None, held).await;
                    return Err(Setback {
                        had_all_memory,
                        ..setback
                    });
                }
            };
            lease.count_page();
            if held.is_empty() && !(may_wait && again::is_unclear(document, &outcome)) {
                self.push(outcome).await;
            } else {
                held.push(outcome);
            }
        }
        let lease = self.push_held(Some(lease), held).await;
        // A child at rest goes back to the pool, and keeps its memory; a cautious one is ended with its page.
        if request.pace == Pace::Full
            && let Some(mut lease) = lease
        {
            lease.rest();
        }
        Ok(())
    }

    /// Sends pages that were held back, after their text was read again: in this child, or in one of its own. Gives the
    /// child back.
    async fn push_held(
        &mut self,
        mut lease: Option<Lease>,
        mut held: Vec<Result<PageOutput, PageFailure>>,
    ) -> Option<Lease> {
        if held.is_empty() {
            return lease;
        }
        if lease.is_none() {
            lease = self.lease(false).await.ok();
        }
        if let Some(lease) = &mut lease {
            again::read(&self.extraction, lease, &mut held).await;
        }
        for outcome in held {
            self.push(outcome).await;
        }
        lease
    }
}

/// What a child is asked for pages.
pub(super) fn pages_request(
    document: &OpenedDocument,
    request: &ExtractRequest,
    pages: impl Iterator<Item = PageNumber>,
    copy_may_come: bool,
) -> Request {
    let tasks = pages.map(|page| PageTask {
        page,
        links: document.link_task(page, request.links),
        look: document.look(page),
        without_hidden: document.without_hidden,
        misread: document.misread.fonts,
        copy_may_come,
    });
    Request::Pages {
        tasks: tasks.collect(),
        images: request.images.clone(),
        text: request.text,
    }
}

/// Waits for the answer about a page that was asked for.
pub(super) async fn receive(
    extraction: &Extraction,
    request: &ExtractRequest,
    lease: &mut Lease,
    page: PageNumber,
) -> Result<Result<PageOutput, PageFailure>, Setback> {
    let limits = &extraction.pool.settings().limits;
    let caps = FrameCaps::of_page(limits, request.images.as_ref());
    let deadline = Duration::from_secs(u64::from(limits.page_timeout_seconds));
    let wound = match lease.receive(caps, deadline).await {
        Ok((Answer::Page(answer), body)) => {
            match check::page_output(page, request, limits, *answer, body) {
                Ok(output) => return Ok(Ok(output)),
                Err(what) => Wound::Violation(what),
            }
        }
        Ok((Answer::PageFailed(failure), _)) if check::is_answerable(page, &failure) => {
            // Memory that other pages took is not this page's fault.
            if matches!(failure, PageFailure::OutOfMemory { .. }) {
                return Err(failure.into());
            }
            return Ok(Err(failure));
        }
        Ok(_) => Wound::Violation("another answer than a page".to_owned()),
        Err(wound) => wound,
    };
    let death = lease.bury(wound).await;
    Err(setback(extraction, page, &death))
}

fn setback(extraction: &Extraction, page: PageNumber, death: &Death) -> Setback {
    tracing::warn!(
        page = page.0,
        reason = %death.reason,
        "a renderer did not survive a page"
    );
    let failure = match death.kind {
        DeathKind::Crashed | DeathKind::Killed => PageFailure::Crashed { page },
        DeathKind::OutOfMemory => PageFailure::OutOfMemory { page },
        DeathKind::TimedOut => PageFailure::TimedOut {
            page,
            limit_seconds: extraction.pool.settings().limits.page_timeout_seconds,
        },
    };
    Setback {
        kind: death.kind,
        ..failure.into()
    }
}

/// What ended an attempt at a page.
pub(super) struct Setback {
    /// What the page's failure is, should it stay at that.
    failure: PageFailure,
    /// How the child died; a child that could not be had died a death of the page's own.
    kind: DeathKind,
    /// Whether the page had almost all the memory that a fresh child would give it.
    had_all_memory: bool,
}

impl Setback {
    /// Whether another try would only fill the memory once more.
    fn is_final(&self) -> bool {
        self.had_all_memory && matches!(self.failure, PageFailure::OutOfMemory { .. })
    }
}

impl From<PageFailure> for Setback {
    fn from(failure: PageFailure) -> Self {
        Self {
            failure,
            kind: DeathKind::Crashed,
            had_all_memory: false,
        }
    }
}

/// The bytes that a finished page takes, about.
fn weight(output: &PageOutput) -> u64 {
    let image = output.image.as_ref().map_or(0, |image| {
        image.data.len() + image.thumbnail.as_ref().map_or(0, |file| file.len())
    });
    let text = output.text.as_ref().map_or(0, |text| text.text.len());
    image as u64 + text as u64 * BYTES_PER_TEXT_BYTE
}
