//! Amazon SQS. AWS types stay in here.

mod failure;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Builder, Region};
use aws_sdk_sqs::types::{
    Message as SqsMessage, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};

use crate::transport::{
    Counts, DeadLetterPolicy, Message, OutMessage, Queue, QueueAttributes, QueueError, Receipt,
    SEND_BATCH_MAX, SendFailure, WAIT_MAX,
};

/// One try of an ordinary call.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
/// An ordinary call with its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// A poll may take so much longer than its wait.
const POLL_GRACE: Duration = Duration::from_secs(5);

/// A queue of Amazon SQS, or of anything that speaks its protocol.
#[derive(Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
    name: String,
}

impl fmt::Debug for SqsQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SqsQueue")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl SqsQueue {
    /// A queue by its URL, through an existing client.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        let url: String = url.into();
        let name = url.rsplit('/').next().unwrap_or(&url).to_owned();
        Self { client, url, name }
    }

    /// A queue by its URL, through a client of its own that is set up from the environment (region, credentials,
    /// `AWS_ENDPOINT_URL`). A region that is set nowhere is taken from the URL. Makes no call.
    pub async fn connect(url: impl Into<String>) -> Self {
        let url: String = url.into();
        let loaded = aws_config::defaults(BehaviorVersion::latest())
            .http_client(pagemill_http::for_aws())
            .load()
            .await;
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT)
            .build();
        let region = loaded
            .region()
            .cloned()
            .or_else(|| region_of(&url).map(Region::new));
        let mut config = Builder::from(&loaded).timeout_config(timeouts);
        config.set_region(region);
        Self::new(Client::from_conf(config.build()), url)
    }

    /// The same as [`SqsQueue::connect`], as the pointer that intake, heartbeat and settler take.
    pub async fn connect_shared(url: impl Into<String>) -> Arc<dyn Queue> {
        Arc::new(Self::connect(url).await)
    }

    /// The queue's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The dead-letter queue that this queue's redrive policy names; `None` when it has no policy.
    pub async fn dead_letters(&self) -> Result<Option<Self>, QueueError> {
        let Some(policy) = self.describe().await?.dead_letter else {
            return Ok(None);
        };
        // arn:aws:sqs:region:account:name
        let mut parts = policy.target_arn.rsplit(':');
        let name = parts.next().unwrap_or_default();
        let account = parts
            .next()
            .filter(|account| !account.is_empty())
            .map(str::to_owned);
        let answer = self
            .client
            .get_queue_url()
            .queue_name(name)
            .set_queue_owner_aws_account_id(account)
            .send()
            .await
            .map_err(|error| failure::classify(name, "sqs:GetQueueUrl", error))?;
        match answer.queue_url {
            Some(url) => Ok(Some(Self::new(self.client.clone(), url))),
            None => Err(self.unavailable("the answer has no queue URL")),
        }
    }

    fn unavailable(&self, reason: &str) -> QueueError {
        QueueError::Unavailable {
            queue: self.name.clone(),
            reason: reason.to_owned(),
        }
    }

    fn invalid(&self, reason: &str) -> QueueError {
        QueueError::Invalid {
            queue: self.name.clone(),
            reason: reason.to_owned(),
        }
    }

    async fn attributes(
        &self,
        names: &[QueueAttributeName],
    ) -> Result<HashMap<QueueAttributeName, String>, QueueError> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .map_err(|error| failure::classify(&self.name, "sqs:GetQueueAttributes", error))?;
        Ok(answer.attributes.unwrap_or_default())
    }
}

