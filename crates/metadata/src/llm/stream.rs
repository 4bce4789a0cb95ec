//! An answer that comes in pieces: server-sent events, as OpenAI's API and those like it send them.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

/// Whether a response is a stream of events. A server may send the whole answer although it was asked for a stream.
pub(crate) fn is_one(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| {
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("text/event-stream")
    })
}

/// The events so far, put together to the body that the same answer has when it comes as a whole; none when there was no
/// event. Of one that never says what it used it has no `usage`.
pub(crate) fn body(bytes: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(bytes);
    let (mut content, mut refusal) = (String::new(), String::new());
    let (mut finish, mut usage, mut error) = (Value::Null, Value::Null, Value::Null);
    let (mut is_any, mut has_choice) = (false, false);
    for line in text.lines() {
        // `error:` is how some servers begin the event that ends a stream.
        let Some(data) = line
            .strip_prefix("data:")
            .or_else(|| line.strip_prefix("error:"))
        else {
            continue;
        };
        let Ok(event) = serde_json::from_str::<Value>(data.trim()) else {
            continue;
        };
        is_any = true;
        if event["error"].is_object() {
            error = event["error"].clone();
        } else if line.starts_with("error:") {
            error = event.clone();
        }
        if event["usage"].is_object() {
            usage = event["usage"].clone();
        }
        let choice = &event["choices"][0];
        has_choice |= choice.is_object();
        content.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        refusal.push_str(choice["delta"]["refusal"].as_str().unwrap_or_default());
        if choice["finish_reason"].is_string() {
            finish = choice["finish_reason"].clone();
        }
    }
    if !is_any {
        return None;
    }
    let mut message = json!({"role": "assistant", "content": content});
    if !refusal.is_empty() {
        message["refusal"] = refusal.into();
    }
    let mut body = json!({"usage": usage});
    if has_choice {
        // A stream that just ends was cut, too.
        let finish = match finish.is_null() {
            true => Value::from("length"),
            false => finish,
        };
        body["choices"] = json!([{"index": 0, "finish_reason": finish, "message": message}]);
    }
    if !error.is_null() {
        body["error"] = error;
    }
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_and_the_last_says_what_was_used() {
        let events = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n\
            : a comment\n\n\
            data: {\"choices\":[{\"delta\":{\"content\":\"{\\\"a\\\":\"}}]}\r\n\r\n\
            data: {\"choices\":[{\"delta\":{\"content\":\" 1}\"},\"finish_reason\":\"stop\"}]}\n\n\
            data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7}}\n\ndata: [DONE]\n\n";
        let body = body(events.as_bytes()).expect("events");
        assert_eq!(body["choices"][0]["message"]["content"], "{\"a\": 1}");
        assert_eq!(body["choices"][0]["finish_reason"], "stop");
        assert_eq!(body["usage"]["prompt_tokens"], 7);
    }

    #[test]
    fn a_stream_that_ends_in_an_error_has_it() {
        let events = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"error\":{\"code\":500}}\n\n";
        let body = body(events.as_bytes()).expect("events");
        assert_eq!(body["error"]["code"], 500);
        assert_eq!(body["choices"][0]["finish_reason"], "length");
        assert_eq!(super::body(b"<html>"), None);
    }
}
