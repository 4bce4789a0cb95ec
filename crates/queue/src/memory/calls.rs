//! The calls of a queue in memory, with the faults that are scripted for them.

use std::time::Duration;

use async_trait::async_trait;

use super::store::{Caller, Refusal};
use super::{Fault, MemoryQueue, Operation};
use crate::capabilities::{Capabilities, DeadLettering};
use crate::description::{Access, DeadLetterPolicy, Description, Probe};
use crate::error::{QueueError, SendFailure};
use crate::message::{Message, OutMessage, Receipt};
use crate::sending::send_then_delete;
use crate::transport::{Ask, Depth, End, Hold, Queue};

/// The hold of a receive that asks for none, as SQS has it.
const HOLD_DEFAULT: Duration = Duration::from_secs(30);
/// The retention of a queue that sets none, as SQS has it. Nothing expires here.
const RETENTION_DEFAULT: Duration = Duration::from_secs(4 * 24 * 60 * 60);

impl MemoryQueue {
    /// Plays the next fault. `Ok(Some)` is one that comes after the call had its effect.
    async fn misbehave(&self, operation: Operation) -> Result<Option<Fault>, QueueError> {
        let fault = self.scripted().next(operation);
        match fault {
            Some(Fault::Error(error)) => Err(error),
            Some(Fault::Hang(time)) => {
                self.inner.clock.sleep(time).await;
                Ok(None)
            }
            other => Ok(other),
        }
    }

