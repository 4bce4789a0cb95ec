//! Columns without rules between them: where all rows have white at the same place.

use crate::lines::{Piece, TextLine};
use crate::{Word, middle};

/// White between columns is at least this wide, in font sizes, where many rows share it.
const NARROWEST: f32 = 0.55;

/// The same where so many rows share it; the less there are, the more of it is chance.
const NARROWEST_OF: [f32; 5] = [1.1, 1.1, 1.1, 0.85, 0.7];

/// Words begin at one place where they differ by no more than this, in points.
const ALIGNED: f32 = 1.5;

/// White between words of one line that is wider than a space, in font sizes.
const WIDER_THAN_SPACE: f32 = 0.45;

/// Of the rows that have several pieces, at least this part has text on both sides of the white.
const BOTH_SIDES: f32 = 0.3;

/// The white between the columns of a region.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    /// From left to right.
    gutters: Vec<(f32, f32)>,
}

impl Columns {
    /// The columns that lines share; one, where they share none.
    pub(crate) fn of(words: &[Word], lines: &[TextLine]) -> Self {
        let structured: Vec<&TextLine> = lines
            .iter()
            .filter(|line| line.pieces(words).len() >= 2)
            .collect();
        // A heading between rows, and the second line of a wide cell, cross what parts the columns.
        let counted: Vec<&TextLine> = match structured.len() {
            0 | 1 => lines.iter().collect(),
            _ => structured,
        };
        let size = counted.iter().map(|line| line.size).fold(0.0_f32, f32::max);
        let narrowest = size
            * NARROWEST_OF
                .get(counted.len())
                .copied()
                .unwrap_or(NARROWEST);
        let mut gutters = gaps(words, &counted, counted.len() / 12);
        gutters.retain(|(x0, x1)| x1 - x0 >= narrowest);
        let mut columns = Self { gutters };
        columns.drop_unshared(words, &counted);
        columns
    }

    /// The same, without white that is narrower than this.
    pub(crate) fn wider_than(mut self, narrowest: f32) -> Self {
        self.gutters.retain(|(x0, x1)| x1 - x0 >= narrowest);
        self
    }

    /// The columns that the names on one line have, by white that is wider than a space.
    pub(crate) fn of_names(words: &[Word], line: &TextLine) -> Self {
        let sides = line.words.iter().map(|&word| words[word].bbox);
        let sides: Vec<(f32, f32)> = sides.map(|bbox| (bbox.x0, bbox.x1)).collect();
        let white = sides.windows(2).map(|pair| (pair[0].1, pair[1].0));
        let is_wide = |(x0, x1): &(f32, f32)| x1 - x0 > NARROWEST * line.size;
        Self {
            gutters: white.filter(is_wide).collect(),
        }
    }

    /// The same columns, with their white where the last line of the head has it too: names may be wider than what is below
    /// them.
    pub(crate) fn with_head(
        self,
        words: &[Word],
        body: &[TextLine],
        head: Option<&TextLine>,
    ) -> Self {
        let Some(head) = head else {
            return self;
        };
        let lines: Vec<TextLine> = body.iter().chain([head]).cloned().collect();
        let with = Self::of(words, &lines);
        match with.count() == self.count() {
            true => with,
            false => self,
        }
    }

