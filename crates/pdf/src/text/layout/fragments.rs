//! Glyphs that follow each other both in the file and on the page.

use crate::text::layout::bidi::is_right_to_left;
use crate::text::layout::{Direction, Glyph};
use pagemill_document::Rect;

/// A gap wider than this many times the font size ends a fragment: wider than a space of justified text, narrower
/// than the white between columns.
const WIDEST_GAP: f32 = 1.2;

/// Glyphs of one baseline with no wide gap: the piece that is never torn apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fragment {
    /// Index of the first glyph.
    pub(super) start: usize,
    /// Index after the last glyph.
    pub(super) end: usize,
    /// Left edge.
    pub(super) x0: f32,
    /// Right edge.
    pub(super) x1: f32,
    /// Top of the boxes.
    pub(super) top: f32,
    /// Bottom of the boxes.
    pub(super) bottom: f32,
    /// The line it stands on.
    pub(super) baseline: f32,
    /// Font size.
    pub(super) size: f32,
    /// The table that stands in its place, by its number from 1: then it has no glyphs.
    pub(super) table: u32,
}

impl Fragment {
    fn of(index: usize, glyph: &Glyph) -> Self {
        Self {
            start: index,
            end: index + 1,
            x0: glyph.x0,
            x1: glyph.x1,
            top: glyph.top,
            bottom: glyph.bottom,
            baseline: glyph.baseline,
            size: glyph.size,
            table: 0,
        }
    }

    /// One of glyphs that follow each other; `start` is the index of the first.
    pub(super) fn of_glyphs(start: usize, glyphs: &[Glyph]) -> Self {
        let mut fragment = Self::of(start, &glyphs[0]);
        glyphs[1..].iter().for_each(|glyph| fragment.push(glyph));
        fragment
    }

    /// What stands in the place of a table whose text is of this size.
    pub(super) fn of_table(number: u32, bbox: Rect, size: f32) -> Self {
        Self {
            start: 0,
            end: 0,
            x0: bbox.x0,
            x1: bbox.x1,
            top: bbox.y0,
            bottom: bbox.y1,
            baseline: bbox.y0 + size,
            size,
            table: number,
        }
    }

    /// Adds one that follows it.
    pub(super) fn append(&mut self, next: &Self) {
        self.end = next.end;
        self.x0 = self.x0.min(next.x0);
        self.x1 = self.x1.max(next.x1);
        self.top = self.top.min(next.top);
        self.bottom = self.bottom.max(next.bottom);
    }

    fn push(&mut self, glyph: &Glyph) {
        self.end += 1;
        self.x0 = self.x0.min(glyph.x0);
        self.x1 = self.x1.max(glyph.x1);
        self.top = self.top.min(glyph.top);
        self.bottom = self.bottom.max(glyph.bottom);
    }

    /// How many glyphs it has.
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }
}

/// The fragments of one direction, in the order of the file.
pub(super) fn fragments(glyphs: &[Glyph], direction: Direction) -> Vec<Fragment> {
    let mut found: Vec<Fragment> = Vec::new();
    for (index, glyph) in glyphs.iter().enumerate() {
        if glyph.direction != direction {
            continue;
        }
        match found.last_mut() {
            Some(open) if open.end == index && continues(&glyphs[index - 1], glyph) => {
                open.push(glyph)
            }
            _ => found.push(Fragment::of(index, glyph)),
        }
    }
    found
}

fn continues(before: &Glyph, glyph: &Glyph) -> bool {
    if before.annotation != glyph.annotation {
        return false;
    }
    let size = before.size.max(glyph.size);
    let same_line = (before.baseline - glyph.baseline).abs() <= 0.15 * size;
    let same_size = before.size.min(glyph.size) > 0.6 * size;
    let adjoins = |gap: f32| (-0.6 * size..=WIDEST_GAP * size).contains(&gap);
    let to_the_right = adjoins(glyph.x0 - before.x1);
    let to_the_left = (is_right_to_left(glyph.ch) || is_right_to_left(before.ch))
        && adjoins(before.x0 - glyph.x1);
    glyph.piece || (same_line && same_size && (to_the_right || to_the_left))
}
