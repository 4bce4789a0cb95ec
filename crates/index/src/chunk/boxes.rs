//! Where a stretch of a page's text stands on the page.

use pagemill_document::{Block, PageText, Rect};

/// What a line's end may have lost when lines were joined.
const HYPHENS: [char; 3] = ['-', '\u{AD}', '\u{2010}'];

/// A rectangle for each block that the byte range touches, around its touched lines.
pub(super) fn of(page: &PageText, start: usize, end: usize) -> Vec<Rect> {
    let touched = page
        .blocks
        .iter()
        .filter(|block| (block.start as usize) < end && start < block.end as usize);
    touched
        .map(|block| box_in_block(page, block, start, end))
        .collect()
}

fn box_in_block(page: &PageText, block: &Block, start: usize, end: usize) -> Rect {
    let is_whole = start <= block.start as usize && block.end as usize <= end;
    if is_whole {
        return block.bbox;
    }
    let lines = line_ranges(page, block).unwrap_or_default();
    let boxes = lines
        .into_iter()
        .zip(&block.lines)
        .filter(|((from, to), _)| *from < end && start < *to);
    boxes
        .map(|(_, line)| line.bbox)
        .reduce(union)
        .unwrap_or(block.bbox)
}

/// The byte range of each line in the page's text, or nothing when the lines and the text don't agree.
fn line_ranges(page: &PageText, block: &Block) -> Option<Vec<(usize, usize)>> {
    let text = page.text.get(..block.end as usize)?;
    let mut place = block.start as usize;
    let mut ranges = Vec::with_capacity(block.lines.len());
    for line in &block.lines {
        let rest = text.get(place..)?;
        place += rest.len() - rest.trim_start().len();
        let from = text.get(place..)?;
        let printed = line.text.trim();
        let joined = printed.trim_end_matches(HYPHENS);
        let length = [printed, joined]
            .into_iter()
            .find(|candidate| from.starts_with(candidate))?
            .len();
        ranges.push((place, place + length));
        place += length;
    }
    Some(ranges)
}

fn union(one: Rect, other: Rect) -> Rect {
    Rect {
        x0: one.x0.min(other.x0),
        y0: one.y0.min(other.y0),
        x1: one.x1.max(other.x1),
        y1: one.y1.max(other.y1),
    }
}
