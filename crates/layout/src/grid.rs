//! Tables whose cells are drawn: rules that cross, or filled cells beside each other.
//!
//! Edges that touch make a net. Its places along both axes are a grid; where the edge between two places of it is
//! missing, both are one cell. A net is a table when enough of its cells hold text; a frame, a chart or a form's single
//! box is not.

use pagemill_document::Rect;

use crate::edges::{Edge, Edges, SAME, coverage, places};
use crate::nets::{Net, Sets, nets};
use crate::parted::split_columns;
use crate::rows::split_rows;
use crate::{CellShape, TableShape, Word, middle};

/// What of the edge between two places must be drawn for them to be two cells.
const DRAWN: f32 = 0.5;

/// A row or a column without text that is narrower than this is the white between two rules, or the padding of cells.
const SLIVER_OF_ROWS: f32 = 6.0;
const SLIVER_OF_COLUMNS: f32 = 13.0;

/// The rules of a row or column reach this far beyond the outermost rule that crosses them where the outermost is not drawn.
const OPEN_SIDE: f32 = 12.0;

/// Words of one phrase are nearer than this, in font sizes.
const PHRASE_GAP: f32 = 0.6;

/// Most places of a grid along an axis.
const MAX_PLACES: usize = 1_500;

/// A cell of more characters than this is a text column in a frame.
const LONGEST_CELL: usize = 1_200;

/// A table of one column has so many rows at least, of so many characters at most.
const FEWEST_ENTRIES: u32 = 4;
const LONGEST_ENTRY: usize = 120;

/// The tables that nets of edges make.
pub(crate) fn find(words: &[Word], edges: &Edges) -> Vec<TableShape> {
    nets(edges)
        .into_iter()
        .filter_map(|net| Grid::of(net, words)?.table(words))
        .collect()
}

/// Joined places of a grid.
#[derive(Debug, Clone, Copy)]
struct Extent {
    top: usize,
    left: usize,
    bottom: usize,
    right: usize,
    places: usize,
}

impl Extent {
    fn of(row: usize, column: usize) -> Self {
        Self {
            top: row,
            left: column,
            bottom: row,
            right: column,
            places: 1,
        }
    }

    fn add(&mut self, row: usize, column: usize) {
        self.top = self.top.min(row);
        self.left = self.left.min(column);
        self.bottom = self.bottom.max(row);
        self.right = self.right.max(column);
        self.places += 1;
    }

    /// Whether it is a rectangle.
    fn is_whole(&self) -> bool {
        (self.bottom - self.top + 1) * (self.right - self.left + 1) == self.places
    }
}

/// The places of a net along both axes, and which of its edges are drawn.
struct Grid {
    net: Net,
    /// Rows without edges between their columns whose words keep to the columns all the same.
    open_rows: Vec<bool>,
    xs: Vec<f32>,
    ys: Vec<f32>,
}

impl Grid {
    fn of(net: Net, words: &[Word]) -> Option<Self> {
        let mut xs: Vec<f32> = places(net.vertical.iter().map(|edge| edge.at).collect());
        let mut ys: Vec<f32> = places(net.horizontal.iter().map(|edge| edge.at).collect());
        open_sides(&mut xs, &net.horizontal);
        open_sides(&mut ys, &net.vertical);
        if xs.len() < 2 || ys.len() < 2 || xs.len().max(ys.len()) > MAX_PLACES {
            return None;
        }
        let mut grid = Self {
            net,
            open_rows: Vec::new(),
            xs,
            ys,
        };
        grid.drop_slivers(words);
        grid.find_open_rows(words);
        (grid.xs.len() >= 2 && grid.ys.len() >= 2).then_some(grid)
    }

    fn columns(&self) -> usize {
        self.xs.len() - 1
    }

    fn rows(&self) -> usize {
        self.ys.len() - 1
    }

    /// The row and the column that a word stands in.
    fn place_of(&self, word: &Word) -> Option<(usize, usize)> {
        let (x, y) = middle(word.bbox);
        let column = self.xs.partition_point(|&at| at <= x).checked_sub(1)?;
        let row = self.ys.partition_point(|&at| at <= y).checked_sub(1)?;
        (column < self.columns() && row < self.rows()).then_some((row, column))
    }

