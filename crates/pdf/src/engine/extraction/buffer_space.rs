//! Space for finished pages that wait for the reader, in bytes.
//!
//! A page enters when there is space. The page that the reader gets next enters always, for the others wait for it; so
//! no more than that and one page is held. A child whose page waits does nothing meanwhile.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The space of one extraction.
#[derive(Debug)]
pub(super) struct BufferSpace {
    max_bytes: u64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    held_bytes: u64,
    /// The page that the reader gets next.
    next: u32,
    /// Pages that wait for a child.
    without_child: BTreeSet<u32>,
}

impl BufferSpace {
    /// Space for so many bytes, before the page that the reader gets first.
    pub(super) fn new(max_bytes: u64, first: u32) -> Self {
        Self {
            max_bytes,
            state: Mutex::new(State {
                held_bytes: 0,
                next: first,
                without_child: BTreeSet::new(),
            }),
            changed: Notify::new(),
        }
    }

    /// Waits until a page may be held.
    pub(super) async fn enter(&self, page: u32, bytes: u64) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if self.try_enter(page, bytes) {
                return;
            }
            changed.await;
        }
    }

    fn try_enter(&self, page: u32, bytes: u64) -> bool {
        let mut state = self.lock();
        let fits = state.held_bytes.saturating_add(bytes) <= self.max_bytes;
        // When the next page has no child, this page's child may be the one that it waits for.
        let is_needed = page == state.next || state.without_child.contains(&state.next);
        if fits || is_needed {
            state.held_bytes = state.held_bytes.saturating_add(bytes);
        }
        fits || is_needed
    }

    /// The reader has taken a page.
    pub(super) fn leave(&self, page: u32, bytes: u64) {
        let mut state = self.lock();
        state.held_bytes = state.held_bytes.saturating_sub(bytes);
        state.next = page + 1;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Notes that a page waits for a child, until what is returned is dropped.
    pub(super) fn without_child(&self, page: u32) -> WithoutChild<'_> {
        self.lock().without_child.insert(page);
        self.changed.notify_waiters();
        WithoutChild { space: self, page }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page waits for a child.
#[derive(Debug)]
pub(super) struct WithoutChild<'a> {
    space: &'a BufferSpace,
    page: u32,
}

impl Drop for WithoutChild<'_> {
    fn drop(&mut self) {
        self.space.lock().without_child.remove(&self.page);
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn a_page_waits_for_room_and_the_next_one_never_does() {
        let space = BufferSpace::new(100, 1);
        space.enter(2, 80).await;
        let mut third = std::pin::pin!(space.enter(3, 30));
        assert!(poll!(&mut third).is_pending());
        // Larger than the space, and the reader waits for it.
        space.enter(1, 500).await;
        space.leave(1, 500);
        assert!(poll!(&mut third).is_pending());
        space.leave(2, 80);
        assert!(poll!(&mut third).is_ready());
    }

    #[tokio::test]
    async fn pages_give_way_to_the_next_one_when_it_has_no_child() {
        let space = BufferSpace::new(100, 1);
        space.enter(5, 80).await;
        let mut sixth = std::pin::pin!(space.enter(6, 80));
        assert!(poll!(&mut sixth).is_pending());
        let _waiting = space.without_child(1);
        assert!(poll!(&mut sixth).is_ready());
    }
}
