//! Rows without rules between them: which lines of a region are one row.

use std::ops::Range;

use pagemill_document::Rect;

use crate::lines::{TextLine, is_numeric, lines};
use crate::{CellShape, TableShape, Word};

/// Lines nearer than this, in font sizes, may be lines of one cell.
const TIGHT: f32 = 1.45;

/// Distances of lines that differ by more than this part are of two kinds: within cells, and between rows.
const LOOSER: f32 = 1.25;

/// A row of lines whose cells fill less than this part of their columns' width was not wrapped.
const UNWRAPPED: f32 = 0.75;

/// What a line has in each column.
struct Filled {
    words: Vec<Vec<usize>>,
}

impl Filled {
    fn of(
        line: &TextLine,
        words: &[Word],
        columns: usize,
        column_of: impl Fn(&Word) -> usize,
    ) -> Self {
        let mut filled = vec![Vec::new(); columns];
        for &word in &line.words {
            filled[column_of(&words[word]).min(columns - 1)].push(word);
        }
        Self { words: filled }
    }

    fn count(&self) -> usize {
        self.words.iter().filter(|words| !words.is_empty()).count()
    }

    fn has(&self, column: usize) -> bool {
        !self.words[column].is_empty()
    }
}

/// Groups the lines of a region, which are sorted, into rows.
pub(crate) fn group(
    words: &[Word],
    lines: &[TextLine],
    columns: usize,
    column_of: impl Fn(&Word) -> usize + Copy,
) -> Vec<Range<usize>> {
    let filled: Vec<Filled> = lines
        .iter()
        .map(|line| Filled::of(line, words, columns, column_of))
        .collect();
    let distances: Vec<f32> = lines
        .windows(2)
        .map(|pair| (pair[1].baseline - pair[0].baseline) / pair[0].size.max(pair[1].size).max(0.1))
        .collect();
    let spacing = Spacing::of(words, &filled, &distances);
    let mut rows: Vec<Range<usize>> = Vec::new();
    for index in 0..lines.len() {
        let goes_on = index > 0 && {
            let (upper, lower) = (&filled[index - 1], &filled[index]);
            match spacing {
                Spacing::BetweenRows { limit } => distances[index - 1] <= limit,
                Spacing::Even => {
                    // Of one column nothing else says where its rows end.
                    columns > 1
                        && distances[index - 1] <= TIGHT
                        && is_continuation(words, upper, lower)
                }
            }
        };
        match rows.last_mut() {
            Some(row) if goes_on => row.end = index + 1,
            _ => rows.push(index..index + 1),
        }
    }
    rows
}

/// How the lines of a region follow each other.
#[derive(Debug, Clone, Copy)]
enum Spacing {
    /// Rows stand apart, and the lines of a row nearer than `limit` font sizes.
    BetweenRows { limit: f32 },
    /// Nothing is said by it.
    Even,
}

impl Spacing {
    fn of(words: &[Word], filled: &[Filled], distances: &[f32]) -> Self {
        let nearest = distances.iter().copied().fold(f32::INFINITY, f32::min);
        let limit = nearest * LOOSER;
        let looser = distances
            .iter()
            .filter(|&&distance| distance > limit)
            .count();
        let tight = distances.len() - looser;
        if looser < 2 || tight == 0 || nearest > TIGHT * 1.2 || looser * 5 < tight {
            return Self::Even;
        }
        // Numbers below numbers, or several filled columns that begin anew with the first one, are rows of their own,
        // however near.
        let own = distances
            .iter()
            .zip(filled.windows(2))
            .filter(|(distance, _)| **distance <= limit)
            .filter(|(_, pair)| has_numbers_below_each_other(words, &pair[0], &pair[1]))
            .count();
        match own * 4 <= tight {
            true => Self::BetweenRows { limit },
            false => Self::Even,
        }
    }
}

fn has_numbers_below_each_other(words: &[Word], upper: &Filled, lower: &Filled) -> bool {
    upper
        .words
        .iter()
        .zip(&lower.words)
        .any(|(upper, lower)| is_numeric(words, upper) && is_numeric(words, lower))
}

/// Whether a line goes on with the cells of the line above it.
fn is_continuation(words: &[Word], upper: &Filled, lower: &Filled) -> bool {
    if has_numbers_below_each_other(words, upper, lower) {
        return false;
    }
    let begins_small = |of: &[usize]| of.first().is_some_and(|&word| words[word].begins_small);
    let is_within = (0..lower.words.len()).all(|column| !lower.has(column) || upper.has(column));
    let has_number = lower.words.iter().any(|cell| is_numeric(words, cell));
    if !lower.has(0) {
        // Cells go on; the first column, which names the row, does not begin anew.
        return is_within && !has_number && lower.count() < upper.count().max(2);
    }
    let lower_goes_on = begins_small(&lower.words[0]);
    if lower.count() == 1 && upper.has(0) {
        return lower_goes_on;
    }
    // A name that is wrapped before its numbers.
    upper.count() == 1 && upper.has(0) && lower_goes_on
}

