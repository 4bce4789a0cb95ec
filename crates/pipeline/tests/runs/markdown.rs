//! The document as Markdown: made from what was read, and for documents that an older build made, from what it stored.

use pagemill_document::{Block, BlockKind, Link, LinkSafety, LinkTarget, PageNumber, Rect};
use pagemill_pipeline::{
    Estimate, Goal, LinksFile, Options, Reason, RunOutcome, Settings, Source, TextFile,
};
use pagemill_storage::{Fingerprint, ObjectStore, Record, RecordStatus, Stage};

use crate::doubles::{Lost, SOURCE, World, engine, killed, processed};

const KEY: &str = "extracted_markdown/report.pdf.md";

async fn text(world: &World) -> Option<String> {
    let (_, body) = world.store.get_bytes(KEY).await.ok()?;
    Some(String::from_utf8(body.to_vec()).expect("UTF-8"))
}

fn prints(record: &Record) -> Vec<(Stage, Fingerprint)> {
    let stages = record.stages.iter();
    stages
        .map(|(stage, entry)| (*stage, entry.fingerprint.clone()))
        .collect()
}

#[tokio::test]
async fn it_stands_beside_the_text_with_an_anchor_for_each_page() {
    let world = World::new(engine(2)).await;
    assert!(world.ran().await.contains(&Stage::Markdown));
    let made = text(&world).await.expect("a file");
    // The double's pages have text and no blocks.
    assert_eq!(made, "<a id=\"page-1\"></a>\n\n<a id=\"page-2\"></a>\n");
    let entry = &world.record().await.stages[&Stage::Markdown];
    let head = world.store.head(KEY, None).await.expect("the file");
    assert_eq!(entry.outputs, [KEY]);
    assert_eq!(entry.etags[KEY], head.etag.0);
    assert_eq!(world.ran().await, []);
}

