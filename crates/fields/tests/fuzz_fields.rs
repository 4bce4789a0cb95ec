//! Fuzz targets: fields of any text and any XML. `cargo test` runs each for about a second on the stable toolchain; with
//! `BOLERO_RANDOM_TEST_TIME_MS=600000` it runs for ten minutes. A failure prints the seed that repeats it.

use bolero::check;
use pagemill_document::testing::any_pages;
use pagemill_fields::{Input, Verified, XmlFile, extract};
use pagemill_metadata::DocumentType;

#[test]
fn ho_3_any_text_gives_fields_that_stand_where_they_say() {
    check!().for_each(|bytes: &[u8]| {
        let pages = any_pages(bytes);
        let files = [XmlFile {
            name: "factur-x.xml",
            bytes,
        }];
        let found = extract(&Input {
            pages: &pages,
            files: &files,
            document_type: Some(DocumentType::Invoice),
            ..Input::default()
        });
        for field in found.fields.values() {
            assert_eq!(
                field.value.is_none(),
                field.verified == Verified::Conflict,
                "{field:?}"
            );
            for place in &field.evidence {
                let page = &pages[place.page.0 as usize - 1];
                let shown = page.text.get(place.start as usize..place.end as usize);
                let shown = shown.expect("evidence is a part of its page");
                let is_verbatim = field.verified == Verified::Verbatim;
                assert!(
                    !is_verbatim || field.value.as_deref() == Some(shown),
                    "{field:?}"
                );
            }
        }
    });
}
