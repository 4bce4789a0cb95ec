//! What is paid for a document is written down, whatever comes of it.

use pagemill_doubles::VectorFault;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use pagemill_pipeline::{Options, Price, RunOutcome, Settings, Source};
use pagemill_storage::{
    Charge, Charged, Condition, ObjectStore, PutOptions, RecordStatus, SourceKey, Stage, charges_of,
};

use crate::doubles::{Ended, PaidAnswer, SOURCE, World, engine, killed, processed};

/// A worker whose LLM has a price and whose embedder has none.
async fn world() -> World {
    let mut world = World::new(engine(2)).await;
    let mut settings = Settings::default();
    let price = Price {
        input: 2_000_000,
        cached_input: None,
        output: Some(10_000_000),
    };
    settings.prices.0.insert("llm".to_owned(), price);
    world.restart_with(settings);
    world
}

async fn charges(world: &World) -> Vec<Charge> {
    let store = std::sync::Arc::clone(&world.pipeline.parts().store);
    let source = SourceKey(SOURCE.to_owned());
    let found = charges_of(&store, world.pipeline.layout(), &source);
    found
        .map(|charge| charge.expect("a charge"))
        .collect()
        .await
}

fn sum(charges: &[Charge]) -> Charged {
    let mut sum = Charged::default();
    charges
        .iter()
        .for_each(|charge| sum.add(&Charged::from(charge)));
    sum
}

#[tokio::test]
async fn out_5_every_paid_call_is_an_object_and_the_record_has_their_sum() {
    let world = world().await;
    world.generator.is_paid(Some(PaidAnswer::Good));
    world.embedder.is_paid.store(true, Ordering::Relaxed);
    let Ended::With(Ok(RunOutcome::Processed(done))) = world.run("m1", 1, false).await else {
        panic!("not processed");
    };
    let (charges, record) = (charges(&world).await, world.record().await);
    let of = |stage: Stage| {
        let mut of_stage = charges.iter().filter(move |charge| charge.stage == stage);
        of_stage.next().expect("a charge").clone()
    };
    assert_eq!(charges.len(), 2);
    let llm = of(Stage::Predict);
    assert_eq!(
        (llm.provider.as_str(), llm.model.as_str(), llm.micro_usd),
        ("api.example.com", "llm", Some(2_100))
    );
    assert_eq!((llm.trace_id.as_str(), llm.run.len()), ("m1", 16));
    assert_eq!(of(Stage::Index).micro_usd, None, "its price is not known");
    assert_eq!(record.spent, sum(&charges));
    assert_eq!(
        (record.spent.micro_usd, record.spent.unpriced_calls),
        (Some(2_100), 1)
    );
    assert_eq!(
        record.stages[&Stage::Predict].spent,
        Charged::from(&llm),
        "the stage has its own"
    );
    assert_eq!(
        (done.spent.charged, world.permit.charged()),
        (record.spent, record.spent)
    );
}

#[tokio::test]
async fn out_5_what_is_free_is_charged_nothing_and_leaves_the_record_as_it_was() {
    let world = world().await;
    processed(world.run("m1", 1, false).await);
    assert_eq!(charges(&world).await, []);
    let record = serde_json::to_value(world.record().await).expect("JSON");
    assert!(!record.to_string().contains("spent"), "{record}");
}

#[tokio::test]
async fn out_5_an_answer_before_a_failure_and_one_before_an_outage_are_paid() {
    let world = world().await;
    world.generator.is_paid(Some(PaidAnswer::ThenFails));
    let Ended::With(Err(error)) = world.run("m1", 1, false).await else {
        panic!("not failed");
    };
    assert_eq!(error.code(), "custom_prompt_too_long");
    let record = world.record().await;
    assert_eq!(record.status, RecordStatus::Failed);
    assert_eq!((record.spent.calls, charges(&world).await.len()), (1, 1));

    world.generator.is_paid(None);
    world.embedder.is_paid.store(true, Ordering::Relaxed);
    world.vectors.fail_with(Some(VectorFault::Away));
    let Ended::With(Err(error)) = world.run("m2", 1, true).await else {
        panic!("not failed");
    };
    assert_eq!(error.code(), "transient");
    assert_eq!(world.record().await.spent.calls, 2);
    world.vectors.fail_with(None);
    processed(world.run("m2", 2, false).await);
    assert_eq!(world.record().await.spent, sum(&charges(&world).await));
    assert_eq!(charges(&world).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn out_5_what_a_worker_paid_before_it_died_is_in_the_sum_of_the_next_run() {
    let mut world = world().await;
    world.generator.is_paid(Some(PaidAnswer::Deadly(1)));
    killed(world.run("m1", 1, false).await);
    let paid = charges(&world).await;
    assert_eq!(paid.len(), 1, "it is written before the answer is used");
    assert!(world.record().await.spent.is_nothing(), "it had no time");
    world.restart();
    world.generator.is_paid(Some(PaidAnswer::Good));
    processed(world.run("m1", 2, false).await);
    let record = world.record().await;
    assert_eq!(charges(&world).await, paid, "its answer was kept");
    assert_eq!(record.spent, sum(&paid));
    assert_eq!(record.stages[&Stage::Predict].spent.calls, 1);
}

#[tokio::test]
async fn out_5_charges_outlive_the_document_and_are_never_written_over() {
    let world = world().await;
    world.generator.is_paid(Some(PaidAnswer::Good));
    processed(world.run("m1", 1, false).await);
    let keys = |world: &World| {
        let keys = world.store.inner.keys().into_iter();
        keys.filter(|key| key.starts_with("processing/charges/"))
            .collect::<Vec<_>>()
    };
    let first = keys(&world);
    assert_eq!(first.len(), 1, "{first:?}");
    let again = PutOptions {
        content_type: None,
        condition: Condition::IfAbsent,
    };
    let put = world.store.put(&first[0], bytes::Bytes::new(), again).await;
    put.expect_err("it is there");
    processed(world.run("m2", 1, true).await);
    let all: BTreeMap<_, _> = keys(&world).into_iter().map(|key| (key, ())).collect();
    assert_eq!(all.len(), 2);
    assert!(all.contains_key(&first[0]));
    let removed = world
        .pipeline
        .remove_source(&Source::newest(SOURCE), &Options::default(), &world.permit)
        .await;
    assert!(matches!(removed, Ok(RunOutcome::Removed)), "{removed:?}");
    assert_eq!(keys(&world).len(), 2, "what was spent stays spent");
    assert_eq!(world.record().await.spent.calls, 2);
    assert!(world.outputs().await.is_empty());
}
