//! The tables of a page: found among its words and rules, and the text of their cells.

use std::ops::Range;

use pagemill_document::{Letters, Rect, Table};
use pagemill_layout::{Axis, Drawing, Rule, TableShape, find_tables};

use crate::text::layout::assemble;
use crate::text::layout::fragments::{self, Fragment};
use crate::text::layout::lines::{self, LaidLine};
use crate::text::layout::words::{self, PageWord};
use crate::text::layout::{Direction, Glyph};

/// Fewest words of a page that is looked at for tables.
const FEWEST_WORDS: usize = 4;

/// More words than this are a list of all there is, whatever it looks like; the search is bounded by it.
const MOST_WORDS: usize = 60_000;

/// A table in the frame of its direction.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LaidTable {
    pub(super) bbox: Rect,
    pub(super) rows: u32,
    pub(super) columns: u32,
    /// By row and then by column.
    pub(super) cells: Vec<LaidCell>,
}

/// A cell of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LaidCell {
    pub(super) row: u32,
    pub(super) column: u32,
    pub(super) row_span: u32,
    pub(super) column_span: u32,
    pub(super) header: bool,
    pub(super) bbox: Rect,
    pub(super) lines: Vec<LaidLine>,
}

/// The tables among the fragments of one direction, and the fragments that are left: pieces of those that tables took
/// only a part of, and one without glyphs in the place of each table, which names it by its number from 1.
pub(super) fn take_tables(
    fragments: Vec<Fragment>,
    glyphs: &[Glyph],
    drawing: &Drawing,
    direction: Direction,
) -> (Vec<Fragment>, Vec<LaidTable>) {
    let of_page = words::words(&fragments, glyphs);
    if !(FEWEST_WORDS..=MOST_WORDS).contains(&of_page.len()) {
        return (fragments, Vec::new());
    }
    let only_words: Vec<_> = of_page.iter().map(|word| word.word).collect();
    let mut shapes = find_tables(&only_words, &in_frame(drawing, direction));
    shapes.retain(|shape| {
        let places = shape.rows.checked_mul(shape.columns);
        places.is_some_and(|places| places <= Table::MAX_PLACES)
    });
    if shapes.is_empty() {
        return (fragments, Vec::new());
    }
    let mut is_taken = vec![false; of_page.len()];
    for &word in shapes
        .iter()
        .flat_map(|shape| &shape.cells)
        .flat_map(|cell| &cell.words)
    {
        is_taken[word] = true;
    }
    let mut left = Vec::new();
    for (page_word, _) in of_page.iter().zip(&is_taken).filter(|(_, taken)| !**taken) {
        let piece = Fragment::of_glyphs(page_word.start, &glyphs[page_word.start..page_word.end]);
        match left.last_mut() {
            // Words that stood in one fragment stay in one.
            Some(open) if is_in_one(&fragments, open, &piece) => open.append(&piece),
            _ => left.push(piece),
        }
    }
    let mut tables = Vec::new();
    for shape in shapes {
        let number = tables.len() as u32 + 1;
        let table = lay_out(&shape, &of_page, glyphs, direction);
        left.push(Fragment::of_table(
            number,
            table.bbox,
            size_of(&shape, &of_page),
        ));
        tables.push(table);
    }
    (left, tables)
}

fn is_in_one(fragments: &[Fragment], open: &Fragment, piece: &Fragment) -> bool {
    let at = fragments.partition_point(|fragment| fragment.end <= open.start);
    open.end == piece.start
        && fragments
            .get(at)
            .is_some_and(|fragment| piece.end <= fragment.end)
}

/// What is drawn, in the frame of a direction; nothing where that is at an angle.
fn in_frame(drawing: &Drawing, direction: Direction) -> Drawing {
    if direction == Direction::default() {
        return drawing.clone();
    }
    if direction.is_oblique() {
        return Drawing::default();
    }
    let rules = drawing.rules.iter().map(|rule| {
        let (x0, y0, x1, y1) = match rule.axis {
            Axis::Horizontal => (rule.from, rule.at, rule.to, rule.at),
            Axis::Vertical => (rule.at, rule.from, rule.at, rule.to),
        };
        let turned = direction.rect_to_frame(Rect { x0, y0, x1, y1 });
        match turned.x1 - turned.x0 > turned.y1 - turned.y0 {
            true => Rule {
                axis: Axis::Horizontal,
                at: turned.y0,
                from: turned.x0,
                to: turned.x1,
            },
            false => Rule {
                axis: Axis::Vertical,
                at: turned.x0,
                from: turned.y0,
                to: turned.y1,
            },
        }
    });
    let fills = drawing.fills.iter();
    Drawing {
        rules: rules.collect(),
        fills: fills.map(|&fill| direction.rect_to_frame(fill)).collect(),
    }
}