/// Parts the rows of a grid of rules that hold several rows of text: numbers below each other in one cell, each beside a
/// line of another cell.
pub(crate) fn split_rows(mut table: TableShape, words: &[Word]) -> TableShape {
    let mut row = 0;
    while row < table.rows {
        let parts = parts_of(&table, row, words);
        let more = parts.len().saturating_sub(1) as u32;
        if more > 0 {
            split_row(&mut table, row, &parts, words);
        }
        row += 1 + more;
    }
    table.cells.sort_by_key(|cell| (cell.row, cell.column));
    table
}

/// The heights at which a row is to be parted, with its top first; one, where it is not to be.
fn parts_of(table: &TableShape, row: u32, words: &[Word]) -> Vec<f32> {
    let cells: Vec<&CellShape> = table
        .cells
        .iter()
        .filter(|cell| cell.row == row && cell.row_span == 1)
        .collect();
    let Some(top) = cells.first().map(|cell| cell.bbox.y0) else {
        return Vec::new();
    };
    let whole = vec![top];
    let stacks: Vec<Vec<TextLine>> = cells
        .iter()
        .map(|cell| lines(words, cell.words.iter().copied()))
        .collect();
    let tall = stacks.iter().filter(|stack| stack.len() >= 2).count();
    if tall < 2 {
        return whole;
    }
    let all = lines(
        words,
        cells.iter().flat_map(|cell| cell.words.iter().copied()),
    );
    let is_numeric_stack = |stack: &Vec<TextLine>| {
        stack.len() >= 2
            && stack.len() * 5 >= all.len() * 3
            && stack.iter().all(|line| is_numeric(words, &line.words))
    };
    let numeric = stacks
        .iter()
        .filter(|stack| is_numeric_stack(stack))
        .count();
    let is_unwrapped = cells.iter().zip(&stacks).all(|(cell, stack)| {
        let width = cell.bbox.x1 - cell.bbox.x0;
        stack
            .iter()
            .all(|line| line.bbox.x1 - line.bbox.x0 <= UNWRAPPED * width)
    });
    let complete = stacks
        .iter()
        .filter(|stack| stack.len() == all.len())
        .count();
    let is_table_of_text =
        table.rows <= 3 && all.len() >= 3 && complete >= 2 && complete == tall && is_unwrapped;
    if numeric == 0 && !is_table_of_text {
        return whole;
    }
    let column_of = |word: &Word| {
        let x = (word.bbox.x0 + word.bbox.x1) / 2.0;
        cells
            .iter()
            .position(|cell| x <= cell.bbox.x1)
            .unwrap_or(cells.len() - 1)
    };
    let rows = group(words, &all, cells.len(), column_of);
    let mut parts = whole;
    for pair in rows.windows(2) {
        let (upper, lower) = (&all[pair[0].end - 1], &all[pair[1].start]);
        parts.push((upper.bbox.y1 + lower.bbox.y0) / 2.0);
    }
    parts
}

fn split_row(table: &mut TableShape, row: u32, parts: &[f32], words: &[Word]) {
    let more = parts.len() as u32 - 1;
    let mut made = Vec::new();
    for cell in std::mem::take(&mut table.cells) {
        if cell.row > row {
            made.push(CellShape {
                row: cell.row + more,
                ..cell
            });
        } else if cell.row + cell.row_span <= row {
            made.push(cell);
        } else if cell.row < row || cell.row_span > 1 {
            made.push(CellShape {
                row_span: cell.row_span + more,
                ..cell
            });
        } else {
            for (offset, &y0) in parts.iter().enumerate() {
                let y1 = parts.get(offset + 1).copied().unwrap_or(cell.bbox.y1);
                let in_part = |word: &usize| {
                    let y = (words[*word].bbox.y0 + words[*word].bbox.y1) / 2.0;
                    let after = offset == 0 || y >= y0;
                    let before = offset + 1 == parts.len() || y < y1;
                    after && before
                };
                made.push(CellShape {
                    row: cell.row + offset as u32,
                    bbox: Rect {
                        y0,
                        y1,
                        ..cell.bbox
                    },
                    words: cell.words.iter().copied().filter(in_part).collect(),
                    ..cell.clone()
                });
            }
        }
    }
    table.cells = made;
    table.rows += more;
}
