//! What a document is allowed before it is given up: time for all its pages, and pages that end their renderers.
//!
//! Each page has its deadline, but ten thousand deadlines are days. So a document has a time too, and a number of
//! pages that may end their renderers; what is left then is not begun any more.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use pagemill_document::PageNumber;
use pagemill_reader::{Behind, Limits, PageFailure};

/// The time and the deaths of one document.
#[derive(Debug)]
pub(super) struct Allowance {
    end: Instant,
    limit_seconds: u32,
    deaths: AtomicU32,
    max_deaths: u32,
}

impl Allowance {
    /// What is left of an allowance; its time goes on now.
    pub(super) fn new(limits: &Limits, behind: Behind) -> Self {
        let limit_seconds = limits.document_timeout_seconds;
        let time = Duration::from_secs(u64::from(limit_seconds));
        Self {
            end: Instant::now() + time.saturating_sub(behind.time),
            limit_seconds,
            deaths: AtomicU32::new(behind.deaths),
            max_deaths: limits.max_page_deaths,
        }
    }

    /// Notes that a page ended its renderers.
    pub(super) fn page_died(&self) {
        self.deaths.fetch_add(1, Ordering::Relaxed);
    }

    /// Why a page is not begun any more, if so.
    pub(super) fn refuses(&self, page: PageNumber) -> Option<PageFailure> {
        if self.deaths.load(Ordering::Relaxed) >= self.max_deaths {
            return Some(PageFailure::NotTried { page });
        }
        (Instant::now() >= self.end).then_some(PageFailure::OutOfTime {
            page,
            limit_seconds: self.limit_seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: PageNumber = PageNumber(7);

    #[tokio::test(start_paused = true)]
    async fn ho_2_a_document_has_so_much_time_and_no_more() {
        let limits = Limits {
            document_timeout_seconds: 60,
            ..Limits::default()
        };
        let allowance = Allowance::new(&limits, Behind::default());
        assert_eq!(allowance.refuses(PAGE), None);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(
            allowance.refuses(PAGE),
            Some(PageFailure::OutOfTime {
                page: PAGE,
                limit_seconds: 60
            })
        );
    }

    #[test]
    fn ho_2_so_many_pages_may_end_their_renderers() {
        let limits = Limits {
            max_page_deaths: 2,
            ..Limits::default()
        };
        let allowance = Allowance::new(&limits, Behind::default());
        allowance.page_died();
        assert_eq!(allowance.refuses(PAGE), None);
        allowance.page_died();
        assert_eq!(
            allowance.refuses(PAGE),
            Some(PageFailure::NotTried { page: PAGE })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn ho_2_what_an_earlier_extraction_used_up_stays_used_up() {
        let limits = Limits {
            document_timeout_seconds: 60,
            max_page_deaths: 2,
            ..Limits::default()
        };
        let behind = |deaths, seconds| Behind {
            pages: 6,
            deaths,
            time: Duration::from_secs(seconds),
        };
        assert_eq!(Allowance::new(&limits, behind(1, 59)).refuses(PAGE), None);
        let refused = Allowance::new(&limits, behind(2, 59)).refuses(PAGE);
        assert_eq!(refused, Some(PageFailure::NotTried { page: PAGE }));
        let refused = Allowance::new(&limits, behind(1, 600)).refuses(PAGE);
        assert!(matches!(refused, Some(PageFailure::OutOfTime { .. })));
    }
}
