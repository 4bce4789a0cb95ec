//! How a command ends, as exit codes.

use std::process::ExitCode;

use pagemill_app::Error;

/// How a command ended. The numbers are documented in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All was done.
    Done = 0,
    /// The command ended, but something named in its summary was not done.
    Incomplete = 1,
    /// An argument or a setting is wrong, or something it names does not exist or is not allowed.
    Wrong = 2,
    /// A service did not answer. The same command may be given again.
    Unfinished = 3,
}

impl From<Exit> for ExitCode {
    fn from(outcome: Exit) -> Self {
        Self::from(outcome as u8)
    }
}

impl Exit {
    /// Of a command that an error ended.
    pub(crate) fn of(error: &Error) -> Self {
        match error.may_pass() {
            true => Self::Unfinished,
            false => Self::Wrong,
        }
    }
}
