//! What a server means that does not answer: which of its errors are the settings' fault, the document's, or pass.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use reqwest::StatusCode;
use serde_json::Value;

use super::transport::TooLong;

/// What an error means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No document will pass until a person changes something.
    Configuration { reason: String, remedy: String },
    /// Prompt and answer do not fit the model's context.
    TooLong(TooLong),
    /// A filter of the server does not take this document.
    Filtered,
    /// The request is not taken as it is; perhaps in a simpler form.
    NotAccepted { reason: String, named: Named },
    /// It passes; after this time, where the body says so.
    Trouble {
        reason: String,
        wait: Option<Duration>,
    },
}

/// The part of a request that a refusal names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// None that could be left out.
    Nothing,
    Temperature,
    Seed,
    /// `max_tokens` or `max_completion_tokens`.
    OutputLimit,
    Stream,
    StreamOptions,
}

impl Named {
    /// By the parameter that an error names, else by its words, in small letters.
    fn of(parameter: &str, message: &str) -> Self {
        // The longer names first: one begins with another.
        let names = [
            ("stream_options", Self::StreamOptions),
            ("max_completion_tokens", Self::OutputLimit),
            ("max_tokens", Self::OutputLimit),
            ("temperature", Self::Temperature),
            ("seed", Self::Seed),
            ("stream", Self::Stream),
        ];
        let find = |text: &str| names.iter().find(|(name, _)| text.contains(name));
        let found = find(parameter).or_else(|| find(message));
        found.map_or(Self::Nothing, |(_, named)| *named)
    }
}

/// The error object of a response, as far as it was read.
#[derive(Debug)]
pub(crate) struct Told {
    /// Whether there is an error object.
    pub(crate) is_error: bool,
    code: String,
    /// Lower case. Servers repeat parts of the request in it: it is looked into, and never shown.
    message: String,
    status: Option<u16>,
    too_long: TooLong,
    named: Named,
    wait: Option<Duration>,
}

static CONTEXT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?:maximum context length is|context size of|context length of|tokens allowed \(|tokens >)\s*(\d{3,8})",
    )
        .expect("pattern is valid")
});
static PROMPT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?:resulted in |\(|too long: )(\d{3,8}) (?:tokens|in the messages)|input token count \((\d{3,8})\)",
    )
        .expect("pattern is valid")
});

impl Told {
    /// What a body says of an error.
    pub(crate) fn of(body: Option<&Value>) -> Self {
        // Gemini's compatible endpoint puts the object into a list.
        let body = body.map(|body| body.get(0).unwrap_or(body));
        let error = body.map_or(&Value::Null, |body| &body["error"]);
        let words = [&error["code"], &error["type"], &error["status"]]
            .into_iter()
            .find_map(Value::as_str)
            .unwrap_or_default();
        // Codes are short names; anything else is text that may be of the request.
        let code = words
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "_-. ".contains(*c))
            .take(60)
            .collect();
        let message = error["message"]
            .as_str()
            .or_else(|| error.as_str())
            .unwrap_or_default()
            .to_lowercase();
        let number = |value: &Value| value.as_u64().and_then(|value| usize::try_from(value).ok());
        let within = |pattern: &Regex| {
            let found = pattern.captures(&message)?;
            let number = found.iter().skip(1).flatten().next()?;
            number.as_str().parse().ok()
        };
        let too_long = TooLong {
            context: number(&error["n_ctx"]).or_else(|| within(&CONTEXT)),
            prompt: number(&error["n_prompt_tokens"]).or_else(|| within(&PROMPT)),
        };
        let parameter = error["param"].as_str().unwrap_or_default().to_lowercase();
        Self {
            named: Named::of(&parameter, &message),
            wait: retry_delay(error),
            is_error: error.is_object() || error.is_string(),
            code,
            message,
            status: error["code"].as_u64().and_then(|code| code.try_into().ok()),
            too_long,
        }
    }

    fn is_too_long(&self) -> bool {
        let codes = [
            "context_length",
            "exceed_context_size",
            "context_window",
            "string_above_max_length",
        ];
        let words = [
            "context length",
            "maximum context",
            "context size",
            "context window",
            "prompt is too long",
            "input token count",
            "too many tokens",
        ];
        codes.iter().any(|code| self.code.contains(code))
            || words.iter().any(|words| self.message.contains(words))
    }

    /// What it means, for a response of this status.
    pub(crate) fn refusal(&self, status: StatusCode) -> Refusal {
        // The error of a stream that began well has a status of its own.
        let status = match status.is_success() {
            true => self.status.unwrap_or(500),
            false => status.as_u16(),
        };
        let reason = match self.code.is_empty() {
            true => format!("status {status}"),
            false => format!("status {status}, {}", self.code),
        };
        let refused = |remedy: &str| Refusal::Configuration {
            reason: reason.clone(),
            remedy: remedy.to_owned(),
        };
        match status {
            401 | 403 => refused("check the API key and what it may use"),
            402 => refused("check the account's balance"),
            404 => refused("check the base URL and the model's name"),
            429 if self.code == "insufficient_quota" => {
                refused("check the account's quota and balance")
            }
            // Anthropic says so with a 400, Gemini with a 403 or 400.
            400 if self.message.contains("credit balance") || self.message.contains("billing") => {
                refused("check the account's balance")
            }
            400 if self.message.contains("api key") => {
                refused("check the API key and what it may use")
            }
            400 | 413 | 422 | 500 if self.is_too_long() => Refusal::TooLong(self.too_long),
            413 => Refusal::TooLong(TooLong::default()),
            400 | 422
                if self.code.contains("content_filter") || self.code.contains("content_policy") =>
            {
                Refusal::Filtered
            }
            400 | 422 => Refusal::NotAccepted {
                reason,
                named: self.named,
            },
            408 | 409 | 425 | 429 | 500..=599 => Refusal::Trouble {
                reason,
                wait: self.wait,
            },
            _ => refused(
                "check the base URL; the server answers with a status that has no meaning here",
            ),
        }
    }
}

