//! What is paid for is kept, and asked for once.

use std::sync::atomic::Ordering;

use futures::StreamExt;
use pagemill_pipeline::{
    BudgetSettings, DayCount, Dependency, OnReached, Options, PipelineError, Price, Reason,
    Settings, Source,
};
use pagemill_storage::{Answer, Charged, ObjectStore, Stage};

use crate::doubles::{Ended, Lost, PaidAnswer, SOURCE, World, engine, killed, processed};

const ANSWERS: &str = "processing/answers/";

/// A worker that asks a model so many times about a document.
async fn asking(calls: u32, answer: PaidAnswer) -> World {
    let world = World::new(engine(2)).await;
    world.generator.calls.store(calls, Ordering::Relaxed);
    world.generator.is_paid(Some(answer));
    world
}

fn made(world: &World) -> u32 {
    world.generator.made.swap(0, Ordering::Relaxed)
}

fn keys_below(world: &World, prefix: &str) -> Vec<String> {
    let keys = world.store.inner.keys().into_iter();
    keys.filter(|key| key.starts_with(prefix)).collect()
}

#[tokio::test(start_paused = true)]
async fn out_1_a_worker_killed_between_two_paid_calls_pays_neither_twice() {
    for last in 1..=3 {
        let mut world = asking(3, PaidAnswer::Deadly(last)).await;
        killed(world.run("m", 1, false).await);
        assert_eq!(made(&world), last);
        world.restart();
        world.generator.is_paid(Some(PaidAnswer::Good));
        processed(world.run("m", 2, false).await);
        assert_eq!(made(&world), 3 - last);
        let record = world.record().await;
        assert_eq!(record.spent.calls, 3);
        assert_eq!(
            record.stages[&Stage::Predict].spent.calls,
            3,
            "both runs' calls"
        );
        assert_eq!(keys_below(&world, ANSWERS).len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn out_1_an_answer_that_was_lost_before_its_write_is_paid_again_and_no_other() {
    let mut world = asking(3, PaidAnswer::Good).await;
    world.store.lose_below(ANSWERS, 2, Lost::Write);
    killed(world.run("m", 1, false).await);
    world.restart();
    processed(world.run("m", 2, false).await);
    assert_eq!(made(&world), 4);
}

#[tokio::test(start_paused = true)]
async fn out_5_an_answer_whose_charge_was_lost_with_its_worker_is_charged_by_the_next() {
    let mut world = asking(2, PaidAnswer::Good).await;
    world
        .store
        .lose_below("processing/charges/", 1, Lost::Write);
    killed(world.run("m", 1, false).await);
    assert_eq!(keys_below(&world, "processing/charges/").len(), 0);
    assert_eq!(keys_below(&world, ANSWERS).len(), 1);
    world.restart();
    processed(world.run("m", 2, false).await);
    assert_eq!((made(&world), world.record().await.spent.calls), (2, 2));
    assert_eq!(keys_below(&world, "processing/charges/").len(), 2);
}

#[tokio::test]
async fn out_6_new_rules_judge_what_was_said_without_a_call() {
    let world = asking(2, PaidAnswer::Good).await;
    processed(world.run("m", 1, false).await);
    let before = world.record().await;
    made(&world);
    world.generator.rules.store(2, Ordering::Relaxed);
    processed(world.run("n", 1, false).await);
    let after = world.record().await;
    assert_eq!(made(&world), 0);
    let print =
        |record: &pagemill_storage::Record, stage| record.stages[&stage].fingerprint.clone();
    assert_ne!(
        print(&before, Stage::Metadata),
        print(&after, Stage::Metadata)
    );
    assert_eq!(
        print(&before, Stage::Predict),
        print(&after, Stage::Predict)
    );
    assert_eq!(before.spent, after.spent);
}

#[tokio::test]
async fn out_6_what_was_said_is_found_again_where_its_file_is_gone() {
    let world = asking(2, PaidAnswer::Good).await;
    processed(world.run("m", 1, false).await);
    made(&world);
    world
        .store
        .delete("processing/predictions/report.pdf.json")
        .await
        .expect("deleted");
    world.generator.rules.store(2, Ordering::Relaxed);
    processed(world.run("n", 1, false).await);
    assert_eq!(made(&world), 0);
    assert_eq!(keys_below(&world, "processing/predictions/").len(), 1);
}

#[tokio::test]
async fn out_6_a_forced_run_asks_again_and_answers_of_before_are_gone_after_it() {
    let world = asking(3, PaidAnswer::Good).await;
    processed(world.run("m", 1, false).await);
    assert_eq!(made(&world), 3);
    world.generator.calls.store(2, Ordering::Relaxed);
    processed(world.run("n", 1, true).await);
    assert_eq!(made(&world), 2);
    let answers = keys_below(&world, ANSWERS);
    assert_eq!(answers.len(), 2, "{answers:?}");
    let (_, body) = world.store.get_bytes(&answers[0]).await.expect("an answer");
    let answer: Answer = serde_json::from_slice(&body).expect("an answer");
    assert_eq!(answer.forced_by.as_deref(), Some("n"));
    assert_eq!(Charged::from(&answer.charge).calls, 1);
    assert!(answers[0].ends_with(&format!(
        "{}.json",
        answer.charge.request_sha.expect("a hash")
    )));
}

#[tokio::test]
async fn out_6_nothing_that_a_model_said_outlives_the_document_or_the_choice_of_no_model() {
    let mut world = asking(2, PaidAnswer::Good).await;
    processed(world.run("m", 1, false).await);
    world.generator.is_paid(None);
    world.restart_with(Settings::default());
    processed(world.run("n", 1, false).await);
    assert!(!world.record().await.stages.contains_key(&Stage::Predict));
    for prefix in [ANSWERS, "processing/predictions/"] {
        assert_eq!(keys_below(&world, prefix), Vec::<String>::new());
    }
    world.generator.is_paid(Some(PaidAnswer::Good));
    processed(world.run("o", 1, false).await);
    assert_eq!(keys_below(&world, ANSWERS).len(), 2);
    let removed = world
        .pipeline
        .remove_source(&Source::newest(SOURCE), &Options::default(), &world.permit)
        .await;
    removed.expect("removed");
    let mut left = world.store.list("processing/");
    while let Some(object) = left.next().await {
        let key = object.expect("a listing").key;
        let may_stay =
            key.starts_with("processing/charges/") || key.starts_with("processing/records/");
        assert!(may_stay, "{key}");
    }
}

/// Settings under which a call of the double costs 1,010 and may cost 1,020.
fn budget(per_document: Option<u64>, per_day: Option<u64>, on_reached: OnReached) -> Settings {
    let mut settings = Settings::default();
    let price = Price {
        input: 1_000_000,
        cached_input: None,
        output: Some(1_000_000),
    };
    settings.prices.0.insert("llm".to_owned(), price);
    settings.budget = BudgetSettings {
        per_document,
        per_day,
        on_reached,
    };
    settings
}

async fn spent_today(world: &World) -> DayCount {
    let keys = keys_below(world, "processing/budget/");
    let (_, body) = world.store.get_bytes(&keys[0]).await.expect("a count");
    serde_json::from_slice(&body).expect("a count")
}

#[tokio::test]
async fn bu_2_where_a_documents_budget_is_reached_rules_make_its_metadata_and_it_is_indexed() {
    let mut world = asking(3, PaidAnswer::Good).await;
    world.restart_with(budget(Some(2_500), None, OnReached::Extractive));
    processed(world.run("m", 1, false).await);
    assert_eq!(made(&world), 2, "a third may cost more than is left");
    let record = world.record().await;
    assert!(record.stages.contains_key(&Stage::Index));
    assert_eq!(
        record.stages[&Stage::Predict].facts["ending"],
        "budget_reached"
    );
    let (_, body) = world
        .store
        .get_bytes("pdf-metadata/report.pdf.json")
        .await
        .expect("metadata");
    let metadata = String::from_utf8_lossy(&body).into_owned();
    assert!(
        metadata.contains("the document's budget of 0.002500 USD"),
        "{metadata}"
    );
    // With a larger one it is asked when somebody wants it, and what was paid is kept.
    world.restart_with(budget(Some(9_000), None, OnReached::Extractive));
    let again = Options {
        after_budget: true,
        ..Options::default()
    };
    let plan = world
        .pipeline
        .plan(&Source::newest(SOURCE), &[], &again)
        .await
        .expect("a plan");
    assert_eq!(
        (plan.stages[0].stage, plan.stages[0].reason),
        (Stage::Predict, Reason::Budget)
    );
    processed(world.run_with(&Source::newest(SOURCE), &again).await);
    assert_eq!(made(&world), 1);
    let plan = world
        .pipeline
        .plan(&Source::newest(SOURCE), &[], &again)
        .await
        .expect("a plan");
    assert!(plan.is_empty(), "{plan:?}");
}

#[tokio::test]
async fn bu_3_a_document_that_is_held_waits_and_keeps_what_it_has_paid() {
    let mut world = asking(3, PaidAnswer::Good).await;
    world.restart_with(budget(None, Some(2_500), OnReached::Hold));
    let Ended::With(Err(error)) = world.run("m", 1, false).await else {
        panic!("not held");
    };
    assert!(
        matches!(
            &error,
            PipelineError::Transient {
                dependency: Dependency::Budget,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("the day's budget of 0.002500 USD"),
        "{error}"
    );
    assert_eq!(made(&world), 2);
    let today = spent_today(&world).await;
    assert_eq!((today.spent, today.reserved), (2_020, 0));
    world.restart_with(budget(None, Some(9_000), OnReached::Hold));
    processed(world.run("m", 2, false).await);
    assert_eq!(made(&world), 1);
    assert_eq!(spent_today(&world).await.spent, 3_030);
}

#[tokio::test(start_paused = true)]
async fn bu_1_what_a_dead_worker_had_set_aside_stays_so_for_the_day() {
    let mut world = asking(1, PaidAnswer::Good).await;
    world.restart_with(budget(None, Some(2_500), OnReached::Hold));
    world.store.lose_below("processing/budget/", 2, Lost::Write);
    killed(world.run("m", 1, false).await);
    let today = spent_today(&world).await;
    assert_eq!(
        (today.spent, today.reserved),
        (0, 1_020),
        "the budget ends too early, not too late"
    );
}
