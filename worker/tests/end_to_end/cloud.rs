//! `worker run` on an AWS emulator: a bucket, its notification, a queue and its dead-letter queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pagemill_index::{
    Collection, CollectionNames, Inventory, QdrantServer, TargetStore, VectorStore,
};
use pagemill_metadata::stub::Reply;
use pagemill_samples::hostile;
use pagemill_storage::{RecordStatus, Stage};
use pagemill_testkit::Emulator;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
    // Charges are named by the run that paid.
    let is_charge = |key: &String| key.starts_with("processing/charges/");
    let (paid_here, here): (BTreeMap<_, _>, BTreeMap<_, _>) =
        here.into_iter().partition(|(key, _)| is_charge(key));
    let (paid_there, there): (BTreeMap<_, _>, BTreeMap<_, _>) =
        there.into_iter().partition(|(key, _)| is_charge(key));
    assert_eq!(paid_here.len(), paid_there.len());
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

    // A removal takes away what was made, but for the record that says so, and for what was paid.
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
    let (paid, left): (Vec<_>, Vec<_>) = left
        .into_iter()
        .partition(|key| key.starts_with("processing/charges/invoice.pdf/"));
    assert_eq!(left, ["processing/records/invoice.pdf.json"]);
    let spent = cloud.record("invoice.pdf").await.spent;
    assert!(
        spent.calls > 0 && spent.calls == paid.len() as u64,
        "{spent:?}"
    );
    for collection in ["pdf_pages_store", "semantic_store", "haystack_store"] {
        assert_eq!(cloud.qdrant.points(collection), 0, "{collection}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sh_1_sigterm_in_a_slow_call_releases_the_message_counts_nothing_and_the_next_worker_goes_on()
 {
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
    assert_eq!(
        (&stopped.in_progress, &stopped.deaths, stopped.attempts),
        (&None, &None, 0),
        "the end of the run is recorded, and counts for nothing"
    );

    cloud.llm.set_default(Reply::Good);
    cloud.run_until_empty().await.with_code(0);
    let record = cloud.record("invoice.pdf").await;
    assert_eq!(record.status, RecordStatus::Done);
    assert_eq!(
        ran_again(&stopped, &record),
        [
            Stage::Predict,
            Stage::Metadata,
            Stage::Extract,
            Stage::Index,
            Stage::Commit,
        ]
    );
    assert_eq!(cloud.messages(&cloud.queue).await, (0, 0));
    assert_eq!(cloud.messages(&cloud.dead_letters).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_3_a_retry_of_a_message_skips_the_records_that_are_finished() {
    let test = "several records";
    let Some(emulator) = Emulator::start(test).await.map(Arc::new) else {
        return;
    };
    // The bucket tells nothing: one message is to name both.
    let Some(cloud) = Cloud::beside(&emulator, test, "pdfs", 5).await else {
        return;
    };
    cloud.configure(&settings()).await;
    let names = ["one.pdf", "two.pdf"];
    for name in names {
        let invoice = pagemill_samples::invoice();
        cloud.put(&format!("source-pdfs/{name}"), invoice).await;
    }
    let record = |name: &str| {
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": cloud.bucket}, "object": {"key": format!("source-pdfs/{name}")}}
        })
    };
    let message = json!({"Records": names.map(record)}).to_string();
    let send = cloud.sqs.send_message().queue_url(&cloud.queue);
    let sent = send.message_body(message).send().await;
    sent.expect("a message");

    // The first is finished; in the second the worker is told to stop.
    cloud.llm.push_reply(Reply::Good);
    cloud.llm.set_default(Reply::Slow(Duration::from_secs(600)));
    let mut command = cloud.place.worker();
    command.arg("run").env("PAGEMILL_DRAIN_SECONDS", "2");
    let child = command.spawn().expect("the worker starts");
    until("the second document's LLM call", || {
        cloud.llm.chat_calls() == 2
    })
    .await;
    let pid = Pid::from_raw(child.id().expect("it runs").cast_signed());
    kill(pid, Signal::SIGTERM).expect("a signal can be sent");
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    assert_eq!(
        ended.expect("it ends").expect("output").status.code(),
        Some(0)
    );
    let first = cloud.record("one.pdf").await;
    assert_eq!(first.status, RecordStatus::Done);
    assert_eq!(cloud.messages(&cloud.queue).await, (1, 0));

    cloud.llm.set_default(Reply::Good);
    cloud.run_until_empty().await.with_code(0);
    assert_eq!(cloud.record("two.pdf").await.status, RecordStatus::Done);
    assert_eq!(cloud.record("one.pdf").await, first, "not touched again");
    assert_eq!(cloud.llm.chat_calls(), 3, "none for the first");
    assert_eq!(cloud.messages(&cloud.queue).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn se_3_a_worker_that_starts_in_an_outage_waits_for_its_end() {
    let Some(cloud) = Cloud::start("start in an outage").await else {
        return;
    };
    let invoice = pagemill_samples::invoice();
    cloud.put("source-pdfs/invoice.pdf", invoice).await;
    cloud
        .qdrant
        .fail_next(10_000, pagemill_index::testing::Code::Unavailable, "away");
    // A one-off run does not wait, and says what it is.
    cloud.run_until_empty().await.with_code(3).complains("away");

    let asked = cloud.qdrant.calls().len();
    let mut command = cloud.place.worker();
    let child = command.arg("run").spawn().expect("the worker starts");
    let is_asked = || cloud.qdrant.calls().len() > asked;
    until("the vector store is asked", is_asked).await;
    assert_eq!(
        cloud.messages(&cloud.queue).await.1,
        0,
        "nothing is received"
    );
    cloud.qdrant.heal();
    let is_indexed = || cloud.qdrant.points("pdf_pages_store") > 0;
    until("the document is processed", is_indexed).await;
    let pid = Pid::from_raw(child.id().expect("it runs").cast_signed());
    kill(pid, Signal::SIGTERM).expect("a signal can be sent");
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = ended.expect("it ends").expect("output");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(cloud.messages(&cloud.dead_letters).await, (0, 0));
}

/// An agent of one container that says yes; answers its address and what it was asked.
async fn container_agent() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("loopback has a free port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut part = [0; 1024];
                let count = stream.read(&mut part).await.expect("a request");
                request.push_str(&String::from_utf8_lossy(&part[..count]));
            }
            let is_on = request.contains("\"ProtectionEnabled\":true");
            let body = json!({"protection": {"ProtectionEnabled": is_on, "TaskArn": "arn"}});
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            seen.lock().expect("no panic").push(request);
            let answer = format!("{head}{body}");
            stream
                .write_all(answer.as_bytes())
                .await
                .expect("an answer");
        }
    });
    (format!("http://{address}/api/x"), asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn sh_2_the_worker_has_its_task_protected_before_it_works() {
    let Some(mut cloud) = Cloud::start("protection").await else {
        return;
    };
    let (uri, asked) = container_agent().await;
    cloud.place.environment.push(("ECS_AGENT_URI", uri));
    let invoice = pagemill_samples::invoice();
    cloud.put("source-pdfs/invoice.pdf", invoice).await;
    cloud.run_until_empty().await.with_code(0);
    assert_eq!(cloud.record("invoice.pdf").await.status, RecordStatus::Done);
    let asked = asked.lock().expect("no panic");
    assert_eq!(asked.len(), 1, "once for all of the work: {asked:?}");
    assert!(asked[0].starts_with("PUT /api/x/task-protection/v1/state HTTP/1.1"));
    assert!(asked[0].ends_with(r#"{"ProtectionEnabled":true,"ExpiresInMinutes":10}"#));
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
