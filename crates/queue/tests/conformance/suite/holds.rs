//! For how long a message is hidden from others, and what ends that.

use std::time::Duration;

use pagemill_queue::capabilities::{HoldLength, Receipts, Receives};
use pagemill_queue::{End, Hold, OutMessage, QueueError};
use pretty_assertions::assert_eq;

use super::{Kind, SECOND, is_held, poll, send, take};

pub(super) async fn check(kind: &dyn Kind) {
    unsettled_message_comes_back_under_a_new_receipt(kind).await;
    renewal_holds_as_long_as_it_says(kind).await;
    receipt_counts_where_it_should(kind).await;
    end_of_a_connection_is_told_where_it_ends_holds(kind).await;
    message_is_held_no_longer_than_the_queue_allows(kind).await;
}

async fn unsettled_message_comes_back_under_a_new_receipt(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    let (first, second) = fresh.lost_to_another().await;
    assert_eq!((&second.id, &second.body), (&first.id, &first.body));
    assert_ne!(second.receipt, first.receipt);
    assert_eq!(first.receive_count, 1);
    match fresh.queue.capabilities().receives {
        Receives::Exact => assert_eq!(second.receive_count, 2),
        Receives::Approximate => assert!(second.receive_count >= 2),
    }
    let settled = fresh.other.settle(&second.receipt, &End::Done).await;
    assert_eq!(settled, Ok(()), "the newest receipt counts");
    assert!(poll(&*fresh.other, SECOND * 2, SECOND).await.is_none());
}

async fn renewal_holds_as_long_as_it_says(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    send(&*fresh.queue, OutMessage::new("body")).await;
    let message = take(&*fresh.queue, SECOND, SECOND * 60).await;
    let hold = fresh.queue.capabilities().hold;
    // Before a fixed hold is over, so that it would be without the renewal.
    if let HoldLength::Fixed(length) = hold {
        tokio::time::sleep(length * 2 / 3).await;
    }
    let wish = SECOND * 2;
    let granted = fresh.queue.renew(&message.receipt, wish).await;
    let expected = match hold {
        HoldLength::PerCall { .. } => wish,
        HoldLength::Fixed(length) => length,
        HoldLength::Connection { grant } => grant,
    };
    assert_eq!(granted, Ok(Hold(expected)));
    tokio::time::sleep(expected * 2 / 3).await;
    assert!(is_held(&*fresh.other).await, "its time is not over");
    match hold {
        HoldLength::PerCall { .. } | HoldLength::Fixed(_) => {
            // Counted from the renewal, also where that asked for less than was left.
            let again = take(&*fresh.other, expected + SECOND * 4, SECOND).await;
            assert_eq!(again.id, message.id);
        }
        HoldLength::Connection { .. } => {
            tokio::time::sleep(expected).await;
            assert!(is_held(&*fresh.other).await, "its connection lives");
        }
    }
}

/// The heartbeat renews through a client of its own, if it may.
async fn receipt_counts_where_it_should(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    send(&*fresh.queue, OutMessage::new("body")).await;
    let message = take(&*fresh.queue, SECOND, SECOND * 60).await;
    let elsewhere = fresh.other.renew(&message.receipt, SECOND * 60).await;
    match fresh.queue.capabilities().receipts {
        Receipts::Anywhere => {
            elsewhere.expect("a renewal");
            let settled = fresh.other.settle(&message.receipt, &End::Done).await;
            settled.expect("an end");
        }
        Receipts::Connection => {
            for refused in [
                elsewhere.map(drop),
                fresh.other.settle(&message.receipt, &End::Release).await,
                fresh.other.settle(&message.receipt, &End::Done).await,
            ] {
                assert!(
                    matches!(refused, Err(QueueError::StaleReceipt { .. })),
                    "{refused:?}"
                );
            }
            assert!(is_held(&*fresh.other).await);
            (fresh.hang_up)();
            let again = take(&*fresh.other, SECOND * 5, SECOND).await;
            assert_eq!(
                again.id, message.id,
                "the end of a connection ends its holds"
            );
        }
    }
}

async fn end_of_a_connection_is_told_where_it_ends_holds(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    send(&*fresh.queue, OutMessage::new("body")).await;
    let message = take(&*fresh.queue, SECOND, SECOND * 60).await;
    let is_told = |within| {
        let told = fresh.queue.taken_back(&message.receipt);
        async move { tokio::time::timeout(within, told).await.is_ok() }
    };
    assert!(!is_told(SECOND).await, "it is ours");
    (fresh.hang_up)();
    let lives_with_its_connection = fresh.queue.capabilities().receipts == Receipts::Connection;
    assert_eq!(is_told(SECOND * 2).await, lives_with_its_connection);
}

async fn message_is_held_no_longer_than_the_queue_allows(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    let capabilities = fresh.queue.capabilities();
    if !kind.can_let_hours_pass() {
        return;
    }
    send(&*fresh.queue, OutMessage::new("body")).await;
    let message = take(&*fresh.queue, SECOND, SECOND * 60).await;
    let step = capabilities.hold.granted(SECOND * 60) / 2;
    let mut held = Duration::ZERO;
    let day = SECOND * 24 * 3600;
    let lost = loop {
        if held >= day {
            break None;
        }
        tokio::time::sleep(step).await;
        held += step;
        if let Err(error) = fresh.queue.renew(&message.receipt, SECOND * 60).await {
            break Some(error);
        }
    };
    match capabilities.hold_total {
        None => assert_eq!(lost, None, "it was held for a day"),
        Some(total) => {
            assert!(lost.is_some(), "it was held for more than {total:?}");
            assert!(held <= total && held + SECOND * 120 >= total, "{held:?}");
            let again = take(&*fresh.other, SECOND * 120, SECOND).await;
            assert_eq!(again.id, message.id);
        }
    }
}
