//! The character account of a page: what it shows that is not in its text, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Letters;

/// Characters of a page that its text has not, by reason, and the letters that it has.
///
/// Every character that the renderer gives is in the text or in one of these counts; where the renderer draws text and
/// gives no characters for it, [`not_read`](Self::not_read) says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CharacterAccount {
    /// The letters of the text.
    pub letters: Letters,
    /// Printed again over themselves, to look bold or to cast a shadow: one of each is in the text.
    #[serde(skip_serializing_if = "is_zero")]
    pub overprinted: u32,
    /// Outside of the page.
    #[serde(skip_serializing_if = "is_zero")]
    pub off_page: u32,
    /// On a layer that is switched off.
    #[serde(skip_serializing_if = "is_zero")]
    pub layer_off: u32,
    /// Printed, but the file does not say which characters they are.
    #[serde(skip_serializing_if = "is_zero")]
    pub no_unicode: u32,
    /// Printed, and the file says only that they are of its own (the private use areas of Unicode): signs of a company,
    /// music, ornaments.
    #[serde(skip_serializing_if = "is_zero")]
    pub private_use: u32,
    /// Over the limit for one page.
    #[serde(skip_serializing_if = "is_zero")]
    pub over_limit: u32,
    /// Text-showing operators whose characters the renderer does not give.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_read: u32,
    /// Letters that were read and got lost on the way into the text. A fault of this program, if ever.
    #[serde(skip_serializing_if = "is_zero")]
    pub lost: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl CharacterAccount {
    /// Characters that are to be seen on the page and not in its text.
    pub fn missing(&self) -> u32 {
        let counts = [
            self.no_unicode,
            self.private_use,
            self.not_read,
            self.over_limit,
            self.lost,
        ];
        counts.into_iter().fold(0, u32::saturating_add)
    }
}
