//! The program fails at a document, in each kind of place: what becomes of it, and of the others.

use pagemill_doubles::VectorFault;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use pagemill_pipeline::{PipelineError, Source};
use pagemill_reader::Pace;
use pagemill_storage::{Fault, Record, RecordStatus, Stage};

use crate::doubles::{Ended, Engine, World, engine, processed};

/// What every page of the doubles says, and no record, error or letter may.
const TEXT: &str = "This is page";

/// The stage and the fault of a run that will be tried again.
#[track_caller]
fn panicked(ended: Ended) -> (Stage, Fault) {
    match ended {
        Ended::With(Err(error @ PipelineError::Internal { .. })) => {
            assert_eq!(error.code(), "internal_error");
            assert!(!error.to_string().contains(TEXT), "{error}");
            let PipelineError::Internal { stage, fault } = error else {
                unreachable!("matched above");
            };
            (stage, fault)
        }
        other => panic!("{other:?}"),
    }
}

/// The stage of a run that is the last.
#[track_caller]
fn failed(ended: Ended) -> Stage {
    match ended {
        Ended::With(Err(PipelineError::Permanent {
            reason,
            stage,
            message,
        })) => {
            assert_eq!(reason, "internal_error");
            assert!(message.contains("doubles.rs:"), "{message}");
            assert!(message.contains(env!("CARGO_PKG_VERSION")), "{message}");
            assert!(!message.contains(TEXT), "{message}");
            stage
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn is_of_the_doubles(fault: &Fault) {
    is_of("crates/pipeline/tests/runs/doubles.rs", fault);
}

#[track_caller]
fn is_of(expected: &str, fault: &Fault) {
    let (file, line) = fault.place.rsplit_once(':').expect("file:line");
    assert_eq!(file, expected);
    assert!(line.parse::<u32>().is_ok());
    assert_eq!(fault.build, env!("CARGO_PKG_VERSION"));
}

fn says_nothing(record: &Record) {
    let written = serde_json::to_string(record).expect("a record is JSON");
    assert!(!written.contains(TEXT), "{written}");
}

#[tokio::test(start_paused = true)]
async fn se_6_a_panic_in_metadata_fails_its_document_after_its_attempts_and_no_other() {
    let world = World::new(engine(1)).await;
    let other = "source-pdfs/other.pdf";
    world.upload_as(other, "other").await;
    world.generator.fail_at(Some("report.pdf"));
    for attempt in 1..=2 {
        let (others, message) = (Source::newest(other), format!("other {attempt}"));
        let (ended, beside) = tokio::join!(
            world.run("m", attempt, false),
            world.run_source(&others, &message, 1, true)
        );
        let (stage, fault) = panicked(ended);
        assert_eq!(stage, Stage::Metadata);
        is_of_the_doubles(&fault);
        processed(beside);

        assert_eq!(world.permit.attempts.load(Ordering::Relaxed), attempt);
        let record = world.record().await;
        assert_eq!(record.status, RecordStatus::Processing);
        assert_eq!((record.attempts, &record.in_progress), (attempt, &None));
        let deaths = record.deaths.as_ref().expect("the panic is counted");
        assert_eq!((deaths.stage, deaths.count), (Stage::Metadata, attempt));
        says_nothing(&record);
    }
    assert_eq!(failed(world.run("m", 3, false).await), Stage::Metadata);
    let record = world.record().await;
    assert_eq!((record.status, record.attempts), (RecordStatus::Failed, 3));
    assert_eq!((&record.in_progress, &record.deaths), (&None, &None));
    says_nothing(&record);
    let failure = record.failure.expect("a failure");
    assert_eq!(failure.reason, "internal_error");
    assert_eq!(failure.stage, Stage::Metadata);
    is_of_the_doubles(&failure.fault.expect("its place"));

    // The same build says the same at once; a run by force, or of a build without the fault, gets on.
    world.generator.fail_at(None);
    assert_eq!(failed(world.run("n", 1, false).await), Stage::Metadata);
    processed(world.run("o", 1, true).await);
    let record = world.record().await;
    assert_eq!((record.attempts, record.failure), (0, None));
}

#[tokio::test(start_paused = true)]
async fn se_6_a_panic_while_indexing_costs_no_finished_stage() {
    let world = World::new(engine(1)).await;
    world.vectors.fail_with(Some(VectorFault::Panics));
    let (stage, fault) = panicked(world.run("m", 1, false).await);
    assert_eq!(stage, Stage::Index);
    is_of("crates/doubles/src/vectors.rs", &fault);
    assert!(
        world.record().await.stages.contains_key(&Stage::Metadata),
        "the answer of the LLM is not paid for twice"
    );
    world.vectors.fail_with(None);
    world.begun();
    processed(world.run("m", 2, false).await);
    assert_eq!(world.begun(), [], "no page is read again");
    let record = world.record().await;
    assert_eq!((record.attempts, record.deaths), (0, None));
}

#[tokio::test(start_paused = true)]
async fn se_6_without_a_message_the_first_panic_is_the_last() {
    let world = World::new(engine(1)).await;
    world.generator.fail_at(Some("report.pdf"));
    assert_eq!(failed(world.run_in_folder(false).await), Stage::Metadata);
    let record = world.record().await;
    assert_eq!((record.status, record.attempts), (RecordStatus::Failed, 1));
    is_of_the_doubles(&record.failure.expect("a failure").fault.expect("its place"));
    assert_eq!(failed(world.run_in_folder(false).await), Stage::Metadata);
    world.generator.fail_at(None);
    processed(world.run_in_folder(true).await);
}

#[tokio::test(start_paused = true)]
async fn se_6_a_page_at_which_the_program_fails_again_becomes_a_hole() {
    let world = World::new(Engine {
        faults: [2].into(),
        ..engine(3)
    })
    .await;
    assert_eq!(panicked(world.run("m", 1, false).await).0, Stage::Pages);
    world.begun();
    assert_eq!(panicked(world.run("m", 2, false).await).0, Stage::Pages);
    let cautious = [1, 2].map(|page| (page, Pace::Cautious));
    assert_eq!(world.begun(), cautious);

    processed(world.run("m", 3, false).await);
    let record = world.record().await;
    assert_eq!(record.status, RecordStatus::Partial);
    let hole = BTreeMap::from([(2, "killed_the_worker".to_owned())]);
    assert_eq!(record.ledger.failed, hole);
    assert_eq!((record.attempts, record.deaths), (0, None));
}
