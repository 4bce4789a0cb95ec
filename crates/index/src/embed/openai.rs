//! An endpoint that speaks OpenAI's embeddings API (`POST /embeddings`).
//!
//! The call is made here and not through a client library because the `Retry-After` header decides what happens next,
//! and the library does not show headers.

use std::time::Duration;

use async_trait::async_trait;
use pagemill_document::{CallOutcome, ChargeSink, PaidCall, Reserved, Units};
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::embed::{EmbedEndpoint, Embedder, Embedding, Purpose, weighted_mean};
use crate::error::{Dependency, IndexError};
use crate::settings::Tokenizer;

/// Most tokens of one text. OpenAI's models read 8,192; the rest is room for other tokenizers.
const WINDOW_TOKENS: u32 = 8_000;

/// Most tokens of one request. OpenAI takes 300,000.
const REQUEST_TOKENS: u32 = 250_000;

/// Calls for one request before its failure is given to the caller.
const ATTEMPTS: u32 = 4;

/// First wait after a failure that names no time; doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Longest wait here. What asks for more is given to the caller, who has better things to do than to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Most characters of an endpoint's message in an error.
const MESSAGE_CHARS: usize = 300;

/// An OpenAI-compatible endpoint.
#[derive(Debug)]
pub(crate) struct OpenAi {
    client: Client,
    url: String,
    /// The host, as charges name it.
    provider: String,
    api_key: Option<SecretString>,
    model: String,
    dimensions: usize,
    batch: usize,
}

#[derive(Serialize)]
struct EmbeddingRequest<'a> {
    model: &'a str,
    input: &'a [&'a str],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
struct EmbeddingResponse {
    data: Vec<EmbeddingRow>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
struct EmbeddingRow {
    index: usize,
    embedding: Vec<f32>,
}

#[derive(Debug, Clone, Copy, Deserialize, Default)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
}

/// What is left of an answer without vectors that can be read.
#[derive(Deserialize)]
struct OnlyUsage {
    usage: Usage,
}

/// A part of a text that fits the model's window.
struct Window<'a> {
    text: usize,
    content: &'a str,
    tokens: u32,
}

impl OpenAi {
    /// Prepares the client. Nothing is sent yet.
    pub(crate) fn new(
        endpoint: &EmbedEndpoint,
        model: &str,
        dimensions: u32,
        batch: u32,
    ) -> Result<Self, IndexError> {
        let base_url = endpoint.base_url.trim_end_matches('/');
        if !(base_url.starts_with("http://") || base_url.starts_with("https://"))
            || base_url.contains('@')
        {
            return Err(IndexError::Settings {
                setting: "the base URL of the embedder".to_owned(),
                value: "what is given".to_owned(),
                remedy: "use a URL such as https://api.openai.com/v1, and give the key apart"
                    .to_owned(),
            });
        }
        let client = pagemill_http::client()
            .timeout(endpoint.timeout)
            .build()
            .map_err(|error| IndexError::Settings {
                setting: "the embedder's HTTP client".to_owned(),
                value: "made".to_owned(),
                remedy: error.to_string(),
            })?;
        Ok(Self {
            client,
            provider: host_of(base_url).to_owned(),
            url: format!("{base_url}/embeddings"),
            api_key: endpoint.api_key.clone(),
            model: model.to_owned(),
            dimensions: dimensions as usize,
            batch: batch.max(1) as usize,
        })
    }

