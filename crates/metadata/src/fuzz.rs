//! Fuzz targets: everything here that takes a document's text or a model's answer. `cargo test` runs each for a few
//! seconds on the stable toolchain; with `BOLERO_RANDOM_TEST_TIME_MS=600000` it runs for ten minutes. A failure prints
//! the seed that repeats it.

use std::io::Read;
use std::time::Duration;

use bolero::check;
use pagemill_document::testing::{any_pages, any_text, page_of};
use pagemill_document::{
    Inspection, Link, LinkSafety, LinkTarget, OutlineItem, PageNumber, PageText, Rect, Structure,
};
use serde_json::{Value, json};

use crate::extractive::ExtractiveGenerator;
use crate::extractive::dates::{self, NumericOrder};
use crate::extractive::sample::{Sample, line_at};
use crate::grounding::Pages;
use crate::llm::{answer, merge, plan, prompt};
use crate::{DocumentInput, DocumentMetadata, MetadataSettings};

/// A document takes a tenth of a second in a build without optimisation: short ones, and time for some dozens.
const LONGER: Duration = Duration::from_secs(3);
const SHORT: usize = 1_000;

/// Characters of a quote at most, of the model's and of ours.
const LONGEST_QUOTE: usize = 450;

/// What a file says of itself, outlines and links: text from anywhere, too.
fn said(text: &str) -> (Inspection, Structure, Vec<Link>) {
    let mut inspection = Inspection::default();
    let names = ["title", "author", "subject", "keywords", "creation_date"];
    for name in names {
        inspection
            .info
            .info
            .insert(name.to_owned(), text.to_owned());
    }
    for name in ["dc:title", "dc:creator", "dc:language", "xmp:CreateDate"] {
        let claim = text.chars().rev().take(60).collect();
        inspection.info.xmp.insert(name.to_owned(), claim);
    }
    let structure = Structure {
        outline: vec![OutlineItem {
            level: 1,
            title: text.to_owned(),
            page: None,
            link: None,
        }],
        ..Structure::default()
    };
    let link = Link {
        page: PageNumber(1),
        target: LinkTarget::Uri {
            uri: format!("https://{text}"),
        },
        safety: LinkSafety::Ordinary,
        anchor: Some(text.to_owned()),
        bbox: Rect::default(),
        quads: Vec::new(),
    };
    (inspection, structure, vec![link])
}

fn extracted(pages: &[PageText], about: &str, settings: &MetadataSettings) -> DocumentMetadata {
    let (inspection, structure, links) = said(about);
    let input = DocumentInput {
        source_name: about,
        sha256: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        inspection: &inspection,
        structure: &structure,
        pages,
        links: &links,
        custom_prompt: None,
    };
    let metadata = ExtractiveGenerator::new(settings).extract(input);
    for quote in quotes(&serde_json::to_value(&metadata).expect("metadata is JSON")) {
        assert!(quote.chars().count() <= LONGEST_QUOTE, "{quote}");
    }
    metadata
}

/// Every quote below a value.
fn quotes(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(quotes).collect(),
        Value::Object(fields) => {
            let own = fields.get("quote").and_then(Value::as_str);
            let below = fields.values().flat_map(quotes);
            own.map(str::to_owned).into_iter().chain(below).collect()
        }
        _ => Vec::new(),
    }
}

/// Limits so small that most documents are over them.
fn tight() -> MetadataSettings {
    MetadataSettings {
        max_analysed_chars: 1_000,
        ..MetadataSettings::default()
    }
}

#[test]
fn ho_3_metadata_are_made_of_any_text() {
    let settings = [MetadataSettings::default(), tight()];
    // The patterns are made at their first use, which takes most of the second that a target has.
    extracted(&any_pages(&[0; 64]), "a", &settings[0]);
    let target = check!().with_test_time(LONGER).with_max_len(SHORT);
    target.for_each(|bytes: &[u8]| {
        let pages = any_pages(bytes);
        let about = any_text(&bytes[bytes.len() / 2..]);
        extracted(&pages, &about, &settings[bytes.len() % 2]);
    });
}

#[test]
fn ho_3_lines_dates_and_parts_of_any_text_are_whole_characters() {
    let tokenizer = plan::Tokenizer::for_model("a model nobody knows");
    tokenizer.count("a");
    dates::find("1 May 2024", NumericOrder::Unknown);
    check!().for_each(|bytes: &[u8]| {
        let text = any_text(bytes);
        for position in 0..text.len().min(300) + 2 {
            line_at(&text, position);
        }
        for order in [NumericOrder::DayFirst, NumericOrder::Unknown] {
            for found in dates::find(&text, order) {
                assert!(text.get(found.start..found.end).is_some());
                assert!(found.iso.is_none_or(|iso| dates::is_iso(&iso)));
            }
        }
        dates::is_iso(&text);
        let beginning = tokenizer.beginning(&text, bytes.len() % 64);
        assert!(text.starts_with(beginning));
        prompt::fill(&text, &[("document", &text)]);
        prompt::unknown_placeholder(&text, &["document"]);
        let pages = any_pages(bytes);
        let sample = Sample::take(&pages, bytes.len() % 500);
        assert!(sample.passages.len() <= pages.len());
        let (pieces, _) = plan::pieces(&pages, tokenizer, 60, 500);
        let shown: usize = pieces.iter().map(|piece| piece.text.len()).sum();
        let there: usize = pages.iter().map(|page| page.text.len()).sum();
        assert!(shown <= there);
    });
}

