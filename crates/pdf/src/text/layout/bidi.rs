//! From the order on the page to logical order, for lines with right-to-left scripts.
//!
//! The inverse of the Unicode bidirectional algorithm (UAX #9) for what a printed line can tell: a line whose strong
//! characters are mostly right-to-left is read from the right, and what runs left-to-right in it (Latin, numbers) is
//! turned back; in any other line only the right-to-left runs are turned. Brackets come mirrored from PDFium.

use unicode_bidi::{BidiClass, bidi_class};

/// What an item of a line is to its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    /// Strongly left-to-right.
    Left,
    /// Strongly right-to-left.
    Right,
    /// A digit.
    Number,
    /// A sign that belongs to the number when it stands between two digits.
    Separator,
    /// Anything else.
    Neutral,
}

/// Whether a character is of a right-to-left script.
pub(super) fn is_right_to_left(ch: char) -> bool {
    let value = u32::from(ch);
    // Nothing below Hebrew is; most text ends here.
    value >= 0x0590 && matches!(bidi_class(ch), BidiClass::R | BidiClass::AL)
}

/// What a character is to the order of its line.
pub(super) fn strength(ch: char) -> Strength {
    match bidi_class(ch) {
        BidiClass::L => Strength::Left,
        BidiClass::R | BidiClass::AL => Strength::Right,
        BidiClass::EN | BidiClass::AN => Strength::Number,
        BidiClass::CS | BidiClass::ES | BidiClass::ET => Strength::Separator,
        _ => Strength::Neutral,
    }
}

/// Whether a line with these items reads from the right.
pub(super) fn reads_from_right(strengths: impl Iterator<Item = Strength>) -> bool {
    let (mut left, mut right) = (0usize, 0usize);
    for strength in strengths {
        match strength {
            Strength::Left => left += 1,
            Strength::Right => right += 1,
            _ => {}
        }
    }
    right > left
}

/// Puts items that stand in the order of the page, left to right, in logical order.
pub(super) fn to_logical<T>(items: &mut [T], strength_of: impl Fn(&T) -> Strength) {
    if reads_from_right(items.iter().map(&strength_of)) {
        items.reverse();
        turn_back(items, &strength_of, true);
        return;
    }
    let is_right = |item: &T| strength_of(item) == Strength::Right;
    let mut start = 0;
    while let Some(offset) = items[start..].iter().position(is_right) {
        let first = start + offset;
        let run_end = items[first..]
            .iter()
            .position(|item| strength_of(item) == Strength::Left)
            .map_or(items.len(), |length| first + length);
        let last = items[first..run_end]
            .iter()
            .rposition(is_right)
            .unwrap_or(0)
            + first;
        items[first..=last].reverse();
        turn_back(&mut items[first..=last], &strength_of, false);
        start = last + 1;
    }
}

/// Turns left-to-right runs back in items that were reversed as a whole.
fn turn_back<T>(items: &mut [T], strength_of: &impl Fn(&T) -> Strength, with_words: bool) {
    let mut start = 0;
    while start < items.len() {
        let first = strength_of(&items[start]);
        let end = match first {
            Strength::Left if with_words => end_of_words(items, strength_of, start),
            Strength::Number => {
                let number_end = end_of_number(items, strength_of, start);
                let words_end = end_of_words(items, strength_of, start);
                let has_words = items[start..words_end]
                    .iter()
                    .any(|item| strength_of(item) == Strength::Left);
                if with_words && has_words {
                    words_end
                } else {
                    number_end
                }
            }
            _ => start + 1,
        };
        items[start..end].reverse();
        start = end;
    }
}

/// A run of left-to-right letters and numbers with what stands between them.
fn end_of_words<T>(items: &[T], strength_of: &impl Fn(&T) -> Strength, start: usize) -> usize {
    let mut end = start + 1;
    for (index, item) in items.iter().enumerate().skip(start + 1) {
        match strength_of(item) {
            Strength::Left | Strength::Number => end = index + 1,
            Strength::Right => break,
            Strength::Separator | Strength::Neutral => {}
        }
    }
    end
}

/// A run of digits, with single separators between two of them.
fn end_of_number<T>(items: &[T], strength_of: &impl Fn(&T) -> Strength, start: usize) -> usize {
    let mut end = start + 1;
    while end < items.len() {
        let next_is_number = |at: usize| {
            items
                .get(at)
                .is_some_and(|item| strength_of(item) == Strength::Number)
        };
        if next_is_number(end) {
            end += 1;
        } else if strength_of(&items[end]) == Strength::Separator && next_is_number(end + 1) {
            end += 2;
        } else {
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logical(visual: &str) -> String {
        let mut chars: Vec<char> = visual.chars().collect();
        to_logical(&mut chars, |&ch| strength(ch));
        chars.into_iter().collect()
    }

    #[test]
    fn hebrew_is_read_from_the_right_and_its_numbers_from_the_left() {
        assert_eq!(logical("12.5 םולש"), "שלום 12.5");
    }

    #[test]
    fn latin_words_in_a_hebrew_line_keep_their_order() {
        assert_eq!(logical("ףוס abc def םולש"), "שלום abc def סוף");
    }

    #[test]
    fn hebrew_words_in_a_latin_line_are_turned() {
        assert_eq!(logical("they say םולע םולש now"), "they say שלום עלום now");
    }

    #[test]
    fn a_latin_line_stays() {
        assert_eq!(logical("a (b) 1, 2"), "a (b) 1, 2");
    }
}
