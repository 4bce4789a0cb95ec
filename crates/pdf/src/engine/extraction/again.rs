//! Text that is read a second time, from a copy of the file in which fonts say what they mean.
//!
//! The copy is made when the first page asks for it: one whose text lacks characters that are to be seen, or which is set
//! in fonts that PDFium is known to misread. From then on each child has it beside the document, and reads what is unclear
//! from both.

use super::Extraction;
use super::turn::{pages_request, readings_of, receive};
use crate::engine::opening::{OpenedDocument, rewritten};
use crate::pool::{BusyChild, Death, Source, Trouble};
use crate::protocol::PageTask;
use crate::repair::Purpose;
use pagemill_document::{PageNumber, PageState};
use pagemill_reader::{ExtractRequest, PageFailure, PageOutput};

type Outcome = Result<PageOutput, PageFailure>;

/// Whether a page's text, as it was read without the copy, is to be read again.
pub(super) fn is_unclear(document: &OpenedDocument, outcome: &Outcome) -> bool {
    let text = outcome
        .as_ref()
        .ok()
        .and_then(|output| output.text.as_ref());
    text.is_some_and(|text| PageTask::is_unclear(document.misread.fonts, text))
}

/// Reads those of these pages again that are unclear, in a child at rest. Whatever goes wrong, they keep what they have.
///
/// Where there is no copy, pages of which much is missing are read from their pictures: they waited for it.
pub(super) async fn read(extraction: &Extraction, child: &mut BusyChild, outcomes: &mut [Outcome]) {
    let document = &extraction.document;
    let is_clear = extraction.clear_copy(child).await.is_some();
    let waited_for_nothing = |outcome: &Outcome| {
        let output = outcome.as_ref().ok();
        let text = output.and_then(|output| output.text.as_ref());
        text.is_some_and(|text| text.state == PageState::NeedsOcr)
            && extraction.pool.settings().ocr.is_some()
    };
    let is_asked_again = |outcome: &Outcome| {
        is_unclear(document, outcome) && (is_clear || waited_for_nothing(outcome))
    };
    if !outcomes.iter().any(is_asked_again) {
        return;
    }
    let has_copy = match child.open(&document.source).await {
        Ok(_) => extraction.attach(child).await,
        // It could be opened before.
        Err(Trouble::Refused(_)) => Ok(false),
        Err(Trouble::Died(death)) => Err(death),
    };
    match has_copy {
        Ok(has_copy) if has_copy == is_clear => {}
        Ok(_) => return,
        Err(death) => {
            tracing::warn!(reason = %death.reason, "a renderer did not survive the copy of a file");
            return;
        }
    }
    let request = ExtractRequest {
        images: None,
        ..extraction.request.clone()
    };
    let mut unclear: Vec<(PageNumber, &mut PageOutput)> = outcomes
        .iter_mut()
        .filter(|outcome| is_asked_again(outcome))
        .filter_map(|outcome| outcome.as_mut().ok())
        .map(|output| (output.page, output))
        .collect();
    let pages = unclear.iter().map(|(page, _)| *page);
    // The first look has read pictures already: those that look the same are not read a second time.
    let mut readings = readings_of(&request, pages.clone()).await;
    for (page, output) in &unclear {
        let known = readings.entry(*page).or_default();
        known.extend(output.readings.iter().cloned());
    }
    let asked = pages_request(document, &request, pages, false, readings);
    if let Err(fault) = child.send(&asked, None).await {
        child.end_after(fault).await;
        return;
    }
    for (page, output) in &mut unclear {
        match receive(extraction, &request, child, *page).await {
            Ok(Ok(again)) => {
                output.text = again.text;
                output.links = again.links;
                output.links_dropped = again.links_dropped;
                output.readings.extend(again.readings);
            }
            Ok(Err(_)) => {}
            Err(_) => return,
        }
    }
}

impl Extraction {
    /// The copy of the file with clear fonts, made in this child if nobody has made it. The child has none open then.
    async fn clear_copy(&self, child: &mut BusyChild) -> Option<&Source> {
        let copy = self
            .clear
            .get_or_init(|| rewritten(child, &self.document.source, Purpose::Fonts));
        copy.await.as_ref()
    }

    /// Gives the copy to a child that has the document open, when there is one. Says whether the child has it.
    pub(super) async fn attach(&self, child: &mut BusyChild) -> Result<bool, Death> {
        let Some(Some(copy)) = self.clear.get() else {
            return Ok(false);
        };
        match child.attach(copy).await {
            Ok(()) => Ok(true),
            Err(Trouble::Refused(error)) => {
                tracing::warn!(%error, "the copy of a file with clear fonts can't be opened");
                Ok(false)
            }
            Err(Trouble::Died(death)) => Err(death),
        }
    }

    /// Whether it is known that a copy would say no more.
    pub(super) fn is_as_clear_as_can_be(&self) -> bool {
        matches!(self.clear.get(), Some(None))
    }
}
