//! Tables of whole files, with what stands around them. Needs libpdfium: set `PAGEMILL_RUNTIME` to the folder that holds it.

use futures::StreamExt;
use pagemill_document::{PageText, Table};
use pagemill_pdf::{ExtractRequest, SealedFile};
use pagemill_samples::unusual::tables;

#[path = "support/engine.rs"]
mod one_child;
use one_child::engine;

/// None where the test is to be skipped.
async fn first_page(bytes: &[u8]) -> Option<PageText> {
    let engine = engine()?;
    let file = SealedFile::from_bytes(bytes, 1 << 30).expect("a memory file");
    let document = engine.open(file, &[]).await.expect("a sample");
    let request = ExtractRequest {
        text: true,
        ..ExtractRequest::default()
    };
    let (_, page) = document
        .extract(request)
        .next()
        .await
        .expect("there is a page");
    let text = page.expect("a whole page").text;
    Some(text.expect("it was asked for"))
}

fn tables_of(page: &PageText) -> Vec<&Table> {
    let blocks = page.blocks.iter();
    blocks.filter_map(|block| block.table.as_deref()).collect()
}

#[tokio::test]
async fn names_above_the_first_rule_are_the_head() {
    let Some(page) = first_page(&tables::names_above_the_rules()).await else {
        return;
    };
    let found = tables_of(&page);
    assert_eq!(found.len(), 1, "{}", page.text);
    assert_eq!(found[0].grid()[0], ["", "Wheat", "Rye"]);
    assert_eq!(found[0].rows, 4);
}

#[tokio::test]
async fn names_over_two_lines_have_a_column_each_and_a_form_has_those_that_are_named() {
    let Some(page) = first_page(&tables::heads_of_many_kinds()).await else {
        return;
    };
    let found = tables_of(&page);
    assert_eq!(found.len(), 2, "{}", page.text);
    let head = ["Year", "Returns of the old mill", "Returns of a new mill"];
    assert_eq!(found[0].grid()[0], head);
    assert_eq!(found[1].grid()[0], ["Mill", "What was seen there"]);
    assert_eq!((found[1].rows, found[1].columns), (4, 2));
}

#[tokio::test]
async fn a_chart_is_no_table_and_its_words_stay() {
    let Some(page) = first_page(&tables::chart_with_a_scale()).await else {
        return;
    };
    assert!(tables_of(&page).is_empty(), "{}", page.text);
    assert_eq!(page.characters.lost, 0);
    assert!(page.text.contains("2021"), "{}", page.text);
}
