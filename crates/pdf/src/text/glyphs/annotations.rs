//! Text that only annotations show, put among the glyphs of the page: values of form fields, and free text.
//!
//! PDFium's text page holds what the page's content shows. What annotations show on top of it is known from the
//! objects; where its letters stand exactly is not, so they are spread over the annotation's rectangle.

use super::PageGlyphs;
use crate::annotation_text::AnnotationText;
use crate::text::layout::{Direction, Glyph};
use pagemill_document::{Letters, Rect};

/// Size of text whose annotation does not say it, in points, where there is room for it.
const USUAL_SIZE: f32 = 12.0;

/// Smallest size that is believed.
const SMALLEST_SIZE: f32 = 4.0;

/// Width of a letter in font sizes.
const LETTER: f32 = 0.5;

/// Distance of two lines in font sizes.
const LEADING: f32 = 1.15;

impl PageGlyphs {
    /// Adds what annotations show, unless the page's own content shows it in the same place already.
    pub(crate) fn add_annotations(&mut self, texts: &[AnnotationText]) {
        for text in texts {
            let is_shown = self.anchor(text.bbox).is_some_and(|under| {
                let (under, shown) = (packed(&under), packed(&text.text));
                !shown.is_empty() && under.contains(&shown)
            });
            let number = u16::try_from(self.annotations.len() + 1);
            let (false, Ok(number)) = (is_shown, number) else {
                continue;
            };
            let before = self.glyphs.len();
            self.spread(text, number);
            if self.glyphs.len() > before {
                self.annotations.push(text.clone());
            }
        }
        // Links are looked up among the glyphs of the page itself.
        if self.annotations.is_empty() {
            return;
        }
        let _ = self.middles.take();
    }

    fn spread(&mut self, text: &AnnotationText, number: u16) {
        let Rect { x0, y0, x1, y1 } = text.bbox;
        let (width, height) = (x1 - x0, y1 - y0);
        let size = text.size.filter(|size| *size >= SMALLEST_SIZE);
        let size = size
            .unwrap_or(USUAL_SIZE)
            .min((height * 0.9).max(SMALLEST_SIZE))
            .max(SMALLEST_SIZE);
        let per_line = ((width / (LETTER * size)) as usize).max(1);
        let lines: Vec<String> = text
            .text
            .lines()
            .flat_map(|line| wrapped(line, per_line, text.is_multiline))
            .collect();
        let is_single = lines.len() == 1;
        for (row, line) in lines.iter().enumerate() {
            let baseline = match is_single && !text.is_multiline {
                true => (y0 + y1) / 2.0 + 0.3 * size,
                false => y0 + size * (1.0 + LEADING * row as f32),
            };
            let letters = line.chars().count().max(1) as f32;
            let advance = (LETTER * size).min(width / letters).max(0.01);
            let mut space_before = true;
            for (column, ch) in line.chars().enumerate() {
                if ch.is_whitespace() {
                    space_before = true;
                    continue;
                }
                let left = x0 + advance * column as f32;
                self.glyphs.push(Glyph {
                    ch,
                    x0: left,
                    x1: left + advance,
                    top: baseline - 0.8 * size,
                    bottom: baseline + 0.2 * size,
                    baseline,
                    size,
                    bold: false,
                    space_before,
                    piece: false,
                    annotation: number,
                    direction: Direction::default(),
                });
                space_before = false;
            }
        }
    }
}

/// The letters of a text in their order, without white space.
fn packed(text: &str) -> String {
    text.chars().filter(|ch| !ch.is_whitespace()).collect()
}

/// A line in lines of at most so many characters, parted at white space where there is some.
fn wrapped(line: &str, most: usize, may_wrap: bool) -> Vec<String> {
    if !may_wrap || line.chars().count() <= most {
        return vec![line.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        match lines.last_mut() {
            Some(open) if open.chars().count() + 1 + word.chars().count() <= most => {
                open.push(' ');
                open.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    debug_assert_eq!(Letters::of(line), Letters::of(&lines.join(" ")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_wrapped_between_words() {
        assert_eq!(wrapped("one two three", 7, true), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 7, false), ["one two three"]);
    }
}
