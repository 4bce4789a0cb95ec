//! Landlock: no file, no TCP port, no signal to anyone outside, whatever the process's user may do.

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetStatus, Scope,
};

/// The newest set of rights that is known here. Older kernels get the part that they know.
const NEWEST: ABI = ABI::V10;

/// Forbids all of it for the rest of this process's life: rights are handled, and no rule gives one back.
pub(super) fn forbid() -> Result<String, String> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| error.to_string())?;
    let abi = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
        LandlockStatus::NotEnabled => return Err("the kernel has it switched off".to_owned()),
        LandlockStatus::NotImplemented => return Err("the kernel does not have it".to_owned()),
    };
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err("the kernel did not take the rules".to_owned());
    }
    let mut parts = vec!["no files"];
    if abi >= ABI::V4 {
        parts.push("no TCP");
    }
    if abi >= ABI::V6 {
        parts.push("no signals to others");
    }
    Ok(format!("version {}: {}", abi as i32, parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    #[test]
    fn ho_1_landlock_alone_refuses_files_and_tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        // It holds for the thread that asks for it, and so not for the other tests.
        let tried = thread::spawn(move || {
            let layer = forbid();
            let opened = File::open("/proc/self/statm").map(drop);
            let connected = TcpStream::connect(address).map(drop);
            (layer, opened, connected)
        });
        let (layer, opened, connected) = tried.join().expect("the thread ends");
        let detail = match layer {
            Ok(detail) => detail,
            Err(reason) => {
                println!("SKIPPED: this machine has no landlock: {reason}");
                return;
            }
        };
        let denied = |outcome: std::io::Result<()>| {
            outcome.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
        };
        assert!(denied(opened), "{detail}");
        assert_eq!(denied(connected), detail.contains("no TCP"), "{detail}");
    }
}
