//! What a renderer process can't do, tried from inside: `src/bin/pdf-probe.rs` puts the same walls around itself and
//! tries one way out at a time. Needs a kernel with seccomp filters, and says so where there is none.

use std::fs::{self, File};
use std::io::{self, PipeReader, Read};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use pagemill_pdf::{Layer, LayerName};

/// What became of an attempt.
struct Attempt {
    layers: Vec<Layer>,
    said: Option<String>,
    signal: Option<Signal>,
    way: String,
}

fn run(way: &str, argument: &str) -> Attempt {
    let probe = Command::new(env!("CARGO_BIN_EXE_pdf-probe"))
        .args([way, argument])
        .env_clear()
        .env("MALLOC_ARENA_MAX", "1")
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    read(way, &probe.expect("the probe starts"))
}

fn read(way: &str, output: &Output) -> Attempt {
    let said = String::from_utf8_lossy(&output.stdout);
    let mut lines = said.lines();
    let layers = lines.next().expect("the probe reports its layers");
    Attempt {
        layers: serde_json::from_str(layers).expect("layers are JSON"),
        said: lines.next().map(str::to_owned),
        signal: output
            .status
            .signal()
            .and_then(|number| Signal::try_from(number).ok()),
        way: way.to_owned(),
    }
}

/// The attempt, unless this machine has no such layer.
fn attempt(way: &str, argument: &str) -> Option<Attempt> {
    let attempt = run(way, argument);
    let seccomp = attempt
        .layers
        .iter()
        .find(|layer| layer.name == LayerName::Seccomp)
        .expect("every layer is reported");
    if let Some(reason) = seccomp.missing() {
        println!("SKIPPED: this machine has no seccomp filters: {reason}");
        return None;
    }
    Some(attempt)
}

/// It was told no, and could go on without.
fn is_refused(way: &str, argument: &str, with: &str) {
    let Some(attempt) = attempt(way, argument) else {
        return;
    };
    let said = attempt.said.unwrap_or_default();
    assert!(
        said.starts_with("refused: ") && said.contains(with),
        "{way}: {said:?}, ended by {:?}",
        attempt.signal
    );
}

/// It was ended for trying.
fn is_deadly(way: &str, argument: &str) {
    let Some(attempt) = attempt(way, argument) else {
        return;
    };
    assert_eq!(
        (attempt.signal, attempt.said),
        (Some(Signal::SIGSYS), None),
        "{}",
        attempt.way
    );
}

const NOT_ALLOWED: &str = "Permission denied";

fn own_id() -> String {
    std::process::id().to_string()
}

#[test]
fn ho_1_a_confined_process_works_and_reports_every_layer() {
    let attempt = run("nothing", "");
    assert_eq!(attempt.said.as_deref(), Some("done"));
    let names: Vec<LayerName> = attempt.layers.iter().map(|layer| layer.name).collect();
    for layer in LayerName::ALL {
        assert!(names.contains(&layer), "{layer} is reported");
    }
    for layer in &attempt.layers {
        let is_the_machines = [LayerName::Landlock, LayerName::Seccomp].contains(&layer.name);
        assert!(is_the_machines || layer.missing().is_none(), "{layer}");
    }
}

#[test]
fn ho_1_a_child_reads_writes_and_sees_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    fs::write(&path, "secret").expect("a file");
    let name = path.to_str().expect("a name in UTF-8");
    is_refused("read-a-file", name, NOT_ALLOWED);
    is_refused("read-a-file", "/proc/self/environ", NOT_ALLOWED);
    is_refused("write-a-file", name, NOT_ALLOWED);
    is_refused("look-at-a-file", name, NOT_ALLOWED);
    is_refused("read-a-folder", "/", NOT_ALLOWED);
    is_refused("remove-a-file", name, "");
    assert_eq!(fs::read(&path).expect("it is still there"), b"secret");
    let other = folder.path().join("other");
    is_refused("write-a-file", other.to_str().expect("UTF-8"), NOT_ALLOWED);
    assert!(!other.exists());
}

