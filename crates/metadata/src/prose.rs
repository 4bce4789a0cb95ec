//! A model's own sentences, held against the words that are to bear them out.
//!
//! A sentence passes when the document has what it says, as far as that can be told without understanding either: its
//! numbers and names stand in the sentences around its quote, in the same order, each number beside a word that it has there;
//! most of its other words stand there too; and neither a "not" nor a direction ("rose", "fell") is in one of the two only.

use std::collections::BTreeSet;

use unicode_segmentation::UnicodeSegmentation;

/// Function words, by which the language of a short sentence is told: trigrams of a few words resemble many languages.
const FUNCTION_WORDS: &[(&str, &[&str])] = &[
    (
        "en",
        &[
            "the", "of", "and", "is", "are", "was", "were", "with", "for", "which", "what", "how",
            "this", "that", "to", "by", "from", "has", "have", "be", "does", "who", "when", "it",
            "its", "a", "an", "in", "on", "at", "as", "they", "he", "she", "we",
        ],
    ),
    (
        "de",
        &[
            "der", "die", "das", "und", "ist", "sind", "ein", "eine", "einer", "den", "dem", "des",
            "von", "mit", "für", "auf", "wird", "wurde", "nicht", "wie", "welche", "wer", "wann",
            "zum", "zur", "im",
        ],
    ),
    (
        "fr",
        &[
            "le", "la", "les", "des", "et", "est", "sont", "une", "du", "dans", "pour", "par",
            "qui", "que", "sur", "avec", "quel", "quelle", "au", "aux", "pas", "été",
        ],
    ),
    (
        "es",
        &[
            "el", "la", "los", "las", "y", "es", "son", "una", "del", "en", "para", "por", "que",
            "con", "cuál", "qué", "se", "fue", "al", "su",
        ],
    ),
    (
        "it",
        &[
            "il", "la", "gli", "le", "e", "è", "sono", "una", "del", "della", "di", "per", "che",
            "con", "quale", "nel", "nella", "dei", "alla", "si",
        ],
    ),
    (
        "nl",
        &[
            "de", "het", "een", "en", "is", "zijn", "van", "met", "voor", "op", "wordt", "werd",
            "niet", "wat", "welke", "wie", "door", "aan", "bij",
        ],
    ),
    (
        "pt",
        &[
            "o", "a", "os", "as", "e", "é", "são", "uma", "do", "da", "dos", "em", "para", "por",
            "que", "com", "qual", "foi", "ao", "não",
        ],
    ),
];

/// Words that turn a sentence round.
const NEGATIONS: &[&str] = &[
    "not", "no", "never", "none", "nobody", "without", "cannot", "can't", "neither", "nor",
    "isn't", "wasn't", "don't", "doesn't", "didn't", "nicht", "kein", "keine", "keinen", "keiner",
    "keinem", "nie", "niemals", "ohne", "weder", "ne", "pas", "jamais", "aucun", "aucune", "sans",
    "nunca", "sin", "ningún", "ninguna", "non", "mai", "senza", "niet", "geen", "nooit", "zonder",
    "não", "sem",
];

/// Beginnings of words that say which way: whichever is in a sentence must be in what bears it out.
const DIRECTIONS: &[&str] = &[
    "rose", "rise", "rising", "increas", "grew", "grow", "fell", "fall", "decreas", "declin",
    "drop", "shr", "more", "less", "higher", "lower", "before", "after", "accept", "reject",
    "approv", "refus", "won", "lost", "profit", "loss", "gain", "buy", "bought", "sell", "sold",
    "above", "below", "largest", "smallest", "best", "worst", "first", "last", "only", "all",
    "every", "always", "stieg", "steig", "sank", "sink", "wuchs", "wachs", "mehr", "wenig",
    "höher", "niedrig", "vor", "nach", "angenomm", "abgelehn", "genehmig", "gewinn", "verlust",
    "verkauf", "kauf", "größt", "kleinst", "nur", "alle", "immer", "augment", "diminu", "hauss",
    "baiss", "avant", "après", "accept", "refus", "plus", "moins", "tous", "aument", "dismin",
    "subi", "aprob", "rechaz", "compr", "vend", "vent", "achet", "baj", "antes", "después", "más",
    "menos", "todos", "cresc", "cal", "prima", "dopo", "più", "meno", "stijg", "daal", "voor",
    "na", "meer", "minder", "toen", "afnam",
];

