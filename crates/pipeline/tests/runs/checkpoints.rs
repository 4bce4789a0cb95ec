//! What a run that dies while it reads a document leaves to the next one.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use pagemill_pipeline::{
    CheckpointSettings, Options, PipelineError, QueueMessage, RunOutcome, Settings, Source,
};
use pagemill_reader::Pace;
use pagemill_storage::{ObjectStore, PutOptions, Record, RecordStatus, SourceKey, Stage};

use crate::doubles::{Ended, Engine, Lost, SOURCE, World, engine, killed, processed};

const PARTS: &str = "processing/parts/";

/// Pages are kept every so many seconds, and each takes one.
fn settings(every_seconds: u32) -> Settings {
    Settings {
        checkpoints: CheckpointSettings { every_seconds },
        ..Settings::default()
    }
}

/// An engine that takes a second for a page.
fn slow(pages: u32) -> Engine {
    Engine {
        page_time: Duration::from_secs(1),
        ..engine(pages)
    }
}

async fn world(engine: Engine, every_seconds: u32) -> World {
    let mut world = World::new(engine).await;
    world.restart_with(settings(every_seconds));
    world
}

fn options(message_id: &str, receives: u32, force: bool) -> Options {
    Options {
        force,
        message: Some(QueueMessage {
            message_id: message_id.to_owned(),
            receives,
        }),
        ..Options::default()
    }
}

impl World {
    /// Runs the document, and kills the worker after so many seconds.
    async fn run_seconds(&self, seconds: u64, receives: u32) -> Ended {
        let time = Duration::from_secs(seconds);
        let options = options("m", receives, false);
        self.run_for(time, &Source::newest(SOURCE), &options).await
    }

    /// Runs the document until it is to end at its next boundary.
    async fn stop_after(&self, time: Duration) {
        let stop = async {
            tokio::time::sleep(time).await;
            self.permit.stops_soon.store(true, Ordering::Relaxed);
        };
        let (ended, ()) = tokio::join!(self.run("m", 1, false), stop);
        let is_stopped = matches!(ended, Ended::With(Err(PipelineError::Stopped)));
        assert!(is_stopped, "{ended:?}");
        self.permit.stops_soon.store(false, Ordering::Relaxed);
    }

    /// Whether the record says that the PDF was read.
    async fn has_read(&self) -> bool {
        let source = SourceKey(SOURCE.to_owned());
        let loaded = self.pipeline.records().load(&source).await;
        let record = loaded.expect("readable").map(|(record, _)| record);
        record.is_some_and(|record| record.stages.contains_key(&Stage::Text))
    }

    /// The keys of the parts that are there, in order.
    async fn parts(&self) -> Vec<String> {
        let listing = self.store.inner.list(PARTS);
        listing
            .map(|object| object.expect("a listing").key)
            .collect()
            .await
    }

    /// The last page that the parts which are there go to.
    async fn kept(&self) -> u32 {
        last_page(&self.parts().await)
    }

    /// Numbers of the pages that were begun since the last look.
    fn pages_begun(&self) -> Vec<u32> {
        self.begun().into_iter().map(|(page, _)| page).collect()
    }

    async fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let (_, body) = self.store.inner.get_bytes(key).await.expect("an object");
        let mut body = body.to_vec();
        change(&mut body);
        let put = self
            .store
            .inner
            .put(key, body.into(), PutOptions::default());
        put.await.expect("it is written");
    }
}

fn last_page(parts: &[String]) -> u32 {
    let last = parts.last().map(|key| &key[key.len() - 12..key.len() - 6]);
    last.map_or(0, |last| last.parse().expect("a number"))
}

/// What a document comes to: its objects, and its record without what is of the moment.
async fn end_of(world: &World) -> (BTreeMap<String, Bytes>, String) {
    assert_eq!(world.parts().await, [""; 0], "parts are left over");
    let record = world.record().await;
    let Record { status, ledger, .. } = &record;
    let stages = record.stages.iter().map(|(stage, entry)| {
        let mut facts = entry.facts.clone();
        facts.remove("cautious");
        (stage, &entry.fingerprint, &entry.etags, facts)
    });
    let stages: Vec<_> = stages.collect();
    assert_eq!((&record.in_progress, &record.deaths), (&None, &None));
    let summary = format!("{status:?} {ledger:?} {stages:?}");
    (world.outputs().await, summary)
}

