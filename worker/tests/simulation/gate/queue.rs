//! The queue, seen through the gate.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pagemill_queue::{
    Counts, MemoryQueue, Message, OutMessage, Queue, QueueAttributes, QueueError, Receipt,
    SendFailure,
};

use super::{Call, Gate, Trouble};
use crate::sabotage::Sabotage;
use crate::schedule::Dependency;

/// What a worker has this queue for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Receiving and settling.
    Work,
    /// Renewing.
    Heartbeat,
    /// Burying.
    DeadLetters,
}

/// A queue, for one worker.
#[derive(Debug)]
pub(crate) struct GatedQueue {
    pub(crate) gate: Arc<Gate>,
    pub(crate) queue: MemoryQueue,
    pub(crate) role: Role,
}

impl GatedQueue {
    fn call(&self, what: String) -> Call {
        Call {
            dependency: Dependency::Sqs,
            what,
            writes: None,
        }
    }

    fn fails(&self) -> impl Fn(Trouble) -> QueueError + Send + Sync + use<> {
        let queue = self.queue.name().to_owned();
        move |trouble| {
            let (queue, reason) = (queue.clone(), "simulated".to_owned());
            match trouble {
                Trouble::Unavailable => QueueError::Unavailable { queue, reason },
                Trouble::Throttled => QueueError::Throttled { queue, reason },
            }
        }
    }
}

#[async_trait]
impl Queue for GatedQueue {
    fn name(&self) -> &str {
        self.queue.name()
    }

    async fn receive(
        &self,
        max: u8,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        let call = self.call(format!("receive up to {max}"));
        let (gate, queue) = (Arc::clone(&self.gate), self.queue.clone());
        let received = self
            .gate
            .call(call, self.fails(), move || {
                let (gate, queue) = (Arc::clone(&gate), queue.clone());
                async move {
                    gate.world.may_duplicate();
                    let messages = queue.receive(max, wait, visibility).await?;
                    gate.world.oracle().received(&gate, &messages, visibility);
                    Ok(messages)
                }
            })
            .await?;
        if self.gate.world.sabotage == Sabotage::DeleteBeforeCommit {
            for message in &received {
                drop(self.delete(&message.receipt).await);
            }
        }
        Ok(received)
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        if self.role == Role::Heartbeat && self.gate.world.sabotage == Sabotage::NoHeartbeat {
            return Ok(());
        }
        let call = self.call(format!(
            "extend {} to {} s",
            receipt.as_str(),
            visibility.as_secs()
        ));
        let settles = self.role == Role::Work;
        let (gate, queue, receipt) = (Arc::clone(&self.gate), self.queue.clone(), receipt.clone());
        self.gate
            .call(call, self.fails(), move || {
                let (gate, queue, receipt) = (Arc::clone(&gate), queue.clone(), receipt.clone());
                async move {
                    queue.extend(&receipt, visibility).await?;
                    gate.world.oracle().extended(&receipt, visibility, settles);
                    Ok(())
                }
            })
            .await
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let call = self.call(format!("delete {}", receipt.as_str()));
        self.gate.running().await;
        self.gate.world.oracle().deletes(&self.gate, receipt);
        let (queue, receipt) = (self.queue.clone(), receipt.clone());
        self.gate
            .call(call, self.fails(), move || {
                let (queue, receipt) = (queue.clone(), receipt.clone());
                async move { queue.delete(&receipt).await }
            })
            .await
    }

    async fn send_batch(
        &self,
        messages: Vec<OutMessage>,
    ) -> Result<Vec<Result<(), SendFailure>>, QueueError> {
        let reasons: Vec<&str> = messages
            .iter()
            .filter_map(|message| message.attributes.get("reason"))
            .map(String::as_str)
            .collect();
        let call = self.call(format!("send to {}: {}", self.name(), reasons.join(" ")));
        let queue = self.queue.clone();
        self.gate
            .call(call, self.fails(), move || {
                let (queue, messages) = (queue.clone(), messages.clone());
                async move { queue.send_batch(messages).await }
            })
            .await
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        self.queue.counts().await
    }

    async fn describe(&self) -> Result<QueueAttributes, QueueError> {
        self.queue.describe().await
    }
}
