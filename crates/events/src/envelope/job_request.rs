//! Our own message: what the bulk trigger sends.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::{Event, Job, Rejected};

/// What `format` says in our own message.
pub const JOB_REQUEST_FORMAT: &str = "pagemill.job";
/// The version that this build writes and reads.
pub const JOB_REQUEST_VERSION: u32 = 1;

/// Asks for one object to be processed. Unknown fields are refused, so that a misspelt one is not ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// [`JOB_REQUEST_FORMAT`].
    pub format: String,
    /// [`JOB_REQUEST_VERSION`].
    pub version: u32,
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, verbatim.
    pub key: String,
    /// Which vector stores to fill; absent means the configured ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_stores: Option<Vec<String>>,
    /// Process again even if nothing changed.
    #[serde(default)]
    pub force: bool,
    /// Why, for records and logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Follows one request through logs and records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl JobRequest {
    /// A request with nothing but the object.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            format: JOB_REQUEST_FORMAT.into(),
            version: JOB_REQUEST_VERSION,
            bucket: bucket.into(),
            key: key.into(),
            target_stores: None,
            force: false,
            reason: None,
            trace_id: None,
        }
    }

    /// The message body.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and lists always become JSON")
    }
}

impl From<JobRequest> for Job {
    fn from(request: JobRequest) -> Self {
        Self {
            bucket: request.bucket,
            key: request.key,
            target_stores: request.target_stores,
            force: request.force,
            reason: request.reason,
            trace_id: request.trace_id,
            ..Self::default()
        }
    }
}

pub(super) fn parse(fields: Map<String, Value>) -> Event {
    match read(fields) {
        Ok(request) => Event::Job(request.into()),
        Err(reason) => Event::Rejected { reason },
    }
}

fn read(fields: Map<String, Value>) -> Result<JobRequest, Rejected> {
    let format = fields.get("format").and_then(Value::as_str);
    if format != Some(JOB_REQUEST_FORMAT) {
        let detail = format!("`format` is not {JOB_REQUEST_FORMAT:?}");
        return Err(Rejected::UnknownEnvelope { detail });
    }
    let version = fields.get("version").unwrap_or(&Value::Null);
    if version.as_u64() != Some(u64::from(JOB_REQUEST_VERSION)) {
        return Err(Rejected::UnknownVersion {
            version: version.to_string(),
            known: JOB_REQUEST_VERSION,
        });
    }
    let request: JobRequest = serde_json::from_value(Value::Object(fields))
        .map_err(|error| malformed(error.to_string()))?;
    if request.bucket.is_empty() || request.key.is_empty() {
        return Err(malformed("`bucket` and `key` must not be empty".into()));
    }
    Ok(request)
}

fn malformed(detail: String) -> Rejected {
    Rejected::Malformed {
        envelope: "job request",
        detail,
    }
}
