//! Receiving only what can start now, until told to stop.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::breaker::{Admission, Breakers};
use crate::capabilities::Capabilities;
use crate::clock::{Clock, Moment};
use crate::error::QueueError;
use crate::give_back::give_back;
use crate::health::PollHealth;
use crate::lease::{LeaseSettings, POLL_MAX, SettlePermit};
use crate::message::Message;
use crate::protection::{Busy, Protection, Refused};
use crate::transport::{Ask, Hold, Queue};

/// After a failed poll the next comes after 1 s × 2ⁿ, at most this.
const POLL_PAUSE_MAX: Duration = Duration::from_secs(30);

/// How to receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeSettings {
    /// How many messages are worked on at once.
    pub slots: usize,
    /// How long a poll waits for a message: 20 s. It must fit the time that a shutdown has, the queue's limit
    /// ([`crate::capabilities::Limits::wait`]) and the first hold ([`crate::LeaseSettings::poll_wait`]).
    pub wait: Duration,
    /// The hold of what a poll brings: [`crate::LeaseSettings::first_hold`].
    pub hold: Duration,
}

impl Default for IntakeSettings {
    fn default() -> Self {
        Self {
            slots: 1,
            wait: POLL_MAX,
            hold: Duration::from_secs(60),
        }
    }
}

impl IntakeSettings {
    /// For messages that are worked on under such a lease: a poll waits as long as lease and queue allow.
    pub fn under(lease: &LeaseSettings, capabilities: &Capabilities, slots: usize) -> Self {
        Self {
            slots,
            wait: lease.poll_wait().min(capabilities.limits.wait),
            hold: lease.first_hold,
        }
    }
}

/// A message that can start now.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// When the poll that brought it was started: its hold counts from here or later.
    pub taken_at: Moment,
    hold: Hold,
    clock: Arc<dyn Clock>,
}

impl Delivery {
    /// Leave to settle a message that needs no work, and so had no lease: a test event, or one that can't be read.
    /// Use it right away, and never for a message that has a [`crate::Lease`].
    pub fn settle_permit(&self, margin: Duration) -> SettlePermit {
        let deadline = self.hold.until(self.taken_at).minus(margin);
        SettlePermit::new(self.message.receipt.clone(), self.clock.clone(), deadline)
    }
}

/// The loop that receives. It has no buffer: a message is asked for when a slot is free, and starts at once.
pub struct Intake {
    queue: Arc<dyn Queue>,
    settings: IntakeSettings,
    breakers: Arc<Breakers>,
    health: Arc<PollHealth>,
    clock: Arc<dyn Clock>,
    protection: Option<Arc<dyn Protection>>,
}

impl fmt::Debug for Intake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Intake")
            .field("queue", &self.queue.name())
            .finish_non_exhaustive()
    }
}

