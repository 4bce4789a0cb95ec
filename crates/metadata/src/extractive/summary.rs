//! A summary of the document's own sentences, by a walk over the graph of shared words (TextRank, Mihalcea and
//! Tarau 2004).

use std::collections::BTreeSet;

use pagemill_document::PageNumber;
use unicode_segmentation::UnicodeSegmentation;

use crate::extractive::sample::{Sample, collapse};

/// Most sentences that are compared with each other.
const MAX_SENTENCES: usize = 240;
const ROUNDS: usize = 25;
const DAMPING: f32 = 0.85;

struct Sentence {
    page: PageNumber,
    text: String,
    words: BTreeSet<String>,
    weight: f32,
}

/// The `wanted` sentences that share most with the others, in the document's order, each with its page.
pub(crate) fn summarise(sample: &Sample, wanted: usize) -> Vec<(PageNumber, String)> {
    if wanted == 0 {
        return Vec::new();
    }
    let sentences = sentences(sample);
    let scores = rank(&sentences);
    let mut order: Vec<usize> = (0..sentences.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    let mut chosen: Vec<usize> = Vec::new();
    for index in order {
        if chosen.len() == wanted {
            break;
        }
        let repeats = chosen
            .iter()
            .any(|other| overlap(&sentences[index], &sentences[*other]) > 0.6);
        if !repeats {
            chosen.push(index);
        }
    }
    chosen.sort_unstable();
    let chosen = chosen.into_iter().map(|index| &sentences[index]);
    chosen
        .map(|sentence| (sentence.page, sentence.text.clone()))
        .collect()
}

/// Sentences of prose: unwrapped, of a sensible length, mostly letters, with an end.
fn sentences(sample: &Sample) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let mut seen = BTreeSet::new();
    let mut after_abstract = 0_usize;
    let mut in_references = false;
    for passage in &sample.passages {
        for paragraph in passage.text.split("\n\n") {
            let heading = paragraph
                .trim()
                .trim_end_matches([':', '.', '-', '—'])
                .to_lowercase();
            let first_line = heading.lines().next().unwrap_or_default().trim().to_owned();
            let opens_abstract = [
                "abstract",
                "summary",
                "executive summary",
                "zusammenfassung",
                "résumé",
                "resumen",
            ]
            .iter()
            .any(|name| {
                first_line == *name
                    || (first_line.starts_with(name) && first_line.contains(['—', ':']))
            });
            if opens_abstract && passage.page.0 <= 4 {
                after_abstract = 1_500;
            }
            if matches!(
                first_line.as_str(),
                "references" | "bibliography" | "literatur" | "références" | "literature cited"
            ) {
                in_references = true;
            }
            if in_references {
                continue;
            }
            let prose = collapse(paragraph);
            for sentence in prose.unicode_sentences() {
                let text = sentence.trim();
                let is_abstract = after_abstract > 0;
                after_abstract = after_abstract.saturating_sub(text.len());
                if !is_prose(text) || !seen.insert(text.to_lowercase()) {
                    continue;
                }
                let words = content_words(text);
                if words.len() < 4 {
                    continue;
                }
                let early = 1.0 + 0.5 / (1.0 + sentences.len() as f32 / 10.0);
                let weight = if is_abstract { early * 1.8 } else { early };
                sentences.push(Sentence {
                    page: passage.page,
                    text: text.to_owned(),
                    words,
                    weight,
                });
            }
        }
    }
    if sentences.len() > MAX_SENTENCES {
        // The first half as it is, the rest evenly.
        let rest = sentences.split_off(MAX_SENTENCES / 2);
        let step = rest.len().div_ceil(MAX_SENTENCES / 2);
        sentences.extend(rest.into_iter().step_by(step));
    }
    sentences
}

fn is_prose(text: &str) -> bool {
    let length = text.chars().count();
    let letters = text
        .chars()
        .filter(|character| character.is_alphabetic())
        .count();
    let dense_script = text
        .chars()
        .filter(|character| *character as u32 >= 0x2E80)
        .count()
        * 2
        > length;
    let words = text.split_whitespace().count();
    let capitals = text
        .split_whitespace()
        .filter(|word| word.starts_with(char::is_uppercase))
        .count();
    let ends = text.ends_with([
        '.', '!', '?', '。', '！', '？', '؟', '।', '"', '”', '»', ')',
    ]);
    let fits = if dense_script {
        (15..=250).contains(&length)
    } else {
        (8..=55).contains(&words) && length <= 450
    };
    let starts = text
        .chars()
        .next()
        .is_some_and(|first| first.is_alphanumeric() || matches!(first, '"' | '“' | '«' | '„'));
    let is_list_of_names = !dense_script && capitals * 10 > words * 7;
    ends && fits
        && starts
        && !is_list_of_names
        && letters * 100 >= length * 68
        && !text.contains("....")
}

fn content_words(text: &str) -> BTreeSet<String> {
    text.unicode_words()
        .map(str::to_lowercase)
        .filter(|word| {
            word.chars().count() > 3 || word.chars().any(|character| character as u32 >= 0x2E80)
        })
        .collect()
}

fn overlap(a: &Sentence, b: &Sentence) -> f32 {
    let shared = a.words.intersection(&b.words).count() as f32;
    shared / a.words.len().min(b.words.len()).max(1) as f32
}

fn rank(sentences: &[Sentence]) -> Vec<f32> {
    let count = sentences.len();
    let mut edges = vec![0.0_f32; count * count];
    let mut sums = vec![0.0_f32; count];
    for a in 0..count {
        for b in 0..a {
            let shared = sentences[a].words.intersection(&sentences[b].words).count() as f32;
            let scale =
                (sentences[a].words.len() as f32).ln() + (sentences[b].words.len() as f32).ln();
            let edge = shared / scale.max(1.0);
            edges[a * count + b] = edge;
            edges[b * count + a] = edge;
            sums[a] += edge;
            sums[b] += edge;
        }
    }
    let mut scores = vec![1.0_f32; count];
    for _ in 0..ROUNDS {
        let mut next = vec![1.0 - DAMPING; count];
        for from in 0..count {
            if sums[from] <= 0.0 {
                continue;
            }
            let given = DAMPING * scores[from] / sums[from];
            for (to, score) in next.iter_mut().enumerate() {
                *score += given * edges[from * count + to];
            }
        }
        scores = next;
    }
    scores
        .iter()
        .zip(sentences)
        .map(|(score, sentence)| score * sentence.weight)
        .collect()
}
