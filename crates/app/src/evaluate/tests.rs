//! Reports: what they count, that they say how weak their numbers are, and that equal input gives equal bytes.

use pagemill_fields::Features;
use pagemill_fields::calibration::MIN_DOCUMENTS;

use super::*;

/// A value by rules or XML, whose score is 0 to 8 by its checks.
fn value(
    document: &str,
    field: &str,
    found: Option<&str>,
    right: Option<&str>,
    score: u32,
) -> Judged {
    let verdict = match (found, right) {
        (Some(found), Some(right)) if found == right => Verdict::Right,
        (Some(_), Some(_)) => Verdict::Wrong,
        (Some(_), None) => Verdict::Invented,
        (None, Some(_)) => Verdict::Missing,
        (None, None) => Verdict::Absent,
    };
    let features = Features {
        verified: Verified::Xml,
        shown: Some(score > 4),
        by_place: false,
        unchecked: false,
        agreeing: 0,
        borne_out: false,
        passed: if score > 4 { score - 6 } else { score - 2 },
        failed: 0,
        doubted: false,
    };
    Judged {
        document: document.to_owned(),
        field: field.to_owned(),
        verdict,
        source: found.map(|_| "xml".to_owned()),
        score: found.map(|_| Scored {
            score: features.score(),
            features,
        }),
        probability: None,
        found: found.map(str::to_owned),
        right: right.map(str::to_owned),
        page: found.map(|_| 1),
    }
}

fn few() -> Judgement {
    Judgement {
        documents: vec!["a.pdf".to_owned(), "b|c.pdf".to_owned()],
        not_extracted: vec!["b|c.pdf".to_owned()],
        values: vec![
            value("a.pdf", "BT-1", Some("R-7"), Some("R-8"), 2),
            value("a.pdf", "BT-2", Some("2026-01-15"), Some("2026-01-15"), 8),
            value("a.pdf", "BT-9", Some("2026-02-14"), None, 3),
            value("a.pdf", "BT-13", None, None, 2),
            value("b|c.pdf", "BT-1", None, Some("R-9"), 2),
        ],
        of_people: vec![Judged {
            source: Some("person".to_owned()),
            score: None,
            ..value("a.pdf", "BT-1", Some("R-8"), Some("R-8"), 2)
        }],
        left_out: vec![LeftOut {
            file: "golden/notes.json".to_owned(),
            reason: "its name".to_owned(),
        }],
    }
}

/// Eight documents of six values, of which three are wrong, the least sure among them.
fn many() -> Judgement {
    let mut judgement = Judgement::default();
    for at in 0..8 {
        let document = format!("{at}.pdf");
        for (field, score) in [
            ("BT-1", 2),
            ("BT-2", 3),
            ("BT-9", 4),
            ("BT-84", 6),
            ("BT-109", 7),
            ("BT-112", 8),
        ] {
            let is_wrong = matches!((at, field), (1 | 5, "BT-1") | (3, "BT-9"));
            let found = if is_wrong { "other" } else { "same" };
            judgement
                .values
                .push(value(&document, field, Some(found), Some("same"), score));
        }
        judgement.documents.push(document);
    }
    judgement
}

#[test]
fn a_report_counts_by_field_and_by_source_and_leaves_people_out_of_what_machines_did() {
    let report = Report::new(&few(), 0.01);
    let overall = &report.overall;
    assert_eq!(
        (
            overall.right,
            overall.wrong,
            overall.invented,
            overall.missing,
            overall.absent
        ),
        (1, 1, 1, 1, 1)
    );
    assert_eq!(
        (overall.precision, overall.recall),
        (Some(0.3333), Some(0.3333))
    );
    assert_eq!(report.sources["person"].right, 1);
    assert_eq!(report.sources["xml"].right, 1);
    let found: Vec<(&str, &str)> = report
        .findings
        .iter()
        .map(|finding| (finding.field.as_str(), finding.verdict.name()))
        .collect();
    assert_eq!(
        found,
        [("BT-1", "wrong"), ("BT-9", "invented"), ("BT-1", "missing")]
    );
    assert_eq!(report.calibration(), None, "three values are too few");
    let said = report.notes.join("\n");
    assert!(said.contains("30 values of 5 documents"), "{said}");
    assert!(said.contains("381 accepted values"), "{said}");
}

#[test]
fn a_report_has_the_agreed_json() {
    let files = Report::new(&few(), 0.01).files().expect("files");
    insta::assert_snapshot!(String::from_utf8_lossy(&files.json));
}

#[test]
fn a_report_has_the_agreed_markdown() {
    let files = Report::new(&many(), 0.05).files().expect("files");
    insta::assert_snapshot!(files.markdown);
}

#[test]
fn a_report_has_the_agreed_picture() {
    let files = Report::new(&many(), 0.05).files().expect("files");
    insta::assert_snapshot!(files.plot.expect("a picture"));
}

#[test]
fn a_report_has_the_agreed_calibration_and_the_extraction_reads_it() {
    let files = Report::new(&many(), 0.05).files().expect("files");
    let json = files.calibration.expect("a calibration");
    insta::assert_snapshot!(String::from_utf8_lossy(&json));
    let read = pagemill_fields::Calibration::from_json("calibration.json", &json);
    assert_eq!(read.expect("its own form").basis.wrong, 3);
}

