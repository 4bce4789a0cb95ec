//! Who works next: the slots of the children, and who waits for one.
//!
//! A child that goes over to another document opens it and reads its fonts anew, so one that becomes free stays with its
//! document while that has work. It goes over when another document has no child at all: at once when its own has a
//! second child, after [`TURNS_IN_A_ROW`] when it has not. Otherwise those who came first are served first.

use std::collections::{HashMap, VecDeque};
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Turns that a document gets from its only child while another document has none.
const TURNS_IN_A_ROW: u32 = 4;

/// The slots of a pool.
#[derive(Debug)]
pub(super) struct Slots {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    total: usize,
    free: usize,
    /// How many slots each document has. One without any is not there.
    at_work: HashMap<u64, usize>,
    /// In order of arrival.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    wants: Wants,
    sender: oneshot::Sender<Slot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// A slot for this document.
    One(u64),
    All,
}

/// A slot, or all of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    held: Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    One(Turn),
    All,
}

/// Work for a document, and how many turns the slot has had for it in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    document: u64,
    in_a_row: u32,
}

impl Slots {
    /// So many free slots.
    pub(super) fn new(total: NonZero<usize>) -> Arc<Self> {
        let total = total.get();
        Arc::new(Self {
            state: Mutex::new(State {
                total,
                free: total,
                at_work: HashMap::new(),
                waiting: VecDeque::new(),
            }),
        })
    }

    /// Waits for a slot to work for a document.
    pub(super) async fn one(self: &Arc<Self>, document: u64) -> Slot {
        self.wait(Wants::One(document)).await
    }

    /// Waits for all slots. Whoever comes later waits until they are free again.
    pub(super) async fn all(self: &Arc<Self>) -> Slot {
        self.wait(Wants::All).await
    }

    async fn wait(self: &Arc<Self>, wants: Wants) -> Slot {
        loop {
            let (sender, receiver) = oneshot::channel();
            self.lock().waiting.push_back(Waiting { wants, sender });
            self.serve(None);
            // Nobody drops a sender unserved; should one be lost all the same, its owner waits anew.
            if let Ok(slot) = receiver.await {
                return slot;
            }
        }
    }

