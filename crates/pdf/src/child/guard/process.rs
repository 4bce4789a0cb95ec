//! What a child gives away of what it was born with: variables, descriptors, capabilities, its readable memory.

use std::ffi::{OsStr, c_int, c_long};
use std::fs;
use std::io;

use nix::libc;
use nix::sys::prctl;

use crate::pool::GIVEN_VARIABLES;

/// First descriptor that is no standard stream.
const FIRST_OTHER: c_int = 3;

/// Whether the parent gave no variables but its own. They are in the process's memory from its start, so clearing them
/// now would come too late.
pub(super) fn environment_is_clear() -> Result<String, String> {
    let is_given = |name: &OsStr| GIVEN_VARIABLES.iter().any(|(given, _)| name == *given);
    let foreign = std::env::vars_os().filter(|(name, _)| !is_given(name));
    match foreign.count() {
        0 => Ok("cleared".to_owned()),
        count => Err(format!("{count} variables came with the start")),
    }
}

/// Closes what the parent may have left open by mistake. The standard streams stay.
#[allow(unsafe_code)]
pub(super) fn close_inherited() -> Result<String, String> {
    // SAFETY: close_range(2) takes three numbers. This process has just begun: nothing in it owns a descriptor yet.
    let outcome = unsafe { libc::syscall(libc::SYS_close_range, FIRST_OTHER, c_int::MAX, 0) };
    if outcome != 0 {
        close_one_by_one().map_err(|error| format!("they can't be told ({error})"))?;
    }
    Ok("only the channel and the standard streams".to_owned())
}

/// For kernels before 5.9, which have no close_range(2).
#[allow(unsafe_code)]
fn close_one_by_one() -> io::Result<()> {
    let open: Vec<c_int> = fs::read_dir("/proc/self/fd")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor >= FIRST_OTHER)
        .collect();
    for descriptor in open {
        // SAFETY: as above; the folder's own descriptor is in the list too, is closed already, and gives an error.
        unsafe { libc::close(descriptor) };
    }
    Ok(())
}

/// Takes this process's memory from every other process of the same user.
pub(super) fn forbid_dumps() -> Result<String, String> {
    prctl::set_dumpable(false).map_err(|errno| format!("prctl(2) says {errno}"))?;
    Ok(String::new())
}

/// capget(2): version 3 of the interface, with two words for each set.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapabilityWord {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up every capability. Without them, a superuser's process can't raise its own hard limits either.
#[allow(unsafe_code)]
pub(super) fn drop_capabilities() -> Result<String, String> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let none = [CapabilityWord {
        effective: 0,
        permitted: 0,
        inheritable: 0,
    }; 2];
    // SAFETY: capset(2) reads a header and, for this version, two words; both outlive the call. A pid of zero is the
    // calling thread, which is the only one.
    let outcome: c_long =
        unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) };
    if outcome != 0 {
        return Err(format!("capset(2) says {}", io::Error::last_os_error()));
    }
    Ok("none".to_owned())
}
