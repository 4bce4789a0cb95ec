//! What a document is: its pages, text, links, structure, and what its file says of itself, with their JSON shapes.
//!
//! This crate knows nobody: no engine that reads PDFs, no store, no queue, no I/O. Whoever makes a document (the PDF
//! engine) and whoever uses one (metadata, the index, outputs) meet in these types, so that neither compiles the other.
//! Every type serialises to the JSON that stands in the outputs, and has a schema.
//!
//! # A tour
//!
//! - [`Inspection`]: what the file says of itself, before any page is looked at.
//! - [`PageText`]: the text of one page in reading order. Its [`Block`]s and [`Line`]s have a [`Rect`] each, in points from
//!   the page's top left corner; a block's span is in bytes of the page's text.
//! - [`Table`]: the rows, columns and cells of a block that is a table. [`markdown`] writes a document as Markdown, and a
//!   table as HTML and CSV too.
//! - [`CharacterAccount`]: what a page shows that is not in its text, and why. [`Letters`] are what it is summed up with.
//! - [`Link`] and its [`LinkSafety`]; [`Structure`]: bookmarks, headings, page labels.
//! - [`classify()`] says what the blocks of a page are, seen over the whole document, and [`headings()`] lists those that are
//!   headings.
//! - [`PaidCall`] and [`ChargeSink`]: what making something of a document costs, and whom to tell. [`Dependency`]: whose outage
//!   can fail it.
//!
//! ```
//! use pagemill_document::{Letters, PageText};
//!
//! // As an older build wrote it: what came later is optional.
//! let written = r#"{
//!     "page": 1, "width": 595.0, "height": 842.0, "rotation": 0, "state": "text", "text": "Netto", "blocks": []
//! }"#;
//! let page: PageText = serde_json::from_str(written)?;
//! assert_eq!(page.characters.missing(), 0);
//! assert_eq!(Letters::of(&page.text), Letters::of("toNet"));
//! let json = serde_json::to_value(&page)?;
//! assert_eq!(json["state"], "text");
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! # Adding to it
//!
//! A new field is optional in JSON (`#[serde(default)]`), so that outputs of older builds can be read. The stage that fills
//! it gets a new version of its code, so that documents are read again (`graph` in `pagemill-pipeline`).

mod account;
mod charge;
mod classify;
mod dependency;
mod headings;
mod inspection;
mod letters;
mod link;
pub mod markdown;
mod page;
mod pages;
mod structure;
mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text;

pub use account::CharacterAccount;
pub use charge::{
    CallOutcome, ChargeSink, NotCharged, NotReserved, PaidCall, Reserved, Uncharged, Units,
};
pub use classify::{Classifier, Observer, classify, classify_with_outline};
pub use dependency::Dependency;
pub use headings::{headings, headings_of_page};
pub use inspection::{DocumentInfo, Encryption, Inspection};
pub use letters::Letters;
pub use link::{Link, LinkSafety, LinkTarget, OutlineTarget};
pub use page::{PageNumber, PageState, Rect};
pub use pages::PageTexts;
pub use structure::{Heading, OutlineItem, PageLabel, Structure};
pub use table::{Table, TableCell};
pub use text::{
    AnnotationSource, AnnotationSpan, Block, BlockKind, Figure, FigureKind, Line, OcrAccount,
    OcrWord, PageText, RaisedSpan,
};
