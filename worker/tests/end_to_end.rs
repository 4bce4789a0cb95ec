//! The `worker` binary, end to end: real processes, real PDFs, real files; services are stubs on loopback.
//!
//! One test binary with a module a theme: it links everything once.

#[allow(
    dead_code,
    reason = "shared with another test binary, which uses other parts of it"
)]
#[path = "support/emulated_cloud.rs"]
mod emulated_cloud;
#[path = "support/place.rs"]
mod support;

#[path = "end_to_end/bad_input.rs"]
mod bad_input;
#[path = "end_to_end/checkpoints.rs"]
mod checkpoints;
#[path = "end_to_end/cloud.rs"]
mod cloud;
#[path = "end_to_end/corpus.rs"]
mod corpus;
#[path = "end_to_end/evaluate.rs"]
mod evaluate;
#[path = "end_to_end/goal.rs"]
mod goal;
#[path = "end_to_end/local.rs"]
mod local;
#[path = "end_to_end/outage.rs"]
mod outage;
#[path = "end_to_end/plan.rs"]
mod plan;
#[path = "end_to_end/prompt.rs"]
mod prompt;
#[path = "end_to_end/rebuild.rs"]
mod rebuild;
