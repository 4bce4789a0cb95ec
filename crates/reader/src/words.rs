//! Words that are to be written into a searchable copy of a file.

use pagemill_document::{OcrWord, PageNumber, PageText, Rect};
use serde::{Deserialize, Serialize};

/// The words that were read from the picture of a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageWords {
    /// Its number, from 1.
    pub page: PageNumber,
    /// In the order in which they were read.
    pub words: Vec<PlacedWord>,
}

/// A word and its box on the page as seen: left, top, right, bottom, in points from the top left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlacedWord(pub String, pub [f32; 4]);

impl PageWords {
    /// Those of a page, where it was read from its picture and there are some.
    pub fn of(text: &PageText) -> Option<Self> {
        let words: Vec<PlacedWord> = text
            .ocr
            .iter()
            .flat_map(|ocr| &ocr.words)
            .filter_map(placed)
            .collect();
        (!words.is_empty()).then_some(Self {
            page: text.page,
            words,
        })
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.words.len()
    }
}

/// A word with a box that it can be set in, to a tenth of a point.
fn placed(word: &OcrWord) -> Option<PlacedWord> {
    let Rect { x0, y0, x1, y1 } = word.bbox;
    let edges = [x0, y0, x1, y1].map(|edge| (edge * 10.0).round() / 10.0);
    let is_box =
        edges.iter().all(|edge| edge.is_finite()) && edges[0] < edges[2] && edges[1] < edges[3];
    (is_box && !word.text.trim().is_empty()).then(|| PlacedWord(word.text.trim().to_owned(), edges))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_has_no_box_or_no_letters_is_left_out() {
        let word = |text: &str, x1: f32| OcrWord {
            text: text.to_owned(),
            bbox: Rect {
                x0: 1.0,
                y0: 1.0,
                x1,
                y1: 2.0,
            },
            confidence: 90.0,
        };
        assert_eq!(
            placed(&word("a", 2.0)),
            Some(PlacedWord("a".to_owned(), [1.0, 1.0, 2.0, 2.0]))
        );
        for (text, x1) in [
            ("a", 1.0),
            ("a", f32::NAN),
            ("a", f32::INFINITY),
            (" ", 2.0),
        ] {
            assert_eq!(placed(&word(text, x1)), None, "{text:?} up to {x1}");
        }
    }
}
