//! The child's end of the socket pair.

use std::io::{self, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use memmap2::Mmap;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use serde::Serialize;

use crate::memory_file::required_seals;
use crate::protocol::{self, FrameCaps, FrameLengths, PREFIX_BYTES, Request};

/// Most header bytes of a request. The parent is trusted; the cap only keeps a broken stream from asking for memory.
const MAX_REQUEST_BYTES: u64 = 256 << 20;

/// Requests in, answers out.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    received: Option<OwnedFd>,
}

impl Channel {
    /// The channel that the parent put in place of the standard input.
    ///
    /// # Errors
    /// When there is no standard input.
    pub(super) fn from_stdin() -> io::Result<Self> {
        let descriptor = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self {
            stream: UnixStream::from(descriptor),
            received: None,
        })
    }

    /// The next request; none when the parent closed the channel.
    ///
    /// # Errors
    /// When the channel breaks, or what comes is no request.
    pub(super) fn receive(&mut self) -> io::Result<Option<Request>> {
        let mut prefix = [0; PREFIX_BYTES];
        let mut filled = 0;
        while filled < PREFIX_BYTES {
            let count = self.receive_some(&mut prefix[filled..])?;
            if count == 0 && filled == 0 {
                return Ok(None);
            }
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += count;
        }
        let caps = FrameCaps {
            header: MAX_REQUEST_BYTES,
            body: 0,
        };
        let lengths = FrameLengths::parse(prefix, caps).map_err(io::Error::other)?;
        let mut header = vec![0; lengths.header as usize];
        self.stream.read_exact(&mut header)?;
        protocol::decode(&header)
            .map(Some)
            .map_err(io::Error::other)
    }

    /// Reads some bytes, and a descriptor when one comes along.
    #[allow(unsafe_code)]
    fn receive_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut control = nix::cmsg_space!([RawFd; 1]);
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<()>(
            self.stream.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        for part in message.cmsgs()? {
            let ControlMessageOwned::ScmRights(descriptors) = part else {
                continue;
            };
            for descriptor in descriptors {
                // SAFETY: the kernel has just made this descriptor for this process, and nobody else knows its number.
                self.received = Some(unsafe { OwnedFd::from_raw_fd(descriptor) });
            }
        }
        Ok(message.bytes)
    }

    /// Maps the file whose descriptor came with the last request.
    ///
    /// # Errors
    /// When none came, when it can still change, or when it is not `bytes` long.
    #[allow(unsafe_code)]
    pub(super) fn take_file(&mut self, bytes: u64) -> io::Result<Mmap> {
        let descriptor = self
            .received
            .take()
            .ok_or_else(|| io::Error::other("no file came with the request"))?;
        let seals = SealFlag::from_bits_truncate(fcntl(&descriptor, FcntlArg::F_GET_SEALS)?);
        if !seals.contains(required_seals()) {
            return Err(io::Error::other("the file that came is not sealed"));
        }
        // SAFETY: the seals forbid anyone to write, grow or shrink the file, so the mapped bytes never change or vanish.
        let map = unsafe { Mmap::map(&descriptor)? };
        if map.len() as u64 != bytes {
            return Err(io::Error::other("the file that came has another length"));
        }
        Ok(map)
    }

    /// Sends an answer without a body.
    ///
    /// # Errors
    /// When the channel breaks.
    pub(super) fn answer(&mut self, answer: &impl Serialize) -> io::Result<()> {
        self.answer_with(answer, &[])
    }

    /// Sends an answer whose body is these parts.
    ///
    /// # Errors
    /// When the channel breaks.
    pub(super) fn answer_with(
        &mut self,
        answer: &impl Serialize,
        body: &[&[u8]],
    ) -> io::Result<()> {
        let body_bytes = body.iter().map(|part| part.len()).sum();
        let frame = protocol::encode(answer, body_bytes)?;
        self.stream.write_all(&frame)?;
        for part in body {
            self.stream.write_all(part)?;
        }
        Ok(())
    }
}
