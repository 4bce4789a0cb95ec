//! Ending a message by the outcome of its records.

mod backoff;
mod dead_letter;
mod jitter;

use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::capabilities::DeadLettering;
use crate::error::QueueError;
use crate::give_back::{give_back, is_held_by_connection};
use crate::lease::SettlePermit;
use crate::message::Message;
use crate::transport::{End, Queue};

pub use backoff::{BACKOFF_FIRST, BACKOFF_MAX, YIELD_FIRST, backoff, yield_wait};
pub use dead_letter::attribute;
pub use jitter::Jitter;

/// How often a settling call is tried, and the pause before the second try; it doubles.
const TRIES: u32 = 3;
const TRY_PAUSE: Duration = Duration::from_millis(500);

/// How the work on one record ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Committed, or nothing was to be done.
    Done,
    /// A newer event for the same key has been handled already.
    Superseded,
    /// It will never work: dead-letter it at once.
    Permanent(PermanentFailure),
    /// Given back unfinished: shutdown, or a dependency is down. Not a failure.
    Released,
    /// Another message's run has the document, and this one comes back soon to see whether that is done.
    Yielded,
    /// It may work later.
    Transient {
        /// What went wrong.
        reason: String,
        /// Not earlier than this, when the cause said so.
        retry_after: Option<Duration>,
    },
    /// The message is no longer ours: touch nothing.
    LeaseLost,
}

impl Outcome {
    /// The worse of two: what a message of several records ends as. From best to worst: done, superseded,
    /// permanent, released, yielded, transient, lease lost. Unfinished is worse than failed for good: the message comes
    /// back, the finished records are skipped, and the permanent failure is found again in the end.
    pub fn worse(self, other: Self) -> Self {
        if other.severity() > self.severity() {
            other
        } else {
            self
        }
    }

    /// The worst of many; done when there are none. Of equals, the first.
    pub fn worst_of(outcomes: impl IntoIterator<Item = Self>) -> Self {
        outcomes.into_iter().fold(Self::Done, Self::worse)
    }

    fn severity(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Superseded => 1,
            Self::Permanent(_) => 2,
            Self::Released => 3,
            Self::Yielded => 4,
            Self::Transient { .. } => 5,
            Self::LeaseLost => 6,
        }
    }
}

/// Why something will never work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PermanentFailure {
    /// The stable code: `encrypted`, `not_a_pdf`, `over_limit`, `malformed_envelope` ...
    pub reason_code: String,
    /// In which stage.
    pub stage: Option<String>,
    /// On which page, from 1.
    pub page: Option<u32>,
    /// For people.
    pub message: String,
}

/// What the settler can't see in the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettleContext {
    /// The failed attempts of the document's record, this one included; 0 takes the message's receive count.
    pub attempts: u32,
    /// Follows one request through logs and records.
    pub trace_id: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Deleted.
    Deleted,
    /// In the dead-letter queue, and deleted here.
    DeadLettered,
    /// It comes back after this time.
    Delayed(Duration),
    /// Others can have it at once.
    Released,
    /// Not touched: it was no longer ours.
    Left,
}

/// Settles the messages of one queue. Each call is carried out before it returns; nothing is buffered.
pub struct Settler {
    queue: Arc<dyn Queue>,
    build: String,
    jitter: Jitter,
}

impl fmt::Debug for Settler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settler")
            .field("queue", &self.queue.name())
            .finish_non_exhaustive()
    }
}

impl Settler {
    /// `build` names this build in dead letters. Where the queue has no dead-letter queue, a permanent failure stays
    /// on it with the longest backoff, so that nothing is lost.
    pub fn new(queue: Arc<dyn Queue>, build: impl Into<String>) -> Self {
        Self {
            queue,
            build: build.into(),
            jitter: Jitter::default(),
        }
    }

    /// The same settler, whose backoffs take their random part from here.
    #[must_use]
    pub fn with_jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// Ends the message. A permit that has run out, or a receipt that the queue no longer knows, leaves it alone.
    ///
    /// # Errors
    /// When the queue does not answer. The message then comes back by itself, and the record says what is done.
    pub async fn settle(
        &self,
        permit: SettlePermit,
        message: &Message,
        outcome: &Outcome,
        context: &SettleContext,
    ) -> Result<Settled, QueueError> {
        debug_assert_eq!(
            permit.receipt(),
            &message.receipt,
            "a permit settles the message it was made for"
        );
        let attempts = if context.attempts == 0 {
            message.receive_count
        } else {
            context.attempts
        };
        let delays = &self.queue.capabilities().retry;
        let settled = match outcome {
            Outcome::Done | Outcome::Superseded => self
                .end(&permit, &End::Done)
                .await
                .map(|()| Settled::Deleted),
            Outcome::Released => self
                .end(&permit, &End::Release)
                .await
                .map(|()| Settled::Released),
            Outcome::Yielded => {
                let after = yield_wait(message.receive_count, delays, &mut *self.jitter.source());
                self.delay(&permit, after).await
            }
            Outcome::Transient { retry_after, .. } => {
                // A value of its own: the lock on the random source must not live across the call.
                let after = backoff(attempts, *retry_after, delays, &mut *self.jitter.source());
                self.delay(&permit, after).await
            }
            Outcome::Permanent(failure) => {
                self.dead_letter(&permit, message, failure, attempts, context)
                    .await
            }
            Outcome::LeaseLost => {
                self.leave(message).await;
                Ok(Settled::Left)
            }
        };
        match settled {
            Err(QueueError::StaleReceipt { reason, .. }) => {
                tracing::warn!(message_id = %message.id, %reason, "the message was no longer ours to settle");
                self.leave(message).await;
                Ok(Settled::Left)
            }
            other => other,
        }
    }

