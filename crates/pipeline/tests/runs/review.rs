//! What people must look at, and what they decided: taken over by the next run, which asks, reads and pays nothing.

use pagemill_fields::{Correction, Verified};
use pagemill_pipeline::{FieldsFile, OpenFile, Options, Source};
use pagemill_storage::{ObjectStore, PutOptions, Stage, StorageError};

use crate::doubles::{Engine, Lost, SOURCE, World, engine, killed, processed};

const OPEN: &str = "review/open/report.pdf.json";
const FIELDS: &str = "extracted_fields/report.pdf.json";
const CORRECTIONS: &str = "review/corrections/report.pdf.jsonl";
const XML: &str = "<Invoice><ID>R-7</ID><IssueDate>2026-01-15</IssueDate></Invoice>";

fn with_invoice() -> Engine {
    Engine {
        carries: vec![("xrechnung.xml".to_owned(), XML.to_owned())],
        ..engine(2)
    }
}

/// Decides all that is open as it stands.
async fn decide(world: &World) {
    let open: OpenFile = world.json(OPEN).await;
    let fields: FieldsFile = world.json(FIELDS).await;
    let mut lines = Vec::new();
    for item in open.items {
        let decided = Correction {
            from: item.value.clone(),
            to: item.value,
            field: item.field,
            by: "reviewer".to_owned(),
            at: "2026-02-01T12:00:00Z".parse().expect("a time"),
            sha256: fields.header.sha256.clone(),
            fingerprint: fields.header.fingerprint.0.clone(),
        };
        serde_json::to_writer(&mut lines, &decided).expect("a line");
        lines.push(b'\n');
    }
    let put = world
        .store
        .inner
        .put(CORRECTIONS, lines.into(), PutOptions::default());
    put.await.expect("a write");
}

async fn is_there(world: &World, key: &str) -> bool {
    match world.store.inner.head(key, None).await {
        Ok(_) => true,
        Err(StorageError::NotFound { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn what_is_open_is_an_object_until_people_decided_it_and_no_model_is_asked_again() {
    let world = World::new(with_invoice()).await;
    processed(world.run("m", 1, false).await);
    let entry = &world.record().await.stages[&Stage::Extract];
    assert_eq!(entry.outputs, [FIELDS, OPEN]);
    assert_eq!(entry.facts["decision"], "manual_review");
    let head = world.store.head(OPEN, None).await.expect("the file");
    assert_eq!(entry.etags[OPEN], head.etag.0);
    world.generator.take_prompts();
    let paid = world.permit.charged();
    world.begun();

    decide(&world).await;
    assert_eq!(world.ran().await, [Stage::Extract, Stage::Commit]);
    let made: FieldsFile = world.json(FIELDS).await;
    assert_eq!(made.fields.fields["BT-1"].verified, Verified::Corrected);
    let entry = &world.record().await.stages[&Stage::Extract];
    assert_eq!(entry.outputs, [FIELDS]);
    assert_eq!(entry.facts["decision"], "approved");
    assert!(!is_there(&world, OPEN).await);
    assert_eq!(world.generator.take_prompts().len(), 0);
    assert_eq!(world.permit.charged(), paid);
    assert!(world.begun().is_empty(), "no page is read again");
    assert_eq!(world.ran().await, [], "once is enough");
}

#[tokio::test]
async fn a_document_that_needs_nobody_has_no_open_object() {
    let world = World::new(engine(2)).await;
    processed(world.run("m", 1, false).await);
    assert!(!is_there(&world, OPEN).await);
    assert_eq!(
        world.record().await.stages[&Stage::Extract].facts["open"],
        0
    );
}

#[tokio::test]
async fn a_removal_takes_away_what_is_open_and_keeps_what_people_decided() {
    let world = World::new(with_invoice()).await;
    processed(world.run("m", 1, false).await);
    decide(&world).await;
    let (source, options) = (Source::newest(SOURCE), Options::default());
    let removed = world
        .pipeline
        .remove_source(&source, &options, &world.permit);
    removed.await.expect("a removal");
    assert!(!is_there(&world, OPEN).await);
    assert!(is_there(&world, CORRECTIONS).await);
    // The same bytes come back: they were decided.
    processed(world.run("again", 1, false).await);
    let entry = &world.record().await.stages[&Stage::Extract];
    assert_eq!(entry.facts["decision"], "approved");
}

#[tokio::test(start_paused = true)]
async fn out_1_a_worker_that_dies_at_the_write_of_what_is_open_leaves_it_to_the_next() {
    for lost in [Lost::Write, Lost::Answer] {
        let mut world = World::new(with_invoice()).await;
        world.store.lose_below("review/open/", 1, lost);
        killed(world.run("m", 1, false).await);
        // Meanwhile nobody could decide what no record speaks of: the next run makes both files.
        world.restart();
        processed(world.run("m", 2, false).await);
        let record = world.record().await;
        let head = world.store.head(OPEN, None).await.expect("the file");
        assert_eq!(record.stages[&Stage::Extract].etags[OPEN], head.etag.0);
    }
}