#[test]
fn ho_1_a_child_reaches_no_network_and_no_local_service() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = tcp.local_addr().expect("an address").to_string();
    is_deadly("connect-by-tcp", &address);
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    is_deadly(
        "send-by-udp",
        &udp.local_addr().expect("an address").to_string(),
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let _service = UnixListener::bind(&path).expect("a local socket");
    is_deadly("connect-to-a-local-socket", path.to_str().expect("UTF-8"));
    is_deadly("make-a-local-socket", "");
}

#[test]
fn ho_1_a_child_starts_nothing() {
    is_deadly("become-a-program", "/bin/true");
    is_deadly("start-a-program", "/bin/true");
    is_deadly("fork", "");
    is_deadly("start-a-thread", "");
    is_deadly("make-code", "");
}

#[test]
fn ho_1_a_child_touches_no_other_process() {
    let parent = own_id();
    is_deadly("signal-a-process", &parent);
    is_deadly("ask-for-a-process", &parent);
    is_deadly("read-a-process", &parent);
    is_deadly("trace-a-process", &parent);
    is_refused("limit-a-process", &parent, "");
    is_refused("read-a-file", &format!("/proc/{parent}/mem"), NOT_ALLOWED);
    is_refused(
        "read-a-file",
        &format!("/proc/{parent}/environ"),
        NOT_ALLOWED,
    );
}

#[test]
fn ho_1_a_child_keeps_its_limits() {
    // The superuser may raise hard limits, and a child may not, whoever started it.
    is_refused("raise-memory", "", "EPERM");
    is_refused("raise-cpu", "", "EPERM");
    is_refused("raise-files", "", "ENOSYS");
    is_refused("outlive-its-parent", "", "EACCES");
    is_refused("become-dumpable", "", "EACCES");
}

#[test]
fn ho_1_a_child_gets_no_more_memory_than_its_limit() {
    let attempt = run("take-memory", "");
    let said = attempt.said.unwrap_or_default();
    assert!(said.starts_with("refused: memory allocation"), "{said}");
}

#[test]
fn ho_1_a_child_gets_no_more_time_than_its_limit() {
    let attempt = run("take-time", "");
    assert_eq!(attempt.signal, Some(Signal::SIGXCPU));
}

#[test]
fn ho_1_a_child_that_runs_out_of_memory_can_still_say_so() {
    let Some(attempt) = attempt("abort", "") else {
        return;
    };
    assert_eq!(attempt.signal, Some(Signal::SIGABRT));
}

/// A pipe whose writing end every child of this process inherits.
fn leaked_pipe() -> (PipeReader, File) {
    let (reader, writer) = io::pipe().expect("a pipe");
    fcntl(&writer, FcntlArg::F_SETFD(FdFlag::empty())).expect("it stays open");
    (reader, std::os::fd::OwnedFd::from(writer).into())
}

#[test]
fn ho_1_a_child_keeps_no_descriptor_that_was_left_open() {
    let (mut reader, writer) = leaked_pipe();
    let attempt = run("use-a-descriptor", &writer.as_raw_fd().to_string());
    let said = attempt.said.unwrap_or_default();
    assert!(said.contains("Bad file descriptor"), "{said}");
    drop(writer);
    let mut written = Vec::new();
    reader.read_to_end(&mut written).expect("the pipe ends");
    assert!(written.is_empty());
}

#[test]
fn ho_1_variables_that_come_along_are_reported() {
    let output = Command::new(env!("CARGO_BIN_EXE_pdf-probe"))
        .arg("nothing")
        .env_clear()
        .env("SECRET", "hunter2")
        .output()
        .expect("the probe starts");
    let attempt = read("nothing", &output);
    let layer = attempt
        .layers
        .iter()
        .find(|layer| layer.name == LayerName::Environment)
        .expect("every layer is reported");
    let reason = layer.missing().expect("a variable came along");
    assert!(reason.contains("1 variable") && !reason.contains("hunter2"));
}
