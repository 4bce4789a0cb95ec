//! What a server's failures become.

use std::time::Duration;

use pagemill_index::testing::{Code, TestQdrant};
use pagemill_index::{
    Collection, CollectionNames, CollectionSpec, IndexError, QdrantServer, SearchFilter,
    TargetStore, VectorStore,
};

const SPEC: CollectionSpec = CollectionSpec {
    dimensions: 3,
    sparse: true,
};

fn semantic() -> Collection {
    Collection::of(TargetStore::Semantic, &CollectionNames::default())
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable() {
    let server = TestQdrant::start().await.unwrap();
    let url = server.url();
    drop(server);
    // The port may still be bound for a moment, but nobody answers on it.
    let store = QdrantServer::connect(&url, None).unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(matches!(error, IndexError::Unavailable { .. }), "{error}");
    assert_eq!(
        error.dependency(),
        Some(pagemill_index::error::Dependency::Vectors)
    );
    assert!(error.to_string().contains(&url), "{error}");
}

#[tokio::test]
async fn each_status_becomes_what_the_caller_can_do() {
    let server = TestQdrant::start().await.unwrap();
    let store = QdrantServer::connect(&server.url(), None).unwrap();
    for (status, code, is_permanent) in [
        (Code::Unavailable, "unavailable", false),
        (Code::DeadlineExceeded, "unavailable", false),
        (Code::Internal, "unavailable", false),
        (Code::ResourceExhausted, "throttled", false),
        (Code::Unauthenticated, "refused", false),
        (Code::PermissionDenied, "refused", false),
        (Code::InvalidArgument, "rejected", true),
    ] {
        // The client itself tries some of them twice.
        server.fail_next(2, status, "scripted");
        let error = store
            .count(&semantic(), &SearchFilter::default())
            .await
            .unwrap_err();
        assert_eq!(
            (error.code(), error.is_permanent()),
            (code, is_permanent),
            "{status:?}: {error}"
        );
        assert!(error.to_string().contains("scripted"), "{error}");
        server.heal();
    }
}

#[tokio::test]
async fn a_missing_key_is_refused_with_the_remedy_and_never_shown() {
    let server = TestQdrant::start_with_key(Some("right-key")).await.unwrap();
    let wrong = QdrantServer::connect(&server.url(), Some(&"wrong-key".into())).unwrap();
    let error = wrong.ensure(&semantic(), &SPEC).await.unwrap_err();
    assert_eq!(error.code(), "refused");
    assert!(error.to_string().contains("check its API key"), "{error}");
    assert!(!format!("{error} {error:?} {wrong:?}").contains("wrong-key"));
    let right = QdrantServer::connect(&server.url(), Some(&"right-key".into())).unwrap();
    right.ensure(&semantic(), &SPEC).await.unwrap();
}

#[tokio::test]
async fn ensure_makes_the_payload_indexes_once() {
    let server = TestQdrant::start().await.unwrap();
    let store = QdrantServer::connect(&server.url(), None).unwrap();
    let haystack = Collection::of(TargetStore::Haystack, &CollectionNames::default());
    store.ensure(&haystack, &SPEC).await.unwrap();
    store.ensure(&haystack, &SPEC).await.unwrap();
    let indexes: Vec<String> = server
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("index "))
        .collect();
    assert_eq!(
        indexes,
        [
            "index haystack_store meta.source",
            "index haystack_store meta.generation",
            "index haystack_store meta.folders",
            "index haystack_store meta.language"
        ]
    );
}

#[tokio::test]
async fn retry_after_is_read() {
    let server = TestQdrant::start().await.unwrap();
    let store = QdrantServer::connect(&server.url(), None).unwrap();
    server.throttle_next(Duration::from_secs(7));
    let error = store
        .count(&semantic(), &SearchFilter::default())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "throttled");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[test]
fn an_url_that_is_not_one_is_refused_with_the_remedy() {
    for url in [
        "localhost:6334",
        "",
        "http://",
        "http://user:secret@host:6334",
    ] {
        let error = QdrantServer::connect(url, None).unwrap_err();
        assert_eq!(error.code(), "settings", "{url}");
        assert!(error.to_string().contains("http://HOST:6334"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
