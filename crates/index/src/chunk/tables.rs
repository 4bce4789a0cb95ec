//! Tables in pieces: rows stay whole.

use super::sentences;
use crate::settings::IndexSettings;

/// A piece of a text: where it begins and ends in it, in bytes, and its tokens.
pub(super) type Piece = (usize, usize, u32);

/// The rows of a table, and whether each is of its head. A row that is longer than a chunk is cut like any other text.
pub(super) fn rows(text: &str, head_rows: usize, settings: &IndexSettings) -> Vec<(Piece, bool)> {
    let mut found = Vec::new();
    let mut start = 0;
    for (number, row) in text.split('\n').enumerate() {
        let is_head = number < head_rows;
        let tokens = settings.tokenizer.count(row);
        if row.trim().is_empty() {
            // Nothing to find in it.
        } else if tokens <= settings.chunk_tokens {
            found.push(((start, start + row.len(), tokens), is_head));
        } else {
            let parts = sentences::split(row, settings).into_iter();
            found.extend(
                parts.map(|(from, to, tokens)| ((start + from, start + to, tokens), is_head)),
            );
        }
        start += row.len() + 1;
    }
    found
}
