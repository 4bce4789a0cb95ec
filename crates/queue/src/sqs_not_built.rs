//! Stands where SQS is left out (feature `sqs`): every call says so, so that programs need no second way through their code.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::transport::{
    Counts, Message, OutMessage, Queue, QueueAttributes, QueueError, Receipt, SendFailure,
};

/// A queue that can't be reached.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    url: String,
}

impl SqsQueue {
    /// Takes the URL of a queue.
    pub async fn connect(url: impl Into<String>) -> Self {
        Self { url: url.into() }
    }

    /// The same, as the pointer that intake, heartbeat and settler take.
    pub async fn connect_shared(url: impl Into<String>) -> Arc<dyn Queue> {
        Arc::new(Self::connect(url).await)
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

    async fn receive(&self, _: u8, _: Duration, _: Duration) -> Result<Vec<Message>, QueueError> {
        Err(self.not_built())
    }

    async fn extend(&self, _: &Receipt, _: Duration) -> Result<(), QueueError> {
        Err(self.not_built())
    }

    async fn delete(&self, _: &Receipt) -> Result<(), QueueError> {
        Err(self.not_built())
    }

    async fn send_batch(
        &self,
        _: Vec<OutMessage>,
    ) -> Result<Vec<Result<(), SendFailure>>, QueueError> {
        Err(self.not_built())
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        Err(self.not_built())
    }

    async fn describe(&self) -> Result<QueueAttributes, QueueError> {
        Err(self.not_built())
    }
}