#[tokio::test(start_paused = true)]
async fn out_1_a_run_that_is_killed_at_any_write_ends_as_if_nobody_had_disturbed_it() {
    let undisturbed = world(slow(10), 2).await;
    undisturbed.store.take_written();
    processed(undisturbed.run("m", 1, false).await);
    let writes = undisturbed.store.take_written();
    let parts = writes.iter().filter(|key| key.starts_with(PARTS)).count();
    assert!(parts >= 4, "{writes:#?}");
    let wanted = end_of(&undisturbed).await;

    for lost in [Lost::Write, Lost::Answer] {
        for nth in 1..=u32::try_from(writes.len()).expect("few") {
            let what = format!("{lost:?} {nth} ({})", writes[nth as usize - 1]);
            let world = world(slow(10), 2).await;
            world.store.lose_below("", nth, lost);
            killed(world.run("m", 1, false).await);
            let is_read = world.has_read().await;
            let kept = world.kept().await;
            world.begun();
            let again = world.run("m", 2, false).await;
            assert!(matches!(again, Ended::With(Ok(_))), "{what}: {again:?}");
            let begun: Vec<u32> = match is_read {
                true => Vec::new(),
                false => (kept + 1..=10).collect(),
            };
            assert_eq!(world.pages_begun(), begun, "{what}");
            assert_eq!(end_of(&world).await, wanted, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn out_1_parts_that_are_damaged_lost_or_without_their_images_are_read_again() {
    let undisturbed = world(slow(8), 2).await;
    processed(undisturbed.run("m", 1, false).await);
    let wanted = end_of(&undisturbed).await;
    for (case, begins_at) in [
        ("nothing", 7),
        ("first cut short", 1),
        ("second changed", 3),
        ("second gone", 3),
        ("second is the third", 3),
        ("image of page 4 gone", 4),
        ("image of page 4 changed", 4),
        ("strangers", 7),
    ] {
        let world = world(slow(8), 2).await;
        killed(world.run_seconds(7, 1).await);
        let parts = world.parts().await;
        assert_eq!(parts.len(), 3, "{parts:?}");
        let images = world.outputs().await.into_keys();
        let image: Vec<String> = images.filter(|key| key.contains("00004")).collect();
        let store = &world.store.inner;
        match case {
            "first cut short" => {
                world
                    .change(&parts[0], |body| body.truncate(body.len() / 2))
                    .await;
            }
            "second changed" => {
                world
                    .change(&parts[1], |body| {
                        let at = body.len() / 2;
                        body[at] ^= 1;
                    })
                    .await;
            }
            "second gone" => store.delete(&parts[1]).await.expect("deleted"),
            "second is the third" => {
                let (_, third) = store.get_bytes(&parts[2]).await.expect("a part");
                world.change(&parts[1], |body| *body = third.to_vec()).await;
            }
            "image of page 4 gone" => store.delete(&image[0]).await.expect("deleted"),
            "image of page 4 changed" => world.change(&image[0], |body| body.push(0)).await,
            "strangers" => {
                for name in ["notes.txt", "000001-000008.jsonl", "000007-000008.jsonl"] {
                    let folder = parts[0].rsplit_once('/').expect("a folder").0;
                    let key = format!("{folder}/{name}");
                    let put = store.put(&key, "{}\n{}\n".into(), PutOptions::default());
                    put.await.expect("written");
                }
            }
            _ => {}
        }
        world.begun();
        processed(world.run_seconds(60, 2).await);
        let begun: Vec<u32> = (begins_at..=8).collect();
        assert_eq!(world.pages_begun(), begun, "{case}");
        if case == "strangers" {
            // What is no part is nobody's to delete.
            let notes = world.parts().await;
            assert!(
                notes.len() == 1 && notes[0].ends_with("notes.txt"),
                "{notes:?}"
            );
            store.delete(&notes[0]).await.expect("deleted");
        }
        assert_eq!(end_of(&world).await, wanted, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn out_1_parts_go_also_where_the_commit_was_stopped_in_the_middle() {
    let mut world = world(engine(3), 0).await;
    world.permit.stops = true;
    // Two are written; then they are deleted.
    world.store.lose_below(PARTS, 3, Lost::Write);
    let ended = world.run("m", 1, false).await;
    let is_stopped = matches!(ended, Ended::With(Err(PipelineError::Stopped)));
    assert!(is_stopped, "{ended:?}");
    let record = world.record().await;
    assert_eq!(
        (record.status, record.in_progress),
        (RecordStatus::Done, None)
    );
    assert_eq!(world.kept().await, 2);

    world.permit.stops = false;
    processed(world.run("m", 2, false).await);
    end_of(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_read_at_once_keeps_nothing_and_lists_nothing() {
    let world = world(engine(50), 5).await;
    processed(world.run("m", 1, false).await);
    let written = world.store.take_written();
    assert!(!written.iter().any(|key| key.starts_with(PARTS)));
    let listed = world.store.take_listed();
    assert!(
        !listed.iter().any(|prefix| prefix.starts_with(PARTS)),
        "{listed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn parts_of_other_settings_or_of_another_version_are_not_used_and_go_with_the_commit() {
    for is_other_version in [false, true] {
        let mut world = world(slow(8), 2).await;
        killed(world.run_seconds(7, 1).await);
        assert_eq!(world.kept().await, 6);
        world.begun();
        if is_other_version {
            world.upload("second").await;
        } else {
            let mut other = settings(2);
            other.pages.dpi = 72;
            world.restart_with(other);
        }
        processed(world.run_seconds(60, 2).await);
        assert_eq!(world.pages_begun(), Vec::from_iter(1..=8));
        end_of(&world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_forced_run_uses_what_its_own_request_left_and_nothing_else() {
    let world = world(slow(8), 2).await;
    world.stop_after(Duration::from_millis(4_500)).await;
    world.begun();
    let others = world.parts().await;
    let source = Source::newest(SOURCE);
    let seven = Duration::from_secs(7);
    killed(world.run_for(seven, &source, &options("m", 2, true)).await);
    assert_eq!(world.pages_begun()[0], 1);
    let mut parts = world.parts().await;
    parts.retain(|key| !others.contains(key));
    let kept = last_page(&parts);
    assert!((4..8).contains(&kept), "{parts:?}");
    processed(world.run_with(&source, &options("m", 3, true)).await);
    assert_eq!(world.pages_begun(), Vec::from_iter(kept + 1..=8));
    end_of(&world).await;
}

#[tokio::test(start_paused = true)]
async fn sh_1_a_run_that_is_to_stop_keeps_the_pages_that_it_has_read() {
    let world = world(slow(8), 60).await;
    world.stop_after(Duration::from_millis(2_500)).await;
    assert_eq!(world.kept().await, 3);
    world.begun();
    processed(world.run("m", 2, false).await);
    assert_eq!(world.pages_begun(), Vec::from_iter(4..=8));
    end_of(&world).await;
}

#[tokio::test(start_paused = true)]
async fn se_4_a_long_document_gets_done_however_often_its_workers_are_killed() {
    let undisturbed = world(slow(100), 2).await;
    let time = Duration::from_secs(1_000);
    let source = Source::newest(SOURCE);
    let once = options("m", 1, false);
    processed(undisturbed.run_for(time, &source, &once).await);
    let wanted = end_of(&undisturbed).await;

    let world = world(slow(100), 2).await;
    let mut kills = 0;
    while let Ended::Killed = world.run_seconds(15, kills + 1).await {
        kills += 1;
        assert!(kills < 20, "it makes no progress");
        let record = world.record().await;
        assert_eq!(record.attempts, 0);
        let marker = record.in_progress.expect("a marker");
        assert_eq!(marker.total, Some(100));
        assert!(marker.done >= Some(10 * kills), "{kills}: {marker:?}");
    }
    assert!(kills >= 7, "{kills}");
    let begun = world.begun();
    assert!(begun.iter().all(|(_, pace)| *pace == Pace::Full));
    assert!(begun.len() <= 100 + 3 * kills as usize, "{}", begun.len());
    assert_eq!(end_of(&world).await, wanted);
}

#[tokio::test(start_paused = true)]
async fn se_5_a_page_that_kills_late_becomes_a_hole_and_little_is_read_again() {
    let world = world(
        Engine {
            killers: [25].into(),
            ..slow(30)
        },
        2,
    )
    .await;
    let deaths = async |receives| {
        killed(world.run_seconds(60, receives).await);
        let deaths = world.record().await.deaths;
        deaths.map(|deaths| (deaths.count, deaths.done, deaths.pages.len()))
    };
    assert_eq!(deaths(1).await, None);
    // The first got to where it died, which is progress; the second got no further.
    assert_eq!(deaths(2).await, Some((0, 24, 0)));
    assert_eq!(deaths(3).await, Some((1, 24, 0)));
    world.begun();
    processed(world.run_seconds(60, 4).await);
    let cautious: Vec<_> = (26..=30).map(|page| (page, Pace::Cautious)).collect();
    assert_eq!(world.begun(), cautious);
    let record = world.record().await;
    assert_eq!(record.status, RecordStatus::Partial);
    let hole = BTreeMap::from([(25, "killed_the_worker".to_owned())]);
    assert_eq!(record.ledger.failed, hole);
    end_of(&world).await;
}

#[tokio::test(start_paused = true)]
async fn se_4_a_document_that_kills_at_the_same_place_is_given_up_after_as_many_deaths() {
    let world = world(slow(30), 2).await;
    let mut deaths = Vec::new();
    let ended = loop {
        // After the last page, where no page is to blame.
        world.store.lose_below("extracted_text/", 1, Lost::Write);
        let receives = u32::try_from(deaths.len()).expect("few") + 1;
        match world.run_seconds(60, receives).await {
            Ended::Killed => {
                let record = world.record().await;
                deaths.push(record.deaths.map(|deaths| deaths.count));
            }
            Ended::With(ended) => break ended,
        }
    };
    // The first death comes after progress; then there are three.
    assert_eq!(deaths, [None, Some(0), Some(1), Some(2)]);
    let reason = match ended {
        Err(PipelineError::Permanent { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason, "worker_died");
    assert_eq!(world.parts().await, [""; 0], "nobody needs them any more");
}

#[tokio::test(start_paused = true)]
async fn a_removal_takes_the_parts_away_too() {
    let world = world(slow(8), 2).await;
    killed(world.run_seconds(7, 1).await);
    assert_eq!(world.kept().await, 6);
    let removal = Source {
        sequencer: pagemill_storage::Sequencer::new("05"),
        ..Source::newest(SOURCE)
    };
    let options = options("m", 2, false);
    // A removal that is killed itself leaves them to the next.
    world.store.lose_below(PARTS, 1, Lost::Write);
    let killed = world
        .pipeline
        .remove_source(&removal, &options, &world.permit);
    let killed = tokio::time::timeout(Duration::from_secs(60), killed).await;
    assert!(killed.is_err());
    let removed = world
        .pipeline
        .remove_source(&removal, &options, &world.permit);
    let removed = removed.await.expect("it is removed");
    assert!(matches!(removed, RunOutcome::Removed), "{removed:?}");
    assert_eq!(world.parts().await, [""; 0]);
    assert_eq!(world.outputs().await, BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn the_record_says_how_far_a_run_is_every_ten_seconds_and_in_which_order() {
    let world = world(slow(55), 2).await;
    processed(world.run("m", 1, false).await);
    let records = world.store.take_records();
    let revisions: Vec<u64> = records.iter().map(|record| record.revision).collect();
    assert_eq!(revisions, Vec::from_iter(1..=revisions.len() as u64));
    let markers = records
        .iter()
        .filter_map(|record| record.in_progress.as_ref());
    let progress: Vec<_> = markers
        .map(|marker| (marker.stage, marker.done, marker.total))
        .collect();
    let reading = |done| (Stage::Pages, Some(done), Some(55));
    assert_eq!(
        progress,
        [
            (Stage::Inspect, None, None),
            reading(10),
            reading(20),
            reading(30),
            reading(40),
            reading(50),
            (Stage::Metadata, None, None),
            (Stage::Index, None, None),
            (Stage::Commit, None, None),
        ]
    );
}
