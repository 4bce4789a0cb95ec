//! From glyphs to blocks of text in reading order.
//!
//! 1. Glyphs are parted by writing direction ([`Direction`]); each direction is laid out in its own frame, in which
//!    its text runs from left to right, so that a stamp along the margin never gets into a line. The direction with
//!    most glyphs comes first.
//!    Letters that hang beside the first lines of a paragraph become letters of its first word: [`drop_caps`].
//! 2. Glyphs that follow each other in the file and on the page become [`fragments`].
//! 3. [`tables`] takes the tables out, and leaves something in the place of each. Only in the direction of most glyphs.
//! 4. [`regions`] finds columns of prose by the white between fragments and orders them.
//! 5. [`lines`] puts the fragments of a region on lines by their baseline, and gives their text in logical order.
//! 6. [`blocks`] parts lines by spacing, size and indent.
//! 7. [`assemble`] writes the page's text, with hyphens at line ends taken out.

use pagemill_document::{BlockKind, Letters, PageText, Rect};
use pagemill_layout::Drawing;

mod assemble;
mod bidi;
mod blocks;
mod direction;
mod drop_caps;
mod fragments;
mod lines;
mod regions;
mod tables;
#[cfg(test)]
mod tests;
mod words;

pub(super) use direction::{
    Direction, Directions, find_vertical_writing, is_ideographic, turn_down,
};

/// One character on the page. Coordinates are those of its [`Direction`]'s frame: points, text runs to the right, y
/// downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Glyph {
    /// What it is.
    pub(super) ch: char,
    /// Its left edge.
    pub(super) x0: f32,
    /// Its right edge, by its advance width.
    pub(super) x1: f32,
    /// Top of its font's box.
    pub(super) top: f32,
    /// Bottom of its font's box.
    pub(super) bottom: f32,
    /// The line it stands on.
    pub(super) baseline: f32,
    /// Font size as seen.
    pub(super) size: f32,
    /// Whether its font is bold.
    pub(super) bold: bool,
    /// Whether the file has a space between it and the glyph before it.
    pub(super) space_before: bool,
    /// Whether it is printed as one glyph with the character before it: a ligature.
    pub(super) piece: bool,
    /// The annotation that shows it, by its number from 1; 0 for the page's own content.
    pub(super) annotation: u16,
    /// Where its text runs.
    pub(super) direction: Direction,
}

/// A page's text, and the glyphs that are not in it because they are printed over others of their kind.
#[derive(Debug)]
pub(super) struct LaidOut {
    /// Its text. Number, width, height and rotation are left for the caller, and so are names and sources of
    /// annotations.
    pub(super) text: PageText,
    /// The number of each annotation span, in the order of the text's.
    pub(super) annotations: Vec<u16>,
    /// Glyphs that are printed over others.
    pub(super) overprinted: u32,
    /// Their letters.
    pub(super) overprints: Letters,
}

/// The text of a page in reading order, cut after `max_bytes`. Tables are looked for where it is told what is drawn.
pub(super) fn page_text(
    glyphs: &[Glyph],
    width: f32,
    max_bytes: usize,
    drawing: Option<&Drawing>,
) -> LaidOut {
    let glyphs = &*drop_caps::lowered(glyphs);
    let mut laid_out = Vec::new();
    let mut drawing = drawing;
    for direction in direction::by_weight(glyphs) {
        let fragments = fragments::fragments(glyphs, direction);
        let (fragments, tables) = match drawing.take() {
            Some(drawing) => tables::take_tables(fragments, glyphs, drawing, direction),
            None => (fragments, Vec::new()),
        };
        for region in regions::in_reading_order(&fragments, glyphs, width) {
            let mut blocks = Vec::new();
            let is_table = |index: &usize| fragments[*index].table > 0;
            for part in region.chunk_by(|a, b| !is_table(a) && !is_table(b)) {
                let number = fragments[part[0]].table as usize;
                match number.checked_sub(1).and_then(|index| tables.get(index)) {
                    Some(table) => blocks.push(blocks::LaidBlock {
                        kind: BlockKind::Table,
                        lines: table.row_lines(),
                        table: Some(table.clone()),
                    }),
                    None => blocks.extend(blocks::blocks(lines::lines(&fragments, part, glyphs))),
                }
            }
            laid_out.extend(blocks.into_iter().map(|block| (block, direction)));
        }
    }
    assemble::page_text(laid_out, max_bytes)
}

/// Where the glyphs of a page have their middles on the page as seen, from top to bottom, so that those in a rectangle
/// are found without a look at all: some pages have thousands of links.
#[derive(Debug, Clone)]
pub(super) struct Middles(Vec<Middle>);

#[derive(Debug, Clone, Copy)]
struct Middle {
    x: f32,
    y: f32,
    /// Of the glyph.
    index: usize,
}

impl Middles {
    /// The middles of all glyphs of a page.
    pub(super) fn of(glyphs: &[Glyph]) -> Self {
        let middle = |(index, glyph): (usize, &Glyph)| {
            let seen = glyph.direction.rect_to_seen(Rect {
                x0: glyph.x0,
                y0: glyph.top,
                x1: glyph.x1,
                y1: glyph.bottom,
            });
            Middle {
                x: (seen.x0 + seen.x1) / 2.0,
                y: (seen.y0 + seen.y1) / 2.0,
                index,
            }
        };
        let mut middles: Vec<Middle> = glyphs
            .iter()
            .enumerate()
            .map(middle)
            .filter(|middle| middle.y.is_finite())
            .collect();
        middles.sort_by(|a, b| a.y.total_cmp(&b.y));
        Self(middles)
    }

    /// The glyphs with their middle in a rectangle of the page as seen, in the order of the page's.
    fn within(&self, rect: Rect) -> Vec<usize> {
        let first = self.0.partition_point(|middle| middle.y < rect.y0);
        let mut found: Vec<usize> = self.0[first..]
            .iter()
            .take_while(|middle| middle.y <= rect.y1)
            .filter(|middle| rect.x0 <= middle.x && middle.x <= rect.x1)
            .map(|middle| middle.index)
            .collect();
        found.sort_unstable();
        found
    }
}

/// The text whose glyphs have their middle in a rectangle of the page as seen, on one line.
pub(super) fn text_within(glyphs: &[Glyph], middles: &Middles, rect: Rect) -> Option<String> {
    // A link takes few glyphs of a page: they are copied, and laid out like a page of their own.
    let inside = middles.within(rect);
    let inside: Vec<Glyph> = inside.into_iter().map(|index| glyphs[index]).collect();
    if inside.is_empty() {
        return None;
    }
    let laid_out = page_text(&inside, rect.x1 - rect.x0, usize::MAX, None);
    let text = laid_out
        .text
        .text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    (!text.is_empty()).then_some(text)
}