/// Numbers in words, which have to stand there as numbers in digits have.
const NUMBER_WORDS: &[&str] = &[
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred",
    "thousand", "million", "half", "twice", "zwei", "drei", "vier", "fünf", "sechs", "sieben",
    "acht", "neun", "zehn", "elf", "zwölf", "zwanzig", "dreißig", "vierzig", "fünfzig", "hundert",
    "tausend", "halb", "deux", "trois", "quatre", "cinq", "sept", "huit", "neuf", "dix", "onze",
    "douze", "vingt", "trente", "cent", "mille", "dos", "tres", "cuatro", "cinco", "seis", "siete",
    "ocho", "nueve", "diez", "doce", "veinte", "cien", "mil", "due", "tre", "quattro", "cinque",
    "otto", "nove", "dieci", "venti", "cento", "twee", "drie", "vijf", "zes", "zeven", "negen",
    "tien", "twaalf", "twintig", "honderd", "duizend",
];

/// Share of a sentence's other words that must stand in what bears it out.
const LEAST_SHARE: f32 = 0.6;

/// Whether a sentence is in a language; `None` when that can't be told.
pub(crate) fn is_in(text: &str, language: &str) -> Option<bool> {
    let main = language.split('-').next().unwrap_or_default();
    let known = FUNCTION_WORDS.iter().any(|(tag, _)| *tag == main);
    let words: Vec<String> = text.unicode_words().map(str::to_lowercase).collect();
    let hits = |tag: &str| {
        let list = FUNCTION_WORDS.iter().find(|(known, _)| *known == tag);
        let list = list.map_or(&[][..], |(_, list)| list);
        words
            .iter()
            .filter(|word| list.contains(&word.as_str()))
            .count()
    };
    let own = hits(main);
    let others = FUNCTION_WORDS
        .iter()
        .filter(|(tag, _)| *tag != main)
        .map(|(tag, _)| hits(tag))
        .max()
        .unwrap_or_default();
    if known && own + others > 0 {
        return Some(own >= others && own > 0);
    }
    // A language without a list: many words of one that has a list are not in it.
    if !known && others >= 3 && words.len() < others * 6 {
        return Some(false);
    }
    let info = whatlang::detect(text)?;
    let is_told = info.confidence() > 0.9 && text.chars().count() >= 40;
    is_told.then(|| crate::extractive::language_tag(info.lang()) == main)
}

/// Why what is said is not borne out by `bears`, in words; `Ok` when it is.
pub(crate) fn borne_out(said: &str, bears: &str) -> Result<(), &'static str> {
    let (said, bears) = (Words::of(said), Words::of(bears));
    if !in_order(&said.numbers(), &bears.numbers()) {
        return Err("a number in it does not stand where its quote stands");
    }
    if !in_order(&said.names(), &bears.names_and_starts()) {
        return Err("a name in it does not stand where its quote stands");
    }
    // A name at the beginning of a sentence looks like any other word there.
    let begins_well = |word: &Word| {
        word.is_function()
            || word.is_negation()
            || word.is_dense
            || bears.all.iter().any(|known| known.stem == word.stem)
    };
    if !said.all.first().is_none_or(begins_well) {
        return Err("it begins with a word that does not stand where its quote stands");
    }
    if !said.numbers_have_their_words(&bears) {
        return Err("a number in it belongs to something else where its quote stands");
    }
    if said.negations() % 2 != bears.negations() % 2 {
        return Err("it says the contrary of what its quote says");
    }
    let stems: BTreeSet<&str> = bears.all.iter().map(|word| word.stem.as_str()).collect();
    let has = |word: &&Word| {
        stems.contains(word.stem.as_str())
            || (word.is_dense && bears.text.contains(word.lower.as_str()))
    };
    let directions: Vec<&Word> = said.all.iter().filter(|word| word.is_direction()).collect();
    if !directions.iter().all(has) {
        return Err("it says which way something goes and its quote does not");
    }
    let content: Vec<&Word> = said.all.iter().filter(|word| word.is_content()).collect();
    let shared = content.iter().filter(|word| has(word)).count();
    if (shared as f32) < content.len() as f32 * LEAST_SHARE || content.is_empty() {
        return Err("too little of it stands where its quote stands");
    }
    Ok(())
}

/// Whether the words of a question are borne out: it names no number or name that does not stand there, and shares a word.
pub(crate) fn asks_about(question: &str, bears: &str) -> Result<(), &'static str> {
    let (asked, bears) = (Words::of(question), Words::of(bears));
    if !in_any_order(&asked.numbers(), &bears.numbers()) {
        return Err("a number in it does not stand where its answer stands");
    }
    if !in_any_order(&asked.names(), &bears.names_and_starts()) {
        return Err("a name in it does not stand where its answer stands");
    }
    let stems: BTreeSet<&str> = bears.all.iter().map(|word| word.stem.as_str()).collect();
    let content: Vec<&Word> = asked.all.iter().filter(|word| word.is_content()).collect();
    let shared = content
        .iter()
        .filter(|word| {
            stems.contains(word.stem.as_str())
                || (word.is_dense && bears.text.contains(word.lower.as_str()))
        })
        .count();
    match shared * 3 >= content.len().max(1) {
        true => Ok(()),
        false => Err("too little of it stands where its answer stands"),
    }
}

