//! Requests to an OpenAI-compatible server, with bounded retries.
//!
//! The requests are async-openai's types; the sending is ours, because its client hides the `Retry-After` header and
//! writes response bodies, which hold document text, to the log.
//!
//! Answers are streamed where the server does that: a slow model then shows that it is at work, and what ends an attempt is
//! silence, not the length of the answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_openai::types::chat::CreateChatCompletionRequest;
use backon::{BackoffBuilder, ExponentialBuilder};
use pagemill_document::{
    CallOutcome, ChargeSink, Dependency, NotCharged, NotReserved, PaidCall, Reserved, Units,
};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::refusal::{Named, Refusal, Told};
use super::stream;
use crate::error::MetadataError;
use crate::settings::{AnswerTimeouts, LlmEndpoint, MetadataSettings, RetryLimits};
use crate::usage::Usage;

/// Most bytes of a response that are read. A streamed token takes some 300.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What came back as a completion.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) content: String,
    /// Whether it was cut at the output limit.
    pub(crate) was_cut: bool,
    /// Whether the model or a filter refused to answer.
    pub(crate) was_refused: bool,
}

/// Why there is no completion.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 400 or 422: the server does not take the request as it is.
    NotAccepted {
        reason: String,
        /// What it says that it is.
        named: Named,
    },
    /// Prompt and answer do not fit the model's context.
    TooLong(TooLong),
    /// The prompt was filtered by the server: this document's fault.
    Filtered,
    /// The budget does not allow the call. In words.
    Budget(String),
    /// Anything else, for the caller.
    Final(MetadataError),
}

/// What the server says of its context, where it says something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TooLong {
    /// Tokens that the context holds.
    pub(crate) context: Option<usize>,
    /// Tokens of the prompt, by the server's own count.
    pub(crate) prompt: Option<usize>,
}

/// One attempt's failure.
enum Attempt {
    Again {
        reason: String,
        wait: Option<Duration>,
    },
    Stop(Failure),
}

