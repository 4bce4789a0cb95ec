//! Columns that only white parts, in grids of rules that part the others: a table may have one upright rule, behind the
//! names of its rows, and none between its numbers.

use crate::columns::Columns;
use crate::lines::{TextLine, lines};
use crate::{CellShape, TableShape, Word};

/// White between such columns is at least so wide, in font sizes: wider than what stands between a sign and its number.
const NARROWEST: f32 = 1.2;

/// Rows in which both sides of the white hold text, at least; and of all rows with text, this part.
const FEWEST_ROWS: usize = 3;
const BOTH_SIDES: f32 = 0.6;

/// What stands in such a column has at least so many characters on average: a sign alone is no column.
const SHORTEST: usize = 2;

/// Of the lines of a column, at most one of so many reaches over the white.
const CROSSED: usize = 8;

/// Parts the columns of a grid that are several.
pub(crate) fn split_columns(mut table: TableShape, words: &[Word]) -> TableShape {
    for column in (0..table.columns).rev() {
        if let Some(parts) = parts_of(&table, column, words) {
            split_column(&mut table, column, &parts, words);
        }
    }
    table
}

/// The columns in a column; none, where it is one.
fn parts_of(table: &TableShape, column: u32, words: &[Word]) -> Option<Columns> {
    let own = table
        .cells
        .iter()
        .filter(|cell| cell.column == column && cell.column_span == 1 && !cell.words.is_empty());
    let of_cells: Vec<Vec<TextLine>> = own
        .map(|cell| lines(words, cell.words.iter().copied()))
        .collect();
    if of_cells.len() < FEWEST_ROWS {
        return None;
    }
    let all: Vec<TextLine> = of_cells.iter().flatten().cloned().collect();
    let size = all.iter().map(|line| line.size).fold(0.0_f32, f32::max);
    let columns = Columns::of(words, &all).wider_than(NARROWEST * size);
    if columns.count() < 2 {
        return None;
    }
    let crossing = all
        .iter()
        .flat_map(|line| line.pieces(words))
        .filter(|piece| {
            let (first, last) = columns.covered_by(piece.x0, piece.x1);
            first < last
        })
        .count();
    let mut filled = vec![0; columns.count()];
    let mut characters = vec![0; columns.count()];
    let mut rows = 0;
    for cell in &of_cells {
        let mut is_filled = vec![false; columns.count()];
        for &word in cell.iter().flat_map(|line| &line.words) {
            let at = columns.column_of(&words[word]);
            is_filled[at] = true;
            characters[at] += usize::from(words[word].characters);
        }
        for (count, is) in filled.iter_mut().zip(&is_filled) {
            *count += usize::from(*is);
        }
        rows += usize::from(is_filled.iter().filter(|&&is| is).count() >= 2);
    }
    let is_parted = crossing * CROSSED <= all.len()
        && rows >= FEWEST_ROWS
        && rows as f32 >= BOTH_SIDES * of_cells.len() as f32
        && filled
            .iter()
            .zip(&characters)
            .all(|(filled, characters)| *filled > 0 && *characters >= SHORTEST * filled);
    is_parted.then_some(columns)
}

fn split_column(table: &mut TableShape, column: u32, parts: &Columns, words: &[Word]) {
    let more = parts.count() as u32 - 1;
    let mut made = Vec::with_capacity(table.cells.len() * parts.count());
    for cell in std::mem::take(&mut table.cells) {
        if cell.column > column {
            made.push(CellShape {
                column: cell.column + more,
                ..cell
            });
        } else if cell.column + cell.column_span <= column {
            made.push(cell);
        } else if cell.column_span > 1 {
            made.push(CellShape {
                column_span: cell.column_span + more,
                ..cell
            });
        } else {
            for part in 0..parts.count() {
                let (x0, x1) = parts.sides(part, cell.bbox.x0, cell.bbox.x1);
                let is_own = |word: &usize| parts.column_of(&words[*word]) == part;
                made.push(CellShape {
                    column: column + part as u32,
                    bbox: pagemill_document::Rect {
                        x0,
                        x1,
                        ..cell.bbox
                    },
                    words: cell.words.iter().copied().filter(is_own).collect(),
                    ..cell
                });
            }
        }
    }
    table.cells = made;
    table.columns += more;
}
