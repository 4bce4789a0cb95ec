//! Text that is set in ways that letters got lost of, or their order. Needs libpdfium: set `PAGEMILL_RUNTIME` to the
//! folder that holds it.

use futures::StreamExt;
use pagemill_document::{AnnotationSource, CharacterAccount, Letters, PageState, PageText};
use pagemill_pdf::{ExtractRequest, SealedFile};
use pagemill_samples::unusual::lettering;

#[path = "support/engine.rs"]
mod one_child;
use one_child::engine;

/// The text of the first page; nothing where there is no libpdfium.
async fn read(bytes: &[u8]) -> Option<PageText> {
    let engine = engine()?;
    let file = SealedFile::from_bytes(bytes, 1 << 30).expect("it is a PDF");
    let document = engine.open(file, &[]).await.expect("it opens");
    let request = ExtractRequest {
        text: true,
        links: true,
        ..ExtractRequest::default()
    };
    let (_, page) = document
        .extract(request)
        .next()
        .await
        .expect("it has a page");
    page.expect("a whole page").text
}

/// What is left out of a text, apart from its letters.
fn left_out(text: &PageText) -> CharacterAccount {
    CharacterAccount {
        letters: Letters::default(),
        ..text.characters
    }
}

#[tokio::test]
async fn out_3_two_equal_letters_in_one_glyph_were_one_letter() {
    let Some(text) = read(&lettering::ligatures()).await else {
        return;
    };
    assert_eq!(text.text, "Netto Offerings");
    assert_eq!(text.characters.letters, Letters::of("Netto Offerings"));
    assert_eq!(left_out(&text), CharacterAccount::default());
}

#[tokio::test]
async fn out_3_a_second_f_close_to_the_first_was_taken_for_it() {
    let Some(text) = read(&lettering::letter_by_letter()).await else {
        return;
    };
    assert_eq!(text.text, "Officer\n\ntwice");
    let expected = CharacterAccount {
        overprinted: 1,
        ..CharacterAccount::default()
    };
    assert_eq!(left_out(&text), expected);
}

#[tokio::test]
async fn w2_vertical_writing_without_its_font_was_a_blank_page() {
    let Some(text) = read(&lettering::vertical_writing()).await else {
        return;
    };
    assert_eq!(text.text, "昭和十二年山川");
    assert_eq!(text.state, PageState::Text);
}

#[tokio::test]
async fn w3_lines_of_negative_size_were_read_backwards() {
    let Some(text) = read(&lettering::negative_sizes()).await else {
        return;
    };
    assert_eq!(text.text, "Schedule of fees\nfor the year");
    assert!((text.blocks[0].font_size - 12.0).abs() < 0.1, "{text:?}");
}

#[tokio::test]
async fn w6_words_at_an_angle_had_no_spaces() {
    for degrees in [5.0, 12.3, 30.0, 45.0, 60.0, 100.0, 200.0] {
        let Some(text) = read(&lettering::oblique(degrees)).await else {
            return;
        };
        assert_eq!(
            text.text, "one of the two lines\nand the other one",
            "at {degrees} degrees"
        );
    }
}

#[tokio::test]
async fn w7_letters_of_a_font_of_units_were_cells_of_a_table() {
    let Some(text) = read(&lettering::type_3_of_units()).await else {
        return;
    };
    assert_eq!(text.text, "aa ab ba");
    assert!(text.blocks[0].font_size > 3.0, "{text:?}");
}

#[tokio::test]
async fn w5_what_was_filled_in_was_not_in_the_text() {
    let Some(text) = read(&lettering::filled_form()).await else {
        return;
    };
    let words: Vec<&str> = text.text.split_whitespace().collect();
    assert_eq!(words.join(" "), "Name: Ada Lovelace member ☒ paid in full");
    let shown: Vec<(&str, AnnotationSource, Option<&str>)> = text
        .annotations
        .iter()
        .map(|span| {
            let range = span.start as usize..span.end as usize;
            (&text.text[range], span.source, span.name.as_deref())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("Ada Lovelace", AnnotationSource::FormField, Some("person")),
            ("☒", AnnotationSource::FormField, Some("member")),
            ("paid in full", AnnotationSource::FreeText, None),
        ]
    );
}

#[tokio::test]
async fn w17_a_joiner_was_dropped_or_became_a_space() {
    let Some(text) = read(&lettering::non_joiner()).await else {
        return;
    };
    assert_eq!(text.text, "\u{645}\u{6CC}\u{200C}\u{62E}");
}

#[tokio::test]
async fn out_3_glyphs_that_nobody_knows_are_in_the_account_and_the_page_needs_ocr() {
    let Some(text) = read(&lettering::nameless_glyphs()).await else {
        return;
    };
    assert_eq!(text.text, "known");
    assert_eq!(text.characters.no_unicode, 8);
    assert_eq!(text.state, PageState::NeedsOcr);
}

#[tokio::test]
async fn w9_ligatures_with_composed_names_vanished_or_were_another_letter() {
    let Some(text) = read(&lettering::composed_names()).await else {
        return;
    };
    assert_eq!(text.text, "stuff, The office");
    assert_eq!(left_out(&text), CharacterAccount::default());
}

#[tokio::test]
async fn w21_a_letter_that_was_mapped_to_nothing_vanished() {
    let Some(text) = read(&lettering::map_to_zero()).await else {
        return;
    };
    assert_eq!(text.text, "Office");
    assert_eq!(left_out(&text), CharacterAccount::default());
}

#[tokio::test]
async fn w21_a_sign_that_was_mapped_to_nothing_vanished() {
    let Some(text) = read(&lettering::sign_mapped_to_zero()).await else {
        return;
    };
    assert_eq!(text.text, "5 \u{2212} 3");
    assert_eq!(left_out(&text), CharacterAccount::default());
}

#[tokio::test]
async fn w2_single_letters_of_vertical_writing_without_their_font_were_missing() {
    let Some(text) = read(&lettering::vertical_letters()).await else {
        return;
    };
    assert_eq!(text.text, "山川");
    assert_eq!(left_out(&text), CharacterAccount::default());
}

#[tokio::test]
async fn w8_text_on_layers_that_are_off_was_in_the_text() {
    let Some(text) = read(&lettering::layers_off()).await else {
        return;
    };
    let words: Vec<&str> = text.text.split_whitespace().collect();
    assert_eq!(words, ["always", "on", "down", "again"]);
    // draft, form, hidden, xx
    let expected = CharacterAccount {
        layer_off: 17,
        ..CharacterAccount::default()
    };
    assert_eq!(left_out(&text), expected);
}

#[tokio::test]
async fn text_far_off_the_page_is_on_no_layer_where_there_are_none() {
    let Some(text) = read(&lettering::far_off()).await else {
        return;
    };
    assert_eq!(text.text, "here");
    let expected = CharacterAccount {
        off_page: 3,
        ..CharacterAccount::default()
    };
    assert_eq!(left_out(&text), expected);
}
