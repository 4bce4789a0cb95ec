//! A worker between doubles whose engine panics at one document.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pagemill_events::JobRequest;
use pagemill_index::testing::HashEmbedder;
use pagemill_index::{CollectionNames, EdgeStore, Indexer};
use pagemill_metadata::extractive::ExtractiveGenerator;
use pagemill_pdf::{PdfDocument, PdfEngine, PdfError, SealedFile};
use pagemill_pipeline::{Dependency, Parts, Pipeline, PipelineError, RunOutcome, Settings};
use pagemill_queue::breaker::BreakerState;
use pagemill_queue::{
    Breaker, BreakerSettings, Breakers, Clock, Heartbeat, Intake, IntakeSettings, LeaseSettings,
    MemoryQueue, PollHealth, Queue, Settler, TokioClock,
};
use pagemill_storage::{MemoryStore, ObjectStore, PutOptions};
use tokio_util::sync::CancellationToken;

use super::Handler;
use crate::Telemetry;

const BUCKET: &str = "bucket";
const BROKEN: &str = "source-pdfs/broken.pdf";
const OTHER: &str = "source-pdfs/other.pdf";

/// The broken one is the longer one.
const LONG: usize = 100;

/// Panics at long documents, and says of all others that they are corrupt.
#[derive(Debug)]
struct Engine;

#[async_trait]
impl PdfEngine for Engine {
    async fn open(&self, file: SealedFile, _: &[String]) -> Result<Box<dyn PdfDocument>, PdfError> {
        assert!(file.bytes() < LONG as u64, "what the document says");
        Err(PdfError::Corrupt {
            reason: "as it should be".to_owned(),
        })
    }

    async fn shutdown(&self) {}
}

