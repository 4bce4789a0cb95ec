//! From bytes on a queue to jobs, and back to a settled message.
//!
//! - [`envelope::parse`] turns a message body into [`Event`]s. It is total: nothing panics, nothing is dropped silently.
//! - [`Queue`] is what a queue must do; [`sqs::SqsQueue`] and, for tests, [`memory::MemoryQueue`] do it.
//! - [`Intake`] receives only what can start now and hands each message over as a [`Delivery`].
//! - [`Lease`] keeps a message invisible to others while it is worked on. Every side effect asks it for a
//!   [`LeaseProof`] first.
//! - [`Settler`] ends it: delete, delay, dead-letter or release, by the [`Outcome`]. It takes a [`SettlePermit`],
//!   which only a finished lease gives.
//!
//! ```text
//! Intake ──Delivery──► parse ──Job──► work under a Lease ──Outcome──► finish ──SettlePermit──► Settler
//! ```

pub mod breaker;
pub mod clock;
pub mod envelope;
pub mod health;
pub mod heartbeat;
pub mod intake;
pub mod lease;
pub mod memory;
pub mod settle;
pub mod sqs;
pub mod transport;

pub use breaker::{Breaker, BreakerSettings, Breakers};
pub use clock::{BootClock, Clock, Moment, TokioClock};
pub use envelope::{Event, Ignored, Job, JobRequest, Rejected, Removal, Sequencer, parse};
pub use health::PollHealth;
pub use heartbeat::{Heartbeat, HeartbeatError};
pub use intake::{Delivery, Intake, IntakeSettings};
pub use lease::{Lease, LeaseLost, LeaseProof, LeaseSettings, LeaseWatch, SettlePermit};
pub use memory::MemoryQueue;
pub use settle::{Outcome, PermanentFailure, SettleContext, Settled, Settler};
pub use sqs::SqsQueue;
pub use transport::{
    Counts, DeadLetterPolicy, Message, OutMessage, Queue, QueueAttributes, QueueError, Receipt,
    SendFailure,
};
