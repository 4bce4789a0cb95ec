//! What the intake asks of whoever can end the process: not now, there is work.

use std::fmt::{self, Debug};

use async_trait::async_trait;

/// Keeps the process from being ended for want of use while it is at work, such as ECS's protection from scale-in.
/// [`crate::Intake::protected_by`] tells it of the work.
#[async_trait]
pub trait Protection: Send + Sync + Debug {
    /// Takes the protection for work that is about to start, where it is not held already. Keep what it gives until
    /// each piece of the work is [`Protection::busy`].
    ///
    /// # Errors
    /// [`Refused`]: give the work back, and receive nothing more.
    async fn take(&self) -> Result<Busy, Refused>;

    /// Says that a piece of work starts.
    fn busy(&self) -> Busy;

    /// Renews the protection while there is work, and drops it when there was none for a while. Returns when it is
    /// refused, now or before, and else never; the intake runs it beside the work.
    async fn keep(&self);
}

/// A piece of work under protection; it ends when this is dropped.
#[must_use = "the work counts as ended when this is dropped"]
pub struct Busy {
    _ends_with_this: Box<dyn Send + Sync>,
}

impl Busy {
    /// The work lasts as long as this guard of the protection's own.
    pub fn until_dropped(guard: impl Send + Sync + 'static) -> Self {
        Self {
            _ends_with_this: Box::new(guard),
        }
    }
}

impl Debug for Busy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Busy")
    }
}

/// The process is to end: it gets no protection any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the protection is refused: the process is to be stopped")]
pub struct Refused;
