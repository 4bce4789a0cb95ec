//! S3 event notifications 2.x: `Records`, one an event. MinIO, Ceph and others send the same shape.

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Bucket, non_empty, rejected, removal_of, timestamp, unquoted};
use crate::event::{Event, Ignored, Job, Rejected};

const ENVELOPE: &str = "S3 event";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    event_source: Option<String>,
    event_time: Option<String>,
    s3: Option<Subject>,
}

#[derive(Debug, Deserialize)]
struct Subject {
    bucket: Bucket,
    object: Object,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: String,
    size: Option<u64>,
    e_tag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

pub(super) fn parse(mut fields: Map<String, Value>) -> Vec<Event> {
    match fields.remove("Records") {
        Some(Value::Array(records)) if !records.is_empty() => {
            records.into_iter().map(parse_record).collect()
        }
        Some(Value::Array(_)) => vec![malformed("`Records` is empty")],
        _ => vec![malformed("`Records` is not a list")],
    }
}

fn parse_record(value: Value) -> Event {
    let record: Record = match serde_json::from_value(value) {
        Ok(record) => record,
        Err(error) => return malformed(error.to_string()),
    };
    if let Some(source) = &record.event_source
        && !source.ends_with(":s3")
    {
        let detail = format!("a record whose source is {source:?}, not S3");
        return rejected(Rejected::UnknownEnvelope { detail });
    }
    let name = record
        .event_name
        .strip_prefix("s3:")
        .unwrap_or(&record.event_name);
    let created = name.starts_with("ObjectCreated:");
    let removed = name.starts_with("ObjectRemoved:") || name.starts_with("LifecycleExpiration:");
    if !created && !removed {
        return Event::Ignored {
            reason: Ignored::OtherEvent {
                name: name.to_owned(),
            },
        };
    }
    let Some(subject) = record.s3 else {
        return malformed("the record has no `s3`");
    };
    let object = subject.object;
    let Some(key) = form_decode(&object.key) else {
        return rejected(Rejected::KeyNotUtf8 {
            encoded: object.key,
        });
    };
    let bucket = subject.bucket.name;
    if bucket.is_empty() || key.is_empty() {
        return malformed("the bucket's name or the key is empty");
    }
    let job = Job {
        bucket,
        key,
        version_id: non_empty(object.version_id),
        etag: unquoted(object.e_tag),
        sequencer: non_empty(object.sequencer),
        bytes: object.size,
        event_time: timestamp(record.event_time.as_deref()),
        ..Job::default()
    };
    match removed {
        true => removal_of(job, name.ends_with(":DeleteMarkerCreated")),
        false => Event::Job(job),
    }
}

/// `application/x-www-form-urlencoded` for one value: a plus is a space, then percent escapes.
fn form_decode(encoded: &str) -> Option<String> {
    let spaced = encoded.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

fn malformed(detail: impl Into<String>) -> Event {
    rejected(Rejected::Malformed {
        envelope: ENVELOPE,
        detail: detail.into(),
    })
}
