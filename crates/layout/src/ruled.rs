//! Tables with rules above each other and none that cross them: below the head, between rows, or around the whole; and
//! tables of which only the head is filled.
//!
//! Rules of one width make a stack, and bands between them. Bands of prose, such as a page between the rules of its head
//! and foot, end a table. The first band is its head where there are more.

use std::ops::Range;

use pagemill_document::Rect;

use crate::columns::Columns;
use crate::edges::{Edge, Edges};
use crate::grid::{box_of, with_headers};
use crate::lines::{Piece, TextLine, is_numeric, lines};
use crate::rows::group;
use crate::{CellShape, TableShape, Word, middle};

/// Ends of rules of one stack differ by at most this, in points.
const SAME_END: f32 = 6.0;

/// A rule of a stack is at least so long.
const SHORTEST: f32 = 50.0;

/// Pieces of a rule with a column's white between them.
const PIECE_GAP: f32 = 22.0;

/// A piece of text wider than this part of its region is a line of prose, or a heading over all columns.
const WIDE: f32 = 0.55;

/// Where no rule ends a table, its lines follow each other at most so far apart, in font sizes.
const FARTHEST_LINE: f32 = 2.4;

/// A stack of so many bands has a rule under every row.
const RULED_ROWS: usize = 4;

/// The tables between rules, from words that are free.
pub(crate) fn find(
    words: &[Word],
    free: &[bool],
    edges: &Edges,
    taken: &[TableShape],
) -> Vec<TableShape> {
    let is_outside = |edge: &&Edge| {
        !taken.iter().any(|table| {
            let bbox = table.bbox;
            (bbox.y0 - 2.0..=bbox.y1 + 2.0).contains(&edge.at)
                && edge.from < bbox.x1 - 2.0
                && edge.to > bbox.x0 + 2.0
        })
    };
    let rules: Vec<Edge> = edges
        .horizontal
        .iter()
        .filter(is_outside)
        .copied()
        .collect();
    let mut found = Vec::new();
    for stack in stacks(&rules) {
        let finder = Finder {
            words,
            free,
            rules: &rules,
            taken,
            x0: stack[0].from,
            x1: stack[0].to,
        };
        finder.tables(&stack, &mut found);
    }
    found
}

/// Rules of one width, from top to bottom.
fn stacks(rules: &[Edge]) -> Vec<Vec<Edge>> {
    // A rule that is drawn a column at a time is one.
    let mut whole: Vec<Edge> = Vec::new();
    for rule in rules {
        match whole.last_mut() {
            Some(open) if open.at == rule.at || (rule.at - open.at).abs() < 0.6 => {
                if rule.from - open.to <= PIECE_GAP && rule.from >= open.from {
                    open.to = open.to.max(rule.to);
                } else {
                    whole.push(*rule);
                }
            }
            _ => whole.push(*rule),
        }
    }
    whole.retain(|rule| rule.to - rule.from >= SHORTEST);
    let mut stacks: Vec<Vec<Edge>> = Vec::new();
    for rule in whole {
        let same = |stack: &&mut Vec<Edge>| {
            (stack[0].from - rule.from).abs() <= SAME_END
                && (stack[0].to - rule.to).abs() <= SAME_END
        };
        match stacks.iter_mut().find(same) {
            Some(stack) => stack.push(rule),
            None => stacks.push(vec![rule]),
        }
    }
    // The widest last: what is between the rules of a page's head and foot is tried after all else.
    stacks.sort_by(|a, b| (a[0].to - a[0].from).total_cmp(&(b[0].to - b[0].from)));
    stacks.retain(|stack| stack.len() >= 2);
    stacks
}

/// The lines between two rules of a stack.
#[derive(Debug, Clone)]
struct Band {
    y0: f32,
    y1: f32,
    lines: Vec<TextLine>,
}

struct Finder<'a> {
    words: &'a [Word],
    free: &'a [bool],
    rules: &'a [Edge],
    taken: &'a [TableShape],
    x0: f32,
    x1: f32,
}

