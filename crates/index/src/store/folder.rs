//! The folder of an embedded store: whose files are in it, and that one process has it at a time.

use std::fmt::Display;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{OnceLock, Weak};

use super::VectorStore;
use super::beside::{self, Answering};
use crate::error::IndexError;

/// In the subdirectory of each collection of the engine.
pub(super) const OF_ENGINE: &str = "edge_config.json";

/// The ending of the file of each collection of the flat store.
pub(super) const OF_FLAT: &str = "points";

/// Who has written the collections in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// Qdrant's engine.
    Engine,
    /// [`FlatStore`](super::flat::FlatStore).
    Flat,
}

/// Who has written the collections in a folder; nobody while there is none.
pub(super) fn writer(dir: &Path) -> Result<Option<Writer>, IndexError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", dir, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| failed("read", dir, error))?.path();
        if path.extension().is_some_and(|ending| ending == OF_FLAT) {
            return Ok(Some(Writer::Flat));
        }
        if path.join(OF_ENGINE).exists() {
            return Ok(Some(Writer::Engine));
        }
    }
    Ok(None)
}

/// A folder that this process has for itself, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    /// What others are answered with. Before the lock: nobody else may have the folder while questions are answered.
    answering: OnceLock<Answering>,
    _lock: File,
}

impl Held {
    /// Answers what other processes ask of the store in this folder.
    pub(super) fn answer_for(&self, dir: &Path, store: Weak<dyn VectorStore>) {
        if let Some(answering) = beside::answer(dir, store) {
            // Whoever opens a store does it once.
            drop(self.answering.set(answering));
        }
    }
}

/// Makes the folder when missing, and locks it until what is returned is dropped.
pub(super) fn lock(dir: &Path) -> Result<Held, IndexError> {
    fs::create_dir_all(dir).map_err(|error| failed("make", dir, error))?;
    let path = dir.join("lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| failed("open", &path, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(Held {
            answering: OnceLock::new(),
            _lock: lock,
        }),
        Err(TryLockError::WouldBlock) => Err(IndexError::Locked {
            dir: dir.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(failed("lock", &path, error)),
    }
}

pub(super) fn failed(action: &str, path: &Path, error: impl Display) -> IndexError {
    IndexError::Engine {
        reason: format!("can't {action} {}: {error}", path.display()),
    }
}