    /// Takes out the white between two rules, which is no row and no column.
    fn drop_slivers(&mut self, words: &[Word]) {
        let mut filled_rows = vec![false; self.rows()];
        let mut filled_columns = vec![false; self.columns()];
        for (row, column) in words.iter().filter_map(|word| self.place_of(word)) {
            filled_rows[row] = true;
            filled_columns[column] = true;
        }
        let without = |places: &[f32], filled: &[bool], sliver: f32| {
            let mut kept: Vec<f32> = Vec::with_capacity(places.len());
            for (number, &place) in places.iter().enumerate() {
                let ends_sliver = number > 0
                    && !filled[number - 1]
                    && kept.last().is_some_and(|last| place - last < sliver);
                // Of the two sides of a sliver the later one stays, but for the last of all.
                match ends_sliver {
                    true if number + 1 < places.len() => {
                        if kept.len() > 1 {
                            kept.pop();
                            kept.push(place);
                        }
                    }
                    true => {}
                    false => kept.push(place),
                }
            }
            kept
        };
        self.ys = without(&self.ys, &filled_rows, SLIVER_OF_ROWS);
        self.xs = without(&self.xs, &filled_columns, SLIVER_OF_COLUMNS);
    }

    /// Finds the rows that have no edges between columns where others have them all, as the white rows of a striped table
    /// and those beside a filled first column.
    fn find_open_rows(&mut self, words: &[Word]) {
        let (rows, columns) = (self.rows(), self.columns());
        let drawn: Vec<usize> = (0..rows)
            .map(|row| {
                (1..columns)
                    .filter(|&column| self.is_column_drawn(row, column))
                    .count()
            })
            .collect();
        let has_all = drawn.iter().any(|&drawn| drawn + 1 == columns);
        let mut filled = vec![vec![false; columns]; rows];
        let mut crossed = vec![false; rows];
        let mut of_rows: Vec<Vec<(&Word, usize)>> = vec![Vec::new(); rows];
        for word in words {
            let Some((row, column)) = self.place_of(word) else {
                continue;
            };
            filled[row][column] = true;
            of_rows[row].push((word, column));
            crossed[row] |=
                word.bbox.x0 < self.xs[column] - 1.0 || word.bbox.x1 > self.xs[column + 1] + 1.0;
        }
        // Words of one phrase stand in one cell.
        for (row, of_row) in of_rows.iter_mut().enumerate() {
            of_row.sort_by(|(a, _), (b, _)| a.bbox.x0.total_cmp(&b.bbox.x0));
            crossed[row] |= of_row.windows(2).any(|pair| {
                let ((before, left), (word, right)) = (pair[0], pair[1]);
                left != right
                    && (before.baseline - word.baseline).abs() < 0.3 * word.size
                    && word.bbox.x0 - before.bbox.x1 < PHRASE_GAP * word.size
            });
        }
        // More columns hold text than the edges of the row part.
        let is_open = |row: usize| {
            let count = filled[row].iter().filter(|&&is| is).count();
            has_all && drawn[row] <= 1 && !crossed[row] && count > drawn[row] + 1
        };
        self.open_rows = (0..rows).map(is_open).collect();
    }

    fn is_column_drawn(&self, row: usize, column: usize) -> bool {
        self.is_drawn(
            &self.net.vertical,
            self.xs[column],
            self.ys[row],
            self.ys[row + 1],
        )
    }

    /// Whether every place of the rows is a rule: the grounds of lines of code lie above each other too.
    fn is_ruled(&self) -> bool {
        self.ys.iter().all(|&y| {
            let rules = self.net.horizontal.iter().filter(|edge| edge.is_rule);
            let mut near = rules.filter(|edge| (edge.at - y).abs() <= SAME * 2.0);
            near.next().is_some()
        })
    }

    /// Whether there is an edge left of a column (or right of the last one) in a row.
    fn has_vertical(&self, row: usize, column: usize) -> bool {
        column == 0
            || column == self.columns()
            || self.open_rows[row]
            || self.is_column_drawn(row, column)
    }

    /// Whether there is an edge above a row (or below the last one) in a column.
    fn has_horizontal(&self, row: usize, column: usize) -> bool {
        row == 0
            || row == self.rows()
            || self.open_rows[row]
            || self.open_rows[row - 1]
            || self.is_drawn(
                &self.net.horizontal,
                self.ys[row],
                self.xs[column],
                self.xs[column + 1],
            )
    }

