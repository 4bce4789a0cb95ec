//! Letters as a multiset: whether two texts have the same ones, whatever their order and the white between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How many letters and digits a text has, and a sum over them that does not depend on their order.
///
/// Ligatures count as their letters, accents do not count (a page may print them as glyphs of their own), and neither
/// do white space and signs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Letters {
    /// Letters and digits.
    pub count: u32,
    /// The sum of a hash of each, modulo 2³².
    pub sum: u32,
}

impl Letters {
    /// The letters of a text.
    pub fn of(text: &str) -> Self {
        text.chars().collect()
    }

    /// Adds those of a character.
    pub fn add(&mut self, ch: char) {
        each_letter(ch, |letter| {
            self.count = self.count.wrapping_add(1);
            self.sum = self.sum.wrapping_add(hash(letter));
        });
    }

    /// These without others.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self {
            count: self.count.wrapping_sub(others.count),
            sum: self.sum.wrapping_sub(others.sum),
        }
    }

    /// These and others.
    #[must_use]
    pub fn with(self, others: Self) -> Self {
        Self {
            count: self.count.wrapping_add(others.count),
            sum: self.sum.wrapping_add(others.sum),
        }
    }
}

impl FromIterator<char> for Letters {
    fn from_iter<I: IntoIterator<Item = char>>(chars: I) -> Self {
        let mut letters = Self::default();
        for ch in chars {
            letters.add(ch);
        }
        letters
    }
}

/// The letters and digits that a character stands for.
fn each_letter(ch: char, mut take: impl FnMut(char)) {
    if ch.is_ascii() {
        if ch.is_ascii_alphanumeric() {
            take(ch);
        }
        return;
    }
    match ch {
        // What an accent is put on.
        'ı' => return take('i'),
        'ȷ' => return take('j'),
        // Latin ligatures.
        '\u{FB05}' => return "st".chars().for_each(take),
        // Accents that take room of their own; some of them count as letters in Unicode.
        '\u{2B0}'..='\u{2FF}' => return,
        _ => {}
    }
    let is_ligature = ('\u{FB00}'..='\u{FB06}').contains(&ch);
    let mut take_letter = |letter: char| {
        if letter.is_alphanumeric() && !is_combining_mark(letter) {
            take(letter);
        }
    };
    match is_ligature {
        true => std::iter::once(ch).nfkd().for_each(&mut take_letter),
        false => std::iter::once(ch).nfd().for_each(&mut take_letter),
    }
}

fn hash(letter: char) -> u32 {
    // The finaliser of MurmurHash3: one bit of the letter changes half of the bits.
    let mut mixed = u32::from(letter).wrapping_add(0x9E37_79B9);
    mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85EB_CA6B);
    mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xC2B2_AE35);
    mixed ^ (mixed >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_white_accents_and_ligatures_do_not_matter() {
        assert_eq!(Letters::of("Netto 12"), Letters::of("21\tottNe"));
        assert_eq!(Letters::of("e\u{FB03}cient"), Letters::of("efficient"));
        assert_eq!(Letters::of("México"), Letters::of("M\u{B4}exico"));
        assert_eq!(Letters::of("fa\u{E7}ade"), Letters::of("fac\u{327}ade"));
        assert_eq!(Letters::of("m\u{131}nus\u{2C6}"), Letters::of("minus"));
    }

    #[test]
    fn a_letter_less_or_another_one_matters() {
        assert_ne!(Letters::of("Netto"), Letters::of("Neto"));
        assert_ne!(Letters::of("Office"), Letters::of("Ofice"));
        assert_ne!(Letters::of("abd"), Letters::of("abc"));
        assert_eq!(Letters::of("Netto").count, 5);
    }

    #[test]
    fn what_was_taken_away_is_missing() {
        let all = Letters::of("abcabc");
        assert_eq!(all.without(Letters::of("cba")), Letters::of("abc"));
        assert_eq!(all.with(Letters::of("x")), Letters::of("xabcabc"));
    }
}
