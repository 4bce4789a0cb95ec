//! Words that were read from the pictures of a page that has text: they are in sizes of their own, and name nothing of the
//! document.

use crate::{Block, PageState, PageText, Rect};

/// Where such words are on a page.
pub(super) fn words(page: &PageText) -> Vec<Rect> {
    let of_pictures = page
        .ocr
        .iter()
        .filter(|_| page.state == PageState::Text)
        .flat_map(|ocr| &ocr.words);
    of_pictures.map(|word| word.bbox).collect()
}

/// Whether one of these is in a block.
pub(super) fn holds_any(block: &Block, words: &[Rect]) -> bool {
    let of_block = block.bbox;
    words.iter().any(|word| {
        let (x, y) = ((word.x0 + word.x1) / 2.0, (word.y0 + word.y1) / 2.0);
        (of_block.x0..=of_block.x1).contains(&x) && (of_block.y0..=of_block.y1).contains(&y)
    })
}
