//! The history view: grouped writes, races, rebuilding.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pagemill_storage::memory::Operation;
use pagemill_storage::{
    Failure, Fingerprint, HistoryView, HistoryWriter, KeyLayout, MemoryStore, ObjectStore,
    PutOptions, Record, RecordStatus, RecordStore, SourceKey, SourceVersion, Stage, StageEntry,
    StorageError, rebuild_history,
};

const NEVER: Duration = Duration::from_secs(3600);
const HISTORY: &str = "processing/pdf_process_history.json";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn done(name: &str, second: i64) -> Record {
    let commit = StageEntry {
        fingerprint: Fingerprint("c0ffee".repeat(11)),
        outputs: Vec::new(),
        finished_at: at(second),
        millis: 1,
        etags: BTreeMap::new(),
        facts: BTreeMap::new(),
        spent: Default::default(),
    };
    let mut record = Record::new(SourceKey(format!("source-pdfs/{name}.pdf")), at(0));
    record.status = RecordStatus::Done;
    record.version = Some(SourceVersion {
        sha256: "ab".repeat(32),
        bytes: 7,
        etag: "\"1\"".into(),
        version_id: None,
        sequencer: None,
    });
    record.target_stores = vec!["pages".into()];
    record.ledger.pages = 3;
    record.stages.insert(Stage::Commit, commit);
    record.updated_at = at(second);
    record
}

fn failed(name: &str, second: i64) -> Record {
    let mut record = Record::new(SourceKey(format!("source-pdfs/{name}.pdf")), at(0));
    record.status = RecordStatus::Failed;
    record.failure = Some(Failure {
        reason: "encrypted".into(),
        stage: Stage::Inspect,
        message: "it needs a password".into(),
        at: at(second),
        version: None,
        fingerprint: Fingerprint("f".repeat(64)),
        fault: None,
    });
    record.updated_at = at(second);
    record
}

fn setup() -> (Arc<MemoryStore>, RecordStore) {
    let store = Arc::new(MemoryStore::new("bucket"));
    let records = RecordStore::new(store.clone(), KeyLayout::default());
    (store, records)
}

async fn stored(store: &MemoryStore) -> HistoryView {
    let (_, body) = store.get_bytes(HISTORY).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn the_file_says_what_became_of_each_source() {
    let view = HistoryView::from_records([&failed("b", 2), &done("a", 1)]);
    let expected = r#"{
  "documents": {
    "source-pdfs/a.pdf": {
      "bytes": 7,
      "generations": {
        "commit": "c0ffeec0ffeec0ff"
      },
      "pages": 3,
      "processed_at": "1970-01-01T00:00:01Z",
      "sha256": "abababababababababababababababababababababababababababababababab",
      "status": "done",
      "target_stores": [
        "pages"
      ],
      "updated_at": "1970-01-01T00:00:01Z"
    },
    "source-pdfs/b.pdf": {
      "failure": {
        "message": "it needs a password",
        "reason": "encrypted",
        "stage": "inspect"
      },
      "pages": 0,
      "status": "failed",
      "target_stores": [],
      "updated_at": "1970-01-01T00:00:02Z"
    }
  },
  "format": 1
}
"#;
    assert_eq!(String::from_utf8_lossy(&view.to_bytes().unwrap()), expected);
}

#[tokio::test]
async fn many_updates_are_one_write() {
    let (store, records) = setup();
    let writer = HistoryWriter::start(records, NEVER);
    for number in 0..100 {
        writer.update(&done(&number.to_string(), 1));
    }
    writer.flush().await.unwrap();
    assert_eq!(stored(&store).await.documents.len(), 100);
    writer.flush().await.unwrap();
    assert_eq!(
        store.calls(Operation::Put),
        1,
        "a flush with nothing to say writes nothing"
    );
}

#[tokio::test]
async fn the_interval_writes_without_being_asked() {
    let (store, records) = setup();
    let writer = HistoryWriter::start(records, Duration::from_millis(1));
    writer.update(&done("a", 1));
    while store.head(HISTORY, None).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(stored(&store).await.documents.len(), 1);
}

