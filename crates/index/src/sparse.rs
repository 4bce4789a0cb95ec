//! Sparse, BM25-style vectors of texts in any language.
//!
//! BM25 is the sum over a query's terms of rarity × saturated frequency. The saturated frequency goes into the
//! document's vector, the rarity (IDF) is put on by the store (`Modifier::Idf` of Qdrant), which knows all documents,
//! and a query has 1 for each of its terms: the dot product is BM25 with a fixed average length.
//!
//! A term is a lowercase word (Unicode, UAX #29) after compatibility normalisation (NFKC), without the s of a plural; where
//! a script has no spaces between words (Han, Hiragana, Katakana), a term is a pair of neighbouring letters. A text's vector
//! has all its words; of a question the function words are left out.

mod question;
mod terms;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::settings::IndexSettings;

pub use question::terms_of as question_terms;
pub use terms::{name_terms, terms};

/// A sparse vector: indices rising and without duplicates, a value for each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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

/// Text that is weighed into the vector of another text: what stands around it, and is not in it.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// Its terms.
    pub terms: &'a [String],
    /// How often each of them counts.
    pub weight: f32,
}

/// The vector of a text to be found, and of what stands beside it.
pub fn document_vector(
    text: &str,
    beside: &[Beside<'_>],
    settings: &IndexSettings,
) -> SparseVector {
    let mut frequencies: BTreeMap<u32, f32> = BTreeMap::new();
    let mut length = 0.0_f32;
    let mut count = |term: &str, weight: f32| {
        *frequencies.entry(term_index(term)).or_default() += weight;
        length += weight;
    };
    terms(text).iter().for_each(|term| count(term, 1.0));
    for Beside { terms, weight } in beside {
        terms.iter().for_each(|term| count(term, *weight));
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
        question::terms_of(text)
            .iter()
            .map(|term| (term_index(term), 1.0))
            .collect(),
    )
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
    fn indices_are_stable() {
        // The published FNV-1a test vectors for "a" and "foobar".
        assert_eq!(term_index("a"), 0xE40C_292C);
        assert_eq!(term_index("foobar"), 0xBF9C_F968);
    }

    #[test]
    fn frequency_saturates_and_long_texts_weigh_less() {
        let settings = IndexSettings::default();
        let weight = |text: &str| {
            let vector = document_vector(text, &[], &settings);
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
        let vector = document_vector("one two three two one", &[], &IndexSettings::default());
        assert_eq!(vector.indices.len(), 3);
        assert!(vector.indices.is_sorted());
        assert!(query_vector("... !").is_empty());
    }
}
