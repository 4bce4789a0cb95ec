//! The queue, seen through the gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pagemill_queue::capabilities::DeadLettering;
use pagemill_queue::{
    Access, Ask, Capabilities, Depth, Description, End, Hold, MemoryQueue, Message, OutMessage,
    Probe, Queue, QueueError, Receipt, SendFailure, send_then_delete,
};

use super::{Call, Gate, Trouble};
use crate::sabotage::Sabotage;
use crate::schedule::Dependency;

/// A queue, for one worker.
#[derive(Debug)]
pub(crate) struct GatedQueue {
    pub(crate) gate: Arc<Gate>,
    pub(crate) queue: MemoryQueue,
}

impl GatedQueue {
    fn call(&self, what: String) -> Call {
        Call {
            dependency: Dependency::Sqs,
            what,
            writes: None,
        }
    }

    /// An adapter without an answer can't know what its connection holds. It closes it, and all that comes back, where
    /// messages belong to connections.
    fn heed<Answer>(&self, answer: Result<Answer, QueueError>) -> Result<Answer, QueueError> {
        if matches!(answer, Err(QueueError::Unavailable { .. })) {
            self.queue.lose_connection();
        }
        answer
    }

    /// Each effect of a call says it first: a client sends a call once more because its connection broke.
    fn sends(&self) -> impl Fn() + Send + Sync + use<> {
        let (queue, is_sent) = (self.queue.clone(), AtomicBool::new(false));
        move || {
            if is_sent.swap(true, Ordering::Relaxed) {
                queue.lose_connection();
            }
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

    fn capabilities(&self) -> &Capabilities {
        self.queue.capabilities()
    }

    async fn receive(&self, ask: Ask) -> Result<Vec<Message>, QueueError> {
        let call = self.call(format!("receive up to {}", ask.most));
        let (gate, queue) = (Arc::clone(&self.gate), self.queue.clone());
        let sends = self.sends();
        let received = self
            .gate
            .call(call, self.fails(), move || {
                sends();
                let (gate, queue) = (Arc::clone(&gate), queue.clone());
                async move {
                    gate.world.may_duplicate();
                    let messages = queue.receive(ask).await?;
                    let hold = queue.capabilities().hold.granted(ask.hold);
                    gate.world.oracle().received(&gate, &messages, hold);
                    Ok(messages)
                }
            })
            .await;
        let received = self.heed(received)?;
        if self.gate.world.sabotage == Sabotage::DeleteBeforeCommit {
            for message in &received {
                drop(self.settle(&message.receipt, &End::Done).await);
            }
        }
        Ok(received)
    }

    async fn renew(&self, receipt: &Receipt, wish: Duration) -> Result<Hold, QueueError> {
        if self.gate.world.sabotage == Sabotage::NoHeartbeat {
            return Ok(Hold(self.capabilities().hold.granted(wish)));
        }
        let call = self.call(format!("renew {}", receipt.as_str()));
        let (gate, queue, receipt) = (Arc::clone(&self.gate), self.queue.clone(), receipt.clone());
        let sends = self.sends();
        let renewed = self
            .gate
            .call(call, self.fails(), move || {
                sends();
                let (gate, queue, receipt) = (Arc::clone(&gate), queue.clone(), receipt.clone());
                async move {
                    let hold = queue.renew(&receipt, wish).await?;
                    gate.world.oracle().renewed(&receipt, hold);
                    Ok(hold)
                }
            })
            .await;
        self.heed(renewed)
    }

    async fn taken_back(&self, receipt: &Receipt) {
        self.queue.taken_back(receipt).await;
        self.gate.running().await;
    }

    async fn settle(&self, receipt: &Receipt, end: &End) -> Result<(), QueueError> {
        let what = match end {
            End::Done => "delete".to_owned(),
            End::Release => "release".to_owned(),
            End::Retry { after } => format!("delay by {} s", after.as_secs()),
            End::DeadLetter(letter) => {
                if self.capabilities().dead_letter == DeadLettering::SendThenDelete {
                    // Two calls, between which a worker can die.
                    let dead_letters = Self {
                        gate: Arc::clone(&self.gate),
                        queue: self.gate.world.dead_letters.clone(),
                    };
                    return send_then_delete(self, &dead_letters, receipt, letter).await;
                }
                "dead-letter".to_owned()
            }
        };
        let call = self.call(format!("{what} {}", receipt.as_str()));
        if matches!(end, End::Done | End::DeadLetter(_)) {
            self.gate.running().await;
            self.gate.world.oracle().deletes(&self.gate, receipt, end);
        }
        let (gate, queue) = (Arc::clone(&self.gate), self.queue.clone());
        let sends = self.sends();
        let (receipt, end) = (receipt.clone(), end.clone());
        let settled = self
            .gate
            .call(call, self.fails(), move || {
                sends();
                let (gate, queue) = (Arc::clone(&gate), queue.clone());
                let (receipt, end) = (receipt.clone(), end.clone());
                async move {
                    queue.settle(&receipt, &end).await?;
                    gate.world.oracle().settled(&receipt, &end);
                    Ok(())
                }
            })
            .await;
        self.heed(settled)
    }

    async fn send(
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
                async move { queue.send(messages).await }
            })
            .await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }

    async fn describe(&self) -> Result<Description, QueueError> {
        self.queue.describe().await
    }

    async fn probe(&self, access: Access) -> Vec<Probe> {
        self.queue.probe(access).await
    }
}
