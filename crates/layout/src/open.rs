//! Tables without any rules. Only where the columns hold numbers: columns of words look the same in an address, a list of
//! contents or a page in columns.

use crate::columns::Columns;
use crate::lines::{TextLine, is_numeric, lines};
use crate::ruled::table_of_lines;
use crate::{TableShape, Word};

/// Rows of numbers that a table has at least.
const FEWEST_ROWS: usize = 3;

/// Lines of a table follow each other at most so far apart, in font sizes.
const FARTHEST_LINE: f32 = 2.4;

/// A piece of text wider than this part of a row is a line of prose.
const PROSE: f32 = 0.7;

/// Lines of a head that are looked for above the numbers.
const HEAD_LINES: usize = 3;

/// The tables among the free words.
pub(crate) fn find(words: &[Word], free: &[bool], taken: &[TableShape]) -> Vec<TableShape> {
    let lines = lines(words, (0..words.len()).filter(|&word| free[word]));
    let is_beside_table = |line: &TextLine| {
        taken
            .iter()
            .any(|table| line.bbox.y1 > table.bbox.y0 && line.bbox.y0 < table.bbox.y1)
    };
    let is_row: Vec<bool> = lines
        .iter()
        .map(|line| is_row_of_numbers(words, line) && !is_beside_table(line))
        .collect();
    let mut found = Vec::new();
    let mut start = 0;
    while start < lines.len() {
        if !is_row[start] {
            start += 1;
            continue;
        }
        let mut end = start + 1;
        let mut last_row = start;
        while end < lines.len()
            && end - last_row <= 2
            && follows(&lines[end - 1], &lines[end])
            && !is_prose(words, &lines[end], &lines[last_row])
        {
            if is_row[end] {
                last_row = end;
            }
            end += 1;
        }
        end = last_row + 1;
        let columns = Columns::of(words, &lines[start..end]);
        let head = head_lines(words, &lines, start, &columns);
        found.extend(table(words, &lines[start - head..end], head));
        start = end;
    }
    found
}

fn follows(upper: &TextLine, lower: &TextLine) -> bool {
    lower.baseline - upper.baseline <= FARTHEST_LINE * upper.size.max(lower.size)
}

/// Whether a line has no white as wide as that between columns, and yet reaches beyond the first columns of a row.
fn is_prose(words: &[Word], line: &TextLine, row: &TextLine) -> bool {
    let pieces = line.pieces(words);
    let width = row.bbox.x1 - row.bbox.x0;
    pieces.len() == 1 && pieces[0].x1 - pieces[0].x0 > PROSE * width
}

/// A name and at least two numbers, each apart.
fn is_row_of_numbers(words: &[Word], line: &TextLine) -> bool {
    let pieces = line.pieces(words);
    let numeric = pieces
        .iter()
        .filter(|piece| is_numeric(words, &piece.words))
        .count();
    numeric >= 2 && numeric * 2 >= pieces.len() && !line.has_leader(words)
}

/// How many lines above the first row of numbers name its columns.
fn head_lines(words: &[Word], lines: &[TextLine], first: usize, columns: &Columns) -> usize {
    let mut head = 0;
    while head < HEAD_LINES.min(first) {
        let line = &lines[first - head - 1];
        let is_near = follows(line, &lines[first - head]);
        let says_table = line.words.iter().any(|&word| words[word].names_table);
        let is_head = line.pieces(words).len() >= 2 || columns.begin_in(line, words);
        if !is_near || !is_head || says_table {
            break;
        }
        head += 1;
    }
    head
}

fn table(words: &[Word], lines: &[TextLine], head: usize) -> Option<TableShape> {
    let body = &lines[head..];
    if body.len() < FEWEST_ROWS {
        return None;
    }
    let columns = Columns::of(words, body);
    let mut numeric = vec![0; columns.count()];
    let mut filled = vec![0; columns.count()];
    for line in body {
        let mut cells: Vec<Vec<usize>> = vec![Vec::new(); columns.count()];
        for &word in &line.words {
            cells[columns.column_of(&words[word])].push(word);
        }
        for (column, cell) in cells
            .iter()
            .enumerate()
            .filter(|(_, cell)| !cell.is_empty())
        {
            filled[column] += 1;
            numeric[column] += usize::from(is_numeric(words, cell));
        }
    }
    let of_numbers = (0..columns.count())
        .filter(|&column| {
            numeric[column] >= FEWEST_ROWS && numeric[column] * 10 >= filled[column] * 6
        })
        .count();
    // The first column names the rows, or counts them; the labels of an axis name nothing.
    let names = filled[0] * 10 >= body.len() * 6;
    (of_numbers >= 2 && columns.count() >= 3 && names)
        .then(|| table_of_lines(words, lines, head))
        .flatten()
}
