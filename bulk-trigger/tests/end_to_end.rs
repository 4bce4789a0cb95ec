//! The binary against an S3 and SQS emulator.

use std::process::{Command, Output};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use pagemill_testkit::Emulator;

const BUCKET: &str = "bulk";

struct World {
    emulator: Emulator,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    queue: String,
    dead: String,
}

impl World {
    async fn start(test: &str) -> Option<Self> {
        let emulator = Emulator::start(test).await?;
        let shared: SdkConfig = aws_config::defaults(BehaviorVersion::latest())
            .http_client(pagemill_http::for_aws())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .region(Region::new("us-east-1"))
            .endpoint_url(emulator.endpoint())
            .load()
            .await;
        let path_style = aws_sdk_s3::config::Builder::from(&shared)
            .force_path_style(true)
            .build();
        let s3 = aws_sdk_s3::Client::from_conf(path_style);
        let sqs = aws_sdk_sqs::Client::new(&shared);
        s3.create_bucket().bucket(BUCKET).send().await.unwrap();
        let dead = sqs.create_queue().queue_name("dead").send().await.unwrap();
        let dead = dead.queue_url().unwrap().to_owned();
        let arn = sqs
            .get_queue_attributes()
            .queue_url(&dead)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .unwrap();
        let arn = arn.attributes().unwrap()[&QueueAttributeName::QueueArn].clone();
        let policy = format!(r#"{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": "5"}}"#);
        let queue = sqs
            .create_queue()
            .queue_name("jobs")
            .attributes(QueueAttributeName::RedrivePolicy, policy)
            .send()
            .await
            .unwrap();
        let queue = queue.queue_url().unwrap().to_owned();
        Some(Self {
            emulator,
            s3,
            sqs,
            queue,
            dead,
        })
    }

    async fn put(&self, key: &str, body: &'static str) {
        let body = aws_sdk_s3::primitives::ByteStream::from_static(body.as_bytes());
        self.s3
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(body)
            .send()
            .await
            .unwrap();
    }

    fn bulk_trigger(&self, arguments: &[&str]) -> Output {
        command()
            .env("S3_BUCKET", BUCKET)
            .env("SQS_QUEUE_URL", &self.queue)
            .env("AWS_ENDPOINT_URL", self.emulator.endpoint())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .args(arguments)
            .output()
            .unwrap()
    }

    async fn bodies(&self, url: &str, count: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        while bodies.len() < count {
            let call = self
                .sqs
                .receive_message()
                .queue_url(url)
                .max_number_of_messages(10);
            let received = call.wait_time_seconds(5).send().await.unwrap();
            assert!(!received.messages().is_empty(), "only {bodies:?} came");
            bodies.extend(
                received
                    .messages()
                    .iter()
                    .map(|m| m.body().unwrap().to_owned()),
            );
        }
        bodies.sort();
        bodies
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulk-trigger"));
    // Away from any .env of the developer, and from their settings.
    command.current_dir(std::env::temp_dir());
    for name in [
        "S3_BUCKET",
        "SQS_QUEUE_URL",
        "SQS_DLQ_URL",
        "APP_CONFIG_KEY",
        "AWS_PROFILE",
    ] {
        command.env_remove(name);
    }
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_sent_and_dead_letters_come_back() {
    let test = "messages_are_sent_and_dead_letters_come_back";
    let Some(world) = World::start(test).await else {
        return;
    };
    for key in [
        "source-pdfs/a b+c.pdf",
        "source-pdfs/é/漢.PDF",
        "source-pdfs/notes.txt",
    ] {
        world.put(key, "%PDF").await;
    }

    let dry = world.bulk_trigger(&["send", "--dry-run"]);
    assert_eq!(
        text(&dry.stdout),
        "source-pdfs/a b+c.pdf\nsource-pdfs/é/漢.PDF\n"
    );
    assert_eq!(dry.status.code(), Some(0));

    let sent = world.bulk_trigger(&["send", "--target-stores", "pages,haystack", "--only-new"]);
    assert_eq!(
        text(&sent.stdout),
        "listed 3, 1 no PDF; sent 2, failed 0\n",
        "{}",
        text(&sent.stderr)
    );
    let bodies = world.bodies(&world.queue, 2).await;
    assert!(
        bodies[0].contains(r#""key":"source-pdfs/a b+c.pdf""#),
        "{bodies:?}"
    );
    assert!(
        bodies[1].contains(r#""target_stores":["pages","haystack"]"#),
        "{bodies:?}"
    );

    for reason in ["encrypted", "not_a_pdf"] {
        let value = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(reason);
        let call = world
            .sqs
            .send_message()
            .queue_url(&world.dead)
            .message_body(reason);
        call.message_attributes("reason", value.build().unwrap())
            .send()
            .await
            .unwrap();
    }
    let returned = world.bulk_trigger(&["redrive", "--reason", "encrypted"]);
    let told = text(&returned.stdout);
    assert!(
        told.ends_with("seen 2; returned 1, failed 0\n"),
        "{told}{}",
        text(&returned.stderr)
    );
    assert_eq!(world.bodies(&world.queue, 1).await, ["encrypted"]);
    assert_eq!(
        world.bodies(&world.dead, 1).await,
        ["not_a_pdf"],
        "the other stays"
    );

    let rebuilt = world.bulk_trigger(&["history", "rebuild"]);
    assert!(
        text(&rebuilt.stdout).contains("0 records"),
        "{}",
        text(&rebuilt.stderr)
    );
    assert_eq!(rebuilt.status.code(), Some(0));

    let missing = world.bulk_trigger(&["--bucket", "no-such-bucket", "send", "--dry-run"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        text(&missing.stderr).contains("no-such-bucket does not exist"),
        "{missing:?}"
    );

    let gone = format!("{}-gone", world.queue);
    let missing = world.bulk_trigger(&["--queue-url", &gone, "send"]);
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
    assert!(
        text(&missing.stderr).contains("not sent: source-pdfs/a b+c.pdf"),
        "{missing:?}"
    );
}

#[test]
fn what_is_not_set_is_named() {
    let output = command().args(["send", "--dry-run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "error: S3_BUCKET is not set: set it or give --bucket\n"
    );
}

#[test]
fn help_names_the_exit_codes() {
    let output = command().arg("--help").output().unwrap();
    assert!(text(&output.stdout).contains("Exit codes:"));
    let contradiction = command()
        .args(["send", "--only-new", "--failed"])
        .output()
        .unwrap();
    assert_eq!(contradiction.status.code(), Some(2));
}

#[test]
fn a_dead_endpoint_ends_with_code_three() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let output = command()
        .env("S3_BUCKET", BUCKET)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .args(["history", "rebuild"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
}
