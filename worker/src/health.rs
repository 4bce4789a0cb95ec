//! `worker health`: whether the worker beside it is alive and gets on, from the status file that it keeps.
//!
//! It is the container's health check: it reads one small file and makes no call, so it can run twice a minute on a
//! machine that is busy. Times are compared on `CLOCK_BOOTTIME`, which all processes of a machine share and which also
//! counts the time in which a worker was frozen.

mod status;
mod vitals;

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use pagemill_queue::{BootClock, Clock, Moment};

pub(crate) use status::Status;
pub(crate) use vitals::{StatusWriter, Vitals};

use crate::cli;
use pagemill_app::environment;

/// The status is too old when so many of its intervals have passed.
const INTERVALS_MISSED: u32 = 4;
/// A poll takes 20 s, and after failed ones the next comes within 30 s. Older than this, polling has ended silently
/// or the queue has not answered for a while.
const POLL_AGE_MAX: Duration = Duration::from_secs(120);
/// The heartbeat thread shows itself every second; leases end when it is late by a minute.
const HEARTBEAT_LATE_MAX: Duration = Duration::from_secs(30);
/// A job without progress loses its lease and is dropped. One that is still there so long after is stuck.
const STALL_GRACE: Duration = Duration::from_secs(30);

/// Runs the command. It needs no runtime and no configuration but where the file is.
pub(crate) fn command() -> ExitCode {
    let path = environment::status_file();
    match judge(&path, BootClock.now()) {
        Ok(line) => {
            println!("healthy: {line}");
            ExitCode::from(cli::EXIT_OK)
        }
        Err(line) => {
            println!("UNHEALTHY: {}", pagemill_storage::shown(&line));
            ExitCode::from(cli::EXIT_UNHEALTHY)
        }
    }
}

/// Judges a status file; each answer is one line that says what is wrong and what to do.
fn judge(path: &Path, now: Moment) -> Result<String, String> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(format!(
                "{} is not there: the worker does not run, has not finished starting, or writes elsewhere (PAGEMILL_STATUS_FILE); see its log",
                path.display()
            ));
        }
        Err(error) => {
            return Err(format!("{} can't be read: {error}", path.display()));
        }
    };
    let status: Status = serde_json::from_slice(&text).map_err(|error| {
        format!(
            "{} is no status of this build ({error}): run `worker health` of the same build as the worker",
            path.display()
        )
    })?;
    judge_status(&status, now)
}

fn judge_status(status: &Status, now: Moment) -> Result<String, String> {
    let written = Moment::from_nanos(status.written_boot_nanos);
    if written > now {
        return Err(
            "the status is from before the machine was started: the worker does not run".into(),
        );
    }
    let age = now.since(written);
    let stale_after = Duration::from_millis(status.every_millis) * INTERVALS_MISSED;
    if age > stale_after {
        return Err(format!(
            "the status is {} s old: the worker (process {}) is frozen or dead; restart it, its messages come back by themselves",
            age.as_secs(),
            status.pid
        ));
    }
    let heartbeat_late = Duration::from_millis(status.heartbeat_late_millis);
    if heartbeat_late > HEARTBEAT_LATE_MAX {
        return Err(format!(
            "the heartbeat thread is {} s late, so leases run out: the machine is starved or the thread is stuck; restart the worker, and give it more processor time if it happens again",
            heartbeat_late.as_secs()
        ));
    }
    let stall = Duration::from_millis(status.stall_millis) + STALL_GRACE;
    if let Some(job) = status
        .jobs
        .iter()
        .find(|job| Duration::from_millis(job.idle_millis) > stall)
    {
        return Err(format!(
            "a job has made no progress for {} s (source {}, stage {}, trace {}): restart the worker; if the same document does it again, run it with `worker replay`",
            job.idle_millis / 1_000,
            job.source.as_deref().unwrap_or("none yet"),
            job.stage.as_deref().unwrap_or("none yet"),
            job.trace_id
        ));
    }
    let busy = format!("{} of {} slots busy", status.jobs.len(), status.slots);
    if status.draining {
        return Ok(format!("shutting down, {busy}"));
    }
    let poll_age = Duration::from_millis(status.poll_age_millis);
    if !status.open_breakers.is_empty() {
        return Ok(format!(
            "intake is paused because {} does not answer; no message is lost; {busy}",
            status.open_breakers.join(" and ")
        ));
    }
    if status.paused && status.jobs.len() as u64 >= status.slots {
        return Ok(format!("intake waits for a free slot, {busy}"));
    }
    // Paused with free slots and no open breaker lasts a moment only; longer, the intake is stuck.
    if poll_age > POLL_AGE_MAX {
        return Err(format!(
            "no poll has completed for {} s with {busy}: the queue does not answer or polling has ended; look for \"a poll failed\" in the log, and restart the worker if there is none",
            poll_age.as_secs()
        ));
    }
    Ok(format!(
        "last poll {} s ago, {} polls, {busy}",
        poll_age.as_secs(),
        status.polls
    ))
}

