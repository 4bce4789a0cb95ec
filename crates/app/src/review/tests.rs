//! Deciding: nothing that people say is lost, doubled or taken without a check.

use pagemill_fields::evaluation::{Evaluation, Gates};
use pagemill_fields::{Decision, Input, XmlFile};
use pagemill_storage::{MemoryStore, RecordStatus, Stage, to_canonical_json};

use super::*;

const SOURCE: &str = "source-pdfs/a/r.pdf";
const FIELDS: &str = "extracted_fields/a/r.pdf.json";
const CORRECTIONS: &str = "review/corrections/a/r.pdf.jsonl";
const XML: &[u8] = br#"<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"><ID>R-7</ID></Invoice>"#;

fn source() -> SourceKey {
    SourceKey(SOURCE.to_owned())
}

async fn with_fields(mut change: impl FnMut(&mut DocumentFields)) -> (Arc<MemoryStore>, Review) {
    let store = Arc::new(MemoryStore::new("bucket"));
    let files = [XmlFile {
        name: "invoice.xml",
        bytes: XML,
    }];
    let mut fields = pagemill_fields::extract(&Input {
        files: &files,
        ..Input::default()
    });
    change(&mut fields);
    let mut json = serde_json::to_value(&fields).expect("JSON");
    for (name, value) in [("source", SOURCE), ("sha256", "aa"), ("fingerprint", "f1")] {
        json[name] = value.into();
    }
    json["format"] = 1.into();
    put(&store, FIELDS, to_canonical_json(&json).expect("JSON")).await;
    let review = Review::new(Arc::clone(&store) as _, KeyLayout::default());
    (store, review)
}

async fn put(store: &MemoryStore, key: &str, body: bytes::Bytes) {
    let written = store.put(key, body, PutOptions::default()).await;
    written.expect("a write");
}

fn is(field: &str, value: Option<&str>) -> Decided {
    Decided::Is {
        field: field.to_owned(),
        value: value.map(str::to_owned),
    }
}

/// Sources contradict each other about the number.
fn number_in_conflict(fields: &mut DocumentFields) {
    let number = fields.fields.get_mut("BT-1").expect("a number");
    number.value = None;
    number.candidates = vec![pagemill_metadata::document::Candidate {
        value: "R-7".to_owned(),
        source: pagemill_metadata::Source("xml:ubl".to_owned()),
        reason: "no page shows it".to_owned(),
        evidence: None,
    }];
}

async fn kept(store: &MemoryStore) -> Vec<Correction> {
    let (_, lines) = store.get_bytes(CORRECTIONS).await.expect("corrections");
    assert!(lines.ends_with(b"\n"));
    let read = Corrections::read(&lines);
    assert!(read.unreadable.is_empty());
    read.all
}

#[tokio::test]
async fn of_people_who_decide_at_the_same_time_none_is_lost() {
    let (store, review) = with_fields(|_| {}).await;
    let source = source();
    let names: Vec<String> = (0..8).map(|at| format!("person {at}")).collect();
    let values: Vec<String> = (0..8).map(|at| format!("R-{at}")).collect();
    let decided: Vec<Decided> = values.iter().map(|to| is("BT-1", Some(to))).collect();
    let all = decided.iter().zip(&names);
    let all = all.map(|(decided, by)| review.decide(&source, decided, by));
    for made in futures::future::join_all(all).await {
        assert_eq!(made.expect("kept").len(), 1);
    }
    let mut by: Vec<String> = kept(&store).await.into_iter().map(|made| made.by).collect();
    by.sort();
    assert_eq!(by, names);
}

#[tokio::test]
async fn a_correction_says_what_was_there_and_of_which_file_and_the_same_again_adds_nothing() {
    let (store, review) = with_fields(|_| {}).await;
    let decided = is("BT-1", Some("R-8"));
    let first = review
        .decide(&source(), &decided, "ann")
        .await
        .expect("kept");
    assert_eq!(first.len(), 1);
    let again = review
        .decide(&source(), &decided, "ann")
        .await
        .expect("kept");
    assert_eq!(again, []);
    let made = &kept(&store).await[0];
    assert_eq!(
        (made.from.as_deref(), made.to.as_deref()),
        (Some("R-7"), Some("R-8"))
    );
    assert_eq!(
        (made.sha256.as_str(), made.fingerprint.as_str()),
        ("aa", "f1")
    );
    let back = is("BT-1", Some("R-7"));
    review.decide(&source(), &back, "ann").await.expect("kept");
    review
        .decide(&source(), &decided, "ann")
        .await
        .expect("kept");
    assert_eq!(kept(&store).await.len(), 3, "one may change one's mind");
}

