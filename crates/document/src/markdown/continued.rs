//! Tables that go on over pages: which table of a page goes on with the one that the page before ended with.
//!
//! It is the first of its page, stands at its top, has no caption of its own, and columns of the same number and widths. Where
//! it repeats the names of the columns these are left out; where its first row looks like other names it is another table.

use crate::markdown::{printed, tables};
use crate::{Block, PageText, Table};

/// A table that goes on ends below this part of its page, and one that goes on with it begins above that.
const ENDS_BELOW: f32 = 0.6;
const BEGINS_ABOVE: f32 = 0.35;

/// Columns begin at the same places where these differ by at most this, in points, once both tables begin at one.
const SAME_PLACE: f32 = 4.0;

/// The table that a page ends with.
#[derive(Debug)]
pub(super) struct Ending {
    /// Where its columns begin, from its left side, and how wide it is.
    places: Vec<f32>,
    /// The names of its columns, by rows.
    names: Vec<Vec<String>>,
    has_bold_names: bool,
    is_html: bool,
}

/// The table that goes on, and where.
#[derive(Debug)]
pub(super) struct Continued<'a> {
    /// Its place among the blocks of its page.
    pub(super) block: usize,
    table: &'a Table,
    /// So many rows at its top are those of the table before.
    repeated: u32,
}

impl Ending {
    /// The table that a page ends with. `begun` is one that goes on from the page before, with its
    /// place among the blocks.
    pub(super) fn of(page: &PageText, begun: Option<(usize, Self)>) -> Option<Self> {
        let (index, block, _) = printed(page).last()?;
        if block.bbox.y1 < ENDS_BELOW * page.height {
            return None;
        }
        if let Some((_, begun)) = begun.filter(|(goes_on, _)| *goes_on == index) {
            return Some(begun);
        }
        let table = block.table.as_deref()?;
        Some(Self {
            places: places(block, table),
            names: names(table),
            has_bold_names: begins_bold(block),
            is_html: table.has_spans(),
        })
    }

    /// The table of a page that goes on with this one.
    pub(super) fn goes_on<'a>(&self, page: &'a PageText) -> Option<Continued<'a>> {
        let (index, block, _) = printed(page).next()?;
        let table = block.table.as_deref()?;
        let others = places(block, table);
        let is_alike = others.len() == self.places.len()
            && others
                .iter()
                .zip(&self.places)
                .all(|(a, b)| (a - b).abs() <= SAME_PLACE);
        let may_be_joined = self.is_html || !table.has_spans();
        let stands_at_top = block.bbox.y0 <= BEGINS_ABOVE * page.height;
        if !is_alike || !may_be_joined || !stands_at_top || table.caption.is_some() {
            return None;
        }
        let is_repeated = !self.names.is_empty() && rows_of(table, self.names.len()) == self.names;
        let has_other_names = self.has_bold_names && begins_bold(block);
        let has_more = table.rows as usize > self.names.len() || !is_repeated;
        (has_more && (is_repeated || !has_other_names)).then_some(Continued {
            block: index,
            table,
            repeated: match is_repeated {
                true => self.names.len() as u32,
                false => 0,
            },
        })
    }

    /// The rows of the table that goes on, the first cell of which begins with `anchor`.
    pub(super) fn rows(&self, continued: &Continued<'_>, anchor: &str) -> String {
        let (table, from) = (continued.table, continued.repeated);
        match self.is_html {
            true => tables::html_rows(table, from, anchor),
            false => tables::rows(table, from, anchor),
        }
    }

    /// What ends it in Markdown.
    pub(super) fn end(&self) -> &'static str {
        match self.is_html {
            true => tables::END,
            false => "",
        }
    }
}

/// Where the columns of a table begin, from its left side, and how wide it is.
fn places(block: &Block, table: &Table) -> Vec<f32> {
    let left = block.bbox.x0;
    let begin = |column: u32| {
        let cells = table.cells.iter().filter(|cell| cell.column == column);
        let sides = cells.map(|cell| cell.bbox.x0 - left);
        sides.fold(f32::INFINITY, f32::min)
    };
    let mut places: Vec<f32> = (0..table.columns).map(begin).collect();
    places.push(block.bbox.x1 - left);
    places
}

fn names(table: &Table) -> Vec<Vec<String>> {
    rows_of(table, table.header_rows() as usize)
}

fn rows_of(table: &Table, rows: usize) -> Vec<Vec<String>> {
    let mut grid = table.grid();
    grid.truncate(rows);
    grid
}

fn begins_bold(block: &Block) -> bool {
    block.lines.first().is_some_and(|line| line.bold)
}
