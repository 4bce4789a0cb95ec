//! Words as they are compared.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

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
        let words = piece
            .split('_')
            .filter(|word| word.chars().any(char::is_alphanumeric));
        found.extend(words.map(|word| stem(word).to_owned()));
    }
    push_pairs(&mut run, &mut found);
    found
}

/// The terms of a name: of a file, a folder. Names are written together (`AnnualReport2023_v2`), so that their parts count as
/// well. Sorted, each once.
pub fn name_terms(name: &str) -> Vec<String> {
    let mut found = terms(name);
    for word in name.split(|letter: char| !letter.is_alphanumeric()) {
        let parts = parts(word);
        if parts.len() > 1 {
            let long = parts
                .into_iter()
                .filter(|part| part.chars().nth(1).is_some());
            found.extend(long.flat_map(terms));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Cuts a word between letters and digits, and before a capital that begins a word.
fn parts(word: &str) -> Vec<&str> {
    let letters: Vec<(usize, char)> = word.char_indices().collect();
    let mut found = Vec::new();
    let mut begin = 0;
    for place in 1..letters.len() {
        let (before, (at, here)) = (letters[place - 1].1, letters[place]);
        let begins_word = here.is_uppercase()
            && (before.is_lowercase()
                || (before.is_uppercase()
                    && letters
                        .get(place + 1)
                        .is_some_and(|(_, next)| next.is_lowercase())));
        // A letter alone belongs to the number after it: Q3, v2.
        let is_alone = here.is_numeric() && at - begin == before.len_utf8();
        if begins_word || (before.is_numeric() != here.is_numeric() && !is_alone) {
            found.push(&word[begin..at]);
            begin = at;
        }
    }
    found.push(&word[begin..]);
    found
}

/// A lowercase word without what seldom parts two meanings: the apostrophe and s of a possessive, the s of a plural (Harman's
/// S-stemmer, 1991, without its final e after a hissing sound), the FY before a year. What it makes of words of other
/// languages is the same for text and question. Longer endings are left: cutting them needs to know the language.
fn stem(word: &str) -> &str {
    let word = word
        .strip_suffix("'s")
        .or_else(|| word.strip_suffix("’s"))
        .unwrap_or(word);
    if let Some(year) = word.strip_prefix("fy")
        && year.len() == 4
        && year.bytes().all(|digit| digit.is_ascii_digit())
    {
        return year;
    }
    let hisses = ["sses", "xes", "ches", "shes"];
    if word.len() > 4 && hisses.iter().any(|ending| word.ends_with(ending)) {
        return &word[..word.len() - 2];
    }
    let kept = ["ss", "us", "is"];
    let is_plural = word.len() > 3
        && word.ends_with('s')
        && word.chars().all(char::is_alphabetic)
        && !kept.iter().any(|ending| word.ends_with(ending));
    match is_plural {
        true => &word[..word.len() - 1],
        false => word,
    }
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
    fn plurals_possessives_and_fiscal_years_match_their_plain_forms() {
        assert_eq!(
            terms("Statements of Cash Flows"),
            terms("statement of cash flow")
        );
        assert_eq!(
            terms("Best Buy’s taxes, boxes"),
            ["best", "buy", "tax", "box"]
        );
        assert_eq!(terms("FY2018"), terms("2018"));
        assert_eq!(
            terms("analysis status loss gas 10s"),
            ["analysis", "status", "loss", "gas", "10s"]
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
    fn the_parts_of_a_name_count_beside_the_whole() {
        assert_eq!(
            name_terms("reports/AnnualReport2023_v2"),
            ["2023", "annual", "annualreport2023", "report", "v2"]
        );
        assert_eq!(
            name_terms("ACME_2022Q3_10K"),
            ["10", "10k", "2022", "2022q3", "acme", "q3"]
        );
        assert_eq!(name_terms("PDFReader"), ["pdf", "pdfreader", "reader"]);
    }
}
