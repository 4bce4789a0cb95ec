//! A document as lopdf reads it.

use super::Inspection;
use crate::engine::Limits;
use crate::error::PdfError;
use crate::link::Link;
use crate::page::PageNumber;
use crate::structure::{OutlineItem, PageLabel};

/// A document whose objects are read. Made in a child process: the bytes are hostile.
#[allow(dead_code)] // the engine's child calls it
pub(crate) struct Parsed {
    inspection: Inspection,
    password: Option<String>,
}

#[allow(dead_code)] // the engine's child calls it
impl Parsed {
    /// Reads the objects of a file. The empty user password is tried first, then `passwords` in their order.
    ///
    /// # Errors
    ///
    /// [`PdfError::Encrypted`] when no password opens it, [`PdfError::OverLimit`] for too many pages, and
    /// [`PdfError::Corrupt`] when this parser can't read it; PDFium may still be able to, so the caller goes on
    /// with PDFium alone.
    pub(crate) fn open(
        _bytes: &[u8],
        _passwords: &[String],
        _limits: &Limits,
    ) -> Result<Self, PdfError> {
        Err(PdfError::Corrupt {
            reason: "not read yet".to_owned(),
        })
    }

    /// What was learnt of the file as a whole.
    pub(crate) fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// The password that opened it, for PDFium; absent when it needs none.
    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The links of a page in the order of its annotations, at most `max`, and how many were left out over that.
    pub(crate) fn links(&self, _page: PageNumber, _max: u32) -> (Vec<Link>, u32) {
        (Vec::new(), 0)
    }

    /// The outline, depth first.
    pub(crate) fn outline(&self) -> Vec<OutlineItem> {
        Vec::new()
    }

    /// The label of every page; empty when the file has no labels.
    pub(crate) fn page_labels(&self) -> Vec<PageLabel> {
        Vec::new()
    }
}
