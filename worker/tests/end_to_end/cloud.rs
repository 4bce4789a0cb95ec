//! `worker run` on an AWS emulator: a bucket, its notification, a queue and its dead-letter queue.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    Event, NotificationConfiguration, NotificationConfigurationFilter, QueueConfiguration,
};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pagemill_index::testing::TestQdrant;
use pagemill_index::{
    Collection, CollectionNames, Inventory, QdrantServer, TargetStore, VectorStore,
};
use pagemill_metadata::stub::{Reply, StubServer};
use pagemill_samples::hostile;
use pagemill_storage::{Record, RecordStatus, Stage};
use serde_json::{Value, json};
use std::time::Duration;

use crate::emulator::Emulator;
use crate::support::{Ended, PATIENCE, Place, ran_again, to_its_end, until};

/// Text of the tunables that these tests share.
fn settings() -> Value {
    json!({"pages": {"dpi": 50}, "metadata": {"generator": "llm", "model": "stub"}})
}

/// A bucket whose events arrive on a queue, a vector store and an LLM; and a worker for them.
struct Cloud {
    place: Place,
    qdrant: TestQdrant,
    llm: StubServer,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    queue: String,
    dead_letters: String,
    _emulator: Emulator,
}

const BUCKET: &str = "papers";

impl Cloud {
    async fn start(test: &str) -> Option<Self> {
        let mut place = Place::new(test)?;
        let emulator = Emulator::start(test).await?;
        let endpoint = emulator.endpoint();
        let credentials = aws_sdk_s3::config::Credentials::new("test", "test", None, None, "test");
        let s3 = aws_sdk_s3::Client::from_conf(
            aws_sdk_s3::config::Builder::new()
                .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
                .region(aws_sdk_s3::config::Region::new("us-east-1"))
                .endpoint_url(&endpoint)
                .force_path_style(true)
                .credentials_provider(credentials.clone())
                .build(),
        );
        let sqs = aws_sdk_sqs::Client::from_conf(
            aws_sdk_sqs::config::Builder::new()
                .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
                .region(aws_sdk_sqs::config::Region::new("us-east-1"))
                .endpoint_url(&endpoint)
                .credentials_provider(credentials)
                .build(),
        );
        let dead_letters = sqs
            .create_queue()
            .queue_name("pdfs-dlq")
            .send()
            .await
            .expect("a queue");
        let redrive = json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:pdfs-dlq", "maxReceiveCount": 5});
        let queue = sqs
            .create_queue()
            .queue_name("pdfs")
            .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string())
            .send()
            .await
            .expect("a queue");
        s3.create_bucket()
            .bucket(BUCKET)
            .send()
            .await
            .expect("a bucket");
        let rule = QueueConfiguration::builder()
            .queue_arn("arn:aws:sqs:us-east-1:000000000000:pdfs")
            .events(Event::from("s3:ObjectCreated:*"))
            .events(Event::from("s3:ObjectRemoved:*"))
            .filter(
                NotificationConfigurationFilter::builder()
                    .key(
                        aws_sdk_s3::types::S3KeyFilter::builder()
                            .filter_rules(
                                aws_sdk_s3::types::FilterRule::builder()
                                    .name(aws_sdk_s3::types::FilterRuleName::Prefix)
                                    .value("source-pdfs/")
                                    .build(),
                            )
                            .build(),
                    )
                    .build(),
            )
            .build()
            .expect("a rule");
        s3.put_bucket_notification_configuration()
            .bucket(BUCKET)
            .notification_configuration(
                NotificationConfiguration::builder()
                    .queue_configurations(rule)
                    .build(),
            )
            .send()
            .await
            .expect("a notification");
        let qdrant = TestQdrant::start().await.expect("loopback has a free port");
        let llm = StubServer::start().await.expect("loopback has a free port");
        let queue = queue.queue_url.expect("a URL");
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("S3_BUCKET", BUCKET),
            ("SQS_QUEUE_URL", &queue),
            ("QDRANT_URL", &qdrant.url()),
            ("LLM_BASE_URL", llm.base_url()),
        ];
        place.environment = environment
            .map(|(name, value)| (name, value.to_owned()))
            .to_vec();
        let cloud = Self {
            place,
            qdrant,
            llm,
            s3,
            sqs,
            queue,
            dead_letters: dead_letters.queue_url.expect("a URL"),
            _emulator: emulator,
        };
        cloud
            .put(
                "config/app_config.json",
                settings().to_string().into_bytes(),
            )
            .await;
        Some(cloud)
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) {
        self.s3
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(bytes.into())
            .send()
            .await
            .expect("a PUT");
    }

    async fn run_until_empty(&self) -> Ended {
        self.place.run(&["run", "--until-empty"]).await
    }

    /// Messages that can be received now, and that somebody has.
    async fn messages(&self, queue: &str) -> (u32, u32) {
        let answer = self
            .sqs
            .get_queue_attributes()
            .queue_url(queue)
            .attribute_names(QueueAttributeName::All)
            .send()
            .await
            .expect("attributes");
        let attributes = answer.attributes.expect("attributes");
        let number = |name| attributes[&name].parse::<u32>().expect("a number");
        (
            number(QueueAttributeName::ApproximateNumberOfMessages),
            number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
        )
    }

    /// All objects but the sources and the tunables.
    async fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let mut objects = BTreeMap::new();
        let mut pages = self
            .s3
            .list_objects_v2()
            .bucket(BUCKET)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            for object in page.expect("a listing").contents.unwrap_or_default() {
                let key = object.key.expect("a key");
                if key.starts_with("source-pdfs/") || key.starts_with("config/") {
                    continue;
                }
                let answer = self
                    .s3
                    .get_object()
                    .bucket(BUCKET)
                    .key(&key)
                    .send()
                    .await
                    .expect("a GET");
                let bytes = answer
                    .body
                    .collect()
                    .await
                    .expect("a body")
                    .into_bytes()
                    .to_vec();
                objects.insert(key, bytes);
            }
        }
        objects
    }

    async fn record(&self, name: &str) -> Record {
        let key = format!("processing/records/{name}.json");
        let answer = self
            .s3
            .get_object()
            .bucket(BUCKET)
            .key(key)
            .send()
            .await
            .expect("a record");
        serde_json::from_slice(&answer.body.collect().await.expect("a body").into_bytes())
            .expect("a record")
    }
}

/// A record without what must differ between two stores and two times.
fn without_places_and_times(record: &[u8]) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for name in [
                    "etag",
                    "etags",
                    "version_id",
                    "sequencer",
                    "millis",
                    "finished_at",
                    "created_at",
                    "updated_at",
                    "at",
                ] {
                    fields.remove(name);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::from_slice(record).expect("a record");
    strip(&mut value);
    value
}

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
    cloud
        .s3
        .delete_object()
        .bucket(BUCKET)
        .key("source-pdfs/invoice.pdf")
        .send()
        .await
        .expect("a DELETE");
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
