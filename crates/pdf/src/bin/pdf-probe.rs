//! A program that puts the walls of a renderer process around itself and then tries to get out, one way at a time: for
//! `tests/walls.rs`. It is no part of the worker.
//!
//! `pdf-probe WAY [ARGUMENT]` prints the layers as JSON on the first line and what became of the attempt on the second:
//! `refused: ...` or `done`. Some attempts end it, and then the second line is missing.

use std::env;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::{self, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pagemill_pdf::Limits;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let mut arguments = env::args().skip(1);
    let way = arguments.next().unwrap_or_default();
    let argument = arguments.next().unwrap_or_default();
    let limits = Limits {
        child_memory_mib: 64,
        ..Limits::default()
    };
    let layers = pagemill_pdf::child::confine_this_process(&limits, 0)?;
    let mut output = io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(&layers)?)?;
    output.flush()?;
    match attempt(&way, &argument) {
        Ok(()) => writeln!(output, "done")?,
        Err(error) => writeln!(output, "refused: {error}")?,
    }
    Ok(())
}

fn attempt(way: &str, argument: &str) -> Outcome {
    match way {
        "nothing" => {}
        "read-a-file" => drop(File::open(argument)?),
        "write-a-file" => {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(argument)?
                .write_all(b"x")?;
        }
        "read-a-folder" => drop(fs::read_dir(argument)?),
        "look-at-a-file" => fs::metadata(argument).map(|_| ())?,
        "remove-a-file" => fs::remove_file(argument)?,
        "connect-by-tcp" => drop(TcpStream::connect(argument)?),
        "send-by-udp" => drop(UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", argument)?),
        "connect-to-a-local-socket" => drop(UnixStream::connect(argument)?),
        "make-a-local-socket" => drop(UnixDatagram::unbound()?),
        "become-a-program" => return Err(Command::new(argument).exec().into()),
        "start-a-program" => drop(Command::new(argument).spawn()?),
        "fork" => fork()?,
        "start-a-thread" => drop(thread::Builder::new().spawn(|| {})?),
        "signal-a-process" => kill(pid(argument)?, Signal::SIGCONT)?,
        "ask-for-a-process" => kill(pid(argument)?, None)?,
        "read-a-process" => read_process(pid(argument)?)?,
        "trace-a-process" => trace(pid(argument)?)?,
        "limit-a-process" => limit(pid(argument)?)?,
        "raise-memory" => setrlimit(Resource::RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY)?,
        "raise-cpu" => setrlimit(Resource::RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY)?,
        "raise-files" => setrlimit(Resource::RLIMIT_NOFILE, 1024, 1024)?,
        "outlive-its-parent" => prctl::set_pdeathsig(None)?,
        "become-dumpable" => prctl::set_dumpable(true)?,
        "make-code" => map_code()?,
        "use-a-descriptor" => use_descriptor(argument.parse()?)?,
        "take-memory" => take_memory()?,
        "take-time" => loop {
            black_box(());
        },
        "abort" => std::process::abort(),
        other => return Err(format!("no such way: {other}").into()),
    }
    Ok(())
}

fn pid(argument: &str) -> Result<Pid, Box<dyn Error>> {
    let number: i32 = argument.parse()?;
    // Zero and less mean many processes to kill(2).
    if number < 2 {
        return Err("no process id".into());
    }
    Ok(Pid::from_raw(number))
}

/// What a raw call says of itself.
fn checked(outcome: libc::c_long) -> Outcome {
    match outcome {
        -1 => Err(io::Error::last_os_error().into()),
        _ => Ok(()),
    }
}

#[allow(unsafe_code)]
fn fork() -> Outcome {
    // SAFETY: the new process, should there be one, ends at once and touches nothing.
    match unsafe { libc::fork() } {
        0 => unsafe { libc::_exit(0) },
        pid => checked(pid.into()),
    }
}

#[allow(unsafe_code)]
fn read_process(pid: Pid) -> Outcome {
    let mut byte = 0_u8;
    let here = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    // Any address will do: what is tried is the right to read.
    let there = libc::iovec {
        iov_base: main as fn() -> Outcome as *mut libc::c_void,
        iov_len: 1,
    };
    // SAFETY: one byte is written to `byte`, which outlives the call.
    let count = unsafe { libc::process_vm_readv(pid.as_raw(), &here, 1, &there, 1, 0) };
    checked(count as libc::c_long)
}

#[allow(unsafe_code)]
fn trace(pid: Pid) -> Outcome {
    // SAFETY: attaching takes no pointers.
    checked(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid.as_raw(), 0, 0) })
}

#[allow(unsafe_code)]
fn limit(pid: Pid) -> Outcome {
    let mut now = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit is read into `now`, which outlives the call.
    let outcome = unsafe {
        libc::prlimit(
            pid.as_raw(),
            libc::RLIMIT_AS,
            std::ptr::null(),
            &raw mut now,
        )
    };
    checked(outcome.into())
}

#[allow(unsafe_code)]
fn map_code() -> Outcome {
    let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping at a place of the kernel's choice touches no memory that is in use.
    let place = unsafe { libc::mmap(std::ptr::null_mut(), 4096, rights, kind, -1, 0) };
    match place {
        libc::MAP_FAILED => Err(io::Error::last_os_error().into()),
        _ => Ok(()),
    }
}

#[allow(unsafe_code)]
fn use_descriptor(number: i32) -> Outcome {
    // SAFETY: one byte is read from a constant; a number without a file is an error, and nothing else.
    checked(unsafe { libc::write(number, b"x".as_ptr().cast(), 1) } as libc::c_long)
}

/// Takes four times what it may have, and uses it.
fn take_memory() -> Outcome {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    for _ in 0..256 {
        let mut part = Vec::new();
        part.try_reserve_exact(1 << 20)?;
        part.resize(1 << 20, 1);
        taken.push(part);
    }
    drop(black_box(taken));
    Ok(())
}