    fn is_drawn(&self, edges: &[Edge], at: f32, from: f32, to: f32) -> bool {
        // Slivers were taken out: an edge may lie on their other side.
        [0.0, SAME * 2.0, -SAME * 2.0]
            .iter()
            .any(|off| coverage(edges, at + off, from, to) >= DRAWN)
    }

    /// The cells: the places of the grid, joined where no edge parts them. What is joined and is no rectangle is left
    /// apart.
    fn cells(&self) -> Vec<CellShape> {
        let (rows, columns) = (self.rows(), self.columns());
        let mut sets = Sets::new(rows * columns);
        for row in 0..rows {
            for column in 0..columns {
                if column + 1 < columns && !self.has_vertical(row, column + 1) {
                    sets.join(row * columns + column, row * columns + column + 1);
                }
                if row + 1 < rows && !self.has_horizontal(row + 1, column) {
                    sets.join(row * columns + column, (row + 1) * columns + column);
                }
            }
        }
        let mut extents: Vec<Option<Extent>> = vec![None; rows * columns];
        for row in 0..rows {
            for column in 0..columns {
                let extent = &mut extents[sets.root(row * columns + column)];
                match extent {
                    Some(extent) => extent.add(row, column),
                    None => *extent = Some(Extent::of(row, column)),
                }
            }
        }
        let mut cells = Vec::new();
        for row in 0..rows {
            for column in 0..columns {
                let root = sets.root(row * columns + column);
                let Some(extent) = extents[root] else {
                    continue;
                };
                let (bottom, right) = match extent.is_whole() {
                    true if (extent.top, extent.left) != (row, column) => continue,
                    true => (extent.bottom, extent.right),
                    false => (row, column),
                };
                cells.push(CellShape {
                    row: row as u32,
                    column: column as u32,
                    row_span: (bottom - row + 1) as u32,
                    column_span: (right - column + 1) as u32,
                    header: false,
                    bbox: Rect {
                        x0: self.xs[column],
                        y0: self.ys[row],
                        x1: self.xs[right + 1],
                        y1: self.ys[bottom + 1],
                    },
                    words: Vec::new(),
                });
            }
        }
        cells
    }

    fn table(self, words: &[Word]) -> Option<TableShape> {
        let (rows, columns) = (self.rows(), self.columns());
        let mut cells = self.cells();
        let mut cell_at = vec![0; rows * columns];
        for (number, cell) in cells.iter().enumerate() {
            for row in cell.row..cell.row + cell.row_span {
                for column in cell.column..cell.column + cell.column_span {
                    cell_at[row as usize * columns + column as usize] = number;
                }
            }
        }
        for (index, word) in words.iter().enumerate() {
            if let Some((row, column)) = self.place_of(word) {
                cells[cell_at[row * columns + column]].words.push(index);
            }
        }
        let table = TableShape {
            bbox: Rect {
                x0: self.xs[0],
                y0: self.ys[0],
                x1: self.xs[columns],
                y1: self.ys[rows],
            },
            rows: rows as u32,
            columns: columns as u32,
            cells,
        };
        if columns == 1 {
            let is_list = self.is_ruled() && is_list(&table, words);
            return is_list.then(|| with_headers(table, words));
        }
        let table = without_lost_lines(split_rows(table, words));
        let has_rules = self.net.vertical.iter().any(|edge| edge.is_rule);
        is_table(&table, words, has_rules).then(|| with_headers(split_columns(table, words), words))
    }
}

/// Whether the only column of a grid holds a list: each of several rows has a few words. A frame around text is none, nor
/// are a title and the text below it.
fn is_list(table: &TableShape, words: &[Word]) -> bool {
    let is_entry = |cell: &CellShape| (1..=LONGEST_ENTRY).contains(&characters(words, &cell.words));
    table.rows >= FEWEST_ENTRIES
        && table.cells.len() == table.rows as usize
        && table.cells.iter().all(is_entry)
}

/// Adds the outermost place of a grid where it is not drawn: the edges of the other axis reach beyond the last that is.
fn open_sides(places: &mut Vec<f32>, crossing: &[Edge]) {
    // One long rule, such as that under a page's head, says nothing: the second longest counts.
    let mut begins: Vec<f32> = crossing.iter().map(|edge| edge.from).collect();
    let mut ends: Vec<f32> = crossing.iter().map(|edge| edge.to).collect();
    begins.sort_by(f32::total_cmp);
    ends.sort_by(|a, b| b.total_cmp(a));
    let (first, last) = (begins.get(1).copied(), ends.get(1).copied());
    if let (Some(first), Some(&begins)) = (first, places.first())
        && begins - first > OPEN_SIDE
    {
        places.insert(0, first);
    }
    if let (Some(last), Some(&ends)) = (last, places.last())
        && last - ends > OPEN_SIDE
    {
        places.push(last);
    }
}

