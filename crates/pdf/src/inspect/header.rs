//! The header check: is this a PDF at all, and if not, what is it?

use crate::error::PdfError;

/// How many bytes may stand before `%PDF-` (the leniency that readers have had since Acrobat 3; PDFium allows 1,024).
const HEADER_WINDOW: usize = 1024;

/// How many of a file's first bytes the check looks at.
pub(crate) const HEADER_BYTES: usize = HEADER_WINDOW + 5;

/// First bytes of what is uploaded in place of a PDF.
const SIGNATURES: [(&[u8], &str); 15] = [
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xFF\xD8\xFF", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        "an old Office document",
    ),
    (b"\x1F\x8B", "gzip data"),
    (b"%!PS", "PostScript"),
    (b"{\\rtf", "RTF"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7FELF", "a program"),
    (b"MZ", "a program"),
];

/// Checks that `first`, the first bytes of a file, hold a PDF header after at most 1,024 others.
///
/// # Errors
///
/// [`PdfError::Empty`] without any bytes, [`PdfError::NotAPdf`] when no `%PDF-` is there.
pub fn check_header(first: &[u8]) -> Result<(), PdfError> {
    if first.is_empty() {
        return Err(PdfError::Empty);
    }
    let window = &first[..first.len().min(HEADER_BYTES)];
    if window.windows(5).any(|five| five == b"%PDF-") {
        return Ok(());
    }
    Err(PdfError::NotAPdf {
        looks_like: looks_like(&first[..first.len().min(HEADER_WINDOW)]).to_owned(),
    })
}

fn looks_like(first: &[u8]) -> &'static str {
    if let Some((_, name)) = SIGNATURES
        .iter()
        .find(|(signature, _)| first.starts_with(signature))
    {
        return name;
    }
    if first.starts_with(b"RIFF") && first.get(8..12) == Some(b"WEBP".as_slice()) {
        return "a WebP image";
    }
    if first.iter().all(|&byte| byte == 0) {
        return "zeros";
    }
    // A character may be cut at the window's end.
    let text = match std::str::from_utf8(first) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&first[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return "binary data",
    };
    let start = text
        .trim_start_matches('\u{FEFF}')
        .trim_start()
        .to_ascii_lowercase();
    if start.starts_with("<!doctype html")
        || start.contains("<html")
        || start.contains("<head")
        || start.contains("<body")
    {
        return "HTML";
    }
    if start.starts_with("<?xml") || (start.starts_with('<') && start.contains('>')) {
        return "XML";
    }
    let is_control = |character: char| {
        character.is_control() && !matches!(character, '\n' | '\r' | '\t' | '\u{C}')
    };
    if text.chars().any(is_control) {
        return "binary data";
    }
    if start.is_empty() {
        "white space"
    } else {
        "plain text"
    }
}

#[cfg(test)]
mod tests {
    use super::check_header;
    use crate::error::PdfError;

    #[test]
    fn a_header_may_stand_after_1024_bytes_of_junk_and_no_more() {
        assert_eq!(check_header(b"%PDF-1.7\n"), Ok(()));
        assert_eq!(
            check_header(&[b"junk ".repeat(200).as_slice(), b"%PDF-1.4"].concat()),
            Ok(())
        );
        let last = [vec![b' '; 1024].as_slice(), b"%PDF-1.4"].concat();
        assert_eq!(check_header(&last), Ok(()));
        let beyond = [vec![b' '; 1025].as_slice(), b"%PDF-1.4"].concat();
        assert!(matches!(
            check_header(&beyond),
            Err(PdfError::NotAPdf { .. })
        ));
    }

    #[test]
    fn no_bytes_are_their_own_error() {
        assert_eq!(check_header(b""), Err(PdfError::Empty));
    }

    #[test]
    fn the_error_says_what_it_looks_like() {
        let cases: [(&[u8], &str); 12] = [
            (b"<!DOCTYPE html><html>", "HTML"),
            (b"\xEF\xBB\xBF  <HTML><head>", "HTML"),
            (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
            (b"\xFF\xD8\xFF\xE0", "a JPEG image"),
            (b"PK\x03\x04\x14", "a ZIP archive or an Office document"),
            (b"\x1F\x8B\x08", "gzip data"),
            (b"<?xml version=\"1.0\"?><a/>", "XML"),
            (b"<Error><Code>AccessDenied</Code></Error>", "XML"),
            (b"Dear all,\nplease find attached", "plain text"),
            ("Gr\u{fc}\u{df}e".as_bytes(), "plain text"),
            (b"\x01\x02\x03\xFF", "binary data"),
            (b"\0\0\0\0", "zeros"),
        ];
        for (first, expected) in cases {
            let looks_like = expected.to_owned();
            assert_eq!(check_header(first), Err(PdfError::NotAPdf { looks_like }));
        }
    }
}
