//! What an operator touches: health, doctor, verify, replay, logs and metrics of the real binary.

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

#[path = "operations/doctor.rs"]
mod doctor;
#[path = "operations/health.rs"]
mod health;
#[path = "operations/output.rs"]
mod output;
#[path = "operations/replay.rs"]
mod replay;
#[path = "operations/secrets.rs"]
mod secrets;
#[path = "operations/verify.rs"]
mod verify;