#[tokio::test]
async fn all_that_is_open_is_approved_at_once_but_no_conflict() {
    let (store, review) = with_fields(|_| {}).await;
    let all = Decided::Approved(Vec::new());
    let made = review.decide(&source(), &all, "ann").await.expect("kept");
    assert!(
        made.iter()
            .any(|made| made.field == "BT-44" && made.to.is_none())
    );
    assert_eq!(kept(&store).await.len(), made.len());

    let (store, review) = with_fields(|_| {}).await;
    let whole = Decided::ApprovedWhole;
    let made = review.decide(&source(), &whole, "ann").await;
    let made = made.expect("kept");
    for (field, to) in [("BT-1", Some("R-7")), ("BT-44", None)] {
        let is_it = |made: &&Correction| made.field == field && made.to.as_deref() == to;
        assert_eq!(made.iter().filter(is_it).count(), 1, "{field}: {made:?}");
    }
    assert_eq!(kept(&store).await.len(), made.len());

    let (store, review) = with_fields(number_in_conflict).await;
    let approved = Decided::Approved(vec!["BT-1".to_owned()]);
    let refused = review.decide(&source(), &approved, "ann").await;
    assert!(
        refused
            .expect_err("a conflict")
            .to_string()
            .contains("correct")
    );
    store
        .get_bytes(CORRECTIONS)
        .await
        .expect_err("nothing is written");
}

#[tokio::test]
async fn who_approves_the_rest_changes_no_decision_that_no_run_has_taken_over_yet() {
    for rest in [Decided::Approved(Vec::new()), Decided::ApprovedWhole] {
        let (store, review) = with_fields(number_in_conflict).await;
        for decided in [is("BT-1", Some("R-8")), is("BT-44", Some("Ann"))] {
            let made = review.decide(&source(), &decided, "ann").await;
            made.expect("kept");
        }
        let made = review.decide(&source(), &rest, "bob").await;
        assert!(!made.expect("kept").is_empty());
        let kept = kept(&store).await;
        for field in ["BT-1", "BT-44"] {
            let of_field = kept.iter().filter(|made| made.field == field);
            assert_eq!(of_field.count(), 1, "{rest:?}");
        }
        let named = Decided::Approved(vec!["BT-44".to_owned()]);
        let made = review.decide(&source(), &named, "bob").await;
        assert_eq!(made.expect("kept").len(), 1, "one that is named is meant");
    }
}

#[tokio::test]
async fn what_can_not_be_is_refused_with_the_remedy() {
    let (_, review) = with_fields(|fields| {
        fields.evaluation = Some(Evaluation {
            quality_score: 1.0,
            gates: Gates {
                required: 1.0,
                rules: 1.0,
                grounded: 1.0,
            },
            decision: Decision::Approved,
            predicted_accuracy: None,
            calibration: None,
            reasons: Vec::new(),
        });
    })
    .await;
    for (decided, by, said) in [
        (is("BT-9999", Some("x")), "ann", "BT-84"),
        (is("BT-2", Some("15.1.2026")), "ann", "2024-05-31"),
        (is("BT-1", Some("x")), " ", "--by"),
    ] {
        let refused = review.decide(&source(), &decided, by).await;
        let refused = refused.expect_err("refused").to_string();
        assert!(refused.contains(said), "{refused}");
    }
    let other = SourceKey("source-pdfs/none.pdf".to_owned());
    let refused = review.decide(&other, &is("BT-1", Some("x")), "ann").await;
    assert!(
        refused
            .expect_err("refused")
            .to_string()
            .contains("process it first")
    );
    assert!(review.of(&other).await.is_err());
}

#[test]
fn the_status_of_a_document_follows_from_its_record() {
    let mut record = Record::new(source(), Timestamp::now());
    assert_eq!(status(&record), "preprocessing");
    let mut at = |stage| {
        record.in_progress = Some(pagemill_storage::InProgress {
            stage,
            since: Timestamp::now(),
            trace_id: String::new(),
            run: String::new(),
            message_id: None,
            page: None,
            done: None,
            total: None,
        });
        status(&record)
    };
    assert_eq!(at(Stage::Text), "ocr_extracting");
    assert_eq!(at(Stage::Predict), "predicting");
    assert_eq!(at(Stage::Extract), "extraction");
    assert_eq!(at(Stage::Index), "automated_evaluation");
    record.status = RecordStatus::Done;
    assert_eq!(status(&record), "completed");
    record.status = RecordStatus::Removed;
    assert_eq!(status(&record), "removed");
    record.status = RecordStatus::Failed;
    assert_eq!(status(&record), "preprocessing_error");
}
