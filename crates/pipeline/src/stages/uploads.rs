//! Work on the items of a stream, several at a time, bounded by number and by weight.

use std::task::Poll;

use futures::stream::{self, FuturesOrdered};
use futures::{FutureExt, Stream, StreamExt};

/// Does the work of each item; the results come in the order of the items.
///
/// An item is taken from the stream only when fewer than `at_once` are at work, and together they weigh less than
/// `max_weight`. So no more than that and one item's weight is at work, and any item gets its turn.
pub(super) fn in_order<T, F>(
    items: impl Stream<Item = (u64, F)> + Unpin,
    at_once: usize,
    max_weight: u64,
) -> impl Stream<Item = T>
where
    F: Future<Output = T>,
{
    let mut items = items.fuse();
    let mut at_work = FuturesOrdered::new();
    let mut weight = 0;
    stream::poll_fn(move |context| {
        while at_work.is_empty() || (at_work.len() < at_once && weight < max_weight) {
            match items.poll_next_unpin(context) {
                Poll::Ready(Some((its_weight, work))) => {
                    weight += its_weight;
                    at_work.push_back(work.map(move |result| (its_weight, result)));
                }
                Poll::Ready(None) if at_work.is_empty() => return Poll::Ready(None),
                Poll::Pending if at_work.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        at_work.poll_next_unpin(context).map(|done| {
            done.map(|(its_weight, result)| {
                weight -= its_weight;
                result
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::channel::oneshot;
    use futures::executor::block_on;
    use futures::poll;

    use super::*;

    #[test]
    fn items_wait_while_those_at_work_weigh_too_much() {
        block_on(async {
            let taken = Cell::new(0);
            let (mut ends, works): (Vec<_>, Vec<_>) = (0..4)
                .map(|_| oneshot::channel::<u32>())
                .map(|(end, work)| (Some(end), work))
                .unzip();
            let items = stream::iter(works)
                .inspect(|_| taken.set(taken.get() + 1))
                .map(|work| (60, work));
            let mut results = in_order(items, 8, 100);
            assert!(poll!(results.next()).is_pending());
            assert_eq!(taken.get(), 2);

            // The second is done first, and its weight is there until the first is.
            for index in [1, 0] {
                let end = ends[index].take().expect("each ends once");
                end.send(index as u32).expect("it is waited for");
            }
            assert_eq!(results.next().await, Some(Ok(0)));
            assert_eq!(taken.get(), 2);
            assert_eq!(results.next().await, Some(Ok(1)));
            assert_eq!(taken.get(), 3);
        });
    }

    #[test]
    fn an_item_over_the_limit_gets_its_turn_alone() {
        let items = stream::iter(1..=3).map(|number| (1_000, std::future::ready(number)));
        let results: Vec<u32> = block_on(in_order(items, 8, 10).collect());
        assert_eq!(results, [1, 2, 3]);
    }
}
