//! The walls around a child, put up by itself before it touches a byte of a document.
//!
//! In this order: what needs nothing but the process; then the library is loaded, while files can still be opened;
//! then what forbids opening, and everything else that rendering has no use for. The parent clears the environment,
//! gives the child its own process group and keeps the deadlines. What can be missing on some machine is reported
//! ([`Layer`]), and the parent decides whether it goes on; the limits can't be, and without them the child ends.

use std::fs;
use std::io;

use nix::sys::prctl;
use nix::sys::resource::{Resource, UsageWho, getrusage, rlim_t, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{SysconfVar, sysconf};

use crate::sandbox::{Layer, LayerName};
use pagemill_reader::Limits;

mod files;
mod process;
mod system_calls;

/// Open files that a child may have: the channel, the document, the library while it is loaded.
const MAX_OPEN_FILES: rlim_t = 64;

/// CPU seconds over the deadline that the parent keeps; this limit only ends a child that nobody watches any more.
const SPARE_CPU_SECONDS: u64 = 2;

/// CPU seconds of a child's whole life. A child can't raise this one; one that gets there is replaced.
const LIFE_CPU_SECONDS: u64 = 3_600;

const MIB: u64 = 1 << 20;

/// Guards that need nothing but the process.
///
/// # Errors
/// When the system refuses a limit, or the ban on new privileges.
pub(super) fn before_loading() -> io::Result<Vec<Layer>> {
    // The thread that started this process lives as long as the engine.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    prctl::set_no_new_privs()?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?;
    setrlimit(Resource::RLIMIT_NPROC, 0, 0)?;
    setrlimit(Resource::RLIMIT_NOFILE, MAX_OPEN_FILES, MAX_OPEN_FILES)?;
    Ok(vec![
        Layer::active(LayerName::NoNewPrivileges, ""),
        Layer::of(LayerName::Environment, process::environment_is_clear()),
        Layer::of(LayerName::Descriptors, process::close_inherited()),
        Layer::of(LayerName::Undumpable, process::forbid_dumps()),
    ])
}

/// Forbids to start a thread, from here on: one that was started before the other guards are up would be outside of them.
///
/// # Errors
/// What the system said, in words.
pub(super) fn forbid_threads() -> Result<(), String> {
    system_calls::forbid_threads()
}

/// What a child may still take, counted from what the loaded library takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    loaded_bytes: u64,
    memory_bytes: u64,
    hard_limit: rlim_t,
}

/// Puts up the guards that count from what the loaded library takes, and those after which nothing can be loaded.
///
/// # Errors
/// When the system refuses a limit.
pub(super) fn after_loading(limits: &Limits) -> io::Result<(Budget, Vec<Layer>)> {
    let budget = Budget::after_loading(limits)?;
    budget.begin(limits.open_timeout_seconds, 0)?;
    let layers = vec![
        Layer::active(LayerName::Limits, budget.in_words()),
        Layer::of(LayerName::Capabilities, process::drop_capabilities()),
        Layer::of(LayerName::Landlock, files::forbid()),
        // The last one: it forbids what the others are made with.
        Layer::of(LayerName::Seccomp, system_calls::forbid()),
    ];
    Ok((budget, layers))
}

impl Budget {
    fn after_loading(limits: &Limits) -> io::Result<Self> {
        let loaded_bytes = address_space_bytes()?;
        let memory_bytes = limits.child_memory_mib.saturating_mul(MIB);
        let hard_limit = loaded_bytes
            .saturating_add(memory_bytes)
            .saturating_add(limits.max_file_bytes);
        setrlimit(Resource::RLIMIT_AS, hard_limit, hard_limit)?;
        setrlimit(Resource::RLIMIT_CPU, LIFE_CPU_SECONDS, LIFE_CPU_SECONDS)?;
        Ok(Self {
            loaded_bytes,
            memory_bytes,
            hard_limit,
        })
    }

    /// The limits in words.
    fn in_words(self) -> String {
        format!(
            "address space {} MiB, CPU time of each page, {MAX_OPEN_FILES} open files, no processes, killed with its parent",
            self.memory_bytes / MIB
        )
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
        let most = LIFE_CPU_SECONDS;
        setrlimit(Resource::RLIMIT_CPU, cpu_seconds.min(most), most)?;
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
