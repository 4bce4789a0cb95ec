//! The headings that [`crate::text::classify`] found, in reading order.

use crate::structure::Heading;
use crate::text::{BlockKind, PageText};

/// Lists the headings of pages that went through [`crate::text::classify`], in reading order. The text of a heading
/// is on one line.
pub fn headings(pages: &[PageText]) -> Vec<Heading> {
    let mut found = Vec::new();
    for page in pages {
        for (index, block) in page.blocks.iter().enumerate() {
            if block.kind != BlockKind::Heading {
                continue;
            }
            let Some(text) = page.text.get(block.start as usize..block.end as usize) else {
                continue;
            };
            found.push(Heading {
                level: block.level.unwrap_or(1),
                text: text.split_whitespace().collect::<Vec<_>>().join(" "),
                page: page.page,
                block: u32::try_from(index).unwrap_or(u32::MAX),
            });
        }
    }
    found
}
