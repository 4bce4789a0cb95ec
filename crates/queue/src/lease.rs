//! Keeping a message ours while it is worked on, and knowing when it no longer is.
//!
#![doc = include_str!("lease/design.md")]

mod renewal;

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::capabilities::{Capabilities, HoldLength};
use crate::clock::{Clock, Moment};
use crate::heartbeat::Heartbeat;
use crate::message::Receipt;
use crate::transport::Hold;

/// The longest poll. A longer one saves few calls and makes a shutdown wait for it.
pub const POLL_MAX: Duration = Duration::from_secs(20);

/// How a lease is kept. The defaults are what the semantics promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSettings {
    /// The hold that the receive asks for: 60 s, so that an orphaned message costs seconds.
    pub first_hold: Duration,
    /// The hold that each renewal asks for: 120 s.
    pub renew_to: Duration,
    /// The time between renewals: 40 s, so that two lost ones are survivable.
    pub renew_every: Duration,
    /// How much earlier than the queue this side believes the lease over: 10 s.
    pub margin: Duration,
    /// How long one renewal call may take: 10 s.
    pub call_timeout: Duration,
    /// A job without progress for so long loses its lease: 10 minutes.
    pub stall_timeout: Duration,
    /// The whole time one receipt may take: 11 h.
    pub max_total: Duration,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self {
            first_hold: Duration::from_secs(60),
            renew_to: Duration::from_secs(120),
            renew_every: Duration::from_secs(40),
            margin: Duration::from_secs(10),
            call_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(600),
            max_total: Duration::from_secs(11 * 3600),
        }
    }
}

impl LeaseSettings {
    /// The default proportions for renewals to this hold: half of it at first, renewed after a third, with a twelfth
    /// as margin and as the longest time of a call. The defaults are the ones of 120 s.
    pub fn renewed_to(hold: Duration) -> Self {
        Self {
            first_hold: hold / 2,
            renew_to: hold,
            renew_every: hold / 3,
            margin: hold / 12,
            call_timeout: hold / 12,
            ..Self::default()
        }
    }

    /// These settings as the queue can keep them. A hold that is not the caller's to choose is taken as it is, renewed
    /// after a third of it at the latest, with at most a twelfth as margin and as the time of a call; and the whole time
    /// ends one renewal before the queue's.
    ///
    /// # Errors
    /// What is contradictory then, with the remedy.
    pub fn fit(self, capabilities: &Capabilities) -> Result<Self, String> {
        let hold = capabilities.hold;
        let mut fitted = Self {
            first_hold: hold.granted(self.first_hold),
            renew_to: hold.granted(self.renew_to),
            ..self
        };
        if !matches!(hold, HoldLength::PerCall { .. }) {
            let length = fitted.renew_to;
            fitted.renew_every = fitted.renew_every.min(length / 3);
            fitted.margin = fitted.margin.min(length / 12);
            fitted.call_timeout = fitted.call_timeout.min(length / 12);
        }
        if let Some(total) = capabilities.hold_total {
            fitted.max_total = fitted.max_total.min(total.saturating_sub(fitted.renew_to));
            if fitted.max_total < fitted.renew_to {
                return Err(format!(
                    "the queue takes a message back after {} s, which is no time to work: lengthen that time in its \
                     settings",
                    total.as_secs()
                ));
            }
        }
        fitted.validate()?;
        Ok(fitted)
    }

    /// The longest that a poll may wait for a message that is to be worked on under this lease, in whole seconds.
    ///
    /// The first hold counts on this side from the *start* of the poll ([`crate::Delivery::taken_at`]), so a poll that
    /// waits uses it up. Half of it, less the margin, is left to a message that comes at the very end: its first
    /// renewal is due at once, and has that time. Never more than [`POLL_MAX`].
    pub fn poll_wait(&self) -> Duration {
        let usable = self.first_hold.saturating_sub(self.margin);
        Duration::from_secs((usable / 2).as_secs()).min(POLL_MAX)
    }

    /// Says what is contradictory, with the remedy.
    pub fn validate(&self) -> Result<(), String> {
        if self.margin >= self.first_hold || self.margin >= self.renew_to {
            return Err("the lease margin must be shorter than the hold: lower the margin".into());
        }
        if self.renew_every.is_zero()
            || self.renew_every + self.call_timeout > self.renew_to - self.margin
        {
            return Err(
                "a lease must be renewed before it ends: lower the time between renewals".into(),
            );
        }
        if self.poll_wait().is_zero() {
            return Err(
                "a message must outlive the poll that brings it, which takes a second at least: lengthen the first \
                 hold"
                    .into(),
            );
        }
        if self.stall_timeout.is_zero() {
            return Err("the stall timeout must not be zero".into());
        }
        Ok(())
    }
}