/// Takes out the lines of a grid that part no two cells.
fn without_lost_lines(mut table: TableShape) -> TableShape {
    let begins_row = |table: &TableShape, row: u32| table.cells.iter().any(|cell| cell.row == row);
    let begins_column =
        |table: &TableShape, column: u32| table.cells.iter().any(|cell| cell.column == column);
    for row in (1..table.rows).rev() {
        if !begins_row(&table, row) {
            for cell in &mut table.cells {
                if cell.row > row {
                    cell.row -= 1;
                } else if cell.row + cell.row_span > row {
                    cell.row_span -= 1;
                }
            }
            table.rows -= 1;
        }
    }
    for column in (1..table.columns).rev() {
        if !begins_column(&table, column) {
            for cell in &mut table.cells {
                if cell.column > column {
                    cell.column -= 1;
                } else if cell.column + cell.column_span > column {
                    cell.column_span -= 1;
                }
            }
            table.columns -= 1;
        }
    }
    table
}

/// Whether a net's cells hold what tables hold: text in several cells of several rows, and no columns of prose.
fn is_table(table: &TableShape, words: &[Word], has_rules: bool) -> bool {
    if table.rows < 2 || table.columns < 2 {
        return false;
    }
    let filled: Vec<&CellShape> = table
        .cells
        .iter()
        .filter(|cell| !cell.words.is_empty())
        .collect();
    let in_row = |row: u32| filled.iter().filter(|cell| cell.row == row).count();
    let rows_with_two = (0..table.rows).filter(|&row| in_row(row) >= 2).count();
    let in_column = |column: u32| filled.iter().filter(|cell| cell.column == column).count();
    let columns_with_two = (0..table.columns)
        .filter(|&column| in_column(column) >= 2)
        .count();
    let longest = filled
        .iter()
        .map(|cell| characters(words, &cell.words))
        .max()
        .unwrap_or(0);
    // The bars of a chart are filled areas beside each other too, but few of their rows hold more than one number.
    let is_chart = !has_rules
        && (rows_with_two * 2 < table.rows as usize || filled.len() * 2 < table.cells.len());
    let enough =
        rows_with_two >= 2 || rows_with_two == 1 && columns_with_two >= 2 && filled.len() >= 4;
    enough
        && !is_chart
        && filled.len() * 4 >= table.cells.len()
        && (longest <= LONGEST_CELL || filled.len() >= 12)
}

fn characters(words: &[Word], of: &[usize]) -> usize {
    of.iter()
        .map(|&word| usize::from(words[word].characters))
        .sum()
}

/// Says which cells name what is below them: those of the first row, and of the rows that its cells reach into or part
/// further, unless they hold numbers.
pub(crate) fn with_headers(mut table: TableShape, words: &[Word]) -> TableShape {
    let first = table.cells.iter().filter(|cell| cell.row == 0);
    let deepest = first.clone().map(|cell| cell.row_span).max().unwrap_or(1);
    let has_wide = first
        .clone()
        .any(|cell| cell.column_span > 1 && cell.column_span < table.columns);
    let is_title = first.clone().any(|cell| cell.column_span == table.columns);
    let mut rows = deepest;
    if (has_wide || is_title) && deepest == 1 && table.rows > 2 {
        let below = table.cells.iter().filter(|cell| cell.row == 1);
        let has_numbers = below
            .filter(|cell| crate::lines::is_numeric(words, &cell.words))
            .count();
        if has_numbers == 0 {
            rows = 2;
        }
    }
    if rows < table.rows {
        for cell in &mut table.cells {
            cell.header = cell.row < rows;
        }
    }
    table
}

/// The box around all cells of a table.
pub(crate) fn box_of(cells: &[CellShape]) -> Rect {
    let mut boxes = cells.iter().map(|cell| cell.bbox);
    let first = boxes.next().unwrap_or_default();
    boxes.fold(first, Rect::around)
}
