//! All pages of a document, in order, whatever happens to the children.
//!
//! Pages are handed out in short turns. A turn waits for a place in the pool, which sees to it that documents side by
//! side all get on. When a child dies, the page that it was at is tried once more, alone in a fresh child; the pages
//! before it are done, and those after it go on in another child. A page whose child was killed from outside has done
//! nothing wrong that is known, so it gets a few tries more; a page that filled all the memory of a child which held
//! nothing else would do so again, and gets none.
//!
//! Two things end this: finished pages wait for [`BufferSpace`] when the reader is slow, and the document has an
//! [`Allowance`] of time and of deaths.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::{OnceCell, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::opening::OpenedDocument;
use crate::pool::{Pool, Source};
use pagemill_document::PageNumber;
use pagemill_reader::{ExtractRequest, Pace, PageFailure, PageOutput};

mod again;
mod allowance;
mod buffer_space;
mod turn;

use allowance::Allowance;
use buffer_space::BufferSpace;
use turn::Turn;

/// Most pages that a document gets done in one go before another document may have the child.
pub const PAGES_PER_TURN: u32 = 4;

type PageOutcome = (PageNumber, Result<PageOutput, PageFailure>);

pub(super) fn extract(
    pool: Arc<Pool>,
    document: Arc<OpenedDocument>,
    request: ExtractRequest,
) -> BoxStream<'static, PageOutcome> {
    let last = document.inspection.pages;
    let limits = &pool.settings().limits;
    let behind = request.behind;
    let first = behind.pages.saturating_add(1);
    let space = BufferSpace::new(limits.page_buffer_mib.saturating_mul(1 << 20), first);
    let allowance = Allowance::new(limits, behind);
    let (children, turns_at_once, pages_per_turn) = match request.pace {
        Pace::Full => {
            let children = pool.settings().children.max(1);
            (children, children + 1, PAGES_PER_TURN)
        }
        Pace::Cautious => (1, 1, 1),
    };
    let extraction = Arc::new(Extraction {
        pool,
        document,
        request,
        space,
        allowance,
        clear: OnceCell::new(),
    });
    let turns = Turns {
        extraction,
        next: first,
        last,
        children: u32::try_from(children).unwrap_or(u32::MAX),
        pages_per_turn,
        turns_at_once,
        under_way: VecDeque::new(),
    };
    stream::unfold(turns, |mut turns| async move {
        let outcome = turns.next().await?;
        Some((outcome, turns))
    })
    .boxed()
}

/// What all turns of one extraction share.
struct Extraction {
    pool: Arc<Pool>,
    document: Arc<OpenedDocument>,
    request: ExtractRequest,
    space: BufferSpace,
    allowance: Allowance,
    /// The copy of the file in which fonts say what they mean, made when the first page asks for it; nothing where there
    /// is nothing to be said.
    clear: OnceCell<Option<Source>>,
}

/// The turns of one extraction. Dropping it stops those under way.
struct Turns {
    extraction: Arc<Extraction>,
    /// First page of the next turn.
    next: u32,
    last: u32,
    children: u32,
    pages_per_turn: u32,
    turns_at_once: usize,
    under_way: VecDeque<UnderWay>,
}

/// A turn in a task of its own: deadlines run and pages arrive while the reader is busy with an earlier page.
struct UnderWay {
    /// Pages that have not come yet.
    pages: Range<u32>,
    finished: mpsc::Receiver<Finished>,
    _task: AbortOnDropHandle<()>,
}

/// A page that ended, and what it takes of the space.
struct Finished {
    outcome: PageOutcome,
    bytes: u64,
}

impl Turns {
    async fn next(&mut self) -> Option<PageOutcome> {
        loop {
            while self.under_way.len() < self.turns_at_once && self.next <= self.last {
                let turn = self.begin();
                self.under_way.push_back(turn);
            }
            let turn = self.under_way.front_mut()?;
            let finished = turn.finished.recv().await;
            let Some(page) = turn.pages.next() else {
                self.under_way.pop_front();
                continue;
            };
            let finished = finished.unwrap_or_else(|| {
                tracing::error!(page, "a turn of pages failed");
                let page = PageNumber(page);
                Finished {
                    outcome: (page, Err(PageFailure::Crashed { page })),
                    bytes: 0,
                }
            });
            self.extraction.space.leave(page, finished.bytes);
            return Some(finished.outcome);
        }
    }

    fn begin(&mut self) -> UnderWay {
        // Short turns for the last pages, so that no child is at work long after the others.
        let left = self.last - self.next + 1;
        let share = left / self.children.saturating_mul(2);
        let end = self.next + share.clamp(1, self.pages_per_turn);
        let pages = self.next..end;
        self.next = end;
        let (sender, finished) = mpsc::channel(self.pages_per_turn as usize);
        let turn = Turn::new(Arc::clone(&self.extraction), pages.clone(), sender);
        UnderWay {
            pages,
            finished,
            _task: AbortOnDropHandle::new(tokio::spawn(async move {
                // What the turn still owes ends as pages that crashed.
                if let Err(panicked) = pagemill_panics::caught(turn.run()).await {
                    tracing::error!(place = panicked.place(), "a turn of pages panicked");
                }
            })),
        }
    }
}
