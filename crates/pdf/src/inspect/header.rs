//! The header check: is this a PDF at all?

use crate::error::PdfError;

/// How far into a file its `%PDF-` may stand (the leniency that readers have had since Acrobat 3).
const HEADER_WINDOW: usize = 1024;

/// Checks that `first`, the first bytes of a file, hold a PDF header; only their first 1,024 count.
///
/// # Errors
///
/// [`PdfError::Empty`] without any bytes, [`PdfError::NotAPdf`] when no `%PDF-` is there.
pub fn check_header(first: &[u8]) -> Result<(), PdfError> {
    if first.is_empty() {
        return Err(PdfError::Empty);
    }
    let window = &first[..first.len().min(HEADER_WINDOW)];
    if window.windows(5).any(|five| five == b"%PDF-") {
        return Ok(());
    }
    Err(PdfError::NotAPdf {
        looks_like: "binary data".to_owned(),
    })
}
