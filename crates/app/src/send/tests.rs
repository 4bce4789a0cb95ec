use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use pagemill_events::{Event, Job, parse};
use pagemill_queue::memory::{Fault, Operation};
use pagemill_queue::{MemoryQueue, QueueError, TokioClock};
use pagemill_storage::memory::Operation as StoreOperation;
use pagemill_storage::{
    KeyLayout, MemoryStore, PutOptions, Record, RecordStatus, SourceVersion, StorageError,
};

use super::*;

struct World {
    store: Arc<MemoryStore>,
    records: RecordStore,
    queue: MemoryQueue,
}

impl World {
    async fn with(keys: &[&str]) -> Self {
        let store = Arc::new(MemoryStore::new("bucket"));
        for key in keys {
            store
                .put(key, "%PDF".into(), PutOptions::default())
                .await
                .unwrap();
        }
        let records = RecordStore::new(store.clone(), KeyLayout::default());
        Self {
            store,
            records,
            queue: MemoryQueue::new("queue", TokioClock::shared()),
        }
    }

    async fn record(&self, key: &str, status: RecordStatus) {
        let meta = self.store.head(key, None).await.unwrap();
        let mut record = Record::new(SourceKey(key.into()), Timestamp::UNIX_EPOCH);
        record.status = status;
        record.version = Some(SourceVersion {
            sha256: String::new(),
            bytes: meta.bytes,
            etag: meta.etag.0,
            version_id: None,
            sequencer: None,
        });
        self.records.save(&mut record, None).await.unwrap();
    }

    async fn send(&self, options: &Options) -> Sent {
        send(
            &*self.store,
            &self.records,
            &self.queue,
            options,
            &mut |_| (),
        )
        .await
    }

