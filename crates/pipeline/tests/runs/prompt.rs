//! Which custom prompt metadata is made with: a message's, the object's, the settings'; in whatever order they come.

use std::collections::BTreeSet;

use pagemill_pipeline::prompt::OBJECT_PROMPT;
use pagemill_pipeline::{Options, PipelineError, RunOutcome, Settings, Source};
use pagemill_storage::{RecordStatus, Sequencer, Stage};

use crate::doubles::{Ended, SOURCE, World, engine, processed};

const AFTER_METADATA: [Stage; 4] = [Stage::Metadata, Stage::Extract, Stage::Index, Stage::Commit];

/// The run of a message with this prompt, or of one without.
async fn run(world: &World, prompt: Option<&str>) -> Ended {
    let options = Options {
        custom_prompt: prompt.map(str::to_owned),
        ..Options::default()
    };
    world.run_with(&Source::newest(SOURCE), &options).await
}

/// The run of the bucket's own event, which says nothing of prompts.
async fn event(world: &World, sequencer: &str) -> Ended {
    let source = Source {
        sequencer: Sequencer::new(sequencer),
        ..Source::newest(SOURCE)
    };
    world.run_with(&source, &Options::default()).await
}

#[track_caller]
fn ran(ended: Ended) -> Vec<Stage> {
    match ended {
        Ended::With(Ok(RunOutcome::Processed(done))) => done.ran,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unchanged(ended: Ended) {
    let is_unchanged = matches!(ended, Ended::With(Ok(RunOutcome::Unchanged(_))));
    assert!(is_unchanged, "{ended:?}");
}

#[tokio::test]
async fn in_7_a_changed_prompt_makes_metadata_and_index_anew_and_reads_nothing() {
    let world = World::new(engine(2)).await;
    processed(run(&world, None).await);
    let plain = world.record().await;
    assert_eq!(ran(run(&world, Some("one")).await), AFTER_METADATA);
    assert_eq!(ran(run(&world, Some("two")).await), AFTER_METADATA);
    unchanged(run(&world, Some("two")).await);
    assert_eq!(
        world.generator.take_prompts(),
        [None, Some("one".into()), Some("two".into())]
    );
    // An empty one asks for none, and that is what there was before.
    assert_eq!(ran(run(&world, Some("")).await), AFTER_METADATA);
    let fingerprint =
        |record: &pagemill_storage::Record| record.stages[&Stage::Commit].fingerprint.clone();
    assert_eq!(fingerprint(&world.record().await), fingerprint(&plain));
}

#[tokio::test]
async fn in_7_a_message_goes_before_the_object_and_that_before_the_settings() {
    let mut settings = Settings::default();
    settings.metadata.custom_prompt = "of the settings".into();
    let mut world = World::new(engine(1)).await;
    world.restart_with(settings);
    processed(run(&world, None).await);
    let annotate = |value| world.store.inner.annotate(SOURCE, OBJECT_PROMPT, value);
    annotate(Some(" of the object\n"));
    processed(run(&world, None).await);
    processed(run(&world, Some("of the message")).await);
    // What somebody asked for stands, also against a note that changes.
    annotate(Some("another of the object"));
    unchanged(run(&world, None).await);
    // Another upload is another document.
    world.upload("second").await;
    processed(run(&world, None).await);
    let seen = world.generator.take_prompts();
    let seen: Vec<_> = seen.iter().map(Option::as_deref).collect();
    let expected = [
        Some("of the settings"),
        Some("of the object"),
        Some("of the message"),
        Some("of the settings"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(world.record().await.custom_prompt, None);
}

/// A client uploads and sends a message with a prompt; the bucket sends its event, twice. All orders end the same.
#[tokio::test]
async fn in_7_the_buckets_events_and_a_message_with_a_prompt_end_alike_in_any_order() {
    let mut ends = BTreeSet::new();
    for message_at in 0..3 {
        let world = World::new(engine(1)).await;
        for turn in 0..3 {
            let ended = match turn == message_at {
                true => run(&world, Some("mind the mills")).await,
                false => event(&world, "01").await,
            };
            assert!(matches!(ended, Ended::With(Ok(_))), "{ended:?}");
        }
        let record = world.record().await;
        assert_eq!(record.custom_prompt.as_deref(), Some("mind the mills"));
        ends.insert(record.stages[&Stage::Commit].fingerprint.clone());
        let last = world.generator.take_prompts().pop().flatten();
        assert_eq!(last.as_deref(), Some("mind the mills"));
    }
    assert_eq!(ends.len(), 1);
}

#[tokio::test]
async fn in_7_what_would_run_and_what_has_run_know_the_prompt_that_is_kept() {
    let world = World::new(engine(1)).await;
    processed(run(&world, Some("kept")).await);
    let plan = |prompt: Option<&str>| {
        let options = Options {
            custom_prompt: prompt.map(str::to_owned),
            ..Options::default()
        };
        let world = &world;
        async move {
            let source = Source::newest(SOURCE);
            let plan = world.pipeline.plan(&source, &[], &options).await;
            plan.expect("a plan").is_empty()
        }
    };
    assert!(plan(None).await, "nothing would run");
    assert!(!plan(Some("another")).await, "another prompt would");
}

#[tokio::test]
async fn in_7_a_document_that_failed_with_a_prompt_is_tried_again_with_another_only() {
    let world = World::new(engine(1)).await;
    world.generator.refuse_prompts_over(Some(5));
    let reason = |ended: Ended| match ended {
        Ended::With(Err(error @ PipelineError::Permanent { .. })) => {
            assert!(!error.to_string().contains("too much"), "{error}");
            error.code().to_owned()
        }
        other => panic!("{other:?}"),
    };
    let first = run(&world, Some("too much")).await;
    assert_eq!(reason(first), "custom_prompt_too_long");
    assert_eq!(world.record().await.status, RecordStatus::Failed);
    let calls = world.generator.take_prompts().len();
    // The event of the upload changes nothing about it.
    assert_eq!(reason(event(&world, "01").await), "custom_prompt_too_long");
    assert_eq!((calls, world.generator.take_prompts().len()), (1, 0));
    assert_eq!(ran(run(&world, Some("less")).await), AFTER_METADATA);
}

#[tokio::test]
async fn in_7_a_removed_source_takes_its_prompt_along() {
    let world = World::new(engine(1)).await;
    processed(run(&world, Some("kept")).await);
    let removed = world
        .pipeline
        .remove_source(&Source::newest(SOURCE), &Options::default(), &world.permit)
        .await;
    assert!(matches!(removed, Ok(RunOutcome::Removed)), "{removed:?}");
    assert_eq!(world.record().await.custom_prompt, None);
}
