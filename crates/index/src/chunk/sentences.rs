//! Cutting a paragraph into sentences, and what is too long for a chunk into less.

use unicode_segmentation::UnicodeSegmentation;

use crate::settings::IndexSettings;

/// Splits a text into pieces of at most a chunk's tokens that together are the whole text, each with its byte range
/// and its tokens. Pieces are sentences (UAX #29); a sentence too long is cut between words, a word too long between
/// graphemes.
pub(super) fn split(text: &str, settings: &IndexSettings) -> Vec<(usize, usize, u32)> {
    let limit = settings.chunk_tokens;
    let mut pieces = Vec::new();
    for (start, sentence) in text.split_sentence_bound_indices() {
        let tokens = settings.tokenizer.count(sentence);
        if tokens <= limit {
            pieces.push((start, start + sentence.len(), tokens));
        } else {
            split_sentence(sentence, start, settings, &mut pieces);
        }
    }
    let mut checked = Vec::new();
    for piece in trim(text, pieces) {
        hold_to_limit(text, piece, settings, &mut checked);
    }
    checked
}

/// Counts a piece that may be too long, and halves it until it is not. The tokens of a whole are mostly those of its
/// parts together, but can be more: a space at its beginning is lost, or characters merge in another way.
fn hold_to_limit(
    text: &str,
    (start, end, guess): (usize, usize, u32),
    settings: &IndexSettings,
    checked: &mut Vec<(usize, usize, u32)>,
) {
    if guess <= settings.chunk_tokens / 2 {
        checked.push((start, end, guess));
        return;
    }
    let piece = &text[start..end];
    let tokens = settings.tokenizer.count(piece);
    let cut = (tokens > settings.chunk_tokens)
        .then(|| middle(piece))
        .flatten();
    let Some(cut) = cut else {
        checked.push((start, end, tokens));
        return;
    };
    for (from, to) in [(start, start + cut), (start + cut, end)] {
        if !text[from..to].trim().is_empty() {
            hold_to_limit(text, (from, to, tokens), settings, checked);
        }
    }
}

/// The boundary nearest the middle of a text: between words, or where there is but one, between graphemes.
fn middle(text: &str) -> Option<usize> {
    let nearest = |places: &mut dyn Iterator<Item = usize>| {
        places
            .filter(|place| *place > 0)
            .min_by_key(|place| place.abs_diff(text.len() / 2))
    };
    nearest(&mut text.split_word_bound_indices().map(|(place, _)| place))
        .or_else(|| nearest(&mut text.grapheme_indices(true).map(|(place, _)| place)))
}

/// Cuts a sentence between words into pieces as long as the limit allows.
fn split_sentence(
    sentence: &str,
    offset: usize,
    settings: &IndexSettings,
    pieces: &mut Vec<(usize, usize, u32)>,
) {
    let limit = settings.chunk_tokens;
    let mut begin = 0;
    let mut tokens = 0;
    for (place, word) in sentence.split_word_bound_indices() {
        let word_tokens = settings.tokenizer.count(word);
        if tokens + word_tokens > limit && place > begin {
            pieces.push((offset + begin, offset + place, tokens));
            begin = place;
            tokens = 0;
        }
        if word_tokens > limit {
            split_word(word, offset + place, settings, pieces);
            begin = place + word.len();
            continue;
        }
        tokens += word_tokens;
    }
    if begin < sentence.len() {
        pieces.push((offset + begin, offset + sentence.len(), tokens));
    }
}

/// Cuts a word longer than a chunk between graphemes. A grapheme that is itself too long (a letter with hundreds of
/// marks) is kept whole.
fn split_word(
    word: &str,
    offset: usize,
    settings: &IndexSettings,
    pieces: &mut Vec<(usize, usize, u32)>,
) {
    let mut begin = 0;
    let mut tokens = 0;
    for (place, grapheme) in word.grapheme_indices(true) {
        let grapheme_tokens = settings.tokenizer.count(grapheme);
        if tokens + grapheme_tokens > settings.chunk_tokens && place > begin {
            pieces.push((offset + begin, offset + place, tokens));
            begin = place;
            tokens = 0;
        }
        tokens += grapheme_tokens;
    }
    pieces.push((offset + begin, offset + word.len(), tokens));
}

/// Drops pieces of white space alone, and white space at the ends of the whole.
fn trim(text: &str, pieces: Vec<(usize, usize, u32)>) -> Vec<(usize, usize, u32)> {
    let mut kept: Vec<_> = pieces
        .into_iter()
        .filter(|(start, end, _)| !text[*start..*end].trim().is_empty())
        .collect();
    if let Some((start, end, _)) = kept.first_mut() {
        *start += text[*start..*end].len() - text[*start..*end].trim_start().len();
    }
    if let Some((start, end, _)) = kept.last_mut() {
        *end = *start + text[*start..*end].trim_end().len();
    }
    kept
}