    fn requests(&self) -> Vec<Job> {
        let contents = self.queue.contents();
        contents
            .iter()
            .map(|(body, _)| match &parse(body)[..] {
                [Event::Job(job)] => job.clone(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn keys(&self) -> BTreeSet<String> {
        self.requests()
            .into_iter()
            .map(|request| request.key)
            .collect()
    }
}

fn set(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

#[tokio::test]
async fn one_message_goes_out_for_each_pdf_and_none_for_others() {
    let odd = "source-pdfs/a b+c%20 é/漢.PDF";
    let world = World::with(&[
        "source-pdfs/a.pdf",
        odd,
        "source-pdfs/notes.txt",
        "elsewhere/b.pdf",
    ])
    .await;
    let options = Options {
        target_stores: vec![TargetStore::Semantic, TargetStore::Pages],
        force: true,
        reason: "new prompt".into(),
        prompt: Some("Name the parties.".into()),
        ..Options::default()
    };
    let sent = world.send(&options).await;
    assert_eq!(
        (sent.tally.listed, sent.tally.not_pdf, sent.sent),
        (3, 1, 2)
    );
    assert_eq!(world.keys(), set(&["source-pdfs/a.pdf", odd]));
    let requests = world.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.bucket == "bucket" && request.force)
    );
    assert_eq!(
        requests[0].target_stores,
        Some(vec!["semantic".into(), "pages".into()])
    );
    assert_eq!(requests[0].reason.as_deref(), Some("new prompt"));
    assert_eq!(
        requests[1].custom_prompt.as_deref(),
        Some("Name the parties.")
    );
    assert_ne!(requests[0].trace_id, requests[1].trace_id);
}

#[tokio::test]
async fn thousands_go_in_batches_of_ten() {
    let keys: Vec<String> = (0..2_345)
        .map(|n| format!("source-pdfs/{n:05}.pdf"))
        .collect();
    let world = World::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let sent = world.send(&Options::default()).await;
    assert_eq!((sent.sent, world.keys().len()), (2_345, 2_345));
    assert_eq!(world.queue.calls(Operation::Send), 235);
}

#[tokio::test]
async fn only_new_leaves_out_what_is_done_and_unchanged() {
    let keys = [
        "done", "partial", "failed", "begun", "changed", "removed", "new",
    ]
    .map(|name| format!("source-pdfs/{name}.pdf"));
    let world = World::with(&keys.each_ref().map(String::as_str)).await;
    for (key, status) in keys.iter().zip([
        RecordStatus::Done,
        RecordStatus::Partial,
        RecordStatus::Failed,
        RecordStatus::Processing,
        RecordStatus::Done,
        RecordStatus::Removed,
    ]) {
        world.record(key, status).await;
    }
    world
        .store
        .put(&keys[4], "%PDF of today".into(), PutOptions::default())
        .await
        .unwrap();

    let sent = world
        .send(&Options {
            only_new: true,
            ..Options::default()
        })
        .await;
    assert_eq!((sent.tally.already_done, sent.sent), (2, 5));
    assert!(!world.keys().contains(&keys[0]) && !world.keys().contains(&keys[1]));

    let world_of_failures = World {
        queue: MemoryQueue::new("q", TokioClock::shared()),
        ..world
    };
    let sent = world_of_failures
        .send(&Options {
            failed: true,
            ..Options::default()
        })
        .await;
    assert_eq!((sent.tally.not_failed, sent.sent), (6, 1));
    assert_eq!(world_of_failures.keys(), set(&["source-pdfs/failed.pdf"]));
}

#[tokio::test]
async fn prefix_glob_since_and_limit_narrow_the_choice() {
    let keys = [
        "source-pdfs/2024/a.pdf",
        "source-pdfs/2024/sub/b.pdf",
        "source-pdfs/2025/c.pdf",
    ];
    let glob = |pattern: &str| {
        globset::GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .unwrap()
    };
    for (options, expected) in [
        (
            Options {
                prefix: "2024/".into(),
                ..Options::default()
            },
            &keys[..2],
        ),
        (
            Options {
                prefix: "source-pdfs/2025".into(),
                ..Options::default()
            },
            &keys[2..],
        ),
        (
            Options {
                globs: vec![glob("*/?.pdf")],
                ..Options::default()
            },
            &[keys[0], keys[2]][..],
        ),
        (
            Options {
                globs: vec![glob("2025/*"), glob("**/b.pdf")],
                ..Options::default()
            },
            &keys[1..],
        ),
        (
            Options {
                limit: Some(2),
                ..Options::default()
            },
            &keys[..2],
        ),
        (
            Options {
                since: Some(Timestamp::MAX),
                ..Options::default()
            },
            &[],
        ),
        (
            Options {
                since: Some(Timestamp::UNIX_EPOCH),
                ..Options::default()
            },
            &keys[..],
        ),
    ] {
        let world = World::with(&keys).await;
        world.send(&options).await;
        assert_eq!(world.keys(), set(expected), "{options:?}");
    }
}

#[tokio::test]
async fn a_list_tells_the_keys_until_enough_and_sends_nothing() {
    let keys = [
        "source-pdfs/a.pdf",
        "source-pdfs/b.pdf",
        "source-pdfs/c.pdf",
    ];
    let world = World::with(&keys).await;
    let mut told = Vec::new();
    let mut tell = |source: &SourceKey| {
        told.push(source.0.clone());
        told.len() < 2
    };
    let options = Options::default();
    let tally = list(&*world.store, &world.records, &options, &mut tell).await;
    assert_eq!(tally.unwrap().wanted, 2);
    assert_eq!(told, keys[..2]);
    assert_eq!(world.queue.calls(Operation::Send), 0);
}

#[tokio::test]
async fn what_a_batch_leaves_is_sent_again() {
    let keys: Vec<String> = (0..10).map(|n| format!("source-pdfs/{n}.pdf")).collect();
    let world = World::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let throttled = QueueError::Throttled {
        queue: "queue".into(),
        reason: "slow".into(),
    };
    let faults = [Fault::PartialSend(vec![0, 7]), Fault::Error(throttled)];
    world.queue.script(Operation::Send, faults);
    let sent = world.send(&Options::default()).await;
    assert_eq!((sent.sent, sent.failed.len()), (10, 0));
    assert_eq!(world.keys().len(), 10);
    assert_eq!(world.requests().len(), 10, "none was sent twice");
}

#[tokio::test]
async fn a_queue_that_refuses_ends_the_run_and_is_told() {
    let keys: Vec<String> = (0..500).map(|n| format!("source-pdfs/{n}.pdf")).collect();
    let world = World::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let denied = || {
        Fault::Error(QueueError::Denied {
            queue: "queue".into(),
            remedy: "allow it".into(),
        })
    };
    world
        .queue
        .script(Operation::Send, (0..50).map(|_| denied()));
    let sent = world.send(&Options::default()).await;
    assert_eq!((sent.stopped, sent.sent), (true, 0));
    assert!(sent.failed[0].1.sender_fault);
    assert!(sent.failed[0].1.reason.contains("allow it"));
    assert!(
        world.queue.calls(Operation::Send) < 10,
        "the rest is not tried"
    );
}

#[tokio::test]
async fn what_was_listed_before_an_outage_is_still_sent() {
    let keys: Vec<String> = (0..1_500)
        .map(|n| format!("source-pdfs/{n:05}.pdf"))
        .collect();
    let world = World::with(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world
        .store
        .pass_then_fail(StoreOperation::List, 1, 1, |prefix| {
            StorageError::Unavailable {
                action: "list",
                key: prefix.into(),
                store: "bucket".into(),
                reason: "slow down".into(),
            }
        });
    let sent = world.send(&Options::default()).await;
    assert!(sent.error.unwrap().may_pass());
    assert_eq!(world.keys().len(), 1_000);
}
