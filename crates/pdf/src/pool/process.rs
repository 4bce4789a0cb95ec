//! One child process and the parent's ends of what connects it.

use std::fs;
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::protocol::{self, Answer, FrameCaps, FrameLengths, PREFIX_BYTES, Request};

/// Bytes of a child's complaints that are kept for the reason of its end.
const COMPLAINT_BYTES: usize = 600;

/// Header bytes of the answer to a setup.
const SETUP_HEADER_BYTES: u64 = 64 << 10;

/// A child process.
#[derive(Debug)]
pub(super) struct Renderer {
    process: Child,
    /// The parent's end of the socket pair.
    pub(super) channel: Option<UnixStream>,
    stderr: PipeReader,
    /// The document that it has open.
    pub(super) document: Option<u64>,
    /// The copy of it that is attached.
    pub(super) copy: Option<u64>,
    /// Pages that it has answered.
    pub(super) pages: u32,
    /// Whether it has read all objects of a file since it was last at rest.
    pub(super) has_read_objects: bool,
    /// What it held of its own when it was last at rest, in bytes; nothing before that.
    pub(super) own_bytes: u64,
}

/// What a child holds, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// All that is resident.
    pub(super) resident: u64,
    /// That without programs, libraries and the document's bytes.
    pub(super) own: u64,
}

/// How a child ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// Its exit status, when there was one.
    pub(crate) status: Option<ExitStatus>,
    /// What it wrote to its standard error, bounded, without control characters.
    pub(crate) complaint: String,
}

impl Renderer {
    pub(super) fn new(process: Child, channel: UnixStream, stderr: PipeReader) -> Self {
        Self {
            process,
            channel: Some(channel),
            stderr,
            document: None,
            copy: None,
            pages: 0,
            has_read_objects: false,
            own_bytes: 0,
        }
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it holds, from `/proc/<pid>/statm` (proc(5): the second and third number, in pages); nothing when it is gone.
    pub(super) fn memory(&self) -> Memory {
        let page_bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
            .ok()
            .flatten()
            .and_then(|bytes| u64::try_from(bytes).ok())
            .unwrap_or(4096);
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.id())).unwrap_or_default();
        let mut numbers = statm.split_ascii_whitespace().skip(1).map(|number| {
            number
                .parse::<u64>()
                .unwrap_or(0)
                .saturating_mul(page_bytes)
        });
        let resident = numbers.next().unwrap_or(0);
        let shared = numbers.next().unwrap_or(0);
        Memory {
            resident,
            own: resident.saturating_sub(shared),
        }
    }

    /// Sends the setup and waits for the answer, without a runtime.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(super) fn set_up_blocking(
        &mut self,
        setup: &Request,
        timeout: Duration,
    ) -> Result<Answer, String> {
        let Some(channel) = &mut self.channel else {
            return Err("the child has no channel".to_owned());
        };
        let mut talk = || -> io::Result<Vec<u8>> {
            channel.set_nonblocking(false)?;
            channel.set_read_timeout(Some(timeout))?;
            channel.set_write_timeout(Some(timeout))?;
            channel.write_all(&protocol::encode(setup, 0)?)?;
            let mut prefix = [0; PREFIX_BYTES];
            channel.read_exact(&mut prefix)?;
            let caps = FrameCaps {
                header: SETUP_HEADER_BYTES,
                body: 0,
            };
            let lengths = FrameLengths::parse(prefix, caps).map_err(io::Error::other)?;
            let mut header = vec![0; lengths.header as usize];
            channel.read_exact(&mut header)?;
            channel.set_nonblocking(true)?;
            Ok(header)
        };
        let header = talk().map_err(|error| format!("a child did not report ({error})"))?;
        protocol::decode(&header)
    }

    /// Forgets what it has complained of so far.
    pub(super) fn drain_stderr(&mut self) {
        let mut waste = [0; 4096];
        while matches!(self.stderr.read(&mut waste), Ok(count) if count > 0) {}
    }

    /// Kills and reaps it. Blocks for the moment that the kernel takes.
    pub(super) fn end(mut self) -> End {
        // A process that has ended already keeps its own status.
        let killed = self.process.kill();
        let status = match killed {
            Ok(()) => self.process.wait().ok(),
            Err(_) => self.process.try_wait().ok().flatten(),
        };
        let mut written = Vec::new();
        let mut part = [0; 4096];
        while let Ok(count) = self.stderr.read(&mut part) {
            if count == 0 || written.len() > 64 << 10 {
                break;
            }
            written.extend_from_slice(&part[..count]);
        }
        let tail = &written[written.len().saturating_sub(COMPLAINT_BYTES)..];
        let complaint = String::from_utf8_lossy(tail)
            .chars()
            .map(|character| {
                if character.is_control() {
                    ' '
                } else {
                    character
                }
            })
            .collect::<String>()
            .trim()
            .to_owned();
        End { status, complaint }
    }
}

impl End {
    /// The signal that ended it.
    pub(crate) fn signal(&self) -> Option<Signal> {
        self.status
            .and_then(|status| status.signal())
            .and_then(|number| Signal::try_from(number).ok())
    }

    /// How it ended, in words.
    pub(crate) fn in_words(&self) -> String {
        let how = match (self.signal(), self.status.and_then(|status| status.code())) {
            (Some(signal), _) => format!("was ended by {signal}"),
            (None, Some(code)) => format!("ended with code {code}"),
            (None, None) => "ended".to_owned(),
        };
        if self.complaint.is_empty() {
            how
        } else {
            format!("{how}: {}", self.complaint)
        }
    }

    /// Whether it ended itself because an allocation failed: PDFium and Rust both call `abort(3)` then, Rust says so,
    /// and PDFium says nothing, or its C++ library throws, which Rust reports. PDFium itself throws nothing. The C
    /// library's own checks abort too, with a message.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.signal() == Some(Signal::SIGABRT)
            && (self.complaint.is_empty()
                || self.complaint.contains("memory allocation of")
                || self.complaint.contains("foreign exception")
                || self.complaint.contains("bad_alloc"))
    }
}
