//! The fields of a document's profile: made from what is stored, and never paid for.

use pagemill_pipeline::{Estimate, FieldsFile, Options, Source};
use pagemill_storage::{ObjectStore, Stage};

use crate::doubles::{Engine, Lost, SOURCE, World, engine, killed, processed};

const KEY: &str = "extracted_fields/report.pdf.json";
const OPEN: &str = "review/open/report.pdf.json";
const XML: &str = "<Invoice><ID>R-7</ID><IssueDate>2026-01-15</IssueDate></Invoice>";

fn with_invoice() -> Engine {
    Engine {
        carries: vec![("xrechnung.xml".to_owned(), XML.to_owned())],
        ..engine(2)
    }
}

async fn file(world: &World) -> FieldsFile {
    world.json(KEY).await
}

#[tokio::test]
async fn an_invoice_has_the_fields_of_its_xml_and_another_document_none() {
    let world = World::new(with_invoice()).await;
    processed(world.run("m", 1, false).await);
    let made = file(&world).await.fields;
    assert_eq!(made.profile, "invoice");
    assert_eq!(made.fields["BT-1"].value.as_deref(), Some("R-7"));
    let entry = &world.record().await.stages[&Stage::Extract];
    assert_eq!(entry.outputs, [KEY, OPEN]);
    assert_eq!(entry.facts["profile"], "invoice");

    let world = World::new(engine(2)).await;
    processed(world.run("m", 1, false).await);
    let made = file(&world).await.fields;
    assert_eq!((made.profile.as_str(), made.fields.len()), ("document", 0));
    assert_eq!(world.ran().await, []);
}

#[tokio::test]
async fn a_document_of_an_older_build_gets_them_and_nothing_is_read_or_paid_again() {
    let world = World::new(with_invoice()).await;
    processed(world.run("m", 1, false).await);
    let before = file(&world).await;
    world.forget(Stage::Extract, KEY).await;
    let paid = world.permit.charged();
    world.generator.take_prompts();
    world.begun();
    world.store.take_written();

    let source = Source::newest(SOURCE);
    let plan = world.pipeline.plan(&source, &[], &Options::default()).await;
    let plan = plan.expect("a plan");
    let is_free = |estimate: &Estimate| *estimate == Estimate::Free;
    assert!(plan.stages.iter().all(|planned| is_free(&planned.estimate)));
    assert!(!plan.needs_source());

    assert_eq!(world.ran().await, [Stage::Extract, Stage::Commit]);
    assert_eq!(file(&world).await, before);
    assert_eq!(world.generator.take_prompts().len(), 0);
    assert_eq!(world.permit.charged(), paid);
    assert!(world.begun().is_empty(), "no page is read again");
    let written = world.store.take_written();
    let is_expected = |key: &String| {
        [KEY, OPEN].contains(&key.as_str()) || key.starts_with("processing/records/")
    };
    assert!(written.iter().all(is_expected), "{written:?}");
}

#[tokio::test]
async fn where_the_attached_xml_is_gone_it_is_read_again_and_no_page() {
    let world = World::new(with_invoice()).await;
    processed(world.run("m", 1, false).await);
    world.forget(Stage::Extract, KEY).await;
    world.begun();
    let attached = "extracted_attachments/report.pdf.json";
    world
        .store
        .inner
        .delete(attached)
        .await
        .expect("a deletion");
    assert_eq!(
        world.ran().await,
        [Stage::Attachments, Stage::Extract, Stage::Commit]
    );
    assert_eq!(file(&world).await.fields.profile, "invoice");
    assert!(world.begun().is_empty(), "no page is read again");
}

#[tokio::test]
async fn where_the_metadata_are_gone_too_they_are_made_again_from_what_is_stored() {
    let world = World::new(with_invoice()).await;
    processed(world.run("m", 1, false).await);
    world.forget(Stage::Extract, KEY).await;
    world.begun();
    let metadata = "pdf-metadata/report.pdf.json";
    world
        .store
        .inner
        .delete(metadata)
        .await
        .expect("a deletion");
    let again = world.ran().await;
    assert_eq!(again, [Stage::Metadata, Stage::Extract, Stage::Commit]);
    assert!(world.begun().is_empty(), "no page is read again");
}

#[tokio::test(start_paused = true)]
async fn out_1_a_worker_that_dies_at_their_write_leaves_them_to_the_next() {
    for lost in [Lost::Write, Lost::Answer] {
        let mut world = World::new(with_invoice()).await;
        world.store.lose_below("extracted_fields/", 1, lost);
        killed(world.run("m", 1, false).await);
        world.restart();
        processed(world.run("m", 2, false).await);
        let record = world.record().await;
        let head = world.store.head(KEY, None).await.expect("the file");
        assert_eq!(record.stages[&Stage::Extract].etags[KEY], head.etag.0);
        assert_eq!(world.generator.take_prompts().len(), 1, "{lost:?}");
    }
}
