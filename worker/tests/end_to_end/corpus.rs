//! A corpus of real PDFs through the whole worker: every document ends, and intact ones as two other libraries say.
//! Needs `PAGEMILL_CORPUS`, a folder with `documents/` and `truth/`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use pagemill_document::LinkTarget;
use pagemill_pipeline::LinksFile;
use pagemill_storage::RecordStatus;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Place, to_its_end_within};

/// What the corpus knows of a file.
fn truth(corpus: &Path, name: &str) -> Value {
    let path = corpus.join("truth").join(format!("{name}.json.gz"));
    let Ok(file) = File::open(path) else {
        return Value::Null;
    };
    let mut json = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut json)
        .expect("a gzip file");
    serde_json::from_str(&json).expect("JSON")
}

/// Kinds of documents on which libraries need not agree, or that must not open.
fn is_intact(name: &str) -> bool {
    let kinds = ["corrupt__", "enc-user__", "hostile__", "notpdf__"];
    !kinds.iter().any(|kind| name.starts_with(kind))
}

/// Our URIs of a page, with what pikepdf counts as one.
fn uris_of_page(links: &LinksFile, page: u32) -> Vec<String> {
    let on_page = links.links.iter().filter(|link| link.page.0 == page);
    let uris = on_page.filter_map(|link| match &link.target {
        LinkTarget::Uri { uri } | LinkTarget::Mailto { uri } => Some(uri.clone()),
        _ => None,
    });
    uris.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn out_4_every_document_of_a_corpus_ends_and_intact_ones_as_the_truth_says() {
    let test = "corpus";
    let Some(corpus) = pagemill_testkit::corpus(test) else {
        return;
    };
    let Some(place) = Place::new(test) else {
        return;
    };
    place.configure(&json!({
        "pages": {"dpi": 36, "max_pixels": 1_000_000},
        "limits": {"page_timeout_seconds": 5, "open_timeout_seconds": 15},
        "target_stores": ["pages"],
    }));
    let documents = corpus.join("documents");
    let mut command = place.worker();
    command.arg("local").arg(&documents).args(["--out", "out"]);
    let ended = to_its_end_within(PATIENCE * 5, command).await.with_code(1);

    // Sources, records, outputs and points fit each other, also those of the documents that failed.
    let mut command = place.worker();
    let audit = ["verify", "--settings", "--out", "out", "--input"];
    command.args(audit).arg(&documents);
    to_its_end_within(PATIENCE, command)
        .await
        .with_code(0)
        .says("0 findings");

    let mut names: Vec<String> = std::fs::read_dir(&documents)
        .expect("the corpus has documents")
        .map(|entry| {
            entry
                .expect("a readable folder")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name.to_ascii_lowercase().ends_with(".pdf"))
        .collect();
    names.sort();
    let (mut wrong, mut compared, mut links_compared) = (Vec::new(), 0, 0);
    for name in &names {
        let record = place.record(name);
        if record.in_progress.is_some() {
            wrong.push(format!("{name} is still in progress"));
        }
        let facts = truth(&corpus, name);
        match record.status {
            RecordStatus::Done | RecordStatus::Partial => {}
            RecordStatus::Failed if is_intact(name) && facts["pikepdf"]["n"].is_u64() => {
                wrong.push(format!(
                    "{name} is intact, but failed: {:?}",
                    record.failure
                ));
                continue;
            }
            RecordStatus::Failed => {
                let failure = record.failure.expect("a failed record has its reason");
                if !ended
                    .stdout
                    .contains(&format!("{name} [{}]", failure.reason))
                {
                    wrong.push(format!("{name} [{}] is not in the summary", failure.reason));
                }
                continue;
            }
            status => {
                wrong.push(format!("{name} is {status:?}"));
                continue;
            }
        }
        let (Some(pages), true) = (facts["pikepdf"]["n"].as_u64(), is_intact(name)) else {
            continue;
        };
        if u64::from(record.ledger.pages) != pages || !record.ledger.failed.is_empty() {
            wrong.push(format!("{name} has {pages} pages, not {:?}", record.ledger));
            continue;
        }
        compared += 1;
        let links: LinksFile = place.json(&format!("extracted_links/{name}.json"));
        let theirs = facts["pikepdf"]["uris"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for (theirs, page) in theirs.iter().zip(1..) {
            let ours = uris_of_page(&links, page);
            links_compared += ours.len();
            if json!(ours) != *theirs {
                wrong.push(format!("{name} page {page}: {ours:?}, not {theirs}"));
            }
        }
    }
    println!(
        "{} documents ended; {compared} page counts and {links_compared} URIs equal pikepdf's",
        names.len()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        compared > 0,
        "the corpus holds no intact document with a truth"
    );
}
