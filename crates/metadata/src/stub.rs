//! A counting stub of an OpenAI-compatible server on loopback, for tests: chat completions and embeddings.
//!
//! It answers well by default; [`StubServer::push_reply`] queues other replies for the next chat requests. Every
//! request is recorded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Json, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::StreamExt;
use serde_json::{Value, json};

/// What a chat request is answered with.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A valid answer for whichever schema is asked for.
    Good,
    /// A completion with this content.
    Content(String),
    /// A completion with this content that says it was cut at the output limit.
    CutOff(String),
    /// Status 200 with a body that is no completion.
    Raw(String),
    /// An error status with OpenAI's error object.
    Error {
        /// HTTP status.
        status: u16,
        /// The error's code.
        code: &'static str,
        /// Value of the `Retry-After` header.
        retry_after: Option<String>,
    },
    /// Status 400 when `response_format` is `json_schema`, else as [`Reply::Good`].
    GoodWithoutJsonSchema,
    /// Waits, then answers well.
    Slow(Duration),
    /// Answers well, in a stream of so many pieces with this wait before each.
    Dripping(usize, Duration),
    /// Begins a stream, and breaks it off.
    Broken,
    /// Status 400 when a stream is asked for, else as [`Reply::Good`].
    GoodWithoutStream,
    /// This status and body, with the value of `Retry-After`; then as [`Reply::Good`].
    Recorded(u16, Value, Option<&'static str>),
    /// Status 400 with this body while the request has the field, else as [`Reply::Good`].
    GoodWithout(&'static str, Value),
    /// As llama-server answers whose context holds so many of the stub's tokens: status 400 for prompts that do not fit, else
    /// as [`Reply::Good`].
    GoodWithinContext(usize),
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// `/v1/chat/completions` or `/v1/embeddings`.
    pub path: &'static str,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The body.
    pub body: Value,
}

impl RecordedRequest {
    /// The content of all messages with this role, joined by a newline.
    pub fn messages(&self, role: &str) -> String {
        let messages = self.body["messages"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let contents: Vec<&str> = messages
            .iter()
            .filter(|message| message["role"] == role)
            .filter_map(|message| message["content"].as_str())
            .collect();
        contents.join("\n")
    }
}

#[derive(Debug)]
struct Book {
    requests: Vec<RecordedRequest>,
    queue: VecDeque<Reply>,
    default: Reply,
    embedding_size: usize,
}

/// The stub. Ends when dropped.
#[derive(Debug)]
pub struct StubServer {
    base_url: String,
    book: Arc<Mutex<Book>>,
    task: tokio::task::JoinHandle<()>,
}

impl StubServer {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// When the port can't be opened.
    pub async fn start() -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let base_url = format!("http://{}/v1", listener.local_addr()?);
        let book = Arc::new(Mutex::new(Book {
            requests: Vec::new(),
            queue: VecDeque::new(),
            default: Reply::Good,
            embedding_size: 64,
        }));
        let router = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/embeddings", post(embeddings))
            .with_state(Arc::clone(&book));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "stub server ended");
            }
        });
        Ok(Self {
            base_url,
            book,
            task,
        })
    }

    /// The base URL to configure, ending in `/v1`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Queues a reply for the next chat request; replies are used in order, then the default again.
    pub fn push_reply(&self, reply: Reply) {
        locked(&self.book).queue.push_back(reply);
    }

    /// The reply when none is queued; [`Reply::Good`] at first.
    pub fn set_default(&self, reply: Reply) {
        locked(&self.book).default = reply;
    }

    /// The size of the embedding vectors when a request names none; 64 at first.
    pub fn set_embedding_size(&self, size: usize) {
        locked(&self.book).embedding_size = size;
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        locked(&self.book).requests.clone()
    }

    /// How many chat requests came in, whatever their reply.
    pub fn chat_calls(&self) -> usize {
        self.count("/v1/chat/completions")
    }

    /// How many embedding requests came in.
    pub fn embedding_calls(&self) -> usize {
        self.count("/v1/embeddings")
    }

    fn count(&self, path: &str) -> usize {
        locked(&self.book)
            .requests
            .iter()
            .filter(|request| request.path == path)
            .count()
    }
}