    /// Sends one request, again after failures that pass. Counts the calls.
    async fn request(
        &self,
        input: &[&str],
        calls: &mut u64,
        charges: &dyn ChargeSink,
    ) -> Result<EmbeddingResponse, IndexError> {
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            *calls += 1;
            let error = match self.call(input, charges).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let may_pass = matches!(
                error,
                IndexError::Unavailable { .. } | IndexError::Throttled { .. }
            );
            let pause = error.retry_after().unwrap_or(wait);
            if !may_pass || attempt == ATTEMPTS || pause > LONGEST_WAIT {
                return Err(error);
            }
            tracing::warn!(%error, attempt, pause_seconds = pause.as_secs_f32(), "embedding is tried again");
            tokio::time::sleep(pause).await;
            wait *= 2;
        }
        unreachable!("the loop ends at the last attempt")
    }

    async fn call(
        &self,
        input: &[&str],
        charges: &dyn ChargeSink,
    ) -> Result<EmbeddingResponse, IndexError> {
        let dimensions = self
            .model
            .contains("text-embedding-3")
            .then_some(self.dimensions);
        let body = EmbeddingRequest {
            model: &self.model,
            input,
            encoding_format: "float",
            dimensions,
        };
        let bytes = serde_json::to_vec(&body).map_err(|error| self.rejected(&error.to_string()))?;
        let mut request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .body(bytes);
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key.expose_secret());
        }
        // No text has more tokens than bytes; most have a quarter of that, and more is set aside only until the answer comes.
        let bytes: usize = input.iter().map(|text| text.len()).sum();
        let most = Units {
            input_tokens: Some(bytes as u64),
            ..Units::default()
        };
        let reserved = charges.reserve(&self.model, &most).await;
        let reserved = reserved.map_err(|error| IndexError::NotPermitted(error.into()))?;
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                self.charge_failed(CallOutcome::Lost, reserved, charges)
                    .await?;
                return Err(self.unavailable(&error));
            }
        };
        if !response.status().is_success() {
            let failure = self.failure(response).await;
            self.charge_failed(CallOutcome::Rejected, reserved, charges)
                .await?;
            return Err(failure);
        }
        let answer = match response.bytes().await {
            Ok(answer) => answer,
            Err(error) => {
                self.charge_failed(CallOutcome::Lost, reserved, charges)
                    .await?;
                return Err(self.unavailable(&error));
            }
        };
        let parsed = serde_json::from_slice::<EmbeddingResponse>(&answer);
        let used = match &parsed {
            Ok(answer) => Some(answer.usage),
            // Vectors of another form cost what good ones cost.
            Err(_) => serde_json::from_slice::<OnlyUsage>(&answer)
                .ok()
                .map(|answer| answer.usage),
        };
        if let Some(used) = used {
            self.charge(used, input.len(), reserved, charges).await?;
        } else {
            let failed = self.charge_failed(CallOutcome::Rejected, reserved, charges);
            failed.await?;
        }
        parsed.map_err(|error| IndexError::Unavailable {
            dependency: Dependency::Embedder,
            reason: format!("{} gave an answer that is no embedding: {error}", self.url),
        })
    }

    async fn charge(
        &self,
        used: Usage,
        texts: usize,
        reserved: Reserved,
        charges: &dyn ChargeSink,
    ) -> Result<(), IndexError> {
        let units = Units {
            input_tokens: used.prompt_tokens,
            texts: Some(texts as u64),
            ..Units::default()
        };
        let call = PaidCall {
            reserved,
            ..PaidCall::answered(&self.provider, &self.model, units)
        };
        let charged = charges.charge(call).await;
        charged.map_err(|error| IndexError::NotPermitted(Box::new(error)))
    }

    /// A call without an answer, for the ledger.
    async fn charge_failed(
        &self,
        outcome: CallOutcome,
        reserved: Reserved,
        charges: &dyn ChargeSink,
    ) -> Result<(), IndexError> {
        let call = PaidCall {
            outcome,
            reserved,
            ..PaidCall::answered(&self.provider, &self.model, Units::default())
        };
        let charged = charges.charge(call).await;
        charged.map_err(|error| IndexError::NotPermitted(Box::new(error)))
    }

    async fn failure(&self, response: Response) -> IndexError {
        let dependency = Dependency::Embedder;
        let status = response.status();
        let seconds = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.text().await.unwrap_or_default();
        let said: String = text
            .chars()
            .filter(|letter| !letter.is_control())
            .take(MESSAGE_CHARS)
            .collect();
        let reason = format!("{} answered {status}: {said}", self.url);
        match status {
            // Out of money looks like throttling, but no waiting helps.
            StatusCode::TOO_MANY_REQUESTS if text.contains("insufficient_quota") => {
                IndexError::Refused { dependency, reason }
            }
            StatusCode::TOO_MANY_REQUESTS => IndexError::Throttled {
                dependency,
                retry_after: seconds.map(Duration::from_secs),
                reason,
            },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                IndexError::Refused { dependency, reason }
            }
            // The model or the path is not there: the configuration, not the document.
            StatusCode::NOT_FOUND => IndexError::Refused { dependency, reason },
            _ if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT => {
                IndexError::Rejected { dependency, reason }
            }
            _ => IndexError::Unavailable { dependency, reason },
        }
    }

    fn unavailable(&self, error: &reqwest::Error) -> IndexError {
        let mut reason = format!("can't call {}", self.url);
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(found) = cause {
            reason.push_str(": ");
            reason.push_str(&found.to_string());
            cause = found.source();
        }
        IndexError::Unavailable {
            dependency: Dependency::Embedder,
            reason,
        }
    }

    fn rejected(&self, reason: &str) -> IndexError {
        IndexError::Rejected {
            dependency: Dependency::Embedder,
            reason: reason.to_owned(),
        }
    }

    /// The vectors of an answer in the order asked for.
    fn ordered(
        &self,
        answer: EmbeddingResponse,
        expected: usize,
    ) -> Result<Vec<Vec<f32>>, IndexError> {
        let mut vectors: Vec<Option<Vec<f32>>> = vec![None; expected];
        for row in answer.data {
            if row.embedding.len() != self.dimensions {
                return Err(IndexError::WrongEmbedding {
                    found: row.embedding.len(),
                    expected: self.dimensions,
                });
            }
            if let Some(place) = vectors.get_mut(row.index) {
                *place = Some(row.embedding);
            }
        }
        vectors
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| IndexError::Unavailable {
                dependency: Dependency::Embedder,
                reason: format!("{} left out some of {expected} texts", self.url),
            })
    }
}

