//! Every document of a corpus ends, and as it should. Needs `PAGEMILL_CORPUS`, a folder with `documents/` and `truth/`,
//! and `PAGEMILL_RUNTIME`, a folder with libpdfium.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use futures::StreamExt;
use pagemill_document::{PageState, PageText};
use pagemill_pdf::{
    Engine, EngineSettings, ExtractRequest, ImageSettings, Limits, PageFailure, PdfError,
    SealedFile,
};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longest time for one document: two attempts at opening, at the second reading and at a page, and some.
const LONGEST: Duration = Duration::from_secs(240);

struct Ending {
    name: String,
    outcome: Result<Pages, PdfError>,
    took: Duration,
}

struct Pages {
    count: u32,
    failures: Vec<PageFailure>,
    warnings: Vec<String>,
    with_text: u32,
    links: usize,
    texts: Vec<PageText>,
}

async fn process(engine: &Engine, path: &Path) -> Result<Pages, PdfError> {
    let bytes = fs::read(path).expect("a readable file");
    let file = SealedFile::from_bytes(&bytes, Limits::default().max_file_bytes)?;
    let document = engine.open(file, &[]).await?;
    let count = document.inspection().pages;
    let request = ExtractRequest {
        images: Some(ImageSettings {
            dpi: 36,
            ..ImageSettings::default()
        }),
        text: true,
        links: true,
        ..ExtractRequest::default()
    };
    let mut pages = Pages {
        count,
        failures: Vec::new(),
        warnings: document.inspection().warnings.clone(),
        with_text: 0,
        links: 0,
        texts: Vec::new(),
    };
    let mut expected = 1;
    let mut stream = document.extract(request);
    while let Some((number, outcome)) = stream.next().await {
        assert_eq!(number.0, expected, "pages come in order, each once");
        expected += 1;
        match outcome {
            Ok(page) => {
                let text = page.text.expect("text was asked for");
                assert!(page.image.is_some(), "an image was asked for");
                pages.with_text += u32::from(text.state == PageState::Text);
                assert_eq!(
                    text.characters.lost,
                    0,
                    "letters got lost on page {number:?} of {}",
                    path.display()
                );
                pages.texts.push(text);
                pages.links += page.links.expect("links were asked for").len();
            }
            Err(failure) => pages.failures.push(failure),
        }
    }
    assert_eq!(expected, count + 1, "every page comes");
    Ok(pages)
}

/// What other tools know of a document.
fn facts(truth: &Path) -> Option<serde_json::Value> {
    let mut json = String::new();
    GzDecoder::new(File::open(truth).ok()?)
        .read_to_string(&mut json)
        .expect("a gzip file");
    Some(serde_json::from_str(&json).expect("JSON"))
}

/// How often each letter and digit is in a text, accents and ligatures aside.
fn letters(text: &str) -> BTreeMap<char, u32> {
    let mut counts = BTreeMap::new();
    for ch in text.chars() {
        let parts: Vec<char> = match ch {
            'ı' => vec!['i'],
            // Accents that stand alone; Unicode takes some of them for letters.
            '\u{2B0}'..='\u{2FF}' => Vec::new(),
            '\u{FB00}'..='\u{FB06}' => ch.nfkd().collect(),
            _ => ch.nfd().collect(),
        };
        for part in parts {
            if part.is_alphanumeric() && !is_combining_mark(part) {
                *counts.entry(part).or_default() += 1;
            }
        }
    }
    counts
}

/// The letters that two other readers find on the same pages and the text has not, for which its account gives no reason;
/// nothing where the other readers have no text.
fn letters_lost(texts: &[PageText], truth: &Path) -> Option<u32> {
    let facts = facts(truth)?;
    let (one, other) = (
        facts["pdftotext"].as_array()?,
        facts["pymupdf"]["pages"].as_array()?,
    );
    let mut lost = 0;
    let mut has_text = false;
    for text in texts {
        let at = text.page.0 as usize - 1;
        let (Some(one), Some(other)) = (one.get(at), other.get(at)) else {
            break;
        };
        let ours = letters(&text.text);
        let one = letters(one.as_str().unwrap_or_default());
        let other = letters(other["text"].as_str().unwrap_or_default());
        has_text |= !one.is_empty();
        let missing = one.iter().map(|(letter, count)| {
            let both = other.get(letter).copied().unwrap_or(0).min(*count);
            both.saturating_sub(ours.get(letter).copied().unwrap_or(0))
        });
        // A glyph without Unicode may be a ligature of up to four letters.
        let characters = &text.characters;
        let explained = characters.missing() * 4 + characters.off_page;
        lost += missing.sum::<u32>().saturating_sub(explained);
    }
    has_text.then_some(lost)
}