#[cfg(test)]
mod tests {
    use super::status::JobStatus;
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    fn well() -> Status {
        Status {
            format: Status::FORMAT,
            pid: 7,
            build: "1".into(),
            written_boot_nanos: at(1_000).as_nanos(),
            every_millis: 5_000,
            polls: 12,
            poll_age_millis: 3_000,
            paused: false,
            draining: false,
            open_breakers: Vec::new(),
            heartbeat_late_millis: 800,
            stall_millis: 600_000,
            slots: 2,
            jobs: Vec::new(),
        }
    }

    fn job(idle_seconds: u64) -> JobStatus {
        JobStatus {
            trace_id: "t-1".into(),
            source: Some("source-pdfs/a.pdf".into()),
            stage: Some("pages".into()),
            idle_millis: idle_seconds * 1_000,
            running_millis: idle_seconds * 1_000,
        }
    }

    #[track_caller]
    fn healthy(status: &Status, now: u64, says: &str) {
        let line = judge_status(status, at(now)).expect("healthy");
        assert!(line.contains(says) && !line.contains('\n'), "{line}");
    }

    #[track_caller]
    fn unhealthy(status: &Status, now: u64, says: &str) {
        let line = judge_status(status, at(now)).expect_err("unhealthy");
        assert!(line.contains(says) && !line.contains('\n'), "{line}");
    }

    #[test]
    fn he_1_a_status_that_is_no_longer_written_is_unhealthy() {
        healthy(&well(), 1_020, "last poll 3 s ago");
        unhealthy(&well(), 1_021, "21 s old");
        unhealthy(&well(), 999, "before the machine was started");
    }

    #[test]
    fn he_1_polling_that_ended_silently_is_unhealthy() {
        let mut status = well();
        status.poll_age_millis = 121_000;
        unhealthy(&status, 1_001, "no poll has completed for 121 s");
        // Paused for no reason is the same; for a reason it is not.
        status.paused = true;
        unhealthy(&status, 1_001, "no poll has completed for 121 s");
        status.jobs = vec![job(1)];
        unhealthy(&status, 1_001, "1 of 2 slots busy");
        status.jobs = vec![job(1), job(2)];
        healthy(&status, 1_001, "waits for a free slot");
        status.jobs.clear();
        status.open_breakers = vec!["qdrant".into()];
        healthy(&status, 1_001, "qdrant does not answer");
        status.open_breakers.clear();
        status.draining = true;
        healthy(&status, 1_001, "shutting down");
    }

    #[test]
    fn he_1_a_late_heartbeat_is_unhealthy() {
        let mut status = well();
        status.heartbeat_late_millis = 31_000;
        unhealthy(&status, 1_001, "heartbeat thread is 31 s late");
    }

    #[test]
    fn he_1_a_job_without_progress_is_unhealthy_also_while_draining_or_paused() {
        let mut status = well();
        status.jobs = vec![job(600), job(3)];
        healthy(&status, 1_001, "2 of 2 slots busy");
        status.jobs = vec![job(3), job(631)];
        unhealthy(&status, 1_001, "source-pdfs/a.pdf, stage pages, trace t-1");
        status.draining = true;
        unhealthy(&status, 1_001, "no progress for 631 s");
        status.draining = false;
        status.open_breakers = vec!["llm".into()];
        unhealthy(&status, 1_001, "no progress for 631 s");
    }

    #[test]
    fn he_1_a_missing_or_strange_status_file_is_unhealthy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        let missing = judge(&path, at(1)).unwrap_err();
        assert!(missing.contains("is not there"), "{missing}");
        std::fs::write(&path, b"{\"format\": 1").unwrap();
        let strange = judge(&path, at(1)).unwrap_err();
        assert!(strange.contains("no status of this build"), "{strange}");
    }
}
