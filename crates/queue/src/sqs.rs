//! Amazon SQS. AWS types stay in here.

mod failure;
mod wire;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Builder, Region};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use wire::{read_message, read_policy, region_of, seconds, write_entry};

use crate::capabilities::{
    Capabilities, DeadLettering, HoldLength, Limits, Proof, Receipts, Receives, RetryDelays, Stale,
};
use crate::description::{Access, Description, Probe};
use crate::error::{QueueError, SendFailure};
use crate::message::{Message, OutMessage, Receipt};
use crate::sending::send_then_delete;
use crate::transport::{Ask, Depth, End, Hold, Queue};

/// The longest that a message may stay invisible, counted from its receipt (`ChangeMessageVisibility`).
const VISIBILITY_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// What the documentation of `SendMessageBatch`, `ReceiveMessage` and "Message metadata" says.
const LIMITS: Limits = Limits {
    receive: 10,
    send: 10,
    wait: Duration::from_secs(20),
    delay: Duration::from_secs(15 * 60),
    attributes: 10,
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
    dead_letters: Option<Box<SqsQueue>>,
    capabilities: Capabilities,
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
        Self {
            client,
            url,
            name,
            dead_letters: None,
            capabilities: capabilities(),
        }
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

    /// The same queue, whose dead letters go there.
    #[must_use]
    pub fn with_dead_letters(mut self, dead_letters: Option<Self>) -> Self {
        self.capabilities.dead_letter = match &dead_letters {
            Some(_) => DeadLettering::SendThenDelete,
            None => DeadLettering::Nowhere,
        };
        self.dead_letters = dead_letters.map(Box::new);
        self
    }

    /// The queue's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The dead-letter queue that this queue's redrive policy names; `None` when it has no policy.
    pub async fn dead_letters(&self) -> Result<Option<Self>, QueueError> {
        let Some(policy) = self.describe().await?.dead_letters else {
            return Ok(None);
        };
        // arn:aws:sqs:region:account:name
        let mut parts = policy.target.rsplit(':');
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

    /// The same queue, with what its description says of its limits.
    #[must_use]
    pub fn described_by(mut self, description: &Description) -> Self {
        let policy = description.dead_letters.as_ref();
        self.capabilities.receive_limit = policy.map(|policy| policy.max_receives);
        self
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

    async fn change_visibility(
        &self,
        receipt: &Receipt,
        visibility: Duration,
    ) -> Result<(), QueueError> {
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

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn receive(&self, ask: Ask) -> Result<Vec<Message>, QueueError> {
        let Ask { most, wait, hold } = ask;
        if wait > LIMITS.wait {
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
            .max_number_of_messages(i32::try_from(most).unwrap_or(i32::MAX))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(hold))
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

    async fn renew(&self, receipt: &Receipt, wish: Duration) -> Result<Hold, QueueError> {
        self.change_visibility(receipt, wish).await?;
        Ok(Hold(wish))
    }

    async fn taken_back(&self, _receipt: &Receipt) {
        std::future::pending().await
    }

    async fn settle(&self, receipt: &Receipt, end: &End) -> Result<(), QueueError> {
        match end {
            End::Done => self.delete(receipt).await,
            End::Release => self.change_visibility(receipt, Duration::ZERO).await,
            End::Retry { after } => self.change_visibility(receipt, *after).await,
            End::DeadLetter(letter) => match &self.dead_letters {
                Some(dead_letters) => {
                    send_then_delete(self, &**dead_letters, receipt, letter).await
                }
                None => Err(self.invalid("it has no dead-letter queue: set SQS_DLQ_URL")),
            },
        }
    }

    async fn send(
        &self,
        messages: Vec<OutMessage>,
    ) -> Result<Vec<Result<(), SendFailure>>, QueueError> {
        let count = messages.len();
        if count == 0 || count > LIMITS.send {
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

    async fn depth(&self) -> Result<Depth, QueueError> {
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
        let [visible, not_visible, delayed] = names.each_ref().map(number);
        Ok(Depth {
            waiting: visible,
            in_flight: Some(not_visible),
            delayed: Some(delayed),
        })
    }

    async fn describe(&self) -> Result<Description, QueueError> {
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
        Ok(Description {
            address: attributes
                .get(&QueueAttributeName::QueueArn)
                .cloned()
                .unwrap_or_default(),
            hold: Some(seconds_of(&QueueAttributeName::VisibilityTimeout)),
            retention: Some(seconds_of(&QueueAttributeName::MessageRetentionPeriod)),
            dead_letters: attributes
                .get(&QueueAttributeName::RedrivePolicy)
                .and_then(|policy| read_policy(policy)),
        })
    }

    /// By calls that SQS refuses as wrong from whoever may make them: no message has that receipt, zero messages are
    /// asked for, and a message needs a body.
    async fn probe(&self, access: Access) -> Vec<Probe> {
        let nothing = Receipt::new("permission-probe");
        let none = Ask {
            most: 0,
            wait: Duration::ZERO,
            hold: Duration::ZERO,
        };
        match access {
            Access::Work => vec![
                probed("sqs:ReceiveMessage", self.receive(none).await),
                probed(
                    "sqs:ChangeMessageVisibility",
                    self.change_visibility(&nothing, Duration::ZERO).await,
                ),
                probed("sqs:DeleteMessage", self.delete(&nothing).await),
            ],
            Access::Send => {
                let sent = self.send(vec![OutMessage::new("")]).await;
                let was_taken = matches!(&sent, Ok(results) if results.iter().any(Result::is_ok));
                let mut probe = probed("sqs:SendMessage", sent);
                if was_taken {
                    probe.found = Err(self.invalid(
                        "it took an empty message, which SQS refuses: remove it; this is no SQS",
                    ));
                }
                vec![probe]
            }
        }
    }
}

/// What SQS promises (Amazon SQS Developer Guide; standard queues).
fn capabilities() -> Capabilities {
    Capabilities {
        hold: HoldLength::PerCall {
            max: VISIBILITY_MAX,
        },
        hold_total: Some(VISIBILITY_MAX),
        receipts: Receipts::Anywhere,
        stale: Stale::Refused,
        proof: Proof::Answered,
        retry: RetryDelays::Any {
            max: VISIBILITY_MAX,
        },
        receives: Receives::Approximate,
        // A redrive policy may set one: see `described_by`.
        receive_limit: None,
        dead_letter: DeadLettering::Nowhere,
        limits: LIMITS,
    }
}

/// A call that is refused as wrong was allowed.
fn probed<Answer>(permission: &'static str, answer: Result<Answer, QueueError>) -> Probe {
    let found = match answer {
        Err(error @ QueueError::Denied { .. }) => Err(error),
        Err(error) if error.is_transient() => Err(error),
        _ => Ok(()),
    };
    Probe { permission, found }
}
