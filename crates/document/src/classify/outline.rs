//! What the outline of a file says of its headings: a title that stands on the page that it leads to, as a block of its own, is one,
//! however it is set. Entries without such a block say nothing: outlines name figures, forms and files too.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::OutlineItem;

use super::DEEPEST_LEVEL;

/// Entries that are taken: more than that names pages or words.
const MOST_ENTRIES: usize = 50_000;

/// Letters that a title has at least: numbers and signs stand everywhere.
const FEWEST_LETTERS: usize = 2;

/// Titles by the page that they lead to, as hashes, with their depths.
#[derive(Debug, Default)]
pub(super) struct Titles(HashMap<(u32, u64), u8>);

impl Titles {
    pub(super) fn of(outline: &[OutlineItem]) -> Self {
        let mut titles = HashMap::new();
        for item in outline.iter().take(MOST_ENTRIES) {
            let (Some(page), Some(names)) = (item.page, names(&item.title)) else {
                continue;
            };
            let level = item.level.clamp(1, DEEPEST_LEVEL);
            for name in names {
                titles.entry((page.0, name)).or_insert(level);
            }
        }
        Self(titles)
    }

    /// The depth of the entry that leads to this page and is called as this text is, its number aside.
    pub(super) fn level(&self, page: u32, text: &str) -> Option<u8> {
        if self.0.is_empty() {
            return None;
        }
        let mut levels = names(text)?
            .map(|name| self.0.get(&(page, name)).copied())
            .into_iter();
        levels.find_map(|level| level)
    }
}

/// A text by its letters and digits, with its number and without it: an outline may have numbers that are not printed, and leave
/// printed ones out.
fn names(text: &str) -> Option<[u64; 2]> {
    let text = text.trim();
    let letters = text
        .chars()
        .filter(|ch| ch.is_alphabetic())
        .take(FEWEST_LETTERS);
    if letters.count() < FEWEST_LETTERS {
        return None;
    }
    let is_of_number = |ch: char| ch.is_ascii_digit() || matches!(ch, '.' | ')' | ':' | ' ' | '\t');
    let title = text.trim_start_matches(is_of_number);
    Some([hash_of(text), hash_of(title)])
}

fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    let letters = text.chars().filter(|ch| ch.is_alphanumeric());
    letters
        .flat_map(char::to_lowercase)
        .for_each(|ch| ch.hash(&mut hasher));
    hasher.finish()
}
