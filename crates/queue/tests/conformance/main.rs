//! One suite for every queue: what the worker relies on, and where queues differ, exactly what their capabilities say.
//!
//! It runs against queues in memory under a paused clock, and against the adapters of real buses where their servers are
//! to be had. A bus is one file here, with its [`suite::Kind`] and its test, and its line below.

mod memory;
mod sqs;

mod suite;
mod table;
