//! `worker replay`: a dead letter as it was saved, run into a folder.

use aws_sdk_sqs::types::MessageSystemAttributeName;
use pagemill_samples::hostile;
use serde_json::json;

use crate::emulated_cloud::Cloud;
use crate::support::Place;

#[tokio::test(flavor = "multi_thread")]
async fn he_2_a_saved_dead_letter_runs_from_the_bucket_and_touches_nothing() {
    let Some(cloud) = Cloud::start("replay").await else {
        return;
    };
    cloud.put("source-pdfs/bad.pdf", hostile::html()).await;
    cloud.run_until_empty().await.with_code(0);
    let dead = cloud
        .sqs
        .receive_message()
        .queue_url(&cloud.dead_letters)
        .visibility_timeout(0)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send()
        .await
        .expect("an answer");
    let dead = dead.messages.expect("a dead letter").remove(0);
    // As `aws sqs receive-message --message-attribute-names All` prints it.
    let attributes: serde_json::Map<String, serde_json::Value> = dead
        .message_attributes
        .expect("attributes")
        .into_iter()
        .map(|(name, value)| {
            (
                name,
                json!({"StringValue": value.string_value, "DataType": "String"}),
            )
        })
        .collect();
    let saved = json!({"Messages": [{
        "MessageId": dead.message_id, "Body": dead.body, "MessageAttributes": attributes,
    }]});
    let file = cloud.place.root().join("dead.json");
    std::fs::write(&file, saved.to_string()).expect("written");
    let before = cloud.objects().await;
    let letters = cloud.messages(&cloud.dead_letters).await;

    let ended = cloud
        .place
        .run(&["replay", "dead.json", "--out", "again"])
        .await;
    let ended = ended.with_code(1).says("reason: not_a_pdf");
    let ended = ended.says("the file has no PDF header");
    let ended = ended.says("asks for source-pdfs/bad.pdf");
    ended.says("FAILED [not_a_pdf]");
    let record = cloud
        .place
        .root()
        .join("again/processing/records/bad.pdf.json");
    assert!(
        record.is_file(),
        "the record of the replay is in its folder"
    );
    assert!(cloud.objects().await == before, "the bucket is as it was");
    assert_eq!(cloud.messages(&cloud.dead_letters).await, letters);

    // The same message with a good file.
    let pdf = cloud.place.root().join("good.pdf");
    std::fs::write(&pdf, pagemill_samples::invoice()).expect("written");
    let arguments = [
        "replay",
        "dead.json",
        "--source",
        "good.pdf",
        "--out",
        "mended",
    ];
    let ended = cloud.place.run(&arguments).await.with_code(0);
    let ended = ended.says("  pages ");
    ended.says("processed: ");
    let text = cloud
        .place
        .root()
        .join("mended/extracted_text/bad.pdf.json");
    assert!(text.is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn he_2_a_body_without_a_cloud_is_explained_and_run() {
    let Some(place) = Place::new("replay body") else {
        return;
    };
    std::fs::write(place.root().join("body"), "certainly no JSON").expect("written");
    let ended = place.run(&["replay", "body"]).await.with_code(1);
    ended
        .says("can't be understood [not_json]")
        .says("nothing to run");

    let body =
        json!({"format": "pagemill.job", "version": 1, "bucket": "b", "key": "source-pdfs/x.pdf"});
    std::fs::write(place.root().join("body"), body.to_string()).expect("written");
    std::fs::write(place.root().join("x.pdf"), pagemill_samples::invoice()).expect("written");
    let arguments = ["replay", "body", "--source", "x.pdf", "--out", "there"];
    place.run(&arguments).await.with_code(0).says("processed: ");
    place
        .run(&["replay", "nothing"])
        .await
        .with_code(2)
        .complains("can't be read");
}
