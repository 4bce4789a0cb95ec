//! Why an operation did not come to its end.

use pagemill_queue::QueueError;
use pagemill_storage::{HistoryError, RecordError, StorageError};

/// Why an operation did not come to its end. The text names what failed and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A person has to change something first.
    #[error("{0}")]
    Setting(String),
    /// The bucket.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A document's record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The history view.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Error {
    /// Whether the same may succeed the next time.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Storage(error)
            | Self::Record(RecordError::Storage(error))
            | Self::History(
                HistoryError::Storage(error) | HistoryError::Record(RecordError::Storage(error)),
            ) => matches!(
                error,
                StorageError::Unavailable { .. } | StorageError::Precondition { .. }
            ),
            Self::Queue(error) => error.is_transient(),
            Self::Setting(_) | Self::Record(_) | Self::History(_) => false,
        }
    }
}
