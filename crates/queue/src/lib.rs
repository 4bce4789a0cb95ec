//! From a message on a queue to a settled one.
//!
//! What a body says is not known here: that is `pagemill_events`, which the binaries put between the two.
//!
//! - [`Queue`] is what a queue must do, and its [`Capabilities`] say where it differs from others; [`sqs::SqsQueue`]
//!   and, for tests, [`memory::MemoryQueue`] do it.
//! - [`Intake`] receives only what can start now and hands each message over as a [`Delivery`].
//! - [`Lease`] hides a message from others while it is worked on. Every side effect asks it for a
//!   [`LeaseProof`] first.
//! - [`Settler`] ends it: done, retry, dead letter or release, by the [`Outcome`]. It takes a [`SettlePermit`],
//!   which only a finished lease gives.
//! - [`Protection`] is what an intake tells of its work, where somebody may end the process for want of it.
//!
//! ```text
//! Intake ──Delivery──► work under a Lease ──Outcome──► finish ──SettlePermit──► Settler
//! ```
//!
//! One message from its arrival to its end, on a queue in memory:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use pagemill_queue::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = BootClock::shared();
//! let queue = MemoryQueue::new("pdfs", clock.clone());
//! queue.push("work");
//!
//! // In a worker, `Intake` does this, and the closure connects to SQS.
//! let for_heartbeat: Arc<dyn Queue> = Arc::new(queue.clone());
//! let heartbeat = Heartbeat::start(clock.clone(), move || async move { Ok(for_heartbeat) }).await?;
//! let settings = LeaseSettings::default().fit(queue.capabilities())?;
//! let taken_at = clock.now();
//! let ask = Ask::one(Duration::from_secs(20), settings.first_hold);
//! let messages = queue.receive(ask).await?;
//! let message = &messages[0];
//!
//! assert_eq!(message.body, "work");
//!
//! let lease = Lease::start(&heartbeat, message.receipt.clone(), taken_at, settings);
//! assert!(lease.proof()?.is_live()); // before each side effect
//! let permit = lease.finish().await?;
//!
//! let settler = Settler::new(Arc::new(queue.clone()), env!("CARGO_PKG_VERSION"));
//! let settled = settler.settle(permit, message, &Outcome::Done, &SettleContext::default()).await?;
//! assert_eq!(settled, Settled::Deleted);
//! # Ok(())
//! # }
//! ```

pub mod breaker;
pub mod capabilities;
pub mod clock;
pub mod description;
pub mod error;
mod give_back;
pub mod health;
pub mod heartbeat;
pub mod intake;
pub mod lease;
pub mod memory;
pub mod message;
pub mod protection;
pub mod sending;
pub mod settle;
#[cfg(feature = "sqs")]
pub mod sqs;
#[cfg(not(feature = "sqs"))]
#[path = "sqs_not_built.rs"]
pub mod sqs;
pub mod transport;

pub use breaker::{Breaker, BreakerSettings, Breakers};
pub use capabilities::Capabilities;
pub use clock::{BootClock, Clock, Moment, TokioClock};
pub use description::{Access, DeadLetterPolicy, Description, Probe};
pub use error::{QueueError, SendFailure};
pub use health::PollHealth;
pub use heartbeat::{Heartbeat, HeartbeatError, Pulse};
pub use intake::{Delivery, Intake, IntakeSettings};
pub use lease::{Lease, LeaseLost, LeaseProof, LeaseSettings, LeaseWatch, SettlePermit};
pub use memory::MemoryQueue;
pub use message::{Message, OutMessage, Receipt};
pub use protection::{Busy, Protection, Refused};
pub use sending::{send_all, send_then_delete};
pub use settle::{Jitter, Outcome, PermanentFailure, SettleContext, Settled, Settler};
pub use sqs::SqsQueue;
pub use transport::{Ask, Depth, End, Hold, Queue};
