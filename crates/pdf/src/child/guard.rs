//! The walls around a child, put up by itself before it touches a byte of a document.
//!
//! The parent clears the environment, gives it its own process group and keeps the deadlines. A system call filter and
//! a file system without paths belong after [`Budget::after_loading`], when the library is mapped and nothing is opened any more.

use std::fs;
use std::io;

use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, UsageWho, getrusage, rlim_t, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{SysconfVar, sysconf};

use crate::engine::Limits;

/// Open files that a child may have: the channel, the document, a font.
const MAX_OPEN_FILES: rlim_t = 64;

/// CPU seconds over the deadline that the parent keeps; this limit only ends a child that nobody watches any more.
const SPARE_CPU_SECONDS: u64 = 10;

const MIB: u64 = 1 << 20;

/// Guards that need nothing but the process.
///
/// # Errors
/// When the system refuses one.
pub(super) fn before_loading() -> io::Result<Vec<String>> {
    // The thread that started this process lives as long as the engine.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    prctl::set_no_new_privs()?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_NOFILE, MAX_OPEN_FILES, MAX_OPEN_FILES)?;
    Ok(vec![
        "killed with its parent".to_owned(),
        "no new privileges".to_owned(),
        "no core dump".to_owned(),
        format!("{MAX_OPEN_FILES} open files"),
    ])
}

/// What a child may still take, counted from what the loaded library takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    loaded_bytes: u64,
    memory_bytes: u64,
    hard_limit: rlim_t,
}

impl Budget {
    /// Puts up the guards that count from what the loaded library takes.
    ///
    /// # Errors
    /// When the system refuses one.
    pub(super) fn after_loading(limits: &Limits) -> io::Result<Self> {
        let loaded_bytes = address_space_bytes()?;
        let memory_bytes = limits.child_memory_mib.saturating_mul(MIB);
        let hard_limit = loaded_bytes
            .saturating_add(memory_bytes)
            .saturating_add(limits.max_file_bytes);
        setrlimit(Resource::RLIMIT_AS, hard_limit, hard_limit)?;
        Ok(Self {
            loaded_bytes,
            memory_bytes,
            hard_limit,
        })
    }

    /// The guards in words.
    pub(super) fn in_words(self) -> [String; 2] {
        [
            format!("address space {} MiB", self.memory_bytes / MIB),
            "cpu time of each page".to_owned(),
        ]
    }

    /// Begins a piece of work that may take `seconds` of CPU time, with a file of `file_bytes` mapped.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn begin(self, seconds: u32, file_bytes: u64) -> io::Result<()> {
        let address_space = self
            .loaded_bytes
            .saturating_add(self.memory_bytes)
            .saturating_add(file_bytes)
            .min(self.hard_limit);
        setrlimit(Resource::RLIMIT_AS, address_space, self.hard_limit)?;
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let used = usage.user_time().tv_sec() + usage.system_time().tv_sec();
        let cpu_seconds = u64::try_from(used).unwrap_or(0) + u64::from(seconds) + SPARE_CPU_SECONDS;
        setrlimit(Resource::RLIMIT_CPU, cpu_seconds, RLIM_INFINITY)?;
        Ok(())
    }
}

/// Address space in use, from `/proc/self/statm` (proc(5): the first number, in pages).
fn address_space_bytes() -> io::Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm
        .split_ascii_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| io::Error::other("no size in /proc/self/statm"))?;
    let page_bytes = sysconf(SysconfVar::PAGE_SIZE)?.unwrap_or(4096);
    Ok(pages.saturating_mul(u64::try_from(page_bytes).unwrap_or(4096)))
}
