//! Names of columns above a table whose first rule is below them.

use crate::lines::{TextLine, lines};
use crate::{CellShape, TableShape, Word, middle};

/// Names stand at most so far above the first rule, in font sizes.
const NEAREST: f32 = 1.8;

/// The lines of a name follow each other within so many font sizes.
const NEXT_LINE: f32 = 1.4;

/// Most lines of names.
const MOST_LINES: usize = 3;

/// Fewest columns of a table that names are looked for: two words above two columns are as often something else.
const FEWEST_COLUMNS: u32 = 3;

/// Adds the row of names above a table, where each of its columns has one of its own, but for the first. That one names the
/// rows, and often has none.
pub(crate) fn add(table: &mut TableShape, words: &[Word], free: &[bool]) {
    if table.columns < FEWEST_COLUMNS {
        return;
    }
    let sides = sides_of_columns(table);
    let bbox = table.bbox;
    let above = (0..words.len()).filter(|&index| {
        let (x, y) = middle(words[index].bbox);
        let reach = (NEAREST + MOST_LINES as f32 * NEXT_LINE) * words[index].size;
        free[index] && (bbox.x0..=bbox.x1).contains(&x) && (bbox.y0 - reach..bbox.y0).contains(&y)
    });
    let above = lines(words, above);
    let mut cells: Vec<Vec<usize>> = vec![Vec::new(); table.columns as usize];
    let mut top = bbox.y0;
    let mut below: Option<&TextLine> = None;
    for line in above.iter().rev().take(MOST_LINES) {
        let is_near = match below {
            None => bbox.y0 - line.baseline <= NEAREST * line.size,
            Some(below) => below.baseline - line.baseline <= NEXT_LINE * line.size,
        };
        let Some(names) = names_of(line, words, &sides).filter(|_| is_near) else {
            break;
        };
        let is_first = below.is_none();
        let is_whole = names.len() + 1 >= sides.len();
        let goes_on = names.iter().all(|(column, _)| !cells[*column].is_empty());
        if is_first && !is_whole || !is_first && !goes_on {
            break;
        }
        for (column, of_name) in names {
            cells[column].splice(0..0, of_name);
        }
        top = line.bbox.y0;
        below = Some(line);
    }
    if below.is_none() {
        return;
    }
    for cell in &mut table.cells {
        cell.row += 1;
        cell.header = false;
    }
    let names = cells
        .into_iter()
        .enumerate()
        .map(|(column, words)| CellShape {
            row: 0,
            column: column as u32,
            row_span: 1,
            column_span: 1,
            header: true,
            bbox: pagemill_document::Rect {
                x0: sides[column].0,
                y0: top,
                x1: sides[column].1,
                y1: bbox.y0,
            },
            words,
        });
    table.cells.splice(0..0, names);
    table.rows += 1;
    table.bbox.y0 = top;
}

/// Where the columns of a table begin and end.
fn sides_of_columns(table: &TableShape) -> Vec<(f32, f32)> {
    let columns = 0..table.columns;
    let sides = columns.map(|column| {
        let begin = table.cells.iter().filter(|cell| cell.column == column);
        let end = table
            .cells
            .iter()
            .filter(|cell| cell.column + cell.column_span == column + 1);
        (
            begin.map(|cell| cell.bbox.x0).fold(f32::INFINITY, f32::min),
            end.map(|cell| cell.bbox.x1)
                .fold(f32::NEG_INFINITY, f32::max),
        )
    });
    sides.collect()
}

/// The pieces of a line, each with its column; none where one is in no column, two are in one, or a caption begins.
fn names_of(
    line: &TextLine,
    words: &[Word],
    sides: &[(f32, f32)],
) -> Option<Vec<(usize, Vec<usize>)>> {
    if line.words.iter().any(|&word| words[word].names_table) {
        return None;
    }
    let mut names: Vec<(usize, Vec<usize>)> = Vec::new();
    for piece in line.pieces(words) {
        let column = sides
            .iter()
            .position(|&(x0, x1)| x0 - 1.0 <= piece.x0 && piece.x1 <= x1 + 1.0)?;
        if names.last().is_some_and(|(last, _)| *last >= column) {
            return None;
        }
        names.push((column, piece.words));
    }
    Some(names)
}