impl Drop for StubServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A valid answer for a whole document, without anything that needs evidence.
pub fn good_answer() -> Value {
    json!({
        "title": null,
        "document_type": {"quote": "", "page": 1, "value": "report"},
        "summary": [],
        "authors": [], "organisations": [], "dates": [], "identifiers": [], "entities": [],
        "keywords": ["stub keyword"],
        "topics": ["stub topic"],
        "questions_answered": []
    })
}

/// A valid answer for a part of a long document.
pub fn good_part() -> Value {
    json!({"summary": "A stub's summary of a part.", "facts": []})
}

fn record(book: &Mutex<Book>, path: &'static str, headers: &HeaderMap, body: &Value) {
    let authorization = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    locked(book).requests.push(RecordedRequest {
        path,
        authorization,
        body: body.clone(),
    });
}

async fn chat(
    State(book): State<Arc<Mutex<Book>>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    record(&book, "/v1/chat/completions", &headers, &body);
    let reply = {
        let mut book = locked(&book);
        book.queue
            .pop_front()
            .unwrap_or_else(|| book.default.clone())
    };
    let format = &body["response_format"];
    let is_part = if format["type"] == "json_schema" {
        format["json_schema"]["name"] == crate::llm::answer::PART_SCHEMA_NAME
    } else {
        // Without a schema beside it, the prompt holds the schema.
        let recorded = RecordedRequest {
            path: "/v1/chat/completions",
            authorization: None,
            body: body.clone(),
        };
        recorded.messages("system").contains("\"facts\"")
    };
    let good = if is_part { good_part() } else { good_answer() };
    let wants_stream = body["stream"] == true;
    match reply {
        Reply::Good => completion(&body, &good.to_string(), "stop"),
        Reply::Content(content) => completion(&body, &content, "stop"),
        Reply::CutOff(content) => completion(&body, &content, "length"),
        Reply::Raw(raw) => raw.into_response(),
        Reply::Slow(wait) => {
            tokio::time::sleep(wait).await;
            completion(&body, &good.to_string(), "stop")
        }
        Reply::GoodWithoutJsonSchema if format["type"] == "json_schema" => {
            error(400, "invalid_request_error", None)
        }
        Reply::GoodWithoutJsonSchema => completion(&body, &good.to_string(), "stop"),
        Reply::Dripping(pieces, wait) => stream(&body, &good.to_string(), "stop", pieces, wait),
        Reply::Broken => broken_stream(),
        Reply::Recorded(status, body, retry_after) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            match retry_after {
                Some(wait) => (status, [("retry-after", wait)], Json(body)).into_response(),
                None => (status, Json(body)).into_response(),
            }
        }
        Reply::GoodWithout(field, refused) if !body[field].is_null() => {
            (StatusCode::BAD_REQUEST, Json(refused)).into_response()
        }
        Reply::GoodWithout(..) => completion(&body, &good.to_string(), "stop"),
        Reply::GoodWithoutStream if wants_stream => refusal(
            json!({"message": "Unknown argument: stream_options", "type": "invalid_request_error"}),
        ),
        Reply::GoodWithoutStream => completion(&body, &good.to_string(), "stop"),
        Reply::GoodWithinContext(context) => {
            let prompt = prompt_tokens(&body);
            let output = body["max_completion_tokens"].as_u64().unwrap_or_default();
            match prompt + usize::try_from(output).unwrap_or_default() > context {
                true => refusal(json!({
                    "code": 400, "type": "exceed_context_size_error", "n_ctx": context, "n_prompt_tokens": prompt,
                    "message": "the request exceeds the available context size, try increasing it"
                })),
                false => completion(&body, &good.to_string(), "stop"),
            }
        }
        Reply::Error {
            status,
            code,
            retry_after,
        } => error(status, code, retry_after),
    }
}