impl Finder<'_> {
    fn tables(&self, stack: &[Edge], found: &mut Vec<TableShape>) {
        let bands: Vec<Band> = stack
            .windows(2)
            .map(|pair| self.band(pair[0].at, pair[1].at))
            .collect();
        let mut start = 0;
        while start < bands.len() {
            if !self.may_be_table(&bands[start]) {
                start += 1;
                continue;
            }
            let mut end = start + 1;
            while end < bands.len() && self.may_be_table(&bands[end]) {
                end += 1;
            }
            let run: Vec<Band> = bands[start..end]
                .iter()
                .filter(|band| !band.lines.is_empty())
                .cloned()
                .collect();
            if !run.is_empty() {
                found.extend(self.table(&run));
            }
            start = end;
        }
    }

    fn band(&self, y0: f32, y1: f32) -> Band {
        let inside = (0..self.words.len()).filter(|&index| {
            let (x, y) = middle(self.words[index].bbox);
            self.free[index] && (self.x0 - 2.0..=self.x1 + 2.0).contains(&x) && y > y0 && y <= y1
        });
        Band {
            y0,
            y1,
            lines: lines(self.words, inside),
        }
    }

    /// Whether a band may be part of a table: it is no prose, and no empty room, and no table lies in it.
    fn may_be_table(&self, band: &Band) -> bool {
        let holds_other = self.taken.iter().any(|table| {
            let (x, y) = middle(table.bbox);
            (band.y0..=band.y1).contains(&y) && (self.x0..=self.x1).contains(&x)
        });
        if holds_other {
            return false;
        }
        if band.lines.is_empty() {
            return band.y1 - band.y0 < 40.0;
        }
        let wide = band.lines.iter().filter(|line| self.is_wide(line)).count();
        wide < 2 || wide * 10 < band.lines.len() * 5
    }

    /// Whether a line is one wide piece.
    fn is_wide(&self, line: &TextLine) -> bool {
        let pieces = line.pieces(self.words);
        pieces.len() == 1 && pieces[0].x1 - pieces[0].x0 > WIDE * (self.x1 - self.x0)
    }

    fn table(&self, run: &[Band]) -> Option<TableShape> {
        let mut bands = run.to_vec();
        let enclosed: usize = bands.iter().map(|band| band.lines.len()).sum();
        if bands.len() == 1 && enclosed <= 4 || bands.len() == 2 && enclosed <= 2 {
            // Only the head is between rules.
            bands.extend(self.below(bands.last()?));
        }
        let has_head = bands.len() >= 2;
        let body = bands.iter().skip(usize::from(has_head));
        let body: Vec<TextLine> = body.flat_map(|band| band.lines.clone()).collect();
        let all: Vec<TextLine> = bands.iter().flat_map(|band| band.lines.clone()).collect();
        let mut columns = Columns::of(self.words, &body);
        if columns.count() < 2 || body.len() < 2 {
            columns = Columns::of(self.words, &all);
        }
        if columns.count() < 2 || !self.is_table(&all, &columns) {
            return None;
        }
        if has_head {
            columns = columns.with_head(self.words, &body, bands[0].lines.last());
        }
        let mut rows = Vec::new();
        let mut head_rows = 0;
        for (number, band) in bands.iter().enumerate() {
            if number == 0 && has_head {
                rows.extend(self.head(band, &columns));
                head_rows = rows.last().map_or(0, |row: &MadeRow| row.row + 1);
                continue;
            }
            let first = rows.last().map_or(0, |row: &MadeRow| row.row + 1);
            rows.extend(self.body(band, &columns, first, bands.len() > RULED_ROWS));
        }
        self.shape(rows, &bands, &columns, head_rows)
    }

    /// The lines below a head, while they look like rows.
    fn below(&self, head: &Band) -> Option<Band> {
        let last = head.lines.last()?;
        let next_table = self
            .taken
            .iter()
            .map(|table| table.bbox.y0)
            .filter(|&y| y > head.y1)
            .fold(f32::INFINITY, f32::min);
        let candidates = self.band(head.y1, next_table).lines;
        let (mut baseline, mut size) = (head.y1.max(last.baseline), last.size);
        let mut taken: Vec<TextLine> = Vec::new();
        for line in candidates {
            let distance = line.baseline - baseline;
            if distance > FARTHEST_LINE * size.max(line.size) || self.is_wide(&line) {
                break;
            }
            (baseline, size) = (line.baseline, line.size);
            taken.push(line);
        }
        // What ends a table is a row, not the first words of what follows.
        while taken
            .last()
            .is_some_and(|line| line.pieces(self.words).len() < 2)
        {
            taken.pop();
        }
        let structured = taken
            .iter()
            .filter(|line| line.pieces(self.words).len() >= 2)
            .count();
        (structured >= 2).then(|| Band {
            y0: head.y1,
            y1: taken.last().map_or(head.y1, |line| line.bbox.y1),
            lines: taken,
        })
    }

    fn is_table(&self, all: &[TextLine], columns: &Columns) -> bool {
        let leaders = all
            .iter()
            .filter(|line| line.has_leader(self.words))
            .count();
        let wide = all.iter().filter(|line| self.is_wide(line)).count();
        if leaders * 4 > all.len() || wide * 5 > all.len() * 2 || all.len() < 2 {
            return false;
        }
        let mut filled = 0;
        let mut numeric = 0;
        let mut characters = 0;
        for line in all {
            let mut cells: Vec<Vec<usize>> = vec![Vec::new(); columns.count()];
            for &word in &line.words {
                cells[columns.column_of(&self.words[word])].push(word);
                characters += usize::from(self.words[word].characters);
            }
            for cell in cells.iter().filter(|cell| !cell.is_empty()) {
                filled += 1;
                numeric += usize::from(is_numeric(self.words, cell));
            }
        }
        let places = all.len() * columns.count();
        let is_short = characters <= filled * 45;
        // Two columns of words between two rules are as often prose.
        let is_two = columns.count() == 2;
        filled * 3 >= places
            && is_short
            && (!is_two || numeric * 5 >= filled || all.len() >= 3 && characters <= filled * 30)
    }

    /// The rows of a head: cells over several columns stand above those that they name together.
    fn head(&self, band: &Band, columns: &Columns) -> Vec<MadeRow> {
        let parting: Vec<Edge> = self
            .rules
            .iter()
            .filter(|rule| {
                rule.at > band.y0 + 3.0
                    && rule.at < band.y1 - 3.0
                    && rule.from >= self.x0 - 4.0
                    && rule.to <= self.x1 + 4.0
            })
            .copied()
            .collect();
        let mut levels: Vec<Vec<(Piece, (usize, usize))>> = Vec::new();
        let mut last_is_group = true;
        for line in &band.lines {
            let pieces: Vec<(Piece, (usize, usize))> = line
                .pieces(self.words)
                .into_iter()
                .flat_map(|piece| columns.parts(piece, self.words, line.size))
                .map(|(piece, covers)| {
                    let below = parting.iter().filter(|rule| {
                        let shared = rule.to.min(piece.x1) - rule.from.max(piece.x0);
                        rule.at > line.baseline
                            && rule.at < line.baseline + 1.5 * line.size
                            && shared > 0.25 * (piece.x1 - piece.x0)
                            && rule.to - rule.from < 0.9 * (self.x1 - self.x0)
                    });
                    // A name may stand above several rules, each of which has names below it.
                    let covers = below
                        .map(|rule| columns.covered_by(rule.from, rule.to))
                        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
                        .unwrap_or(covers);
                    (piece, covers)
                })
                .collect();
            let is_group = pieces.iter().any(|(_, (first, last))| first < last);
            if is_group || last_is_group {
                levels.push(Vec::new());
            }
            last_is_group = is_group;
            if let Some(level) = levels.last_mut() {
                level.extend(pieces);
            }
        }
        // What stands above names that stand for several columns stands for all of theirs.
        for upper in (0..levels.len().saturating_sub(1)).rev() {
            let below: Vec<(usize, usize)> = levels[upper + 1]
                .iter()
                .map(|(_, covers)| *covers)
                .filter(|(first, last)| first < last)
                .collect();
            for (_, covers) in &mut levels[upper] {
                if covers.0 < covers.1 {
                    let reaches =
                        |group: &&(usize, usize)| group.0 <= covers.1 && covers.0 <= group.1;
                    let first = below.iter().filter(reaches).map(|group| group.0).min();
                    let last = below.iter().filter(reaches).map(|group| group.1).max();
                    *covers = (
                        covers.0.min(first.unwrap_or(covers.0)),
                        covers.1.max(last.unwrap_or(covers.1)),
                    );
                }
            }
        }
        let count = columns.count();
        let mut rows = Vec::new();
        let mut taken = vec![vec![false; count]; levels.len()];
        for (level, pieces) in levels.iter().enumerate() {
            for (piece, (first, last)) in pieces.iter().filter(|(_, (first, last))| first < last) {
                if taken[level][*first..=*last].iter().any(|&is| is) {
                    continue;
                }
                taken[level][*first..=*last].fill(true);
                rows.push(MadeRow {
                    row: level,
                    column: *first,
                    row_span: 1,
                    column_span: last - first + 1,
                    words: piece.words.clone(),
                });
            }
        }
        let used: Vec<usize> = rows.iter().flat_map(|row| row.words.clone()).collect();
        #[expect(
            clippy::needless_range_loop,
            reason = "columns of several levels are looked at"
        )]
        for column in 0..count {
            let mut level = 0;
            while level < levels.len() {
                if taken[level][column] {
                    level += 1;
                    continue;
                }
                // A column that nothing names together with others has one cell from the top to the bottom.
                let from = level;
                while level < levels.len() && !taken[level][column] {
                    level += 1;
                }
                let mut of_cell: Vec<usize> = levels[from..level]
                    .iter()
                    .flatten()
                    .flat_map(|(piece, _)| piece.words.iter().copied())
                    .filter(|&word| columns.column_of(&self.words[word]) == column)
                    .filter(|word| !used.contains(word))
                    .collect();
                of_cell.sort_unstable();
                rows.push(MadeRow {
                    row: from,
                    column,
                    row_span: level - from,
                    column_span: 1,
                    words: of_cell,
                });
            }
        }
        self.rescue(band, &mut rows, columns);
        rows.sort_by_key(|cell| (cell.row, cell.column));
        rows
    }

    /// Gives words of a band that no cell has to the cell that covers their column in the last level.
    fn rescue(&self, band: &Band, rows: &mut [MadeRow], columns: &Columns) {
        let has: Vec<usize> = rows.iter().flat_map(|row| row.words.clone()).collect();
        for &word in band.lines.iter().flat_map(|line| &line.words) {
            if has.contains(&word) {
                continue;
            }
            let column = columns.column_of(&self.words[word]);
            let covers = |cell: &&mut MadeRow| {
                (cell.column..cell.column + cell.column_span).contains(&column)
            };
            if let Some(cell) = rows.iter_mut().filter(covers).max_by_key(|cell| cell.row) {
                cell.words.push(word);
            }
        }
    }

    fn body(&self, band: &Band, columns: &Columns, first: usize, is_ruled: bool) -> Vec<MadeRow> {
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
                    .map(|(column, words)| MadeRow {
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

    fn shape(
        &self,
        made: Vec<MadeRow>,
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

/// A cell before it has a box.
#[derive(Debug, Clone)]
struct MadeRow {
    row: usize,
    column: usize,
    row_span: usize,
    column_span: usize,
    words: Vec<usize>,
}

/// A table of lines that stand between no rules: its columns and rows by their white alone.
pub(crate) fn table_of_lines(words: &[Word], of: &[TextLine], head: usize) -> Option<TableShape> {
    let x0 = of
        .iter()
        .map(|line| line.bbox.x0)
        .fold(f32::INFINITY, f32::min);
    let x1 = of
        .iter()
        .map(|line| line.bbox.x1)
        .fold(f32::NEG_INFINITY, f32::max);
    let free = vec![true; words.len()];
    let finder = Finder {
        words,
        free: &free,
        rules: &[],
        taken: &[],
        x0,
        x1,
    };
    let band = |lines: &[TextLine]| {
        Some(Band {
            y0: lines.first()?.bbox.y0,
            y1: lines.last()?.bbox.y1,
            lines: lines.to_vec(),
        })
    };
    let (head, body) = of.split_at(head);
    let bands: Vec<Band> = [head, body].into_iter().filter_map(band).collect();
    let columns = Columns::of(words, body).with_head(words, body, head.last());
    let all: Vec<TextLine> = of.to_vec();
    if columns.count() < 2 || !finder.is_table(&all, &columns) {
        return None;
    }
    let mut rows = Vec::new();
    let mut head_rows = 0;
    if bands.len() == 2 {
        rows = finder.head(&bands[0], &columns);
        head_rows = rows.last().map_or(0, |row| row.row + 1);
    }
    rows.extend(finder.body(bands.last()?, &columns, head_rows, false));
    finder.shape(rows, &bands, &columns, head_rows)
}
