//! Fuzz target: furniture, headings and their list, of any text in blocks that may lie. Runs as those of
//! [`crate::fuzz`] do.

use bolero::check;

use super::classify;
use crate::structure::headings;
use pagemill_document::BlockKind;
use pagemill_document::testing::any_pages;

#[test]
fn ho_3_any_pages_are_classified_and_doing_it_again_changes_nothing() {
    check!().for_each(|bytes: &[u8]| {
        let mut pages = any_pages(bytes);
        let texts: Vec<_> = pages.iter().map(|page| page.text.clone()).collect();
        classify(&mut pages);
        assert!(pages.iter().map(|page| &page.text).eq(&texts));
        let found = headings(&pages);
        for heading in &found {
            let page = &pages[heading.page.0 as usize - 1];
            assert_eq!(page.blocks[heading.block as usize].kind, BlockKind::Heading);
        }
        classify(&mut pages);
        assert_eq!(headings(&pages), found);
    });
}
