//! Pages without text, read from their pictures inside a child with its walls up. Needs `PAGEMILL_RUNTIME`, as
//! `scripts/setup` makes it.

use std::collections::BTreeSet;
use std::path::Path;

use futures::StreamExt;
use pagemill_document::{Letters, PageState, PageText};
use pagemill_pdf::{
    Engine, EngineSettings, ExtractRequest, ImageSettings, LayerName, Limits, OcrReport,
    OcrSettings, SealedFile,
};
use pagemill_samples::{SCAN_LINES, blank, grey, scan};

fn engine_with(runtime: &Path, languages: &[&str]) -> Engine {
    let settings = EngineSettings {
        child_command: vec![env!("CARGO_BIN_EXE_pdf-child").to_owned()],
        libpdfium: runtime.to_path_buf(),
        children: 1,
        limits: Limits::default(),
        required_layers: BTreeSet::new(),
        ocr: Some(OcrSettings {
            folder: runtime.join("tesseract"),
            languages: languages.iter().map(|name| (*name).to_owned()).collect(),
            dpi: 300,
            max_pixels: 25_000_000,
        }),
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
    assert!(matches!(&report.ocr, OcrReport::Ready { languages, .. } if languages.len() == 2));
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