#[test]
fn probabilities_are_of_documents_that_they_were_not_made_from() {
    // Each document is right or wrong as a whole, and has a score of its own: what is known of others says nothing of it.
    let mut judgement = Judgement::default();
    for at in 0..MIN_DOCUMENTS {
        let document = format!("{at}.pdf");
        let found = if at % 2 == 0 { "same" } else { "other" };
        for field in ["BT-1", "BT-2"] {
            let score = 2 + at as u32 % 3;
            judgement
                .values
                .push(value(&document, field, Some(found), Some("same"), score));
        }
        judgement.documents.push(document);
    }
    let report = Report::new(&judgement, 0.01);
    let confidence = report.confidence.expect("values");
    assert_eq!(confidence.folds, MIN_DOCUMENTS as u64);
    let held_out = confidence.held_out.ece.expect("values");
    assert!(held_out > 0.2, "{held_out}");
}

async fn with_golden(files: &[(&'static str, &'static str)]) -> Arc<dyn ObjectStore> {
    let store = pagemill_storage::MemoryStore::new("bucket");
    for (key, json) in files {
        let put = store.put(key, (*json).into(), pagemill_storage::PutOptions::default());
        put.await.expect("a write");
    }
    Arc::new(store)
}

#[tokio::test]
async fn what_was_never_extracted_is_missing_and_no_file_is_left_out_without_a_word() {
    let settings = Settings::default();
    let golden = r#"{"format": 1, "fields": {"BT-1": "R-7", "BT-9": null}}"#;
    let store = with_golden(&[("golden/a/r.pdf.json", golden), ("golden/notes.json", "{}")]).await;
    let place = GoldenPlace::named(None, &store, &settings).expect("the prefix of the layout");
    let judged = judge(&store, &settings, &place)
        .await
        .expect("a comparison");
    assert_eq!(judged.not_extracted, ["a/r.pdf"]);
    let verdicts: Vec<Verdict> = judged.values.iter().map(|value| value.verdict).collect();
    assert_eq!(verdicts, [Verdict::Missing, Verdict::Absent]);
    assert_eq!(judged.left_out[0].file, "golden/notes.json");
    let report = Report::new(&judged, 0.01);
    assert_eq!(
        (report.overall.recall, report.confidence),
        (Some(0.0), None)
    );

    let named = |name: &str| GoldenPlace::named(Some(name), &store, &settings);
    let elsewhere = named("right").expect("a prefix");
    let nothing = judge(&store, &settings, &elsewhere)
        .await
        .expect_err("nothing");
    assert!(
        nothing.to_string().contains("right/ in bucket"),
        "{nothing}"
    );
    for folder in ["./no/such/folder", "/no/such/folder", ""] {
        let refused = named(folder).expect_err("no folder").to_string();
        assert!(refused.contains("is no folder"), "{refused}");
    }
    let damaged = with_golden(&[("golden/r.pdf.json", "{")]).await;
    let place = GoldenPlace::named(None, &damaged, &settings).expect("the prefix");
    let refused = judge(&damaged, &settings, &place)
        .await
        .expect_err("refused");
    assert!(
        refused.to_string().contains("golden/r.pdf.json"),
        "{refused}"
    );
}

#[tokio::test]
async fn golden_data_of_other_bytes_is_not_written_over() {
    let fields = r#"{"format": 1, "source": "source-pdfs/r.pdf", "sha256": "aa", "fingerprint": "f", "profile": "invoice",
        "chosen_by": "type", "fields": {"BT-1": {"name": "invoice_number", "value": "R-7", "verified": "corrected", "sources": ["person:ann"]}},
        "evaluation": {"quality_score": 1.0, "gates": {"required": 1.0, "rules": 1.0, "grounded": 1.0}, "decision": "approved"}}"#;
    let correction = r#"{"field": "BT-1", "from": "R-8", "to": "R-7", "by": "ann", "at": "2026-02-01T12:00:00Z", "sha256": "aa", "fingerprint": "f"}"#;
    let settings = Settings::default();
    for (sha256, kept) in [("aa", Some("X-1")), ("bb", None)] {
        let store = with_golden(&[
            ("extracted_fields/r.pdf.json", fields),
            ("review/corrections/r.pdf.jsonl", correction),
        ])
        .await;
        let there = format!(
            r#"{{"format": 1, "sha256": "{sha256}", "by": ["bob"], "fields": {{"BT-10": "X-1"}}}}"#
        );
        let options = pagemill_storage::PutOptions::default();
        let put = store.put("golden/r.pdf.json", there.into(), options);
        put.await.expect("a write");
        let place = GoldenPlace::named(None, &store, &settings).expect("the prefix");
        let exported = export(&store, &settings, &place).await.expect("an export");
        assert_eq!(
            (exported.written.len(), exported.left.len()),
            match kept {
                Some(_) => (1, 0),
                None => (0, 1),
            }
        );
        let (_, json) = store
            .get_bytes("golden/r.pdf.json")
            .await
            .expect("golden data");
        let golden = Golden::from_json("golden/r.pdf.json", &json).expect("golden data");
        assert_eq!(golden.fields["BT-10"].as_deref(), Some("X-1"));
        let number = golden.fields.get("BT-1").and_then(Option::as_deref);
        assert_eq!(number, kept.map(|_| "R-7"));
        assert_eq!(golden.by.len(), if kept.is_some() { 2 } else { 1 });
    }
}