/// Why a lease is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseLost {
    /// No renewal succeeded in time, or this process did not run.
    #[error("the lease ran out: no renewal succeeded in time")]
    Expired,
    /// The queue says that the message is no longer ours.
    #[error("the queue took the message back: {reason}")]
    Taken {
        /// What the queue said.
        reason: String,
    },
    /// The job made no progress.
    #[error("the job made no progress for {} s", .idle.as_secs())]
    Stalled {
        /// For how long.
        idle: Duration,
    },
    /// The job took the whole time that a message may take.
    #[error("the job took longer than the {} s that a message may take", .limit.as_secs())]
    TooLong {
        /// The limit.
        limit: Duration,
    },
}

impl LeaseLost {
    /// The stable code, for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Taken { .. } => "taken",
            Self::Stalled { .. } => "stalled",
            Self::TooLong { .. } => "too_long",
        }
    }
}

/// What a side effect needs: the lease was live when this was made. Make it right before the effect, not early, and
/// bound the effect by [`LeaseProof::remaining`].
#[derive(Clone)]
pub struct LeaseProof<'lease> {
    clock: Arc<dyn Clock>,
    deadline: Moment,
    lease: PhantomData<&'lease ()>,
}

impl LeaseProof<'_> {
    /// How long it still holds; zero when it no longer does.
    pub fn remaining(&self) -> Duration {
        self.deadline.since(self.clock.now())
    }

    /// Whether it still holds.
    pub fn is_live(&self) -> bool {
        !self.remaining().is_zero()
    }
}

impl fmt::Debug for LeaseProof<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LeaseProof")
            .field("remaining", &self.remaining())
            .finish()
    }
}

/// One receipt of one message, renewed by a [`Heartbeat`]. Dropping it ends the renewals, and the message comes
/// back by itself.
#[derive(Debug)]
pub struct Lease {
    watch: LeaseWatch,
    receipt: Receipt,
    stop: CancellationToken,
    renewals: Option<JoinHandle<()>>,
}

impl Lease {
    /// Begins to renew, by settings that fit the queue ([`LeaseSettings::fit`]). `taken_at` is when the receive was *started* ([`crate::Delivery::taken_at`]).
    pub fn start(
        heartbeat: &Heartbeat,
        receipt: Receipt,
        taken_at: Moment,
        settings: LeaseSettings,
    ) -> Self {
        let deadline = Hold(settings.first_hold)
            .until(taken_at)
            .minus(settings.margin);
        let state = State {
            deadline,
            last_progress: heartbeat.clock.now(),
            lost: None,
        };
        let shared = Arc::new(Shared {
            clock: heartbeat.clock.clone(),
            state: Mutex::new(state),
            lost: CancellationToken::new(),
        });
        let watch = LeaseWatch {
            shared: shared.clone(),
        };
        let stop = CancellationToken::new();
        let renewal = renewal::Renewal {
            shared,
            queue: heartbeat.queue.clone(),
            receipt: receipt.clone(),
            taken_at,
            settings,
            stop: stop.clone(),
            pulse: heartbeat.pulse(),
        };
        // In the span of the message, so that what the renewals log can be told apart.
        let renewals = renewal.run().instrument(tracing::Span::current());
        let renewals = Some(heartbeat.runtime.spawn(renewals));
        Self {
            watch,
            receipt,
            stop,
            renewals,
        }
    }

    /// A handle for those who work under this lease.
    pub fn watch(&self) -> LeaseWatch {
        self.watch.clone()
    }

