//! Glyphs of what was read from a picture, so that it is laid out as any other text.
//!
//! The reader gives words. Where the letters of a word stand in its box is not known and taken from the widths that
//! letters usually have; on which line a word stands is known but for what hangs below it. The lines that it saw are rules.

use pagemill_layout::{Axis, Rule};
use pagemill_ocr::{Reading, StraightLine, Word};

use super::PageGlyphs;
use crate::text::layout::{Direction, Glyph};

/// Part of a letter's size that hangs below the line, and that stands above it.
const BELOW: f32 = 0.21;
const ABOVE: f32 = 0.75;

/// Letters and signs that hang below the line.
const HANGING: &str = "gjpqy,;()[]{}Q/|çęşţþ";

/// Letters that are narrow, and wide, in font sizes; others are between.
const NARROW: &str = "ijlI.,:;'`|!()[]{}ftr1-";
const WIDE: &str = "mwMW@%—";
const WIDTHS: [f32; 3] = [0.3, 0.55, 0.85];

impl PageGlyphs {
    /// The glyphs of a reading, on a page of `width` and `height` points as seen; a pixel has so many `points`.
    pub(crate) fn of_reading(
        reading: &Reading,
        [width, height]: [f32; 2],
        rotation: u16,
        points: f32,
    ) -> Self {
        let mut page = Self {
            width,
            height,
            rotation,
            ..Self::default()
        };
        page.add_reading(reading, points);
        page
    }

    /// Adds what was read of a picture, with its place on the page, to the glyphs and the rules. A pixel has so many
    /// `points`.
    pub(crate) fn add_reading(&mut self, reading: &Reading, points: f32) {
        for line in lines(&reading.words) {
            let baseline = Baseline::of(line, points);
            for word in line {
                self.spell(word, points, baseline);
            }
        }
        self.add_lines(&reading.lines, points);
    }

    /// Adds the lines of a picture to the rules.
    pub(crate) fn add_lines(&mut self, lines: &[StraightLine], points: f32) {
        let rules = lines.iter().map(|line| Rule {
            axis: match line.is_level {
                true => Axis::Horizontal,
                false => Axis::Vertical,
            },
            at: line.at * points,
            from: line.from * points,
            to: line.to * points,
        });
        self.drawn.drawing.rules.extend(rules);
    }

    fn spell(&mut self, word: &Word, points: f32, baseline: Baseline) {
        let [x0, _, x1, _] = word.bounds.map(|edge| edge * points);
        let size = size(word, points);
        let whole: f32 = word.text.chars().map(usual_width).sum();
        let mut left = x0;
        for (place, ch) in word.text.chars().enumerate() {
            let right = left + (x1 - x0) * usual_width(ch) / whole;
            let base = baseline.at((left + right) / 2.0);
            self.glyphs.push(Glyph {
                ch,
                x0: left,
                x1: right,
                top: base - ABOVE * size,
                bottom: base + BELOW * size,
                baseline: base,
                size,
                bold: false,
                space_before: place == 0,
                piece: false,
                annotation: 0,
                direction: Direction::default(),
            });
            left = right;
        }
    }
}

/// The words of each line.
fn lines(words: &[Word]) -> impl Iterator<Item = &[Word]> {
    words.chunk_by(|_, word| !word.begins_line)
}

/// The size of a word's letters in points.
fn size(word: &Word, points: f32) -> f32 {
    let height = (word.bounds[3] - word.bounds[1]) * points;
    match word.size > 0.0 {
        // One line of the reader's may go through a heading and the text beside it.
        true => word.size.min(height * 2.5),
        false => height / (ABOVE + BELOW),
    }
    .max(1.0)
}

fn usual_width(ch: char) -> f32 {
    let [narrow, between, wide] = WIDTHS;
    match ch {
        ch if NARROW.contains(ch) => narrow,
        ch if WIDE.contains(ch) => wide,
        _ => between,
    }
}

/// The line that words stand on: a straight one, which need not be level.
#[derive(Debug, Clone, Copy)]
struct Baseline {
    through: [f32; 2],
    slope: f32,
}

impl Baseline {
    fn of(words: &[Word], points: f32) -> Self {
        let feet: Vec<[f32; 2]> = words
            .iter()
            .map(|word| {
                let [x0, _, x1, bottom] = word.bounds.map(|edge| edge * points);
                let hangs = word.text.chars().any(|ch| HANGING.contains(ch));
                let below = if hangs {
                    BELOW * size(word, points)
                } else {
                    0.0
                };
                [(x0 + x1) / 2.0, bottom - below]
            })
            .collect();
        let count = feet.len().max(1) as f32;
        let [x, y] = feet.iter().fold([0.0, 0.0], |[x, y], foot| {
            [x + foot[0] / count, y + foot[1] / count]
        });
        // Least squares. Two words say nothing sure of a slope.
        let (mut along, mut across) = (0.0, 0.0);
        for foot in &feet {
            along += (foot[0] - x).powi(2);
            across += (foot[0] - x) * (foot[1] - y);
        }
        let slope = if feet.len() > 2 && along > 0.0 {
            across / along
        } else {
            0.0
        };
        Self {
            through: [x, y],
            slope,
        }
    }

    fn at(self, x: f32) -> f32 {
        self.through[1] + (x - self.through[0]) * self.slope
    }
}
