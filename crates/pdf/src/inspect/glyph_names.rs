//! What names of glyphs mean, by the rules of the Adobe glyph list.

use read_fonts::ps::agl;

/// Most characters that one glyph is believed to stand for.
const MAX_CHARACTERS: usize = 16;

/// The characters that a glyph's name stands for, by the rules of the Adobe glyph list: "f_f_i" is three, "T_h.liga" two.
/// `None` when any part of it says nothing.
pub(crate) fn of_name(name: &str) -> Option<String> {
    let (base, _) = agl::split_variant(name);
    let mut text = String::new();
    for part in base.split('_') {
        let before = text.len();
        text.extend(agl::name_to_chars(part).filter(|ch| !is_private(*ch)));
        if text.len() == before {
            return None;
        }
    }
    (text.chars().count() <= MAX_CHARACTERS).then_some(text)
}

/// Whether PDFium knows a name: it reads one character of the list, and no compositions.
pub(crate) fn is_plain(name: &str) -> bool {
    agl::name_to_char(name).is_some()
}

/// Whether a name is composed of others that mean something, so that PDFium does not know it and this program does.
pub(crate) fn is_composed(name: &str) -> bool {
    !is_plain(name) && of_name(name).is_some()
}

pub(crate) fn is_private(ch: char) -> bool {
    matches!(ch, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' | '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_names_are_the_characters_of_their_parts() {
        for (name, text) in [
            ("f_f", Some("ff")),
            ("f_f_i", Some("ffi")),
            ("T_h.liga", Some("Th")),
            ("uni00660069", Some("fi")),
            ("u1F600", Some("\u{1F600}")),
            ("A.sc", Some("A")),
            ("f_g123", None),
            ("g123", None),
            (".notdef", None),
            ("uniE001", None),
        ] {
            assert_eq!(of_name(name).as_deref(), text, "{name}");
        }
    }

    #[test]
    fn names_of_one_character_are_left_to_the_renderer() {
        assert!(is_plain("eacute"));
        assert!(is_plain("uni0041"));
        assert!(!is_plain("f_f"));
        assert!(!is_plain("uni00660069"));
    }
}
