//! What of a question is looked for.

use super::terms::terms;

/// The terms of a question that say what it is about. Function words (articles, prepositions, question words) are left out:
/// each is in most texts, and together they outweigh the one word that matters. Of a question of nothing else, all count.
///
/// Neighbours count joined as well: names of files and of companies are often written together.
pub fn terms_of(question: &str) -> Vec<String> {
    let all = terms(question);
    let empty = function_words(&all);
    let mut found: Vec<String> = all
        .iter()
        .filter(|term| !empty.contains(&term.as_str()))
        .cloned()
        .collect();
    if found.is_empty() {
        return all;
    }
    let joined = all.windows(2).map(|pair| pair.concat());
    found.extend(joined);
    found
}

/// The function words of the question's language: the one that has most of them. Where languages are level, those that
/// they share.
fn function_words(all: &[String]) -> Vec<&str> {
    let of_language = |code: &&str| -> Vec<&str> {
        let words = stop_words::lookup(code).unwrap_or_default();
        all.iter()
            .map(String::as_str)
            .filter(|term| words.contains(term))
            .collect()
    };
    let found: Vec<Vec<&str>> = stop_words::available_languages()
        .iter()
        .map(of_language)
        .collect();
    let most = found.iter().map(Vec::len).max().unwrap_or(0);
    let mut level = found.iter().filter(|words| words.len() == most);
    let first = level.next().cloned().unwrap_or_default();
    level.fold(first, |shared, other| {
        shared
            .into_iter()
            .filter(|word| other.contains(word))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(question: &str) -> Vec<String> {
        let joined: Vec<String> = terms(question)
            .windows(2)
            .map(|pair| pair.concat())
            .collect();
        let mut found = terms_of(question);
        found.truncate(found.len() - joined.len());
        found
    }

    #[test]
    fn function_words_of_the_questions_language_are_left_out() {
        assert_eq!(
            words("What is the capital of the company?"),
            ["capital", "company"]
        );
        assert_eq!(
            words("Wie hoch war die Miete in dem Jahr?"),
            ["hoch", "miete", "jahr"]
        );
        assert_eq!(
            words("Quel est le montant de la facture?"),
            ["quel", "montant", "facture"]
        );
    }

    #[test]
    fn a_question_of_function_words_keeps_them() {
        assert_eq!(
            terms_of("to be or not to be"),
            ["to", "be", "or", "not", "to", "be"]
        );
    }

    #[test]
    fn neighbours_are_found_written_together() {
        assert!(terms_of("Best Buy in 2023").contains(&"bestbuy".to_owned()));
    }
}
