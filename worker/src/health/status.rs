//! The status file: what a running worker says of itself, and how it is written whole.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Status {
    /// Version of this format.
    pub(crate) format: u32,
    pub(crate) pid: u32,
    pub(crate) build: String,
    /// When it was written: nanoseconds of `CLOCK_BOOTTIME`.
    pub(crate) written_boot_nanos: u64,
    /// How often it is written.
    pub(crate) every_millis: u64,
    pub(crate) polls: u64,
    /// Age of the last completed poll.
    pub(crate) poll_age_millis: u64,
    /// Whether it does not poll on purpose: every slot is busy, or a breaker is open.
    pub(crate) paused: bool,
    pub(crate) draining: bool,
    pub(crate) open_breakers: Vec<String>,
    pub(crate) heartbeat_late_millis: u64,
    /// A job without progress for so long loses its lease.
    pub(crate) stall_millis: u64,
    pub(crate) slots: u64,
    pub(crate) jobs: Vec<JobStatus>,
}

/// One message at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobStatus {
    pub(crate) trace_id: String,
    pub(crate) source: Option<String>,
    pub(crate) stage: Option<String>,
    pub(crate) idle_millis: u64,
    pub(crate) running_millis: u64,
}

impl Status {
    pub(crate) const FORMAT: u32 = 1;

    /// Writes it so that a reader sees the old or the new one, never a part. The last step is a rename, which replaces
    /// a link instead of following it.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let unfinished = unfinished(path);
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::File::create_new(&unfinished)?;
        serde_json::to_writer(&file, self)?;
        file.write_all(b"\n")?;
        fs::rename(&unfinished, path)
    }
}

/// The name before the rename, one for each process.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}