/// A model's answer whose every text is from anywhere.
fn answer_of(bytes: &[u8]) -> Value {
    let parts: Vec<&[u8]> = bytes.chunks(bytes.len().div_ceil(9).max(1)).collect();
    let text = |part: usize| any_text(parts.get(part).copied().unwrap_or_default());
    let claim = |part: usize, kind: &str| {
        let page = bytes.get(part).copied().unwrap_or_default() % 6;
        json!({"quote": text(part), "page": page, "kind": kind, "value": text(part + 1)})
    };
    json!({
        "title": claim(0, "title"),
        "document_type": claim(1, "paper"),
        "summary": [{"quote": text(1), "page": 2, "text": text(2)}],
        "authors": [claim(0, "author"), claim(2, "author")],
        "organisations": [claim(3, "seller")],
        "dates": [
            claim(4, "issued"),
            {"quote": text(3), "page": 1, "kind": "due", "value": "2024-05-31"},
            {"quote": text(3), "page": 1, "kind": "expires", "value": text(7)},
        ],
        "identifiers": [claim(4, "iban"), claim(5, "isbn"), claim(6, "vat_id"), claim(7, "orcid"), claim(7, "doi")],
        "keywords": [text(5), text(6)],
        "topics": [text(6)],
        "entities": [claim(5, "person"), claim(6, "place")],
        "questions_answered": [{"quote": text(6), "page": 1, "text": text(7)}],
    })
}

#[test]
fn ho_4_any_answer_of_a_model_is_read_or_refused() {
    extracted(&any_pages(&[0; 64]), "a", &tight());
    let target = check!().with_test_time(LONGER).with_max_len(SHORT);
    target.for_each(|bytes: &[u8]| {
        let (of_pages, of_answer) = bytes.split_at(bytes.len() / 2);
        let given = answer_of(of_answer);
        let pages = any_pages(of_pages);
        let mut base = extracted(&[], "a", &tight());
        let read = answer::document(&given.to_string(), false).expect("it has every field");
        merge::merge(&mut base, read, &Pages::new(&pages), "m", 5);

        // The same, cut and written over where the bytes say.
        let mut content = given.to_string().into_bytes();
        for edit in of_pages.chunks_exact(4).take(3) {
            let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % (content.len() + 1);
            let end = (at + usize::from(edit[2] % 8)).min(content.len());
            content.splice(at..end, [edit[3]]);
        }
        let content = String::from_utf8_lossy(&content);
        for content in [content.as_ref(), &any_text(of_answer)] {
            if let Ok(read) = answer::document(content, bytes.len().is_multiple_of(2)) {
                merge::merge(&mut base, read, &Pages::new(&pages), "m", 5);
            }
            drop(answer::part(content, false));
        }
        for quote in quotes(&serde_json::to_value(&base).expect("metadata is JSON")) {
            assert!(quote.chars().count() <= LONGEST_QUOTE, "{quote}");
        }
    });
}

/// Characters of a real page that are looked at.
const OF_A_PAGE: usize = 1_500;

/// Real pages of the corpus, as another reader printed them.
fn real_pages() -> Option<Vec<String>> {
    let corpus = pagemill_testkit::corpus("real pages")?;
    let mut pages = Vec::new();
    let folder = std::fs::read_dir(corpus.join("truth")).expect("the truth");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let truths = files.filter(|path| path.extension().is_some_and(|ending| ending == "gz"));
    for path in truths {
        let file = std::fs::File::open(path).expect("a file");
        let mut json = String::new();
        let mut unpacked = flate2::read::GzDecoder::new(file);
        unpacked.read_to_string(&mut json).expect("gzip");
        let truth: Value = serde_json::from_str(&json).expect("JSON");
        let printed = truth["pdftotext"].as_array().into_iter().flatten();
        let first = printed.filter_map(Value::as_str).take(1);
        pages.extend(first.map(str::to_owned));
    }
    Some(pages)
}

#[test]
fn ho_3_metadata_are_made_of_real_pages_cut_and_changed_anywhere() {
    let Some(pages) = real_pages() else {
        return;
    };
    let dashed = |text: &str| text.replace([':', '-'], "—");
    let spaced = |text: &str| text.replace(' ', "\u{a0}");
    let accented = |text: &str| text.replace('e', "e\u{301}").replace('I', "İ");
    let changes: [&dyn Fn(&str) -> String; 3] = [&dashed, &spaced, &accented];
    for (index, text) in pages.iter().enumerate() {
        let skipped = index * 7 % 200;
        let cut: String = text.chars().skip(skipped).take(OF_A_PAGE).collect();
        let first: String = text.chars().take(OF_A_PAGE).collect();
        for text in [changes[index % 3](&first), cut] {
            extracted(
                &[page_of(PageNumber(1), &text)],
                "a.pdf",
                &MetadataSettings::default(),
            );
        }
    }
}
