//! How large the letters of a line are. A network says which letters there are and not how large; how high their ink is
//! depends on which they are: of one size, `are` is half as high as `Why`.

use super::recognition::LineWord;
use super::script::is_cjk;
use crate::reader::Word;

/// Parts of a letter's size that its ink takes: of one of Chinese or Japanese; above the line, of small letters with an ascender,
/// of capitals and digits, of `t`, and of small letters without; below the line, of those that hang.
const CJK: f32 = 0.9;
const ASCENDER: f32 = 0.7;
const CAPITAL: f32 = 0.67;
const SHORT_ASCENDER: f32 = 0.58;
const LOW: f32 = 0.45;
const HANGING: f32 = 0.21;

/// Small letters that are no higher than an x, and those that hang below the line.
const LOW_LETTERS: &str = "acegmnopqrsuvwxyzı";
const HANGING_LETTERS: &str = "gjpqyçşţþ,;()[]{}Q/|";

/// What was measured of lines of one size differs by this part from one line to the next in size; of sizes that are meant, such
/// as those of text and heading, by more.
const STEP: f32 = 1.06;

/// And by this part at most from the smallest to the largest.
const REACH: f32 = 1.2;

/// Gives the words of lines that seem to be of one size that size: the one in the middle of what was measured.
pub(super) fn even_sizes(words: &mut [Word]) {
    let lines = words
        .iter()
        .filter(|word| word.begins_line && word.size > 0.0);
    let mut sizes: Vec<f32> = lines.map(|word| word.size).collect();
    sizes.sort_by(f32::total_cmp);
    let mut rest = &sizes[..];
    while let Some(least) = rest.first() {
        let is_next = |pair: &&[f32]| pair[1] <= pair[0] * STEP && pair[1] <= least * REACH;
        let count = 1 + rest.windows(2).take_while(is_next).count();
        let (alike, others) = rest.split_at(count);
        let (least, most) = (alike[0], alike[count - 1]);
        for word in words.iter_mut() {
            if (least..=most).contains(&word.size) {
                word.size = alike[count / 2];
            }
        }
        rest = others;
    }
}

/// The size of the letters of a line, in the pixels of its words' boxes: what most of them say. 0 of a line without letters.
pub(super) fn size(words: &[LineWord]) -> f32 {
    let sized = words.iter().filter_map(|word| {
        let [x0, y0, x1, y1] = word.bounds;
        // A word from top to bottom is as wide as its letters.
        let runs_down = y1 - y0 > x1 - x0 && word.text.chars().nth(1).is_some_and(is_cjk);
        let height = if runs_down { x1 - x0 } else { y1 - y0 };
        Some(height / part(&word.text)?)
    });
    let mut sizes: Vec<f32> = sized.collect();
    sizes.sort_by(f32::total_cmp);
    sizes.get(sizes.len() / 2).copied().unwrap_or_default()
}

/// The part of its letters' size that a word is high; none of one without letters and digits.
fn part(word: &str) -> Option<f32> {
    if !word.chars().any(char::is_alphanumeric) {
        return None;
    }
    if word.chars().any(is_cjk) {
        return Some(CJK);
    }
    let letters = word.chars().filter(|ch| ch.is_alphanumeric());
    let above = letters.map(above_line).fold(LOW, f32::max);
    let hangs = word.chars().any(|ch| HANGING_LETTERS.contains(ch));
    Some(above + if hangs { HANGING } else { 0.0 })
}

/// The part of its size that a letter or a digit stands above the line.
fn above_line(letter: char) -> f32 {
    match letter {
        't' => SHORT_ASCENDER,
        letter if LOW_LETTERS.contains(letter) => LOW,
        letter if letter.is_uppercase() || letter.is_ascii_digit() => CAPITAL,
        _ => ASCENDER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, height: f32) -> LineWord {
        LineWord {
            text: text.to_owned(),
            bounds: [0.0, 10.0, 100.0, 10.0 + height],
            confidence: 1.0,
        }
    }

    #[test]
    fn letters_of_one_size_have_it_however_high_they_are() {
        // Of a size of 48 pixels.
        for (text, height) in [
            ("are", 21.6),
            ("note", 27.8),
            ("The", 33.6),
            ("2026", 32.2),
            ("page", 31.7),
            ("Why", 43.7),
            ("水車", 43.2),
        ] {
            let found = size(&[word(text, height)]);
            assert!((found - 48.0).abs() < 0.5, "{text}: {found}");
        }
    }

    #[test]
    fn a_word_from_top_to_bottom_is_as_wide_as_its_letters() {
        let column = LineWord {
            text: "水車小屋".to_owned(),
            bounds: [100.0, 100.0, 143.2, 300.0],
            confidence: 1.0,
        };
        assert!((size(&[column]) - 48.0).abs() < 0.5);
    }

    #[test]
    fn lines_of_one_size_get_it_and_headings_keep_theirs() {
        let line = |size: f32| Word {
            text: "line".to_owned(),
            bounds: [0.0; 4],
            confidence: 90.0,
            size,
            begins_line: true,
            begins_block: false,
        };
        let mut words = [11.3, 14.1, 11.8, 11.3, 13.8, 11.6, 0.0].map(line);
        even_sizes(&mut words);
        let sizes = words.map(|word| word.size);
        assert_eq!(sizes, [11.6, 14.1, 11.6, 11.6, 14.1, 11.6, 0.0]);
    }

    #[test]
    fn most_words_of_a_line_say_its_size() {
        let line = [
            word("The", 33.6),
            word("-", 4.0),
            word("speck", 80.0),
            word("mill", 33.6),
        ];
        assert!((size(&line) - 48.0).abs() < 0.5);
        assert_eq!(size(&[word("--", 4.0)]), 0.0);
        assert_eq!(size(&[]), 0.0);
    }
}