fn size_of(shape: &TableShape, words: &[PageWord]) -> f32 {
    let of_cells = shape.cells.iter().flat_map(|cell| &cell.words);
    let mut sizes: Vec<f32> = of_cells.map(|&word| words[word].word.size).collect();
    sizes.sort_by(f32::total_cmp);
    sizes.get(sizes.len() / 2).copied().unwrap_or(10.0)
}

fn lay_out(
    shape: &TableShape,
    words: &[PageWord],
    glyphs: &[Glyph],
    direction: Direction,
) -> LaidTable {
    let cells = shape.cells.iter().map(|cell| {
        let mut of_cell: Vec<usize> = cell.words.clone();
        of_cell.sort_unstable();
        // A cell takes few glyphs of a page: they are copied, and laid out like a page of their own.
        let own: Vec<Glyph> = of_cell
            .iter()
            .flat_map(|&word| &glyphs[words[word].start..words[word].end])
            .copied()
            .collect();
        let fragments = fragments::fragments(&own, direction);
        let mut region: Vec<usize> = (0..fragments.len()).collect();
        region.sort_by(|&a, &b| {
            let (a, b) = (&fragments[a], &fragments[b]);
            a.baseline
                .total_cmp(&b.baseline)
                .then(a.x0.total_cmp(&b.x0))
        });
        LaidCell {
            row: cell.row,
            column: cell.column,
            row_span: cell.row_span,
            column_span: cell.column_span,
            header: cell.header,
            bbox: cell.bbox,
            lines: lines::lines(&fragments, &region, &own),
        }
    });
    LaidTable {
        bbox: shape.bbox,
        rows: shape.rows,
        columns: shape.columns,
        cells: cells.collect(),
    }
}

impl LaidCell {
    /// Its text, with the parts of it that annotations show.
    pub(super) fn text(&self) -> (String, Vec<(Range<usize>, u16)>) {
        let mut text = String::new();
        let mut annotations = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                assemble::join(&mut text, 0, &line.text);
            }
            let start = text.len();
            // A tab parts cells.
            text.push_str(&line.text.replace('\t', " "));
            let shifted = line.annotations.iter();
            annotations.extend(
                shifted.map(|(span, number)| (start + span.start..start + span.end, *number)),
            );
        }
        (text, annotations)
    }
}

impl LaidTable {
    /// Its rows as lines of text: the cells that begin in each, parted by tabs. Rows without text are left out.
    pub(super) fn row_lines(&self) -> Vec<LaidLine> {
        (0..self.rows)
            .filter_map(|row| self.row_line(row))
            .collect()
    }

    fn row_line(&self, row: u32) -> Option<LaidLine> {
        let cells = || self.cells.iter().filter(|cell| cell.row == row);
        let mut lines = cells().flat_map(|cell| &cell.lines);
        let first = lines.next()?.clone();
        let mut row = LaidLine {
            text: String::new(),
            annotations: Vec::new(),
            raised: Vec::new(),
            overprinted: 0,
            overprints: Letters::default(),
            ..first
        };
        let (mut bold, mut all) = (0, 0);
        for (index, cell) in cells().enumerate() {
            if index > 0 {
                row.text.push('\t');
            }
            let start = row.text.len();
            let (text, annotations) = cell.text();
            row.text.push_str(&text.replace('\n', " "));
            row.annotations.extend(
                annotations
                    .into_iter()
                    .map(|(span, number)| (start + span.start..start + span.end, number)),
            );
            for line in &cell.lines {
                row.bbox = Rect {
                    x0: row.bbox.x0.min(line.bbox.x0),
                    y0: row.bbox.y0.min(line.bbox.y0),
                    x1: row.bbox.x1.max(line.bbox.x1),
                    y1: row.bbox.y1.max(line.bbox.y1),
                };
                row.overprinted += line.overprinted;
                row.overprints = row.overprints.with(line.overprints);
                bold += if line.bold { line.text.len() } else { 0 };
                all += line.text.len();
            }
        }
        row.bold = bold * 2 > all;
        Some(row)
    }
}
