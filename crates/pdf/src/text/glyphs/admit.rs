//! What a character value of PDFium means to the text.

/// What becomes of a character value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    /// It is text.
    Char(char),
    /// White: the layout decides what stands for it.
    Space,
    /// It has no shape and no meaning of its own (direction marks, byte order marks).
    Ignored,
    /// It is printed, and nobody knows what it is.
    Unmapped,
    /// It is printed, and the file has a value of its own for it.
    Private,
}

/// Sorts a character value.
pub(super) fn admit(value: u32) -> Admitted {
    match value {
        0x09..=0x0D
        | 0x20
        | 0xA0
        | 0x1680
        | 0x2000..=0x200A
        | 0x2028
        | 0x2029
        | 0x202F
        | 0x205F
        | 0x3000 => Admitted::Space,
        // PDFium's mark of a hyphen at a line's end, and the soft hyphen: printed, so kept as printed.
        0xAD | 0xFFFE => Admitted::Char('-'),
        // The code of a glyph without a name that is known, where it is no code of a character.
        0 | 0x01..=0x1F | 0x7F..=0x9F | 0xFFFD => Admitted::Unmapped,
        // The joiners (U+200C, U+200D) stay: Persian and Indic words are other words without them.
        0x200B | 0x200E | 0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0xFEFF => Admitted::Ignored,
        // Bullets of the Symbol and Wingdings fonts, the only private values with one well known meaning.
        0xF0B7 | 0xF06C | 0xF09F => Admitted::Char('•'),
        0xF0A7 | 0xF06E => Admitted::Char('▪'),
        0xF0D8 => Admitted::Char('➢'),
        0xF0FC => Admitted::Char('✓'),
        0xE000..=0xF8FF | 0xF0000..=0x10FFFF => Admitted::Private,
        _ => char::from_u32(value).map_or(Admitted::Unmapped, Admitted::Char),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_without_a_shape_and_private_values_stay_out() {
        assert_eq!(admit(0x200B), Admitted::Ignored);
        assert_eq!(admit(0), Admitted::Unmapped);
        assert_eq!(admit(0x07), Admitted::Unmapped);
        assert_eq!(admit(0xE123), Admitted::Private);
        assert_eq!(admit(0xFFFE), Admitted::Char('-'));
        assert_eq!(admit(0xF0B7), Admitted::Char('•'));
        assert_eq!(admit(0xA0), Admitted::Space);
        assert_eq!(admit('é' as u32), Admitted::Char('é'));
    }

    #[test]
    fn joiners_are_text() {
        assert_eq!(admit(0x200C), Admitted::Char('\u{200C}'));
        assert_eq!(admit(0x200D), Admitted::Char('\u{200D}'));
    }
}