/// The host of an address, without scheme, port and path.
fn host_of(base_url: &str) -> &str {
    let after = base_url
        .split_once("://")
        .map_or(base_url, |(_, rest)| rest);
    let authority = after.split('/').next().unwrap_or(after);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Halves a text at white space until each part fits the window.
fn push_windows<'a>(text: usize, content: &'a str, windows: &mut Vec<Window<'a>>) {
    let tokens = Tokenizer::Cl100kBase.count(content);
    let half = content.floor_char_boundary(content.len() / 2);
    if tokens <= WINDOW_TOKENS || half == 0 {
        windows.push(Window {
            text,
            content,
            tokens,
        });
        return;
    }
    let middle = content[..half]
        .rfind(char::is_whitespace)
        .filter(|place| *place > half / 2)
        .unwrap_or(half);
    push_windows(text, &content[..middle], windows);
    push_windows(text, &content[middle..], windows);
}

/// How many windows from the first on go into one request.
fn request_len(windows: &[Window<'_>], most: usize) -> usize {
    let mut tokens = 0;
    let fits = windows.iter().take(most).take_while(|window| {
        tokens += window.tokens;
        tokens <= REQUEST_TOKENS
    });
    fits.count().max(1)
}

#[async_trait]
impl Embedder for OpenAi {
    fn name(&self) -> String {
        format!("openai {}", self.model)
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn paid_model(&self) -> Option<String> {
        Some(self.model.clone())
    }

    async fn embed(
        &self,
        texts: &[String],
        _: Purpose,
        charges: &dyn ChargeSink,
    ) -> Result<Embedding, IndexError> {
        let mut windows = Vec::new();
        for (text, content) in texts.iter().enumerate() {
            // An empty input is an error of the API.
            if !content.trim().is_empty() {
                push_windows(text, content, &mut windows);
            }
        }
        let mut embedding = Embedding::default();
        let mut parts: Vec<Vec<(Vec<f32>, f32)>> = vec![Vec::new(); texts.len()];
        let mut rest = windows.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(request_len(rest, self.batch));
            let input: Vec<&str> = batch.iter().map(|window| window.content).collect();
            let answer = self.request(&input, &mut embedding.calls, charges).await?;
            embedding.tokens += answer.usage.prompt_tokens.unwrap_or(0);
            for (window, vector) in batch.iter().zip(self.ordered(answer, batch.len())?) {
                parts[window.text].push((vector, window.tokens as f32));
            }
            rest = after;
        }
        embedding.vectors = parts
            .iter()
            .map(|of_text| weighted_mean(of_text, self.dimensions))
            .collect();
        Ok(embedding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_halved_into_windows_that_fit_and_lose_nothing() {
        let text = "word and another ".repeat(9_000);
        let mut windows = Vec::new();
        push_windows(0, &text, &mut windows);
        assert!(windows.len() > 2);
        assert!(windows.iter().all(|window| window.tokens <= WINDOW_TOKENS));
        let joined: String = windows.iter().map(|window| window.content).collect();
        assert_eq!(joined, text);
    }

    #[test]
    fn a_charge_names_the_host_and_nothing_else_of_the_address() {
        assert_eq!(host_of("https://api.example.com/v1"), "api.example.com");
        assert_eq!(host_of("http://127.0.0.1:8080/v1"), "127.0.0.1");
        assert_eq!(host_of("http://[::1]:8080"), "[::1]");
        assert_eq!(host_of("http://[::1]/v1"), "[::1]");
    }

    #[test]
    fn a_request_keeps_both_limits() {
        let window = |tokens| Window {
            text: 0,
            content: "",
            tokens,
        };
        let windows = [window(200_000), window(40_000), window(20_000), window(1)];
        assert_eq!(request_len(&windows, 10), 2);
        assert_eq!(request_len(&windows, 1), 1);
        assert_eq!(request_len(&[window(300_000)], 10), 1);
    }
}
