//! Tells the envelopes apart, by what is in them.
//!
//! Known envelopes, told apart by their content:
//!
//! | envelope | key encoding |
//! |---|---|
//! | S3 event notification 2.x, and the like of MinIO and others (`Records`) | form-encoded |
//! | the same through SNS, wrapped (`Type: Notification`) or raw | form-encoded |
//! | EventBridge `Object Created` and `Object Deleted`, direct or through SNS | verbatim |
//! | `s3:TestEvent` | none |
//! | our own [`JobRequest`] | verbatim |
//! | a list of any of these, from producers that batch | as each has it |
//!
//! Sources: Amazon S3 User Guide, "Event message structure" (form-encoded keys, sequencer) and "EventBridge event
//! message structure" (verbatim keys); Amazon SNS Developer Guide, "Parsing message formats".

mod event_bridge;
mod job_request;
mod s3_records;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::event::{Event, Ignored, Job, Rejected, Removal};

pub use job_request::{
    CUSTOM_PROMPT_MAX_BYTES, JOB_REQUEST_FORMAT, JOB_REQUEST_VERSION, JobRequest,
};

/// How many SNS envelopes may be nested. One is usual, two is a topic that feeds a topic.
const SNS_DEPTH_MAX: u8 = 4;

/// Reads a message body. Never panics, and never gives an empty list: what can't be read is one
/// [`Event::Rejected`].
pub fn parse(body: &str) -> Vec<Event> {
    parse_nested(body, 0)
}

fn parse_nested(body: &str, sns_depth: u8) -> Vec<Event> {
    let trimmed = body.trim_start_matches('\u{feff}').trim();
    let value: Value = match serde_json::from_str(trimmed) {
        Ok(value) => value,
        Err(error) => {
            return vec![rejected(Rejected::NotJson {
                detail: error.to_string(),
            })];
        }
    };
    match value {
        // Producers that batch put several envelopes into one message. One level is enough for all of them.
        Value::Array(items) if !items.is_empty() => items
            .into_iter()
            .flat_map(|item| parse_value(item, sns_depth))
            .collect(),
        one => parse_value(one, sns_depth),
    }
}

fn parse_value(value: Value, sns_depth: u8) -> Vec<Event> {
    match value {
        Value::Object(fields) => parse_object(fields, sns_depth),
        _ => {
            let detail = "it is JSON but no object".to_owned();
            vec![rejected(Rejected::UnknownEnvelope { detail })]
        }
    }
}

fn parse_object(fields: Map<String, Value>, sns_depth: u8) -> Vec<Event> {
    if fields.contains_key("format") {
        return vec![job_request::parse(fields)];
    }
    if fields.contains_key("Records") {
        return s3_records::parse(fields);
    }
    if text(&fields, "Event") == Some("s3:TestEvent") {
        let bucket = text(&fields, "Bucket").unwrap_or("(not named)").to_owned();
        return vec![Event::Ignored {
            reason: Ignored::TestEvent { bucket },
        }];
    }
    if fields.contains_key("detail-type") {
        return vec![event_bridge::parse(fields)];
    }
    if let Some(kind) = text(&fields, "Type") {
        return parse_sns(kind, &fields, sns_depth);
    }
    let names: Vec<&str> = fields.keys().take(5).map(String::as_str).collect();
    let detail = format!("an object with the fields [{}]", names.join(", "));
    vec![rejected(Rejected::UnknownEnvelope { detail })]
}

fn parse_sns(kind: &str, fields: &Map<String, Value>, sns_depth: u8) -> Vec<Event> {
    if kind != "Notification" {
        // A confirmation holds the token that someone must use: the DLQ keeps it.
        let detail =
            format!("an SNS message of type {kind}: confirm or remove the subscription by hand");
        return vec![rejected(Rejected::UnknownEnvelope { detail })];
    }
    if sns_depth >= SNS_DEPTH_MAX {
        let detail = format!("more than {SNS_DEPTH_MAX} SNS envelopes inside each other");
        return vec![rejected(Rejected::Malformed {
            envelope: "SNS notification",
            detail,
        })];
    }
    match text(fields, "Message") {
        Some(message) => parse_nested(message, sns_depth + 1),
        None => {
            let detail = "it has no text in `Message`".to_owned();
            vec![rejected(Rejected::Malformed {
                envelope: "SNS notification",
                detail,
            })]
        }
    }
}

/// The removal of what a job would be of.
fn removal_of(job: Job, delete_marker: bool) -> Event {
    Event::Removed(Removal {
        bucket: job.bucket,
        key: job.key,
        version_id: job.version_id,
        sequencer: job.sequencer,
        event_time: job.event_time,
        delete_marker,
    })
}

fn rejected(reason: Rejected) -> Event {
    Event::Rejected { reason }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

/// Empty strings mean "none" in the events of several S3-compatible stores.
fn non_empty(value: Option<String>) -> Option<String> {
    value.filter(|content| !content.is_empty())
}

fn unquoted(etag: Option<String>) -> Option<String> {
    non_empty(etag.map(|quoted| quoted.trim_matches('"').to_owned()))
}

fn timestamp(value: Option<&str>) -> Option<jiff::Timestamp> {
    value.and_then(|written| written.parse().ok())
}

/// The bucket of an event, the same in S3's and EventBridge's shape.
#[derive(Debug, Deserialize)]
struct Bucket {
    name: String,
}
