//! One turn: a few pages in a row.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::mpsc;

use super::{Extraction, Finished, again};
use crate::engine::check;
use crate::engine::opening::OpenedDocument;
use crate::engine::retry_budget::RetryBudget;
use crate::pool::{BusyChild, ChildFault, Death, DeathKind, Trouble};
use crate::protocol::{Answer, FrameCaps, PageTask, Request};
use pagemill_document::PageNumber;
use pagemill_reader::{ExtractRequest, Pace, PageFailure, PageOutput, PdfError, PictureReading};

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
            let child = self.child(false).await;
            if let Err(failed) = self.attempt(child, stop).await {
                self.try_alone(failed).await;
            }
        }
    }

    /// Sends the next page's end to the reader, when there is space for it.
    async fn push(&mut self, result: Result<PageOutput, PageFailure>) {
        let Some(number) = self.pages.next() else {
            return;
        };
        let bytes = result.as_ref().map_or(0, weight);
        self.extraction.space.enter(number, bytes).await;
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
    async fn try_alone(&mut self, first: FailedAttempt) {
        let number = self.pages.start;
        let mut budget = RetryBudget::default();
        let mut failed = first;
        while !failed.is_final() && budget.allows_another_after(failed.kind) {
            tracing::debug!(page = number, failure = %failed.failure, "a page is tried again, alone");
            let fresh = self.child(true).await;
            match self.attempt(fresh, number + 1).await {
                Ok(()) => return,
                Err(again) => failed = again,
            }
        }
        self.extraction.allowance.page_died();
        self.push(Err(failed.failure)).await;
    }

    async fn child(&self, fresh: bool) -> Result<BusyChild, PdfError> {
        let Extraction {
            pool,
            document,
            request,
            space,
            ..
        } = &*self.extraction;
        let _waiting = space.without_child(self.pages.start);
        let mut attempt = 1;
        loop {
            let outcome = match request.pace {
                Pace::Cautious => pool.lone_child().await,
                Pace::Full if fresh => pool.fresh_child(document.source.id).await,
                Pace::Full => pool.child(document.source.id).await,
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
    async fn attempt(
        &mut self,
        child: Result<BusyChild, PdfError>,
        stop: u32,
    ) -> Result<(), FailedAttempt> {
        let extraction = Arc::clone(&self.extraction);
        let Extraction {
            document, request, ..
        } = &*extraction;
        let pages = self.pages.start..stop;
        let first = PageNumber(pages.start);
        let mut child = child.map_err(|error| {
            tracing::error!(%error, "no renderer could be started");
            PageFailure::Crashed { page: first }
        })?;
        match child.open(&document.source).await {
            Ok(_) => {}
            Err(Trouble::Died(death)) => return Err(failed_attempt(&extraction, first, &death)),
            // It could be opened before.
            Err(Trouble::Refused(_)) => return Err(PageFailure::Unreadable { page: first }.into()),
        }
        let has_copy = extraction.attach(&mut child).await;
        let has_copy = has_copy.map_err(|death| failed_attempt(&extraction, first, &death))?;
        let may_wait = !has_copy && !extraction.is_as_clear_as_can_be();
        let numbers = pages.clone().map(PageNumber);
        let readings = readings_of(request, numbers.clone()).await;
        let pages_request = pages_request(document, request, numbers, may_wait, readings);
        if let Err(fault) = child.send(&pages_request, None).await {
            let death = child.end_after(fault).await;
            return Err(failed_attempt(&extraction, first, &death));
        }
        let had_room = child.has_room();
        // Pages whose text is to be read again, and those behind them.
        let mut held = Vec::new();
        for page in pages.map(PageNumber) {
            let outcome = match receive(&extraction, request, &mut child, page).await {
                Ok(outcome) => outcome,
                Err(failed) => {
                    let had_all_memory = had_room && page == first;
                    drop(child);
                    self.push_held(None, held).await;
                    return Err(FailedAttempt {
                        had_all_memory,
                        ..failed
                    });
                }
            };
            child.count_page();
            if held.is_empty() && !(may_wait && again::is_unclear(document, &outcome)) {
                self.push(outcome).await;
            } else {
                held.push(outcome);
            }
        }
        let child = self.push_held(Some(child), held).await;
        // A child at rest goes back to the pool, and keeps its memory; a cautious one is ended with its page.
        if request.pace == Pace::Full
            && let Some(mut child) = child
        {
            child.rest();
        }
        Ok(())
    }

    /// Sends pages that were held back, after their text was read again: in this child, or in one of its own. Gives the
    /// child back.
    async fn push_held(
        &mut self,
        mut child: Option<BusyChild>,
        mut held: Vec<Result<PageOutput, PageFailure>>,
    ) -> Option<BusyChild> {
        if held.is_empty() {
            return child;
        }
        if child.is_none() {
            child = self.child(false).await.ok();
        }
        if let Some(child) = &mut child {
            again::read(&self.extraction, child, &mut held).await;
        }
        for outcome in held {
            self.push(outcome).await;
        }
        child
    }
}

/// What was read of the pictures of these pages before.
pub(super) async fn readings_of(
    request: &ExtractRequest,
    pages: impl Iterator<Item = PageNumber>,
) -> BTreeMap<PageNumber, Vec<PictureReading>> {
    let Some(kept) = &request.readings else {
        return BTreeMap::new();
    };
    let asked = pages.map(async |page| (page, kept.of_page(page).await));
    join_all(asked).await.into_iter().collect()
}

/// What a child is asked for pages, of whose pictures so much was read before.
pub(super) fn pages_request(
    document: &OpenedDocument,
    request: &ExtractRequest,
    pages: impl Iterator<Item = PageNumber>,
    copy_may_come: bool,
    mut readings: BTreeMap<PageNumber, Vec<PictureReading>>,
) -> Request {
    let tasks = pages.map(|page| PageTask {
        page,
        readings: (request.readings.as_ref()).map(|_| readings.remove(&page).unwrap_or_default()),
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
    child: &mut BusyChild,
    page: PageNumber,
) -> Result<Result<PageOutput, PageFailure>, FailedAttempt> {
    let limits = &extraction.pool.settings().limits;
    let caps = FrameCaps::of_page(limits, request.images.as_ref());
    let deadline = Duration::from_secs(u64::from(limits.page_timeout_seconds));
    let fault = match child.receive(caps, deadline).await {
        Ok((Answer::Page(answer), body)) => {
            match check::page_output(page, request, limits, *answer, body) {
                Ok(output) => return Ok(Ok(output)),
                Err(what) => ChildFault::Violation(what),
            }
        }
        Ok((Answer::PageFailed(failure), _)) if check::is_answerable(page, &failure) => {
            // Memory that other pages took is not this page's fault.
            if matches!(failure, PageFailure::OutOfMemory { .. }) {
                return Err(failure.into());
            }
            return Ok(Err(failure));
        }
        Ok(_) => ChildFault::Violation("another answer than a page".to_owned()),
        Err(fault) => fault,
    };
    let death = child.end_after(fault).await;
    Err(failed_attempt(extraction, page, &death))
}

fn failed_attempt(extraction: &Extraction, page: PageNumber, death: &Death) -> FailedAttempt {
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
    FailedAttempt {
        kind: death.kind,
        ..failure.into()
    }
}

/// What ended an attempt at a page.
pub(super) struct FailedAttempt {
    /// What the page's failure is, should it stay at that.
    failure: PageFailure,
    /// How the child died; a child that could not be had died a death of the page's own.
    kind: DeathKind,
    /// Whether the page had almost all the memory that a fresh child would give it.
    had_all_memory: bool,
}

impl FailedAttempt {
    /// Whether another try would only fill the memory once more.
    fn is_final(&self) -> bool {
        self.had_all_memory && matches!(self.failure, PageFailure::OutOfMemory { .. })
    }
}

impl From<PageFailure> for FailedAttempt {
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
    let readings: usize = output.readings.iter().map(PictureReading::bytes).sum();
    image as u64 + text as u64 * BYTES_PER_TEXT_BYTE + readings as u64
}
