//! A custom prompt, from every entry to the LLM: the object's own metadata, a message, the command line.

use serde_json::{Value, json};

use crate::emulated_cloud::Cloud;
use crate::support::{Place, ran_again};
use pagemill_metadata::stub::StubServer;
use pagemill_storage::Stage;

const SOURCE: &str = "source-pdfs/invoice.pdf";
const OF_OBJECT: &str = "Mind the mills beside the Thames.";
const OF_MESSAGE: &str = "Name the parties, \u{fc}nder their seals.";

/// What the LLM was told last.
fn told(llm: &StubServer) -> String {
    let requests = llm.requests();
    let last = requests.last().expect("the LLM was asked");
    last.messages("system")
}

/// A message of our own.
fn request(cloud: &Cloud, more: &Value) -> String {
    let mut body =
        json!({"format": "pagemill.job", "version": 2, "bucket": cloud.bucket, "key": SOURCE});
    let fields = body.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    body.to_string()
}

/// Sends the worker such a message.
async fn ask(cloud: &Cloud, more: Value) {
    let sent = cloud.sqs.send_message().queue_url(&cloud.queue);
    sent.message_body(request(cloud, &more))
        .send()
        .await
        .expect("a message");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_7_the_prompt_of_the_object_and_then_of_a_message_reaches_the_llm_and_no_log() {
    let Some(mut cloud) = Cloud::start("prompt").await else {
        return;
    };
    cloud.place.environment.push((
        "RUST_LOG",
        "info,pagemill_worker=trace,pagemill_pipeline=trace,pagemill_queue=trace,pagemill_metadata=trace".to_owned(),
    ));
    let upload = cloud.s3.put_object().bucket(&cloud.bucket).key(SOURCE);
    upload
        .metadata("pagemill-prompt", OF_OBJECT)
        .body(pagemill_samples::invoice().into())
        .send()
        .await
        .expect("a PUT");
    let mut logs = cloud.run_until_empty().await.with_code(0).stderr;
    assert!(told(&cloud.llm).contains(OF_OBJECT), "{}", told(&cloud.llm));
    let of_object = cloud.record("invoice.pdf").await;
    assert_eq!(of_object.custom_prompt, None, "no message gave one");

    ask(&cloud, json!({"custom_prompt": OF_MESSAGE})).await;
    logs += &cloud.run_until_empty().await.with_code(0).stderr;
    let system = told(&cloud.llm);
    assert!(system.contains(OF_MESSAGE) && !system.contains(OF_OBJECT));
    let of_message = cloud.record("invoice.pdf").await;
    assert_eq!(
        ran_again(&of_object, &of_message),
        [
            Stage::Predict,
            Stage::Metadata,
            Stage::Extract,
            Stage::Index,
            Stage::Commit,
        ]
    );

    // A message that says nothing of it, of the older version, changes nothing.
    let asked = cloud.llm.chat_calls();
    ask(&cloud, json!({"version": 1})).await;
    logs += &cloud.run_until_empty().await.with_code(0).stderr;
    assert_eq!(cloud.llm.chat_calls(), asked);

    // One that is too long, and one of a version that is not known, are dead letters whose reasons don't quote it.
    ask(&cloud, json!({"custom_prompt": OF_MESSAGE.repeat(200)})).await;
    ask(&cloud, json!({"version": 3, "custom_prompt": OF_MESSAGE})).await;
    logs += &cloud.run_until_empty().await.with_code(0).stderr;
    assert_eq!(cloud.messages(&cloud.dead_letters).await, (2, 0));
    let letters = cloud
        .sqs
        .receive_message()
        .queue_url(&cloud.dead_letters)
        .max_number_of_messages(10)
        .message_attribute_names("All")
        .send()
        .await
        .expect("an answer");
    let mut reasons = Vec::new();
    for letter in letters.messages() {
        let attributes = format!("{:?}", letter.message_attributes);
        assert!(!attributes.contains("Name the parties"), "{attributes}");
        assert!(
            letter.body().is_some_and(|body| body.contains("parties")),
            "the message itself is kept, so that it can be sent again"
        );
        let reason = letter
            .message_attributes
            .as_ref()
            .and_then(|all| all["reason"].string_value.clone());
        reasons.extend(reason);
    }
    reasons.sort();
    assert_eq!(reasons, ["malformed_envelope", "unknown_version"]);

    // A replay works with what the message says.
    let file = cloud.place.root().join("message.json");
    let again = request(&cloud, &json!({"custom_prompt": "Once more."}));
    std::fs::write(&file, again).expect("a file");
    let replayed = cloud
        .place
        .run(&["replay", "message.json", "--out", "again"])
        .await;
    let replayed = replayed
        .with_code(0)
        .says("with a custom prompt of 10 bytes");
    assert!(told(&cloud.llm).contains("Once more."));
    assert!(!replayed.stdout.contains("Once more"));
    for prompt in [OF_OBJECT, "Name the parties"] {
        assert!(!logs.contains(prompt), "the log quotes a prompt: {logs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_7_a_prompt_of_the_command_line_stays_until_another_one() {
    let Some(mut place) = Place::new("prompt of the command line") else {
        return;
    };
    let llm = StubServer::start().await.expect("loopback has a free port");
    place
        .environment
        .push(("LLM_BASE_URL", llm.base_url().to_owned()));
    place.add("invoice.pdf", &pagemill_samples::invoice());
    place.configure(&json!({
        "metadata": {"generator": "llm", "model": "stub", "custom_prompt": "of the settings"},
        "pages": {"dpi": 50}
    }));
    place.local(&[]).await.with_code(0).says("1 processed");
    assert!(told(&llm).contains("of the settings"));
    let file = place.root().join("prompt.txt");
    std::fs::write(&file, "of the file\n").expect("a file");
    let named = format!("@{}", file.display());
    place
        .local(&["--dry-run", "--prompt", &named])
        .await
        .with_code(0)
        .says("metadata");
    place
        .local(&["--prompt", &named])
        .await
        .with_code(0)
        .says("1 processed");
    assert!(told(&llm).contains("of the file") && !told(&llm).contains("of the settings"));
    place.local(&[]).await.with_code(0).says("1 unchanged");
    place
        .local(&["--prompt", ""])
        .await
        .with_code(0)
        .says("1 processed");
    assert!(!told(&llm).contains("of the file") && !told(&llm).contains("of the settings"));
    place
        .local(&["--prompt", &"x".repeat(4097)])
        .await
        .with_code(2)
        .complains("4097 bytes");
}
