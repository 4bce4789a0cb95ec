//! Events in any order, and versions of which one was not finished.

use pagemill_pipeline::{Outcome, PipelineError};
use pagemill_storage::{ObjectStore, RecordStatus};

use crate::doubles::{Ended, Lost, SOURCE, World, engine, killed, processed};

#[track_caller]
fn superseded(ended: Ended) {
    let is_superseded = matches!(ended, Ended::With(Ok(Outcome::Superseded)));
    assert!(is_superseded, "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn in_5_an_event_that_changed_nothing_still_supersedes_older_ones() {
    let world = World::new(engine(1)).await;
    processed(world.run_event("01").await);
    let unchanged = world.run_event("05").await;
    let is_unchanged = matches!(unchanged, Ended::With(Ok(Outcome::Unchanged(_))));
    assert!(is_unchanged, "{unchanged:?}");
    world.upload("another, from before").await;
    superseded(world.run_event("03").await);
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
    let is_removed = matches!(gone, Ended::With(Ok(Outcome::Removed)));
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
            // The dead worker's message steps aside for a while; ten receives later it is taken for gone.
            let ended = world.run("third", 11, false).await;
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