/// The page count on which two other libraries agree.
fn true_page_count(truth: &Path) -> Option<u64> {
    let facts = facts(truth)?;
    let one = facts["pikepdf"]["n"].as_u64()?;
    let other = facts["pymupdf"]["n"].as_u64()?;
    (one == other).then_some(one)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_document_ends_whole_partial_or_with_a_typed_error() {
    let test = "corpus";
    let (Some(corpus), Some(libpdfium)) = (
        pagemill_testkit::corpus(test),
        pagemill_testkit::runtime(test),
    ) else {
        return;
    };
    let engine = Engine::new(EngineSettings {
        child_command: vec![env!("CARGO_BIN_EXE_pdf-child").to_owned()],
        libpdfium,
        children: 2,
        limits: Limits::default(),
        required_layers: BTreeSet::new(),
        ocr: None,
    })
    .expect("the engine starts");
    let mut paths: Vec<PathBuf> = fs::read_dir(corpus.join("documents"))
        .expect("the corpus has documents")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pdf"));
    paths.sort();

    let endings: Vec<Ending> = futures::stream::iter(paths)
        .map(|path| {
            let engine = engine.clone();
            async move {
                let began = Instant::now();
                let outcome = process(&engine, &path).await;
                let file_name = path.file_name().expect("a file");
                Ending {
                    name: file_name.to_string_lossy().into_owned(),
                    outcome,
                    took: began.elapsed(),
                }
            }
        })
        .buffered(2)
        .inspect(report)
        .collect()
        .await;

    let mut wrong = Vec::new();
    let (mut with_text, mut losing) = (0_usize, 0_usize);
    for ending in &endings {
        let name = &ending.name;
        if ending.took > LONGEST {
            wrong.push(format!("{name} took {:?}", ending.took));
        }
        let truth = corpus.join("truth").join(format!("{name}.json.gz"));
        let is_intact = !["corrupt__", "enc-user__", "hostile__", "notpdf__"]
            .iter()
            .any(|kind| name.starts_with(kind));
        if let Ok(pages) = &ending.outcome
            && is_intact
            && let Some(lost) = letters_lost(&pages.texts, &truth)
        {
            with_text += 1;
            if lost > 0 {
                losing += 1;
                println!("{name}: {lost} letters are not in the text, and nothing says why");
            }
        }
        match (&ending.outcome, true_page_count(&truth)) {
            (Ok(pages), Some(count)) if u64::from(pages.count) != count => {
                wrong.push(format!("{name} has {count} pages, not {}", pages.count));
            }
            (Ok(pages), _) if is_intact && !pages.failures.is_empty() => {
                wrong.push(format!("{name} is intact: {:?}", pages.failures));
            }
            (Err(error), Some(_)) if is_intact => wrong.push(format!("{name} is intact: {error}")),
            (Ok(_), _) if name.starts_with("enc-user__") || name.starts_with("notpdf__") => {
                wrong.push(format!("{name} should not open"));
            }
            (Err(error), _) if name.starts_with("enc-user__") && *error != PdfError::Encrypted => {
                wrong.push(format!("{name} is encrypted, but: {error}"));
            }
            (Err(PdfError::Engine { reason }), _) => wrong.push(format!("{name}: {reason}")),
            _ => {}
        }
    }
    assert!(!endings.is_empty(), "the corpus has documents");
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{losing} of {with_text} documents with text lost letters without a reason");
    // The text of a stamp's own picture, and one letter that is printed twice. Of a hundred documents, so many may have some.
    const TOLERATED: usize = 3;
    assert!(
        losing * 100 <= with_text * TOLERATED,
        "{losing} of {with_text} documents lost letters"
    );
}

fn report(ending: &Ending) {
    let Ending {
        name,
        outcome,
        took,
    } = ending;
    match outcome {
        Ok(pages) => println!(
            "{took:>8.2?} {name}: {} pages, {} with text, {} links, failures {:?}, warnings {:?}",
            pages.count, pages.with_text, pages.links, pages.failures, pages.warnings
        ),
        Err(error) => println!("{took:>8.2?} {name}: {error}"),
    }
}