    /// See [`LeaseWatch::proof`].
    pub fn proof(&self) -> Result<LeaseProof<'_>, LeaseLost> {
        self.watch.proof()
    }

    /// See [`LeaseWatch::progress`].
    pub fn progress(&self) {
        self.watch.progress();
    }

    /// See [`LeaseWatch::lost`].
    pub async fn lost(&self) -> LeaseLost {
        self.watch.lost().await
    }

    /// Ends the renewals, waits until none is under way, and says whether the message is still ours. Only after
    /// that may the message be settled: a late renewal would overwrite a backoff.
    pub async fn finish(mut self) -> Result<SettlePermit, LeaseLost> {
        self.stop.cancel();
        if let Some(renewals) = self.renewals.take()
            && let Err(error) = renewals.await
        {
            // A heartbeat that was stopped first renews nothing any more, which is what counts here.
            tracing::warn!(%error, "the lease's renewals ended early");
        }
        let deadline = self.watch.shared.check()?;
        Ok(SettlePermit::new(
            self.receipt.clone(),
            self.watch.shared.clock.clone(),
            deadline,
        ))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The working side of a [`Lease`]: cheap to clone, safe to hand to any thread.
#[derive(Debug, Clone)]
pub struct LeaseWatch {
    shared: Arc<Shared>,
}

impl LeaseWatch {
    /// Asks for leave to do one side effect.
    ///
    /// # Errors
    /// Once a lease is lost, always.
    pub fn proof(&self) -> Result<LeaseProof<'_>, LeaseLost> {
        let deadline = self.shared.check()?;
        Ok(LeaseProof {
            clock: self.shared.clock.clone(),
            deadline,
            lease: PhantomData,
        })
    }

    /// Tells that the job got on. Without it the lease ends after the stall timeout.
    pub fn progress(&self) {
        let now = self.shared.clock.now();
        self.shared.locked().last_progress = now;
    }

    /// How long ago the job last got on.
    pub fn idle(&self) -> Duration {
        let last_progress = self.shared.locked().last_progress;
        self.shared.clock.now().since(last_progress)
    }

    /// Waits until the lease is lost, and says why. It does not rely on the heartbeat: when that is dead, the
    /// deadline still passes. Never comes back for a lease that ends well: use it in `select!`.
    pub async fn lost(&self) -> LeaseLost {
        let mut waiting = std::pin::pin!(self.wait_until_lost());
        // Checked at every poll: when a frozen process wakes up, others may be woken before the timer is.
        std::future::poll_fn(|context| match self.shared.check() {
            Err(lost) => Poll::Ready(lost),
            Ok(_) => waiting.as_mut().poll(context),
        })
        .await
    }

    async fn wait_until_lost(&self) -> LeaseLost {
        loop {
            let deadline = match self.shared.check() {
                Ok(deadline) => deadline,
                Err(lost) => return lost,
            };
            let remaining = deadline.since(self.shared.clock.now());
            tokio::select! {
                biased;
                () = self.shared.lost.cancelled() => {}
                () = self.shared.clock.sleep(remaining) => {}
            }
        }
    }
}

/// Leave to settle one message, once: its heartbeat is joined and its lease was live. Made by [`Lease::finish`],
/// or by [`crate::Delivery::settle_permit`] for a message that needs no work.
#[derive(Debug)]
pub struct SettlePermit {
    receipt: Receipt,
    clock: Arc<dyn Clock>,
    deadline: Moment,
}

impl SettlePermit {
    pub(crate) fn new(receipt: Receipt, clock: Arc<dyn Clock>, deadline: Moment) -> Self {
        Self {
            receipt,
            clock,
            deadline,
        }
    }

    /// The receipt that it is for.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// How long it still holds; zero when it no longer does.
    pub fn remaining(&self) -> Duration {
        self.deadline.since(self.clock.now())
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    lost: CancellationToken,
}

#[derive(Debug)]
struct State {
    deadline: Moment,
    last_progress: Moment,
    lost: Option<LeaseLost>,
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, State> {
        // Each change is a single assignment, so a panic elsewhere can't leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The deadline of a live lease. One whose deadline has passed is lost from here on.
    fn check(&self) -> Result<Moment, LeaseLost> {
        let mut state = self.locked();
        if state.lost.is_none() && self.clock.now() >= state.deadline {
            state.lost = Some(LeaseLost::Expired);
            self.lost.cancel();
        }
        match &state.lost {
            Some(lost) => Err(lost.clone()),
            None => Ok(state.deadline),
        }
    }

    /// Moves the deadline, unless the old one passed while the renewal was under way: someone may have acted on
    /// that already.
    fn renew(&self, deadline: Moment) -> Result<(), LeaseLost> {
        self.check()?;
        let mut state = self.locked();
        state.deadline = state.deadline.max(deadline);
        Ok(())
    }

    fn lose(&self, reason: LeaseLost) {
        self.locked().lost.get_or_insert(reason);
        self.lost.cancel();
    }
}
