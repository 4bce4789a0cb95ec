//! Glyphs of what was read from a picture, so that it is laid out as any other text.
//!
//! The reader gives words. Where the letters of a word stand in its box is not known and taken from the widths that
//! letters usually have; on which line a word stands is known but for what hangs below it. The lines that it saw are rules.

use pagemill_layout::{Axis, Rule};
use pagemill_ocr::{Reading, StraightLine, Word};

use super::PageGlyphs;
use crate::text::layout::{Direction, Glyph, is_ideographic, turn_down};

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
                match runs_down(word) {
                    true => self.spell_down(word, points),
                    false => self.spell(word, points, baseline),
                }
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

    /// The letters of a word that is read from top to bottom: below each other, and of one height.
    fn spell_down(&mut self, word: &Word, points: f32) {
        let [x0, y0, x1, y1] = word.bounds.map(|edge| edge * points);
        let height = (y1 - y0) / word.text.chars().count() as f32;
        for (place, ch) in word.text.chars().enumerate() {
            let top = y0 + height * place as f32;
            let mut glyph = Glyph {
                ch,
                x0,
                x1,
                top,
                bottom: top + height,
                baseline: top + height,
                size: size(word, points),
                bold: false,
                space_before: place == 0,
                piece: false,
                annotation: 0,
                direction: Direction::default(),
            };
            turn_down(&mut glyph);
            self.glyphs.push(glyph);
        }
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

/// Whether a word is a column of Chinese or Japanese letters.
fn runs_down(word: &Word) -> bool {
    let [x0, y0, x1, y1] = word.bounds;
    let letters = word.text.chars().count();
    let ideographs = word.text.chars().filter(|ch| is_ideographic(*ch)).count();
    // There may be digits among them.
    y1 - y0 > x1 - x0 && ideographs >= 2 && ideographs * 2 >= letters
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

#[cfg(test)]
mod tests {
    use pagemill_document::PageNumber;
    use pagemill_reader::Limits;

    use super::*;

    fn word(text: &str, bounds: [f32; 4]) -> Word {
        Word {
            text: text.to_owned(),
            bounds,
            confidence: 99.0,
            size: 12.0,
            begins_line: true,
            begins_block: false,
        }
    }

    #[test]
    fn columns_of_japanese_are_read_from_the_right_to_the_left() {
        // As a row of boxes is read, from the left to the right.
        let words = vec![
            word("五枚が割れており", [176.0, 100.0, 188.0, 196.0]),
            word("二十四枚のうち、", [198.0, 100.0, 210.0, 196.0]),
            word("水車の羽根には、", [220.0, 100.0, 232.0, 196.0]),
        ];
        let reading = Reading {
            words,
            ..Reading::default()
        };
        let page = PageGlyphs::of_reading(&reading, [400.0, 600.0], 0, 1.0);
        let text = page.text(PageNumber(1), &Limits::default());
        let letters: String = text.text.split_whitespace().collect();
        assert_eq!(letters, "水車の羽根には、二十四枚のうち、五枚が割れており");
        let size = text.blocks[0].lines[0].font_size;
        assert!((size - 12.0).abs() < 1.0, "{size}");
    }

    #[test]
    fn a_column_is_of_several_ideographs_and_higher_than_wide() {
        assert!(runs_down(&word("水車", [0.0, 0.0, 12.0, 24.0])));
        assert!(!runs_down(&word("水車", [0.0, 0.0, 24.0, 12.0])));
        assert!(!runs_down(&word("水", [0.0, 0.0, 11.0, 12.0])));
        assert!(!runs_down(&word("Il", [0.0, 0.0, 8.0, 12.0])));
    }
}
