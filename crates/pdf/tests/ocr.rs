//! Pages without text, read from their pictures inside a child with its walls up. Needs `PAGEMILL_RUNTIME`, as
//! `scripts/setup` makes it.

use std::collections::BTreeSet;
use std::path::Path;

use futures::StreamExt;
use lopdf::{Dictionary, Document, Stream, dictionary};
use pagemill_document::{Letters, PageState, PageText};
use pagemill_pdf::{
    Engine, EngineSettings, ExtractRequest, ImageSettings, LayerName, Limits, OcrReport,
    OcrSettings, SealedFile,
};
use pagemill_samples::{SCAN_LINES, blank, grey, scan, scanned};

#[path = "ocr/bomb.rs"]
mod bomb;
#[path = "ocr/kept.rs"]
mod kept;
#[path = "ocr/ppocr.rs"]
mod ppocr;

/// An engine that reads pictures with Tesseract alone.
fn engine_with(runtime: &Path, languages: &[&str]) -> Engine {
    let settings = OcrSettings {
        ppocr: runtime.join("no-ppocr"),
        ..ocr_settings(runtime, languages)
    };
    engine_of(runtime, settings, Limits::default())
}

fn ocr_settings(runtime: &Path, languages: &[&str]) -> OcrSettings {
    OcrSettings {
        tesseract: runtime.join("tesseract"),
        ppocr: runtime.join("ppocr"),
        languages: languages.iter().map(|name| (*name).to_owned()).collect(),
        dpi: 300,
        max_pixels: 25_000_000,
        pictures: true,
    }
}

fn engine_of(runtime: &Path, ocr: OcrSettings, limits: Limits) -> Engine {
    let settings = EngineSettings {
        child_command: vec![env!("CARGO_BIN_EXE_pdf-child").to_owned()],
        libpdfium: runtime.to_path_buf(),
        children: 1,
        limits,
        required_layers: BTreeSet::new(),
        ocr: Some(ocr),
    };
    Engine::new(settings).expect("the engine starts")
}

async fn texts(engine: &Engine, bytes: &[u8], images: bool) -> Vec<PageText> {
    let file = SealedFile::from_bytes(bytes, 1 << 30).expect("a PDF");
    let document = engine.open(file, &[]).await.expect("opens");
    let request = ExtractRequest {
        images: images.then(ImageSettings::default),
        text: true,
        ..ExtractRequest::default()
    };
    let pages: Vec<_> = document.extract(request).collect().await;
    let text = |(_, outcome): (_, Result<pagemill_pdf::PageOutput, _>)| {
        outcome.expect("a page").text.expect("text")
    };
    pages.into_iter().map(text).collect()
}

#[tokio::test]
async fn out_3_a_scan_is_read_at_its_place_on_the_page() {
    let Some(runtime) = pagemill_testkit::runtime("ocr") else {
        return;
    };
    let engine = engine_with(&runtime, &["eng", "deu"]);
    let report = &engine.report();
    assert!(
        matches!(&report.ocr, OcrReport::Ready { readers, .. } if readers[0].languages.len() == 2)
    );
    let pages = texts(&engine, &scan(), true).await;
    let page = &pages[0];
    assert_eq!(
        (page.state, page.text.as_str()),
        (PageState::Ocr, &*SCAN_LINES.join("\n"))
    );
    let account = page.ocr.as_ref().expect("an account");
    assert!(account.reader.starts_with("tesseract 5") && account.language == "eng");
    assert!(
        account.confidence > 85.0 && (200..=300).contains(&account.dpi),
        "{account:?}"
    );
    assert_eq!(account.words.len(), SCAN_LINES.join(" ").split(' ').count());
    // 150 pixels from the left at 150 dpi, and its baseline 300 pixels from the top.
    let line = &page.blocks[0].lines[0];
    assert!((line.bbox.x0 - 72.0).abs() < 2.0, "{line:?}");
    assert!(line.bbox.y0 < 144.0 && line.bbox.y1 > 144.0, "{line:?}");
    assert!((12.0..18.0).contains(&line.font_size), "{line:?}");
    assert_eq!(page.characters.letters, Letters::of(&page.text));
    // The same without images, and once more: nothing depends on what was read before.
    assert_eq!(texts(&engine, &scan(), false).await, pages);
}

#[tokio::test]
async fn out_3_pages_with_text_and_empty_ones_are_left_as_they_are() {
    let Some(runtime) = pagemill_testkit::runtime("ocr") else {
        return;
    };
    let engine = engine_with(&runtime, &["eng"]);
    let with_text = texts(&engine, &grey(), false).await;
    assert!(
        with_text
            .iter()
            .all(|page| page.state == PageState::Text && page.ocr.is_none())
    );
    let empty = texts(&engine, &blank(), false).await;
    assert!(
        empty
            .iter()
            .all(|page| page.state == PageState::Blank && page.ocr.is_none())
    );
}

/// What the page of [`with_picture`] has as text.
const TYPED: &str = "The mill ground forty sacks of wheat in the first week.";

/// What its picture shows.
const SHOWN: [&str; 2] = ["Sacks of rye by month", "January and February"];

