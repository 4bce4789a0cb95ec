//! How deep the items of lists are, by where their marks stand.

use crate::{BlockKind, PageText};

/// An item that stands this much farther to the right than the one before, in its font size, is one of a list within it.
/// Numbers that end at one place begin at different ones, but not by as much.
const DEEPER: f32 = 0.9;

/// Deepest item that is told.
const DEEPEST: usize = 6;

/// Says of each item of a list how deep it is. What stands between two items ends the list, but for text that is set as far in
/// as its items; so does the next column.
pub(super) fn set_levels(page: &mut PageText) {
    // Where the items stand that the next one may belong to.
    let mut open: Vec<f32> = Vec::new();
    let mut bottom = f32::NEG_INFINITY;
    for block in &mut page.blocks {
        let (x, top) = (block.bbox.x0, block.bbox.y0);
        if block.kind != BlockKind::ListItem {
            let goes_on = block.kind == BlockKind::Paragraph
                && open.first().is_some_and(|first| x > first + 1.0)
                && top >= bottom - block.font_size;
            if !goes_on {
                open.clear();
            }
            bottom = bottom.max(block.bbox.y1);
            continue;
        }
        if top < bottom - block.font_size {
            open.clear();
        }
        bottom = block.bbox.y1;
        let deeper = DEEPER * block.font_size.max(1.0);
        while open.last().is_some_and(|&of_last| x <= of_last - deeper) {
            open.pop();
        }
        match open.last() {
            Some(&of_last) if x < of_last + deeper => {}
            _ if open.len() >= DEEPEST => {}
            _ => open.push(x),
        }
        block.level = u8::try_from(open.len()).ok();
    }
}
