//! Stands where SQS is left out (feature `sqs`): every call says so, so that programs need no second way through their code.

use std::time::Duration;

use async_trait::async_trait;

use crate::capabilities::Capabilities;
use crate::description::{Access, Description, Probe};
use crate::error::{QueueError, SendFailure};
use crate::message::{Message, OutMessage, Receipt};
use crate::transport::{Ask, Depth, End, Hold, Queue};

/// A queue that can't be reached.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    url: String,
    capabilities: Capabilities,
}

impl SqsQueue {
    /// Takes the URL of a queue.
    pub async fn connect(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            capabilities: crate::memory::likeness::sqs(),
        }
    }

    /// As it is: nothing goes anywhere.
    #[must_use]
    pub fn with_dead_letters(self, _: Option<Self>) -> Self {
        self
    }

    /// As it is.
    #[must_use]
    pub fn described_by(self, _: &Description) -> Self {
        self
    }

    /// The queue's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The dead-letter queue that can't be asked for either.
    ///
    /// # Errors
    /// Always.
    pub async fn dead_letters(&self) -> Result<Option<Self>, QueueError> {
        Err(self.not_built())
    }

    fn not_built(&self) -> QueueError {
        QueueError::NotBuilt {
            queue: self.url.clone(),
            feature: "sqs",
        }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    fn name(&self) -> &str {
        &self.url
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn receive(&self, _: Ask) -> Result<Vec<Message>, QueueError> {
        Err(self.not_built())
    }

    async fn renew(&self, _: &Receipt, _: Duration) -> Result<Hold, QueueError> {
        Err(self.not_built())
    }

    async fn taken_back(&self, _: &Receipt) {
        std::future::pending().await
    }

    async fn settle(&self, _: &Receipt, _: &End) -> Result<(), QueueError> {
        Err(self.not_built())
    }

    async fn send(&self, _: Vec<OutMessage>) -> Result<Vec<Result<(), SendFailure>>, QueueError> {
        Err(self.not_built())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Err(self.not_built())
    }

    async fn describe(&self) -> Result<Description, QueueError> {
        Err(self.not_built())
    }

    async fn probe(&self, _: Access) -> Vec<Probe> {
        Vec::new()
    }
}