/// A page with a line of text and a picture of 384 points by 130 below it, of 800 pixels by 270.
fn with_picture(pixels: Vec<u8>) -> Vec<u8> {
    let text = format!("BT /F1 12 Tf 72 760 Td ({TYPED}) Tj ET");
    file_of(vec![(text, Stream::new(grey_picture(800, 270), pixels))])
}

/// What is said of a grey picture of so many pixels.
fn grey_picture(width: i64, height: i64) -> Dictionary {
    dictionary! {
        "Type" => "XObject", "Subtype" => "Image", "Width" => width, "Height" => height,
        "ColorSpace" => "DeviceGray", "BitsPerComponent" => 8,
    }
}

/// A file of pages, each with this content and then this picture, of 384 points by 130.
fn file_of(contents: Vec<(String, Stream)>) -> Vec<u8> {
    let mut pdf = Document::with_version("1.7");
    let pages = pdf.new_object_id();
    let mut kids = Vec::new();
    for (content, picture) in contents {
        let picture = pdf.add_object(picture);
        let content = format!("{content} q 384 0 0 130 72 500 cm /Im0 Do Q");
        let content = pdf.add_object(Stream::new(dictionary! {}, content.into_bytes()));
        let font =
            dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" };
        let resources = dictionary! {
            "Font" => dictionary! { "F1" => font },
            "XObject" => dictionary! { "Im0" => picture },
        };
        let page = pdf.add_object(dictionary! {
            "Type" => "Page", "Parent" => pages, "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
            "Contents" => content, "Resources" => resources,
        });
        kids.push(page.into());
    }
    let count = kids.len() as i64;
    pdf.set_object(
        pages,
        dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count },
    );
    let catalog = pdf.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    pdf.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    pdf.save_to(&mut bytes).expect("a file");
    bytes
}

/// Such a picture: black lines of text on white.
fn chart() -> Vec<u8> {
    let page = scanned(&SHOWN, 0);
    let rows = page.pixels.chunks_exact(page.width).skip(220).take(270);
    let cut = rows.flat_map(|row| row[100..900].iter());
    cut.map(|&pixel| if pixel < 150 { 0 } else { 255 })
        .collect()
}

#[tokio::test]
async fn a_picture_among_text_is_read_into_the_page_where_that_is_wanted() {
    let Some(runtime) = pagemill_testkit::runtime("ocr") else {
        return;
    };
    let file = with_picture(chart());
    let pages = texts(&engine_with(&runtime, &["eng"]), &file, true).await;
    let page = &pages[0];
    let expected = format!("{TYPED}\n\n{}", SHOWN.join("\n"));
    assert_eq!(
        page.text.replace("\n\n", "\n"),
        expected.replace("\n\n", "\n")
    );
    assert_eq!(page.state, PageState::Text);
    assert_eq!(page.characters.letters, Letters::of(&page.text));
    let account = page.ocr.as_ref().expect("an account of what was read");
    assert_eq!(account.words.len(), SHOWN.join(" ").split(' ').count());
    // The picture begins 72 points from the left and 212 from the top.
    let first = account.words[0].bbox;
    assert!(
        (72.0..110.0).contains(&first.x0) && (212.0..270.0).contains(&first.y0),
        "{first:?}"
    );

    let settings = OcrSettings {
        pictures: false,
        ..ocr_settings(&runtime, &["eng"])
    };
    let without = engine_of(&runtime, settings, Limits::default());
    let pages = texts(&without, &file, true).await;
    assert_eq!((pages[0].text.as_str(), &pages[0].ocr), (TYPED, &None));
}

#[tokio::test]
async fn a_photograph_among_text_gives_no_words() {
    let Some(runtime) = pagemill_testkit::runtime("ocr") else {
        return;
    };
    let grain = |at: usize| ((at % 800 * 7 + at / 800 * 13 + at * at % 97) % 251) as u8;
    let file = with_picture((0..800 * 270).map(grain).collect());
    let pages = texts(&engine_with(&runtime, &["eng"]), &file, false).await;
    assert_eq!((pages[0].text.as_str(), &pages[0].ocr), (TYPED, &None));
}

#[tokio::test]
async fn ho_1_a_picture_is_read_behind_the_same_walls() {
    let Some(runtime) = pagemill_testkit::runtime("ocr") else {
        return;
    };
    let engine = engine_with(&runtime, &["eng"]);
    let up: Vec<LayerName> = engine
        .report()
        .layers
        .iter()
        .filter(|layer| layer.missing().is_none())
        .map(|layer| layer.name)
        .collect();
    if !up.contains(&LayerName::Seccomp) {
        return pagemill_testkit::skip("ocr", "this machine has no seccomp filters");
    }
    assert_eq!(
        texts(&engine, &scan(), false).await[0].state,
        PageState::Ocr
    );
    assert_eq!(engine.deaths(), 0);
}

#[tokio::test]
async fn a_model_that_is_missing_is_told_and_pages_need_ocr() {
    let Some(runtime) = pagemill_testkit::runtime("ocr") else {
        return;
    };
    let engine = engine_with(&runtime, &["eng", "xyz"]);
    match &engine.report().ocr {
        OcrReport::Missing { reason } => assert!(reason.contains("xyz.traineddata"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        texts(&engine, &scan(), false).await[0].state,
        PageState::NeedsOcr
    );
}