/// The sentences of a paragraph that a span lies in: bytes of the text.
pub(crate) fn sentences_around(text: &str, start: usize, end: usize) -> (usize, usize) {
    let begin = text[..start].rfind("\n\n").map_or(0, |at| at + 2);
    let finish = text[end..].find("\n\n").map_or(text.len(), |at| end + at);
    // The end of a line is the end of a sentence by Unicode's rules, and no more than a space here.
    let paragraph = text[begin..finish].replace('\n', " ");
    let mut around: Option<(usize, usize)> = None;
    for (at, sentence) in paragraph.split_sentence_bound_indices() {
        let (from, to) = (begin + at, begin + at + sentence.len());
        if from < end && start < to {
            around = Some((around.map_or(from, |(first, _)| first), to));
        }
    }
    around.unwrap_or((start, end))
}

#[derive(Debug)]
struct Word {
    lower: String,
    stem: String,
    /// Written with a capital, and not only because a sentence begins.
    is_name: bool,
    is_capital: bool,
    is_dense: bool,
}

impl Word {
    fn is_number(&self) -> bool {
        self.lower.contains(|letter: char| letter.is_ascii_digit())
    }

    fn is_negation(&self) -> bool {
        NEGATIONS.contains(&self.lower.as_str())
    }

    fn is_direction(&self) -> bool {
        NUMBER_WORDS.contains(&self.lower.as_str())
            || DIRECTIONS.iter().any(|start| match start.chars().count() {
                ..=3 => self.lower == *start,
                _ => self.lower.starts_with(start),
            })
    }

    fn is_function(&self) -> bool {
        FUNCTION_WORDS
            .iter()
            .any(|(_, list)| list.contains(&self.lower.as_str()))
    }

    fn is_content(&self) -> bool {
        (self.lower.chars().count() >= 4 || self.is_dense)
            && !self.is_function()
            && !self.is_number()
            && !self.is_negation()
    }
}

struct Words {
    text: String,
    all: Vec<Word>,
}

impl Words {
    /// Every German noun has a capital and is held to be a name: what is no name fails with it rather than pass for one.
    fn of(text: &str) -> Self {
        let mut all = Vec::new();
        for sentence in text.split_sentence_bounds() {
            for (index, word) in sentence.unicode_words().enumerate() {
                let lower = word.to_lowercase();
                let is_dense = word.chars().any(|letter| letter as u32 >= 0x2E80);
                let is_capital = word.chars().next().is_some_and(char::is_uppercase);
                all.push(Word {
                    stem: stem(&lower),
                    is_name: is_capital && index > 0,
                    is_capital,
                    is_dense,
                    lower,
                });
            }
        }
        Self {
            text: text.to_lowercase(),
            all,
        }
    }

    /// Numbers without what parts their digits, so that `1.234,50` and `1,234.50` are one.
    fn numbers(&self) -> Vec<String> {
        let numbers = self.all.iter().filter(|word| word.is_number());
        numbers.map(|word| digits(&word.lower)).collect()
    }

    fn names(&self) -> Vec<String> {
        let names = self
            .all
            .iter()
            .filter(|word| word.is_name && !word.is_number());
        names.map(|word| word.stem.clone()).collect()
    }

    /// Also those at the beginning of a sentence, where another one may have them in its middle.
    fn names_and_starts(&self) -> Vec<String> {
        let names = self
            .all
            .iter()
            .filter(|word| word.is_capital || word.is_dense);
        names.map(|word| word.stem.clone()).collect()
    }

    fn negations(&self) -> usize {
        // French says it twice: "ne ... pas".
        let negations = self
            .all
            .iter()
            .filter(|word| word.is_negation() && word.lower != "ne");
        negations.count()
    }

    /// The words before each number, back to the one before it, and those after it.
    fn around_numbers(&self) -> Vec<(String, BTreeSet<&str>, BTreeSet<&str>)> {
        let places: Vec<usize> = (0..self.all.len())
            .filter(|index| self.all[*index].is_number())
            .collect();
        let content = |from: usize, to: usize| {
            let words = self.all[from..to].iter();
            // Labels of numbers are short: "net", "tax".
            let words = words.filter(|word| {
                word.is_content() || (word.lower.chars().count() == 3 && !word.is_function())
            });
            words.map(|word| word.stem.as_str()).collect()
        };
        places
            .iter()
            .enumerate()
            .map(|(rank, at)| {
                let from = rank.checked_sub(1).map_or(0, |before| places[before] + 1);
                let to = places.get(rank + 1).copied().unwrap_or(self.all.len());
                let number = digits(&self.all[*at].lower);
                (number, content(from, *at), content(at + 1, to))
            })
            .collect()
    }

