//! How a command ends, as exit codes.

use std::process::ExitCode;

use pagemill_queue::QueueError;
use pagemill_storage::{HistoryError, RecordError, StorageError};

/// How a command ended. The numbers are documented in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All was done.
    Done = 0,
    /// The command ended, but something named in its summary was not done.
    Incomplete = 1,
    /// An argument or a setting is wrong, or something it names does not exist or is not allowed.
    Wrong = 2,
    /// A service did not answer. The same command may be given again.
    Unfinished = 3,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome as u8)
    }
}

/// Why a command stopped before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// A person has to change something first.
    #[error("{0}")]
    Setting(String),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Stop {
    pub(crate) fn outcome(&self) -> Outcome {
        let may_pass = match self {
            Self::Setting(_) => false,
            Self::Storage(error)
            | Self::Record(RecordError::Storage(error))
            | Self::History(
                HistoryError::Storage(error) | HistoryError::Record(RecordError::Storage(error)),
            ) => {
                matches!(
                    error,
                    StorageError::Unavailable { .. } | StorageError::Precondition { .. }
                )
            }
            Self::Record(_) | Self::History(_) => false,
            Self::Queue(error) => error.is_transient(),
        };
        if may_pass {
            Outcome::Unfinished
        } else {
            Outcome::Wrong
        }
    }
}
