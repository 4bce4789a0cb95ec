//! The bytes of an object to be written.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

/// What is copied from a file at a time.
const COPY_BYTES: usize = 256 << 10;

/// The bytes of an object to be written that lie in a file, so that their number does not matter to memory. Nobody
/// may change the file meanwhile: best it has no name. Clones share it.
#[derive(Debug, Clone)]
pub struct FileBody {
    file: Arc<File>,
    bytes: u64,
}

impl FileBody {
    /// All of a file, from its beginning.
    ///
    /// # Errors
    /// When its length can't be read.
    pub fn new(file: File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            bytes,
        })
    }

    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A part of it, in memory. Blocks as reading a file does.
    ///
    /// # Errors
    /// When it can't be read, or ends before the part does.
    pub fn part(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut part = vec![0; length];
        self.file.read_exact_at(&mut part, offset)?;
        Ok(part.into())
    }
}

/// The bytes of an object to be written, wherever they are.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Memory(Bytes),
    File(FileBody),
}

impl Body {
    /// Their number.
    #[cfg(feature = "s3")]
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.bytes(),
        }
    }

    /// A part of them, which must lie within.
    #[cfg(feature = "s3")]
    pub(crate) fn part(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).map_err(io::Error::other)?;
                Ok(bytes.slice(start..start + length))
            }
            Self::File(file) => file.part(offset, length),
        }
    }

    /// Writes all of them, a piece at a time.
    pub(crate) fn write_to(&self, target: &mut impl Write) -> io::Result<()> {
        let file = match self {
            Self::Memory(bytes) => return target.write_all(bytes),
            Self::File(file) => file,
        };
        let mut piece = vec![0; COPY_BYTES];
        let mut offset = 0;
        while offset < file.bytes {
            let left = usize::try_from(file.bytes - offset).unwrap_or(usize::MAX);
            let length = left.min(COPY_BYTES);
            file.file.read_exact_at(&mut piece[..length], offset)?;
            target.write_all(&piece[..length])?;
            offset += length as u64;
        }
        Ok(())
    }
}
