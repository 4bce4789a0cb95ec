//! Rewriting a file that PDFium can't open or does not read right, from what the object reader knows of it.
//!
//! PDFium decides whether a file is a document. Where it says no, a child is asked once more, and may give back another
//! file that says the same: one with the header that was missing, or one without its encryption. Where it opens a file
//! and would give text that is not seen, of layers that are off, a copy has that text out of the way. The parent seals
//! those bytes like any other PDF, and everything after reads them in place of the file that came.
//!
//! Where a page's text lacks characters because PDFium does not know what they are or has no glyphs for them, the text
//! of that page is read once more, from a copy in which fonts say what they mean. Its image is still that of the first.

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::inspect::{changed, decrypted};
use pagemill_document::Encryption;
use pagemill_reader::{Limits, PdfError, has_header, is_headless};

pub(crate) mod box_font;
mod content;
mod fonts;
#[cfg(test)]
mod fuzz;
mod glyph_text;
mod layers;
pub(crate) mod to_unicode;

/// What is put before a file without a header. It claims the least, since such a file claims nothing.
const HEADER: &[u8] = b"%PDF-1.0\n";

/// The version that [`HEADER`] claims.
const CLAIMED: &str = "1.0";

/// What a file is rewritten for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// PDFium can't open it.
    Opening,
    /// It has layers that are off.
    Layers,
    /// Some of its characters are not read.
    Fonts,
}

/// What was done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Repair {
    /// It got a header.
    Header,
    /// It was decrypted.
    Decrypted(Encryption),
    /// What is on layers that are off was moved away from the pages.
    Layers,
    /// Its fonts say what they mean.
    Fonts,
}

impl Repair {
    /// In words, for the inspection, where a reader of the outputs has to know.
    pub(crate) fn in_words(self) -> Option<&'static str> {
        match self {
            Self::Header => Some("the file has no header and was read as if it had one"),
            Self::Decrypted(_) => Some(
                "the renderer does not know this kind of encryption, so that the file was decrypted first",
            ),
            Self::Layers | Self::Fonts => None,
        }
    }

    /// The version of a file that was repaired so, as it was read from the repaired one.
    pub(crate) fn version(self, read: String) -> String {
        match self {
            Self::Header if read == CLAIMED => String::new(),
            _ => read,
        }
    }
}

/// A file that says the same as this one, for PDFium, and what was done. Called in a child: the bytes are hostile.
///
/// # Errors
/// [`PdfError::Corrupt`] when nothing is known that would help; for an encrypted file those of opening it, and
/// [`PdfError::OverLimit`] when it would be larger than a file may be.
pub(crate) fn repaired(
    bytes: &[u8],
    passwords: &[String],
    purpose: Purpose,
    limits: &Limits,
) -> Result<(Repair, Vec<u8>), PdfError> {
    let none = || PdfError::Corrupt {
        reason: "nothing is known that would repair it".to_owned(),
    };
    let (repair, file) = match purpose {
        Purpose::Opening if has_header(bytes) => {
            let (encryption, file) = decrypted(bytes, passwords)?;
            (Repair::Decrypted(encryption), file)
        }
        Purpose::Opening if is_headless(bytes, bytes) => (Repair::Header, with_header(bytes)),
        Purpose::Opening => return Err(none()),
        Purpose::Layers => {
            let file = changed(bytes, passwords, layers::without_hidden)?;
            (Repair::Layers, file.ok_or_else(none)?)
        }
        Purpose::Fonts => {
            let file = changed(bytes, passwords, fonts::with_meanings)?;
            (Repair::Fonts, file.ok_or_else(none)?)
        }
    };
    let actual = file.len() as u64;
    if actual > limits.max_file_bytes {
        return Err(PdfError::OverLimit {
            limit: "max_file_bytes".to_owned(),
            actual,
            allowed: limits.max_file_bytes,
        });
    }
    Ok((repair, file))
}

/// The file from its own header on, when only too much stands before it; or else with one before it. PDFium finds the
/// objects by itself when the table of their places is wrong.
fn with_header(bytes: &[u8]) -> Vec<u8> {
    let own = memmem::find(bytes, b"%PDF-");
    // A header behind the first object is that of a file within the file.
    let first_object = memmem::find(bytes, b" obj").unwrap_or(bytes.len());
    match own.filter(|own| *own < first_object) {
        Some(own) => bytes[own..].to_vec(),
        None => [HEADER, bytes].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::hand_made::one_page;

    fn repaired(bytes: &[u8]) -> Result<(Repair, Vec<u8>), PdfError> {
        super::repaired(bytes, &[], Purpose::Opening, &Limits::default())
    }

    #[test]
    fn a_file_without_a_header_gets_one() {
        let whole = one_page("", "", &[], &[]);
        let headless = &whole[b"%PDF-1.4\n".len()..];
        let (repair, file) = repaired(headless).expect("it has objects");
        assert_eq!(repair, Repair::Header);
        assert_eq!(file, [HEADER, headless].concat());
        assert_eq!(repair.version("1.0".to_owned()), "");
        assert_eq!(repair.version("1.6".to_owned()), "1.6");
    }

    #[test]
    fn a_header_behind_too_much_else_is_taken() {
        let whole = one_page("", "", &[], &[]);
        let late = [b"X-Header: x\r\n".repeat(100).as_slice(), &whole].concat();
        assert_eq!(repaired(&late), Ok((Repair::Header, whole)));
    }

    #[test]
    fn the_header_of_an_attachment_is_not_that_of_the_file() {
        // It stands where nobody looks for a header.
        let title = format!("/Note({})", "x".repeat(1_024));
        let attachment = "<</Length 8>>stream\n%PDF-1.4\nendstream";
        let whole = one_page(&title, "", &[], &[attachment]);
        let headless = &whole[b"%PDF-1.4\n".len()..];
        let (_, file) = repaired(headless).expect("it has objects");
        assert!(file.ends_with(headless));
    }

    #[test]
    fn a_file_that_is_sound_or_no_pdf_is_left_alone() {
        for bytes in [
            one_page("", "", &[], &[]).as_slice(),
            b"<!doctype html><html></html>",
        ] {
            assert!(matches!(repaired(bytes), Err(PdfError::Corrupt { .. })));
        }
    }

    #[test]
    fn what_is_too_large_with_its_header_is_refused() {
        let whole = one_page("", "", &[], &[]);
        let headless = &whole[b"%PDF-1.4\n".len()..];
        let limits = Limits {
            max_file_bytes: headless.len() as u64,
            ..Limits::default()
        };
        let refusal = super::repaired(headless, &[], Purpose::Opening, &limits);
        assert!(
            matches!(refusal, Err(PdfError::OverLimit { .. })),
            "{refusal:?}"
        );
    }
}
