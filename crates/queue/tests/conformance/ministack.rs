//! The AWS emulator `ministack`, started for one test and ended with it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use pagemill_queue::SqsQueue;

const STARTS_WITHIN: Duration = Duration::from_secs(60);

pub(crate) struct Emulator {
    process: Child,
    endpoint: String,
}

impl Emulator {
    /// `None`, with a line that says so, when no emulator is given.
    pub(crate) async fn start() -> Option<Self> {
        let Ok(command) = std::env::var("PAGEMILL_MINISTACK") else {
            println!(
                "SKIPPED: SQS on the emulator: PAGEMILL_MINISTACK does not name the ministack command"
            );
            return None;
        };
        let port = free_port();
        let process = Command::new(command)
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("PAGEMILL_MINISTACK must name a command that starts");
        let emulator = Self {
            process,
            endpoint: format!("http://127.0.0.1:{port}"),
        };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(
                begun.elapsed() < STARTS_WITHIN,
                "the emulator does not listen on port {port}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(emulator)
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn client(&self) -> Client {
        client_for(&self.endpoint)
    }

    /// A queue and its dead-letter queue, fresh.
    pub(crate) async fn create_queues(&self, max_receive_count: u32) -> (SqsQueue, SqsQueue) {
        let client = self.client();
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
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        drop(self.process.kill());
        drop(self.process.wait());
    }
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

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
