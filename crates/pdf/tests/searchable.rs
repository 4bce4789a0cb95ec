//! Copies whose scanned pages can be searched: what was read is found again at its place, by this engine and by others.
//! Needs `PAGEMILL_RUNTIME`, as `scripts/setup` makes it; qpdf and pdftotext are asked where they are installed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use futures::StreamExt;
use pagemill_document::{
    CharacterAccount, OcrAccount, OcrWord, PageNumber, PageState, PageText, Rect,
};
use pagemill_pdf::{
    Document, Engine, EngineSettings, ExtractRequest, ImageSettings, Limits, OcrSettings,
    PageOutput, PageWords, PdfError, SealedFile,
};
use pagemill_samples::{SCAN_LINES, hostile, scan};

/// An engine that reads pictures, or one that reads only what the file has as text.
fn engine(runtime: &Path, reads_pictures: bool) -> Engine {
    let settings = EngineSettings {
        child_command: vec![env!("CARGO_BIN_EXE_pdf-child").to_owned()],
        libpdfium: runtime.to_path_buf(),
        children: 1,
        limits: Limits::default(),
        required_layers: BTreeSet::new(),
        ocr: reads_pictures.then(|| OcrSettings {
            tesseract: runtime.join("tesseract"),
            ppocr: runtime.join("ppocr"),
            languages: vec!["eng".to_owned()],
            dpi: 300,
            max_pixels: 25_000_000,
            pictures: true,
        }),
    };
    Engine::new(settings).expect("the engine starts")
}

async fn open(engine: &Engine, bytes: &[u8]) -> Result<Document, PdfError> {
    let file = SealedFile::from_bytes(bytes, 1 << 30)?;
    engine.open(file, &["secret".to_owned()]).await
}

/// The pages of a file with their images.
async fn pages(engine: &Engine, bytes: &[u8]) -> Vec<PageOutput> {
    let document = open(engine, bytes).await.expect("it opens");
    let request = ExtractRequest {
        images: Some(ImageSettings::default()),
        text: true,
        ..ExtractRequest::default()
    };
    let pages = document.extract(request);
    pages.map(|(_, page)| page.expect("a page")).collect().await
}

fn words_of(pages: &[PageOutput]) -> Vec<PageWords> {
    let texts = pages.iter().filter_map(|page| page.text.as_ref());
    texts.filter_map(PageWords::of).collect()
}

/// A page from whose picture these words were read.
fn page_with(page: u32, words: &[(&str, [f32; 4])]) -> PageWords {
    let words = words.iter().map(|(text, [x0, y0, x1, y1])| OcrWord {
        text: (*text).to_owned(),
        bbox: Rect {
            x0: *x0,
            y0: *y0,
            x1: *x1,
            y1: *y1,
        },
        confidence: 90.0,
    });
    let text = PageText {
        page: PageNumber(page),
        width: 0.0,
        height: 0.0,
        rotation: 0,
        state: PageState::Ocr,
        text: String::new(),
        blocks: Vec::new(),
        annotations: Vec::new(),
        raised: Vec::new(),
        figures: Vec::new(),
        characters: CharacterAccount::default(),
        ocr: Some(OcrAccount {
            reader: String::new(),
            language: String::new(),
            confidence: 90.0,
            dpi: 300,
            deskewed: 0.0,
            words: words.collect(),
        }),
        truncated: false,
    };
    PageWords::of(&text).expect("there are words")
}

async fn searchable(engine: &Engine, file: &[u8], words: Vec<PageWords>) -> Vec<u8> {
    let document = open(engine, file).await.expect("it opens");
    let copy = document.searchable(words).await;
    copy.expect("words can be written into it")
}

/// What another program says of a file; `None` where it is not installed.
fn asked(program: &str, before: &[&str], file: &[u8], after: &[&str]) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("copy.pdf");
    std::fs::write(&path, file).expect("a file");
    let output = Command::new(program)
        .args(before)
        .arg(&path)
        .args(after)
        .output();
    let Ok(output) = output else {
        pagemill_testkit::skip("searchable", &format!("{program} is not installed"));
        return None;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}{errors}");
    Some(said)
}

