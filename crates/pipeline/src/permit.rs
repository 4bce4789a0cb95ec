//! The permit of a run: may it still write, and how far is it.

use futures::FutureExt;
use futures::future::BoxFuture;
use pagemill_document::Dependency;
use pagemill_storage::{Charge, Stage};

use crate::budget::Budget;

/// The document is no longer this worker's; somebody else may be at work on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease on this document is lost, so nothing more may be written")]
pub struct PermitLost;

/// A sign of life, at each step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bytes of the source arrived.
    Fetched {
        /// How many so far.
        bytes: u64,
    },
    /// The document is open.
    Opened {
        /// How many pages it has.
        pages: u32,
    },
    /// A page is done.
    Page {
        /// Its number, from 1.
        page: u32,
    },
    /// A stage begins.
    Stage(Stage),
    /// The run found that an earlier worker had died in this document.
    Death,
    /// Something inside a stage was finished: a batch of points, an answer of the LLM.
    Step,
}

/// Whether a run may go on. Asked before every side effect, told of every step.
///
/// The worker's permit is its lease on the queue message; a folder run needs none ([`Unlimited`]).
pub trait Permit: Send + Sync {
    /// Says whether writing is allowed at this moment.
    ///
    /// # Errors
    /// [`PermitLost`] when this worker must not write any more; the run stops at once.
    fn check(&self) -> Result<(), PermitLost>;

    /// Takes note of a step.
    fn progress(&self, progress: Progress);

    /// Whether the run should end at the next boundary, because the worker is shutting down. What is done stays done.
    fn should_stop(&self) -> bool {
        false
    }

    /// Resolves when the run must end at once, wherever it is: what is under way is dropped, and the run writes that
    /// it ended, so that its start marker does not pass for a death. Leave it the time of one small write.
    fn stopped(&self) -> BoxFuture<'_, ()> {
        std::future::pending().boxed()
    }

    /// Takes note that the run made use of a dependency, and it did its part. What the run fails at in the end is in
    /// its error ([`crate::PipelineError::dependency`]), and counts more than what it did before.
    fn used(&self, _dependency: Dependency) {}

    /// Takes note of a paid call, when its answer is there. The run may still fail, or its write of the charge.
    fn charged(&self, _charge: &Charge) {}

    /// A budget did not allow a call.
    fn budget_reached(&self, _budget: Budget) {}

    /// Takes note that the run ends in a failure: so many runs in a row have failed by the record, this one included.
    fn failed(&self, _attempts: u32) {}
}

/// The permit of a run that nobody else can take over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl Permit for Unlimited {
    fn check(&self) -> Result<(), PermitLost> {
        Ok(())
    }

    fn progress(&self, _progress: Progress) {}
}
