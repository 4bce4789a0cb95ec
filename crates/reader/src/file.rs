//! The bytes of a PDF in memory, where a child can read them and nobody can change them.
//!
//! A [`SpoolFile`] takes the bytes as they arrive, counts and hashes them. Sealing makes it a [`SealedFile`]: an
//! anonymous memory file (`memfd_create(2)`) whose seals forbid any later write, growth or shrinking, by anyone who
//! holds a descriptor. So a child may map it without fear that its bytes move under it, and no PDF ever touches a disk.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use sha2::{Digest, Sha256};

use crate::error::PdfError;
use crate::header::{self, HEADER_BYTES, TAIL_BYTES};

/// The seals that a PDF carries before a child sees it.
pub fn required_seals() -> SealFlag {
    SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL
}

/// A PDF that is still arriving.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    hash: Sha256,
    header: Vec<u8>,
    /// The last bytes so far, and up to as many before them.
    tail: Vec<u8>,
    written: u64,
    max_bytes: u64,
}

impl SpoolFile {
    /// An empty file that takes at most `max_bytes` bytes.
    ///
    /// # Errors
    /// [`PdfError::Engine`] when the system gives no memory file.
    pub fn new(max_bytes: u64) -> Result<Self, PdfError> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let descriptor = memfd_create("pagemill-pdf", flags).map_err(|errno| PdfError::Engine {
            reason: format!(
                "no memory file could be made ({errno}): raise the limit of open files or of memory"
            ),
        })?;
        Ok(Self {
            file: File::from(descriptor),
            hash: Sha256::new(),
            header: Vec::with_capacity(HEADER_BYTES),
            tail: Vec::with_capacity(2 * TAIL_BYTES),
            written: 0,
            max_bytes,
        })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`PdfError::OverLimit`] when the file would grow past its limit; [`PdfError::Engine`] when memory runs out.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), PdfError> {
        let length = self.written.saturating_add(chunk.len() as u64);
        if length > self.max_bytes {
            return Err(PdfError::OverLimit {
                limit: "max_file_bytes".to_owned(),
                actual: length,
                allowed: self.max_bytes,
            });
        }
        self.file
            .write_all(chunk)
            .map_err(|error| PdfError::Engine {
                reason: format!(
                    "a memory file could not grow to {length} bytes ({error}): give the process more memory"
                ),
            })?;
        self.hash.update(chunk);
        let missing = HEADER_BYTES - self.header.len();
        self.header
            .extend_from_slice(&chunk[..chunk.len().min(missing)]);
        self.keep_tail(chunk);
        self.written = length;
        Ok(())
    }

    fn keep_tail(&mut self, chunk: &[u8]) {
        let last = &chunk[chunk.len().saturating_sub(TAIL_BYTES)..];
        if self.tail.len() + last.len() > 2 * TAIL_BYTES {
            let too_old = self.tail.len().saturating_sub(TAIL_BYTES);
            self.tail.drain(..too_old);
        }
        self.tail.extend_from_slice(last);
    }

    /// How many bytes have arrived.
    pub fn bytes(&self) -> u64 {
        self.written
    }

    /// Closes the file for good.
    ///
    /// # Errors
    /// [`PdfError::Empty`] without bytes, [`PdfError::NotAPdf`] without a PDF header near the beginning or anything else
    /// of a PDF,
    /// [`PdfError::Engine`] when the system can't seal it.
    pub fn seal(self) -> Result<SealedFile, PdfError> {
        if self.written == 0 {
            return Err(PdfError::Empty);
        }
        header::check_header(&self.header, &self.tail)?;
        fcntl(&self.file, FcntlArg::F_ADD_SEALS(required_seals())).map_err(|errno| PdfError::Engine {
            reason: format!("a memory file could not be sealed ({errno}): a Linux kernel of 3.17 or later is needed"),
        })?;
        Ok(SealedFile {
            inner: Arc::new(SealedInner {
                file: self.file,
                bytes: self.written,
                sha256: hex::encode(self.hash.finalize()),
                first: self.header,
            }),
        })
    }
}

/// Bytes that are copied at a time.
const COPY_BUFFER_BYTES: usize = 64 << 10;

