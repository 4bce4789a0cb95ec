//! Messages and attributes as SQS writes them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::types::{
    Message as SqsMessage, MessageAttributeValue, MessageSystemAttributeName,
    SendMessageBatchRequestEntry,
};

use crate::description::DeadLetterPolicy;
use crate::message::{Message, OutMessage, Receipt};

/// Whole seconds, rounded up: the queue must never grant less than was asked for.
pub(super) fn seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

/// The region in a queue URL of the form `https://sqs.<region>.amazonaws.com/...`.
pub(super) fn region_of(url: &str) -> Option<String> {
    let host = url.split("://").nth(1)?.split('/').next()?;
    let mut labels = host.split('.');
    let is_sqs = labels.next() == Some("sqs");
    let region = labels.next()?;
    (is_sqs && labels.next() == Some("amazonaws")).then(|| region.to_owned())
}

/// A redrive policy is JSON in an attribute; `maxReceiveCount` comes as a number or as text.
pub(super) fn read_policy(policy: &str) -> Option<DeadLetterPolicy> {
    let value: serde_json::Value = serde_json::from_str(policy).ok()?;
    let count = &value["maxReceiveCount"];
    let max_receives = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    Some(DeadLetterPolicy {
        target: value["deadLetterTargetArn"].as_str()?.to_owned(),
        max_receives: u32::try_from(max_receives).ok()?,
    })
}

pub(super) fn read_message(message: SqsMessage) -> Option<Message> {
    let system = message.attributes.unwrap_or_default();
    let time = |name: MessageSystemAttributeName| {
        let milliseconds = system.get(&name)?.parse().ok()?;
        jiff::Timestamp::from_millisecond(milliseconds).ok()
    };
    let id = message.message_id.unwrap_or_default();
    let Some(handle) = message.receipt_handle else {
        tracing::error!(message_id = %id, "a message came without a receipt handle and can't be settled");
        return None;
    };
    let attributes: BTreeMap<String, String> = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.string_value?)))
        .collect();
    Some(Message {
        id,
        receipt: Receipt::new(handle),
        body: message.body.unwrap_or_default(),
        attributes,
        receive_count: system
            .get(&MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|text| text.parse().ok())
            .unwrap_or(1),
        sent_at: time(MessageSystemAttributeName::SentTimestamp),
        first_received_at: time(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp),
    })
}

pub(super) fn write_entry(
    index: usize,
    message: OutMessage,
) -> Result<SendMessageBatchRequestEntry, String> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(message.body);
    for (name, value) in message.attributes {
        let attribute = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build()
            .map_err(|error| format!("the attribute {name}: {error}"))?;
        entry = entry.message_attributes(name, attribute);
    }
    entry = entry.set_delay_seconds(message.delay.map(seconds));
    entry.build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visibility_is_rounded_up() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(60)), 60);
    }

    #[test]
    fn region_comes_from_an_amazon_url_only() {
        let amazon = region_of("https://sqs.eu-central-1.amazonaws.com/123456789012/pdfs");
        assert_eq!(amazon.as_deref(), Some("eu-central-1"));
        assert_eq!(region_of("http://127.0.0.1:4566/000000000000/pdfs"), None);
    }

    #[test]
    fn redrive_policy_reads_both_spellings_of_its_count() {
        for count in ["5", "\"5\""] {
            let policy = format!(
                r#"{{"deadLetterTargetArn":"arn:aws:sqs:r:1:dlq","maxReceiveCount":{count}}}"#
            );
            let read = read_policy(&policy).expect("a policy");
            assert_eq!(
                (read.target.as_str(), read.max_receives),
                ("arn:aws:sqs:r:1:dlq", 5)
            );
        }
        assert_eq!(read_policy("nonsense"), None);
    }
}
