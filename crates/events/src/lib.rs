//! What the bodies of messages mean: bytes become jobs and removals, and a request becomes bytes.
//!
//! It knows how S3 and its like, SNS and EventBridge say that an object was written or is gone, and our own request
//! ([`JobRequest`]). It does not know queues, receipts or AWS's SDK, opens no connection, reads no object, and never asks
//! whether the bucket or the key is one that this worker serves.
//!
//! To add an envelope: (1) a real body of it into `tests/envelopes/`; (2) a file below `src/envelope/` with one
//! `parse` that gives [`Event`]s and never fails; (3) a line in `parse_object` of `src/envelope.rs` that knows it by a
//! field which no other envelope has, and a row in the table there; (4) a test of what it means in `tests/envelope.rs`,
//! and its body in the lists of that file and of `tests/fuzz_envelope.rs`, which then damage it in every way.
//!
//! # From a body to events
//!
//! [`parse`] is total. Whatever arrives becomes at least one [`Event`]: a [`Job`], a [`Removal`], something that needs
//! no work ([`Ignored`]) or something that can't be understood ([`Rejected`]), the last two with a reason and its stable
//! code. One message may carry many events, and all of them count.
//!
//! ```
//! use pagemill_events::{Event, parse};
//!
//! let body = r#"{"Records": [
//!     {"eventName": "ObjectCreated:Put",
//!      "s3": {"bucket": {"name": "documents"}, "object": {"key": "source-pdfs/a+b.pdf", "sequencer": "0A"}}},
//!     {"eventName": "ObjectRemoved:Delete",
//!      "s3": {"bucket": {"name": "documents"}, "object": {"key": "source-pdfs/old.pdf"}}}
//! ]}"#;
//! let [Event::Job(job), Event::Removed(removal)] = &parse(body)[..] else { panic!("two events") };
//! assert_eq!(job.key, "source-pdfs/a b.pdf"); // S3 writes a space as `+`
//! assert_eq!(job.sequencer.as_deref(), Some("0A"));
//! assert_eq!(removal.key, "source-pdfs/old.pdf");
//!
//! let [Event::Rejected { reason }] = &parse("no JSON at all")[..] else { panic!("a reason") };
//! assert_eq!(reason.code(), "not_json");
//! ```
//!
//! # Through SNS
//!
//! A topic between the bucket and the queue wraps what it carries, once or several times; what is inside keeps its
//! own rules:
//!
//! ```
//! use pagemill_events::{Event, Ignored, parse};
//!
//! let wrapped = r#"{"Type": "Notification",
//!     "Message": "{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"documents\"}"}"#;
//! let [Event::Ignored { reason: Ignored::TestEvent { bucket } }] = &parse(wrapped)[..] else { panic!("a test") };
//! assert_eq!(bucket, "documents");
//! ```
//!
//! # Our own request
//!
//! What the bulk trigger sends, and whoever wants a document processed without touching it. The key is verbatim, and
//! a field or a version that this build does not know is rejected, not guessed at:
//!
//! ```
//! use pagemill_events::{Event, JobRequest, parse};
//!
//! let request = JobRequest {
//!     force: true,
//!     reason: Some("another model".into()),
//!     custom_prompt: Some("Name the parties.".into()),
//!     ..JobRequest::new("documents", "source-pdfs/a+b.pdf")
//! };
//! let [Event::Job(job)] = &parse(&request.to_json())[..] else { panic!("one job") };
//! assert_eq!((job.key.as_str(), job.force), ("source-pdfs/a+b.pdf", true));
//!
//! let misspelt = request.to_json().replace("force", "forced");
//! assert!(matches!(&parse(&misspelt)[..], [Event::Rejected { .. }]));
//! ```

mod envelope;
mod event;
mod prompt;

pub use envelope::{
    CUSTOM_PROMPT_MAX_BYTES, JOB_REQUEST_FORMAT, JOB_REQUEST_VERSION, JobRequest, parse,
};
pub use event::{Event, Ignored, Job, Rejected, Removal};
pub use prompt::prompt_argument;