/// A page of this many units, with more entries in its dictionary, and a black bar on it.
fn one_page(entries: &str, contents: &str) -> Vec<u8> {
    let bar = "0 0 0 rg 100 100 50 20 re f q";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        format!("<< /Type /Page /Parent 2 0 R {entries} /Contents {contents} >>"),
        format!("<< /Length {} >>\nstream\n{bar}\nendstream", bar.len()),
        "[4 0 R]".to_owned(),
    ];
    let mut file = "%PDF-1.7\n".to_owned();
    let mut table = String::new();
    for (number, object) in (1..).zip(&objects) {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let start = file.len();
    file.push_str(&format!(
        "xref\n0 6\n0000000000 65535 f \n{table}trailer\n<< /Root 1 0 R /Size 6 >>\nstartxref\n{start}\n%%EOF\n"
    ));
    file.into_bytes()
}

#[tokio::test]
async fn what_was_read_from_a_scan_is_found_at_its_place_and_looks_as_before() {
    let Some(runtime) = pagemill_testkit::runtime("searchable") else {
        return;
    };
    let (reader, plain) = (engine(&runtime, true), engine(&runtime, false));
    let before = pages(&reader, &scan()).await;
    let copy = searchable(&reader, &scan(), words_of(&before)).await;

    let after = pages(&plain, &copy).await;
    let image = |page: &PageOutput| page.image.as_ref().expect("an image").data.clone();
    assert!(
        image(&after[0]) == image(&before[0]),
        "the words are not seen"
    );
    let (read, found) = (&before[0].text, &after[0].text);
    let (read, found) = (read.as_ref().expect("text"), found.as_ref().expect("text"));
    assert_eq!(found.state, PageState::Text);
    assert_eq!(
        found.text.split_whitespace().collect::<Vec<_>>().join(" "),
        SCAN_LINES.join(" ")
    );
    let lines = |page: &PageText| -> Vec<Rect> {
        let blocks = page.blocks.iter();
        blocks
            .flat_map(|block| block.lines.iter().map(|line| line.bbox))
            .collect()
    };
    let (read, found) = (lines(read), lines(found));
    assert_eq!(read.len(), found.len());
    for (read, found) in read.iter().zip(&found) {
        let apart = [
            read.x0 - found.x0,
            read.y0 - found.y0,
            read.x1 - found.x1,
            read.y1 - found.y1,
        ];
        assert!(
            apart.iter().all(|points| points.abs() < 4.0),
            "{read:?} {found:?}"
        );
    }

    if let Some(said) = asked("qpdf", &["--check"], &copy, &[]) {
        assert!(
            said.contains("No syntax or stream encoding errors"),
            "{said}"
        );
    }
    if let Some(said) = asked("pdftotext", &["-layout"], &copy, &["-"]) {
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words, SCAN_LINES.join(" "));
    }
}

