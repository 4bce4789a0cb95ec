//! Amazon SQS, on an emulator when `PAGEMILL_MINISTACK` names the emulator's command; and what it says when nobody
//! answers.

#[path = "ministack.rs"]
mod ministack;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub(crate) use ministack::client_for;
use ministack::create_queues;
use pagemill_queue::capabilities::Stale;
use pagemill_queue::{Ask, Queue, QueueError, SqsQueue};
use pagemill_testkit::Emulator;
use pretty_assertions::assert_eq;

use crate::suite::{self, Fresh, Kind};

const SECOND: Duration = Duration::from_secs(1);

#[async_trait]
impl Kind for Emulator {
    async fn fresh(&self, receive_limit: u32) -> Fresh {
        let (queue, dead_letters) = create_queues(self, receive_limit).await;
        let description = queue.describe().await.expect("a description");
        let queue = queue
            .described_by(&description)
            .with_dead_letters(Some(dead_letters.clone()));
        Fresh {
            other: Arc::new(queue.clone()),
            queue: Arc::new(queue),
            dead_letters: Arc::new(dead_letters),
            hang_up: Box::new(|| {}),
        }
    }

    /// The emulator refuses it; SQS says yes and keeps the message.
    fn stale_done(&self) -> Stale {
        Stale::Refused
    }
}

#[tokio::test]
async fn sqs_conforms_on_the_emulator() {
    let Some(emulator) = Emulator::start("sqs_conforms_on_the_emulator").await else {
        return;
    };
    suite::run(&emulator).await;

    let (queue, dead_letters) = create_queues(&emulator, 3).await;
    let found = queue
        .dead_letters()
        .await
        .expect("attributes")
        .expect("a policy");
    assert_eq!(found.name(), dead_letters.name());
    let missing = SqsQueue::new(
        client_for(&emulator.endpoint()),
        format!("{}/000000000000/no-such-queue", emulator.endpoint()),
    );
    let error = missing
        .receive(Ask::one(Duration::ZERO, SECOND))
        .await
        .expect_err("no such queue");
    assert!(matches!(error, QueueError::NoQueue { .. }), "{error}");
}

#[tokio::test]
async fn unreachable_sqs_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let queue = SqsQueue::new(
        client_for(&endpoint),
        format!("{endpoint}/000000000000/pdfs"),
    );
    let error = queue
        .receive(Ask::one(Duration::ZERO, SECOND))
        .await
        .expect_err("nobody listens");
    assert!(matches!(error, QueueError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn missing_credentials_are_denied_with_the_remedy() {
    let http = aws_config::provider_config::ProviderConfig::default()
        .with_http_client(pagemill_http::for_aws());
    let nothing = aws_config::profile::ProfileFileCredentialsProvider::builder()
        .configure(&http)
        .profile_name("pagemill-no-such-profile")
        .build();
    let client = client_for("http://127.0.0.1:9");
    let config = client
        .config()
        .to_builder()
        .credentials_provider(nothing)
        .build();
    let queue = SqsQueue::new(
        aws_sdk_sqs::Client::from_conf(config),
        "http://127.0.0.1:9/000000000000/pdfs",
    );
    let error = queue
        .receive(Ask::one(Duration::ZERO, SECOND))
        .await
        .expect_err("no credentials");
    assert!(matches!(error, QueueError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("sqs:ReceiveMessage"), "{error}");
}