#[tokio::test(start_paused = true)]
async fn se_6_a_document_that_panics_is_dead_lettered_with_its_place_and_the_worker_goes_on() {
    let clock = TokioClock::shared();
    let dead_letters = MemoryQueue::new("dead", clock.clone());
    let queue = MemoryQueue::with_dead_letters("pdfs", clock.clone(), dead_letters.clone(), 100);
    let store = MemoryStore::new(BUCKET);
    for (key, length) in [(BROKEN, LONG), (OTHER, LONG - 1)] {
        let put = store.put(key, pdf(length), PutOptions::default());
        put.await.expect("a source");
        queue.push(JobRequest::new(BUCKET, key).to_json());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let vectors = EdgeStore::open(folder.path()).expect("a store");
    let handler = handler(&queue, store, vectors, clock.clone());
    let shutdown = handler.shutdown.clone();
    let handler = Arc::new(handler);
    let intake = Intake::new(
        Arc::new(queue.clone()),
        IntakeSettings {
            slots: 2,
            ..IntakeSettings::default()
        },
        Arc::clone(&handler.breakers),
        PollHealth::new(clock.clone()),
        clock,
    );
    let both_are_dead = async {
        while dead_letters.contents().len() < 2 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        shutdown.cancel();
    };
    let work = intake.run(shutdown.clone(), |delivery| {
        let handler = Arc::clone(&handler);
        async move { handler.handle(delivery).await }
    });
    let hour = Duration::from_secs(60 * 60);
    let ended = tokio::time::timeout(hour, async { tokio::join!(work, both_are_dead) }).await;
    ended.expect("three tries take minutes").0.expect("a queue");

    let letters = dead_letters.contents();
    let letter = |key: &str| {
        let found = letters.iter().find(|(body, _)| body.contains(key));
        &found.expect("a letter").1
    };
    assert_eq!(letter(OTHER)["reason"], "corrupt");
    let broken = letter(BROKEN);
    assert_eq!(broken["reason"], "internal_error");
    assert_eq!(broken["stage"], "inspect");
    assert_eq!(broken["attempts"], "3");
    assert_eq!(broken["build"], env!("CARGO_PKG_VERSION"));
    let message = &broken["message"];
    assert!(
        message.contains("worker/src/handler/tests.rs:"),
        "{message}"
    );
    assert!(!message.contains("what the document says"), "{message}");
    assert_eq!(queue.contents().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn se_3_a_message_says_nothing_of_a_service_that_it_did_not_touch() {
    let clock = TokioClock::shared();
    let queue = MemoryQueue::new("pdfs", clock.clone());
    let folder = tempfile::tempdir().expect("a folder");
    let vectors = EdgeStore::open(folder.path()).expect("a store");
    let store = MemoryStore::new(BUCKET);
    let mut handler = handler(&queue, store, vectors, clock.clone());
    let failed_at = |dependency| {
        Err(PipelineError::Transient {
            dependency,
            stage: pagemill_storage::Stage::Commit,
            message: "away".to_owned(),
            retry_after: None,
        })
    };
    for service in Dependency::SERVICES {
        let breakers = Dependency::SERVICES
            .map(|service| Breaker::new(service.name(), BreakerSettings::default(), clock.clone()));
        handler.breakers = Breakers::new(breakers.to_vec());
        let state = |of: Dependency| handler.breakers.get(of.name()).expect("a breaker").state();
        let all: BTreeSet<_> = Dependency::SERVICES.into();
        let others = &all - &[service].into();
        // Two failures in a row, with documents in between that did without the service; the third opens its breaker.
        for _ in 0..2 {
            handler.tell_breakers(&all, &failed_at(service));
            handler.tell_breakers(&others, &Ok(RunOutcome::Superseded));
            assert_eq!(state(service), BreakerState::Closed);
        }
        handler.tell_breakers(&all, &failed_at(service));
        assert_eq!(state(service), BreakerState::Open, "{service}");
        // Nor does one that used it close it: that is the probe's.
        handler.tell_breakers(&all, &Ok(RunOutcome::Superseded));
        assert_eq!(state(service), BreakerState::Open, "{service}");
        assert!(
            others
                .into_iter()
                .all(|other| state(other) == BreakerState::Closed)
        );
        // What is this machine's own is no service's.
        for own in [Dependency::Disk, Dependency::Pdf] {
            (0..9).for_each(|_| handler.tell_breakers(&[own].into(), &failed_at(own)));
        }
        let open = Dependency::SERVICES.map(state);
        let open = open.iter().filter(|state| **state != BreakerState::Closed);
        assert_eq!(open.count(), 1);
    }
}

fn pdf(length: usize) -> Bytes {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.resize(length, b' ');
    bytes.into()
}

fn handler(
    queue: &MemoryQueue,
    store: MemoryStore,
    vectors: EdgeStore,
    clock: Arc<dyn Clock>,
) -> Handler {
    let queue: Arc<dyn Queue> = Arc::new(queue.clone());
    let settings = Settings::default();
    let indexer = Indexer::new(
        settings.index.clone(),
        Arc::new(HashEmbedder { dimensions: 4 }),
        Arc::new(vectors),
        CollectionNames::default(),
    );
    let parts = Parts {
        store: Arc::new(store),
        engine: Arc::new(Engine),
        engine_version: "double".to_owned(),
        ocr_version: String::new(),
        generator: Arc::new(ExtractiveGenerator::new(&settings.metadata)),
        indexer: Arc::new(indexer.expect("the default settings are in order")),
        history: None,
        settings: Arc::new(settings),
    };
    Handler {
        pipeline: Pipeline::new(parts),
        bucket: BUCKET.to_owned(),
        settler: Settler::new(Arc::clone(&queue), env!("CARGO_PKG_VERSION")),
        heartbeat: Heartbeat::on_current_runtime(clock, queue),
        lease: LeaseSettings::default(),
        breakers: Breakers::new(Vec::new()),
        shutdown: CancellationToken::new(),
        drain: Duration::from_secs(110),
        telemetry: Arc::new(Telemetry::default()),
    }
}