    /// Takes out white with text on both sides in few lines only: the column beside it is part of its neighbour.
    fn drop_unshared(&mut self, words: &[Word], lines: &[&TextLine]) {
        loop {
            let mut filled = vec![vec![false; self.count()]; lines.len()];
            for (line, filled) in lines.iter().zip(&mut filled) {
                for &word in &line.words {
                    filled[self.column_of(&words[word])] = true;
                }
            }
            let shared = |gutter: usize| {
                filled
                    .iter()
                    .filter(|line| {
                        let before = line[..=gutter].iter().any(|&is| is);
                        let after = line[gutter + 1..].iter().any(|&is| is);
                        before && after && (line[gutter] || line[gutter + 1])
                    })
                    .count()
            };
            let least = ((lines.len() as f32 * BOTH_SIDES).ceil() as usize).max(2);
            let weakest = (0..self.gutters.len())
                .map(|gutter| (shared(gutter), gutter))
                .min();
            match weakest {
                Some((count, gutter)) if count < least => {
                    self.gutters.remove(gutter);
                }
                _ => return,
            }
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.gutters.len() + 1
    }

    /// The column that a word stands in.
    pub(crate) fn column_of(&self, word: &Word) -> usize {
        self.column_at(middle(word.bbox).0)
    }

    /// The column of a place.
    pub(crate) fn column_at(&self, x: f32) -> usize {
        self.gutters
            .partition_point(|(x0, x1)| (x0 + x1) / 2.0 <= x)
    }

    /// The columns whose text a stretch covers, the last one included: it may reach into the white on both sides of them.
    /// What lies in the white between two columns covers both.
    pub(crate) fn covered_by(&self, x0: f32, x1: f32) -> (usize, usize) {
        let first = self.gutters.partition_point(|gutter| gutter.0 <= x0 + 1.0);
        let last = self.gutters.partition_point(|gutter| gutter.1 < x1 - 1.0);
        (first.min(last), last.max(first))
    }

    /// The columns whose text or the white beside it a stretch reaches, the last one included.
    pub(crate) fn reached_by(&self, x0: f32, x1: f32) -> (usize, usize) {
        let first = self.gutters.partition_point(|gutter| gutter.1 <= x0 + 1.0);
        let last = self.gutters.partition_point(|gutter| gutter.0 < x1 - 1.0);
        (first.min(last), last)
    }

    /// The nearer one of two columns, where a stretch lies in the white between them.
    pub(crate) fn beside(&self, x0: f32, x1: f32) -> Option<usize> {
        let within = |white: &(f32, f32)| white.0 <= x0 + 1.0 && x1 - 1.0 <= white.1;
        let left = self.gutters.iter().position(within)?;
        let white = self.gutters[left];
        Some(left + usize::from(x0 - white.0 > white.1 - x1))
    }

    /// Whether a word of a line begins where each column does: names may stand so close that only this parts them.
    pub(crate) fn begin_in(&self, line: &TextLine, words: &[Word]) -> bool {
        self.gutters.iter().all(|&gutter| {
            let mut of_line = line.words.windows(2);
            of_line.any(|pair| self.is_aligned(gutter, words, pair[0], pair[1]))
        })
    }

    /// Whether two words of a line are parted by the end of a gutter.
    fn is_aligned(&self, gutter: (f32, f32), words: &[Word], left: usize, right: usize) -> bool {
        let (left, right) = (words[left].bbox, words[right].bbox);
        (right.x0 - gutter.1).abs() <= ALIGNED && left.x1 < right.x0
    }

    /// The columns of a piece of a head. White between its words that is wider than a space, in the place of a gutter, parts
    /// it: the names of narrow columns stand close.
    pub(crate) fn parts(
        &self,
        piece: Piece,
        words: &[Word],
        size: f32,
    ) -> Vec<(Piece, (usize, usize))> {
        let line = TextLine {
            words: piece.words.clone(),
            bbox: words[piece.words[0]].bbox,
            baseline: 0.0,
            size,
        };
        let is_aligned = self.count() >= 3 && self.begin_in(&line, words);
        let mut parts: Vec<Piece> = Vec::new();
        let mut before = piece.words[0];
        for &word in &piece.words {
            let rect = words[word].bbox;
            let begins = parts.last().is_none_or(|part| {
                rect.x0 - part.x1 > WIDER_THAN_SPACE * size
                    && self
                        .gutters
                        .iter()
                        .any(|gutter| gutter.0 < rect.x0 && part.x1 < gutter.1)
                    || is_aligned
                        && self
                            .gutters
                            .iter()
                            .any(|&gutter| self.is_aligned(gutter, words, before, word))
            });
            before = word;
            match parts.last_mut() {
                Some(part) if !begins => {
                    part.words.push(word);
                    part.x1 = part.x1.max(rect.x1);
                }
                _ => parts.push(Piece {
                    words: vec![word],
                    x0: rect.x0,
                    x1: rect.x1,
                }),
            }
        }
        let parts = parts.into_iter().map(|part| {
            let covers = self.covered_by(part.x0, part.x1);
            (part, covers)
        });
        parts.collect()
    }

    /// The sides of a column, in a region that reaches from `x0` to `x1`.
    pub(crate) fn sides(&self, column: usize, x0: f32, x1: f32) -> (f32, f32) {
        let half = |gutter: &(f32, f32)| (gutter.0 + gutter.1) / 2.0;
        let left = match column {
            0 => x0,
            _ => half(&self.gutters[column - 1]),
        };
        let right = self.gutters.get(column).map_or(x1, half);
        (left, right)
    }
}

/// White between words that at most `tolerated` lines have a word in.
fn gaps(words: &[Word], lines: &[&TextLine], tolerated: usize) -> Vec<(f32, f32)> {
    let mut ends: Vec<(f32, i32)> = Vec::new();
    for line in lines {
        // Within a line words may overlap: each stretch counts once.
        let mut open: Option<(f32, f32)> = None;
        for &word in &line.words {
            let (x0, x1) = (words[word].bbox.x0, words[word].bbox.x1);
            match &mut open {
                Some(open) if x0 <= open.1 => open.1 = open.1.max(x1),
                _ => {
                    if let Some((from, to)) = open.replace((x0, x1)) {
                        ends.extend([(from, 1), (to, -1)]);
                    }
                }
            }
        }
        if let Some((from, to)) = open {
            ends.extend([(from, 1), (to, -1)]);
        }
    }
    ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let tolerated = tolerated as i32;
    let mut found = Vec::new();
    let mut depth = 0;
    let mut white_from: Option<f32> = None;
    for (x, step) in ends {
        let before = depth;
        depth += step;
        if before > tolerated && depth <= tolerated {
            white_from = Some(x);
        } else if before <= tolerated
            && depth > tolerated
            && let Some(from) = white_from.take()
        {
            found.push((from, x));
        }
    }
    found
}
