//! Breakers: a dependency's outage is not the document's fault, so intake pauses instead of failing messages.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Moment};

/// When a breaker opens and how it comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerSettings {
    /// So many failures in a row open it: 3.
    pub failures: u32,
    /// How long it stays open at first: 5 s. It doubles with each failed trial.
    pub cooldown: Duration,
    /// The longest it stays open between trials: 60 s.
    pub cooldown_max: Duration,
    /// Whether only a probe ([`Breaker::recover_with`]) may close it, never a message. A message used as a trial is
    /// received once more each time, and a long outage would push it over the queue's receive limit.
    pub probed: bool,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 3,
            cooldown: Duration::from_secs(5),
            cooldown_max: Duration::from_secs(60),
            probed: true,
        }
    }
}

/// What a breaker lets through now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Nothing.
    Open,
    /// One trial, whose result decides.
    HalfOpen,
}

/// How much may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// As much as there is room for.
    All,
    /// One message, as a trial.
    Trial,
}

/// The breaker of one dependency: Qdrant, the LLM, the object store.
pub struct Breaker {
    name: String,
    settings: BreakerSettings,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Inner {
    state: BreakerState,
    failures: u32,
    cooldown: Duration,
    /// Open: when the next trial may start. Half-open: when a trial without a result is given up.
    until: Moment,
}

impl fmt::Debug for Breaker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Breaker")
            .field("name", &self.name)
            .field("state", &self.state())
            .finish()
    }
}

impl Breaker {
    /// A closed breaker.
    pub fn new(
        name: impl Into<String>,
        settings: BreakerSettings,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let inner = Inner {
            state: BreakerState::Closed,
            failures: 0,
            cooldown: settings.cooldown,
            until: clock.now(),
        };
        Arc::new(Self {
            name: name.into(),
            settings,
            clock,
            inner: Mutex::new(inner),
            changed: Notify::new(),
        })
    }

    /// The dependency's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it lets through now.
    pub fn state(&self) -> BreakerState {
        self.locked().state
    }

    /// A message's work used the dependency, and it did its part: failures in a row begin anew. A breaker that is
    /// open and has a probe stays open until the probe says otherwise: the work may have begun before the outage.
    pub fn record_success(&self) {
        let mut inner = self.locked();
        let is_closed = inner.state == BreakerState::Closed;
        if is_closed {
            inner.failures = 0;
        }
        drop(inner);
        if !is_closed && !self.settings.probed {
            self.close();
        }
    }

    /// The dependency answered.
    fn close(&self) {
        let mut inner = self.locked();
        inner.failures = 0;
        inner.cooldown = self.settings.cooldown;
        if inner.state != BreakerState::Closed {
            tracing::info!(dependency = %self.name, "the dependency is back, intake goes on");
            inner.state = BreakerState::Closed;
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// The dependency was throttled, failed or did not answer. Enough of that in a row opens the breaker; in a
    /// trial, one is enough and the next trial comes later.
    pub fn record_failure(&self) {
        let mut inner = self.locked();
        inner.failures = inner.failures.saturating_add(1);
        let now = self.clock.now();
        match inner.state {
            BreakerState::Closed if inner.failures >= self.settings.failures => {
                tracing::warn!(dependency = %self.name, failures = inner.failures, "the dependency fails, intake pauses");
                inner.state = BreakerState::Open;
                inner.until = now + inner.cooldown;
            }
            BreakerState::HalfOpen => {
                inner.state = BreakerState::Open;
                inner.cooldown = (inner.cooldown * 2).min(self.settings.cooldown_max);
                inner.until = now + inner.cooldown;
            }
            BreakerState::Closed | BreakerState::Open => {}
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Runs `probe` whenever the breaker is open and its cooldown is over, for ever: spawn it, or put it in a
    /// `select!` with the shutdown. The probe says whether the dependency answers, and brings its own time limit.
    pub async fn recover_with<Probe, Probing>(&self, probe: Probe)
    where
        Probe: Fn() -> Probing,
        Probing: Future<Output = bool>,
    {
        loop {
            self.wait_for(|inner, now| inner.state != BreakerState::Closed && now >= inner.until)
                .await;
            self.begin_trial();
            if probe().await {
                self.close();
            } else {
                self.record_failure();
            }
        }
    }

    fn admission(&self) -> Option<Admission> {
        let inner = *self.locked();
        match inner.state {
            BreakerState::Closed => Some(Admission::All),
            _ if !self.settings.probed && self.clock.now() >= inner.until => Some(Admission::Trial),
            _ => None,
        }
    }

    fn begin_trial(&self) {
        let mut inner = self.locked();
        inner.state = BreakerState::HalfOpen;
        inner.until = self.clock.now() + inner.cooldown;
    }

    async fn wait_for(&self, ready: impl Fn(&Inner, Moment) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let inner = *self.locked();
            let now = self.clock.now();
            if ready(&inner, now) {
                return;
            }
            let cooldown_left = inner.until.since(now);
            let timed = inner.state != BreakerState::Closed && !cooldown_left.is_zero();
            tokio::select! {
                biased;
                () = changed => {}
                () = self.clock.sleep(cooldown_left), if timed => {}
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        // Plain values: a panic elsewhere can't leave them half written in a way that matters.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The breakers of all dependencies that a document needs.
#[derive(Debug, Default)]
pub struct Breakers {
    all: Vec<Arc<Breaker>>,
}

impl Breakers {
    /// These, together.
    pub fn new(all: Vec<Arc<Breaker>>) -> Arc<Self> {
        Arc::new(Self { all })
    }

    /// The breaker of a dependency.
    pub fn get(&self, name: &str) -> Option<&Arc<Breaker>> {
        self.all.iter().find(|breaker| breaker.name == name)
    }

    /// Whether everything may start.
    pub fn all_closed(&self) -> bool {
        self.all
            .iter()
            .all(|breaker| breaker.state() == BreakerState::Closed)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Breaker> {
        self.all.iter().map(|breaker| &**breaker)
    }

    /// Waits until none is in the way, and says how much may start.
    pub async fn admit(&self) -> Admission {
        let blocked = || {
            self.all
                .iter()
                .find(|breaker| breaker.admission().is_none())
        };
        while let Some(breaker) = blocked() {
            let trials = !breaker.settings.probed;
            breaker
                .wait_for(|inner, now| {
                    inner.state == BreakerState::Closed || (trials && now >= inner.until)
                })
                .await;
        }
        let mut admission = Admission::All;
        for breaker in &self.all {
            if breaker.admission() == Some(Admission::Trial) {
                breaker.begin_trial();
                admission = Admission::Trial;
            }
        }
        admission
    }
}