pub(crate) struct Transport {
    client: reqwest::Client,
    url: reqwest::Url,
    key: Option<SecretString>,
    /// Host and model, as charges name them.
    provider: String,
    model: String,
    timeouts: AnswerTimeouts,
    retries: RetryLimits,
    permits: Semaphore,
    extra_body: Map<String, Value>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Transport")
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl Transport {
    pub(crate) fn new(
        settings: &MetadataSettings,
        endpoint: &LlmEndpoint,
    ) -> Result<Self, MetadataError> {
        let address = format!(
            "{}/chat/completions",
            endpoint.base_url.trim_end_matches('/')
        );
        let url = reqwest::Url::parse(&address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                MetadataError::Configuration(
                    "the LLM's base URL is no http or https address; set it to one such as https://host/v1".to_owned(),
                )
            })?;
        let client = pagemill_http::client()
            // A redirect would carry the document and the key elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|error| {
                MetadataError::Configuration(format!("the HTTP client can't be built ({error})"))
            })?;
        Ok(Self {
            client,
            provider: url.host_str().unwrap_or_default().to_owned(),
            model: settings.model.clone(),
            url,
            key: endpoint.api_key.clone(),
            timeouts: settings.timeouts,
            retries: settings.retries,
            permits: Semaphore::new(settings.concurrency as usize),
            extra_body: settings.extra_body.clone(),
        })
    }

    /// The host of the server.
    pub(crate) fn host(&self) -> &str {
        &self.provider
    }

    /// Sends a request, and again after a 429, a 5xx, a time-out or a lost connection. Each call is told to `meter`, whatever
    /// came of it; one whose answer never came may have been paid for too, and nobody can say.
    pub(crate) async fn complete(
        &self,
        request: &CreateChatCompletionRequest,
        request_sha: &str,
        most: &Units,
        meter: &Meter<'_>,
    ) -> Result<Completion, Failure> {
        let mut body = serde_json::to_value(request).map_err(|error| {
            Failure::Final(MetadataError::Configuration(format!(
                "the request can't be written ({error})"
            )))
        })?;
        if let Some(fields) = body.as_object_mut() {
            fields.extend(self.extra_body.clone());
        }
        let deadline = Instant::now() + Duration::from_secs(self.retries.max_total_seconds);
        let mut waits = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(self.retries.first_wait_millis.max(1)))
            .with_max_delay(Duration::from_millis(
                self.retries.longest_wait_millis.max(1),
            ))
            .with_max_times(self.retries.max_retries as usize)
            .build();
        loop {
            let reserved = meter.reserve(&self.model, most).await?;
            let (ended, call) = self.attempt(&body, meter).await;
            let call = PaidCall {
                request_sha: Some(request_sha.to_owned()),
                reserved,
                ..call
            };
            meter.charge(call).await?;
            let (reason, asked) = match ended {
                Ok(completion) => return Ok(completion),
                Err(Attempt::Stop(failure)) => return Err(failure),
                Err(Attempt::Again { reason, wait }) => (reason, wait),
            };
            let unavailable = |reason| {
                Failure::Final(MetadataError::Unavailable {
                    dependency: Dependency::Llm,
                    reason,
                    retry_after: asked,
                })
            };
            let Some(own_wait) = waits.next() else {
                return Err(unavailable(reason));
            };
            let wait = asked.unwrap_or(own_wait);
            if Instant::now() + wait >= deadline {
                return Err(unavailable(reason));
            }
            tracing::warn!(
                reason,
                wait_millis = wait.as_millis() as u64,
                "llm request is tried again"
            );
            meter.retried();
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends a request once. The call is to be charged whatever came of it.
    async fn attempt(
        &self,
        body: &Value,
        meter: &Meter<'_>,
    ) -> (Result<Completion, Attempt>, PaidCall) {
        let call = |outcome| PaidCall {
            outcome,
            ..PaidCall::answered(&self.provider, &self.model, Units::default())
        };
        let answer = match self.send(body, meter).await {
            Ok(answer) => answer,
            Err(reason) => return (Err(again(reason)), call(CallOutcome::Lost)),
        };
        let parsed: Option<Value> = match answer.is_stream {
            true => stream::body(&answer.bytes),
            false => serde_json::from_slice(&answer.bytes).ok(),
        };
        let told = Told::of(parsed.as_ref());
        // A server that fails in the middle of a stream has said 200 before.
        let is_success = answer.status.is_success();
        let (used, has_choices) = parsed.as_ref().map_or((&Value::Null, false), |body| {
            (&body["usage"], body["choices"].is_array())
        });
        // What is neither a completion nor says what it used is of something that stands before the model.
        let is_of_model = is_success && (used.is_object() || has_choices);
        let units = Units {
            input_tokens: used["prompt_tokens"].as_u64(),
            cached_tokens: used["prompt_tokens_details"]["cached_tokens"].as_u64(),
            output_tokens: used["completion_tokens"].as_u64(),
            ..Units::default()
        };
        if !is_success || told.is_error {
            let outcome = match is_of_model {
                true => CallOutcome::Unusable,
                false => CallOutcome::Rejected,
            };
            let call = PaidCall {
                units,
                ..call(outcome)
            };
            return (Err(refused(&told, &answer)), call);
        }
        let completed = match answer.broken {
            None => parsed.as_ref().and_then(completion),
            Some(_) => None,
        };
        let Some(completed) = completed else {
            let outcome = match (is_of_model, answer.broken) {
                (true, _) => CallOutcome::Unusable,
                (false, Some(_)) => CallOutcome::Lost,
                (false, None) => CallOutcome::Rejected,
            };
            let reason = answer.broken.unwrap_or("the answer is no chat completion");
            let call = PaidCall {
                units,
                ..call(outcome)
            };
            return (Err(again(reason)), call);
        };
        let outcome = match (completed.was_refused, completed.was_cut) {
            (true, _) => CallOutcome::Refused,
            (false, true) => CallOutcome::Cut,
            (false, false) => CallOutcome::Answered,
        };
        let call = PaidCall {
            units,
            answer: parsed.map(|body| body.to_string()),
            ..call(outcome)
        };
        (Ok(completed), call)
    }

    /// What the server sends back; why nothing came.
    async fn send(&self, body: &Value, meter: &Meter<'_>) -> Result<Sent, &'static str> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| "the request was given up")?;
        let idle = Duration::from_secs(self.timeouts.idle_seconds);
        let ends = Instant::now() + Duration::from_secs(self.timeouts.answer_seconds);
        let until = || (Instant::now() + idle).min(ends);
        let mut request = self.client.post(self.url.clone()).json(body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        let mut response = tokio::time::timeout_at(until(), request.send())
            .await
            .map_err(|_| "timed out")?
            .map_err(|error| what_happened(&error))?;
        let mut sent = Sent {
            status: response.status(),
            wait: retry_after(response.headers()),
            is_stream: stream::is_one(response.headers()),
            bytes: Vec::new(),
            broken: None,
        };
        sent.broken = loop {
            match tokio::time::timeout_at(until(), response.chunk()).await {
                Ok(Ok(None)) => break None,
                Ok(Ok(Some(chunk))) => sent.bytes.extend_from_slice(&chunk),
                Ok(Err(error)) => break Some(what_happened(&error)),
                Err(_) if Instant::now() >= ends => break Some("the answer took too long"),
                Err(_) => break Some("timed out"),
            }
            meter.alive();
            if sent.bytes.len() > MAX_RESPONSE_BYTES {
                break Some("the answer is too large");
            }
        };
        Ok(sent)
    }
}

