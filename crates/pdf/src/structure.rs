//! Reading the document's structure: outline, headings, page labels.

mod headings;
pub(crate) mod labels;
pub(crate) mod outline;

pub use headings::{headings, headings_of_page};
