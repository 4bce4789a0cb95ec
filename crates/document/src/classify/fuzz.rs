//! Fuzz target: furniture, headings and their list, of any text in blocks that may lie. `cargo test` runs it for about a
//! second; BOLERO_RANDOM_TEST_TIME_MS=600000 makes that ten minutes.

use bolero::check;

use crate::testing::any_pages;
use crate::{BlockKind, classify, headings};

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
