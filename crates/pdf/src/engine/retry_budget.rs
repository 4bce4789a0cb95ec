//! How often work is tried again whose child died.

use crate::pool::DeathKind;

/// Tries after deaths that the work itself may be to blame for: one, alone in a fresh child.
const AFTER_OWN: u32 = 1;

/// Tries after children were killed from outside, which says nothing about the work. The system's own killer, out of
/// memory, is outside too: not for ever.
const AFTER_OTHERS: u32 = 6;

/// Counts the deaths over one piece of work: an opening, a reading, a page.
#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    own: u32,
    by_others: u32,
}

impl RetryBudget {
    /// Whether the work is tried once more after this death.
    pub(super) fn allows_another_after(&mut self, kind: DeathKind) -> bool {
        if kind == DeathKind::Killed {
            self.by_others += 1;
        } else {
            self.own += 1;
        }
        self.own <= AFTER_OWN && self.by_others <= AFTER_OTHERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_own_death_is_forgiven_and_some_by_others() {
        let mut budget = RetryBudget::default();
        assert!(budget.allows_another_after(DeathKind::Crashed));
        for _ in 0..AFTER_OTHERS {
            assert!(budget.allows_another_after(DeathKind::Killed));
        }
        assert!(
            !budget.allows_another_after(DeathKind::TimedOut),
            "its second own one"
        );
        let mut budget = RetryBudget::default();
        for _ in 0..AFTER_OTHERS {
            assert!(budget.allows_another_after(DeathKind::Killed));
        }
        assert!(
            !budget.allows_another_after(DeathKind::Killed),
            "not for ever"
        );
    }
}