#[tokio::test]
async fn a_document_of_an_older_build_gets_it_and_nothing_is_read_or_paid_again() {
    let world = World::new(engine(3)).await;
    processed(world.run("m", 1, false).await);
    let (before, made) = (world.record().await, text(&world).await);
    world.forget(Stage::Markdown, KEY).await;
    let (asked, paid) = (world.generator.take_prompts().len(), world.permit.charged());
    assert_eq!(asked, 1);
    world.begun();
    world.store.take_written();

    let source = Source::newest(SOURCE);
    let plan = world.pipeline.plan(&source, &[], &Options::default()).await;
    let plan = plan.expect("a plan");
    let planned: Vec<_> = plan
        .stages
        .iter()
        .map(|planned| (planned.stage, planned.reason))
        .collect();
    assert_eq!(
        planned,
        [
            (Stage::Markdown, Reason::NotDone),
            (Stage::Commit, Reason::Changed)
        ]
    );
    assert!(
        plan.stages
            .iter()
            .all(|planned| planned.estimate == Estimate::Free)
    );
    assert!(!plan.needs_source());

    assert_eq!(world.ran().await, [Stage::Markdown, Stage::Commit]);
    assert_eq!(text(&world).await, made);
    assert_eq!(prints(&world.record().await), prints(&before));
    assert_eq!(world.generator.take_prompts().len(), 0);
    assert_eq!(world.permit.charged(), paid);
    assert!(world.begun().is_empty(), "no page is read again");
    let written = world.store.take_written();
    let is_expected = |key: &String| key == KEY || key.starts_with("processing/records/");
    assert!(written.iter().all(is_expected), "{written:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_went_further_than_the_goal_of_today_keeps_what_was_paid_for() {
    let mut world = World::new(engine(2)).await;
    processed(world.run("m", 1, false).await);
    let before = world.record().await;
    for lost in [None, Some(Lost::Write), Some(Lost::Answer)] {
        world.forget(Stage::Markdown, KEY).await;
        world.restart_with(Settings {
            goal: Goal::Extraction,
            ..Settings::default()
        });
        if let Some(lost) = lost {
            world.store.lose_below("extracted_markdown/", 1, lost);
            killed(world.run("a message", 1, false).await);
            world.restart_with(Settings {
                goal: Goal::Extraction,
                ..Settings::default()
            });
        }
        assert_eq!(
            world.ran().await,
            [Stage::Markdown, Stage::Commit],
            "{lost:?}"
        );
        assert_eq!(prints(&world.record().await), prints(&before), "{lost:?}");
        assert_eq!(world.ran().await, []);
    }
    // And goes when the document changes, as ever.
    world.upload("second").await;
    processed(world.run("m", 1, false).await);
    assert!(!world.record().await.stages.contains_key(&Stage::Metadata));
    assert!(text(&world).await.is_some());
}

#[tokio::test]
async fn where_the_stored_text_is_gone_the_document_is_read_and_nothing_is_paid_again() {
    let world = World::new(engine(2)).await;
    processed(world.run("m", 1, false).await);
    let made = text(&world).await;
    world.forget(Stage::Markdown, KEY).await;
    world.generator.take_prompts();
    let text_key = "extracted_text/report.pdf.json";
    world
        .store
        .inner
        .delete(text_key)
        .await
        .expect("a deletion");
    assert_eq!(
        world.ran().await,
        [Stage::Text, Stage::Markdown, Stage::Commit]
    );
    assert_eq!(text(&world).await, made);
    assert_eq!(world.generator.take_prompts().len(), 0);
}

/// The links of a stored file are those of its pages, whatever lies between them.
#[tokio::test]
async fn stored_links_stand_at_their_anchors_on_their_own_pages() {
    let world = World::new(engine(3)).await;
    processed(world.run("m", 1, false).await);
    world.forget(Stage::Markdown, KEY).await;
    let (key, links_key) = (
        "extracted_text/report.pdf.json",
        "extracted_links/report.pdf.json",
    );
    let (_, body) = world.store.get_bytes(key).await.expect("a text");
    let mut file: TextFile = serde_json::from_slice(&body).expect("a text");
    for page in &mut file.pages {
        page.text = "See the manual here.".to_owned();
        page.blocks = vec![Block {
            kind: BlockKind::Paragraph,
            level: None,
            start: 0,
            end: 20,
            bbox: Rect::default(),
            font_size: 10.0,
            bold: false,
            lines: Vec::new(),
            table: None,
        }];
    }
    let link = |page: u32, uri: &str| Link {
        page: PageNumber(page),
        target: LinkTarget::Uri {
            uri: uri.to_owned(),
        },
        safety: LinkSafety::Ordinary,
        anchor: Some("manual".to_owned()),
        bbox: Rect::default(),
        quads: Vec::new(),
    };
    let (_, body) = world.store.get_bytes(links_key).await.expect("links");
    let mut links: LinksFile = serde_json::from_slice(&body).expect("links");
    links.links = vec![
        link(1, "https://example.com/one"),
        link(3, "https://example.com/three"),
    ];
    for (key, body) in [
        (key, serde_json::to_vec(&file).expect("JSON")),
        (links_key, serde_json::to_vec(&links).expect("JSON")),
    ] {
        let put = world.store.inner.put(key, body.into(), Default::default());
        put.await.expect("a write");
    }
    assert_eq!(world.ran().await, [Stage::Markdown, Stage::Commit]);
    let made = text(&world).await.expect("a file");
    let pages: Vec<&str> = made.split("<a id=").collect();
    assert!(
        pages[1].contains("[manual](https://example.com/one)"),
        "{made}"
    );
    assert!(
        !pages[2].contains("](") && pages[2].contains("See the manual here."),
        "{made}"
    );
    assert!(
        pages[3].contains("[manual](https://example.com/three)"),
        "{made}"
    );
}

#[tokio::test(start_paused = true)]
async fn out_1_a_worker_that_dies_at_its_write_leaves_it_to_the_next() {
    for lost in [Lost::Write, Lost::Answer] {
        let mut world = World::new(engine(2)).await;
        world.store.lose_below("extracted_markdown/", 1, lost);
        killed(world.run("m", 1, false).await);
        assert_eq!(world.record().await.status, RecordStatus::Processing);
        world.restart();
        processed(world.run("m", 2, false).await);
        let record = world.record().await;
        let head = world.store.head(KEY, None).await.expect("the file");
        assert_eq!(record.stages[&Stage::Markdown].etags[KEY], head.etag.0);
        assert_eq!(world.generator.take_prompts().len(), 1, "{lost:?}");
    }
}

#[tokio::test]
async fn it_goes_with_the_document() {
    let world = World::new(engine(1)).await;
    processed(world.run("m", 1, false).await);
    assert!(text(&world).await.is_some());
    let removed = world
        .pipeline
        .remove_source(&Source::newest(SOURCE), &Options::default(), &world.permit)
        .await;
    assert!(matches!(removed, Ok(RunOutcome::Removed)), "{removed:?}");
    assert!(world.outputs().await.is_empty());
}