    /// Whether each number stands behind a word that it stands behind in the other text too, or before one where it has none.
    /// Where the other text has one number only, there is nothing to mix up.
    fn numbers_have_their_words(&self, other: &Self) -> bool {
        let there = other.around_numbers();
        if there.len() < 2 {
            return true;
        }
        let said = self.around_numbers();
        said.iter().all(|(number, before, after)| {
            // A word that stands before another number only says that this is that other number.
            let is_anothers = |word: &&&str| {
                let stands = |own: bool| {
                    there.iter().any(|(known, known_before, _)| {
                        (known == number) == own && known_before.contains(**word)
                    })
                };
                stands(false) && !stands(true)
            };
            if before.iter().any(|word| is_anothers(&word)) {
                return false;
            }
            there.iter().any(|(known, known_before, known_after)| {
                let fits = match (before.is_empty(), known_before.is_empty()) {
                    (false, false) => !before.is_disjoint(known_before),
                    (false, true) => !before.is_disjoint(known_after),
                    (true, _) => {
                        after.is_empty()
                            || !after.is_disjoint(known_after)
                            || !after.is_disjoint(known_before)
                    }
                };
                known == number && fits
            })
        })
    }
}

fn digits(number: &str) -> String {
    number
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .collect()
}

/// The beginning of a word, which its forms share.
fn stem(lower: &str) -> String {
    let count = lower.chars().count();
    let kept = match count {
        ..=4 => count,
        5 | 6 => 4,
        _ => count - 3,
    };
    lower.chars().take(kept.min(7)).collect()
}

fn in_order(said: &[String], there: &[String]) -> bool {
    // What is said twice may stand there once.
    let mut seen = BTreeSet::new();
    let mut rest = there.iter();
    said.iter()
        .filter(|word| seen.insert(word.as_str()))
        .all(|word| rest.any(|known| known == word))
}

fn in_any_order(said: &[String], there: &[String]) -> bool {
    said.iter().all(|word| there.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_needs_its_numbers_and_names_where_its_quote_stands() {
        let bears = "Ada Miller sold the Water Mill to Example Mills for 1.234,50 EUR in 1987.";
        let passes = |said: &str| borne_out(said, bears);
        assert_eq!(
            passes("Miller sold the mill to Example Mills for 1,234.50 EUR."),
            Ok(())
        );
        assert_eq!(passes("The Water Mill was sold for 1.234,50 EUR."), Ok(()));
        for lie in [
            "Miller sold the mill to Example Mills for 1,234.50 EUR in 1988.",
            "Bob sold the Water Mill to Example Mills.",
            "Of the mill, Bob Stone sold a half.",
            "Example Mills sold the Water Mill to Ada Miller.",
            "Miller never sold the Water Mill.",
            "Miller bought the Water Mill.",
            "The weather was fine in the whole valley.",
        ] {
            assert!(passes(lie).is_err(), "{lie}");
        }
    }

    #[test]
    fn a_number_keeps_the_word_that_it_stands_beside() {
        let bears = "The net amount is 100.00, the tax is 19.00 and the gross amount is 119.00.";
        assert_eq!(borne_out("The gross amount is 119.00.", bears), Ok(()));
        assert!(borne_out("The tax amounts to 100.00.", bears).is_err());
    }

    #[test]
    fn the_language_of_a_sentence_is_told_by_its_small_words() {
        assert_eq!(
            is_in("The wheel turns when the river runs.", "en"),
            Some(true)
        );
        assert_eq!(
            is_in("The wheel turns when the river runs.", "de"),
            Some(false)
        );
        assert_eq!(is_in("Das Rad dreht sich mit dem Fluss.", "de"), Some(true));
        assert_eq!(is_in("Wer besitzt die Mühle?", "en"), Some(false));
        assert_eq!(is_in("Mill 7", "de"), None);
    }

    #[test]
    fn what_bears_a_sentence_out_is_a_whole_sentence() {
        let text = "One.\n\nThe mill is old. It stands in a\nvalley. It is red.\n\nEnd.";
        let at = text.find("stands").expect("there");
        let (from, to) = sentences_around(text, at, at + 6);
        assert_eq!(text[from..to].trim(), "It stands in a\nvalley.");
    }
}
