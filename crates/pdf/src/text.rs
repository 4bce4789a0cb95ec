//! Reading the text of a page, in reading order.

use pagemill_document::{PageNumber, PageText};

mod glyphs;
mod layout;

pub(crate) use glyphs::PageGlyphs;

/// Reads the text of a loaded page: its blocks are paragraphs and list items; [`classify`](pagemill_document::classify()) finds headings and
/// furniture when all pages are there. The state is [`NeedsOcr`](pagemill_document::PageState::NeedsOcr) where there is no text that can be used.
///
/// Whoever also wants link anchors reads the glyphs once with `PageGlyphs::read` and asks both of them.
pub fn extract_page(
    page: &pdfium_render::prelude::PdfPage<'_>,
    number: PageNumber,
    limits: &pagemill_reader::Limits,
) -> PageText {
    PageGlyphs::read(page, false).text(number, limits)
}
