//! The loop that renews one lease. It runs on the heartbeat's runtime.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{LeaseLost, LeaseSettings, Shared};
use crate::clock::Moment;
use crate::error::QueueError;
use crate::heartbeat::Pulse;
use crate::message::Receipt;
use crate::transport::Queue;

/// After a failed renewal the next try comes after 0.5 s × 2ⁿ, at most this.
const RETRY_MAX: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(500);

const CONNECTION_LOST: &str = "its connection is closed";

pub(super) struct Renewal {
    pub(super) shared: Arc<Shared>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) receipt: Receipt,
    pub(super) taken_at: Moment,
    pub(super) settings: LeaseSettings,
    pub(super) stop: CancellationToken,
    pub(super) pulse: Pulse,
}

impl Renewal {
    pub(super) async fn run(self) {
        // A short job needs no renewal at all; a long one renews well before the short first hold ends.
        let first_delay = self.settings.renew_every.min(self.settings.first_hold / 3);
        let ends_at = self.taken_at + self.settings.max_total;
        let mut renew_at = self.taken_at + first_delay;
        let mut failures = 0_u32;
        while !self.stop.is_cancelled() {
            let Ok(deadline) = self.shared.check() else {
                return;
            };
            let now = self.shared.clock.now();
            let last_progress = self.shared.locked().last_progress;
            let stalls_at = last_progress + self.settings.stall_timeout;
            if now >= stalls_at {
                return self.shared.lose(LeaseLost::Stalled {
                    idle: now.since(last_progress),
                });
            }
            if now >= ends_at {
                return self.shared.lose(LeaseLost::TooLong {
                    limit: self.settings.max_total,
                });
            }
            if now < renew_at {
                let wakes_at = renew_at.min(stalls_at).min(deadline).min(ends_at);
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => {}
                    () = self.queue.taken_back(&self.receipt) => {
                        let reason = CONNECTION_LOST.to_owned();
                        return self.shared.lose(LeaseLost::Taken { reason });
                    }
                    () = self.shared.clock.sleep(wakes_at.since(now)) => {}
                }
                continue;
            }
            // Not cancelled by `stop`: a call that is under way is waited for, or it could land after the settlement.
            match self.renew(now, deadline).await {
                Ok(()) => {
                    failures = 0;
                    renew_at = now + self.settings.renew_every;
                }
                Err(QueueError::StaleReceipt { reason, .. }) => {
                    return self.shared.lose(LeaseLost::Taken { reason });
                }
                Err(error) => {
                    self.pulse.count_failed_renewal();
                    tracing::warn!(%error, failures, "a lease renewal failed");
                    let pause = RETRY_FIRST
                        .saturating_mul(2_u32.saturating_pow(failures))
                        .min(RETRY_MAX);
                    failures = failures.saturating_add(1);
                    renew_at = self.shared.clock.now() + pause;
                }
            }
        }
    }

    async fn renew(&self, started_at: Moment, deadline: Moment) -> Result<(), QueueError> {
        let wish = self.settings.renew_to;
        let budget = self.settings.call_timeout.min(deadline.since(started_at));
        // The answer first: one that is there counts, also when this thread could not run until the time was over.
        let hold = tokio::select! {
            biased;
            answer = self.queue.renew(&self.receipt, wish) => answer?,
            () = self.queue.taken_back(&self.receipt) => {
                let (queue, reason) = (self.queue.name().to_owned(), CONNECTION_LOST.to_owned());
                return Err(QueueError::StaleReceipt { queue, reason });
            }
            () = self.shared.clock.sleep(budget) => {
                let reason = format!("no answer to a renewal within {} s", budget.as_secs());
                return Err(QueueError::Unavailable { queue: self.queue.name().to_owned(), reason });
            }
        };
        let renewed_until = hold.until(started_at).minus(self.settings.margin);
        self.shared
            .renew(renewed_until)
            .map_err(|lost| QueueError::StaleReceipt {
                queue: self.queue.name().to_owned(),
                reason: lost.to_string(),
            })
    }
}
