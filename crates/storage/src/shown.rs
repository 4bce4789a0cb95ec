//! Names of others for people's eyes.

use std::borrow::Cow;

/// A key, a file's name or a line that holds one, for a terminal: on one line, and readable from left to right.
///
/// A name may hold any character. What would begin a line, steer the terminal or reorder the text around it is written
/// as a Rust escape (`\n`, `\u{1b}`, `\u{202e}`), so that the name can still be told from others. Names in JSON stay as
/// they are: its own escapes are enough.
pub fn shown(name: &str) -> Cow<'_, str> {
    if !name.contains(is_steering) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    for character in name.chars() {
        match is_steering(character) {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character acts on a terminal or on the text around it, instead of being one: control characters (C0, DEL,
/// C1), line and paragraph separators, and the marks, embeddings, overrides and isolates of the Unicode bidirectional
/// algorithm (UAX #9, 2).
pub fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ho_4_a_name_can_not_break_its_line_steer_the_terminal_or_reorder_text() {
        let hostile = "a\nb\r\u{1b}[31m\u{9b}2J\u{202e}fdp.\u{2066}\u{2028}\u{7f}\0.pdf";
        let shown = shown(hostile);
        assert_eq!(
            shown,
            r"a\nb\r\u{1b}[31m\u{9b}2J\u{202e}fdp.\u{2066}\u{2028}\u{7f}\u{0}.pdf"
        );
        assert!(!shown.contains(is_steering));
    }

    #[test]
    fn ordinary_names_of_any_script_stay_as_they_are() {
        for name in [
            "2024 Q3+é.pdf",
            "报告.pdf",
            "عقد.pdf",
            r"back\slash.pdf",
            "👩‍👩‍👧.pdf",
        ] {
            assert!(matches!(shown(name), Cow::Borrowed(same) if same == name));
        }
    }
}
