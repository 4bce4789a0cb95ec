//! What blocks are, seen over the whole document: headings with levels, and furniture.

use crate::text::PageText;

/// Marks headings (by size and weight against the document's body text, with levels) and furniture (text repeated in
/// the same place over the pages) among the blocks of all pages of one document, in order.
pub fn classify(_pages: &mut [PageText]) {}
