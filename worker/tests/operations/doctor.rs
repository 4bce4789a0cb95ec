//! `worker doctor` against an emulated cloud, and where there is none.

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use crate::emulated_cloud::Cloud;
use crate::support::Place;

async fn set_queue(cloud: &Cloud, queue: &str, name: QueueAttributeName, value: String) {
    cloud
        .sqs
        .set_queue_attributes()
        .queue_url(queue)
        .attributes(name, value)
        .send()
        .await
        .expect("attributes are set");
}

#[tokio::test(flavor = "multi_thread")]
async fn he_2_doctor_says_what_is_well_and_leaves_nothing_behind() {
    let Some(cloud) = Cloud::start("doctor").await else {
        return;
    };
    let before = cloud.keys().await;
    let messages = cloud.messages(&cloud.queue).await;
    let ended = cloud.place.run(&["doctor"]).await.with_code(0);
    for says in [
        "engine    pdfium sha256:",
        "sandbox   seccomp (",
        "queue     sqs:ReceiveMessage is allowed",
        "queue     sqs:ChangeMessageVisibility is allowed",
        "queue     sqs:DeleteMessage is allowed",
        "dlq       sqs:SendMessage is allowed",
        "dlq       maxReceiveCount is 5: set 50 or more",
        "bucket    objects can be written",
        "bucket    objects can be read",
        "bucket    objects can be deleted",
        "bucket    conditional writes are honoured",
        "bucket    it keeps no versions",
        "clock     it differs",
        "s3:ObjectCreated of source-pdfs/*.PDF is notified",
        "s3:ObjectRemoved of source-pdfs/*.pdf is notified",
        "vectors   semantic_store is not there yet",
        "llm       ",
    ] {
        assert!(
            ended.stdout.contains(says),
            "no {says:?} in\n{}",
            ended.stdout
        );
    }
    assert!(!ended.stdout.contains("FAIL"), "{}", ended.stdout);
    assert_eq!(cloud.keys().await, before, "nothing is left behind");
    assert_eq!(cloud.messages(&cloud.queue).await, messages);
    assert_eq!(cloud.messages(&cloud.dead_letters).await, (0, 0));
    assert_eq!(cloud.llm.chat_calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn he_2_doctor_finds_what_is_wrong_and_says_the_remedy() {
    let Some(mut cloud) = Cloud::start("doctor finds").await else {
        return;
    };
    // A collection of another embedder, a queue without a way out, a DLQ that forgets too early.
    cloud
        .put("source-pdfs/invoice.pdf", pagemill_samples::invoice())
        .await;
    cloud.run_until_empty().await.with_code(0);
    cloud
        .configure(&json!({"index": {"embedder": {"kind": "mini_lm"}}, "metadata": {"generator": "llm", "model": "other"}}))
        .await;
    set_queue(
        &cloud,
        &cloud.dead_letters,
        QueueAttributeName::MessageRetentionPeriod,
        "3600".into(),
    )
    .await;
    let ended = cloud.place.run(&["doctor"]).await.with_code(1);
    let ended = ended.says("semantic_store holds vectors of 256 dimensions, and the embedder makes 384: set the embedder");
    ended.says("keep them there at least as long as in the queue");

    set_queue(
        &cloud,
        &cloud.queue,
        QueueAttributeName::RedrivePolicy,
        String::new(),
    )
    .await;
    cloud
        .place
        .environment
        .retain(|(name, _)| *name != "LLM_BASE_URL");
    let ended = cloud.place.run(&["doctor", "--json"]).await.with_code(1);
    let failed: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|line: &serde_json::Value| line["level"] == "fail")
        .collect();
    let says = |area: &str, text: &str| {
        failed.iter().any(|line| {
            line["area"] == area
                && line["what"]
                    .as_str()
                    .is_some_and(|what| what.contains(text))
        })
    };
    assert!(says("dlq", "there is no dead-letter queue"), "{failed:#?}");
    assert!(says("llm", "LLM_BASE_URL is not set"), "{failed:#?}");

    for (variable, value, complaint) in [
        ("S3_BUCKET", "nowhere", "FAIL    bucket"),
        (
            "SQS_QUEUE_URL",
            &cloud.queue.replace("/pdfs", "/gone"),
            "FAIL    queue",
        ),
        ("QDRANT_URL", "http://127.0.0.1:9", "FAIL    vectors"),
        ("PAGEMILL_RUNTIME", "nothing", "FAIL    engine"),
    ] {
        let mut command = cloud.place.worker();
        command.arg("doctor").env(variable, value);
        crate::support::to_its_end(command)
            .await
            .with_code(1)
            .says(complaint);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn he_2_doctor_without_a_cloud_says_what_it_skips() {
    let Some(place) = Place::new("doctor folder") else {
        return;
    };
    let ended = place.run(&["doctor"]).await.with_code(0);
    let ended = ended.says("skipped queue     SQS_QUEUE_URL is not set");
    let ended = ended.says("skipped bucket    S3_BUCKET is not set");
    ended.says("ok      embedder");
}
