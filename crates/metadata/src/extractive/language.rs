//! Which languages a text is in.

use std::collections::BTreeMap;

use whatlang::{Lang, Script};

use crate::document::{Language, Source};
use crate::extractive::sample::Sample;

/// Windows of text that are looked at; more are taken evenly.
const MAX_WINDOWS: usize = 80;
/// Characters of a window.
const WINDOW: usize = 1_200;
/// Letters below which a text in a script of many languages is not judged.
const LEAST_LETTERS: usize = 60;
/// Letters that are enough where the script tells the language.
const LEAST_LETTERS_OF_TELLING_SCRIPT: usize = 12;
/// Share of the text below which a language is not reported.
const LEAST_SHARE: f32 = 0.1;

/// The languages of the sample, the largest share first; none when the text is too short or unclear.
pub(crate) fn detect(sample: &Sample) -> Vec<Language> {
    let windows: Vec<String> = sample
        .passages
        .iter()
        .flat_map(|passage| windows(&passage.text))
        .collect();
    let step = windows.len().div_ceil(MAX_WINDOWS).max(1);
    let mut found: BTreeMap<&'static str, (f32, f32)> = BTreeMap::new();
    let mut judged = 0.0;
    for window in windows.iter().step_by(step) {
        let letters = window
            .chars()
            .filter(|character| character.is_alphabetic())
            .count();
        let Some(info) = whatlang::detect(window) else {
            continue;
        };
        let many_languages = matches!(
            info.script(),
            Script::Latin | Script::Cyrillic | Script::Arabic | Script::Devanagari
        );
        let least = if many_languages {
            LEAST_LETTERS
        } else {
            LEAST_LETTERS_OF_TELLING_SCRIPT
        };
        if letters < least {
            continue;
        }
        let weight = letters as f32;
        judged += weight;
        let confidence = info.confidence() as f32;
        if confidence < 0.35 {
            continue;
        }
        let entry = found.entry(tag(info.lang())).or_default();
        entry.0 += weight;
        entry.1 += weight * confidence;
    }
    if judged == 0.0 {
        return Vec::new();
    }
    // Trigrams of a short text resemble many languages.
    let least_confidence = if judged < 400.0 { 0.75 } else { 0.5 };
    let mut languages: Vec<Language> = found
        .into_iter()
        .map(|(tag, (weight, confidence))| Language {
            value: tag.to_owned(),
            confidence: hundredths(confidence / weight),
            share: hundredths(weight / judged),
            source: Source::rule("language"),
        })
        .filter(|language| language.share >= LEAST_SHARE && language.confidence >= least_confidence)
        .collect();
    languages.sort_by(|a, b| {
        b.share
            .total_cmp(&a.share)
            .then_with(|| a.value.cmp(&b.value))
    });
    // Text of which most is in no language is better called nothing.
    if languages.first().is_some_and(|main| main.share < 0.3) {
        return Vec::new();
    }
    // A second language needs more than a stray table or list of names.
    let main = languages.first().map(|language| language.value.clone());
    languages
        .retain(|language| Some(&language.value) == main.as_ref() || language.confidence >= 0.8);
    languages
}

/// Runs of lines of about [`WINDOW`] characters, without what is no language: numbers, addresses, lone symbols.
fn windows(text: &str) -> Vec<String> {
    let mut windows = Vec::new();
    let mut window = String::new();
    for line in text.lines() {
        for word in line.split_whitespace() {
            let letters = word
                .chars()
                .filter(|character| character.is_alphabetic())
                .count();
            if letters * 2 < word.chars().count() || word.contains('@') || word.contains("://") {
                continue;
            }
            window.push_str(word);
            window.push(' ');
        }
        if window.len() > WINDOW {
            windows.push(std::mem::take(&mut window));
        }
    }
    if !window.is_empty() {
        windows.push(window);
    }
    windows
}

fn hundredths(value: f32) -> f32 {
    (value * 100.0).round() / 100.0
}

/// The BCP 47 tag: the shortest ISO 639 code (RFC 5646 section 2.2.1).
pub(crate) fn tag(language: Lang) -> &'static str {
    match language {
        Lang::Afr => "af",
        Lang::Aka => "ak",
        Lang::Amh => "am",
        Lang::Ara => "ar",
        Lang::Aze => "az",
        Lang::Bel => "be",
        Lang::Ben => "bn",
        Lang::Bul => "bg",
        Lang::Cat => "ca",
        Lang::Ces => "cs",
        Lang::Cmn => "zh",
        Lang::Cym => "cy",
        Lang::Dan => "da",
        Lang::Deu => "de",
        Lang::Ell => "el",
        Lang::Eng => "en",
        Lang::Epo => "eo",
        Lang::Est => "et",
        Lang::Fin => "fi",
        Lang::Fra => "fr",
        Lang::Guj => "gu",
        Lang::Heb => "he",
        Lang::Hin => "hi",
        Lang::Hrv => "hr",
        Lang::Hun => "hu",
        Lang::Hye => "hy",
        Lang::Ind => "id",
        Lang::Ita => "it",
        Lang::Jav => "jv",
        Lang::Jpn => "ja",
        Lang::Kan => "kn",
        Lang::Kat => "ka",
        Lang::Khm => "km",
        Lang::Kor => "ko",
        Lang::Lat => "la",
        Lang::Lav => "lv",
        Lang::Lit => "lt",
        Lang::Mal => "ml",
        Lang::Mar => "mr",
        Lang::Mkd => "mk",
        Lang::Mya => "my",
        Lang::Nep => "ne",
        Lang::Nld => "nl",
        Lang::Nob => "nb",
        Lang::Ori => "or",
        Lang::Pan => "pa",
        Lang::Pes => "fa",
        Lang::Pol => "pl",
        Lang::Por => "pt",
        Lang::Ron => "ro",
        Lang::Rus => "ru",
        Lang::Sin => "si",
        Lang::Slk => "sk",
        Lang::Slv => "sl",
        Lang::Sna => "sn",
        Lang::Spa => "es",
        Lang::Srp => "sr",
        Lang::Swe => "sv",
        Lang::Tam => "ta",
        Lang::Tel => "te",
        Lang::Tgl => "tl",
        Lang::Tha => "th",
        Lang::Tuk => "tk",
        Lang::Tur => "tr",
        Lang::Ukr => "uk",
        Lang::Urd => "ur",
        Lang::Uzb => "uz",
        Lang::Vie => "vi",
        Lang::Yid => "yi",
        Lang::Zul => "zu",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extractive::sample::Passage;

    fn tags(text: &str) -> Vec<String> {
        let passages = vec![Passage {
            page: pagemill_document::PageNumber(1),
            text: text.to_owned(),
        }];
        detect(&Sample {
            passages,
            cut: false,
        })
        .into_iter()
        .map(|language| language.value)
        .collect()
    }

    #[test]
    fn languages_are_told_apart_and_short_texts_are_not_judged() {
        let german =
            "Die Mühle steht am Bach und mahlt das Getreide der Bauern aus dem ganzen Tal. "
                .repeat(6);
        let french =
            "Le moulin se trouve au bord de la rivière et il moud le blé de tous les paysans. "
                .repeat(20);
        assert_eq!(tags(&german), ["de"]);
        assert_eq!(
            tags("水車は川の流れで回り、村の人々のために小麦を挽いています。"),
            ["ja"]
        );
        assert_eq!(tags("Total 12.50"), Vec::<String>::new());
        assert_eq!(
            tags(&format!("{french}\n{german}"))
                .first()
                .map(String::as_str),
            Some("fr")
        );
    }
}
