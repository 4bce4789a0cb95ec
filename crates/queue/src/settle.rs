//! Ending a message by the outcome of its records.

mod dead_letter;
mod jitter;

use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rand::Rng;

use crate::lease::SettlePermit;
use crate::transport::{Message, Queue, QueueError};

pub use dead_letter::attribute;
pub use jitter::Jitter;

/// The backoff after the first transient failure.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(30);
/// The wait after the first time that a message found its document at another message's run.
pub const YIELD_FIRST: Duration = Duration::from_secs(1);
/// The longest backoff.
pub const BACKOFF_MAX: Duration = Duration::from_secs(15 * 60);
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
    /// Visible again at once.
    Released,
    /// Not touched: it was no longer ours.
    Left,
}

/// Settles the messages of one queue. Each call is carried out before it returns; nothing is buffered.
pub struct Settler {
    queue: Arc<dyn Queue>,
    dead_letters: Option<Arc<dyn Queue>>,
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
    /// `build` names this build in dead letters. Without a dead-letter queue a permanent failure stays on the
    /// queue with the longest backoff, so that nothing is lost.
    pub fn new(
        queue: Arc<dyn Queue>,
        dead_letters: Option<Arc<dyn Queue>>,
        build: impl Into<String>,
    ) -> Self {
        Self {
            queue,
            dead_letters,
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
        let settled = match outcome {
            Outcome::Done | Outcome::Superseded => self.delete(&permit).await,
            Outcome::Released => self
                .hide(&permit, Duration::ZERO)
                .await
                .map(|()| Settled::Released),
            Outcome::Yielded => {
                let delay = yield_wait(message.receive_count, &mut *self.jitter.source());
                self.delay(&permit, delay).await
            }
            Outcome::Transient { retry_after, .. } => {
                // A value of its own: the lock on the random source must not live across the call.
                let delay = backoff(attempts, *retry_after, &mut *self.jitter.source());
                self.delay(&permit, delay).await
            }
            Outcome::Permanent(failure) => {
                self.bury(&permit, message, failure, attempts, context)
                    .await
            }
            Outcome::LeaseLost => Ok(Settled::Left),
        };
        match settled {
            Err(QueueError::StaleReceipt { reason, .. }) => {
                tracing::warn!(message_id = %message.id, %reason, "the message was no longer ours to settle");
                Ok(Settled::Left)
            }
            other => other,
        }
    }

    async fn bury(
        &self,
        permit: &SettlePermit,
        message: &Message,
        failure: &PermanentFailure,
        attempts: u32,
        context: &SettleContext,
    ) -> Result<Settled, QueueError> {
        let Some(dead_letters) = &self.dead_letters else {
            tracing::warn!(
                queue = self.queue.name(),
                "there is no dead-letter queue: give the queue a redrive policy"
            );
            return self.delay(permit, BACKOFF_MAX).await;
        };
        let trace_id = context.trace_id.as_deref();
        let letter = dead_letter::write(message, failure, attempts, &self.build, trace_id);
        let sent = retried(permit, &self.queue, || async {
            let mut results = dead_letters.send_batch(vec![letter.clone()]).await?;
            match results.pop() {
                Some(Ok(())) => Ok(()),
                Some(Err(refused)) if refused.sender_fault => Err(QueueError::Invalid {
                    queue: dead_letters.name().to_owned(),
                    reason: refused.to_string(),
                }),
                Some(Err(refused)) => Err(QueueError::Unavailable {
                    queue: dead_letters.name().to_owned(),
                    reason: refused.to_string(),
                }),
                None => Err(QueueError::Unavailable {
                    queue: dead_letters.name().to_owned(),
                    reason: "the batch had no answer for its message".to_owned(),
                }),
            }
        })
        .await;
        if let Err(error) = sent {
            live(permit, &self.queue)?;
            tracing::error!(%error, message_id = %message.id, "the dead letter was not sent, the message comes back");
            let delay = backoff(attempts, None, &mut *self.jitter.source());
            return self.delay(permit, delay).await;
        }
        // Dying between send and delete leaves the letter twice at worst, never not at all.
        match self.delete(permit).await? {
            Settled::Deleted => Ok(Settled::DeadLettered),
            other => Ok(other),
        }
    }

    async fn delete(&self, permit: &SettlePermit) -> Result<Settled, QueueError> {
        retried(permit, &self.queue, || async {
            self.queue.delete(permit.receipt()).await
        })
        .await?;
        Ok(Settled::Deleted)
    }

    async fn delay(&self, permit: &SettlePermit, delay: Duration) -> Result<Settled, QueueError> {
        self.hide(permit, delay).await?;
        Ok(Settled::Delayed(delay))
    }

    async fn hide(&self, permit: &SettlePermit, visibility: Duration) -> Result<(), QueueError> {
        retried(permit, &self.queue, || async {
            self.queue.extend(permit.receipt(), visibility).await
        })
        .await
    }
}

/// How long a message waits after its n-th failed attempt: 30 s × 2ⁿ⁻¹ and at most 15 minutes, of which a random
/// half is taken off so that failures do not come back in step. `retry_after` is a lower bound.
pub fn backoff(attempts: u32, retry_after: Option<Duration>, random: &mut impl Rng) -> Duration {
    let doublings = attempts.saturating_sub(1).min(10);
    let full = BACKOFF_FIRST
        .saturating_mul(2_u32.pow(doublings))
        .min(BACKOFF_MAX);
    let jittered = full.mul_f64(random.random_range(0.5..=1.0));
    let whole_seconds = Duration::from_secs(jittered.as_secs());
    whole_seconds
        .max(retry_after.unwrap_or_default())
        .min(BACKOFF_MAX)
}

/// How long a message waits that was received for the n-th time and found its document at another message's run:
/// 1 s × 2ⁿ⁻¹ and at most 15 minutes, of which a random half is taken off.
///
/// Most documents are done in seconds, and a burst of events of one key ends as soon; for one that takes long, the
/// waits grow with it, so that looking costs little and a message is not received too often.
pub fn yield_wait(receives: u32, random: &mut impl Rng) -> Duration {
    let doublings = receives.saturating_sub(1).min(10);
    let full = YIELD_FIRST
        .saturating_mul(2_u32.pow(doublings))
        .min(BACKOFF_MAX);
    let jittered = full.mul_f64(random.random_range(0.5..=1.0));
    Duration::from_secs(jittered.as_secs()).max(YIELD_FIRST)
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
