//! Sparse, BM25-style vectors of texts in any language.
//!
//! BM25 is the sum over a query's terms of rarity × saturated frequency. The saturated frequency goes into the
//! document's vector, the rarity (IDF) is put on by the store (`Modifier::Idf` of Qdrant), which knows all documents,
//! and a query has 1 for each of its terms: the dot product is BM25 with a fixed average length.
//!
//! A term is a lowercase word (Unicode, UAX #29) after compatibility normalisation (NFKC); where a script has no
//! spaces between words (Han, Hiragana, Katakana), a term is a pair of neighbouring letters. There are no stop words
//! and no stemming: rarity does the first, and the second needs to know the language.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use crate::settings::IndexSettings;

/// A sparse vector: indices rising and without duplicates, a value for each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseVector {
    /// Which terms, by hash.
    pub indices: Vec<u32>,
    /// Their weights, above 0.
    pub values: Vec<f32>,
}

impl SparseVector {
    /// Whether it has no term.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    fn from_weights(weights: BTreeMap<u32, f32>) -> Self {
        let (indices, values) = weights.into_iter().unzip();
        Self { indices, values }
    }
}

/// The vector of a text to be found.
pub fn document_vector(text: &str, settings: &IndexSettings) -> SparseVector {
    let mut frequencies: BTreeMap<u32, f32> = BTreeMap::new();
    let mut length = 0.0_f32;
    for term in terms(text) {
        *frequencies.entry(term_index(&term)).or_default() += 1.0;
        length += 1.0;
    }
    let (k1, b) = (settings.bm25_k1, settings.bm25_b);
    let norm = k1 * (1.0 - b + b * length / settings.bm25_average_words);
    let saturated = frequencies
        .into_iter()
        .map(|(index, count)| (index, count * (k1 + 1.0) / (count + norm)));
    SparseVector::from_weights(saturated.collect())
}

/// The vector of a question.
pub fn query_vector(text: &str) -> SparseVector {
    SparseVector::from_weights(
        terms(text)
            .into_iter()
            .map(|term| (term_index(&term), 1.0))
            .collect(),
    )
}

/// The terms of a text, in order, with repeats.
pub fn terms(text: &str) -> Vec<String> {
    let normal: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let mut found = Vec::new();
    let mut run: Vec<char> = Vec::new();
    for piece in normal.split_word_bounds() {
        if piece.chars().all(is_unspaced) {
            run.extend(piece.chars());
            continue;
        }
        push_pairs(&mut run, &mut found);
        if piece.chars().any(char::is_alphanumeric) {
            found.push(piece.to_owned());
        }
    }
    push_pairs(&mut run, &mut found);
    found
}

/// Turns a run of letters of an unspaced script into pairs; a single letter stays alone.
fn push_pairs(run: &mut Vec<char>, found: &mut Vec<String>) {
    if run.len() == 1 {
        found.extend(run.iter().map(char::to_string));
    }
    found.extend(run.windows(2).map(|pair| pair.iter().collect()));
    run.clear();
}

/// Whether a letter belongs to a script written without spaces: Han, Hiragana, Katakana (Unicode blocks).
fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FE}' | '\u{3005}'..='\u{3007}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// The index of a term: FNV-1a, 32 bits. It is stored in collections: never change it.
fn term_index(term: &str) -> u32 {
    term.bytes().fold(0x811C_9DC5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lowercase_and_punctuation_is_gone() {
        assert_eq!(
            terms("The “Total” is €1,234.50 — don't pay!"),
            ["the", "total", "is", "1,234.50", "don't", "pay"]
        );
    }

    #[test]
    fn unspaced_scripts_become_pairs() {
        assert_eq!(terms("東京都 and 日"), ["東京", "京都", "and", "日"]);
        assert_eq!(terms("データ"), ["デー", "ータ"]);
        assert_eq!(terms("한국어 문서"), ["한국어", "문서"]);
    }

    #[test]
    fn ligatures_and_full_width_forms_match_plain_ones() {
        assert_eq!(terms("ﬁnance ＡＢＣ"), terms("finance abc"));
    }

    #[test]
    fn indices_are_stable() {
        // The published FNV-1a test vectors for "a" and "foobar".
        assert_eq!(term_index("a"), 0xE40C_292C);
        assert_eq!(term_index("foobar"), 0xBF9C_F968);
    }

    #[test]
    fn frequency_saturates_and_long_texts_weigh_less() {
        let settings = IndexSettings::default();
        let weight = |text: &str| {
            let vector = document_vector(text, &settings);
            let place = vector
                .indices
                .iter()
                .position(|index| *index == term_index("rare"))
                .unwrap();
            vector.values[place]
        };
        let once = weight("rare");
        let twice = weight("rare rare");
        let four_times = weight("rare rare rare rare");
        assert!(once < twice && twice < four_times);
        assert!(four_times - twice < 2.0 * (twice - once));
        assert!(four_times < settings.bm25_k1 + 1.0);
        assert!(weight(&format!("rare {}", "filler ".repeat(400))) < once);
    }

    #[test]
    fn a_vector_is_sorted_and_without_duplicates() {
        let vector = document_vector("one two three two one", &IndexSettings::default());
        assert_eq!(vector.indices.len(), 3);
        assert!(vector.indices.is_sorted());
        assert!(query_vector("... !").is_empty());
    }
}
