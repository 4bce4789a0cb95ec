//! Queues on the AWS emulator, for one test.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use pagemill_queue::SqsQueue;
use pagemill_testkit::Emulator;

/// A queue and its dead-letter queue, fresh.
pub(crate) async fn create_queues(
    emulator: &Emulator,
    max_receive_count: u32,
) -> (SqsQueue, SqsQueue) {
    let client = client_for(&emulator.endpoint());
    let name = format!("pdfs-{}", uuid::Uuid::new_v4());
    let dead_name = format!("{name}-dlq");
    let dead_letters = client
        .create_queue()
        .queue_name(&dead_name)
        .send()
        .await
        .expect("a queue");
    let policy = serde_json::json!({
        "deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:000000000000:{dead_name}"),
        "maxReceiveCount": max_receive_count,
    });
    let queue = client
        .create_queue()
        .queue_name(&name)
        .attributes(QueueAttributeName::RedrivePolicy, policy.to_string())
        .send()
        .await
        .expect("a queue");
    let url = |answer: Option<String>| answer.expect("a queue URL");
    (
        SqsQueue::new(client.clone(), url(queue.queue_url)),
        SqsQueue::new(client, url(dead_letters.queue_url)),
    )
}

pub(crate) fn client_for(endpoint: &str) -> Client {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .http_client(pagemill_http::for_aws())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}
