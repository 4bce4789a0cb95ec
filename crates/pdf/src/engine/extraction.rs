//! All pages of a document, in order, whatever happens to the children.
//!
//! Pages are handed out in short turns. A turn waits for a place in the pool, in order of arrival, so that documents
//! side by side get on evenly. When a child dies, the page that it was at is tried once more, alone in a fresh child;
//! the pages before it are done, and those after it go on in another child. A page whose child was killed from outside
//! has done nothing wrong that is known, so it gets a few tries more.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use tokio_util::task::AbortOnDropHandle;

use super::check;
use super::opening::OpenedDocument;
use super::patience::Patience;
use super::{ExtractRequest, Pace, PageOutput};
use crate::error::{PageFailure, PdfError};
use crate::page::PageNumber;
use crate::pool::{Death, DeathKind, Lease, Pool, Trouble, Wound};
use crate::protocol::{Answer, FrameCaps, PageTask, Request};

/// Most pages that a document gets done in one go before another document may have the child.
pub const PAGES_PER_TURN: u32 = 4;

/// Attempts to start a child in the middle of a document, and the time between them. Nobody is to blame when the
/// machine is out of processes for a moment.
const START_ATTEMPTS: u32 = 5;
const START_PAUSE: Duration = Duration::from_millis(500);

type PageOutcome = (PageNumber, Result<PageOutput, PageFailure>);

pub(super) fn extract(
    pool: Arc<Pool>,
    document: Arc<OpenedDocument>,
    request: ExtractRequest,
) -> BoxStream<'static, PageOutcome> {
    let last = document.inspection.pages;
    let (turns_at_once, pages_per_turn) = match request.pace {
        Pace::Full => (pool.settings().children.max(1) + 1, PAGES_PER_TURN),
        Pace::Cautious => (1, 1),
    };
    let turns = (1..=last)
        .step_by(pages_per_turn as usize)
        .map(move |first| first..last.min(first + pages_per_turn - 1) + 1);
    stream::iter(turns)
        .map(move |pages| {
            let turn = Turn {
                pool: Arc::clone(&pool),
                document: Arc::clone(&document),
                request: request.clone(),
            };
            // A task of its own: deadlines run and pages arrive while the reader is busy with an earlier page.
            let task = AbortOnDropHandle::new(tokio::spawn(turn.run(pages.clone())));
            async move {
                task.await.unwrap_or_else(|error| {
                    tracing::error!(%error, "a turn of pages failed");
                    pages.map(PageNumber).map(crashed).collect()
                })
            }
        })
        .buffered(turns_at_once)
        .flat_map(stream::iter)
        .boxed()
}

fn crashed(page: PageNumber) -> PageOutcome {
    (page, Err(PageFailure::Crashed { page }))
}

/// Some pages of one document.
struct Turn {
    pool: Arc<Pool>,
    document: Arc<OpenedDocument>,
    request: ExtractRequest,
}

impl Turn {
    async fn run(self, pages: Range<u32>) -> Vec<PageOutcome> {
        let mut done = Vec::with_capacity(pages.len());
        let mut next = pages.start;
        while next < pages.end {
            if self.request.skip.contains(&next) {
                let page = PageNumber(next);
                done.push((page, Err(PageFailure::KilledTheWorker { page })));
                next += 1;
                continue;
            }
            let skipped = self.request.skip.range(next..pages.end).next();
            let stop = skipped.copied().unwrap_or(pages.end);
            let lease = self.lease(false).await;
            let outcome = self.attempt(lease, next..stop, &mut done).await;
            next = pages.start + done.len() as u32;
            if let Err(setback) = outcome {
                self.try_alone(next, setback, &mut done).await;
                next += 1;
            }
        }
        done
    }

    /// Tries one page again, alone in a fresh child, and pushes its end, good or bad.
    async fn try_alone(&self, page: u32, first: Setback, done: &mut Vec<PageOutcome>) {
        tracing::debug!(page, failure = %first.failure, "a page is tried again, alone");
        let mut patience = Patience::default();
        let mut setback = first;
        while patience.survives(setback.kind) {
            let fresh = self.lease(true).await;
            match self.attempt(fresh, page..page + 1, done).await {
                Ok(()) => return,
                Err(again) => setback = again,
            }
        }
        done.push((PageNumber(page), Err(setback.failure)));
    }

    async fn lease(&self, fresh: bool) -> Result<Lease, PdfError> {
        let mut attempt = 1;
        loop {
            let outcome = match self.request.pace {
                Pace::Cautious => self.pool.lease_alone().await,
                Pace::Full if fresh => self.pool.lease_fresh().await,
                Pace::Full => self.pool.lease(self.document.source.id).await,
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

    /// Works through pages in one child. What is done is pushed; the first page that its child did not survive, or
    /// had no memory for, ends the attempt.
    async fn attempt(
        &self,
        lease: Result<Lease, PdfError>,
        pages: Range<u32>,
        done: &mut Vec<PageOutcome>,
    ) -> Result<(), Setback> {
        let first = PageNumber(pages.start);
        let mut lease = lease.map_err(|error| {
            tracing::error!(%error, "no renderer could be started");
            PageFailure::Crashed { page: first }
        })?;
        match lease.open(&self.document.source).await {
            Ok(_) => {}
            Err(Trouble::Died(death)) => return Err(self.setback(first, &death)),
            // It could be opened before.
            Err(Trouble::Refused(_)) => return Err(PageFailure::Unreadable { page: first }.into()),
        }
        let tasks = pages.clone().map(|page| PageTask {
            page: PageNumber(page),
            links: self
                .document
                .link_task(PageNumber(page), self.request.links),
        });
        let request = Request::Pages {
            tasks: tasks.collect(),
            images: self.request.images.clone(),
            text: self.request.text,
        };
        if let Err(wound) = lease.send(&request, None).await {
            let death = lease.bury(wound).await;
            return Err(self.setback(first, &death));
        }
        for page in pages.map(PageNumber) {
            let outcome = self.receive(&mut lease, page).await?;
            lease.count_page();
            done.push((page, outcome));
        }
        // A child at rest goes back to the pool, and keeps its memory; a cautious one is ended with its page.
        if self.request.pace == Pace::Full {
            lease.rest();
        }
        Ok(())
    }

    async fn receive(
        &self,
        lease: &mut Lease,
        page: PageNumber,
    ) -> Result<Result<PageOutput, PageFailure>, Setback> {
        let limits = &self.pool.settings().limits;
        let caps = FrameCaps::of_page(limits, self.request.images.as_ref());
        let deadline = Duration::from_secs(u64::from(limits.page_timeout_seconds));
        let wound = match lease.receive(caps, deadline).await {
            Ok((Answer::Page(answer), body)) => {
                match check::page_output(page, &self.request, limits, *answer, body) {
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
        Err(self.setback(page, &death))
    }

    fn setback(&self, page: PageNumber, death: &Death) -> Setback {
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
                limit_seconds: self.pool.settings().limits.page_timeout_seconds,
            },
        };
        Setback {
            failure,
            kind: death.kind,
        }
    }
}

/// What ended an attempt at a page.
struct Setback {
    /// What the page's failure is, should it stay at that.
    failure: PageFailure,
    /// How the child died; a child that could not be had died a death of the page's own.
    kind: DeathKind,
}

impl From<PageFailure> for Setback {
    fn from(failure: PageFailure) -> Self {
        Self {
            failure,
            kind: DeathKind::Crashed,
        }
    }
}