#[async_trait]
impl Queue for SqsQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn receive(
        &self,
        max: u8,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        if wait > WAIT_MAX {
            return Err(self.invalid("a poll waits 20 s at most"));
        }
        // One try only: a second poll inside one call could take messages that the first has taken already.
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(wait + POLL_GRACE)
            .operation_timeout(wait + POLL_GRACE)
            .build();
        let overridden = Builder::default()
            .timeout_config(timeouts)
            .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled());
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::from(max))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(visibility))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .customize()
            .config_override(overridden)
            .send()
            .await
            .map_err(|error| failure::classify(&self.name, "sqs:ReceiveMessage", error))?;
        Ok(answer
            .messages
            .unwrap_or_default()
            .into_iter()
            .filter_map(read_message)
            .collect())
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt.as_str())
            .visibility_timeout(seconds(visibility))
            .send()
            .await
            .map_err(|error| failure::classify(&self.name, "sqs:ChangeMessageVisibility", error))?;
        Ok(())
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(receipt.as_str())
            .send()
            .await
            .map_err(|error| failure::classify(&self.name, "sqs:DeleteMessage", error))?;
        Ok(())
    }

    async fn send_batch(
        &self,
        messages: Vec<OutMessage>,
    ) -> Result<Vec<Result<(), SendFailure>>, QueueError> {
        let count = messages.len();
        if count == 0 || count > SEND_BATCH_MAX {
            return Err(self.invalid("a batch has 1 to 10 messages"));
        }
        let entries = messages
            .into_iter()
            .enumerate()
            .map(|(index, message)| write_entry(index, message))
            .collect::<Result<Vec<_>, String>>()
            .map_err(|reason| self.invalid(&reason))?;
        let answer = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| failure::classify(&self.name, "sqs:SendMessage", error))?;
        // The answer names the entries in any order; one that it does not name was not sent as far as we know.
        let silent = SendFailure {
            code: "NoAnswer".into(),
            reason: "the answer does not name it".into(),
            sender_fault: false,
        };
        let mut results: Vec<Result<(), SendFailure>> = vec![Err(silent); count];
        for sent in answer.successful {
            if let Some(result) = sent
                .id
                .parse()
                .ok()
                .and_then(|index: usize| results.get_mut(index))
            {
                *result = Ok(());
            }
        }
        for refused in answer.failed {
            if let Some(result) = refused
                .id
                .parse()
                .ok()
                .and_then(|index: usize| results.get_mut(index))
            {
                let reason = refused.message.unwrap_or_else(|| "no reason given".into());
                *result = Err(SendFailure {
                    code: refused.code,
                    reason,
                    sender_fault: refused.sender_fault,
                });
            }
        }
        Ok(results)
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let attributes = self.attributes(&names).await?;
        let number = |name: &QueueAttributeName| {
            attributes
                .get(name)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        let [visible, in_flight, delayed] = names.each_ref().map(number);
        Ok(Counts {
            visible,
            in_flight,
            delayed,
        })
    }

    async fn describe(&self) -> Result<QueueAttributes, QueueError> {
        let names = [
            QueueAttributeName::QueueArn,
            QueueAttributeName::VisibilityTimeout,
            QueueAttributeName::MessageRetentionPeriod,
            QueueAttributeName::RedrivePolicy,
        ];
        let attributes = self.attributes(&names).await?;
        let seconds_of = |name: &QueueAttributeName| {
            Duration::from_secs(
                attributes
                    .get(name)
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0),
            )
        };
        Ok(QueueAttributes {
            arn: attributes
                .get(&QueueAttributeName::QueueArn)
                .cloned()
                .unwrap_or_default(),
            visibility_timeout: seconds_of(&QueueAttributeName::VisibilityTimeout),
            retention: seconds_of(&QueueAttributeName::MessageRetentionPeriod),
            dead_letter: attributes
                .get(&QueueAttributeName::RedrivePolicy)
                .and_then(|policy| read_policy(policy)),
        })
    }
}

/// Whole seconds, rounded up: the queue must never grant less than was asked for.
fn seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

/// The region in a queue URL of the form `https://sqs.<region>.amazonaws.com/...`.
fn region_of(url: &str) -> Option<String> {
    let host = url.split("://").nth(1)?.split('/').next()?;
    let mut labels = host.split('.');
    let is_sqs = labels.next() == Some("sqs");
    let region = labels.next()?;
    (is_sqs && labels.next() == Some("amazonaws")).then(|| region.to_owned())
}

/// A redrive policy is JSON in an attribute; `maxReceiveCount` comes as a number or as text.
fn read_policy(policy: &str) -> Option<DeadLetterPolicy> {
    let value: serde_json::Value = serde_json::from_str(policy).ok()?;
    let count = &value["maxReceiveCount"];
    let max_receive_count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    Some(DeadLetterPolicy {
        target_arn: value["deadLetterTargetArn"].as_str()?.to_owned(),
        max_receive_count: u32::try_from(max_receive_count).ok()?,
    })
}

fn read_message(message: SqsMessage) -> Option<Message> {
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

fn write_entry(index: usize, message: OutMessage) -> Result<SendMessageBatchRequestEntry, String> {
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
                (read.target_arn.as_str(), read.max_receive_count),
                ("arn:aws:sqs:r:1:dlq", 5)
            );
        }
        assert_eq!(read_policy("nonsense"), None);
    }
}