    /// What is heard of a call that had its effect. An answer is lost by the loss of its connection.
    fn answer(&self, fault: Option<Fault>) -> Result<(), QueueError> {
        match fault {
            Some(Fault::AnswerLost(error)) => {
                self.lose_connection();
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn invalid(&self, reason: impl Into<String>) -> QueueError {
        QueueError::Invalid {
            queue: self.inner.name.clone(),
            reason: reason.into(),
        }
    }

    fn refused(&self, refusal: Refusal) -> QueueError {
        match refusal {
            Refusal::NotOurs => QueueError::StaleReceipt {
                queue: self.inner.name.clone(),
                reason: "the message is not in flight under this receipt".to_owned(),
            },
            Refusal::BeyondLimit => self.invalid("the total hold is beyond the limit"),
        }
    }

    fn address(&self) -> String {
        format!("memory:{}", self.inner.name)
    }

    async fn end(&self, receipt: &Receipt, end: &End) -> Result<(), QueueError> {
        let fault = self.misbehave(Operation::Settle).await?;
        let caller = self.caller();
        let ended = self.store().end(receipt, end, caller);
        ended.map_err(|refusal| self.refused(refusal))?;
        self.inner.changed.notify_waiters();
        self.answer(fault)
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.inner.capabilities
    }

    async fn receive(&self, ask: Ask) -> Result<Vec<Message>, QueueError> {
        let fault = self.misbehave(Operation::Receive).await?;
        let limits = &self.inner.capabilities.limits;
        let Ask { most, wait, hold } = ask;
        if most == 0 || most > limits.receive || wait > limits.wait {
            return Err(self.invalid(format!(
                "a receive takes 1 to {} messages and waits {} s at most",
                limits.receive,
                limits.wait.as_secs()
            )));
        }
        let receiver = self.receiver()?;
        let gives_up_at = receiver.now + wait;
        loop {
            let changed = self.inner.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = self.inner.clock.now();
            let taken = self.take_free(most, hold, Caller { now, ..receiver })?;
            if !taken.is_empty() || now >= gives_up_at {
                self.answer(fault)?;
                return Ok(taken);
            }
            let next_free = self.store().next_free_at(now);
            let wakes_at = next_free.map_or(gives_up_at, |at| at.min(gives_up_at));
            tokio::select! {
                biased;
                () = changed => {}
                () = self.inner.clock.sleep(wakes_at.since(now)) => {}
            }
        }
    }

    async fn renew(&self, receipt: &Receipt, wish: Duration) -> Result<Hold, QueueError> {
        let fault = self.misbehave(Operation::Renew).await?;
        let caller = self.caller();
        let renewed = self.store().renew(receipt, wish, caller);
        let hold = renewed.map_err(|refusal| self.refused(refusal))?;
        self.inner.changed.notify_waiters();
        self.answer(fault).map(|()| hold)
    }

    async fn taken_back(&self, receipt: &Receipt) {
        if self.patience().is_none() {
            return std::future::pending().await;
        }
        loop {
            let changed = self.inner.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !self.holds(receipt) {
                return;
            }
            changed.await;
        }
    }

    async fn settle(&self, receipt: &Receipt, end: &End) -> Result<(), QueueError> {
        let End::DeadLetter(letter) = end else {
            return self.end(receipt, end).await;
        };
        let Some(dead_letters) = &self.inner.dead_letters else {
            return Err(self.invalid("it has no dead-letter queue"));
        };
        let window = match self.inner.capabilities.dead_letter {
            DeadLettering::Nowhere | DeadLettering::SendThenDelete => {
                return send_then_delete(self, dead_letters, receipt, letter).await;
            }
            DeadLettering::Deduplicated { window } => window,
            // The letter's name is the message's, which is gone with it.
            DeadLettering::Atomic => Duration::MAX,
        };
        let fault = self.misbehave(Operation::Settle).await?;
        let caller = self.caller();
        let number = {
            let mut store = self.store();
            let number = store.number_of(receipt);
            let ended = store.end(receipt, end, caller);
            ended.map_err(|refusal| self.refused(refusal))?;
            number
        };
        let name = format!("{} {number:?}", self.inner.name);
        let now = dead_letters.inner.clock.now();
        dead_letters
            .store()
            .insert_once(name, letter.clone(), window, now);
        dead_letters.inner.changed.notify_waiters();
        self.answer(fault)
    }

    async fn send(
        &self,
        messages: Vec<OutMessage>,
    ) -> Result<Vec<Result<(), SendFailure>>, QueueError> {
        let fault = self.misbehave(Operation::Send).await?;
        let limits = &self.inner.capabilities.limits;
        if messages.is_empty() || messages.len() > limits.send {
            return Err(self.invalid(format!("a batch has 1 to {} messages", limits.send)));
        }
        let failing = match &fault {
            Some(Fault::PartialSend(indexes)) => indexes.clone(),
            _ => Vec::new(),
        };
        let mut results = Vec::with_capacity(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            results.push(match refusal(&message, limits.attributes) {
                Some(reason) => Err(SendFailure {
                    code: "InvalidParameterValue".into(),
                    reason,
                    sender_fault: true,
                }),
                None if failing.contains(&index) => Err(SendFailure {
                    code: "InternalError".into(),
                    reason: "scripted".into(),
                    sender_fault: false,
                }),
                None => {
                    self.push_message(message);
                    Ok(())
                }
            });
        }
        self.answer(fault)?;
        Ok(results)
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let fault = self.misbehave(Operation::Describe).await?;
        self.answer(fault)?;
        Ok(self.store().depth(self.inner.clock.now()))
    }

    async fn describe(&self) -> Result<Description, QueueError> {
        let fault = self.misbehave(Operation::Describe).await?;
        self.answer(fault)?;
        let limit = self.inner.capabilities.receive_limit;
        let dead_letters = self.inner.dead_letters.as_ref().zip(limit);
        Ok(Description {
            address: self.address(),
            hold: Some(HOLD_DEFAULT),
            retention: Some(RETENTION_DEFAULT),
            dead_letters: dead_letters.map(|(queue, max_receives)| DeadLetterPolicy {
                target: queue.address(),
                max_receives,
            }),
        })
    }

    async fn probe(&self, access: Access) -> Vec<Probe> {
        let permission = match access {
            Access::Work => "work",
            Access::Send => "send",
        };
        vec![Probe {
            permission,
            found: Ok(()),
        }]
    }
}

fn refusal(message: &OutMessage, most_attributes: usize) -> Option<String> {
    if message.body.is_empty() {
        return Some("the body is empty".to_owned());
    }
    if message.attributes.len() > most_attributes {
        return Some(format!("more than {most_attributes} attributes"));
    }
    let empty = message
        .attributes
        .iter()
        .find(|(_, value)| value.is_empty());
    empty.map(|(name, _)| format!("the attribute {name} is empty"))
}
