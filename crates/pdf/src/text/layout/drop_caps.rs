//! Drop caps: the large letter that a chapter begins with hangs beside the first lines of its paragraph, and stands on the
//! baseline of the second or third of them. It belongs to the first word of the first line.

use std::borrow::Cow;

use crate::text::layout::fragments::{Fragment, fragments};
use crate::text::layout::{Direction, Glyph};

/// Such a letter is at least so many times as large as the text beside it.
const LARGER: f32 = 1.8;

/// White between it and the text, at most, in font sizes of the text.
const NEAR: f32 = 1.5;

/// Height of a capital letter, in font sizes.
const CAPITAL: f32 = 0.72;

/// It reaches above the first line by at most this, in font sizes of the text.
const REACHES_ABOVE: f32 = 2.5;

/// It stands on the baseline of a later line but for this, in font sizes of that.
const SAME_LINE: f32 = 0.3;

/// Lines beside it begin at the same place, but for this, in font sizes.
const ALIGNED: f32 = 0.8;

/// More large letters are no drop caps.
const MOST: usize = 50;

/// The glyphs with drop caps as letters of the first lines beside them.
pub(super) fn lowered(glyphs: &[Glyph]) -> Cow<'_, [Glyph]> {
    let direction = Direction::default();
    let is_lone = |index: usize| {
        let glyph = &glyphs[index];
        let differs =
            |other: Option<&Glyph>| other.is_none_or(|other| glyph.size > LARGER * other.size);
        glyph.ch.is_uppercase()
            && glyph.direction == direction
            && differs(glyphs.get(index + 1))
            && differs(index.checked_sub(1).and_then(|before| glyphs.get(before)))
    };
    let large: Vec<usize> = (0..glyphs.len()).filter(|&index| is_lone(index)).collect();
    if large.is_empty() || large.len() > MOST {
        return Cow::Borrowed(glyphs);
    }
    let of_page = fragments(glyphs, direction);
    let mut lowered = Cow::Borrowed(glyphs);
    for index in large {
        let letter = glyphs[index];
        if let Some(line) = first_line(&letter, &of_page) {
            lowered.to_mut()[index] = Glyph {
                x0: line.x0 - (letter.x1 - letter.x0) * line.size / letter.size,
                x1: line.x0,
                top: line.top,
                bottom: line.bottom,
                baseline: line.baseline,
                size: line.size,
                ..letter
            };
        }
    }
    lowered
}

/// The line whose first letter hangs: the upper one of two that begin beside it.
fn first_line<'a>(letter: &Glyph, fragments: &'a [Fragment]) -> Option<&'a Fragment> {
    let is_beside = |line: &&Fragment| {
        let white = line.x0 - letter.x1;
        letter.size > LARGER * line.size
            && (-0.3 * line.size..NEAR * line.size).contains(&white)
            && line.baseline < letter.baseline + 0.3 * line.size
            && line.bottom > letter.top
            && line.len() >= 3
    };
    let first = fragments
        .iter()
        .filter(is_beside)
        .min_by(|a, b| a.baseline.total_cmp(&b.baseline))?;
    // It may reach above the first line, too.
    let (top, top_of_line) = (
        top(letter.baseline, letter.size),
        top(first.baseline, first.size),
    );
    let begins = (-0.5 * first.size..=REACHES_ABOVE * first.size).contains(&(top_of_line - top));
    let stands_on_another = fragments.iter().filter(is_beside).any(|line| {
        line.baseline > first.baseline + 0.5 * first.size
            && (line.baseline - letter.baseline).abs() <= SAME_LINE * line.size
            && (line.x0 - first.x0).abs() <= ALIGNED * first.size
    });
    (begins && stands_on_another).then_some(first)
}

/// The top of the capitals of a line.
fn top(baseline: f32, size: f32) -> f32 {
    baseline - CAPITAL * size
}
