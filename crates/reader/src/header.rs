//! The header check: is this a PDF at all, and if not, what is it?

use memchr::memmem;

use crate::error::PdfError;

/// How many bytes may stand before `%PDF-` (the leniency that readers have had since Acrobat 3; PDFium allows 1,024).
const HEADER_WINDOW: usize = 1024;

/// How many of a file's first bytes the check looks at.
pub(crate) const HEADER_BYTES: usize = HEADER_WINDOW + 5;

/// How many of a file's last bytes the check looks at: the end of a PDF stands there, and what a transfer added.
pub(crate) const TAIL_BYTES: usize = 2048;

/// Some PDFs begin like this, with their own version behind it (ISO 32000-1 appendix H, note 15).
const POSTSCRIPT: &str = "PostScript";

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
    (b"%!PS", POSTSCRIPT),
    (b"{\\rtf", "RTF"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7FELF", "a program"),
    (b"MZ", "a program"),
];

/// Checks that a file may be a PDF, by its first bytes and its last ones: that a header stands after at most 1,024
/// others, or else that it has the objects or the end of a PDF which lost its header.
///
/// # Errors
///
/// [`PdfError::Empty`] without any bytes, [`PdfError::NotAPdf`] when there is nothing of a PDF.
pub fn check_header(first: &[u8], last: &[u8]) -> Result<(), PdfError> {
    if first.is_empty() {
        return Err(PdfError::Empty);
    }
    if has_header(first) || is_headless(first, last) {
        return Ok(());
    }
    Err(not_a_pdf(first))
}

/// Whether a PDF header stands among the first bytes, where PDFium looks for it.
pub fn has_header(first: &[u8]) -> bool {
    let window = &first[..first.len().min(HEADER_BYTES)];
    memmem::find(window, b"%PDF-").is_some()
}

/// Whether a file without a header is a PDF by everything else: by an object near its beginning, or by the words that
/// stand at its end. What is surely something else is not.
pub fn is_headless(first: &[u8], last: &[u8]) -> bool {
    let window = &first[..first.len().min(HEADER_WINDOW)];
    let is_other = signature(window).is_some_and(|name| name != POSTSCRIPT);
    if is_other {
        return false;
    }
    let end = &last[last.len().saturating_sub(TAIL_BYTES)..];
    let has_end = memmem::rfind(end, b"startxref")
        .is_some_and(|at| memmem::find(&end[at..], b"%%EOF").is_some());
    has_end || has_object(window)
}

/// Whether an object begins somewhere, at the beginning of a line: `12 0 obj`.
fn has_object(window: &[u8]) -> bool {
    memmem::find_iter(window, b" obj").any(|at| {
        let before = &window[..at];
        let line = before
            .iter()
            .rposition(|byte| matches!(byte, b'\n' | b'\r'))
            .map_or(before, |end| &before[end + 1..]);
        let mut numbers = line.split(|byte| *byte == b' ');
        let is_number =
            |word: &[u8]| !word.is_empty() && word.iter().all(|byte| byte.is_ascii_digit());
        numbers.next().is_some_and(is_number)
            && numbers.next().is_some_and(is_number)
            && numbers.next().is_none()
    })
}

/// The refusal of a file that begins like this.
pub fn not_a_pdf(first: &[u8]) -> PdfError {
    PdfError::NotAPdf {
        looks_like: looks_like(&first[..first.len().min(HEADER_WINDOW)]).to_owned(),
    }
}

/// What a file is that begins with the signature of another kind.
fn signature(first: &[u8]) -> Option<&'static str> {
    let known = SIGNATURES
        .iter()
        .find(|(signature, _)| first.starts_with(signature));
    if let Some((_, name)) = known {
        return Some(name);
    }
    let is_webp = first.starts_with(b"RIFF") && first.get(8..12) == Some(b"WEBP".as_slice());
    is_webp.then_some("a WebP image")
}

fn looks_like(first: &[u8]) -> &'static str {
    if let Some(name) = signature(first) {
        return name;
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
    use crate::error::PdfError;

    fn check_header(whole: &[u8]) -> Result<(), PdfError> {
        super::check_header(whole, whole)
    }

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

    #[test]
    fn w14_a_pdf_that_lost_its_header_is_told_from_what_is_none() {
        for lost in [
            b"1 0 obj\n<</Type/Catalog>>".as_slice(),
            b"%\xE2\xE3\xCF\xD3\r12 0 obj\r<<>>",
            b"%!PS-Adobe-3.0 PDF-1.4\n1 0 obj\n<<>>",
            b"PHP Warning: x\n<br />\nstartxref\n1234\n%%EOF\n",
        ] {
            assert_eq!(check_header(lost), Ok(()), "{}", lost.escape_ascii());
        }
        for other in [
            b"the first obj of the day".as_slice(),
            b"10 obj",
            b"%!PS-Adobe-3.0\n%%EOF",
            b"\x89PNG\r\n\x1a\n\n1 0 obj",
            b"PK\x03\x04 a stored file\nstartxref\n1\n%%EOF",
            b"%%EOF startxref",
        ] {
            assert!(check_header(other).is_err(), "{}", other.escape_ascii());
        }
    }
}