/// The wait that Gemini asks for in the details of an error: `{"@type": "…RetryInfo", "retryDelay": "37s"}`.
fn retry_delay(error: &Value) -> Option<Duration> {
    let mut details = error["details"].as_array()?.iter();
    let delay = details.find_map(|detail| detail["retryDelay"].as_str())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn too_long(error: Value) -> Option<TooLong> {
        let told = Told::of(Some(&json!({"error": error})));
        match told.refusal(StatusCode::BAD_REQUEST) {
            Refusal::TooLong(too_long) => Some(too_long),
            _ => None,
        }
    }

    #[test]
    fn servers_say_in_several_ways_that_a_prompt_is_too_long() {
        let with_both = Some(TooLong {
            context: Some(4096),
            prompt: Some(5210),
        });
        let llama = json!({"code": 400, "type": "exceed_context_size_error", "n_ctx": 4096, "n_prompt_tokens": 5210,
            "message": "the request exceeds the available context size"});
        assert_eq!(too_long(llama), with_both);
        let openai = json!({"code": "context_length_exceeded", "message":
            "This model's maximum context length is 4096 tokens. However, your messages resulted in 5210 tokens. Please ..."});
        assert_eq!(too_long(openai), with_both);
        let vllm = json!({"code": 400, "type": "BadRequestError", "message":
            "This model's maximum context length is 4096 tokens. However, you requested 8210 tokens (5210 in the messages, 3000 in the completion)"});
        assert_eq!(too_long(vllm), with_both);
        let anthropic = json!({"type": "invalid_request_error", "message": "prompt is too long: 5210 tokens > 4096 maximum"});
        assert_eq!(too_long(anthropic), with_both);
        let gemini = json!({"code": 400, "status": "INVALID_ARGUMENT", "message":
            "The input token count (5210) exceeds the maximum number of tokens allowed (4096)."});
        assert_eq!(too_long(gemini), with_both);
        assert_eq!(too_long(json!({"code": "invalid_model"})), None);
    }

    #[test]
    fn a_server_that_does_not_stream_is_understood() {
        let told = Told::of(Some(
            &json!({"error": {"message": "Unknown field: stream_options"}}),
        ));
        let Refusal::NotAccepted { named, reason } = told.refusal(StatusCode::BAD_REQUEST) else {
            panic!("another refusal");
        };
        assert_eq!(named, Named::StreamOptions);
        assert!(!reason.contains("field"), "{reason}");
    }
}
