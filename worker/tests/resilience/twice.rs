//! The same work twice at once, by two workers.

use std::sync::Arc;

use nix::sys::signal::Signal;
use pagemill_samples::hostile;
use pagemill_testkit::Emulator;

use crate::emulated_cloud::{Cloud, settings};
use crate::state::State;
use crate::wire::{Action, Gate, Moment, Rule, Wire};
use crate::wired::{Wired, queue_is_empty};

const SOURCE: &str = "source-pdfs/paper.pdf";

async fn cloud(emulator: &Arc<Emulator>, name: &str) -> Option<Cloud> {
    let cloud = Cloud::beside(emulator, "twice", name, 100).await?;
    cloud.configure(&settings()).await;
    cloud.send_events_of_sources_only().await;
    cloud.put(SOURCE, hostile::many_pages(2)).await;
    Some(cloud)
}

/// Lets two workers, each with a message about the same source, stand at the same call before either goes on.
async fn meet_at(emulator: &Arc<Emulator>, undisturbed: &State, number: usize, step: &str) {
    let cloud = cloud(emulator, &format!("twice-{number}")).await;
    let cloud = cloud.expect("what it needs was there a moment ago");
    // The source's event came already; the same upload again makes the second message.
    cloud.put(SOURCE, hostile::many_pages(2)).await;
    let gate = Arc::new(Gate::default());
    let hold = Rule {
        name: step.to_owned(),
        nth: Some(1),
        moment: Moment::Before,
        actions: vec![Action::Hold(Arc::clone(&gate))],
    };
    let workers = [
        Wired::start(&cloud, &[], [hold.clone()]).await,
        Wired::start(&cloud, &[], [hold]).await,
    ];
    for worker in &workers {
        worker.wire.shorten_backoff(1);
        let stands = |wire: &Wire| wire.fired() > 0;
        worker.wire.until(step, stands).await;
    }
    gate.open();
    queue_is_empty(&cloud, &workers[0].wire).await;
    for worker in workers {
        worker.signal(Signal::SIGTERM);
        let (ended, _, _) = worker.ends().await;
        ended.with_code(0);
    }
    let found = State::of(&cloud).await;
    assert_eq!(
        undisturbed.differences(&found),
        Vec::<String>::new(),
        "{step}"
    );
    assert_eq!(cloud.llm.chat_calls(), 1, "{step}");
    assert_eq!(cloud.messages(&cloud.dead_letters).await, (0, 0), "{step}");
}

#[tokio::test(flavor = "multi_thread")]
async fn out_2_two_workers_on_one_document_give_one_result() {
    let Some(emulator) = Emulator::start("twice").await.map(Arc::new) else {
        return;
    };
    let Some(alone) = cloud(&emulator, "alone").await else {
        return;
    };
    let worker = Wired::start(&alone, &[], []).await;
    worker.stops_when_done(&alone).await;
    let undisturbed = State::of(&alone).await;
    // Both have read that there is no record; both are about to claim the document.
    let steps = ["S3 GET record", "S3 GET source", "S3 PUT record"];
    for (number, step) in steps.into_iter().enumerate() {
        meet_at(&emulator, &undisturbed, number, step).await;
    }
}
