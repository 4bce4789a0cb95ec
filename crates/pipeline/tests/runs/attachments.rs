//! Files that documents carry: kept as an output, and for documents of an older build brought only where there are any.

use std::sync::atomic::Ordering;

use pagemill_pipeline::{AttachmentsFile, Options, RunOutcome, Settings, Source};
use pagemill_reader::Limits;
use pagemill_storage::{ObjectStore, Stage};

use crate::doubles::{Engine, Lost, SOURCE, World, engine, killed, processed};

const KEY: &str = "extracted_attachments/report.pdf.json";

fn carrying(files: &[(&str, &str)]) -> Engine {
    Engine {
        carries: files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
        ..engine(2)
    }
}

async fn file(world: &World) -> AttachmentsFile {
    world.json(KEY).await
}

#[tokio::test]
async fn what_a_document_carries_is_kept_with_its_names_as_data() {
    let world = World::new(carrying(&[("../../a.xml", "<a/>"), ("large.xml", "")])).await;
    assert!(world.ran().await.contains(&Stage::Attachments));
    let kept = file(&world).await;
    let names: Vec<&str> = kept
        .attachments
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    assert_eq!(names, ["../../a.xml", "large.xml"]);
    assert_eq!(kept.attachments[0].bytes().as_deref(), Some(&b"<a/>"[..]));
    assert_eq!(kept.attachments[1].bytes(), None);
    let entry = &world.record().await.stages[&Stage::Attachments];
    assert_eq!(entry.outputs, [KEY]);
    assert_eq!(
        (&entry.facts["attachments"], &entry.facts["kept"]),
        (&2.into(), &1.into())
    );
    assert_eq!(world.ran().await, []);
}

#[tokio::test]
async fn a_document_of_an_older_build_is_fetched_for_them_only_where_it_carries_any() {
    for carries in [false, true] {
        let files: &[(&str, &str)] = if carries { &[("a.xml", "<a/>")] } else { &[] };
        let world = World::new(carrying(files)).await;
        processed(world.run("m", 1, false).await);
        world.forget(Stage::Attachments, KEY).await;
        let opened = world.engine.opened.swap(0, Ordering::Relaxed);
        // Once for its pages, and once for what it carries.
        assert_eq!(opened, if carries { 2 } else { 1 });
        world.begun();
        world.generator.take_prompts();
        let source = Source::newest(SOURCE);
        let plan = world.pipeline.plan(&source, &[], &Options::default()).await;
        assert!(!plan.expect("a plan").needs_source());
        let again = world.ran().await;
        assert_eq!(again.first(), Some(&Stage::Attachments));
        assert!(
            !again.contains(&Stage::Text) && !again.contains(&Stage::Index),
            "{again:?}"
        );
        assert_eq!(file(&world).await.attachments.len(), usize::from(carries));
        assert!(world.begun().is_empty(), "no page is read again");
        let opened = world.engine.opened.load(Ordering::Relaxed);
        assert_eq!(opened, u32::from(carries));
    }
}

#[tokio::test]
async fn another_limit_reads_them_again_and_no_page() {
    let mut world = World::new(carrying(&[("a.xml", "<a/>")])).await;
    processed(world.run("m", 1, false).await);
    world.begun();
    world.restart_with(Settings {
        limits: Limits {
            max_attachment_bytes: 2,
            ..Limits::default()
        },
        ..Settings::default()
    });
    assert_eq!(world.ran().await.first(), Some(&Stage::Attachments));
    assert!(world.begun().is_empty());
}

#[tokio::test(start_paused = true)]
async fn out_1_a_worker_that_dies_at_their_write_leaves_them_to_the_next() {
    for lost in [Lost::Write, Lost::Answer] {
        let mut world = World::new(carrying(&[("a.xml", "<a/>")])).await;
        world.store.lose_below("extracted_attachments/", 1, lost);
        killed(world.run("m", 1, false).await);
        world.restart();
        processed(world.run("m", 2, false).await);
        let record = world.record().await;
        let head = world.store.head(KEY, None).await.expect("the file");
        assert_eq!(record.stages[&Stage::Attachments].etags[KEY], head.etag.0);
        assert_eq!(file(&world).await.attachments.len(), 1);
    }
}

#[tokio::test]
async fn they_go_with_the_document() {
    let world = World::new(carrying(&[("a.xml", "<a/>")])).await;
    processed(world.run("m", 1, false).await);
    let removed = world
        .pipeline
        .remove_source(&Source::newest(SOURCE), &Options::default(), &world.permit)
        .await;
    assert!(matches!(removed, Ok(RunOutcome::Removed)), "{removed:?}");
    assert!(world.outputs().await.is_empty());
}
