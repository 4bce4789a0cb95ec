//! ECS task scale-in protection: a task that is at work is not the one that scale-in or a deployment ends.
//!
//! ```text
//!              work arrives: protect                 renew, while at work
//! Unprotected ───────────────────────► Protected ◄───────────────────────┐
//!      ▲                                │  │  └──────────────────────────┘
//!      │  idle for `linger`: unprotect  │  │
//!      └────────────────────────────────┘  └─ ECS says no ─► Refused: nothing more is received
//! ```
//!
//! # When it is taken
//!
//! From idle to busy, and before each further receive: a busy worker polls under protection. The very first message
//! of a busy time is received without it: a worker that protected itself for each idle poll would be protected for
//! ever, because long polls follow each other without a gap, and the service could never scale in. A queue can't be
//! asked for its next message without receiving it, and its counts are approximate and late. So an idle worker polls
//! unprotected; what a poll brings is protected *before its work starts*, and is given back at once where ECS refuses.
//!
//! The window that remains is one call of the agent long, 6 s at most: a scale-in that falls into it finds a task
//! that has just received. It gets SIGTERM, and drains as any other: its messages are finished or released. Nothing
//! is lost and nothing counts as a death.
//!
//! # When it goes
//!
//! After [`ProtectionSettings::linger`] without work, so that a busy queue with short gaps makes no call a message. A
//! worker that hangs or dies without that is unprotected when the time runs out, [`ProtectionSettings::minutes`].
//!
//! # What the answers mean
//!
//! - A `failure` is ECS's own word that this task is to go (`DEPLOYMENT_BLOCKED`, `MISSING` ...): the worker drains. It
//!   receives nothing more, finishes what it has, and ends; the service starts another.
//! - `TASK_NOT_VALID` says that no service runs the task (one started by hand): there is no scale-in, and work goes on
//!   without protection and without further calls.
//! - An error, or no answer: work goes on, and the agent is asked again later. Without protection the worst is a
//!   SIGTERM, which the drain handles; a worker that stopped for a missing permission would process nothing at all.
//! - No agent (not on ECS): no calls.

mod agent;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pagemill_queue::{Busy, Clock, Moment, Protection, Refused};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

pub(crate) use self::agent::EcsAgent;
use self::agent::{ProtectionAgent, ProtectionError};

/// How the protection is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProtectionSettings {
    /// For how long each call asks: 10 minutes, so that a worker that hangs is not protected for long.
    pub(crate) minutes: u32,
    /// The time between renewals: 4 minutes, so that one may fail.
    pub(crate) renew_every: Duration,
    /// How long after an error the agent is asked again: 30 s.
    pub(crate) retry_after: Duration,
    /// How long an idle worker stays protected: 60 s.
    pub(crate) linger: Duration,
}

impl Default for ProtectionSettings {
    fn default() -> Self {
        Self {
            minutes: 10,
            renew_every: Duration::from_secs(240),
            retry_after: Duration::from_secs(30),
            linger: Duration::from_secs(60),
        }
    }
}

/// Where the protection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProtectionState {
    /// Scale-in may take the task.
    Unprotected {
        /// After an error: not asked again before this.
        retry_at: Option<Moment>,
    },
    /// It may not, for some time.
    Protected {
        /// When it is to be renewed.
        renew_at: Moment,
    },
    /// ECS wants the task gone: nothing more is received.
    Refused,
    /// There is no service, and no scale-in.
    NotInAService,
}

/// The protection of this task. One for the whole worker.
#[derive(Debug)]
pub(crate) struct TaskProtection {
    agent: Arc<dyn ProtectionAgent>,
    settings: ProtectionSettings,
    clock: Arc<dyn Clock>,
    /// Held across a call, so that there is one at a time.
    state: Mutex<ProtectionState>,
    work: Arc<Work>,
    refused: CancellationToken,
}

/// What is at work.
#[derive(Debug)]
struct Work {
    clock: Arc<dyn Clock>,
    count: AtomicUsize,
    idle_since: StdMutex<Moment>,
    changed: Notify,
}

/// One piece of it; it ends when this is dropped.
#[derive(Debug)]
struct Piece(Arc<Work>);

