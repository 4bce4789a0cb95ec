//! Bugs that are planted on purpose, to see that the oracle finds them. They live in the doubles: the product has no
//! switch for them.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sabotage {
    /// None: the product as it is.
    #[default]
    None,
    /// A message is deleted as soon as it is received.
    DeleteBeforeCommit,
    /// Renewals are believed to be made, and are not.
    NoHeartbeat,
    /// The store takes every write, whoever wrote in between.
    UnfencedCommit,
}
