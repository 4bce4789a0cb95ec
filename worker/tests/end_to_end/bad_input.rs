//! Bad files among good ones: the good ones are processed, and each bad one is named with a reason.

use pagemill_samples::hostile;
use pagemill_storage::RecordStatus;
use serde_json::json;

use crate::support::Place;

/// What is expected of a hostile sample under the limits of these tests: a reason, or a document, perhaps with pages
/// missing.
fn expected_reasons(name: &str) -> &'static [&'static str] {
    match name {
        "html.pdf" | "png.pdf" => &["not_a_pdf"],
        "empty.pdf" => &["empty"],
        "header-only.pdf" | "no-pages.pdf" => &["corrupt"],
        "encrypted.pdf" => &["encrypted"],
        "many-pages.pdf" => &["over_limit"],
        _ => &[],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ho_3_hostile_files_are_typed_and_the_good_ones_among_them_are_processed() {
    let Some(place) = Place::new("hostile files") else {
        return;
    };
    place.configure(&json!({
        "pages": {"dpi": 50, "max_pixels": 2_000_000},
        "limits": {"max_pages": 500, "page_timeout_seconds": 4, "open_timeout_seconds": 8},
    }));
    let good = [
        ("a-invoice.pdf", pagemill_samples::invoice()),
        ("z-blank.pdf", pagemill_samples::blank()),
    ];
    for (name, bytes) in good.iter().map(|(name, bytes)| (*name, bytes)) {
        place.add(name, bytes);
    }
    for (name, bytes) in hostile::all() {
        place.add(name, &bytes);
    }
    // A folder with the name of a PDF is no file.
    std::fs::create_dir(place.input().join("folder.pdf")).expect("a folder");

    let ended = place.local(&[]).await.with_code(1);
    for (name, _) in &good {
        assert_eq!(place.record(name).status, RecordStatus::Done, "{name}");
    }
    let mut failed = Vec::new();
    for (name, _) in hostile::all() {
        let record = place.record(name);
        assert_eq!(record.in_progress, None, "{name}");
        let expected = expected_reasons(name);
        match (&record.failure, record.status) {
            (Some(failure), RecordStatus::Failed) => {
                assert!(
                    expected.is_empty() || expected.contains(&failure.reason.as_str()),
                    "{name}: {failure:?}"
                );
                let line = format!("{name} [{}]: {}", failure.reason, failure.message);
                assert!(
                    ended.stdout.contains(&line),
                    "no {line:?} in:\n{}",
                    ended.stdout
                );
                assert!(
                    place.page_images(name).is_empty(),
                    "{name}: nothing is left of a failed document"
                );
                failed.push(name);
            }
            (None, RecordStatus::Done | RecordStatus::Partial) => {
                assert!(
                    expected.is_empty(),
                    "{name} should fail with one of {expected:?}"
                );
                let ledger = &record.ledger;
                let accounted = ledger.text as usize
                    + ledger.needs_ocr.len()
                    + ledger.blank.len()
                    + ledger.failed.len();
                assert_eq!(
                    accounted, ledger.pages as usize,
                    "{name}: every page is accounted for"
                );
                assert_eq!(
                    place.page_images(name).len(),
                    ledger.pages as usize - ledger.failed.len(),
                    "{name}"
                );
            }
            (failure, status) => panic!("{name} is {status:?} with {failure:?}"),
        }
    }
    let huge = place.record("huge-page.pdf").ledger;
    assert_eq!(huge.scaled_down, [1], "{huge:?}");
    assert_eq!(
        place.record("encrypted-empty-password.pdf").status,
        RecordStatus::Done
    );

    // The verdicts are in the records: nothing is opened a second time.
    let before = place.objects();
    let again = place.local(&[]).await.with_code(1);
    again.says(&format!(
        "0 processed, {} unchanged, {} failed",
        good.len() + hostile::all().len() - failed.len(),
        failed.len()
    ));
    assert!(place.objects() == before, "a second run writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn ho_5_an_encrypted_file_opens_with_its_password_and_the_password_is_shown_nowhere() {
    let Some(place) = Place::new("password") else {
        return;
    };
    place.add("bills/encrypted.pdf", &hostile::encrypted());
    place
        .local(&[])
        .await
        .with_code(1)
        .says("bills/encrypted.pdf [encrypted]");
    place.configure(&json!({"passwords": {"source-pdfs/bills/*": hostile::USER_PASSWORD}}));
    let ended = place.local(&[]).await.with_code(0).says("1 processed");
    let record = place.record("bills/encrypted.pdf");
    assert_eq!(record.status, RecordStatus::Done);
    assert_eq!(record.failure, None);
    assert!(!(ended.stdout + &ended.stderr).contains(hostile::USER_PASSWORD));
    for (key, (_, bytes)) in place.objects() {
        let has_it = String::from_utf8_lossy(&bytes).contains(hostile::USER_PASSWORD);
        assert!(
            !has_it || key == "config/app_config.json",
            "{key} holds the password"
        );
    }
    let config = place
        .run(&["config", "--config", "out/config/app_config.json"])
        .await
        .with_code(0);
    assert!(
        !config.stdout.contains(hostile::USER_PASSWORD),
        "{}",
        config.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_many_pages_is_processed_within_its_limits() {
    let Some(place) = Place::new("many pages") else {
        return;
    };
    place.configure(&json!({"pages": {"dpi": 36}, "limits": {"max_pages": 500}}));
    place.add("many.pdf", &hostile::many_pages(500));
    place.local(&[]).await.with_code(0).says("1 processed");
    assert_eq!(place.record("many.pdf").ledger.text, 500);
    assert_eq!(place.page_images("many.pdf").len(), 500);
    place.add("too-many.pdf", &hostile::many_pages(501));
    place
        .local(&[])
        .await
        .with_code(1)
        .says("too-many.pdf [over_limit]");
}
