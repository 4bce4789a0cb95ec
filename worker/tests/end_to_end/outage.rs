//! A service that is away is not the document's fault: nothing is lost, and the next run goes on.

use std::net::TcpListener;

use pagemill_index::testing::TestQdrant;
use pagemill_metadata::stub::StubServer;
use pagemill_storage::{RecordStatus, Stage};
use serde_json::json;

use crate::support::{Place, ran_again};

/// A loopback port on which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_llm_that_is_away_leaves_the_document_for_the_next_run() {
    let Some(mut place) = Place::new("LLM away") else {
        return;
    };
    place.add("invoice.pdf", &pagemill_samples::invoice());
    let retries = json!({"max_retries": 1, "first_wait_millis": 1, "longest_wait_millis": 1});
    place
        .configure(&json!({"metadata": {"generator": "llm", "model": "stub", "retries": retries}}));
    place.environment = vec![(
        "LLM_BASE_URL",
        format!("http://127.0.0.1:{}/v1", closed_port()),
    )];
    let ended = place
        .local(&[])
        .await
        .with_code(3)
        .says("1 left for the next run");
    ended.says("llm is not available");
    let left = place.record("invoice.pdf");
    assert_ne!(
        left.status,
        RecordStatus::Failed,
        "the document is not at fault"
    );
    assert_eq!(left.failure, None);

    let llm = StubServer::start().await.expect("loopback has a free port");
    place.environment = vec![("LLM_BASE_URL", llm.base_url().to_owned())];
    place.local(&[]).await.with_code(0).says("1 processed");
    let record = place.record("invoice.pdf");
    assert_eq!(record.status, RecordStatus::Done);
    assert_eq!(
        ran_again(&left, &record),
        [
            Stage::Predict,
            Stage::Metadata,
            Stage::Extract,
            Stage::Index,
            Stage::Commit,
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qdrant_that_fails_leaves_the_document_for_the_next_run() {
    let Some(mut place) = Place::new("Qdrant away") else {
        return;
    };
    place.add("invoice.pdf", &pagemill_samples::invoice());
    place.environment = vec![("QDRANT_URL", format!("http://127.0.0.1:{}", closed_port()))];
    place.local(&[]).await.with_code(3).complains("127.0.0.1");

    let qdrant = TestQdrant::start().await.expect("loopback has a free port");
    place.environment = vec![("QDRANT_URL", qdrant.url())];
    qdrant.fail_call(
        "upsert",
        100,
        pagemill_index::testing::Code::Unavailable,
        "away",
    );
    place
        .local(&[])
        .await
        .with_code(3)
        .says("qdrant is not available");
    let left = place.record("invoice.pdf");
    assert_ne!(
        left.status,
        RecordStatus::Failed,
        "the document is not at fault"
    );

    qdrant.heal();
    place.local(&[]).await.with_code(0).says("1 processed");
    let record = place.record("invoice.pdf");
    assert_eq!(ran_again(&left, &record), [Stage::Index, Stage::Commit]);
    assert_eq!(qdrant.points("pdf_pages_store") as u32, record.ledger.pages);
    assert!(
        !place.out().join("vectors").exists(),
        "the server is the vector store"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_of_another_vector_size_is_refused_before_any_document() {
    let Some(mut place) = Place::new("vector size") else {
        return;
    };
    place.add("invoice.pdf", &pagemill_samples::invoice());
    let qdrant = TestQdrant::start().await.expect("loopback has a free port");
    let llm = StubServer::start().await.expect("loopback has a free port");
    place.environment = vec![
        ("QDRANT_URL", qdrant.url()),
        ("EMBEDDINGS_BASE_URL", llm.base_url().to_owned()),
    ];
    let with_dimensions = |size: u32| json!({"index": {"embedder": {"kind": "open_ai", "model": "stub", "dimensions": size}}});
    place.configure(&with_dimensions(64));
    place.local(&[]).await.with_code(0);
    let before = place.objects();
    place.configure(&with_dimensions(32));
    place
        .local(&[])
        .await
        .with_code(2)
        .complains("64")
        .complains("32");
    for (key, object) in before
        .into_iter()
        .filter(|(key, _)| !key.starts_with("config/"))
    {
        assert!(place.objects()[&key] == object, "{key} is as it was");
    }
}
