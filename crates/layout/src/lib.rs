//! Finds the tables of a page, from where its words stand and what is drawn around them.
//!
//! This crate knows geometry only: [`Word`]s, which are boxes with a few words said of their text, and a [`Drawing`] of
//! rules and filled areas. It knows no PDF, no fonts and no reading order, so that it can be tested and timed alone.
//!
//! Finders run from the strongest evidence to the weakest, and what one has found is taken from the next:
//!
//! 1. `grid`: rules or the edges of filled cells cross. Missing pieces of a rule make cells that span. Where rules part some
//!    columns and white the others: `parted`.
//! 2. `ruled`: rules of one width above each other, without any that cross them: columns are where all rows have white.
//! 3. `open`: no rules at all: only where the columns hold numbers, or a caption says that a table follows.
//!
//! What lies in a chart is left out before: `charts`. Names above the first rule of a grid are added to it: `names`.
//!
//! Precision goes first: a table that is missed is still text in reading order, while prose that is taken for a table is
//! torn apart.
//!
//! ```
//! use pagemill_document::Rect;
//! use pagemill_layout::{Axis, Drawing, Rule, Word, WordKind, find_tables};
//!
//! // Two rows of two words, with rules around all four.
//! let word = |x: f32, y: f32| Word {
//!     bbox: Rect { x0: x + 4.0, y0: y + 4.0, x1: x + 40.0, y1: y + 14.0 },
//!     baseline: y + 12.0,
//!     size: 10.0,
//!     bold: false,
//!     kind: WordKind::Text,
//!     characters: 6,
//!     begins_small: false,
//!     names_table: false,
//! };
//! let words = [word(0.0, 0.0), word(100.0, 0.0), word(0.0, 20.0), word(100.0, 20.0)];
//! let across = [0.0, 20.0, 40.0].map(|at| Rule { axis: Axis::Horizontal, at, from: 0.0, to: 200.0 });
//! let down = [0.0, 100.0, 200.0].map(|at| Rule { axis: Axis::Vertical, at, from: 0.0, to: 40.0 });
//! let drawing = Drawing { rules: [across, down].concat(), fills: Vec::new() };
//! let tables = find_tables(&words, &drawing);
//! assert_eq!((tables[0].rows, tables[0].columns), (2, 2));
//! assert_eq!(tables[0].cells[3].words, [3]);
//! ```
//!
//! # Adding a finder
//!
//! A file beside the others with a function from the words that are left and the drawing to shapes, and a line in
//! [`find_tables`]. Say what it must not take for a table, and test that too.

use pagemill_document::Rect;

mod charts;
mod columns;
mod edges;
mod grid;
mod lines;
mod names;
mod nets;
mod open;
mod parted;
mod rows;
mod ruled;

/// Rules and areas beyond this many are a picture (a map, a chart) and no table.
pub const MAX_DRAWN: usize = 20_000;

/// What a word is, as far as tables ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordKind {
    /// Digits with what numbers are written with: signs, separators, percent, currencies. Also a dash that stands for
    /// none.
    Number,
    /// Anything else.
    Text,
    /// A line of dots that leads the eye to a page number.
    Leader,
}

/// A word of a page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Word {
    /// Where it stands, in points from the page's top left corner.
    pub bbox: Rect,
    /// The line that it stands on.
    pub baseline: f32,
    /// Its font's size in points.
    pub size: f32,
    /// Whether it is bold.
    pub bold: bool,
    /// What it is.
    pub kind: WordKind,
    /// How many characters it has.
    pub characters: u16,
    /// Whether it begins with a small letter, as the rest of a sentence does.
    pub begins_small: bool,
    /// Whether it is the `Table` of a caption such as `Table 3:`.
    pub names_table: bool,
}

/// The direction of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// From left to right.
    Horizontal,
    /// From top to bottom.
    Vertical,
}

/// A line that is drawn, or an area that is as thin as one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Its direction.
    pub axis: Axis,
    /// Where it lies: y of a horizontal one, x of a vertical one.
    pub at: f32,
    /// Where it begins: x or y.
    pub from: f32,
    /// Where it ends.
    pub to: f32,
}

/// What is drawn on a page, apart from text and pictures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawing {
    /// Lines.
    pub rules: Vec<Rule>,
    /// Rectangles that are filled with a colour other than white.
    pub fills: Vec<Rect>,
}

/// A table that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct TableShape {
    /// Where it stands.
    pub bbox: Rect,
    /// Rows of its grid.
    pub rows: u32,
    /// Columns of its grid.
    pub columns: u32,
    /// Its cells by row and then by column, the empty ones too.
    pub cells: Vec<CellShape>,
}

/// A cell of such a table.
#[derive(Debug, Clone, PartialEq)]
pub struct CellShape {
    /// Its first row, from 0.
    pub row: u32,
    /// Its first column, from 0.
    pub column: u32,
    /// How many rows it takes.
    pub row_span: u32,
    /// How many columns it takes.
    pub column_span: u32,
    /// Whether it names what is below it.
    pub header: bool,
    /// Where it stands.
    pub bbox: Rect,
    /// The words in it, as indices.
    pub words: Vec<usize>,
}

/// The tables of a page, from top to bottom. No word is in two cells.
pub fn find_tables(words: &[Word], drawing: &Drawing) -> Vec<TableShape> {
    if drawing.rules.len() + drawing.fills.len() > MAX_DRAWN {
        return Vec::new();
    }
    let mut edges = edges::Edges::of(drawing);
    let charts = charts::find(words, &edges);
    edges.leave_out(&charts);
    let mut free: Vec<bool> = words
        .iter()
        .map(|word| !charts::covers(&charts, word))
        .collect();
    let mut found = Vec::new();
    let mut grids = grid::find(words, &edges);
    grids
        .iter_mut()
        .for_each(|table| names::add(table, words, &free));
    take(&mut found, grids, words, &mut free);
    let ruled = ruled::find(words, &free, &edges, &found);
    take(&mut found, ruled, words, &mut free);
    let open = open::find(words, &free, &found);
    take(&mut found, open, words, &mut free);
    found.sort_by(|a, b| a.bbox.y0.total_cmp(&b.bbox.y0));
    found
}

/// Adds tables whose words nobody has, and that lie over no other.
fn take(found: &mut Vec<TableShape>, new: Vec<TableShape>, of_page: &[Word], free: &mut [bool]) {
    for table in new {
        let mut words = table.cells.iter().flat_map(|cell| &cell.words);
        let is_free = words.all(|&word| free[word])
            && !found.iter().any(|other| overlap(other.bbox, table.bbox));
        if !is_free || !has_names(&table, of_page) {
            continue;
        }
        for &word in table.cells.iter().flat_map(|cell| &cell.words) {
            free[word] = false;
        }
        found.push(table);
    }
}

/// Whether anything in a table is no number: the numbers at the bars and the lines of a chart name nothing.
fn has_names(table: &TableShape, words: &[Word]) -> bool {
    let mut cells = table.cells.iter().filter(|cell| !cell.words.is_empty());
    cells.any(|cell| !lines::is_numeric(words, &cell.words))
}

fn overlap(a: Rect, b: Rect) -> bool {
    let shared = |a0: f32, a1: f32, b0: f32, b1: f32| a1.min(b1) - a0.max(b0);
    shared(a.x0, a.x1, b.x0, b.x1) > 1.0 && shared(a.y0, a.y1, b.y0, b.y1) > 1.0
}

fn middle(rect: Rect) -> (f32, f32) {
    ((rect.x0 + rect.x1) / 2.0, (rect.y0 + rect.y1) / 2.0)
}
