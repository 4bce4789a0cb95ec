//! Logs and metrics of a run, and that no secret is in any of them.

use aws_sdk_sqs::types::MessageSystemAttributeName;
use pagemill_metadata::stub::Reply;
use pagemill_samples::hostile;
use serde_json::{Value, json};

use crate::emulated_cloud::Cloud;

const LLM_KEY: &str = "sk-llm-SENTINEL-4711";
const QDRANT_KEY: &str = "qd-SENTINEL-0815";
const PASSWORD: &str = "pw-SENTINEL-2342";
const AWS_KEY: &str = "aws-SENTINEL-1234";

async fn secret(cloud: &Cloud, name: &str, value: &str) -> String {
    let endpoint = cloud.emulator.endpoint();
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(aws_sdk_secretsmanager::config::BehaviorVersion::latest())
        .http_client(pagemill_http::for_aws())
        .region(aws_sdk_secretsmanager::config::Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(aws_sdk_secretsmanager::config::Credentials::new(
            "test", "test", None, None, "test",
        ))
        .build();
    let client = aws_sdk_secretsmanager::Client::from_conf(config);
    let made = client
        .create_secret()
        .name(name)
        .secret_string(value)
        .send()
        .await;
    made.expect("a secret").arn.expect("an ARN")
}

#[track_caller]
fn holds_no_secret(what: &str, text: &str) {
    for secret in [LLM_KEY, QDRANT_KEY, PASSWORD, AWS_KEY] {
        if let Some(at) = text.find(secret) {
            let around: String = text[at.saturating_sub(200)..].chars().take(400).collect();
            panic!("{what} holds a secret: ...{around}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ho_5_secrets_from_secrets_manager_work_and_appear_nowhere() {
    let Some(mut cloud) = Cloud::start("secrets").await else {
        return;
    };
    let llm_arn = secret(&cloud, "llm", &json!({"api_key": LLM_KEY}).to_string()).await;
    let qdrant_arn = secret(&cloud, "qdrant", QDRANT_KEY).await;
    let environment = &mut cloud.place.environment;
    environment.retain(|(name, _)| *name != "AWS_SECRET_ACCESS_KEY");
    environment.extend([
        ("AWS_SECRET_ACCESS_KEY", AWS_KEY.to_owned()),
        ("LLM_API_KEY_SECRET_ARN", llm_arn),
        ("QDRANT_API_KEY_SECRET_ARN", qdrant_arn),
        // Only our own crates at their most talkative: what others log at that level is not for production.
        ("RUST_LOG", "info,pagemill_worker=trace,pagemill_pipeline=trace,pagemill_queue=trace,pagemill_storage=trace,pagemill_pdf=trace,pagemill_index=trace,pagemill_metadata=trace".to_owned()),
    ]);
    cloud
        .configure(&json!({
            "pages": {"dpi": 40},
            "metadata": {"generator": "llm", "model": "stub", "retries": {"max_retries": 0}},
            "passwords": {"source-pdfs/*": PASSWORD},
        }))
        .await;
    cloud
        .put("source-pdfs/good.pdf", pagemill_samples::invoice())
        .await;
    cloud.put("source-pdfs/bad.pdf", hostile::html()).await;
    cloud
        .put("source-pdfs/cut.pdf", hostile::truncated()[..600].to_vec())
        .await;
    let ended = cloud.run_until_empty().await.with_code(0);
    holds_no_secret("the log", &ended.stderr);
    holds_no_secret("the metrics", &ended.stdout);
    // The key that came from Secrets Manager was used.
    let sent: Vec<String> = cloud
        .llm
        .requests()
        .iter()
        .map(|request| format!("{request:?}"))
        .collect();
    assert!(
        sent.iter().any(|request| request.contains(LLM_KEY)),
        "the LLM got the key"
    );
    for (key, bytes) in cloud.objects().await {
        holds_no_secret(&key, &String::from_utf8_lossy(&bytes));
    }
    let dead = cloud
        .sqs
        .receive_message()
        .queue_url(&cloud.dead_letters)
        .max_number_of_messages(10)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send()
        .await
        .expect("an answer");
    assert_eq!(dead.messages().len(), 2);
    holds_no_secret("a dead letter", &format!("{:?}", dead.messages()));

    // Errors: a server that refuses the key, and one that says it back.
    let body = json!({"format": "pagemill.job", "version": 1, "bucket": cloud.bucket, "key": "source-pdfs/good.pdf"});
    std::fs::write(cloud.place.root().join("body"), body.to_string()).expect("written");
    let refusal = Reply::Error {
        status: 401,
        code: "invalid_api_key",
        retry_after: None,
    };
    for reply in [refusal, Reply::Raw(format!("no such key: {LLM_KEY}"))] {
        cloud.llm.set_default(reply);
        let replayed = cloud.place.run(&["replay", "body", "--out", "again"]).await;
        assert!(replayed.stdout.contains("FAILED ["), "{replayed:?}");
        holds_no_secret("replay", &format!("{}{}", replayed.stdout, replayed.stderr));
    }
    for command in [&["config"][..], &["doctor"], &["verify", "--grace", "0"]] {
        let shown = cloud.place.run(command).await;
        holds_no_secret(command[0], &format!("{}{}", shown.stdout, shown.stderr));
    }

    // Every line of the run is JSON; those inside a run say which request, document and stage.
    let lines: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let begun: Vec<&Value> = lines
        .iter()
        .filter(|line| line["message"] == "stage begins")
        .collect();
    assert!(begun.len() >= 8, "every stage is logged: {begun:#?}");
    for line in begun {
        assert!(
            line["trace_id"].is_string() && line["message_id"].is_string(),
            "{line}"
        );
        assert!(
            line["source"]
                .as_str()
                .is_some_and(|key| key.starts_with("source-pdfs/")),
            "{line}"
        );
        assert!(line["stage"].is_string(), "{line}");
    }
    let failed: Vec<&Value> = lines
        .iter()
        .filter(|line| line["reason"] == "not_a_pdf")
        .collect();
    assert!(
        failed
            .iter()
            .any(|line| line["source"] == "source-pdfs/bad.pdf"),
        "{failed:#?}"
    );

    // Every line of standard output is a document of Embedded Metric Format.
    let mut metrics = std::collections::BTreeMap::new();
    for line in ended.stdout.lines() {
        let document: Value = serde_json::from_str(line).expect("JSON");
        let directive = &document["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "Pagemill", "{line}");
        for metric in directive["Metrics"].as_array().expect("metrics") {
            let name = metric["Name"].as_str().expect("a name");
            let dimension = directive["Dimensions"][1][0].as_str();
            let value = dimension.map(|name| document[name].as_str().expect("a value").to_owned());
            metrics.insert(
                (name.to_owned(), value.unwrap_or_default()),
                document[name].clone(),
            );
        }
    }
    let of = |name: &str, value: &str| metrics[&(name.to_owned(), value.to_owned())].clone();
    assert_eq!(of("DocumentsEnded", "processed"), 1);
    assert_eq!(of("DocumentsEnded", "failed"), 2);
    assert_eq!(of("DocumentsFailed", "not_a_pdf"), 1);
    assert_eq!(of("DeadLetters", "not_a_pdf"), 1);
    assert_eq!(of("MessagesSettled", "dead_lettered"), 2);
    assert_eq!(of("PaidCalls", "predict"), 1);
    assert_eq!(
        of("StageTime", "pages").as_array().expect("values").len(),
        1
    );
    assert!(!of("QueueLag", "").as_array().expect("values").is_empty());
    assert_eq!(of("BreakerOpen", "qdrant"), json!([0]));
}
