//! Every document of a corpus ends, and as it should. Needs `PAGEMILL_CORPUS`, a folder with `documents/` and `truth/`,
//! and `PAGEMILL_RUNTIME`, a folder with libpdfium.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use futures::StreamExt;
use pagemill_pdf::{
    Engine, EngineSettings, ExtractRequest, ImageSettings, Limits, PageFailure, PageState,
    PdfError, SealedFile,
};

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
}

fn folder(variable: &str) -> Option<PathBuf> {
    let value = std::env::var_os(variable);
    if value.is_none() {
        println!("SKIPPED: {variable} is not set");
    }
    value.map(PathBuf::from)
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
                pages.links += page.links.expect("links were asked for").len();
            }
            Err(failure) => pages.failures.push(failure),
        }
    }
    assert_eq!(expected, count + 1, "every page comes");
    Ok(pages)
}

/// The page count on which two other libraries agree.
fn true_page_count(truth: &Path) -> Option<u64> {
    let mut json = String::new();
    GzDecoder::new(File::open(truth).ok()?)
        .read_to_string(&mut json)
        .expect("a gzip file");
    let facts: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let one = facts["pikepdf"]["n"].as_u64()?;
    let other = facts["pymupdf"]["n"].as_u64()?;
    (one == other).then_some(one)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_document_ends_whole_partial_or_with_a_typed_error() {
    let (Some(corpus), Some(libpdfium)) = (folder("PAGEMILL_CORPUS"), folder("PAGEMILL_RUNTIME"))
    else {
        return;
    };
    let engine = Engine::new(EngineSettings {
        child_command: vec![env!("CARGO_BIN_EXE_pdf-child").to_owned()],
        libpdfium,
        children: 2,
        limits: Limits::default(),
        required_layers: BTreeSet::new(),
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
    for ending in &endings {
        let name = &ending.name;
        if ending.took > LONGEST {
            wrong.push(format!("{name} took {:?}", ending.took));
        }
        let truth = corpus.join("truth").join(format!("{name}.json.gz"));
        let is_intact = !["corrupt__", "enc-user__", "hostile__", "notpdf__"]
            .iter()
            .any(|kind| name.starts_with(kind));
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
