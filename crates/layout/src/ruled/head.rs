//! The head of a table: names of columns, over several lines, some of them of several columns together.

use crate::columns::Columns;
use crate::edges::Edge;
use crate::lines::{Piece, TextLine};
use crate::ruled::rows::MadeCell;
use crate::ruled::{Band, Finder};

/// Lines of a head that are rows of their own, or of one row together: each piece with the first and the last column that
/// it names.
type Level = Vec<(Piece, (usize, usize))>;

/// An index or an exponent stands so near to its word, in points.
const TOUCH: f32 = 2.0;

impl Finder<'_> {
    /// The cells of a head: those over several columns stand above those that they name together.
    pub(super) fn head(&self, band: &Band, columns: &Columns) -> Vec<MadeCell> {
        let mut levels = self.levels(band, columns);
        widen(&mut levels, columns);
        let mut taken = vec![vec![false; columns.count()]; levels.len()];
        let mut cells = Vec::new();
        for (row, level) in levels.iter().enumerate() {
            for (piece, (first, last)) in level.iter().filter(|(_, (first, last))| first < last) {
                if taken[row][*first..=*last].iter().any(|&is| is) {
                    continue;
                }
                taken[row][*first..=*last].fill(true);
                cells.push(MadeCell {
                    row,
                    column: *first,
                    row_span: 1,
                    column_span: last - first + 1,
                    words: piece.words.clone(),
                });
            }
        }
        let used: Vec<usize> = cells.iter().flat_map(|cell| cell.words.clone()).collect();
        for column in 0..columns.count() {
            let is_free: Vec<bool> = taken.iter().map(|level| !level[column]).collect();
            let mut from = 0;
            // A column that nothing names together with others has one cell from the top to the bottom.
            for run in is_free.chunk_by(|a, b| a == b) {
                let to = from + run.len();
                if run[0] {
                    let pieces = levels[from..to].iter().flatten();
                    let mut words: Vec<usize> = pieces
                        .flat_map(|(piece, covers)| self.words_of(piece, *covers, columns, column))
                        .filter(|word| !used.contains(word))
                        .collect();
                    words.sort_unstable();
                    cells.push(MadeCell {
                        row: from,
                        column,
                        row_span: run.len(),
                        column_span: 1,
                        words,
                    });
                }
                from = to;
            }
        }
        self.rescue(band, &mut cells, columns);
        cells.sort_by_key(|cell| (cell.row, cell.column));
        cells
    }

    /// The words of a piece that belong to a column. A name that is wider than its column is not torn apart.
    fn words_of(
        &self,
        piece: &Piece,
        (first, last): (usize, usize),
        columns: &Columns,
        column: usize,
    ) -> Vec<usize> {
        let of_piece = piece.words.iter().copied();
        match first == last {
            true => of_piece.filter(|_| first == column).collect(),
            false => of_piece
                .filter(|&word| columns.column_of(&self.words[word]) == column)
                .collect(),
        }
    }

    /// The lines of a head, those of one row together: a line with a name of several columns is a row of its own.
    fn levels(&self, band: &Band, columns: &Columns) -> Vec<Level> {
        let mut lines: Vec<Level> = Vec::new();
        // From the lowest line up: what lies in the white between columns is the upper part of a name below it, if there is
        // one, and else names both.
        for line in band.lines.iter().rev() {
            let below = lines.last();
            let pieces: Level = line
                .pieces(self.words)
                .into_iter()
                .flat_map(|piece| columns.parts(piece, self.words, line.size))
                .map(|(piece, covers)| {
                    let beside = columns.beside(piece.x0, piece.x1);
                    let own = beside.and_then(|nearer| match below {
                        None => Some((nearer, nearer)),
                        Some(below) => below
                            .iter()
                            .find(|(name, _)| {
                                name.x0 - TOUCH < piece.x1 && piece.x0 < name.x1 + TOUCH
                            })
                            .map(|(_, covers)| *covers),
                    });
                    let covers = self
                        .parted_by_rules(&piece, line, band, columns)
                        .or(own)
                        .unwrap_or(covers);
                    (piece, covers)
                })
                .collect();
            lines.push(pieces);
        }
        let mut levels: Vec<Level> = Vec::new();
        let mut last_is_group = true;
        for line in lines.into_iter().rev() {
            let is_group = line.iter().any(|(_, (first, last))| first < last);
            match levels.last_mut() {
                Some(level) if !is_group && !last_is_group => level.extend(line),
                _ => levels.push(line),
            }
            last_is_group = is_group;
        }
        levels
    }

    /// The columns below the rules that are drawn under a name; none where there are none. A name may stand above several
    /// rules, each of which has names below it.
    fn parted_by_rules(
        &self,
        piece: &Piece,
        line: &TextLine,
        band: &Band,
        columns: &Columns,
    ) -> Option<(usize, usize)> {
        let is_below = |rule: &&Edge| {
            let shared = rule.to.min(piece.x1) - rule.from.max(piece.x0);
            rule.at > band.y0 + 3.0
                && rule.at < band.y1 - 3.0
                && rule.from >= self.x0 - 4.0
                && rule.to <= self.x1 + 4.0
                && rule.at > line.baseline
                && rule.at < line.baseline + 1.5 * line.size
                && shared > 0.25 * (piece.x1 - piece.x0)
                && rule.to - rule.from < 0.9 * (self.x1 - self.x0)
        };
        self.rules
            .iter()
            .filter(is_below)
            .map(|rule| columns.covered_by(rule.from, rule.to))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Gives words of a band that no cell has to the cell that covers their column in the last level.
    fn rescue(&self, band: &Band, cells: &mut [MadeCell], columns: &Columns) {
        let has: Vec<usize> = cells.iter().flat_map(|cell| cell.words.clone()).collect();
        for &word in band.lines.iter().flat_map(|line| &line.words) {
            if has.contains(&word) {
                continue;
            }
            let column = columns.column_of(&self.words[word]);
            let covers = |cell: &&mut MadeCell| {
                (cell.column..cell.column + cell.column_span).contains(&column)
            };
            if let Some(cell) = cells.iter_mut().filter(covers).max_by_key(|cell| cell.row) {
                cell.words.push(word);
            }
        }
    }
}

/// Lets names reach over the whole of each group of columns below them: what stands above names that stand for several
/// columns stands for all of theirs.
fn widen(levels: &mut [Level], columns: &Columns) {
    for upper in (0..levels.len().saturating_sub(1)).rev() {
        let below: Vec<(usize, usize)> = levels[upper + 1]
            .iter()
            .map(|(_, covers)| *covers)
            .filter(|(first, last)| first < last)
            .collect();
        for (piece, covers) in &mut levels[upper] {
            // A name in the middle of several groups covers less of the text below it than it stands for.
            let reached = columns.reached_by(piece.x0, piece.x1);
            let is_reached = |group: &&(usize, usize)| group.0 <= reached.1 && reached.0 <= group.1;
            let groups = || below.iter().filter(is_reached);
            if let (Some(first), Some(last)) = (
                groups().map(|group| group.0).min(),
                groups().map(|group| group.1).max(),
            ) {
                *covers = (covers.0.min(first), covers.1.max(last));
            }
        }
    }
}
