//! The child's end of the socket pair.

use std::io::{self, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use memmap2::{Mmap, MmapOptions};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::{Whence, lseek};
use serde::Serialize;

use crate::protocol::{self, FrameCaps, FrameLengths, PREFIX_BYTES, Request};
use pagemill_reader::required_seals;

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
        // The end's position is the length: fstat(3) would go by way of a call that can name files. Nobody reads the file
        // by its position, which parent and children share.
        let length = lseek(&descriptor, 0, Whence::SeekEnd)?;
        if u64::try_from(length) != Ok(bytes) {
            return Err(io::Error::other("the file that came has another length"));
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        // SAFETY: the seals forbid anyone to write, grow or shrink the file, so the mapped bytes never change or vanish.
        unsafe { MmapOptions::new().len(length).map(&descriptor) }
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

#[cfg(test)]
mod tests {
    use bolero::{TypeGenerator, check};

    use super::*;
    use crate::fuzz::{Edit, damaged};

    /// Requests as the parent writes them.
    const REAL: &[&str] = &[
        r#"{"Setup":{"libpdfium":"/x","limits":{"max_pages":3}}}"#,
        r#"{"Open":{"bytes":3,"passwords":["a"]}}"#,
        r#"{"Repair":{"purpose":"Layers","bytes":3,"passwords":["a"]}}"#,
        r#"{"Searchable":{"pages":[{"page":1,"words":[["Mill",[1.0,2.0,3.5,4.0]]]}],"bytes":3,"passwords":["a"]}}"#,
        r#""Inspect""#,
        r#"{"Pages":{"tasks":[{"page":1,"links":"Unwanted","look":{"scan":null,"user_unit":1.0}},{"page":2,"links":{"Found":{"links":[],"dropped":0}},"look":{"scan":{"width":9,"height":9,"grey":true},"user_unit":72.0,"shapes":[{"points":[[0,0],[9,9]],"closed":false,"stroke":[0,0,0,255],"fill":null,"width":1}]}}],"images":null,"text":true}}"#,
    ];

    #[derive(Debug, Clone, TypeGenerator)]
    struct Sent {
        requests: Vec<(u8, Vec<Edit>)>,
        edits: Vec<Edit>,
    }

    impl Sent {
        fn bytes(&self) -> Vec<u8> {
            let mut bytes = Vec::new();
            for (which, edits) in self.requests.iter().take(4) {
                let real = REAL[usize::from(*which) % REAL.len()].as_bytes();
                bytes.extend(frame(&damaged(real, edits)));
            }
            damaged(&bytes, &self.edits)
        }
    }

    fn frame(header: &[u8]) -> Vec<u8> {
        let mut frame = protocol::encode(&0_u8, 0).expect("a number is JSON");
        frame.truncate(PREFIX_BYTES);
        frame[4..8].copy_from_slice(&(header.len() as u32).to_le_bytes());
        frame.extend(header);
        frame
    }

    /// Reads requests until the channel ends or breaks.
    fn read(bytes: &[u8]) -> (Vec<Request>, io::Result<()>) {
        let (mut parent, child) = UnixStream::pair().expect("a pair");
        parent
            .write_all(bytes)
            .expect("it fits the socket's buffer");
        drop(parent);
        let mut channel = Channel {
            stream: child,
            received: None,
        };
        let mut requests = Vec::new();
        loop {
            match channel.receive() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => return (requests, Ok(())),
                Err(error) => return (requests, Err(error)),
            }
        }
    }

    #[test]
    fn ho_1_any_bytes_are_requests_or_end_the_child() {
        check!().with_type::<Sent>().for_each(|sent| {
            let (requests, end) = read(&sent.bytes());
            assert!(requests.len() <= 4 * 256, "each takes bytes");
            if requests.is_empty() && !sent.bytes().is_empty() {
                assert!(end.is_err(), "bytes that are no request are an error");
            }
        });
    }

    #[test]
    fn real_requests_are_read() {
        let bytes: Vec<u8> = REAL
            .iter()
            .flat_map(|request| frame(request.as_bytes()))
            .collect();
        let (requests, end) = read(&bytes);
        assert!(end.is_ok() && requests.len() == REAL.len(), "{requests:?}");
    }

    #[test]
    fn a_request_for_a_file_without_one_is_refused() {
        let (_parent, child) = UnixStream::pair().expect("a pair");
        let mut channel = Channel {
            stream: child,
            received: None,
        };
        assert!(channel.take_file(3).is_err());
    }
}
