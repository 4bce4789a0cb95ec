//! What a message says, whichever envelope it came in.

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
    /// What the LLM is told about this document beside the configured prompts; `None` leaves that to the object's own
    /// metadata and the configuration, and an empty one asks for nothing. Never for logs.
    pub custom_prompt: Option<String>,
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
        /// What it is called, such as `SNS notification`.
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
        "job request version {version} is unknown, this worker reads versions 1 to {known}: update the worker"
    )]
    UnknownVersion {
        /// The version that came.
        version: String,
        /// The newest version that is known.
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