#[tokio::test]
async fn the_newer_record_wins_whatever_the_order() {
    let (store, records) = setup();
    let writer = HistoryWriter::start(records.clone(), NEVER);
    let other = HistoryWriter::start(records, NEVER);
    writer.update(&done("a", 5));
    writer.update(&failed("a", 4));
    writer.flush().await.unwrap();
    other.update(&failed("a", 3));
    other.update(&failed("b", 3));
    other.flush().await.unwrap();
    let view = stored(&store).await;
    let status = |name: &str| view.documents[&SourceKey(format!("source-pdfs/{name}.pdf"))].status;
    assert_eq!(status("a"), RecordStatus::Done);
    assert_eq!(status("b"), RecordStatus::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_race_lose_nothing() {
    let (store, records) = setup();
    let writers = (0..8).map(|number| {
        let records = records.clone();
        tokio::spawn(async move {
            let writer = HistoryWriter::start(records, NEVER);
            for round in 0..3 {
                writer.update(&done(&format!("{number}-{round}"), 1));
                writer.flush().await.unwrap();
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(stored(&store).await.documents.len(), 24);
}

#[tokio::test]
async fn a_failed_write_is_kept_for_the_next() {
    let (store, records) = setup();
    let writer = HistoryWriter::start(records, NEVER);
    store.fail_next(Operation::Put, 1, |key| StorageError::Unavailable {
        action: "write",
        key: key.into(),
        store: "bucket".into(),
        reason: "slow down".into(),
    });
    writer.update(&done("a", 1));
    assert!(writer.flush().await.is_err());
    writer.flush().await.unwrap();
    assert_eq!(stored(&store).await.documents.len(), 1);
}

#[tokio::test]
async fn an_unreadable_history_is_made_again_from_the_records() {
    let (store, records) = setup();
    records.save(&mut done("old", 1), None).await.unwrap();
    store
        .put(HISTORY, "no json".into(), PutOptions::default())
        .await
        .unwrap();
    let writer = HistoryWriter::start(records, NEVER);
    writer.update(&done("new", 2));
    writer.flush().await.unwrap();
    assert_eq!(stored(&store).await.documents.len(), 2);
}

#[tokio::test]
async fn a_history_of_a_newer_build_is_left_alone() {
    let (store, records) = setup();
    let newer = "{\"format\": 2, \"documents\": []}";
    store
        .put(HISTORY, newer.into(), PutOptions::default())
        .await
        .unwrap();
    let writer = HistoryWriter::start(records.clone(), NEVER);
    writer.update(&done("a", 1));
    assert!(
        writer
            .flush()
            .await
            .unwrap_err()
            .to_string()
            .contains("format 2")
    );
    assert!(rebuild_history(&records).await.is_err());
    assert_eq!(store.get_bytes(HISTORY).await.unwrap().1, newer);
}

#[tokio::test]
async fn rebuilding_says_what_the_records_say_and_nothing_else() {
    let (store, records) = setup();
    let mut all = [done("a", 1), failed("b", 2), done("sub/c + d", 3)];
    for record in &mut all {
        records.save(record, None).await.unwrap();
    }
    let writer = HistoryWriter::start(records.clone(), NEVER);
    writer.update(&done("gone", 1));
    writer.flush().await.unwrap();
    store
        .put(
            "processing/records/x.pdf.json",
            "{".into(),
            PutOptions::default(),
        )
        .await
        .unwrap();

    let rebuilt = rebuild_history(&records).await.unwrap();
    assert_eq!((rebuilt.documents, rebuilt.unreadable.len()), (3, 1));
    let expected = HistoryView::from_records(&all).to_bytes().unwrap();
    assert_eq!(store.get_bytes(HISTORY).await.unwrap().1, expected);

    let writes = store.calls(Operation::Put);
    rebuild_history(&records).await.unwrap();
    assert_eq!(
        store.calls(Operation::Put),
        writes,
        "nothing to change, nothing written"
    );
}

#[tokio::test]
async fn a_record_whose_answer_was_lost_is_not_taken_for_somebody_elses() {
    let (store, records) = setup();
    let (mut record, mut resent) = (done("a", 1), done("a", 1));
    store.lose_answer_next(Operation::Put, 1);
    assert!(records.save(&mut record, None).await.is_err());
    let etag = records
        .save(&mut resent, None)
        .await
        .expect("the same bytes are in place");
    assert_eq!(
        records.load(&record.source).await.unwrap(),
        Some((record, etag))
    );
}