fn error(status: u16, code: &str, retry_after: Option<String>) -> Response {
    let body = json!({"error": {"message": format!("the stub says {code}"), "type": code, "param": null, "code": code}});
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match retry_after {
        Some(wait) => (status, [("retry-after", wait)], Json(body)).into_response(),
        None => (status, Json(body)).into_response(),
    }
}

fn refusal(error: Value) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response()
}

fn prompt_tokens(request: &Value) -> usize {
    request["messages"].to_string().len() / 4
}

fn usage(request: &Value, content: &str) -> Value {
    let (prompt, completion) = (prompt_tokens(request), content.len() / 4);
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion
    })
}

/// A completion, as a stream where that is asked for.
fn completion(request: &Value, content: &str, finish_reason: &str) -> Response {
    if request["stream"] == true {
        return stream(request, content, finish_reason, 3, Duration::ZERO);
    }
    Json(json!({
        "id": "stub", "object": "chat.completion", "created": 0, "model": request["model"],
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}],
        "usage": usage(request, content)
    }))
    .into_response()
}

fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

fn chunk(delta: Value, finish_reason: Option<&str>) -> Value {
    json!({
        "id": "stub", "object": "chat.completion.chunk", "created": 0,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    })
}

fn event_stream(
    events: impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> Response {
    let kind = [("content-type", "text/event-stream")];
    (kind, Body::from_stream(events)).into_response()
}

fn stream(
    request: &Value,
    content: &str,
    finish_reason: &str,
    pieces: usize,
    wait: Duration,
) -> Response {
    let letters: Vec<char> = content.chars().collect();
    let size = letters.len().div_ceil(pieces.max(1)).max(1);
    let mut events: Vec<Bytes> = letters
        .chunks(size)
        .map(|piece| {
            let piece: String = piece.iter().collect();
            event(&chunk(json!({"content": piece}), None))
        })
        .collect();
    events.push(event(&chunk(json!({}), Some(finish_reason))));
    if request["stream_options"]["include_usage"] == true {
        events.push(event(
            &json!({"choices": [], "usage": usage(request, content)}),
        ));
    }
    events.push(Bytes::from("data: [DONE]\n\n"));
    event_stream(futures::stream::iter(events).then(move |event| async move {
        tokio::time::sleep(wait).await;
        Ok(event)
    }))
}

fn broken_stream() -> Response {
    let begun = event(&chunk(json!({"content": "{\"title\": "}), None));
    let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let events = futures::stream::iter([Ok(begun), Err(lost)]);
    // Time for the first event to be sent before the connection ends.
    event_stream(events.then(|event| async move {
        if event.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        event
    }))
}

async fn embeddings(
    State(book): State<Arc<Mutex<Book>>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    record(&book, "/v1/embeddings", &headers, &body);
    let size = body["dimensions"]
        .as_u64()
        .and_then(|size| usize::try_from(size).ok())
        .unwrap_or_else(|| locked(&book).embedding_size);
    let texts: Vec<String> = match &body["input"] {
        Value::Array(texts) => texts
            .iter()
            .map(|text| text.as_str().unwrap_or_default().to_owned())
            .collect(),
        other => vec![other.as_str().unwrap_or_default().to_owned()],
    };
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text, size)}))
        .collect();
    let tokens: usize = texts.iter().map(|text| text.len() / 4 + 1).sum();
    Json(json!({
        "object": "list", "data": data, "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}
    }))
    .into_response()
}

/// A unit vector that depends on the words of the text only: every word adds to one dimension chosen by its hash
/// (FNV-1a), so that texts that share words are near each other.
pub fn vector(text: &str, size: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; size.max(1)];
    for word in text
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let hash = word
            .to_lowercase()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        let dimension = usize::try_from(hash % vector.len() as u64).unwrap_or_default();
        vector[dimension] += 1.0;
    }
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm == 0.0 {
        vector[0] = 1.0;
        return vector;
    }
    vector.iter().map(|value| value / norm).collect()
}