impl Drop for Piece {
    fn drop(&mut self) {
        let now = self.0.clock.now();
        *self
            .0
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = now;
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

impl TaskProtection {
    /// An unprotected task with this agent. Makes no call.
    pub(crate) fn new(
        agent: Arc<dyn ProtectionAgent>,
        settings: ProtectionSettings,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let work = Work {
            clock: clock.clone(),
            count: AtomicUsize::new(0),
            idle_since: StdMutex::new(clock.now()),
            changed: Notify::new(),
        };
        Arc::new(Self {
            agent,
            settings,
            clock,
            state: Mutex::new(ProtectionState::Unprotected { retry_at: None }),
            work: Arc::new(work),
            refused: CancellationToken::new(),
        })
    }

    /// Does what is due, and says when it must look again.
    async fn keep_once(&self) -> Option<Moment> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        let is_busy = self.work.count.load(Ordering::Acquire) > 0;
        let idle_since = *self
            .work
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let drop_at = idle_since + self.settings.linger;
        match *state {
            ProtectionState::Protected { .. } if !is_busy && now >= drop_at => {
                *state = self.unprotect().await;
            }
            ProtectionState::Protected { renew_at } if now >= renew_at => {
                *state = self.protect(*state).await;
            }
            ProtectionState::Unprotected { retry_at }
                if is_busy && retry_at.is_none_or(|at| now >= at) =>
            {
                *state = self.protect(*state).await;
            }
            _ => {}
        }
        match *state {
            ProtectionState::Protected { renew_at } if is_busy => Some(renew_at),
            ProtectionState::Protected { renew_at } => Some(renew_at.min(drop_at).max(now)),
            ProtectionState::Unprotected { retry_at } if is_busy => retry_at,
            _ => None,
        }
    }

    async fn protect(&self, before: ProtectionState) -> ProtectionState {
        let started_at = self.clock.now();
        let retry_at = started_at + self.settings.retry_after;
        match self.agent.protect(self.settings.minutes).await {
            Ok(()) => {
                if !matches!(before, ProtectionState::Protected { .. }) {
                    tracing::info!(
                        minutes = self.settings.minutes,
                        "the task is protected from scale-in"
                    );
                }
                ProtectionState::Protected {
                    renew_at: started_at + self.settings.renew_every,
                }
            }
            Err(error @ ProtectionError::Refused { .. }) => {
                tracing::warn!(
                    "{error}: nothing more is received, and the worker ends when its work is done"
                );
                self.refused.cancel();
                ProtectionState::Refused
            }
            Err(error @ ProtectionError::NotInAService) => {
                tracing::info!("{error}");
                ProtectionState::NotInAService
            }
            Err(error @ ProtectionError::Unavailable { .. }) => {
                tracing::warn!("{error}; work goes on without it");
                match before {
                    // The last call still holds, for a while.
                    ProtectionState::Protected { .. } => {
                        ProtectionState::Protected { renew_at: retry_at }
                    }
                    _ => ProtectionState::Unprotected {
                        retry_at: Some(retry_at),
                    },
                }
            }
        }
    }

    /// Whatever comes back, the task counts as unprotected from here on: the next work protects it anew, and where the
    /// agent did not answer, the protection runs out by itself.
    async fn unprotect(&self) -> ProtectionState {
        match self.agent.unprotect().await {
            Ok(()) => tracing::info!("idle: scale-in may take the task"),
            Err(error) => tracing::warn!("the protection is left to run out: {error}"),
        }
        ProtectionState::Unprotected { retry_at: None }
    }
}

#[async_trait]
impl Protection for TaskProtection {
    async fn take(&self) -> Result<Busy, Refused> {
        // First, so that the protection is not dropped between this and the work's beginning.
        let busy = self.busy();
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        let is_due = match *state {
            ProtectionState::Unprotected { retry_at } => retry_at.is_none_or(|at| now >= at),
            ProtectionState::Protected { renew_at } => now >= renew_at,
            ProtectionState::Refused | ProtectionState::NotInAService => false,
        };
        if is_due {
            *state = self.protect(*state).await;
        }
        match *state {
            ProtectionState::Refused => Err(Refused),
            _ => Ok(busy),
        }
    }

    fn busy(&self) -> Busy {
        self.work.count.fetch_add(1, Ordering::AcqRel);
        self.work.changed.notify_one();
        Busy::until_dropped(Piece(Arc::clone(&self.work)))
    }

    async fn keep(&self) {
        loop {
            let wakes_at = self.keep_once().await;
            let sleep = wakes_at.map(|at| self.clock.sleep(at.since(self.clock.now())));
            tokio::select! {
                biased;
                () = self.refused.cancelled() => return,
                () = self.work.changed.notified() => {}
                () = async {
                    match sleep {
                        Some(sleep) => sleep.await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
