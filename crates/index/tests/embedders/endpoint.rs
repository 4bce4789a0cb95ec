//! An endpoint that speaks OpenAI's embeddings API, against a stub on loopback.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use pagemill_document::Uncharged;
use pagemill_index::{
    EmbedEndpoint, Embedder, EmbedderKind, IndexSettings, ModelFiles, Purpose, embedder,
};
use serde_json::{Value, json};

/// The key and the body of a request.
type Received = (Option<String>, Value);

/// Status, `Retry-After` and body of an answer.
type Failure = (StatusCode, Option<&'static str>, &'static str);

#[derive(Clone, Default)]
struct Stub {
    requests: Arc<Mutex<Vec<Received>>>,
    failures: Arc<Mutex<VecDeque<Failure>>>,
}

impl Stub {
    fn fail(&self, status: StatusCode, retry_after: Option<&'static str>, body: &'static str) {
        self.failures
            .lock()
            .unwrap()
            .push_back((status, retry_after, body));
    }

    fn sizes(&self) -> Vec<usize> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .map(|(_, body)| body["input"].as_array().unwrap().len())
            .collect()
    }
}

async fn answer(State(stub): State<Stub>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let key = headers
        .get("authorization")
        .map(|value| value.to_str().unwrap().to_owned());
    stub.requests.lock().unwrap().push((key, body.clone()));
    if let Some((status, retry_after, text)) = stub.failures.lock().unwrap().pop_front() {
        let mut response = (status, text).into_response();
        if let Some(seconds) = retry_after {
            response
                .headers_mut()
                .insert("retry-after", seconds.parse().unwrap());
        }
        return response;
    }
    let inputs = body["input"].as_array().unwrap();
    let row = |(index, text): (usize, &Value)| {
        let length = text.as_str().unwrap().len() as f32;
        json!({"object": "embedding", "index": index, "embedding": [3.0, 4.0, 0.0, length * 1e-9]})
    };
    // Backwards, for the order of rows is not promised: `index` is.
    let rows: Vec<Value> = inputs.iter().enumerate().rev().map(row).collect();
    let tokens = inputs.len();
    Json(json!({"object": "list", "data": rows, "model": "m", "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}))
        .into_response()
}

async fn serve() -> (Stub, String) {
    let stub = Stub::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/v1/embeddings", post(answer))
        .with_state(stub.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (stub, url)
}

fn connect(url: &str, dimensions: u32, embed_batch: u32) -> Arc<dyn Embedder> {
    let settings = IndexSettings {
        embedder: EmbedderKind::OpenAi {
            model: "text-embedding-3-small".to_owned(),
            dimensions,
        },
        embed_batch,
        ..IndexSettings::default()
    };
    let endpoint = EmbedEndpoint {
        base_url: url.to_owned(),
        api_key: Some("sk-hidden".into()),
        timeout: Duration::from_secs(10),
    };
    embedder(
        &settings,
        &ModelFiles {
            dir: "nowhere".into(),
        },
        Some(&endpoint),
    )
    .unwrap()
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("text {n}")).collect()
}

#[tokio::test]
async fn texts_go_in_batches_and_come_back_in_order_with_length_one() {
    let (stub, url) = serve().await;
    let mut inputs = texts(5);
    inputs.push("  ".to_owned());
    let embedding = connect(&url, 4, 2)
        .embed(&inputs, Purpose::Document, &Uncharged)
        .await
        .unwrap();
    assert_eq!(stub.sizes(), [2, 2, 1]);
    assert_eq!(
        (embedding.calls, embedding.tokens, embedding.vectors.len()),
        (3, 5, 6)
    );
    assert!(
        (embedding.vectors[0][0] - 0.6).abs() < 1e-6
            && (embedding.vectors[0][1] - 0.8).abs() < 1e-6
    );
    assert_eq!(embedding.vectors[5], [0.0; 4]);
    let requests = stub.requests.lock().unwrap();
    assert_eq!(requests[0].0.as_deref(), Some("Bearer sk-hidden"));
    assert_eq!(requests[0].1["dimensions"], 4);
    assert_eq!(requests[0].1["input"], json!(["text 0", "text 1"]));
}

#[tokio::test]
async fn throttling_waits_as_asked_and_goes_on() {
    let (stub, url) = serve().await;
    stub.fail(StatusCode::TOO_MANY_REQUESTS, Some("1"), "slow down");
    let model = connect(&url, 4, 8);
    let begin = std::time::Instant::now();
    let embedding = model
        .embed(&texts(1), Purpose::Query, &Uncharged)
        .await
        .unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(embedding.calls, 2);
}

#[tokio::test]
async fn a_long_wait_is_given_to_the_caller() {
    let (stub, url) = serve().await;
    stub.fail(StatusCode::TOO_MANY_REQUESTS, Some("600"), "slow down");
    let error = connect(&url, 4, 8)
        .embed(&texts(1), Purpose::Query, &Uncharged)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "throttled");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(600)));
    assert_eq!(stub.sizes().len(), 1);
}

#[tokio::test]
async fn what_no_waiting_helps_is_not_tried_again() {
    for (status, body, code, is_permanent) in [
        (StatusCode::UNAUTHORIZED, "no such key", "refused", false),
        (StatusCode::NOT_FOUND, "no such model", "refused", false),
        (
            StatusCode::TOO_MANY_REQUESTS,
            r#"{"error": {"code": "insufficient_quota"}}"#,
            "refused",
            false,
        ),
        (StatusCode::BAD_REQUEST, "no such input", "rejected", true),
    ] {
        let (stub, url) = serve().await;
        stub.fail(status, None, body);
        let error = connect(&url, 4, 8)
            .embed(&texts(1), Purpose::Query, &Uncharged)
            .await
            .unwrap_err();
        assert_eq!(
            (error.code(), error.is_permanent()),
            (code, is_permanent),
            "{error}"
        );
        assert_eq!(stub.sizes().len(), 1, "{status}");
        assert!(!format!("{error} {error:?}").contains("sk-hidden"));
    }
}

#[tokio::test]
async fn vectors_of_another_size_are_an_error_that_names_the_setting() {
    let (_stub, url) = serve().await;
    let error = connect(&url, 1_536, 8)
        .embed(&texts(1), Purpose::Document, &Uncharged)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the embedder gave vectors of 4 dimensions where 1536 are configured: correct `dimensions`"
    );
}

#[test]
fn an_endpoint_is_needed() {
    let settings = IndexSettings {
        embedder: EmbedderKind::OpenAi {
            model: "m".to_owned(),
            dimensions: 4,
        },
        ..IndexSettings::default()
    };
    let error = embedder(
        &settings,
        &ModelFiles {
            dir: "nowhere".into(),
        },
        None,
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("set the endpoint's base URL"),
        "{error}"
    );
}