impl Intake {
    /// An intake of one queue.
    pub fn new(
        queue: Arc<dyn Queue>,
        settings: IntakeSettings,
        breakers: Arc<Breakers>,
        health: Arc<PollHealth>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            queue,
            settings,
            breakers,
            health,
            clock,
            protection: None,
        }
    }

    /// Keeps the process protected while there is work. What a poll brings starts under protection, and is given back
    /// when that is refused.
    #[must_use]
    pub fn protected_by(mut self, protection: Arc<dyn Protection>) -> Self {
        self.protection = Some(protection);
        self
    }

    /// Receives and hands over until `shutdown`, or until the protection is refused. Then the poll under way is finished,
    /// not cancelled; what it still brings is given back; and the handlers that run are waited for.
    ///
    /// # Errors
    /// When the very first poll says that the queue does not exist, that access is denied or that the call is
    /// wrong. Later the same errors are logged and tried again, and [`PollHealth`] grows old.
    pub async fn run<Handler, Handling>(
        &self,
        shutdown: CancellationToken,
        handle: Handler,
    ) -> Result<(), QueueError>
    where
        Handler: Fn(Delivery) -> Handling,
        Handling: Future<Output = ()> + Send + 'static,
    {
        let slots = Arc::new(Semaphore::new(self.settings.slots.max(1)));
        // Cancelled with the shutdown, and by a refusal of the protection.
        let stop = shutdown.child_token();
        let _keeping = self.protection.clone().map(|protection| {
            let stop = stop.clone();
            AbortOnDropHandle::new(tokio::spawn(async move {
                protection.keep().await;
                stop.cancel();
            }))
        });
        let mut running = JoinSet::new();
        let mut failures = 0_u32;
        let mut result = Ok(());
        while let Some(free) = self.free_slots(&slots, &stop).await {
            while let Some(ended) = running.try_join_next() {
                report(ended);
            }
            let taken_at = self.clock.now();
            let ask = Ask {
                most: free.len(),
                wait: self.settings.wait,
                hold: self.settings.hold,
            };
            let polled = self.queue.receive(ask).await;
            match polled {
                Ok(messages) => {
                    failures = 0;
                    self.health.completed();
                    let _arrival = match messages.is_empty() {
                        true => None,
                        false => self.protected(&stop).await,
                    };
                    self.start_all(messages, free, taken_at, &stop, &mut running, &handle)
                        .await;
                }
                Err(error) if self.health.polls() == 0 && !error.is_transient() => {
                    result = Err(error);
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, failures, "a poll failed");
                    let pause =
                        Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(failures));
                    failures = failures.saturating_add(1);
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => {}
                        () = self.clock.sleep(pause.min(POLL_PAUSE_MAX)) => {}
                    }
                }
            }
        }
        self.health.end();
        while let Some(ended) = running.join_next().await {
            report(ended);
        }
        result
    }

    /// Takes the protection for what has arrived, and stops when it is refused.
    async fn protected(&self, stop: &CancellationToken) -> Option<Busy> {
        match self.protection.as_ref()?.take().await {
            Ok(arrival) => Some(arrival),
            Err(Refused) => {
                stop.cancel();
                None
            }
        }
    }

    /// Waits until something can start: a slot is free and no breaker is open. `None` on shutdown.
    async fn free_slots(
        &self,
        slots: &Arc<Semaphore>,
        shutdown: &CancellationToken,
    ) -> Option<Vec<OwnedSemaphorePermit>> {
        let waiting = async {
            let first = slots
                .clone()
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            let admission = self.breakers.admit().await;
            (first, admission)
        };
        tokio::pin!(waiting);
        let ready = tokio::select! {
            biased;
            () = shutdown.cancelled() => return None,
            ready = &mut waiting => Some(ready),
            () = std::future::ready(()) => None,
        };
        let (first, admission) = match ready {
            Some(ready) => ready,
            None => {
                self.health.set_paused(true);
                let ready = tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return None,
                    ready = &mut waiting => ready,
                };
                self.health.set_paused(false);
                ready
            }
        };
        let mut free = vec![first];
        if admission == Admission::All {
            let most = self.queue.capabilities().limits.receive;
            while free.len() < most
                && let Ok(slot) = slots.clone().try_acquire_owned()
            {
                free.push(slot);
            }
        }
        Some(free)
    }

    async fn start_all<Handler, Handling>(
        &self,
        messages: Vec<Message>,
        mut free: Vec<OwnedSemaphorePermit>,
        taken_at: Moment,
        shutdown: &CancellationToken,
        running: &mut JoinSet<()>,
        handle: &Handler,
    ) where
        Handler: Fn(Delivery) -> Handling,
        Handling: Future<Output = ()> + Send + 'static,
    {
        for message in messages {
            let slot = if shutdown.is_cancelled() {
                None
            } else {
                free.pop()
            };
            let Some(slot) = slot else {
                self.give_back(&message).await;
                continue;
            };
            let clock = self.clock.clone();
            let hold = self.queue.capabilities().hold.granted(self.settings.hold);
            let handling = handle(Delivery {
                message,
                taken_at,
                hold: Hold(hold),
                clock,
            });
            let busy = self.protection.as_ref().map(|protection| protection.busy());
            running.spawn(async move {
                handling.await;
                drop(busy);
                drop(slot);
            });
        }
    }

    async fn give_back(&self, message: &Message) {
        if let Err(error) = give_back(&*self.queue, message).await {
            tracing::warn!(%error, message_id = %message.id, "the message was not given back and comes back when its hold ends");
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    // What the panic said stays out of the log: it may quote a document.
    if ended.is_err() {
        tracing::error!("a handler ended by a panic: its message comes back by itself");
    }
}
