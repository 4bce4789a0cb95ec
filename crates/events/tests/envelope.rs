//! What each known envelope means, and that nothing else is dropped or panics.

use pagemill_events::{
    CUSTOM_PROMPT_MAX_BYTES, Event, Ignored, Job, JobRequest, Rejected, Removal, parse,
};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::json;

fn written_at(text: &str) -> Option<jiff::Timestamp> {
    Some(text.parse().expect("a date"))
}

fn s3_job() -> Job {
    Job {
        bucket: "docs".into(),
        key: "source-pdfs/a b+c/100% ü📄.pdf".into(),
        version_id: Some("v1".into()),
        etag: Some("d41d8cd98f00b204e9800998ecf8427e".into()),
        sequencer: Some("0055AED6DCD90281E5".into()),
        bytes: Some(1024),
        event_time: written_at("2026-03-04T05:06:07.890Z"),
        ..Job::default()
    }
}

fn event_bridge_job() -> Job {
    Job {
        bucket: "docs".into(),
        key: "source-pdfs/a+b%20c.pdf".into(),
        version_id: Some("v2".into()),
        etag: Some("b1946ac92492d2347c6235b4d2611184".into()),
        sequencer: Some("00617F08299329D189".into()),
        bytes: Some(5),
        event_time: written_at("2026-03-04T05:06:07Z"),
        ..Job::default()
    }
}

fn test_event() -> Vec<Event> {
    vec![Event::Ignored {
        reason: Ignored::TestEvent {
            bucket: "docs".into(),
        },
    }]
}

#[test]
fn in_2_s3_keys_are_form_decoded() {
    assert_eq!(
        parse(include_str!("envelopes/s3_put.json")),
        vec![Event::Job(s3_job())]
    );
}

#[test]
fn in_2_sns_wraps_without_changing_the_encoding() {
    assert_eq!(
        parse(include_str!("envelopes/sns_s3_put.json")),
        vec![Event::Job(s3_job())]
    );
    let through_sns = parse(include_str!("envelopes/sns_eventbridge_created.json"));
    assert_eq!(through_sns, vec![Event::Job(event_bridge_job())]);
}

#[test]
fn in_2_event_bridge_keys_are_verbatim() {
    let created = parse(include_str!("envelopes/eventbridge_created.json"));
    assert_eq!(created, vec![Event::Job(event_bridge_job())]);
}

#[test]
fn in_2_minio_escapes_slashes_and_sends_empty_versions() {
    let expected = Job {
        bucket: "docs".into(),
        key: "source-pdfs/a b.pdf".into(),
        etag: Some("abc".into()),
        sequencer: Some("17B2F6A1C0FFEE00".into()),
        bytes: Some(7),
        event_time: written_at("2026-03-04T05:06:07.890Z"),
        ..Job::default()
    };
    assert_eq!(
        parse(include_str!("envelopes/minio_put.json")),
        vec![Event::Job(expected)]
    );
}

