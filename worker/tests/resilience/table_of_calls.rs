//! What a document costs in calls. At a hundred million documents, each one matters.

use std::sync::Arc;

use pagemill_samples::hostile;
use pagemill_testkit::Emulator;

use crate::emulated_cloud::{Cloud, settings};
use crate::wire::{Call, tally};
use crate::wired::Wired;

const SOURCE: &str = "source-pdfs/paper.pdf";

/// The calls between a message and its end, those that are about the worker and not the document left out.
fn of_one_document(calls: &[Call]) -> Vec<Call> {
    let of_the_worker = ["S3 GET tunables", "S3 LIST profiles"];
    let first = calls
        .iter()
        .position(|call| call.name.starts_with("S3") && !of_the_worker.contains(&&*call.name))
        .expect("a document is read");
    let last = calls
        .iter()
        .position(|call| call.name == "SQS DeleteMessage")
        .expect("a message is deleted");
    // The poll that brought it.
    calls[first - 1..=last].to_vec()
}

async fn run(cloud: &Cloud, title: &str, most: usize) {
    let worker = Wired::start(cloud, &[], []).await;
    let (_, wire) = worker.stops_when_done(cloud).await;
    let calls = of_one_document(&wire.calls());
    let service = |name: &str| {
        calls
            .iter()
            .filter(|call| call.name.starts_with(name))
            .count()
    };
    println!(
        "{title}: {} calls in {:?} (SQS {}, S3 {}, Qdrant {}, LLM {})",
        calls.len(),
        calls[calls.len() - 1].sent - calls[0].sent,
        service("SQS"),
        service("S3"),
        service("Qdrant"),
        service("LLM")
    );
    for (name, count) in tally(&calls) {
        println!("| {name} | {count} |");
    }
    assert!(
        service("S3") + service("SQS") <= most,
        "{title}: more S3 and SQS calls than the {most} that are known: {calls:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_costs_the_calls_that_are_known_and_no_more() {
    let Some(emulator) = Emulator::start("calls").await.map(Arc::new) else {
        return;
    };
    let Some(cloud) = Cloud::beside(&emulator, "calls", "calls", 100).await else {
        return;
    };
    cloud.configure(&settings()).await;
    cloud.send_events_of_sources_only().await;
    cloud.put(SOURCE, hostile::many_pages(3)).await;
    run(&cloud, "three pages, new", 24).await;
    cloud.put(SOURCE, hostile::many_pages(3)).await;
    // One write: the record must know of the newer event, or an older one that comes late would win.
    run(&cloud, "the same again", 6).await;
    cloud.put(SOURCE, hostile::many_pages(2)).await;
    // More than a new one: it may have older images, answers and readings of pictures, which are looked for.
    run(&cloud, "two pages in its place", 30).await;
    cloud.delete(SOURCE).await;
    run(&cloud, "removed", 13).await;
}
