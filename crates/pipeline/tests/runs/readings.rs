//! What pictures were read as is paid for once: by runs that are killed, and by those that come when rules have changed.

use std::sync::PoisonError;
use std::time::Duration;

use futures::StreamExt;
use pagemill_pipeline::{Options, QueueMessage, RunOutcome, Settings, Source};
use pagemill_storage::{ObjectStore, PutOptions, Stage};

use crate::doubles::{Ended, Engine, Lost, SOURCE, World, engine, killed, processed};

const READINGS: &str = "processing/readings/";

/// An engine whose pages are pictures, each of which takes it a second.
fn scan(pages: u32) -> Engine {
    Engine {
        page_time: Duration::from_secs(1),
        scans: true,
        ..engine(pages)
    }
}

impl World {
    /// The pages whose pictures were read since the last look.
    fn take_read(&self) -> Vec<u32> {
        let read = self.engine.read.lock();
        std::mem::take(&mut read.unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys of what was read.
    async fn readings(&self) -> Vec<String> {
        let listing = self.store.inner.list(READINGS);
        listing
            .map(|object| object.expect("a listing").key)
            .collect()
            .await
    }

    async fn run_scan(&self, seconds: f64, receives: u32, force: bool) -> Ended {
        let options = Options {
            force,
            message: Some(QueueMessage {
                message_id: "m".to_owned(),
                receives,
            }),
            ..Options::default()
        };
        let time = Duration::from_secs_f64(seconds);
        self.run_for(time, &Source::newest(SOURCE), &options).await
    }
}

/// Settings under which the text is made anew, from the same pictures.
fn other_rules() -> Settings {
    let mut settings = Settings::default();
    settings.limits.max_text_bytes_per_page += 1;
    settings
}

#[tokio::test(start_paused = true)]
async fn out_7_a_scan_of_200_pages_that_is_killed_half_way_has_each_picture_read_once() {
    let world = World::new(scan(200)).await;
    killed(world.run_scan(98.5, 1, false).await);
    let before = world.begun();
    processed(world.run_scan(600.0, 2, false).await);
    let again = world.begun();
    // Pages behind the last part are taken from the PDF again, for their images and their layout.
    assert!(
        before.len() + again.len() > 201,
        "{} {}",
        before.len(),
        again.len()
    );
    let mut read = world.take_read();
    read.sort_unstable();
    assert_eq!(read, Vec::from_iter(1..=200));
    assert_eq!(world.readings().await.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn out_7_a_picture_is_read_again_only_where_the_worker_died_before_it_was_kept() {
    for lost in [Lost::Write, Lost::Answer] {
        for nth in 1..=8 {
            let world = World::new(scan(8)).await;
            world.store.lose_below(READINGS, nth, lost);
            killed(world.run_scan(60.0, 1, false).await);
            let before = world.take_read();
            processed(world.run_scan(60.0, 2, false).await);
            let again = world.take_read();
            let kept: Vec<u32> = before
                .iter()
                .filter(|page| !again.contains(page))
                .copied()
                .collect();
            // Pages are kept side by side: those behind the one whose write hangs may be there already.
            let first = if lost == Lost::Write { nth - 1 } else { nth };
            assert!(
                kept.len() >= first as usize,
                "{lost:?} {nth}: {before:?}, then {again:?}"
            );
            let twice = before.len() + again.len() - 8;
            assert!(twice <= 1, "{lost:?} {nth}: {before:?}, then {again:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn out_7_other_rules_for_the_text_read_no_picture_again() {
    let mut world = World::new(scan(5)).await;
    processed(world.run_scan(60.0, 1, false).await);
    assert_eq!(world.take_read().len(), 5);
    let kept = world.readings().await;
    world.restart_with(other_rules());
    match world.run_scan(60.0, 1, false).await {
        Ended::With(Ok(RunOutcome::Processed(done))) => {
            assert!(done.ran.contains(&Stage::Text), "{:?}", done.ran);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.take_read(), [0; 0]);
    assert_eq!(world.readings().await, kept);
}

#[tokio::test(start_paused = true)]
async fn another_reader_or_another_file_reads_anew_and_what_was_read_before_goes() {
    let mut world = World::new(scan(3)).await;
    processed(world.run_scan(60.0, 1, false).await);
    let mut kept = world.readings().await;
    world.take_read();
    let mut german = Settings::default();
    german.ocr.languages = vec!["deu".to_owned()];
    for case in ["reader", "file"] {
        match case {
            "reader" => world.restart_with(german.clone()),
            _ => world.upload("second").await,
        }
        processed(world.run_scan(60.0, 1, false).await);
        assert_eq!(world.take_read(), [1, 2, 3], "{case}");
        let now = world.readings().await;
        assert_eq!(now.len(), 3, "{case}");
        assert!(now.iter().all(|key| !kept.contains(key)), "{case}");
        kept = now;
    }
    // Nobody reads any more: what was read is of no use.
    german.ocr.enabled = false;
    world.restart_with(german);
    processed(world.run_scan(60.0, 1, false).await);
    assert_eq!(world.readings().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_forced_run_reads_the_pictures_itself_and_once() {
    let world = World::new(scan(8)).await;
    processed(world.run_scan(60.0, 1, false).await);
    world.take_read();
    killed(world.run_scan(4.5, 1, true).await);
    processed(world.run_scan(60.0, 2, true).await);
    let mut read = world.take_read();
    read.sort_unstable();
    assert_eq!(read, Vec::from_iter(1..=8));
    assert_eq!(world.readings().await.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_is_damaged_or_of_another_page_is_not_used() {
    let mut world = World::new(scan(3)).await;
    processed(world.run_scan(60.0, 1, false).await);
    world.take_read();
    let readings = world.readings().await;
    let store = &world.store.inner;
    let put = async |key: &str, body: Vec<u8>| {
        let put = store.put(key, body.into(), PutOptions::default()).await;
        put.expect("it is written");
    };
    let (_, of_first) = store.get_bytes(&readings[0]).await.expect("a reading");
    put(&readings[0], of_first[..of_first.len() / 2].to_vec()).await;
    put(&readings[1], of_first.to_vec()).await;
    world.restart_with(other_rules());
    processed(world.run_scan(60.0, 1, false).await);
    assert_eq!(world.take_read(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_goes_with_its_document() {
    let world = World::new(scan(3)).await;
    processed(world.run_scan(60.0, 1, false).await);
    assert_eq!(world.readings().await.len(), 3);
    let (source, options) = (Source::newest(SOURCE), Options::default());
    let removed = world
        .pipeline
        .remove_source(&source, &options, &world.permit);
    removed.await.expect("it is removed");
    assert_eq!(world.readings().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn documents_with_text_keep_nothing_and_new_ones_list_nothing() {
    let world = World::new(engine(20)).await;
    processed(world.run_scan(60.0, 1, false).await);
    assert_eq!(world.readings().await, [""; 0]);
    let listed = world.store.take_listed();
    assert!(
        !listed.iter().any(|prefix| prefix.starts_with(READINGS)),
        "{listed:?}"
    );
}
