//! Outages: a dependency refuses for longer than several receive cycles, and no document is lost or blamed for it.
//!
//! The wire lets a message that was put off come back after a second instead of half a minute and more, so that an
//! outage of a minute holds the deliveries of an hour. The breakers keep their own times.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use pagemill_samples::hostile;
use pagemill_storage::RecordStatus;
use pagemill_testkit::Emulator;
use serde_json::json;

use crate::emulated_cloud::Cloud;
use crate::wire::{Action, Moment, Rule, Wire};
use crate::wired::{Wired, queue_is_empty};

const DOCUMENTS: usize = 6;
/// What the template sets.
const MAX_RECEIVES: u32 = 100;

/// Who refuses what, and until when.
#[derive(Debug, Clone, Copy)]
struct Outage {
    name: &'static str,
    /// How the names of the refused calls begin.
    refused: &'static str,
    status: u16,
    code: &'static str,
    /// So many calls are refused before it ends.
    calls: usize,
}

const OUTAGES: [Outage; 5] = [
    Outage {
        name: "llm answers 503",
        refused: "LLM",
        status: 503,
        code: "server_error",
        calls: 8,
    },
    Outage {
        name: "qdrant refuses everything",
        refused: "Qdrant",
        status: 200,
        code: "UNAVAILABLE",
        calls: 6,
    },
    Outage {
        name: "qdrant is healthy and takes no points",
        refused: "Qdrant Upsert",
        status: 200,
        code: "UNAVAILABLE",
        calls: 50,
    },
    Outage {
        name: "s3 throttles",
        refused: "S3",
        status: 503,
        code: "SlowDown",
        calls: 24,
    },
    Outage {
        name: "sqs throttles",
        refused: "SQS",
        status: 400,
        code: "ThrottlingException",
        calls: 8,
    },
];

async fn survive(emulator: &Arc<Emulator>, number: usize, outage: Outage) -> Option<String> {
    let name = format!("outage-{number}");
    let cloud = Cloud::beside(emulator, "outage", &name, MAX_RECEIVES).await?;
    let retries = json!({"max_retries": 1, "first_wait_millis": 1, "longest_wait_millis": 1});
    let metadata = json!({"generator": "llm", "model": "stub", "retries": retries});
    cloud
        .configure(&json!({"pages": {"dpi": 50}, "metadata": metadata}))
        .await;
    cloud.send_events_of_sources_only().await;
    let environment = [("PAGEMILL_DOCUMENTS", "2"), ("PAGEMILL_LEASE_SECONDS", "6")];
    let worker = Wired::start(&cloud, &environment, []).await;
    worker.wire.shorten_backoff(1);
    let is_ready = |wire: &Wire| wire.count("SQS ReceiveMessage") > 0;
    worker.wire.until("it polls", is_ready).await;

    let begun = Instant::now();
    if outage.refused != "SQS" {
        worker.wire.rule(refuse(outage));
    }
    for document in 0..DOCUMENTS {
        let key = format!("source-pdfs/{document}.pdf");
        cloud.put(&key, hostile::many_pages(1)).await;
    }
    if outage.refused == "SQS" {
        let at_work = |wire: &Wire| !wire.receipts().is_empty();
        worker.wire.until("a document is at work", at_work).await;
        worker.wire.rule(refuse(outage));
    }
    let long_enough = |wire: &Wire| wire.fired() >= outage.calls;
    worker.wire.until(outage.name, long_enough).await;
    assert_eq!(
        cloud.messages(&cloud.dead_letters).await,
        (0, 0),
        "{}",
        outage.name
    );
    let lasted = begun.elapsed();
    let deliveries = worker.wire.receipts().len();
    worker.wire.heal();

    queue_is_empty(&cloud, &worker.wire).await;
    let recovered = begun.elapsed() - lasted;
    let (_, _, wire) = worker.stops().await;
    assert_eq!(
        cloud.messages(&cloud.dead_letters).await,
        (0, 0),
        "{}",
        outage.name
    );
    for document in 0..DOCUMENTS {
        let record = cloud.record(&format!("{document}.pdf")).await;
        assert_eq!(record.status, RecordStatus::Done, "{}", outage.name);
        assert_eq!(record.attempts, 0, "{}", outage.name);
        assert!(record.deaths.is_none(), "{}: {record:?}", outage.name);
    }
    assert_eq!(
        cloud.llm.chat_calls(),
        DOCUMENTS,
        "{}: paid for once",
        outage.name
    );
    Some(format!(
        "| {} | {:.0} s | {} | {deliveries} | {} | {:.0} s |",
        outage.name,
        lasted.as_secs_f64(),
        outage.calls,
        wire.receipts().len(),
        recovered.as_secs_f64()
    ))
}

fn refuse(outage: Outage) -> Rule {
    Rule {
        name: outage.refused.into(),
        nth: None,
        moment: Moment::Before,
        actions: vec![Action::Refuse(outage.status, outage.code)],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn se_3_an_outage_of_any_dependency_makes_no_dead_letter() {
    let Some(emulator) = Emulator::start("outage").await.map(Arc::new) else {
        return;
    };
    let rows: Vec<Option<String>> = futures::stream::iter(OUTAGES.into_iter().enumerate())
        .map(|(number, outage)| survive(&emulator, number, outage))
        .buffered(OUTAGES.len())
        .collect()
        .await;
    println!("| outage | lasted | calls refused | deliveries in it | in all | recovered in |");
    println!("|---|---|---|---|---|---|");
    for row in rows.into_iter().flatten() {
        println!("{row}");
    }
}
