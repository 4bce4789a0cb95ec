//! The token budget, and how a document that does not fit is cut into parts.

use std::collections::BTreeSet;

use pagemill_document::{PageNumber, PageText, Structure};
use tiktoken_rs::CoreBPE;

/// What the encoding is given at once, in bytes. Its patterns go back step by step over a run of one character that is
/// then followed by the wrong one, and panic after a million steps.
const MOST_AT_ONCE: usize = 256 << 10;

/// Counts tokens as the model does; `o200k` for models that are not known.
#[derive(Clone, Copy)]
pub(crate) struct Tokenizer {
    encoding: &'static CoreBPE,
}

impl Tokenizer {
    pub(crate) fn for_model(model: &str) -> Self {
        let encoding = tiktoken_rs::bpe_for_model(model)
            .unwrap_or_else(|_| tiktoken_rs::o200k_base_singleton());
        Self { encoding }
    }

    /// A text of more than 256 KiB is counted in pieces, so that its count may be off by a few.
    pub(crate) fn count(&self, text: &str) -> usize {
        let mut rest = text;
        let mut tokens = 0;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(MOST_AT_ONCE));
            tokens += self.encoding.count_ordinary(piece);
            rest = after;
        }
        tokens
    }

    /// The longest beginning of whole characters that has about `tokens` tokens at most.
    pub(crate) fn beginning<'a>(&self, text: &'a str, tokens: usize) -> &'a str {
        let mut end = text.len();
        // Each round at least shortens by a tenth; three or four rounds are usual.
        loop {
            let candidate = &text[..end];
            let count = self.count(candidate);
            if count <= tokens || end == 0 {
                return candidate;
            }
            let estimate = (end as u128 * tokens as u128 / count as u128) as usize;
            end = text.floor_char_boundary(estimate.min(end * 9 / 10));
        }
    }
}

/// A page, or a piece of a page that is larger than a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) page: PageNumber,
    pub(crate) text: String,
    pub(crate) tokens: usize,
}

/// Tokens that a page's marker adds at most.
const MARKER_TOKENS: usize = 40;

/// The pages with text as pieces of at most `budget` tokens. Stops when `most` tokens are counted; the second value
/// is the first page that was not looked at.
pub(crate) fn pieces(
    pages: &[PageText],
    tokenizer: Tokenizer,
    budget: usize,
    most: usize,
) -> (Vec<Piece>, Option<PageNumber>) {
    let mut pieces = Vec::new();
    let mut total = 0;
    let room = budget.saturating_sub(MARKER_TOKENS).max(1);
    for page in pages {
        let text = crate::visible::visible(&page.text);
        if text.trim().is_empty() {
            continue;
        }
        if total >= most {
            return (pieces, Some(page.page));
        }
        let mut rest = text.as_str();
        while !rest.is_empty() {
            // A token has at least one byte: text beyond this can't be needed for one piece.
            let window = rest.floor_char_boundary(room.saturating_mul(16));
            let beginning = tokenizer.beginning(&rest[..window], room);
            if beginning.is_empty() {
                break;
            }
            let tokens = tokenizer.count(beginning) + MARKER_TOKENS;
            total += tokens;
            pieces.push(Piece {
                page: page.page,
                text: beginning.to_owned(),
                tokens,
            });
            rest = &rest[beginning.len()..];
            if total >= most {
                break;
            }
        }
    }
    (pieces, None)
}

/// Pages on which a section of the highest level begins.
pub(crate) fn section_starts(structure: &Structure) -> BTreeSet<PageNumber> {
    if structure.outline.is_empty() {
        structure
            .headings
            .iter()
            .filter(|heading| heading.level == 1)
            .map(|heading| heading.page)
            .collect()
    } else {
        structure
            .outline
            .iter()
            .filter(|item| item.level == 1)
            .filter_map(|item| item.page)
            .collect()
    }
}

/// Groups pieces into parts of at most `budget` tokens; a part that is at least half full ends before a section.
pub(crate) fn parts(
    pieces: Vec<Piece>,
    budget: usize,
    starts: &BTreeSet<PageNumber>,
) -> Vec<Vec<Piece>> {
    let mut parts: Vec<Vec<Piece>> = Vec::new();
    let mut part: Vec<Piece> = Vec::new();
    let mut tokens = 0;
    for piece in pieces {
        let is_full = tokens + piece.tokens > budget;
        let at_section = tokens * 2 >= budget
            && starts.contains(&piece.page)
            && part.last().is_some_and(|last| last.page != piece.page);
        if !part.is_empty() && (is_full || at_section) {
            parts.push(std::mem::take(&mut part));
            tokens = 0;
        }
        tokens += piece.tokens;
        part.push(piece);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Which of `count` parts are read when only `most` may be: the first, the last, and evenly between.
pub(crate) fn chosen(count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    match most {
        0 => Vec::new(),
        1 => vec![0],
        _ => (0..most)
            .map(|index| index * (count - 1) / (most - 1))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(page: u32, tokens: usize) -> Piece {
        Piece {
            page: PageNumber(page),
            text: String::new(),
            tokens,
        }
    }

    #[test]
    fn parts_fit_the_budget_and_end_before_sections() {
        let pieces: Vec<Piece> = (1..=6).map(|page| piece(page, 30)).collect();
        let starts = BTreeSet::from([PageNumber(3)]);
        let sizes: Vec<usize> = parts(pieces, 100, &starts).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 3, 1]);
    }

    #[test]
    fn few_parts_of_many_are_spread_evenly() {
        assert_eq!(chosen(3, 5), [0, 1, 2]);
        assert_eq!(chosen(10, 4), [0, 3, 6, 9]);
    }

    #[test]
    fn a_run_of_one_character_is_counted_however_long_it_is() {
        let tokenizer = Tokenizer::for_model("a model nobody knows");
        for run in ["A", " "] {
            assert!(tokenizer.count(&run.repeat(1_500_000)) > 0);
        }
    }

    #[test]
    fn a_beginning_keeps_to_its_tokens() {
        let tokenizer = Tokenizer::for_model("a model nobody knows");
        let text = "Mühlen mahlen langsam, aber 粉 fein. ".repeat(100);
        let beginning = tokenizer.beginning(&text, 50);
        assert!(tokenizer.count(beginning) <= 50 && beginning.len() > 50);
    }
}
