//! Events in any order, and versions of which one was not finished.

use pagemill_pipeline::attempts::YIELDS_MAX;
use pagemill_pipeline::{Dependency, PipelineError, RunOutcome};
use pagemill_storage::{ObjectStore, RecordStatus};

use crate::doubles::{Ended, Lost, SOURCE, World, engine, killed, processed};

#[track_caller]
fn superseded(ended: Ended) {
    let is_superseded = matches!(ended, Ended::With(Ok(RunOutcome::Superseded)));
    assert!(is_superseded, "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn in_5_an_event_that_changed_nothing_still_supersedes_older_ones() {
    let world = World::new(engine(1)).await;
    processed(world.run_event("01").await);
    let unchanged = world.run_event("05").await;
    let is_unchanged = matches!(unchanged, Ended::With(Ok(RunOutcome::Unchanged(_))));
    assert!(is_unchanged, "{unchanged:?}");
    world.upload("another, from before").await;
    superseded(world.run_event("03").await);
}

#[tokio::test(start_paused = true)]
async fn in_5_an_event_of_a_version_that_is_not_the_newest_builds_the_newest() {
    let world = World::new(engine(1)).await;
    let first = world.version_id().await;
    world.upload("second").await;
    let second = world.version_id().await;
    assert!(
        first.is_some() && first != second,
        "the store keeps versions"
    );
    processed(world.run_version("01", first.as_deref()).await);
    let built = world.record().await.version.expect("a version");
    assert_eq!(built.version_id, second);
    let unchanged = world.run_version("02", second.as_deref()).await;
    let is_unchanged = matches!(unchanged, Ended::With(Ok(RunOutcome::Unchanged(_))));
    assert!(is_unchanged, "{unchanged:?}");
    superseded(world.run_version("01", first.as_deref()).await);
}

/// Many events that change nothing write their places into the record at the same time.
#[tokio::test(start_paused = true)]
async fn in_5_an_event_that_loses_the_race_for_the_record_looks_again_at_once() {
    let world = World::new(engine(1)).await;
    processed(world.run_event("01").await);
    let events = ["02", "03", "04", "05", "06"].map(|place| world.run_event(place));
    for ended in futures::future::join_all(events).await {
        let is_settled = matches!(
            ended,
            Ended::With(Ok(RunOutcome::Unchanged(_) | RunOutcome::Superseded))
        );
        assert!(is_settled, "{ended:?}");
    }
    superseded(world.run_event("05").await);
}

#[tokio::test(start_paused = true)]
async fn se_3_a_run_tells_what_it_made_use_of() {
    let world = World::new(engine(1)).await;
    processed(world.run_event("01").await);
    let all = [Dependency::Store, Dependency::Vectors, Dependency::Embedder];
    assert_eq!(world.permit.take_used(), all.into(), "no LLM was asked");
    let unchanged = world.run_event("02").await;
    let is_unchanged = matches!(unchanged, Ended::With(Ok(RunOutcome::Unchanged(_))));
    assert!(is_unchanged, "{unchanged:?}");
    assert_eq!(world.permit.take_used(), [Dependency::Store].into());
}

#[tokio::test(start_paused = true)]
async fn in_5_a_request_without_a_place_among_the_events_does_not_forget_the_newest() {
    let world = World::new(engine(1)).await;
    processed(world.run_event("05").await);
    processed(world.run("asked for by hand", 1, true).await);
    superseded(world.run_event("03").await);
}

#[tokio::test(start_paused = true)]
async fn in_5_a_source_that_is_gone_was_removed_and_one_that_never_was_is_an_error() {
    let world = World::new(engine(2)).await;
    processed(world.run_event("01").await);
    assert!(!world.outputs().await.is_empty());
    world.store.delete(SOURCE).await.expect("a deletion");
    let asked = world.run("asked for by hand", 1, false).await;
    let Ended::With(Err(PipelineError::Permanent { reason, .. })) = &asked else {
        panic!("{asked:?}");
    };
    assert_eq!(reason, "missing_source");
    let gone = world.run_event("02").await;
    let is_removed = matches!(gone, Ended::With(Ok(RunOutcome::Removed)));
    assert!(is_removed, "{gone:?}");
    assert_eq!(world.record().await.status, RecordStatus::Removed);
    assert!(world.outputs().await.is_empty());
}

/// A version, another one whose worker dies at each of its writes of the record, and the first one again: nothing of
/// the other one may be taken for the first one's, or be left over.
#[tokio::test(start_paused = true)]
async fn out_1_an_unfinished_version_between_two_equal_ones_leaves_nothing() {
    let undisturbed = World::new(engine(2)).await;
    processed(undisturbed.run_event("01").await);
    let expected = undisturbed.outputs().await;
    for lost in [Lost::Write, Lost::Answer] {
        for nth in 1..=4 {
            let mut world = World::new(engine(2)).await;
            processed(world.run_event("01").await);
            world.upload("second").await;
            world.store.lose(nth, lost);
            killed(world.run_event("02").await);
            world.restart();
            world.upload("first").await;
            // This message steps aside for the dead worker's for a while; then it takes over.
            let ended = world.run("third", YIELDS_MAX + 1, false).await;
            assert!(
                matches!(ended, Ended::With(Ok(_))),
                "{lost:?} {nth}: {ended:?}"
            );
            let found = world.outputs().await;
            assert_eq!(
                found.keys().collect::<Vec<_>>(),
                expected.keys().collect::<Vec<_>>(),
                "{lost:?} {nth}"
            );
            assert!(found == expected, "{lost:?} {nth}: another content");
            assert_eq!(world.record().await.status, RecordStatus::Done);
        }
    }
}
