//! Outlines and labels of hand-made files.

use crate::inspect::hand_made::{one_page, open, pdf};
use pagemill_document::PageNumber;

/// The outline as `level title page`.
fn outline(more: &[&str]) -> Vec<String> {
    let items = open(&one_page("/Outlines 4 0 R", "", &[], more))
        .unwrap()
        .outline();
    let page = |page: Option<PageNumber>| page.map_or("-".to_owned(), |page| page.0.to_string());
    items
        .into_iter()
        .map(|item| format!("{} {} {}", item.level, item.title, page(item.page)))
        .collect()
}

#[test]
fn items_come_depth_first_with_their_pages() {
    let found = outline(&[
        "<</First 5 0 R/Last 7 0 R>>",
        "<</Title(One)/Dest[3 0 R/Fit]/First 6 0 R/Next 7 0 R>>",
        "<</Title<FEFF00C40009>/A<</S/GoTo/D[3 0 R/Fit]>>>>",
        "<</Title(Two)/A<</S/URI/URI(http://a)>>/Next 8 0 R>>",
        "<</Dest(nowhere)>>",
    ]);
    assert_eq!(found, ["1 One 1", "2 Ä 1", "1 Two -", "1  -"]);
}

#[test]
fn circles_end() {
    let found = outline(&[
        "<</First 5 0 R>>",
        "<</Title(One)/First 5 0 R/Next 6 0 R>>",
        "<</Title(Two)/First 4 0 R/Next 5 0 R>>",
    ]);
    assert_eq!(found, ["1 One -", "1 Two -", "2  -"]);
}

#[test]
fn depth_is_bounded() {
    let items: Vec<String> = (5..2_000)
        .map(|n| format!("<</Title(x)/First {} 0 R>>", n + 1))
        .collect();
    let mut more = vec!["<</First 5 0 R>>"];
    more.extend(items.iter().map(String::as_str));
    assert_eq!(outline(&more).len(), 64);
}

#[test]
fn labels_follow_their_ranges() {
    let kids = "4 0 R ".repeat(8);
    let file = pdf(&[
        "<</Type/Catalog/Pages 2 0 R/PageLabels 3 0 R>>",
        &format!("<</Type/Pages/Kids[{kids}]>>"),
        "<</Kids[5 0 R 3 0 R]>>",
        "<</Type/Page/Parent 2 0 R>>",
        "<</Nums[0<</S/r>>2<</S/D>>4<</S/D/P(A-)/St 3>>6<</P(Cover)>>7<</S/A/St 27>> (odd)<<>>-4<</S/r>>]>>",
    ]);
    let labels: Vec<String> = open(&file)
        .unwrap()
        .page_labels()
        .into_iter()
        .map(|label| label.label)
        .collect();
    assert_eq!(labels, ["i", "ii", "1", "2", "A-3", "A-4", "Cover", "AA"]);
    assert!(
        open(&one_page("", "", &[], &[]))
            .unwrap()
            .page_labels()
            .is_empty()
    );
}
