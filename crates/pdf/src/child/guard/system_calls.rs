//! The system calls that a child may make, once the library is loaded.
//!
//! Three filters, of which the kernel takes the strictest answer (seccomp(2)):
//! - What no renderer ever does, and what only one that a file has taken over would try (sockets, programs, processes,
//!   other processes' memory, signals to others, code pages): the child is killed with `SIGSYS`. Its parent sees that
//!   signal, and says so in the page's reason.
//! - What rendering needs is allowed, some of it with certain arguments only. The list was measured: `strace -f` over
//!   every document of a corpus of 150, then what an allocator, an abort and a stopped process need on top.
//! - Anything else does not exist (`ENOSYS`): a C library that is newer than this list takes its older way.
//! - Naming a file is refused (`EACCES`) and does not kill: libraries look for fonts, time zones and locales on honest
//!   ways, and do without.

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

type Rules = Vec<(libc::c_long, Vec<SeccompRule>)>;

/// Installs the filters.
pub(super) fn forbid() -> Result<String, String> {
    let (programs, allowed) = programs(std::process::id()).map_err(|error| error.to_string())?;
    for program in programs {
        seccompiler::apply_filter(&program).map_err(|error| error.to_string())?;
    }
    Ok(format!("{allowed} system calls"))
}

/// Installs a filter by which no thread and no process can be started; whoever tries is told so, and goes on. The later ones
/// kill for the same.
pub(super) fn forbid_threads() -> Result<(), String> {
    let program = without_threads().map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

fn without_threads() -> Result<BpfProgram, seccompiler::BackendError> {
    let target = TargetArch::try_from(std::env::consts::ARCH)?;
    let calls = always(STARTING.iter());
    let refused = SeccompAction::Errno(libc::EAGAIN as u32);
    SeccompFilter::new(
        calls.into_iter().collect(),
        SeccompAction::Allow,
        refused,
        target,
    )
    .and_then(BpfProgram::try_from)
}

/// The filters in the order in which they go in, and how many calls are left. The last one takes away what is needed
/// to put one in.
fn programs(pid: u32) -> Result<([BpfProgram; 3], usize), seccompiler::BackendError> {
    let target = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = |rules: Rules, mismatch: SeccompAction, matched: SeccompAction| {
        SeccompFilter::new(rules.into_iter().collect(), mismatch, matched, target)
            .and_then(BpfProgram::try_from)
    };
    let allowed = allowed(pid)?;
    let count = allowed.len() - SETTING_UP.len();
    let deadly = filter(
        deadly(pid)?,
        SeccompAction::Allow,
        SeccompAction::KillProcess,
    )?;
    let listed = filter(
        allowed,
        SeccompAction::Errno(libc::ENOSYS as u32),
        SeccompAction::Allow,
    )?;
    let named = filter(
        always(NAMING_A_FILE.iter().chain(SETTING_UP)),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EACCES as u32),
    )?;
    Ok(([deadly, listed, named], count))
}

/// What rendering needs, whatever the arguments.
const NEEDED: &[libc::c_long] = &[
    // The channel and the complaints.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_close,
    libc::SYS_lseek,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Time, chance, what has been used.
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    // Locks, signals, the end.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What the filters themselves are made with: allowed by the second, taken away by the third.
const SETTING_UP: &[libc::c_long] = &[libc::SYS_seccomp, libc::SYS_prctl];

/// Calls that name a file.
const NAMING_A_FILE: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

/// Calls that start a thread or a process.
const STARTING: &[libc::c_long] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// What only a child that a file has taken over would try.
const DEADLY: &[libc::c_long] = &[
    // The network.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_clone,
    libc::SYS_clone3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    // The kernel's wide doors, and ways to another root, user or namespace.
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_mount,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_keyctl,
    libc::SYS_capset,
    libc::SYS_setuid,
];

fn always<'a>(calls: impl Iterator<Item = &'a libc::c_long>) -> Rules {
    calls.map(|call| (*call, Vec::new())).collect()
}

/// A rule that holds when all of these do: argument, comparison, value.
fn when(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, seccompiler::BackendError> {
    let conditions = conditions.iter().map(|(argument, comparison, value)| {
        let width = SeccompCmpArgLen::Dword;
        SeccompCondition::new(*argument, width, comparison.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

const EXECUTABLE: u64 = libc::PROT_EXEC as u64;

fn allowed(pid: u32) -> Result<Rules, seccompiler::BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq};
    let mut rules = always(NEEDED.iter().chain(SETTING_UP));
    let no_code = || when(&[(2, MaskedEq(EXECUTABLE), 0)]);
    let fcntl = |command: libc::c_int| when(&[(1, Eq, command as u64)]);
    // Of itself (a pid of zero), and only these two.
    let limit = |resource: u64| when(&[(0, Eq, 0), (1, Eq, resource)]);
    rules.extend([
        (libc::SYS_mmap, vec![no_code()?]),
        (libc::SYS_mprotect, vec![no_code()?]),
        (
            libc::SYS_fcntl,
            vec![
                fcntl(libc::F_GET_SEALS)?,
                fcntl(libc::F_GETFD)?,
                fcntl(libc::F_GETFL)?,
            ],
        ),
        (
            libc::SYS_prlimit64,
            vec![
                limit(u64::from(libc::RLIMIT_AS))?,
                limit(u64::from(libc::RLIMIT_CPU))?,
            ],
        ),
        // abort(3) sends itself a signal.
        (libc::SYS_tgkill, vec![when(&[(0, Eq, u64::from(pid))])?]),
    ]);
    Ok(rules)
}

fn deadly(pid: u32) -> Result<Rules, seccompiler::BackendError> {
    use SeccompCmpOp::{MaskedEq, Ne};
    let mut rules = always(DEADLY.iter());
    let code = || when(&[(2, MaskedEq(EXECUTABLE), EXECUTABLE)]);
    rules.extend([
        (libc::SYS_mmap, vec![code()?]),
        (libc::SYS_mprotect, vec![code()?]),
        (libc::SYS_pkey_mprotect, vec![code()?]),
        (libc::SYS_tgkill, vec![when(&[(0, Ne, u64::from(pid))])?]),
    ]);
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_both_needed_and_forbidden() {
        for call in NEEDED {
            assert!(
                !DEADLY.contains(call) && !NAMING_A_FILE.contains(call),
                "{call}"
            );
        }
        let mut all: Vec<_> = [NEEDED, SETTING_UP, NAMING_A_FILE, DEADLY].concat();
        let count = all.len();
        let deadly = |call: &libc::c_long| DEADLY.contains(call);
        assert!(
            STARTING.iter().all(deadly),
            "what is refused first is deadly later"
        );
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "no call is named twice");
    }

    #[test]
    fn the_filters_compile_for_this_machine() {
        let (programs, allowed) = programs(4711).expect("an architecture that is known");
        assert!(programs.iter().all(|program| !program.is_empty()));
        assert!(!without_threads().expect("a known one").is_empty());
        assert_eq!(allowed, NEEDED.len() + 5);
    }
}
