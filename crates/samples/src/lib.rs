//! Sample PDFs that the project makes itself: for the demonstration, and as fixtures for the tests of every room.
//!
//! Each function returns the bytes of one PDF. The same version of this crate gives the same bytes each time, so a
//! content hash of a sample can be relied on inside one build. Nothing in them is taken from anywhere: the texts are
//! written for the purpose, and every host is in a domain reserved for examples (RFC 2606, RFC 6761).
//!
//! ```
//! for (name, bytes) in pagemill_samples::all() {
//!     assert!(bytes.starts_with(b"%PDF-"), "{name}");
//! }
//! ```
//!
//! [`hostile`] has the other kind: what a worker must survive; and [`unusual`] what readers get wrong.

mod electronic;
pub mod hostile;
mod invoice;
mod links;
mod non_latin;
mod paper;
mod picture;
mod plain;
mod raw;
mod report;
mod scans;
mod slides;
mod typeset;
pub mod unusual;

pub use electronic::{CII, electronic_invoice, invoice_carrying};
pub use invoice::invoice;
pub use links::{LINK_COUNT, links_and_outline};
pub use non_latin::{cjk, non_latin};
pub use paper::paper;
pub use picture::{Picture, scanned};
pub use plain::{SCAN_LINES, blank, colour, grey, scan};
pub use report::report;
pub use scans::{Scan, scanned_slips, scans, scans_in};
pub use slides::slides;

/// Every intact sample with the file name that `make-samples` gives it.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("report.pdf", report()),
        ("paper.pdf", paper()),
        ("invoice.pdf", invoice()),
        ("slides.pdf", slides()),
        ("non-latin.pdf", non_latin()),
        ("cjk.pdf", cjk()),
        ("links-and-outline.pdf", links_and_outline()),
        ("scan.pdf", scan()),
        ("grey.pdf", grey()),
        ("colour.pdf", colour()),
        ("blank.pdf", blank()),
    ]
}
