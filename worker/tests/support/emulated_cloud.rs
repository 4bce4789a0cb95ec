//! A bucket whose events arrive on a queue, a vector store and an LLM, all on loopback; and a worker for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfiguration, NotificationConfigurationFilter,
    QueueConfiguration, S3KeyFilter,
};
use aws_sdk_sqs::types::QueueAttributeName;
use pagemill_index::testing::TestQdrant;
use pagemill_metadata::stub::StubServer;
use pagemill_storage::Record;
use pagemill_testkit::Emulator;
use serde_json::{Value, json};

use crate::support::{Ended, Place};

/// Text of the tunables that these tests share.
pub(crate) fn settings() -> Value {
    json!({"pages": {"dpi": 50}, "metadata": {"generator": "llm", "model": "stub"}})
}

/// One worker's world. Several may share an emulator.
pub(crate) struct Cloud {
    pub(crate) place: Place,
    pub(crate) qdrant: TestQdrant,
    pub(crate) llm: StubServer,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) bucket: String,
    pub(crate) queue: String,
    pub(crate) dead_letters: String,
    pub(crate) emulator: Arc<Emulator>,
}

impl Cloud {
    /// A world with an emulator of its own, its tunables in place; `None`, with a line that says so, when something
    /// that it needs is not there.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let emulator = Arc::new(Emulator::start(test).await?);
        let cloud = Self::beside(&emulator, test, "pdfs", 5).await?;
        cloud.configure(&settings()).await;
        cloud.send_events().await;
        Some(cloud)
    }

    /// A bucket and queues of this name, still empty and silent, on an emulator that runs already. A message that was
    /// received `max_receives` times becomes a dead letter.
    pub(crate) async fn beside(
        emulator: &Arc<Emulator>,
        test: &str,
        name: &str,
        max_receives: u32,
    ) -> Option<Self> {
        let mut place = Place::new(test)?;
        let endpoint = emulator.endpoint();
        let credentials = aws_sdk_s3::config::Credentials::new("test", "test", None, None, "test");
        let s3 = aws_sdk_s3::Client::from_conf(
            aws_sdk_s3::config::Builder::new()
                .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
                .http_client(pagemill_http::for_aws())
                .region(aws_sdk_s3::config::Region::new("us-east-1"))
                .endpoint_url(&endpoint)
                .force_path_style(true)
                .credentials_provider(credentials.clone())
                .build(),
        );
        let sqs = aws_sdk_sqs::Client::from_conf(
            aws_sdk_sqs::config::Builder::new()
                .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
                .http_client(pagemill_http::for_aws())
                .region(aws_sdk_sqs::config::Region::new("us-east-1"))
                .endpoint_url(&endpoint)
                .credentials_provider(credentials)
                .build(),
        );
        let bucket = format!("{name}-bucket");
        let dead_letters = sqs
            .create_queue()
            .queue_name(format!("{name}-dlq"))
            .send()
            .await
            .expect("a queue")
            .queue_url
            .expect("a URL");
        let redrive = json!({
            "deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:000000000000:{name}-dlq"),
            "maxReceiveCount": max_receives,
        });
        let queue = sqs
            .create_queue()
            .queue_name(name)
            .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string())
            .send()
            .await
            .expect("a queue")
            .queue_url
            .expect("a URL");
        s3.create_bucket()
            .bucket(&bucket)
            .send()
            .await
            .expect("a bucket");
        let qdrant = TestQdrant::start().await.expect("loopback has a free port");
        let llm = StubServer::start().await.expect("loopback has a free port");
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("S3_BUCKET", &bucket),
            ("SQS_QUEUE_URL", &queue),
            ("QDRANT_URL", &qdrant.url()),
            ("LLM_BASE_URL", llm.base_url()),
        ];
        place.environment = environment
            .map(|(name, value)| (name, value.to_owned()))
            .to_vec();
        Some(Self {
            place,
            qdrant,
            llm,
            s3,
            sqs,
            bucket,
            queue,
            dead_letters,
            emulator: Arc::clone(emulator),
        })
    }

    /// From here on the bucket tells the queue of its sources. What is in it already stays unsaid.
    pub(crate) async fn send_events(&self) {
        let below_the_prefix = FilterRule::builder()
            .name(FilterRuleName::Prefix)
            .value("source-pdfs/")
            .build();
        let keys = S3KeyFilter::builder().filter_rules(below_the_prefix);
        let queue = self.queue.rsplit('/').next().expect("a name");
        let rule = QueueConfiguration::builder()
            .queue_arn(format!("arn:aws:sqs:us-east-1:000000000000:{queue}"))
            .events(Event::from("s3:ObjectCreated:*"))
            .events(Event::from("s3:ObjectRemoved:*"))
            .filter(
                NotificationConfigurationFilter::builder()
                    .key(keys.build())
                    .build(),
            )
            .build()
            .expect("a rule");
        self.s3
            .put_bucket_notification_configuration()
            .bucket(&self.bucket)
            .notification_configuration(
                NotificationConfiguration::builder()
                    .queue_configurations(rule)
                    .build(),
            )
            .send()
            .await
            .expect("a notification");
    }

    /// The same, with the test event that S3 sends first taken off the queue.
    pub(crate) async fn send_events_of_sources_only(&self) {
        self.send_events().await;
        let received = self
            .sqs
            .receive_message()
            .queue_url(&self.queue)
            .wait_time_seconds(20)
            .send()
            .await
            .expect("an answer");
        let messages = received.messages.expect("the test event");
        let receipt = messages[0].receipt_handle.as_deref().expect("a receipt");
        self.sqs
            .delete_message()
            .queue_url(&self.queue)
            .receipt_handle(receipt)
            .send()
            .await
            .expect("a DELETE");
    }

    /// Writes the tunables, where the worker looks for them.
    pub(crate) async fn configure(&self, settings: &Value) {
        let text = settings.to_string().into_bytes();
        self.put("config/app_config.json", text).await;
    }

    /// Writes an object.
    pub(crate) async fn put(&self, key: &str, bytes: Vec<u8>) {
        self.s3
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .body(bytes.into())
            .send()
            .await
            .expect("a PUT");
    }

    /// Reads an object.
    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let answer = self
            .s3
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
            .expect("an object");
        let body = answer.body.collect().await.expect("a body");
        body.into_bytes().to_vec()
    }

    /// Removes an object.
    pub(crate) async fn delete(&self, key: &str) {
        let deleted = self.s3.delete_object().bucket(&self.bucket).key(key).send();
        deleted.await.expect("a DELETE");
    }

    /// Runs a worker until the queue is empty.
    pub(crate) async fn run_until_empty(&self) -> Ended {
        self.place.run(&["run", "--until-empty"]).await
    }

    /// Messages that can be received now, and that somebody has.
    pub(crate) async fn messages(&self, queue: &str) -> (u32, u32) {
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

    /// The reason code of the oldest dead letter.
    pub(crate) async fn dead_letter_reason(&self) -> String {
        let received = self
            .sqs
            .receive_message()
            .queue_url(&self.dead_letters)
            .message_attribute_names("All")
            .send()
            .await
            .expect("an answer");
        let messages = received.messages.expect("a dead letter");
        let attributes = messages[0].message_attributes.as_ref();
        let reason = &attributes.expect("attributes")["reason"];
        reason.string_value.clone().expect("text")
    }

    /// Every object's key.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let listing = self.s3.list_objects_v2().bucket(&self.bucket);
        let mut pages = listing.into_paginator().send();
        while let Some(page) = pages.next().await {
            let objects = page.expect("a listing").contents.unwrap_or_default();
            keys.extend(objects.into_iter().filter_map(|object| object.key));
        }
        keys
    }

    /// All objects but the sources and the tunables.
    pub(crate) async fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let mut objects = BTreeMap::new();
        for key in self.keys().await {
            if !key.starts_with("source-pdfs/") && !key.starts_with("config/") {
                let bytes = self.get(&key).await;
                objects.insert(key, bytes);
            }
        }
        objects
    }

    /// The record of a document.
    pub(crate) async fn record(&self, name: &str) -> Record {
        let bytes = self.get(&format!("processing/records/{name}.json")).await;
        serde_json::from_slice(&bytes).expect("a record")
    }
}

/// A record, or the history, without what must differ between two stores and two times.
pub(crate) fn without_places_and_times(record: &[u8]) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for name in [
                    "revision",
                    "etag",
                    "etags",
                    "version_id",
                    "sequencer",
                    "millis",
                    "cautious",
                    "finished_at",
                    "created_at",
                    "updated_at",
                    "processed_at",
                    "at",
                    "spent",
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
