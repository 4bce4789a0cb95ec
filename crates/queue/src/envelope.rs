//! From a message body to events: one total function.
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

pub use job_request::{JOB_REQUEST_FORMAT, JOB_REQUEST_VERSION, JobRequest};

/// How many SNS envelopes may be nested. One is usual, two is a topic that feeds a topic.
const SNS_DEPTH_MAX: u8 = 4;

/// What one record of a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An object to process.
    Job(Job),
    /// An object that is gone: what was derived from it must go too.
    Removed(Removal),
    /// Nothing to do, and that is fine: count it and go on.
    Ignored {
        /// Why.
        reason: Ignored,
    },
    /// It can't be understood: dead-letter it.
    Rejected {
        /// Why.
        reason: Rejected,
    },
}

/// An object to process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Job {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// The version that the event is about, in a versioned bucket.
    pub version_id: Option<String>,
    /// The object's ETag, without quotes.
    pub etag: Option<String>,
    /// Orders the events of one key; as text, since comparing it is for those who keep records.
    pub sequencer: Option<String>,
    /// The object's size in bytes.
    pub bytes: Option<u64>,
    /// When the object was written, as the event has it.
    pub event_time: Option<jiff::Timestamp>,
    /// Which vector stores to fill; `None` means the configured ones.
    pub target_stores: Option<Vec<String>>,
    /// Process again even if nothing changed.
    pub force: bool,
    /// Why it was asked for, for records and logs.
    pub reason: Option<String>,
    /// Follows one request through logs and records.
    pub trace_id: Option<String>,
}

/// An object that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// The version that was removed, or the delete marker's own version. When a *version* was removed
    /// (`delete_marker` is false and this is set), a newer one may still be the current object: look before acting.
    pub version_id: Option<String>,
    /// Orders the events of one key; as text, since comparing it is for those who keep records.
    pub sequencer: Option<String>,
    /// When it was removed, as the event has it.
    pub event_time: Option<jiff::Timestamp>,
    /// A delete marker was put on top of a versioned object; older versions still exist.
    pub delete_marker: bool,
}

/// Why an event needs no work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// What S3 sends when a notification is configured.
    #[error("s3:TestEvent for bucket {bucket}")]
    TestEvent {
        /// The bucket that was configured.
        bucket: String,
    },
    /// An event that neither creates nor removes an object.
    #[error("event {name} neither creates nor removes an object")]
    OtherEvent {
        /// The event's name.
        name: String,
    },
}

impl Ignored {
    /// The stable reason code, for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TestEvent { .. } => "test_event",
            Self::OtherEvent { .. } => "other_event",
        }
    }
}

/// Why a body or one of its records can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Not JSON.
    #[error("the body is not JSON: {detail}")]
    NotJson {
        /// Where and why the parser stopped.
        detail: String,
    },
    /// JSON of no known envelope.
    #[error("the body is of no known kind: {detail}")]
    UnknownEnvelope {
        /// What was seen.
        detail: String,
    },
    /// A known envelope that lacks something or has it in the wrong shape.
    #[error("malformed {envelope}: {detail}")]
    Malformed {
        /// Which envelope.
        envelope: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// The key is not UTF-8 once decoded.
    #[error("the object key {encoded:?} is not UTF-8 once decoded")]
    KeyNotUtf8 {
        /// The key as it came.
        encoded: String,
    },
    /// A job request of a version that this worker does not know.
    #[error(
        "job request version {version} is unknown, this worker reads version {known}: update the worker"
    )]
    UnknownVersion {
        /// The version that came.
        version: String,
        /// The version that is known.
        known: u32,
    },
}

impl Rejected {
    /// The stable reason code, used in the DLQ and in metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "not_json",
            Self::UnknownEnvelope { .. } => "unknown_envelope",
            Self::Malformed { .. } => "malformed_envelope",
            Self::KeyNotUtf8 { .. } => "key_not_utf8",
            Self::UnknownVersion { .. } => "unknown_version",
        }
    }
}

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
