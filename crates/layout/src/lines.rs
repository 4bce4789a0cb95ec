//! Words on lines, and the pieces of a line between wide gaps.

use pagemill_document::Rect;

use crate::{Word, WordKind};

/// White wider than this, in font sizes, parts the pieces of a line: wider than a space of justified prose.
const WIDE_GAP: f32 = 0.95;

/// Words of a region on one baseline, from left to right.
#[derive(Debug, Clone)]
pub(crate) struct TextLine {
    /// Indices of words.
    pub(crate) words: Vec<usize>,
    pub(crate) bbox: Rect,
    pub(crate) baseline: f32,
    pub(crate) size: f32,
}

/// The lines of some words, from top to bottom.
pub(crate) fn lines(words: &[Word], of: impl Iterator<Item = usize>) -> Vec<TextLine> {
    let mut order: Vec<usize> = of.collect();
    order.sort_by(|&a, &b| words[a].baseline.total_cmp(&words[b].baseline));
    let mut found: Vec<TextLine> = Vec::new();
    for index in order {
        let word = &words[index];
        match found.last_mut() {
            Some(line) if belongs(line, word) => {
                line.words.push(index);
                line.bbox = line.bbox.around(word.bbox);
                // Marks and exponents stand higher and are smaller.
                if word.size > line.size {
                    line.size = word.size;
                    line.baseline = word.baseline;
                }
            }
            _ => found.push(TextLine {
                words: vec![index],
                bbox: word.bbox,
                baseline: word.baseline,
                size: word.size,
            }),
        }
    }
    for line in &mut found {
        line.words
            .sort_by(|&a, &b| words[a].bbox.x0.total_cmp(&words[b].bbox.x0));
    }
    found
}

fn belongs(line: &TextLine, word: &Word) -> bool {
    let apart = (word.baseline - line.baseline).abs();
    let (smaller, larger) = (word.size.min(line.size), word.size.max(line.size));
    apart <= 0.25 * smaller || (smaller < 0.8 * larger && apart <= 0.5 * larger)
}

/// A run of words of a line without a wide gap.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) words: Vec<usize>,
    pub(crate) x0: f32,
    pub(crate) x1: f32,
}

impl TextLine {
    /// Its pieces from left to right.
    pub(crate) fn pieces(&self, words: &[Word]) -> Vec<Piece> {
        let mut found: Vec<Piece> = Vec::new();
        for &index in &self.words {
            let rect = words[index].bbox;
            match found.last_mut() {
                Some(piece) if rect.x0 - piece.x1 <= WIDE_GAP * self.size => {
                    piece.words.push(index);
                    piece.x1 = piece.x1.max(rect.x1);
                }
                _ => found.push(Piece {
                    words: vec![index],
                    x0: rect.x0,
                    x1: rect.x1,
                }),
            }
        }
        found
    }

    /// Whether dots lead to what stands at its end, as in a list of contents.
    pub(crate) fn has_leader(&self, words: &[Word]) -> bool {
        self.words
            .iter()
            .any(|&word| words[word].kind == WordKind::Leader)
    }
}

/// Whether words are numbers, all but at most a sign or a unit among them.
pub(crate) fn is_numeric(words: &[Word], of: &[usize]) -> bool {
    let numbers = of
        .iter()
        .filter(|&&word| words[word].kind == WordKind::Number)
        .count();
    let letters: u32 = of
        .iter()
        .filter(|&&word| words[word].kind == WordKind::Text)
        .map(|&word| u32::from(words[word].characters))
        .sum();
    numbers > 0 && letters <= 3
}
