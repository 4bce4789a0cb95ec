//! `worker run` on an AWS emulator: a bucket, its notification, a queue and its dead-letter queue.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pagemill_index::{
    Collection, CollectionNames, Inventory, QdrantServer, TargetStore, VectorStore,
};
use pagemill_metadata::stub::Reply;
use pagemill_samples::hostile;
use pagemill_storage::{RecordStatus, Stage};
use std::time::Duration;

use crate::emulated_cloud::{Cloud, settings, without_places_and_times};
use crate::support::{PATIENCE, Place, ran_again, to_its_end, until};

#[tokio::test(flavor = "multi_thread")]
async fn folder_mode_and_cloud_mode_give_identical_records_and_outputs() {
    let test = "folder and cloud";
    let (Some(cloud), Some(mut folder)) = (Cloud::start(test).await, Place::new(test)) else {
        return;
    };
    folder.configure(&settings());
    folder.environment = vec![("LLM_BASE_URL", cloud.llm.base_url().to_owned())];
    let mut samples = pagemill_samples::all();
    samples.push(("deep/a folder/ü+1.pdf", pagemill_samples::invoice()));
    samples.push(("bad.pdf", hostile::html()));
    for (name, bytes) in &samples {
        folder.add(name, bytes);
        cloud
            .put(&format!("source-pdfs/{name}"), bytes.clone())
            .await;
    }
    folder
        .local(&[])
        .await
        .with_code(1)
        .says("bad.pdf [not_a_pdf]");
    cloud.run_until_empty().await.with_code(0);
    // The test event that S3 sends first is gone as well, and only the bad document is a dead letter.
    assert_eq!(cloud.messages(&cloud.queue).await, (0, 0));
    assert_eq!(cloud.messages(&cloud.dead_letters).await, (1, 0));

    let here: BTreeMap<String, Vec<u8>> = folder
        .objects()
        .into_iter()
        .filter(|(key, _)| !key.starts_with("config/"))
        .map(|(key, (_, bytes))| (key, bytes))
        .collect();
    let there = cloud.objects().await;
    assert_eq!(
        here.keys().collect::<Vec<_>>(),
        there.keys().collect::<Vec<_>>()
    );
    for (key, bytes) in &here {
        if key.starts_with("processing/records/") {
            assert_eq!(
                without_places_and_times(bytes),
                without_places_and_times(&there[key]),
                "{key}"
            );
        } else if !key.starts_with("processing/") {
            assert!(*bytes == there[key], "{key} differs");
        }
    }
    let server = QdrantServer::connect(&cloud.qdrant.url(), None).expect("an address");
    for target in TargetStore::ALL {
        let collection = Collection::of(target, &CollectionNames::default());
        let in_cloud: Vec<Inventory> = server.inventory(&collection).await.expect("an inventory");
        assert!(!in_cloud.is_empty());
        for entry in in_cloud {
            let here = folder.points(target, &entry.source).await;
            assert_eq!(
                here,
                BTreeMap::from([(entry.generation, entry.points)]),
                "{target} {}",
                entry.source
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_twice_bad_documents_and_removals_end_as_they_should() {
    let Some(cloud) = Cloud::start("events").await else {
        return;
    };
    cloud
        .put("source-pdfs/invoice.pdf", pagemill_samples::invoice())
        .await;
    cloud.put("source-pdfs/notes.txt", b"no PDF".to_vec()).await;
    cloud
        .put("source-pdfs/bad.pdf", hostile::truncated()[..600].to_vec())
        .await;
    cloud.run_until_empty().await.with_code(0);
    assert_eq!(cloud.messages(&cloud.queue).await, (0, 0));
    assert_eq!(cloud.llm.chat_calls(), 1);

    // The bad document is a dead letter with its reason, and its record says the same.
    let bad = cloud.record("bad.pdf").await;
    assert_eq!(bad.status, RecordStatus::Failed);
    let dead = cloud
        .sqs
        .receive_message()
        .queue_url(&cloud.dead_letters)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send()
        .await
        .expect("an answer");
    let dead = dead.messages.expect("a dead letter").remove(0);
    let reason = dead.message_attributes.expect("attributes")["reason"]
        .string_value
        .clone();
    assert_eq!(reason, bad.failure.map(|failure| failure.reason));
    let body = dead.body.expect("a body");
    assert!(body.contains("source-pdfs/bad.pdf"), "{body}");

    // The same event again, twice: nothing is done, nothing is written, nothing is paid.
    let before = cloud.objects().await;
    let event = body.replace("source-pdfs/bad.pdf", "source-pdfs/invoice.pdf");
    let event = event
        .replace("\"versionId\"", "\"ignoredVersionId\"")
        .replace("\"sequencer\"", "\"ignoredSequencer\"");
    for _ in 0..2 {
        cloud
            .sqs
            .send_message()
            .queue_url(&cloud.queue)
            .message_body(&event)
            .send()
            .await
            .expect("sent");
    }
    let ended = cloud.run_until_empty().await.with_code(0);
    assert_eq!(
        ended.stderr.matches("unchanged").count(),
        2,
        "{}",
        ended.stderr
    );
    assert_eq!(cloud.llm.chat_calls(), 1);
    assert!(cloud.objects().await == before, "nothing is written");

    // A removal takes away what was made, but for the record that says so.
    assert!(cloud.qdrant.points("semantic_store") > 0);
    cloud.delete("source-pdfs/invoice.pdf").await;
    cloud.run_until_empty().await.with_code(0);
    assert_eq!(
        cloud.record("invoice.pdf").await.status,
        RecordStatus::Removed
    );
    let left: Vec<String> = cloud
        .objects()
        .await
        .into_keys()
        .filter(|key| key.contains("invoice.pdf"))
        .collect();
    assert_eq!(left, ["processing/records/invoice.pdf.json"]);
    for collection in ["pdf_pages_store", "semantic_store", "haystack_store"] {
        assert_eq!(cloud.qdrant.points(collection), 0, "{collection}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_releases_what_does_not_fit_and_the_next_worker_goes_on() {
    let Some(cloud) = Cloud::start("SIGTERM").await else {
        return;
    };
    cloud
        .put("source-pdfs/invoice.pdf", pagemill_samples::invoice())
        .await;
    cloud.llm.set_default(Reply::Slow(Duration::from_secs(600)));
    let mut command = cloud.place.worker();
    command.arg("run").env("PAGEMILL_DRAIN_SECONDS", "6");
    let child = command.spawn().expect("the worker starts");
    until("the LLM is asked", || cloud.llm.chat_calls() == 1).await;
    let pid = Pid::from_raw(child.id().expect("it runs").cast_signed());
    kill(pid, Signal::SIGTERM).expect("a signal can be sent");
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
        .await
        .expect("it ends")
        .expect("output");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        cloud.messages(&cloud.queue).await,
        (1, 0),
        "the message can be received at once"
    );
    let stopped = cloud.record("invoice.pdf").await;
    assert_ne!(stopped.status, RecordStatus::Done);

    cloud.llm.set_default(Reply::Good);
    cloud.run_until_empty().await.with_code(0);
    let record = cloud.record("invoice.pdf").await;
    assert_eq!(record.status, RecordStatus::Done);
    assert_eq!(
        ran_again(&stopped, &record),
        [Stage::Metadata, Stage::Index, Stage::Commit]
    );
    assert_eq!(cloud.messages(&cloud.queue).await, (0, 0));
    assert_eq!(cloud.messages(&cloud.dead_letters).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_or_queue_that_is_not_there_ends_the_worker_with_the_remedy() {
    let Some(cloud) = Cloud::start("no bucket").await else {
        return;
    };
    for (variable, value, complaint) in [
        ("S3_BUCKET", "nowhere", "nowhere"),
        (
            "SQS_QUEUE_URL",
            &cloud.queue.replace("/pdfs", "/gone"),
            "SQS_QUEUE_URL",
        ),
        ("S3_BUCKET", "", "S3_BUCKET is not set"),
        ("SQS_QUEUE_URL", "", "SQS_QUEUE_URL is not set"),
    ] {
        let mut command = cloud.place.worker();
        command.args(["run", "--until-empty"]).env(variable, value);
        to_its_end(command).await.with_code(2).complains(complaint);
    }
}
