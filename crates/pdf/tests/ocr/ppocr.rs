//! Pictures that PP-OCR reads, behind the walls of a child.

use std::path::Path;

use pagemill_document::{OcrAccount, PageState, PageText};
use pagemill_pdf::{Engine, Limits, OcrReaderKind, OcrReport, OcrSettings};
use pagemill_samples::{SCAN_LINES, scan, scans_in};

use super::kept::with_kept;
use super::{engine_of, ocr_settings, texts};

/// Without optimisation a page takes a while, on a machine that does other things too.
fn patient() -> Limits {
    Limits {
        page_timeout_seconds: 300,
        ..Limits::default()
    }
}

/// An engine without Tesseract's models.
fn without_tesseract(runtime: &Path, languages: &[&str]) -> Engine {
    let settings = OcrSettings {
        tesseract: runtime.join("no-tesseract"),
        ..ocr_settings(runtime, languages)
    };
    engine_of(runtime, settings, patient())
}

fn account(page: &PageText) -> &OcrAccount {
    page.ocr.as_ref().expect("an account of what was read")
}

/// Where lines are broken says nothing in Japanese.
fn without_blanks(text: &str) -> Vec<char> {
    text.chars().filter(|ch| !ch.is_whitespace()).collect()
}

/// Characters to insert, delete or replace to make one text of the other (Levenshtein).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, left) in one.iter().enumerate() {
        let mut before = std::mem::replace(&mut row[0], index + 1);
        for (at, right) in other.iter().enumerate() {
            let replaced = before + usize::from(left != right);
            before = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(before + 1);
        }
    }
    row[other.len()]
}

#[tokio::test]
async fn out_3_a_japanese_scan_is_read_where_nobody_expected_one() {
    let Some(ppocr) = pagemill_testkit::ppocr("ocr") else {
        return;
    };
    let Some(font) = pagemill_testkit::japanese_font("ocr") else {
        return;
    };
    let runtime = ppocr.parent().expect("the runtime folder");
    let (scans, _) = scans_in(&[font]);
    let clean = scans.iter().find(|scan| scan.name == "japanese-clean");
    let page = clean.expect("the font has the letters of the Japanese page");
    let engine = engine_of(runtime, ocr_settings(runtime, &["eng", "deu"]), patient());

    let (text, made) = with_kept(&engine, &page.pdf(), Vec::new()).await;
    assert_eq!(text.state, PageState::Ocr);
    let read = account(&text);
    assert!(
        read.reader.starts_with("PP-OCRv6_small "),
        "{}",
        read.reader
    );
    assert_eq!(read.language, "jpn");
    let (wanted, found) = (without_blanks(&page.text), without_blanks(&text.text));
    let errors = distance(&wanted, &found);
    assert!(
        errors * 100 <= 3 * wanted.len(),
        "{errors} of {}:\n{}",
        wanted.len(),
        text.text
    );
    // The heading is set in 14 points with its baseline 90 points from the top and begins 70 points from the left.
    let heading = read.words[0].bbox;
    assert!(
        (heading.x0 - 70.0).abs() < 3.0 && (heading.y1 - 91.5).abs() < 3.0,
        "{heading:?}"
    );
    assert!(
        (10.0..16.0).contains(&(heading.y1 - heading.y0)),
        "{heading:?}"
    );
    assert!(
        read.words
            .iter()
            .all(|word| word.bbox.x1 < text.width - 60.0)
    );

    // Both readings are kept, so that neither reader is asked again.
    assert_eq!(made.len(), 2);
    let (again, more) = with_kept(&engine, &page.pdf(), made).await;
    assert_eq!((&again, more), (&text, Vec::new()));
    assert_eq!(engine.deaths(), 0);
}

#[tokio::test]
async fn out_3_a_scan_is_read_on_a_machine_without_tesseract() {
    let Some(ppocr) = pagemill_testkit::ppocr("ocr") else {
        return;
    };
    let runtime = ppocr.parent().expect("the runtime folder");
    let engine = without_tesseract(runtime, &["eng", "deu"]);
    match &engine.report().ocr {
        OcrReport::Ready { readers, lacks } => {
            let [reader] = &readers[..] else {
                panic!("{readers:?}");
            };
            assert_eq!(
                (reader.kind, reader.languages.len()),
                (OcrReaderKind::PpOcr, 2)
            );
            // Where the system has Tesseract's library, it has no models of it here.
            assert!(
                lacks
                    .as_ref()
                    .is_none_or(|reason| reason.contains("libtesseract"))
            );
        }
        other => panic!("{other:?}"),
    }
    let pages = texts(&engine, &scan(), true).await;
    let page = &pages[0];
    assert_eq!(
        (page.state, page.text.as_str()),
        (PageState::Ocr, &*SCAN_LINES.join("\n"))
    );
    let read = account(page);
    assert!(
        read.reader.starts_with("PP-OCRv6_small ") && read.language == "eng",
        "{}",
        read.reader
    );
    assert!(
        read.confidence > 85.0 && read.deskewed.abs() > 0.2,
        "{}",
        read.deskewed
    );
    assert_eq!(read.words.len(), SCAN_LINES.join(" ").split(' ').count());
    // As Tesseract has it: 150 pixels from the left at 150 dpi, and its baseline 300 pixels from the top.
    let line = &page.blocks[0].lines[0];
    assert!((line.bbox.x0 - 72.0).abs() < 2.0, "{line:?}");
    assert!(line.bbox.y0 < 144.0 && line.bbox.y1 > 144.0, "{line:?}");
    assert!((12.0..18.0).contains(&line.font_size), "{line:?}");
    // Nothing depends on what was read before, and no wall was touched.
    assert_eq!(texts(&engine, &scan(), false).await, pages);
    assert_eq!(engine.deaths(), 0);
}

#[tokio::test]
async fn without_memory_for_it_ppocr_is_not_used_and_that_is_told() {
    let Some(ppocr) = pagemill_testkit::ppocr("ocr") else {
        return;
    };
    let runtime = ppocr.parent().expect("the runtime folder");
    let limits = Limits {
        child_memory_mib: 400,
        ..Limits::default()
    };
    let engine = engine_of(runtime, ocr_settings(runtime, &["eng"]), limits);
    match &engine.report().ocr {
        OcrReport::Ready { readers, lacks } => {
            assert!(
                readers
                    .iter()
                    .all(|reader| reader.kind == OcrReaderKind::Tesseract)
            );
            let told = lacks.as_deref().unwrap_or_default();
            assert!(
                told.contains("limits.child_memory_mib is 400; raise it to"),
                "{told}"
            );
        }
        other => panic!("{other:?}"),
    }
    let pages = texts(&engine, &scan(), false).await;
    assert!(account(&pages[0]).reader.starts_with("tesseract"));
}

#[tokio::test]
async fn a_wanted_language_that_neither_reads_here_is_told_with_both_remedies() {
    let Some(runtime) = pagemill_testkit::runtime("ocr") else {
        return;
    };
    let settings = OcrSettings {
        ppocr: runtime.join("no-ppocr"),
        ..ocr_settings(&runtime, &["eng", "jpn"])
    };
    let engine = engine_of(&runtime, settings, Limits::default());
    match &engine.report().ocr {
        OcrReport::Missing { reason } => {
            let names_both = reason.contains("jpn.traineddata") && reason.contains("no-ppocr");
            assert!(names_both && reason.contains("scripts/setup"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}
