//! Fuzz target: any bytes become events. `cargo test` runs it for a second on the stable toolchain; with
//! `BOLERO_RANDOM_TEST_TIME_MS=600000` it runs for ten minutes. A failure prints the seed that repeats it.

use bolero::{TypeGenerator, check};
use pagemill_events::{Event, JobRequest, parse};

/// What real messages look like: a fuzzer that starts from nothing never gets past the first brace.
const REAL: &[&str] = &[
    include_str!("envelopes/s3_put.json"),
    include_str!("envelopes/s3_several_records.json"),
    include_str!("envelopes/s3_test_event.json"),
    include_str!("envelopes/minio_put.json"),
    include_str!("envelopes/sns_s3_put.json"),
    include_str!("envelopes/sns_test_event.json"),
    include_str!("envelopes/sns_eventbridge_created.json"),
    include_str!("envelopes/eventbridge_created.json"),
    include_str!("envelopes/eventbridge_deleted.json"),
    include_str!("envelopes/job_request.json"),
    include_str!("envelopes/job_request_2.json"),
];

/// A message made of others.
#[derive(Debug, Clone, TypeGenerator)]
enum Body {
    /// Bytes without sense.
    Noise(Vec<u8>),
    /// A real one with some places written over.
    Damaged { which: u8, edits: Vec<Edit> },
    /// Two real ones in one list.
    Listed { first: u8, second: u8 },
    /// A real one, damaged, inside an SNS notification.
    Wrapped { which: u8, edits: Vec<Edit> },
}

#[derive(Debug, Clone, TypeGenerator)]
struct Edit {
    at: u16,
    cut: u8,
    insert: Vec<u8>,
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        let real = |which: u8| REAL[usize::from(which) % REAL.len()];
        match self {
            Self::Noise(bytes) => bytes.clone(),
            Self::Damaged { which, edits } => damaged(real(*which), edits),
            Self::Listed { first, second } => {
                format!("[{},{}]", real(*first), real(*second)).into_bytes()
            }
            Self::Wrapped { which, edits } => {
                let inner = damaged(real(*which), edits);
                let message = String::from_utf8_lossy(&inner);
                serde_json::json!({"Type": "Notification", "Message": message})
                    .to_string()
                    .into_bytes()
            }
        }
    }
}

fn damaged(real: &str, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = real.as_bytes().to_vec();
    for edit in edits.iter().take(4) {
        let start = usize::from(edit.at) % (bytes.len() + 1);
        let end = (start + usize::from(edit.cut % 24)).min(bytes.len());
        bytes.splice(start..end, edit.insert.iter().copied().take(24));
    }
    bytes
}

#[test]
fn in_1_any_bytes_become_events() {
    check!().with_type::<Body>().for_each(|body| {
        let bytes = body.bytes();
        let text = String::from_utf8_lossy(&bytes);
        let events = parse(&text);
        assert!(!events.is_empty(), "nothing may be dropped silently");
        assert_eq!(events, parse(&text), "the same bytes mean the same");
        for event in events {
            check_event(&event);
        }
    });
}

/// What holds of every event, whatever it was made from.
fn check_event(event: &Event) {
    match event {
        Event::Job(job) => {
            assert!(!job.bucket.is_empty() && !job.key.is_empty());
            let request = JobRequest {
                custom_prompt: job.custom_prompt.clone(),
                ..JobRequest::new(job.bucket.as_str(), job.key.as_str())
            };
            let [Event::Job(again)] = &parse(&request.to_json())[..] else {
                panic!("a job's own request must be a job: {request:?}");
            };
            assert_eq!((&again.bucket, &again.key), (&job.bucket, &job.key));
            assert_eq!(again.custom_prompt, job.custom_prompt);
        }
        Event::Removed(removal) => {
            assert!(!removal.bucket.is_empty() && !removal.key.is_empty());
        }
        Event::Ignored { reason } => assert!(!reason.code().is_empty()),
        Event::Rejected { reason } => {
            assert!(!reason.code().is_empty() && !reason.to_string().is_empty());
        }
    }
}