    /// Gives free slots to those who wait. `left` is what the slot that has become free was at work for.
    fn serve(self: &Arc<Self>, mut left: Option<Turn>) {
        loop {
            let mut state = self.lock();
            let Some((sender, held)) = state.next(left.take()) else {
                return;
            };
            drop(state);
            let slot = Slot {
                slots: Arc::clone(self),
                held,
            };
            // Who has gone away meanwhile drops the slot, and it is served to the next.
            drop(sender.send(slot));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the next who is served out of the queue.
    fn next(&mut self, left: Option<Turn>) -> Option<(oneshot::Sender<Slot>, Held)> {
        self.waiting.retain(|waiting| !waiting.sender.is_closed());
        if self.waiting.front()?.wants == Wants::All {
            if self.free < self.total {
                return None;
            }
            self.free = 0;
            let waiting = self.waiting.pop_front()?;
            return Some((waiting.sender, Held::All));
        }
        if self.free == 0 {
            return None;
        }
        let waiting = self.waiting.remove(self.choose(left))?;
        let Wants::One(document) = waiting.wants else {
            return None;
        };
        self.free -= 1;
        *self.at_work.entry(document).or_default() += 1;
        let in_a_row = left
            .filter(|left| left.document == document)
            .map_or(1, |left| left.in_a_row.saturating_add(1));
        let turn = Turn { document, in_a_row };
        Some((waiting.sender, Held::One(turn)))
    }

    /// Who of those that wait before the first who wants all slots is served.
    fn choose(&self, left: Option<Turn>) -> usize {
        let documents = || {
            self.waiting
                .iter()
                .map_while(|waiting| match waiting.wants {
                    Wants::One(document) => Some(document),
                    Wants::All => None,
                })
        };
        let Some(left) = left else {
            return 0;
        };
        let same = documents().position(|document| document == left.document);
        let without_child = documents().position(|document| {
            document != left.document && !self.at_work.contains_key(&document)
        });
        let would_be_without = !self.at_work.contains_key(&left.document);
        match (same, without_child) {
            (Some(same), None) => same,
            (Some(same), Some(_)) if would_be_without && left.in_a_row < TURNS_IN_A_ROW => same,
            (_, Some(other)) => other,
            (None, None) => 0,
        }
    }

    /// Takes back what was held.
    fn give_back(&mut self, held: Held) {
        match held {
            Held::All => self.free = self.total,
            Held::One(turn) => {
                self.free += 1;
                if let Some(count) = self.at_work.get_mut(&turn.document) {
                    *count -= 1;
                    if *count == 0 {
                        self.at_work.remove(&turn.document);
                    }
                }
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().give_back(self.held);
        let left = match self.held {
            Held::One(turn) => Some(turn),
            Held::All => None,
        };
        self.slots.serve(left);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures::poll;

    use super::*;

    type Waiter = Pin<Box<dyn Future<Output = Slot>>>;

    fn slots(total: usize) -> Arc<Slots> {
        Slots::new(NonZero::new(total).expect("not zero"))
    }

    /// Begins to wait.
    async fn waiter(slots: &Arc<Slots>, wants: Wants) -> Waiter {
        let slots = Arc::clone(slots);
        let mut waiter: Waiter = Box::pin(async move { slots.wait(wants).await });
        assert!(poll!(&mut waiter).is_pending());
        waiter
    }

    async fn is_served(waiter: &mut Waiter) -> Option<Slot> {
        match poll!(waiter) {
            std::task::Poll::Ready(slot) => Some(slot),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn a_child_stays_with_its_document_while_others_have_one() {
        let slots = slots(2);
        let first = slots.one(1).await;
        let _second = slots.one(2).await;
        let mut other = waiter(&slots, Wants::One(2)).await;
        let mut same = waiter(&slots, Wants::One(1)).await;
        drop(first);
        let same = is_served(&mut same).await.expect("it has the child");
        assert!(is_served(&mut other).await.is_none());
        drop(same);
        assert!(is_served(&mut other).await.is_some(), "nobody else waits");
    }

    #[tokio::test]
    async fn a_document_without_a_child_waits_for_some_turns_of_another() {
        let slots = slots(1);
        let mut slot = slots.one(1).await;
        let mut other = waiter(&slots, Wants::One(2)).await;
        for _ in 1..TURNS_IN_A_ROW {
            let mut same = waiter(&slots, Wants::One(1)).await;
            drop(slot);
            slot = is_served(&mut same).await.expect("it stays");
            assert!(is_served(&mut other).await.is_none());
        }
        let mut same = waiter(&slots, Wants::One(1)).await;
        drop(slot);
        assert!(is_served(&mut same).await.is_none());
        assert!(is_served(&mut other).await.is_some());
    }

    #[tokio::test]
    async fn a_document_with_two_children_gives_one_away_at_once() {
        let slots = slots(2);
        let first = slots.one(1).await;
        let _second = slots.one(1).await;
        let mut same = waiter(&slots, Wants::One(1)).await;
        let mut other = waiter(&slots, Wants::One(2)).await;
        drop(first);
        assert!(is_served(&mut same).await.is_none());
        assert!(is_served(&mut other).await.is_some());
    }

    #[tokio::test]
    async fn who_wants_all_is_served_when_all_are_free_and_nobody_overtakes() {
        let slots = slots(2);
        let first = slots.one(1).await;
        let second = slots.one(2).await;
        let mut all = waiter(&slots, Wants::All).await;
        let mut later = waiter(&slots, Wants::One(1)).await;
        drop(first);
        assert!(is_served(&mut later).await.is_none());
        assert!(is_served(&mut all).await.is_none());
        drop(second);
        let all = is_served(&mut all).await.expect("both are free");
        assert!(is_served(&mut later).await.is_none());
        drop(all);
        assert!(is_served(&mut later).await.is_some());
    }

    #[tokio::test]
    async fn who_goes_away_leaves_no_place_behind() {
        let slots = slots(1);
        let slot = slots.one(1).await;
        let gone = waiter(&slots, Wants::One(1)).await;
        let mut next = waiter(&slots, Wants::One(2)).await;
        drop(gone);
        drop(slot);
        let slot = is_served(&mut next).await.expect("the other is gone");
        // Served, and gone before it noticed.
        let unseen = waiter(&slots, Wants::One(1)).await;
        let mut last = waiter(&slots, Wants::All).await;
        drop(slot);
        assert!(is_served(&mut last).await.is_none());
        drop(unseen);
        assert!(is_served(&mut last).await.is_some());
    }
}
