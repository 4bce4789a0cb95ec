//! Text that is read a second time, from a copy of the file in which fonts say what they mean.
//!
//! A page asks for it whose first text lacks characters that are to be seen, or which is set in fonts that PDFium is known
//! to misread. What a page gives does not depend on its neighbours: each is read from the file as it came first.

use super::Extraction;
use super::turn::{pages_request, receive};
use crate::engine::opening::{OpenedDocument, rewritten};
use crate::engine::{ExtractRequest, PageOutput};
use crate::error::PageFailure;
use crate::pool::{Lease, Source, Trouble};
use crate::repair::Purpose;
use pagemill_document::PageNumber;

type Outcome = Result<PageOutput, PageFailure>;

/// Whether a page's text is to be read again.
pub(super) fn is_unclear(document: &OpenedDocument, outcome: &Outcome) -> bool {
    let text = outcome
        .as_ref()
        .ok()
        .and_then(|output| output.text.as_ref());
    text.is_some_and(|text| {
        document.misread.fonts || text.characters.no_unicode > 0 || text.characters.not_read > 0
    })
}

/// Reads those of these pages again that are unclear, in a child at rest. Whatever goes wrong, they keep what they have.
pub(super) async fn read(extraction: &Extraction, lease: &mut Lease, outcomes: &mut [Outcome]) {
    let Some(copy) = extraction.clear_copy(lease).await else {
        return;
    };
    match lease.open(copy).await {
        Ok(_) => {}
        Err(Trouble::Refused(error)) => {
            tracing::warn!(%error, "the copy of a file with clear fonts can't be opened");
            return;
        }
        Err(Trouble::Died(death)) => {
            tracing::warn!(reason = %death.reason, "a renderer did not survive the copy of a file");
            return;
        }
    }
    let document = &extraction.document;
    let request = ExtractRequest {
        images: None,
        ..extraction.request.clone()
    };
    let mut unclear: Vec<(PageNumber, &mut PageOutput)> = outcomes
        .iter_mut()
        .filter(|outcome| is_unclear(document, outcome))
        .filter_map(|outcome| outcome.as_mut().ok())
        .map(|output| (output.page, output))
        .collect();
    let pages = unclear.iter().map(|(page, _)| *page);
    if let Err(wound) = lease
        .send(&pages_request(document, &request, pages), None)
        .await
    {
        lease.bury(wound).await;
        return;
    }
    for (page, output) in &mut unclear {
        match receive(extraction, &request, lease, *page).await {
            Ok(Ok(again)) => take_clearer(output, again),
            Ok(Err(_)) => {}
            Err(_) => return,
        }
    }
}

/// Takes the second text of a page in place of the first, unless it lacks more or has nothing new.
fn take_clearer(first: &mut PageOutput, second: PageOutput) {
    let (Some(before), Some(after)) = (&first.text, &second.text) else {
        return;
    };
    let (before, after) = (before.characters, after.characters);
    if after.missing() <= before.missing() && after.letters != before.letters {
        first.text = second.text;
        first.links = second.links;
        first.links_dropped = second.links_dropped;
    }
}

impl Extraction {
    /// The copy of the file with clear fonts, made in this child if nobody has made it.
    async fn clear_copy(&self, lease: &mut Lease) -> Option<&Source> {
        let copy = self
            .clear
            .get_or_init(|| rewritten(lease, &self.document.source, Purpose::Fonts));
        copy.await.as_ref()
    }
}