/// What a server sent back.
struct Sent {
    status: reqwest::StatusCode,
    /// How long it asks to wait.
    wait: Option<Duration>,
    is_stream: bool,
    bytes: Vec<u8>,
    /// Why the rest did not come.
    broken: Option<&'static str>,
}

fn again(reason: &str) -> Attempt {
    Attempt::Again {
        reason: reason.to_owned(),
        wait: None,
    }
}

fn refused(told: &Told, answer: &Sent) -> Attempt {
    match told.refusal(answer.status) {
        Refusal::Configuration { reason, remedy } => {
            Attempt::Stop(Failure::Final(MetadataError::Refused { reason, remedy }))
        }
        Refusal::TooLong(too_long) => Attempt::Stop(Failure::TooLong(too_long)),
        Refusal::Filtered => Attempt::Stop(Failure::Filtered),
        Refusal::NotAccepted { reason, named } => {
            Attempt::Stop(Failure::NotAccepted { reason, named })
        }
        Refusal::Trouble { reason, wait } => Attempt::Again {
            reason,
            wait: answer.wait.or(wait),
        },
    }
}

/// Counts what the calls for one document use, and tells whom it concerns.
pub(crate) struct Meter<'a> {
    usage: Mutex<Usage>,
    told: Mutex<Option<Instant>>,
    charges: &'a dyn ChargeSink,
}

/// How often the sink is told that an answer comes in.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

impl<'a> Meter<'a> {
    pub(crate) fn new(charges: &'a dyn ChargeSink) -> Self {
        Self {
            usage: Mutex::default(),
            told: Mutex::default(),
            charges,
        }
    }

    /// What was used so far.
    pub(crate) fn usage(&self) -> Usage {
        *self.locked()
    }

    /// Bytes of an answer came.
    fn alive(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() >= SIGN_OF_LIFE) {
            *told = Some(Instant::now());
            self.charges.answering();
        }
    }

    fn retried(&self) {
        self.locked().retries += 1;
    }

    /// The answer that was given to the same request before.
    pub(crate) async fn kept(&self, request_sha: &str) -> Result<Option<Completion>, NotCharged> {
        let kept = self.charges.kept(request_sha).await?;
        let body = kept.and_then(|kept| serde_json::from_str::<Value>(&kept).ok());
        Ok(body.as_ref().and_then(completion))
    }

    /// Asks leave for a call.
    async fn reserve(&self, model: &str, most: &Units) -> Result<Reserved, Failure> {
        let reserved = self.charges.reserve(model, most).await;
        reserved.map_err(|error| match error {
            NotReserved::Budget(budget) => Failure::Budget(budget),
            NotReserved::Stop(error) => Failure::Final(MetadataError::NotPermitted(error)),
        })
    }

    /// Tells a call.
    async fn charge(&self, call: PaidCall) -> Result<(), Failure> {
        if call.outcome.is_answer() {
            let mut usage = self.locked();
            usage.calls += 1;
            usage.input_tokens += call.units.input_tokens.unwrap_or_default();
            usage.output_tokens += call.units.output_tokens.unwrap_or_default();
        }
        let charged = self.charges.charge(call).await;
        charged.map_err(|error| Failure::Final(MetadataError::NotPermitted(error)))
    }

    fn locked(&self) -> MutexGuard<'_, Usage> {
        // Plain numbers: a panic elsewhere can't leave them half written.
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kind of a client error, without the address.
fn what_happened(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "can't connect"
    } else {
        "the connection was lost"
    }
}

/// Reads what is needed of a completion; lenient, since compatible servers leave fields out.
fn completion(body: &Value) -> Option<Completion> {
    let choice = body["choices"].get(0)?;
    let message = choice.get("message")?;
    let content = message["content"].as_str().unwrap_or_default().to_owned();
    let finish = choice["finish_reason"].as_str().unwrap_or_default();
    Some(Completion {
        was_cut: finish == "length" || finish == "max_tokens",
        was_refused: finish == "content_filter"
            || (content.is_empty() && message["refusal"].is_string()),
        content,
    })
}

/// The wait that the server asks for: seconds or an HTTP date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    let wait = at.duration_since(jiff::Timestamp::now());
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().expect("a header value"));
        retry_after(&headers)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(parsed("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            parsed("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::ZERO)
        );
        let future = parsed("Sat, 06 Nov 2094 08:49:37 GMT").expect("a date");
        assert!(future > Duration::from_secs(1_000_000));
        assert_eq!(parsed("soon"), None);
    }
}
