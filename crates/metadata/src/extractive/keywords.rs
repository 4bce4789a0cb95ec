//! Keywords: the file's own, then statistical ones.

use std::collections::BTreeSet;

use pagemill_document::Inspection;
use yake_rust::{Config, StopWords, get_n_best};

use crate::extractive::finding::{Sourced, ValueSource};
use crate::extractive::sample::collapse;

/// Keywords by the file's own account.
pub(crate) fn from_file(inspection: &Inspection) -> Vec<Sourced<String>> {
    let info = &inspection.info;
    let claims = [
        (info.xmp.get("dc:subject"), ValueSource::Xmp),
        (info.xmp.get("pdf:Keywords"), ValueSource::Xmp),
        (info.info.get("keywords"), ValueSource::PdfInfo),
    ];
    let mut keywords: Vec<Sourced<String>> = Vec::new();
    for (claim, source) in claims {
        let Some(claim) = claim else {
            continue;
        };
        let separator = if claim.contains(';') { ';' } else { ',' };
        for keyword in claim.split(separator).map(collapse) {
            let letters = keyword
                .chars()
                .filter(|character| character.is_alphabetic())
                .count();
            if letters >= 2 && keyword.chars().count() <= 80 && !is_noise(&keyword) {
                keywords.push(Sourced::new(keyword, source));
            }
        }
    }
    keywords
}

/// Statistical keywords of a text in a language that has a list of stop words; else none.
pub(crate) fn from_text(text: &str, language: Option<&str>, wanted: usize) -> Vec<Sourced<String>> {
    let language = match language {
        // YAKE's lists use country codes for these two.
        Some("cs") => "cz",
        Some("nb") => "no",
        // Scripts without spaces between words have no n-grams to count.
        Some("zh" | "ja" | "th") | None => return Vec::new(),
        Some(other) => other,
    };
    let Some(stop_words) = StopWords::predefined(language) else {
        return Vec::new();
    };
    // Unwrapped lines: phrases must not end where a line does.
    let unwrapped: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect();
    let config = Config {
        // Its own removal compares every pair with every other; ours below stops when enough are found.
        remove_duplicates: false,
        ..Config::default()
    };
    let mut candidates: Vec<(f64, String)> =
        get_n_best(usize::MAX, &unwrapped.join("\n\n"), &stop_words, &config)
            .into_iter()
            .map(|item| (item.score, item.raw))
            .collect();
    // Scores differ in the last bits from run to run (hash order), so that ties need a second key.
    candidates.sort_by(|a, b| rounded(a.0).cmp(&rounded(b.0)).then_with(|| a.1.cmp(&b.1)));
    let mut keywords = Vec::new();
    let mut taken: Vec<BTreeSet<String>> = Vec::new();
    for (_, keyword) in candidates.into_iter().take(1_000) {
        if keywords.len() >= wanted {
            break;
        }
        if !is_phrase(&keyword) || is_undecoded(&keyword) {
            continue;
        }
        let stems: BTreeSet<String> = keyword.split_whitespace().map(stem).collect();
        if stems.len() < keyword.split_whitespace().count() {
            continue;
        }
        if taken
            .iter()
            .any(|known| known.is_subset(&stems) || stems.is_subset(known))
        {
            continue;
        }
        taken.push(stems);
        keywords.push(Sourced::new(keyword, ValueSource::Rule));
    }
    keywords
}

/// What programs and publishers write into the field for keywords.
fn is_noise(keyword: &str) -> bool {
    let lower = keyword.to_lowercase();
    matches!(
        lower.as_str(),
        "tcpdf" | "pdf" | "example" | "test" | "guide" | "keywords"
    ) || lower.contains("copyright")
        || lower.contains("all rights reserved")
        || keyword.split_whitespace().count() > 7
}

/// Whether a phrase is of a font that was not decoded: capitals that nobody can say, such as letters shifted by three.
fn is_undecoded(phrase: &str) -> bool {
    let words: Vec<&str> = phrase.split_whitespace().collect();
    let is_vowel = |letter: char| {
        matches!(
            letter.to_lowercase().next(),
            Some('a' | 'e' | 'i' | 'o' | 'u' | 'y')
        ) || !letter.is_ascii()
    };
    let unspoken = words.iter().filter(|word| !word.contains(is_vowel)).count();
    let is_capital = phrase
        .chars()
        .all(|letter| letter.is_uppercase() || !letter.is_alphabetic());
    let longest = words
        .iter()
        .map(|word| word.chars().count())
        .max()
        .unwrap_or_default();
    // "THE", "FROM", "AND", "WITH", "FOR" of a font whose codes are three too high.
    let is_shifted = words
        .iter()
        .any(|word| matches!(*word, "WKH" | "IURP" | "DQG" | "ZLWK" | "IRU"));
    let is_unspoken = unspoken * 2 >= words.len() && (words.len() > 1 || longest >= 5);
    is_capital && (is_unspoken || is_shifted)
}

fn rounded(score: f64) -> i64 {
    (score.max(1e-12).ln() * 1e6) as i64
}

fn is_phrase(keyword: &str) -> bool {
    let mut letters = 0;
    for character in keyword.chars() {
        match character {
            _ if character.is_alphabetic() => letters += 1,
            ' ' | '-' | '\'' | '’' => {}
            _ => return false,
        }
    }
    letters >= 4
        && keyword
            .split_whitespace()
            .all(|word| word.chars().count() >= 3)
}

fn stem(word: &str) -> String {
    let lower = word.to_lowercase();
    lower
        .strip_suffix("es")
        .or_else(|| lower.strip_suffix('s'))
        .unwrap_or(&lower)
        .to_owned()
}

/// The file's keywords first, then the others; none twice.
pub(crate) fn merge(
    first: Vec<Sourced<String>>,
    second: Vec<Sourced<String>>,
    most: usize,
) -> Vec<Sourced<String>> {
    let mut seen = BTreeSet::new();
    first
        .into_iter()
        .chain(second)
        .filter(|keyword| seen.insert(keyword.value.to_lowercase()))
        .take(most)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_write_and_fonts_hide_is_no_keyword() {
        for noise in [
            "TCPDF",
            "Compilation copyright 2003",
            "All Rights Reserved.",
        ] {
            assert!(is_noise(noise), "{noise}");
        }
        for undecoded in ["FKDLQ IURP WKH", "RSHQ WKH GUDZHU", "IURP WKH GUDZHU"] {
            assert!(is_undecoded(undecoded), "{undecoded}");
        }
        for word in [
            "XML",
            "XFA Forms",
            "HTTP server",
            "DRINKING WATER",
            "Rhythm",
        ] {
            assert!(!is_undecoded(word) && !is_noise(word), "{word}");
        }
    }

    #[test]
    fn keywords_are_phrases_without_duplicates_and_repeatable() {
        let text = "Groundwater recharge in arid basins depends on rainfall. Groundwater recharge was measured with \
            lysimeters. Arid basins lose water by evaporation. The lysimeters measure evaporation and groundwater \
            recharge every day in the arid basins.";
        let keywords = from_text(text, Some("en"), 5);
        let values: Vec<&str> = keywords
            .iter()
            .map(|keyword| keyword.value.as_str())
            .collect();
        assert!(
            values
                .iter()
                .any(|value| value.to_lowercase().contains("groundwater recharge")),
            "{values:?}"
        );
        for _ in 0..5 {
            assert_eq!(from_text(text, Some("en"), 5), keywords);
        }
        assert!(from_text(text, None, 5).is_empty());
    }
}
