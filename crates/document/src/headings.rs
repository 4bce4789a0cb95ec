//! The headings that [`classify`](crate::classify()) found, in reading order.

use crate::{BlockKind, Heading, PageText};

/// Lists the headings of pages that went through [`classify`](crate::classify()), in reading order. The text of a heading
/// is on one line.
pub fn headings(pages: &[PageText]) -> Vec<Heading> {
    pages.iter().flat_map(headings_of_page).collect()
}

/// The headings of one such page.
pub fn headings_of_page(page: &PageText) -> impl Iterator<Item = Heading> {
    let blocks = (0..).zip(&page.blocks);
    blocks.filter_map(|(index, block)| {
        if block.kind != BlockKind::Heading {
            return None;
        }
        let text = page.text.get(block.start as usize..block.end as usize)?;
        Some(Heading {
            level: block.level.unwrap_or(1),
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            page: page.page,
            block: index,
        })
    })
}