#[test]
fn in_3_every_record_of_a_message_is_read() {
    let events = parse(include_str!("envelopes/s3_several_records.json"));
    let kinds: Vec<String> = events
        .iter()
        .map(|event| match event {
            Event::Job(job) => format!("job {}", job.key),
            Event::Removed(removal) => format!("removed {} {}", removal.key, removal.delete_marker),
            Event::Ignored { reason } => format!("ignored {}", reason.code()),
            Event::Rejected { reason } => format!("rejected {}", reason.code()),
        })
        .collect();
    let expected = [
        "job one.pdf",
        "removed two.pdf false",
        "ignored other_event",
        "rejected malformed_envelope",
        "rejected key_not_utf8",
        "removed four.pdf true",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn in_3_a_list_of_envelopes_is_read_like_each_of_them() {
    let bodies = [
        include_str!("envelopes/s3_put.json"),
        include_str!("envelopes/sns_eventbridge_created.json"),
        "7",
        include_str!("envelopes/s3_several_records.json"),
        include_str!("envelopes/job_request.json"),
    ];
    let one_by_one: Vec<Event> = bodies.iter().flat_map(|body| parse(body)).collect();
    assert_eq!(parse(&format!("[{}]", bodies.join(","))), one_by_one);
}

#[test]
fn in_4_test_event_is_ignored_also_through_sns() {
    assert_eq!(
        parse(include_str!("envelopes/s3_test_event.json")),
        test_event()
    );
    assert_eq!(
        parse(include_str!("envelopes/sns_test_event.json")),
        test_event()
    );
}

#[test]
fn in_5_event_bridge_removal_keeps_its_order_and_its_marker() {
    let expected = Removal {
        bucket: "docs".into(),
        key: "gone+%.pdf".into(),
        version_id: Some("m1".into()),
        sequencer: Some("0061879201EF42A9A2".into()),
        event_time: written_at("2026-03-04T05:06:07Z"),
        delete_marker: true,
    };
    let deleted = parse(include_str!("envelopes/eventbridge_deleted.json"));
    assert_eq!(deleted, vec![Event::Removed(expected)]);
}

#[test]
fn in_6_job_request_of_the_bulk_trigger_is_understood() {
    let expected = Job {
        bucket: "docs".into(),
        key: "source-pdfs/a+b%20c.pdf".into(),
        target_stores: Some(vec!["pages".into(), "semantic".into()]),
        force: true,
        reason: Some("bulk".into()),
        trace_id: Some("t-1".into()),
        ..Job::default()
    };
    assert_eq!(
        parse(include_str!("envelopes/job_request.json")),
        vec![Event::Job(expected)]
    );
}

#[test]
fn in_6_unknown_version_and_misspelt_field_are_rejected() {
    let newer = json!({"format": "pagemill.job", "version": 3, "bucket": "b", "key": "k"});
    let [
        Event::Rejected {
            reason: Rejected::UnknownVersion { version, known },
        },
    ] = &parse(&newer.to_string())[..]
    else {
        panic!("a newer version must be rejected");
    };
    assert_eq!((version.as_str(), *known), ("3", 2));
    let misspelt = json!({"format": "pagemill.job", "version": 1, "bucket": "b", "key": "k", "target_store": ["x"]});
    let [Event::Rejected { reason }] = &parse(&misspelt.to_string())[..] else {
        panic!("an unknown field must be rejected");
    };
    assert!(reason.to_string().contains("target_store"), "{reason}");
}

#[test]
fn in_7_version_2_of_a_job_request_carries_a_prompt() {
    let expected = Job {
        bucket: "docs".into(),
        key: "source-pdfs/a.pdf".into(),
        custom_prompt: Some("Name the \"parties\".\nAnswer in English.".into()),
        ..Job::default()
    };
    assert_eq!(
        parse(include_str!("envelopes/job_request_2.json")),
        vec![Event::Job(expected)]
    );
    // An empty prompt is one: it asks for none.
    let asks_for_none = JobRequest {
        custom_prompt: Some(String::new()),
        ..JobRequest::new("b", "k")
    };
    let [Event::Job(job)] = &parse(&asks_for_none.to_json())[..] else {
        panic!("one job");
    };
    assert_eq!(job.custom_prompt.as_deref(), Some(""));
}

#[test]
fn in_6_a_request_is_written_in_the_lowest_version_that_can_say_it() {
    let plain = JobRequest::new("b", "k");
    assert_eq!(
        plain.to_json(),
        r#"{"format":"pagemill.job","version":1,"bucket":"b","key":"k","force":false}"#
    );
    let with_prompt = JobRequest {
        custom_prompt: Some("p".into()),
        ..plain
    };
    assert_eq!(
        with_prompt.to_json(),
        r#"{"format":"pagemill.job","version":2,"bucket":"b","key":"k","force":false,"custom_prompt":"p"}"#
    );
}

#[test]
fn in_7_a_prompt_that_is_too_long_or_of_another_version_is_rejected_without_its_text() {
    let text = "ß".repeat(CUSTOM_PROMPT_MAX_BYTES / 2);
    let longest = JobRequest {
        custom_prompt: Some(text.clone()),
        ..JobRequest::new("b", "k")
    };
    assert!(matches!(&parse(&longest.to_json())[..], [Event::Job(_)]));
    let too_long = JobRequest {
        custom_prompt: Some(format!("{text}!")),
        ..longest.clone()
    };
    let of_version_1 = longest
        .to_json()
        .replace(r#""version":2"#, r#""version":1"#);
    let no_text = json!({"format": "pagemill.job", "version": 2, "bucket": "b", "key": "k", "custom_prompt": ["ßß"]});
    for (body, says) in [
        (too_long.to_json(), "4097 bytes"),
        (of_version_1, "version 2"),
        (no_text.to_string(), "expected a string"),
    ] {
        let [Event::Rejected { reason }] = &parse(&body)[..] else {
            panic!("it must be rejected: {says}");
        };
        let reason = reason.to_string();
        assert!(
            reason.contains(says) && !reason.contains("ß"),
            "{says}: {reason}"
        );
    }
}

#[test]
fn in_1_what_is_no_event_is_rejected_with_a_reason() {
    let cases = [
        ("", "not_json"),
        ("hello", "not_json"),
        ("[]", "unknown_envelope"),
        ("null", "unknown_envelope"),
        ("{}", "unknown_envelope"),
        (r#"{"Records":[]}"#, "malformed_envelope"),
        (r#"{"Records":{"a":1}}"#, "malformed_envelope"),
        (r#"{"Records":[1]}"#, "malformed_envelope"),
        (
            r#"{"Records":[{"eventSource":"aws:ses","eventName":"ObjectCreated:Put"}]}"#,
            "unknown_envelope",
        ),
        (
            r#"{"Records":[{"eventName":"ObjectCreated:Put"}]}"#,
            "malformed_envelope",
        ),
        (
            r#"{"Type":"SubscriptionConfirmation","Token":"t"}"#,
            "unknown_envelope",
        ),
        (r#"{"Type":"Notification"}"#, "malformed_envelope"),
        (r#"{"Type":"Notification","Message":"hello"}"#, "not_json"),
        (
            r#"{"detail-type":"Object Created","source":"acme"}"#,
            "unknown_envelope",
        ),
        (
            r#"{"detail-type":"Object Created","source":"aws.s3"}"#,
            "malformed_envelope",
        ),
        (r#"{"format":"something"}"#, "unknown_envelope"),
        (
            r#"{"format":"pagemill.job","version":1,"bucket":"","key":"k"}"#,
            "malformed_envelope",
        ),
    ];
    for (body, code) in cases {
        let events = parse(body);
        let [Event::Rejected { reason }] = &events[..] else {
            panic!("{body} gave {events:?}");
        };
        assert_eq!(reason.code(), code, "{body}");
    }
}

#[test]
fn in_1_endless_sns_nesting_ends() {
    let mut body = include_str!("envelopes/s3_test_event.json").to_owned();
    for _ in 0..4 {
        body = json!({"Type": "Notification", "Message": body}).to_string();
    }
    assert_eq!(parse(&body), test_event());
    body = json!({"Type": "Notification", "Message": body}).to_string();
    assert!(matches!(
        &parse(&body)[..],
        [Event::Rejected {
            reason: Rejected::Malformed { .. }
        }]
    ));
}

#[test]
fn in_1_deep_nesting_is_rejected_not_a_stack_overflow() {
    let body = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(
        &parse(&body)[..],
        [Event::Rejected {
            reason: Rejected::NotJson { .. }
        }]
    ));
}

/// What S3 does to a key in its own notification: `application/x-www-form-urlencoded`.
fn form_encode(key: &str) -> String {
    let mut encoded = String::new();
    for byte in key.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(byte.into())
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

fn only_key(body: &str) -> String {
    match &parse(body)[..] {
        [Event::Job(job)] => job.key.clone(),
        other => panic!("{body} gave {other:?}"),
    }
}

proptest! {
    #[test]
    fn in_2_any_key_survives_its_envelope(key in "\\PC{1,60}|[ +%/&=?#A-F0-9]{1,40}|(?s:.{1,40})") {
        let native = json!({"Records": [{
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "b"}, "object": {"key": form_encode(&key)}},
        }]}).to_string();
        prop_assert_eq!(&only_key(&native), &key);
        let through_sns = json!({"Type": "Notification", "Message": native}).to_string();
        prop_assert_eq!(&only_key(&through_sns), &key);
        let bridged = json!({
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": "b"}, "object": {"key": key}},
        }).to_string();
        prop_assert_eq!(&only_key(&bridged), &key);
        prop_assert_eq!(&only_key(&JobRequest::new("b", key.as_str()).to_json()), &key);
    }

    #[test]
    fn in_1_any_text_gives_at_least_one_event(body in "(?s:.{0,200})") {
        prop_assert!(!parse(&body).is_empty());
    }

    #[test]
    fn in_1_any_damage_to_a_real_envelope_gives_at_least_one_event(
        which in 0_usize..9,
        at in 0_usize..2_000,
        damage in "(?s:.{0,6})",
        cut in 0_usize..40,
    ) {
        let real = [
            include_str!("envelopes/s3_put.json"),
            include_str!("envelopes/s3_several_records.json"),
            include_str!("envelopes/s3_test_event.json"),
            include_str!("envelopes/minio_put.json"),
            include_str!("envelopes/sns_s3_put.json"),
            include_str!("envelopes/eventbridge_created.json"),
            include_str!("envelopes/eventbridge_deleted.json"),
            include_str!("envelopes/job_request.json"),
            include_str!("envelopes/job_request_2.json"),
        ][which];
        let characters: Vec<char> = real.chars().collect();
        let start = at % characters.len();
        let end = (start + cut).min(characters.len());
        let damaged: String =
            characters[..start].iter().copied().chain(damage.chars()).chain(characters[end..].iter().copied()).collect();
        prop_assert!(!parse(&damaged).is_empty());
    }
}
