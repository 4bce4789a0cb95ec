//! S3 events through EventBridge. The key is verbatim: decoding it again would break keys with `%` or `+`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Bucket, non_empty, rejected, removal_of, text, timestamp, unquoted};
use crate::event::{Event, Ignored, Job, Rejected};

const ENVELOPE: &str = "EventBridge event";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Detail {
    bucket: Bucket,
    object: Object,
    deletion_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Object {
    key: String,
    size: Option<u64>,
    etag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

pub(super) fn parse(mut fields: Map<String, Value>) -> Event {
    let source = text(&fields, "source").unwrap_or_default();
    if source != "aws.s3" {
        let detail = format!("an EventBridge event whose source is {source:?}, not \"aws.s3\"");
        return rejected(Rejected::UnknownEnvelope { detail });
    }
    let kind = text(&fields, "detail-type").unwrap_or_default().to_owned();
    let removed = match kind.as_str() {
        "Object Created" => false,
        "Object Deleted" => true,
        _ => {
            return Event::Ignored {
                reason: Ignored::OtherEvent { name: kind },
            };
        }
    };
    let event_time = timestamp(text(&fields, "time"));
    let detail: Detail =
        match serde_json::from_value(fields.remove("detail").unwrap_or(Value::Null)) {
            Ok(detail) => detail,
            Err(error) => return malformed(error.to_string()),
        };
    let Detail {
        bucket,
        object,
        deletion_type,
    } = detail;
    if bucket.name.is_empty() || object.key.is_empty() {
        return malformed("the bucket's name or the key is empty");
    }
    let job = Job {
        bucket: bucket.name,
        key: object.key,
        version_id: non_empty(object.version_id),
        etag: unquoted(object.etag),
        sequencer: non_empty(object.sequencer),
        bytes: object.size,
        event_time,
        ..Job::default()
    };
    match removed {
        true => removal_of(
            job,
            deletion_type.as_deref() == Some("Delete Marker Created"),
        ),
        false => Event::Job(job),
    }
}

fn malformed(detail: impl Into<String>) -> Event {
    rejected(Rejected::Malformed {
        envelope: ENVELOPE,
        detail: detail.into(),
    })
}
