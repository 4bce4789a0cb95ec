//! The part of a text that is shown of a hit.

use std::collections::{HashMap, HashSet};

use pagemill_index::sparse;
use pagemill_storage::shown::is_steering;

/// Characters of a hit's text that are shown.
const LENGTH: usize = 240;

/// Words that are shown before the first one that was sought, where the part does not begin with the text.
const BEFORE: usize = 4;

/// The part of a text that has most of what was sought, on one line, without what could move a terminal's cursor. Of equal
/// parts the first: of a text that has nothing of it, the beginning.
pub(super) fn snippet(text: &str, sought: &HashSet<String>) -> String {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| {
            word.chars()
                .filter(|letter| !is_steering(*letter))
                .collect()
        })
        .collect();
    let hits: Vec<Vec<String>> = words
        .iter()
        .map(|word| {
            let mut terms = sparse::terms(word);
            terms.retain(|term| sought.contains(term));
            terms
        })
        .collect();
    let mut begin = densest(&words, &hits).saturating_sub(BEFORE);
    // What is left over at the end is given to the beginning.
    while begin > 0 && end_of(&words, begin - 1) == words.len() {
        begin -= 1;
    }
    let end = end_of(&words, begin);
    let mut shown = words[begin..end].join(" ");
    if begin > 0 {
        shown.insert_str(0, "... ");
    }
    if end < words.len() {
        shown.push_str(" ...");
    }
    shown
}

/// Where the part begins in which most different terms stand.
fn densest(words: &[String], hits: &[Vec<String>]) -> usize {
    let mut within: HashMap<&str, usize> = HashMap::new();
    let (mut best, mut most, mut end) = (0, 0, 0);
    for begin in 0..words.len() {
        let until = end_of(words, begin.saturating_sub(BEFORE)).max(begin + 1);
        for term in hits[end..until].iter().flatten() {
            *within.entry(term).or_default() += 1;
        }
        end = until;
        if within.len() > most {
            (best, most) = (begin, within.len());
        }
        for term in &hits[begin] {
            if let Some(count) = within.get_mut(term.as_str()) {
                *count -= 1;
                if *count == 0 {
                    within.remove(term.as_str());
                }
            }
        }
    }
    // From the first word that counts.
    (best..words.len())
        .find(|place| !hits[*place].is_empty())
        .filter(|_| most > 0)
        .unwrap_or(0)
}

/// Where a part that begins there ends, exclusive: what fits, and at least one word.
fn end_of(words: &[String], begin: usize) -> usize {
    let mut length = 0;
    let fitting = words[begin..].iter().take_while(|word| {
        length += word.chars().count() + 1;
        length <= LENGTH + 1
    });
    (begin + fitting.count()).max((begin + 1).min(words.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sought(question: &str) -> HashSet<String> {
        sparse::question_terms(question).into_iter().collect()
    }

    #[test]
    fn a_snippet_is_one_short_line_without_control_characters() {
        let text = format!("first\nsecond\u{1b}[31m\u{202e} {}", "word ".repeat(200));
        let snippet = snippet(&text, &HashSet::new());
        assert!(snippet.starts_with("first second[31m word"), "{snippet}");
        assert!(snippet.ends_with("..."));
        assert!(snippet.chars().count() < LENGTH + 10);
    }

    #[test]
    fn it_shows_the_part_that_has_most_of_what_was_sought() {
        let filler = "Nothing of note is said in this sentence about rent. ".repeat(12);
        let text = format!("{filler}The notice period for the tenant is three months. {filler}");
        let snippet = snippet(&text, &sought("What is the notice period of tenants?"));
        assert!(snippet.starts_with("... "), "{snippet}");
        assert!(
            snippet.contains("The notice period for the tenant is three months."),
            "{snippet}"
        );
    }

    #[test]
    fn any_text_has_a_snippet() {
        assert_eq!(snippet("", &sought("rent")), "");
        let long = "x".repeat(1_000);
        assert_eq!(snippet(&long, &sought("rent")), long);
        assert_eq!(snippet("rent", &sought("rent")), "rent");
        assert_eq!(
            snippet("a b c d e f rent", &sought("rent")),
            "a b c d e f rent"
        );
    }
}