    /// Leaves a message to its next receiver: its lease is lost, or it could not be settled. It comes back when its hold
    /// ends; where only the end of its connection ends that, it is given back, or this worker would keep it for hours.
    /// A receipt that is stale is refused there.
    pub async fn leave(&self, message: &Message) {
        if !is_held_by_connection(&*self.queue) {
            return;
        }
        if let Err(error) = give_back(&*self.queue, message).await {
            tracing::debug!(message_id = %message.id, %error, "the message was not given back");
        }
    }

    async fn dead_letter(
        &self,
        permit: &SettlePermit,
        message: &Message,
        failure: &PermanentFailure,
        attempts: u32,
        context: &SettleContext,
    ) -> Result<Settled, QueueError> {
        let capabilities = self.queue.capabilities();
        if capabilities.dead_letter == DeadLettering::Nowhere {
            tracing::warn!(
                queue = self.queue.name(),
                "there is no dead-letter queue: give the queue one"
            );
            return self.delay(permit, BACKOFF_MAX).await;
        }
        let trace_id = context.trace_id.as_deref();
        let most = capabilities.limits.attributes;
        let letter = dead_letter::write(message, failure, attempts, &self.build, trace_id, most);
        match self.end(permit, &End::DeadLetter(letter)).await {
            Ok(()) => Ok(Settled::DeadLettered),
            // Dying here leaves the letter twice at worst, never not at all.
            Err(QueueError::LetterSent { .. }) => {
                self.end(permit, &End::Done).await?;
                Ok(Settled::DeadLettered)
            }
            Err(stale @ QueueError::StaleReceipt { .. }) => Err(stale),
            Err(error) => {
                live(permit, &self.queue)?;
                tracing::error!(%error, message_id = %message.id, "the dead letter was not sent, the message comes back");
                let delays = &capabilities.retry;
                let after = backoff(attempts, None, delays, &mut *self.jitter.source());
                self.delay(permit, after).await
            }
        }
    }

    async fn delay(&self, permit: &SettlePermit, after: Duration) -> Result<Settled, QueueError> {
        self.end(permit, &End::Retry { after }).await?;
        let granted = self.queue.capabilities().retry.granted(after);
        Ok(Settled::Delayed(granted))
    }

    async fn end(&self, permit: &SettlePermit, end: &End) -> Result<(), QueueError> {
        retried(permit, &self.queue, || async {
            self.queue.settle(permit.receipt(), end).await
        })
        .await
    }
}

fn live(permit: &SettlePermit, queue: &Arc<dyn Queue>) -> Result<(), QueueError> {
    if permit.remaining().is_zero() {
        let reason = "the lease ran out before the message was settled".to_owned();
        return Err(QueueError::StaleReceipt {
            queue: queue.name().to_owned(),
            reason,
        });
    }
    Ok(())
}

/// Goes on with a call only while the permit holds: a process that was frozen in the middle of one must not let the
/// client send it again.
async fn while_live(
    permit: &SettlePermit,
    queue: &Arc<dyn Queue>,
    call: impl Future<Output = Result<(), QueueError>>,
) -> Result<(), QueueError> {
    let mut call = std::pin::pin!(call);
    std::future::poll_fn(|context| match live(permit, queue) {
        Err(stale) => Poll::Ready(Err(stale)),
        Ok(()) => call.as_mut().poll(context),
    })
    .await
}

async fn retried<Call, Calling>(
    permit: &SettlePermit,
    queue: &Arc<dyn Queue>,
    call: Call,
) -> Result<(), QueueError>
where
    Call: Fn() -> Calling,
    Calling: Future<Output = Result<(), QueueError>>,
{
    let mut pause = TRY_PAUSE;
    for _ in 1..TRIES {
        match while_live(permit, queue, call()).await {
            Err(error) if error.is_transient() && permit.remaining() > pause => {
                tracing::warn!(%error, "settling failed, trying again");
                permit.clock().sleep(pause).await;
                pause *= 2;
            }
            settled => return settled,
        }
    }
    while_live(permit, queue, call()).await
}
