//! Characters that are seen.

/// Whether a character is seen, or parts what is seen. Those of zero width, directional overrides and tags carry hidden
/// instructions, never content.
pub(crate) fn is_visible(character: char) -> bool {
    match character {
        '\n' | '\t' => true,
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => false,
        '\u{e0000}'..='\u{e007f}' => false,
        other => !other.is_control(),
    }
}

/// Text without what is not seen.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .filter(|character| is_visible(*character))
        .collect()
}