/// A whole PDF in memory that nobody can change any more. Clones share the memory; the last one frees it.
#[derive(Clone)]
pub struct SealedFile {
    inner: Arc<SealedInner>,
}

struct SealedInner {
    file: File,
    bytes: u64,
    sha256: String,
    first: Vec<u8>,
}

impl SealedFile {
    /// A whole PDF that is already at hand: spooled and sealed in one step.
    ///
    /// # Errors
    /// Those of [`SpoolFile::write`] and [`SpoolFile::seal`].
    pub fn from_bytes(bytes: &[u8], max_bytes: u64) -> Result<Self, PdfError> {
        let mut spool = SpoolFile::new(max_bytes)?;
        spool.write(bytes)?;
        spool.seal()
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.inner.bytes
    }

    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.inner.sha256
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut buffer = vec![0; COPY_BUFFER_BYTES];
        let mut at = 0;
        while at < self.inner.bytes {
            // By its place: the position of the descriptor is shared with children.
            let count = self.inner.file.read_at(&mut buffer, at)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            out.write_all(&buffer[..count])?;
            at += count as u64;
        }
        Ok(())
    }

    /// Its first bytes, as many as tell what the file is.
    pub fn first_bytes(&self) -> &[u8] {
        &self.inner.first
    }

    /// The descriptor of its memory, of which a child process gets a copy.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.inner.file.as_fd()
    }
}

impl fmt::Debug for SealedFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SealedFile")
            .field("bytes", &self.inner.bytes)
            .field("sha256", &self.inner.sha256)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &[u8] = b"%PDF-1.7\n%%EOF\n";

    #[test]
    fn hashes_and_counts_what_arrived_in_pieces() {
        let mut spool = SpoolFile::new(1024).expect("a memory file");
        for piece in SMALL.chunks(4) {
            spool.write(piece).expect("within the limit");
        }
        let sealed = spool.seal().expect("a PDF header");
        assert_eq!(sealed.bytes(), SMALL.len() as u64);
        assert_eq!(sealed.sha256(), hex::encode(Sha256::digest(SMALL)));
        let mut copy = Vec::new();
        sealed.write_to(&mut copy).expect("memory");
        assert_eq!(copy, SMALL);
    }

    #[test]
    fn refuses_more_than_its_limit() {
        let mut spool = SpoolFile::new(10).expect("a memory file");
        spool.write(&SMALL[..8]).expect("within the limit");
        let refusal = spool.write(&SMALL[8..]).expect_err("over the limit");
        assert_eq!(
            refusal,
            PdfError::OverLimit {
                limit: "max_file_bytes".to_owned(),
                actual: SMALL.len() as u64,
                allowed: 10,
            }
        );
    }

    #[test]
    fn refuses_an_empty_file() {
        let spool = SpoolFile::new(10).expect("a memory file");
        assert_eq!(spool.seal().map(|_| ()), Err(PdfError::Empty));
    }

    #[test]
    fn refuses_what_is_not_a_pdf() {
        let refusal = SealedFile::from_bytes(b"<!doctype html><html></html>", 1024).map(|_| ());
        assert!(
            matches!(refusal, Err(PdfError::NotAPdf { .. })),
            "{refusal:?}"
        );
    }

    #[test]
    fn w14_a_file_without_a_header_is_told_by_its_end_however_it_arrives() {
        let file = [
            b"junk ".repeat(4_000).as_slice(),
            b"\nstartxref\n1234\n%%EOF\n",
        ]
        .concat();
        for piece in [1, 7, 1_000, 5_000, file.len()] {
            let mut spool = SpoolFile::new(1 << 20).expect("a memory file");
            for chunk in file.chunks(piece) {
                spool.write(chunk).expect("within the limit");
            }
            assert!(spool.seal().is_ok(), "in pieces of {piece} bytes");
        }
        let cut = &file[..file.len() - 20];
        assert!(SealedFile::from_bytes(cut, 1 << 20).is_err());
    }

    #[test]
    fn a_sealed_file_cannot_be_written() {
        let sealed = SealedFile::from_bytes(SMALL, 1024).expect("a PDF header");
        let mut copy = sealed.inner.file.try_clone().expect("a second descriptor");
        assert!(copy.write_all(b"more").is_err());
        assert!(copy.set_len(1).is_err());
    }
}
