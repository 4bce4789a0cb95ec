//! A copy of a document whose scanned pages can be searched, made in a child.

use std::sync::Arc;

use super::opening::OpenedDocument;
use super::retry_budget::RetryBudget;
use crate::pool::{Pool, Trouble};
use crate::protocol::Request;
use crate::searchable::MAX_WORDS;
use pagemill_reader::PageWords;
use pagemill_reader::PdfError;

/// See [`Document::searchable`](super::Document::searchable).
pub(super) async fn searchable(
    pool: &Arc<Pool>,
    document: &OpenedDocument,
    pages: Vec<PageWords>,
) -> Result<Vec<u8>, PdfError> {
    let words: usize = pages.iter().map(PageWords::count).sum();
    if words > MAX_WORDS {
        return Err(PdfError::OverLimit {
            limit: "words of a searchable PDF".to_owned(),
            actual: words as u64,
            allowed: MAX_WORDS as u64,
        });
    }
    let source = document.as_shown();
    let request = Request::Searchable {
        pages,
        bytes: source.file.bytes(),
        passwords: source.passwords.clone(),
    };
    let mut budget = RetryBudget::default();
    let mut child = pool.child(source.id).await?;
    loop {
        let death = match child.searchable(source, &request).await {
            Ok(file) => return Ok(file),
            Err(Trouble::Refused(error)) => return Err(error),
            Err(Trouble::Died(death)) => death,
        };
        if !budget.allows_another_after(death.kind) {
            return Err(PdfError::Poison {
                reason: format!("writing words into it ended a child: {}", death.reason),
            });
        }
        child = pool.fresh_child(source.id).await?;
    }
}
