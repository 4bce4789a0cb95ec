//! Fuzz targets: chunks and terms of any text. `cargo test` runs each for about a second on the stable toolchain; with
//! `BOLERO_RANDOM_TEST_TIME_MS=600000` it runs for ten minutes. A failure prints the seed that repeats it.

use std::io::Read;

use bolero::check;
use pagemill_document::testing::{any_pages, any_text, page_of};
use pagemill_document::{PageNumber, PageText};
use pagemill_index::IndexSettings;
use pagemill_index::chunk::chunks;
use pagemill_index::sparse::{document_vector, query_vector};

/// Chunks so small that most texts are cut in every way.
fn small() -> IndexSettings {
    IndexSettings {
        chunk_tokens: 24,
        chunk_overlap_tokens: 8,
        min_chunk_tokens: 4,
        ..IndexSettings::default()
    }
}

/// Cuts the pages, and checks what holds of every chunk.
fn cut(pages: &[PageText], settings: &IndexSettings) {
    for (number, chunk) in chunks(pages, settings).iter().enumerate() {
        assert_eq!(chunk.n as usize, number);
        let texts: Vec<&str> = chunk
            .spans
            .iter()
            .map(|span| {
                let page = &pages[span.page.0 as usize - 1];
                let text = page.text.get(span.start as usize..span.end as usize);
                text.expect("a span is a part of its page")
            })
            .collect();
        assert_eq!(texts.join("\n\n"), chunk.text);
        assert!(!chunk.text.trim().is_empty());
        assert!(chunk.first_page <= chunk.last_page);
        let vector = document_vector(&chunk.embedded_text(), &[], settings);
        assert_eq!(vector.indices.len(), vector.values.len());
    }
}

#[test]
fn ho_3_any_text_is_cut_into_whole_characters() {
    let settings = [IndexSettings::default(), small()];
    check!().for_each(|bytes: &[u8]| {
        cut(&any_pages(bytes), &settings[bytes.len() % 2]);
        query_vector(&any_text(bytes));
    });
}

#[test]
fn ho_3_real_pages_are_cut_wherever_they_begin() {
    let Some(corpus) = pagemill_testkit::corpus("real pages") else {
        return;
    };
    let folder = std::fs::read_dir(corpus.join("truth")).expect("the truth");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let truths = files.filter(|path| path.extension().is_some_and(|ending| ending == "gz"));
    for (index, path) in truths.enumerate() {
        let file = std::fs::File::open(path).expect("a file");
        let mut json = String::new();
        let mut unpacked = flate2::read::GzDecoder::new(file);
        unpacked.read_to_string(&mut json).expect("gzip");
        let truth: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let printed = truth["pdftotext"].as_array().into_iter().flatten();
        let pages: Vec<PageText> = printed
            .filter_map(serde_json::Value::as_str)
            .take(2)
            .zip(1..)
            .map(|(text, number)| {
                let begun: String = text.chars().skip(index % 50).take(3_000).collect();
                page_of(PageNumber(number), &begun)
            })
            .collect();
        cut(&pages, &small());
    }
}
