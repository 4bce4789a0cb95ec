//! The `worker` binary under real signals and on a bad wire: killed, frozen, drained, throttled, twice at once.
//!
//! Between the worker and its services stands a [`wire::Wire`], which names every call, logs it, and can end or stop
//! the worker right before the service sees a call, or right after the service has done it.

#[allow(
    dead_code,
    reason = "shared with another test binary, which uses other parts of it"
)]
#[path = "support/emulated_cloud.rs"]
mod emulated_cloud;
#[allow(
    dead_code,
    reason = "shared with another test binary, which uses other parts of it"
)]
#[path = "support/place.rs"]
mod support;

#[path = "resilience/calls.rs"]
mod calls;
#[path = "resilience/crash_matrix.rs"]
mod crash_matrix;
#[path = "resilience/drain.rs"]
mod drain;
#[path = "resilience/outage.rs"]
mod outage;
#[path = "resilience/state.rs"]
mod state;
#[path = "resilience/table_of_calls.rs"]
mod table_of_calls;
#[path = "resilience/twice.rs"]
mod twice;
#[path = "resilience/wire.rs"]
mod wire;
#[path = "resilience/wired.rs"]
mod wired;
#[path = "resilience/zombie.rs"]
mod zombie;
