//! The cells of a table between rules: its rows, and where they stand.

use std::ops::Range;

use pagemill_document::Rect;

use crate::columns::Columns;
use crate::grid::{box_of, with_headers};
use crate::lines::{TextLine, is_numeric};
use crate::rows::group;
use crate::ruled::{Band, Finder};
use crate::{CellShape, TableShape, Word};

/// A cell before it has a box.
#[derive(Debug, Clone)]
pub(super) struct MadeCell {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) row_span: usize,
    pub(super) column_span: usize,
    pub(super) words: Vec<usize>,
}

impl Finder<'_> {
    /// The cells of the rows in a band, the first of which has the number `first`.
    pub(super) fn body(
        &self,
        band: &Band,
        columns: &Columns,
        first: usize,
        is_ruled: bool,
    ) -> Vec<MadeCell> {
        let column_of = |word: &Word| columns.column_of(word);
        let mut groups: Vec<Range<usize>> =
            group(self.words, &band.lines, columns.count(), column_of);
        if is_ruled
            && groups.len() > 1
            && band.lines.len() <= 4
            && !self.stacks_numbers(band, columns)
        {
            // A rule under every row says where rows end.
            let whole = 0..band.lines.len();
            groups = [whole].into();
        }
        let mut made = Vec::new();
        for (offset, lines) in groups.into_iter().enumerate() {
            let mut cells: Vec<Vec<usize>> = vec![Vec::new(); columns.count()];
            for line in &band.lines[lines.clone()] {
                let pieces = line.pieces(self.words);
                for piece in &pieces {
                    let (from, to) = columns.covered_by(piece.x0, piece.x1);
                    for &word in &piece.words {
                        // A heading over the rows below it is not torn apart.
                        let column = match pieces.len() == 1 && from < to && lines.len() == 1 {
                            true => from,
                            false => columns.column_of(&self.words[word]),
                        };
                        cells[column].push(word);
                    }
                }
            }
            made.extend(
                cells
                    .into_iter()
                    .enumerate()
                    .map(|(column, words)| MadeCell {
                        row: first + offset,
                        column,
                        row_span: 1,
                        column_span: 1,
                        words,
                    }),
            );
        }
        made
    }

    fn stacks_numbers(&self, band: &Band, columns: &Columns) -> bool {
        let numeric_in = |line: &TextLine, column: usize| {
            let of: Vec<usize> = line
                .words
                .iter()
                .copied()
                .filter(|&word| columns.column_of(&self.words[word]) == column)
                .collect();
            is_numeric(self.words, &of)
        };
        band.lines.windows(2).any(|pair| {
            (0..columns.count())
                .any(|column| numeric_in(&pair[0], column) && numeric_in(&pair[1], column))
        })
    }

    /// The table that cells make.
    pub(super) fn shape(
        &self,
        made: Vec<MadeCell>,
        bands: &[Band],
        columns: &Columns,
        head_rows: usize,
    ) -> Option<TableShape> {
        let rows = made.iter().map(|cell| cell.row + cell.row_span).max()?;
        if rows < 2 {
            return None;
        }
        let (top, bottom) = (bands.first()?.y0, bands.last()?.y1);
        let mut sides: Vec<(f32, f32)> = vec![(f32::INFINITY, f32::NEG_INFINITY); rows];
        for cell in made.iter().filter(|cell| cell.row_span == 1) {
            for &word in &cell.words {
                let (y0, y1) = &mut sides[cell.row];
                *y0 = y0.min(self.words[word].bbox.y0);
                *y1 = y1.max(self.words[word].bbox.y1);
            }
        }
        let mut edges = vec![top];
        for pair in sides.windows(2) {
            let between = (pair[0].1 + pair[1].0) / 2.0;
            let last = edges.last().copied().unwrap_or(top);
            edges.push(match between.is_finite() {
                true => between.max(last),
                false => last,
            });
        }
        edges.push(bottom.max(edges.last().copied().unwrap_or(bottom)));
        let cells: Vec<CellShape> = made
            .into_iter()
            .map(|cell| {
                let left = columns.sides(cell.column, self.x0, self.x1).0;
                let right = columns
                    .sides(cell.column + cell.column_span - 1, self.x0, self.x1)
                    .1;
                CellShape {
                    row: cell.row as u32,
                    column: cell.column as u32,
                    row_span: cell.row_span as u32,
                    column_span: cell.column_span as u32,
                    header: cell.row < head_rows,
                    bbox: Rect {
                        x0: left,
                        y0: edges[cell.row],
                        x1: right,
                        y1: edges[cell.row + cell.row_span],
                    },
                    words: cell.words,
                }
            })
            .collect();
        let table = TableShape {
            bbox: box_of(&cells),
            rows: rows as u32,
            columns: columns.count() as u32,
            cells,
        };
        Some(match head_rows {
            0 => with_headers(table, self.words),
            _ => table,
        })
    }
}
