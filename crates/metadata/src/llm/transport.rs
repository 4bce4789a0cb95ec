//! Requests to an OpenAI-compatible server, with bounded retries.
//!
//! The requests are async-openai's types; the sending is ours, because its client hides the `Retry-After` header and
//! writes response bodies, which hold document text, to the log.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_openai::types::chat::CreateChatCompletionRequest;
use backon::{BackoffBuilder, ExponentialBuilder};
use pagemill_document::{ChargeSink, Dependency, NotCharged, PaidCall, Units};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::error::MetadataError;
use crate::settings::{LlmEndpoint, MetadataSettings, RetryLimits};
use crate::usage::Usage;

/// Most bytes of a response that are read.
const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

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
    NotAccepted(String),
    /// The prompt was filtered by the server: this document's fault.
    Filtered,
    /// Anything else, for the caller.
    Final(MetadataError),
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
    timeout: Duration,
    retries: RetryLimits,
    permits: Semaphore,
    extra_body: Map<String, Value>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Transport")
            .field("timeout", &self.timeout)
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
            .connect_timeout(endpoint.timeout.min(Duration::from_secs(15)))
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
            timeout: endpoint.timeout,
            retries: settings.retries,
            permits: Semaphore::new(settings.concurrency as usize),
            extra_body: settings.extra_body.clone(),
        })
    }

    /// Sends a request, and again after a 429, a 5xx, a time-out or a lost connection. What each answer used is told to
    /// `meter`, whether or not it is of any use. A call whose answer never came may have been paid for too; nobody can say.
    pub(crate) async fn complete(
        &self,
        request: &CreateChatCompletionRequest,
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
            let (reason, asked) = match self.attempt(&body, deadline, meter).await {
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

    async fn attempt(
        &self,
        body: &Value,
        deadline: Instant,
        meter: &Meter<'_>,
    ) -> Result<Completion, Attempt> {
        let again = |reason: &str| Attempt::Again {
            reason: reason.to_owned(),
            wait: None,
        };
        let permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| again("the request was given up"))?;
        let left = deadline.saturating_duration_since(Instant::now());
        let mut request = self
            .client
            .post(self.url.clone())
            .timeout(self.timeout.min(left))
            .json(body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        let mut response = request
            .send()
            .await
            .map_err(|error| again(what_happened(&error)))?;
        let status = response.status();
        let wait = retry_after(response.headers());
        let mut bytes = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| again(what_happened(&error)))?
        {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_RESPONSE_BYTES {
                return Err(again("the answer is too large"));
            }
        }
        drop(permit);
        let parsed: Option<Value> = serde_json::from_slice(&bytes).ok();
        if status.is_success() {
            let no_completion = || again("the answer is no chat completion");
            let body = parsed.ok_or_else(no_completion)?;
            let charged = meter.charge(&self.provider, &self.model, &body).await;
            charged.map_err(|error| {
                Attempt::Stop(Failure::Final(MetadataError::NotPermitted(error)))
            })?;
            return completion(&body).ok_or_else(no_completion);
        }
        let error = parsed.as_ref().map_or(&Value::Null, |body| &body["error"]);
        let code = error["code"]
            .as_str()
            .or_else(|| error["type"].as_str())
            .unwrap_or_default();
        let code: String = code
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "_-. ".contains(*c))
            .take(60)
            .collect();
        let message = error["message"].as_str().unwrap_or_default().to_lowercase();
        let reason = if code.is_empty() {
            format!("status {status}")
        } else {
            format!("status {status}, {code}")
        };
        let refused = |remedy: &str| {
            Attempt::Stop(Failure::Final(MetadataError::Refused {
                reason: reason.clone(),
                remedy: remedy.to_owned(),
            }))
        };
        let is_too_long = code.contains("context_length")
            || message.contains("context length")
            || message.contains("maximum context");
        Err(match status.as_u16() {
            401 | 403 => refused("check the API key and what it may use"),
            402 => refused("check the account's balance"),
            404 => refused("check the base URL and the model's name"),
            413 => refused("lower max_input_tokens"),
            429 if code == "insufficient_quota" => refused("check the account's quota and balance"),
            400 | 422 if is_too_long => refused(
                "lower max_input_tokens or max_output_tokens so that both fit the model's context",
            ),
            400 | 422 if code.contains("content_filter") || code.contains("content_policy") => {
                Attempt::Stop(Failure::Filtered)
            }
            400 | 422 => Attempt::Stop(Failure::NotAccepted(reason)),
            408 | 409 | 425 | 429 | 500..=599 => Attempt::Again { reason, wait },
            _ => refused(
                "check the base URL; the server answers with a status that has no meaning here",
            ),
        })
    }
}

/// Counts what the calls for one document use, and tells whom it concerns.
pub(crate) struct Meter<'a> {
    usage: Mutex<Usage>,
    charges: &'a dyn ChargeSink,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(charges: &'a dyn ChargeSink) -> Self {
        Self {
            usage: Mutex::default(),
            charges,
        }
    }

    /// What was used so far.
    pub(crate) fn usage(&self) -> Usage {
        *self.locked()
    }

    fn retried(&self) {
        self.locked().retries += 1;
    }

    /// Charges for an answer of the model. What is neither a completion nor says what it used is of something that stands
    /// before the model, and costs nothing.
    async fn charge(&self, provider: &str, model: &str, body: &Value) -> Result<(), NotCharged> {
        let (used, is_completion) = (&body["usage"], body["choices"].is_array());
        if !used.is_object() && !is_completion {
            return Ok(());
        }
        let units = Units {
            input_tokens: used["prompt_tokens"].as_u64(),
            cached_tokens: used["prompt_tokens_details"]["cached_tokens"].as_u64(),
            output_tokens: used["completion_tokens"].as_u64(),
            ..Units::default()
        };
        {
            let mut usage = self.locked();
            usage.calls += 1;
            usage.input_tokens += units.input_tokens.unwrap_or_default();
            usage.output_tokens += units.output_tokens.unwrap_or_default();
        }
        let call = PaidCall {
            provider: provider.to_owned(),
            model: model.to_owned(),
            units,
        };
        self.charges.charge(call).await
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
        was_cut: finish == "length",
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