#[tokio::test]
async fn words_stand_where_they_were_seen_however_a_page_is_turned_cut_and_measured() {
    let Some(runtime) = pagemill_testkit::runtime("searchable") else {
        return;
    };
    let engine = engine(&runtime, false);
    for contents in ["4 0 R", "[4 0 R]", "5 0 R"] {
        for rotate in [0, 90, 180, 270] {
            for unit in [1, 2] {
                let entries = format!(
                    "/MediaBox [-50 -20 350 580] /CropBox [0 0 300 500] /Rotate {rotate} /UserUnit {unit}"
                );
                let file = one_page(&entries, contents);
                let bounds = [60.0, 80.0, 180.0, 100.0];
                let below = [60.0, 120.0, 120.0, 140.0];
                let words = page_with(1, &[("Watermill", bounds), ("Weir", below)]);
                let copy = searchable(&engine, &file, vec![words]).await;
                let case = format!("{contents}, turned by {rotate}, a unit of {unit} points");
                let (before, after) = (pages(&engine, &file).await, pages(&engine, &copy).await);
                let image = |page: &PageOutput| page.image.as_ref().expect("an image").data.clone();
                assert!(image(&before[0]) == image(&after[0]), "{case}");
                let text = after[0].text.as_ref().expect("text");
                let mut lines = text.blocks.iter().flat_map(|block| &block.lines);
                for (word, [x0, y0, x1, y1]) in [("Watermill", bounds), ("Weir", below)] {
                    let line = lines.next().unwrap_or_else(|| panic!("{case}: {text:?}"));
                    assert_eq!(line.text, word, "{case}");
                    let apart = [
                        line.bbox.x0 - x0,
                        line.bbox.y0 - y0,
                        line.bbox.x1 - x1,
                        line.bbox.y1 - y1,
                    ];
                    assert!(
                        apart.iter().all(|points| points.abs() < 3.0),
                        "{case}: {:?}",
                        line.bbox
                    );
                }
                if let Some(said) = asked("qpdf", &["--check"], &copy, &[]) {
                    assert!(
                        said.contains("No syntax or stream encoding errors"),
                        "{said}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn words_of_any_script_are_found() {
    let Some(runtime) = pagemill_testkit::runtime("searchable") else {
        return;
    };
    let engine = engine(&runtime, false);
    let file = one_page("/MediaBox [0 0 595 842]", "4 0 R");
    let words = [
        "Mühle",
        "ffi",
        "Мельница",
        "Ὕδωρ",
        "水車小屋",
        "물레방아",
        "कखग",
        "𝔐𝔲𝔩𝔢",
        "טחנה",
        "طاحونة",
    ];
    let at = |row: usize, word: &str| {
        let is_wide = word.chars().any(|letter| letter >= '\u{2E80}');
        let width = if is_wide { 15.0 } else { 9.0 } * word.chars().count() as f32;
        let top = 100.0 + 30.0 * row as f32;
        [100.0, top, 100.0 + width, top + 16.0]
    };
    let rows = words.iter().enumerate();
    let placed: Vec<_> = rows.map(|(row, word)| (*word, at(row, word))).collect();
    let copy = searchable(&engine, &file, vec![page_with(1, &placed)]).await;
    let after = pages(&engine, &copy).await;
    let text = after[0].text.as_ref().expect("text");
    let found: Vec<&str> = text.text.split_whitespace().collect();
    assert_eq!(found, words);
    if let Some(said) = asked("pdftotext", &["-enc", "UTF-8"], &copy, &["-"]) {
        for word in &words[..8] {
            assert!(said.contains(word), "{word} in {said}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_locked_gets_its_words_and_loses_its_lock() {
    let Some(runtime) = pagemill_testkit::runtime("searchable") else {
        return;
    };
    let engine = engine(&runtime, false);
    let words = page_with(1, &[("Watermill", [10.0, 10.0, 90.0, 22.0])]);
    let copy = searchable(
        &engine,
        &hostile::encrypted_with_empty_password(),
        vec![words],
    )
    .await;
    let after = pages(&engine, &copy).await;
    let text = after[0].text.as_ref().expect("text");
    assert!(text.text.contains("Watermill"), "{}", text.text);
    if let Some(said) = asked("qpdf", &["--check"], &copy, &[]) {
        assert!(said.contains("not encrypted"), "{said}");
    }
}

#[tokio::test]
async fn ho_1_words_into_hostile_files_cost_a_child_at_most() {
    let Some(runtime) = pagemill_testkit::runtime("searchable") else {
        return;
    };
    let engine = engine(&runtime, false);
    for (name, file) in hostile::all() {
        let Ok(document) = open(&engine, &file).await else {
            continue;
        };
        let words = page_with(1, &[("Watermill", [10.0, 10.0, 90.0, 22.0])]);
        match document.searchable(vec![words]).await {
            Ok(copy) => assert!(copy.starts_with(b"%PDF-"), "{name}"),
            Err(PdfError::Engine { reason }) => panic!("{name}: {reason}"),
            Err(_) => {}
        }
    }
    let words = page_with(1, &[("Watermill", [10.0, 10.0, 90.0, 22.0])]);
    let copy = searchable(&engine, &scan(), vec![words]).await;
    let after = pages(&engine, &copy).await;
    assert_eq!(after[0].text.as_ref().expect("text").text, "Watermill");
}
