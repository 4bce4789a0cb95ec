//! The `worker` binary, end to end: real processes, real PDFs, real files; services are stubs on loopback.
//!
//! One test binary with a module a theme: it links everything once.

#[path = "../../crates/storage/tests/support/emulator.rs"]
mod emulator;
#[path = "end_to_end/support.rs"]
mod support;

#[path = "end_to_end/bad_input.rs"]
mod bad_input;
#[path = "end_to_end/cloud.rs"]
mod cloud;
#[path = "end_to_end/corpus.rs"]
mod corpus;
#[path = "end_to_end/local.rs"]
mod local;
#[path = "end_to_end/outage.rs"]
mod outage;
#[path = "end_to_end/rebuild.rs"]
mod rebuild;
