//! Our own message: what the bulk trigger sends.
//!
//! | version | what is new |
//! |---|---|
//! | 1 | `bucket`, `key`, `target_stores`, `force`, `reason`, `trace_id` |
//! | 2 | `custom_prompt` |
//!
//! A request is written in the lowest version that can say it, so that a worker which is older than the sender refuses
//! only what it could not do.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::{Event, Job, Rejected};

/// What `format` says in our own message.
pub const JOB_REQUEST_FORMAT: &str = "pagemill.job";
/// The newest version that this build writes and reads; it reads all before it too.
pub const JOB_REQUEST_VERSION: u32 = 2;
/// The version that brought `custom_prompt`.
const VERSION_WITH_PROMPT: u32 = 2;
/// The longest custom prompt, in bytes of UTF-8. About a thousand tokens: each call of the LLM carries them beside the
/// document. Ten such messages, with every character escaped (`\u0001`: six for one), are still one batch of SQS's 256 KiB.
pub const CUSTOM_PROMPT_MAX_BYTES: usize = 4096;

/// Asks for one object to be processed. Unknown fields are refused, so that a misspelt one is not ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
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
    /// [`Job::custom_prompt`]; at most [`CUSTOM_PROMPT_MAX_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_prompt: Option<String>,
}

impl JobRequest {
    /// A request with nothing but the object.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            key: key.into(),
            target_stores: None,
            force: false,
            reason: None,
            trace_id: None,
            custom_prompt: None,
        }
    }

    /// The message body.
    pub fn to_json(&self) -> String {
        let written = Written {
            format: JOB_REQUEST_FORMAT,
            version: match self.custom_prompt {
                Some(_) => VERSION_WITH_PROMPT,
                None => 1,
            },
            request: self,
        };
        serde_json::to_string(&written).expect("strings, numbers and lists always become JSON")
    }
}

/// A request as it is written.
#[derive(Serialize)]
struct Written<'a> {
    format: &'static str,
    version: u32,
    #[serde(flatten)]
    request: &'a JobRequest,
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
            custom_prompt: request.custom_prompt,
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

fn read(mut fields: Map<String, Value>) -> Result<JobRequest, Rejected> {
    let format = fields.remove("format");
    if format.as_ref().and_then(Value::as_str) != Some(JOB_REQUEST_FORMAT) {
        let detail = format!("`format` is not {JOB_REQUEST_FORMAT:?}");
        return Err(Rejected::UnknownEnvelope { detail });
    }
    let version = fields.remove("version").unwrap_or(Value::Null);
    let known = version
        .as_u64()
        .filter(|version| (1..=u64::from(JOB_REQUEST_VERSION)).contains(version));
    let Some(version) = known else {
        return Err(Rejected::UnknownVersion {
            version: version.to_string(),
            known: JOB_REQUEST_VERSION,
        });
    };
    if version < u64::from(VERSION_WITH_PROMPT) && fields.contains_key("custom_prompt") {
        return Err(malformed(format!(
            "`custom_prompt` is a field of version {VERSION_WITH_PROMPT}, and this is version {version}"
        )));
    }
    let request: JobRequest = serde_json::from_value(Value::Object(fields))
        .map_err(|error| malformed(error.to_string()))?;
    if request.bucket.is_empty() || request.key.is_empty() {
        return Err(malformed("`bucket` and `key` must not be empty".into()));
    }
    let prompt_bytes = request.custom_prompt.as_ref().map_or(0, String::len);
    if prompt_bytes > CUSTOM_PROMPT_MAX_BYTES {
        return Err(malformed(format!(
            "`custom_prompt` has {prompt_bytes} bytes, at most {CUSTOM_PROMPT_MAX_BYTES} are allowed: shorten it"
        )));
    }
    Ok(request)
}

fn malformed(detail: String) -> Rejected {
    Rejected::Malformed {
        envelope: "job request",
        detail,
    }
}
