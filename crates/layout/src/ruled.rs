//! Tables with rules above each other and none that cross them: below the head, between rows, or around the whole; and
//! tables of which only the head is filled.
//!
//! Rules of one width make a stack, and bands between them. Bands of prose, such as a page between the rules of its head
//! and foot, end a table. The first band is its head where there are more.

use crate::columns::Columns;
use crate::edges::{Edge, Edges};
use crate::lines::{TextLine, is_numeric, lines};
use crate::{TableShape, Word, middle};

mod head;
mod rows;

use rows::MadeCell;

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

/// Lines of a paragraph follow each other within so many font sizes.
const NEXT_OF_PARAGRAPH: f32 = 1.9;

/// The first line of a paragraph stands in by less than this, in font sizes.
const INDENT: f32 = 3.0;

/// Rows below a head that a table has at least where they fill one column only.
const FEWEST_LISTED: usize = 3;

/// A table's caption is so near, in points.
const CAPTION_WITHIN: f32 = 24.0;

/// Of the lines of two columns, one of so many at least begins in the first: a title beside a paragraph is no table.
const NAMED: usize = 5;

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
    /// Whether there is text above or below it instead of a rule.
    is_part: bool,
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
        if let [top, below_head, bottom] = stack {
            let run = [
                self.band(top.at, below_head.at),
                self.band(below_head.at, bottom.at),
            ];
            if self.is_captioned_list(&run) {
                found.extend(self.table(&run));
                return;
            }
        }
        let bands: Vec<Band> = stack
            .windows(2)
            .flat_map(|pair| self.without_prose(self.band(pair[0].at, pair[1].at)))
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
            // One rule makes no table.
            if !run.is_empty() && run.iter().any(|band| !band.is_part) {
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
            is_part: false,
        }
    }

    /// The parts of a band above and below the paragraphs in it, and these as bands of their own: several wide lines below
    /// each other, and the short one that ends them. Between the last rule of a table and the first one of the next stands text.
    fn without_prose(&self, band: Band) -> Vec<Band> {
        let left = band.lines.iter().map(|line| line.bbox.x0);
        let left = left.fold(f32::INFINITY, f32::min);
        // The lines of a wrapped cell are wide too, but stand beside the column that names its row.
        let begins_left = |line: &TextLine| line.bbox.x0 - left < INDENT * line.size;
        let mut is_wide: Vec<bool> = band
            .lines
            .iter()
            .map(|line| self.is_wide(line) && begins_left(line))
            .collect();
        let follows = |line: usize| {
            let (above, line) = (&band.lines[line - 1], &band.lines[line]);
            line.baseline - above.baseline < NEXT_OF_PARAGRAPH * line.size.max(above.size)
        };
        let mut is_prose = vec![false; is_wide.len()];
        for line in 1..is_wide.len() {
            let ends = is_prose[line - 1] && band.lines[line].pieces(self.words).len() == 1;
            if follows(line) && is_wide[line - 1] && (is_wide[line] || ends) {
                is_prose[line - 1] = true;
                is_prose[line] = true;
                is_wide[line] |= ends;
            }
        }
        if !is_prose.contains(&true) || !is_prose.contains(&false) {
            return vec![band];
        }
        let mut parts = Vec::new();
        let mut y0 = band.y0;
        let mut from = 0;
        for run in is_prose.chunk_by(|a, b| a == b) {
            let mut lines = band.lines[from..from + run.len()].to_vec();
            from += run.len();
            // What follows a paragraph is the heading of what comes next, up to the first names of columns.
            if !parts.is_empty() && !run[0] {
                let is_row = |line: &TextLine| line.pieces(self.words).len() >= 2;
                let rows = lines.iter().position(is_row).unwrap_or(lines.len());
                lines.drain(..rows);
            }
            let Some(last) = lines.last() else {
                continue;
            };
            let y1 = match band.lines.get(from) {
                Some(next) => (last.bbox.y1 + next.bbox.y0) / 2.0,
                None => band.y1,
            };
            parts.push(Band {
                y0,
                y1,
                lines,
                is_part: true,
            });
            y0 = y1;
        }
        parts
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
        let run = &self.with_bold_head(run);
        let mut bands = run.to_vec();
        let enclosed: usize = bands.iter().map(|band| band.lines.len()).sum();
        if bands.len() == 1 && enclosed <= 4 || bands.len() == 2 && enclosed <= 2 {
            // Only the head is between rules.
            bands.extend(self.below(bands.last()?));
        }
        let has_head = bands.len() >= 2 && !self.are_entries(&bands[0].lines);
        let body = bands.iter().skip(usize::from(has_head));
        let body: Vec<TextLine> = body.flat_map(|band| band.lines.clone()).collect();
        let all: Vec<TextLine> = bands.iter().flat_map(|band| band.lines.clone()).collect();
        let mut columns = Columns::of(self.words, &body);
        if columns.count() < 2 || body.len() < 2 {
            columns = Columns::of(self.words, &all);
        }
        if columns.count() < 2 && run.len() == 2 {
            columns = self.columns_of_head(run).unwrap_or(columns);
        }
        let is_table = match columns.count() {
            1 => self.is_captioned_list(run),
            _ => {
                self.is_table(&all, &columns)
                    && !(run.len() < 3 && self.is_side_title(&all, &columns))
            }
        };
        if !is_table {
            return None;
        }
        if has_head && columns.count() > 1 {
            columns = columns.with_head(self.words, &body, bands[0].lines.last());
        }
        let mut rows = Vec::new();
        let mut head_rows = 0;
        for (number, band) in bands.iter().enumerate() {
            if number == 0 && has_head {
                rows.extend(self.head(band, &columns));
                head_rows = rows.last().map_or(0, |row: &MadeCell| row.row + 1);
                continue;
            }
            let first = rows.last().map_or(0, |row: &MadeCell| row.row + 1);
            rows.extend(self.body(band, &columns, first, bands.len() > RULED_ROWS));
        }
        self.shape(rows, &bands, &columns, head_rows)
    }

    /// Whether lines are rows of names and values, and no names of columns over several lines: each begins at the left, and
    /// has something beside it.
    fn are_entries(&self, lines: &[TextLine]) -> bool {
        let begins_left = |line: &TextLine| line.bbox.x0 - self.x0 < INDENT * line.size;
        let has_value = |line: &&TextLine| line.pieces(self.words).len() == 2;
        lines.len() >= FEWEST_LISTED
            && lines.iter().all(begins_left)
            && lines.iter().filter(has_value).count() * 2 > lines.len()
    }

    /// The bands of a table with the first line of a single one as its head, where that alone is bold.
    fn with_bold_head(&self, run: &[Band]) -> Vec<Band> {
        let ([band], Some((first, rest))) = (run, run[0].lines.split_first()) else {
            return run.to_vec();
        };
        let is_bold = |line: &TextLine| line.words.iter().all(|&word| self.words[word].bold);
        let has_bold = |line: &TextLine| line.words.iter().any(|&word| self.words[word].bold);
        if rest.len() < FEWEST_LISTED || !is_bold(first) || rest.iter().any(has_bold) {
            return run.to_vec();
        }
        let between = (first.bbox.y1 + rest[0].bbox.y0) / 2.0;
        let part = |y0, y1, lines: &[TextLine]| Band {
            y0,
            y1,
            lines: lines.to_vec(),
            is_part: band.is_part,
        };
        let head = part(band.y0, between, std::slice::from_ref(first));
        vec![head, part(between, band.y1, rest)]
    }

    /// The columns that a head alone names: those of a form whose rows are named, and otherwise to be filled in.
    fn columns_of_head(&self, run: &[Band]) -> Option<Columns> {
        let [head, body] = run else {
            return None;
        };
        let [names] = head.lines.as_slice() else {
            return None;
        };
        let columns = Columns::of_names(self.words, names);
        let (_, end) = columns.sides(0, self.x0, self.x1);
        let is_in_first = |line: &TextLine| line.bbox.x1 <= end;
        let is_form = columns.count() >= 2
            && body.lines.len() >= FEWEST_LISTED
            && body.lines.iter().all(is_in_first);
        is_form.then_some(columns)
    }

    /// Whether the rules around a name and the lines below it are those of a table of one column: its caption says so, and
    /// the rules are as wide as the text.
    fn is_captioned_list(&self, run: &[Band]) -> bool {
        let [head, body] = run else {
            return false;
        };
        let (top, bottom) = (head.y0 - CAPTION_WITHIN, body.y1 + CAPTION_WITHIN);
        let is_named = self.words.iter().any(|word| {
            let (x, y) = middle(word.bbox);
            word.names_table
                && (self.x0 - CAPTION_WITHIN..=self.x1 + CAPTION_WITHIN).contains(&x)
                && (top..=bottom).contains(&y)
        });
        let of_body = body.lines.iter().map(|line| line.bbox.x1 - line.bbox.x0);
        let widest = of_body.fold(0.0_f32, f32::max);
        is_named
            && head.lines.len() == 1
            && body.lines.len() >= FEWEST_LISTED
            && widest >= WIDE * (self.x1 - self.x0)
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
            is_part: false,
        })
    }

    /// Whether the first of two columns holds next to nothing beside the lines of the other: a title in the margin of its text.
    /// Where rules part several rows they say what is a table.
    fn is_side_title(&self, all: &[TextLine], columns: &Columns) -> bool {
        let names_row = |line: &&TextLine| {
            let mut of_line = line.words.iter();
            of_line.any(|&word| columns.column_of(&self.words[word]) == 0)
        };
        columns.count() == 2 && all.iter().filter(names_row).count() * NAMED < all.len()
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
            is_part: false,
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
