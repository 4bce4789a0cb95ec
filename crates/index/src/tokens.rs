//! Counting tokens.

use tiktoken_rs::CoreBPE;

use crate::settings::Tokenizer;

/// What the encoding is given at once, in bytes. Its patterns go back step by step over a run of one character that is
/// then followed by the wrong one, and panic after a million steps.
const MOST_AT_ONCE: usize = 256 << 10;

impl Tokenizer {
    /// Its encoding, made once a process.
    pub(crate) fn encoding(self) -> &'static CoreBPE {
        match self {
            Self::O200kBase => tiktoken_rs::o200k_base_singleton(),
            Self::Cl100kBase => tiktoken_rs::cl100k_base_singleton(),
        }
    }

    /// How many tokens a text has; what looks like a special token counts as text. A text of more than 256 KiB is
    /// counted in pieces, so that its count may be off by a few.
    pub(crate) fn count(self, text: &str) -> u32 {
        let mut rest = text;
        let mut tokens = 0;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(MOST_AT_ONCE));
            tokens += self.encoding().count_ordinary(piece);
            rest = after;
        }
        u32::try_from(tokens).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_one_character_is_counted_however_long_it_is() {
        for run in ["A", " ", "\u{a0}", "\u{301}"] {
            let text = run.repeat(1_500_000);
            let tokens = Tokenizer::O200kBase.count(&text);
            assert!(tokens > 0 && (tokens as usize) < text.len(), "{tokens}");
        }
    }
}
