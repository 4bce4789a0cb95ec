//! What a run that did not reach its end leaves to the next one: deaths, stops, failures.

use pagemill_doubles::VectorFault;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pagemill_pipeline::{PipelineError, RunOutcome};
use pagemill_reader::Pace;
use pagemill_storage::{RecordStatus, Stage};

use crate::doubles::{Ended, Engine, Lost, World, engine, killed, processed};

/// The reason code and stage of a failure for good.
#[track_caller]
fn failed(ended: Ended) -> (String, Stage) {
    match ended {
        Ended::With(Err(PipelineError::Permanent { reason, stage, .. })) => (reason, stage),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn se_4_three_deaths_in_one_stage_fail_the_document_until_something_changes() {
    let world = World::new(engine(1)).await;
    world.engine.hangs_at_open.store(true, Ordering::Relaxed);
    for receives in 1..=3 {
        killed(world.run("m", receives, false).await);
    }
    assert_eq!(world.record().await.deaths.expect("deaths").count, 2);
    let died = ("worker_died".to_owned(), Stage::Inspect);
    assert_eq!(failed(world.run("m", 4, false).await), died);
    let attempts = &world.permit.attempts;
    assert_eq!(attempts.load(Ordering::Relaxed), 3, "for the dead letter");
    let record = world.record().await;
    assert_eq!(record.status, RecordStatus::Failed);
    assert_eq!((record.in_progress, record.deaths), (None, None));

    // While nothing changes the answer stays, and the file is not opened: that would hang.
    world.engine.hangs_at_open.store(false, Ordering::Relaxed);
    assert_eq!(failed(world.run("n", 1, false).await), died);
    processed(world.run("o", 1, true).await);
    assert_eq!(world.record().await.attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn se_4_a_new_version_begins_anew() {
    let world = World::new(engine(1)).await;
    world.engine.hangs_at_open.store(true, Ordering::Relaxed);
    for receives in 1..=3 {
        killed(world.run("m", receives, false).await);
    }
    world.upload("second").await;
    killed(world.run("m", 4, false).await);
    world.engine.hangs_at_open.store(false, Ordering::Relaxed);
    processed(world.run("m", 5, false).await);
    let record = world.record().await;
    assert_eq!((record.attempts, record.deaths), (0, None));
}

#[tokio::test(start_paused = true)]
async fn se_4_twenty_stops_in_a_row_count_for_nothing() {
    let mut world = World::new(engine(2)).await;
    world.engine.hangs_at_open.store(true, Ordering::Relaxed);
    world.permit.stops = true;
    for receives in 1..=20 {
        world.restart();
        let ended = world.run("m", receives, false).await;
        let is_stopped = matches!(ended, Ended::With(Err(PipelineError::Stopped)));
        assert!(is_stopped, "{ended:?}");
        let record = world.record().await;
        assert_eq!((record.attempts, &record.deaths), (0, &None));
        assert_eq!(record.in_progress, None, "the end is recorded");
    }
    world.engine.hangs_at_open.store(false, Ordering::Relaxed);
    world.permit.stops = false;
    processed(world.run("m", 21, false).await);
    assert_eq!(world.begun(), [(1, Pace::Full), (2, Pace::Full)]);
}

/// The start marker, the end of the extraction, the metadata, the commit, the end.
const RECORD_WRITES: u32 = 5;

#[tokio::test(start_paused = true)]
async fn sh_1_a_run_stopped_in_the_middle_of_a_record_write_leaves_no_marker() {
    for lost in [Lost::Write, Lost::Answer] {
        for nth in 1..=RECORD_WRITES {
            let mut world = World::new(engine(1)).await;
            world.permit.stops = true;
            world.store.lose(nth, lost);
            let ended = world.run("m", 1, false).await;
            let is_stopped = matches!(ended, Ended::With(Err(PipelineError::Stopped)));
            assert!(is_stopped, "{lost:?} {nth}: {ended:?}");
            let record = world.record().await;
            assert_eq!(record.in_progress, None, "{lost:?} {nth}");
            assert_eq!(
                (record.attempts, record.deaths),
                (0, None),
                "{lost:?} {nth}"
            );

            world.restart();
            world.permit.stops = false;
            let again = world.run("m", 2, false).await;
            assert!(
                matches!(again, Ended::With(Ok(_))),
                "{lost:?} {nth}: {again:?}"
            );
            assert_eq!(world.record().await.status, RecordStatus::Done);
        }
        let mut world = World::new(engine(1)).await;
        world.permit.stops = true;
        world.store.lose(RECORD_WRITES + 1, lost);
        processed(world.run("m", 1, false).await);
    }
}

#[tokio::test(start_paused = true)]
async fn sh_1_the_end_of_a_run_is_not_written_over_another_workers_record() {
    // A record of the same source, with another worker's marker.
    let other = World::new(engine(1)).await;
    other.engine.hangs_at_open.store(true, Ordering::Relaxed);
    killed(other.run("other", 1, false).await);
    let mut theirs = other.record().await;

    let mut world = World::new(engine(1)).await;
    world.permit.stops = true;
    world.store.lose(2, Lost::Write);
    let overtake = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let records = world.pipeline.records();
        let loaded = records.load(&theirs.source).await;
        let (_, tag) = loaded.expect("readable").expect("a record");
        let saved = records.save(&mut theirs, Some(&tag)).await;
        saved.expect("nobody else writes");
    };
    let (ended, ()) = tokio::join!(world.run("m", 1, false), overtake);
    let is_stopped = matches!(ended, Ended::With(Err(PipelineError::Stopped)));
    assert!(is_stopped, "{ended:?}");
    assert_eq!(world.record().await, theirs);
}

#[tokio::test(start_paused = true)]
async fn se_2_attempts_are_counted_in_the_record_and_told_for_the_backoff() {
    let world = World::new(engine(1)).await;
    world.vectors.fail_with(Some(VectorFault::Away));
    for attempt in 1..=4 {
        // Its receive count says more, because of releases; the record knows better.
        let ended = world.run("m", attempt + 20, false).await;
        let is_transient = matches!(ended, Ended::With(Err(PipelineError::Transient { .. })));
        assert!(is_transient, "{ended:?}");
        assert_eq!(world.permit.attempts.load(Ordering::Relaxed), attempt);
        let record = world.record().await;
        assert_eq!((record.attempts, record.deaths), (attempt, None));
        assert_eq!(record.in_progress, None);
    }
    world.vectors.fail_with(None);
    processed(world.run("m", 25, false).await);
    assert_eq!(world.record().await.attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn out_2_a_message_steps_aside_for_another_ones_run_and_counts_no_death() {
    let world = World::new(engine(1)).await;
    world.engine.hangs_at_open.store(true, Ordering::Relaxed);
    killed(world.run("first", 1, false).await);
    world.engine.hangs_at_open.store(false, Ordering::Relaxed);
    let marker = world.record().await.in_progress;
    let ended = world.run("second", 1, false).await;
    let steps_aside = matches!(ended, Ended::With(Err(PipelineError::Conflict)));
    assert!(steps_aside, "{ended:?}");
    assert_eq!(world.record().await.in_progress, marker, "untouched");

    // The first message's own redelivery knows that its worker is gone.
    processed(world.run("first", 2, false).await);
    let ended = world.run("second", 2, false).await;
    assert!(
        matches!(ended, Ended::With(Ok(RunOutcome::Unchanged(_)))),
        "{ended:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn out_2_a_marker_whose_message_never_comes_back_is_taken_over_in_the_end() {
    let world = World::new(engine(1)).await;
    world.engine.hangs_at_open.store(true, Ordering::Relaxed);
    killed(world.run("gone", 1, false).await);
    world.engine.hangs_at_open.store(false, Ordering::Relaxed);
    let receives = pagemill_pipeline::attempts::YIELDS_MAX + 1;
    processed(world.run("second", receives, false).await);
}

#[tokio::test(start_paused = true)]
async fn se_5_a_page_that_kills_the_worker_becomes_a_hole_with_a_reason() {
    let world = World::new(Engine {
        killers: [3].into(),
        ..engine(5)
    })
    .await;
    killed(world.run("m", 1, false).await);
    assert_eq!(world.begun().last(), Some(&(3, Pace::Full)));
    let marker = world.record().await.in_progress.expect("a marker");
    assert_eq!((marker.stage, marker.page), (Stage::Inspect, None));

    killed(world.run("m", 2, false).await);
    let cautious =
        |pages: &[u32]| -> Vec<_> { pages.iter().map(|page| (*page, Pace::Cautious)).collect() };
    assert_eq!(world.begun(), cautious(&[1, 2, 3]));
    let marker = world.record().await.in_progress.expect("a marker");
    assert_eq!((marker.stage, marker.page), (Stage::Pages, Some(3)));

    processed(world.run("m", 3, false).await);
    assert_eq!(world.begun(), cautious(&[1, 2, 4, 5]));
    let record = world.record().await;
    assert_eq!(record.status, RecordStatus::Partial);
    let hole = BTreeMap::from([(3, "killed_the_worker".to_owned())]);
    assert_eq!(record.ledger.failed, hole);
    assert_eq!(record.ledger.text, 4);
    assert_eq!(record.stages[&Stage::Inspect].facts["cautious"], true);
    assert_eq!(
        (record.attempts, record.deaths, record.in_progress),
        (0, None, None)
    );
}

#[tokio::test(start_paused = true)]
async fn se_5_a_death_after_the_pages_makes_nothing_cautious() {
    let world = World::new(engine(2)).await;
    world.store.lose(3, Lost::Write);
    killed(world.run("m", 1, false).await);
    let marker = world.record().await.in_progress.expect("a marker");
    assert_eq!(marker.stage, Stage::Metadata);
    world.begun();
    world.upload("second").await;
    processed(world.run("m", 2, false).await);
    assert_eq!(world.begun(), [(1, Pace::Full), (2, Pace::Full)]);
    let facts = &world.record().await.stages[&Stage::Inspect].facts;
    assert!(!facts.contains_key("cautious"));
}
