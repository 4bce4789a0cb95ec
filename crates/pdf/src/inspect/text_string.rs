//! Text strings (ISO 32000-2 section 7.9.2.2): PDFDocEncoding, UTF-16 or UTF-8, told apart by their first bytes.

/// PDFDocEncoding where it differs from Latin-1 (ISO 32000-2 table D.2), from 0x18.
const FROM_0X18: [char; 8] = ['˘', 'ˇ', 'ˆ', '˙', '˝', '˛', '˚', '˜'];

/// PDFDocEncoding from 0x80 to 0xA0.
const FROM_0X80: [char; 33] = [
    '•', '†', '‡', '…', '—', '–', 'ƒ', '⁄', '‹', '›', '−', '‰', '„', '“', '”', '‘', '’', '‚', '™',
    'ﬁ', 'ﬂ', 'Ł', 'Œ', 'Š', 'Ÿ', 'Ž', 'ı', 'ł', 'œ', 'š', 'ž', '\u{FFFD}', '€',
];

/// Decodes a text string. What is no valid text becomes U+FFFD; nothing is taken out but language escapes.
pub(crate) fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => bytes.iter().map(|&byte| pdf_doc_character(byte)).collect(),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|&pair| unit(pair));
    let mut text = String::with_capacity(bytes.len() / 2);
    let mut in_escape = false;
    for character in char::decode_utf16(units) {
        match character.unwrap_or(char::REPLACEMENT_CHARACTER) {
            // A language code between two ESC is not text (ISO 32000-2 section 7.9.2.2.2).
            '\u{1B}' => in_escape = !in_escape,
            _ if in_escape => {}
            shown => text.push(shown),
        }
    }
    text
}

/// The character of a byte in PDFDocEncoding.
pub(crate) fn pdf_doc_character(byte: u8) -> char {
    match byte {
        0x18..=0x1F => FROM_0X18[usize::from(byte - 0x18)],
        0x80..=0xA0 => FROM_0X80[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// Decodes a text string for people: no control characters (a line break or tab becomes a space), no white space
/// around it, at most `max_characters`.
pub(crate) fn decode_clean(bytes: &[u8], max_characters: usize) -> String {
    // Four bytes are the most a character takes in any of the encodings; two more are the byte order mark.
    let most_bytes = max_characters.saturating_mul(4).saturating_add(4);
    let first_bytes = &bytes[..bytes.len().min(most_bytes)];
    clean(&decode(first_bytes), max_characters)
}

/// Takes the control characters out of `text` (a line break or tab becomes a space), trims it and cuts it.
pub(crate) fn clean(text: &str, max_characters: usize) -> String {
    let without_controls: String = text
        .chars()
        .filter_map(|character| match character {
            '\n' | '\r' | '\t' => Some(' '),
            // Bidirectional overrides and isolates can make a name read backwards in a log.
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' => None,
            other => (!other.is_control()).then_some(other),
        })
        .take(max_characters)
        .collect();
    without_controls.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{clean, decode, decode_clean};

    #[test]
    fn each_encoding_is_told_by_its_first_bytes() {
        assert_eq!(decode(b"plain \x80 \x92 \xA0 \xE4"), "plain • ™ € ä");
        assert_eq!(decode(b"\xFE\xFF\x00A\xD8\x3D\xDE\x00"), "A😀");
        assert_eq!(decode(b"\xFF\xFEA\x00\xE4\x00"), "Aä");
        assert_eq!(decode(b"\xEF\xBB\xBFna\xC3\xAFve"), "naïve");
    }

    #[test]
    fn broken_text_is_still_valid_unicode() {
        assert_eq!(decode(b"\xFE\xFF\xD8\x00\x00B\x00"), "\u{FFFD}B");
        assert_eq!(decode(b"\xEF\xBB\xBF\xFFx"), "\u{FFFD}x");
        assert_eq!(decode(b""), "");
    }

    #[test]
    fn a_language_escape_is_not_text() {
        assert_eq!(
            decode(b"\xFE\xFF\x00\x1B\x00e\x00n\x00\x1B\x00H\x00i"),
            "Hi"
        );
    }

    #[test]
    fn control_characters_go_and_length_is_bounded() {
        assert_eq!(decode_clean(b" a\x00b\x07\nc\x1b[31m ", 100), "ab c˙[31m");
        assert_eq!(clean("x\u{202E}fdp.exe\u{7}", 100), "xfdp.exe");
        assert_eq!(decode_clean(&[b'a'; 1000], 10).len(), 10);
    }
}
