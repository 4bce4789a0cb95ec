//! Counting tokens.

use tiktoken_rs::CoreBPE;

use crate::settings::Tokenizer;

impl Tokenizer {
    /// Its encoding, made once a process.
    pub(crate) fn encoding(self) -> &'static CoreBPE {
        match self {
            Self::O200kBase => tiktoken_rs::o200k_base_singleton(),
            Self::Cl100kBase => tiktoken_rs::cl100k_base_singleton(),
        }
    }

    /// How many tokens a text has; what looks like a special token counts as text.
    pub(crate) fn count(self, text: &str) -> u32 {
        u32::try_from(self.encoding().count_ordinary(text)).unwrap_or(u32::MAX)
    }
}
