//! Tables: what stands in which row and column.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Rect;

/// A table of a page: a grid of rows and columns, and the cells that fill it. No place of the grid is in two cells; a
/// place in none is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// Rows of the grid.
    pub rows: u32,
    /// Columns of the grid.
    pub columns: u32,
    /// Its cells by row and then by column, those without text too.
    pub cells: Vec<TableCell>,
    /// Whether it goes on with the table that the page before ended with: the same columns, and no caption of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continued: bool,
    /// Its caption, as an index into the blocks of its page, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<u32>,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TableCell {
    /// Its first row, from 0.
    pub row: u32,
    /// Its first column, from 0.
    pub column: u32,
    /// How many rows it takes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub row_span: u32,
    /// How many columns it takes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub column_span: u32,
    /// Whether it names what its column or its columns hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub header: bool,
    /// Where it stands.
    pub bbox: Rect,
    /// Its text; its lines are parted by newlines.
    pub text: String,
}

fn one() -> u32 {
    1
}

fn is_one(number: &u32) -> bool {
    *number == 1
}

impl Table {
    /// More places than this has no table that is found: whoever lays one out may count on it.
    pub const MAX_PLACES: u32 = 100_000;

    /// Whether it is what it says: not too large, every cell inside the grid, and no place in two of them.
    pub fn is_sound(&self) -> bool {
        let places = self.rows.checked_mul(self.columns);
        let Some(places) = places.filter(|&places| places <= Self::MAX_PLACES) else {
            return false;
        };
        let mut taken = vec![false; places as usize];
        self.cells.iter().all(|cell| {
            let rows = cell.row.checked_add(cell.row_span);
            let columns = cell.column.checked_add(cell.column_span);
            let (Some(rows), Some(columns)) = (rows, columns) else {
                return false;
            };
            let is_inside = rows <= self.rows && columns <= self.columns;
            is_inside
                && (cell.row..rows).all(|row| {
                    (cell.column..columns).all(|column| {
                        let place = &mut taken[(row * self.columns + column) as usize];
                        !std::mem::replace(place, true)
                    })
                })
        })
    }

    /// Whether a cell takes more than one row or column.
    pub fn has_spans(&self) -> bool {
        self.cells
            .iter()
            .any(|cell| cell.row_span > 1 || cell.column_span > 1)
    }

    /// How many rows at its top name what the columns hold: the first one and those below it whose cells are all headers.
    pub fn header_rows(&self) -> u32 {
        let is_header = |row: u32| {
            let mut cells = self.cells.iter().filter(|cell| cell.row == row).peekable();
            cells.peek().is_some() && cells.all(|cell| cell.header)
        };
        (0..self.rows).take_while(|&row| is_header(row)).count() as u32
    }

    /// The text of every place of the grid, by rows; a cell that takes several places stands in the first of them. The
    /// lines of a cell are joined by spaces.
    pub fn grid(&self) -> Vec<Vec<String>> {
        let mut grid = vec![vec![String::new(); self.columns as usize]; self.rows as usize];
        for cell in &self.cells {
            let row = grid.get_mut(cell.row as usize);
            if let Some(place) = row.and_then(|row| row.get_mut(cell.column as usize)) {
                *place = cell.on_one_line();
            }
        }
        grid
    }
}

impl TableCell {
    /// Its text with its lines joined by spaces.
    pub fn on_one_line(&self) -> String {
        self.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table_cell as cell;

    #[test]
    fn a_cell_says_how_many_places_it_takes_only_when_it_takes_several() {
        let json = serde_json::to_value(cell(1, 0, "a")).expect("a value");
        assert!(json.get("row_span").is_none() && json.get("header").is_none());
        let read: TableCell = serde_json::from_value(json).expect("a cell");
        assert_eq!(read, cell(1, 0, "a"));
    }

    #[test]
    fn the_grid_has_a_place_for_every_row_and_column() {
        let table = Table {
            rows: 2,
            columns: 2,
            cells: vec![cell(0, 0, "Item\nname"), cell(1, 1, "7")],
            ..Table::default()
        };
        assert_eq!(table.grid(), [["Item name", ""], ["", "7"]]);
        assert_eq!(table.header_rows(), 1);
        assert!(!table.has_spans());
    }

    #[test]
    fn a_table_that_is_too_large_or_has_cells_over_each_other_is_not_sound() {
        let mut table = Table {
            rows: 2,
            columns: 2,
            cells: vec![cell(0, 0, "a"), cell(1, 1, "b")],
            ..Table::default()
        };
        assert!(table.is_sound());
        table.cells[0].column_span = u32::MAX;
        assert!(!table.is_sound());
        table.cells[0].column_span = 2;
        assert!(table.is_sound());
        table.cells[0].row_span = 2;
        assert!(!table.is_sound());
        table.cells.clear();
        table.rows = u32::MAX;
        assert!(!table.is_sound());
    }

    #[test]
    fn a_cell_outside_the_grid_is_not_in_it() {
        let table = Table {
            rows: 1,
            columns: 1,
            cells: vec![cell(5, 5, "lost")],
            ..Table::default()
        };
        assert_eq!(table.grid(), [[""]]);
    }
}
