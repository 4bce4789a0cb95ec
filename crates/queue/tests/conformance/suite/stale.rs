//! What a call does by a receipt that is no longer the newest: of all differences between buses the one that matters most.
//! A worker that was frozen makes such calls when it wakes up, in spite of all care.

use pagemill_queue::capabilities::{HoldLength, Stale};
use pagemill_queue::{End, Message, QueueError};

use super::{Fresh, Kind, SECOND, is_held, poll, take};

pub(super) async fn check(kind: &dyn Kind) {
    a_stale_renewal(kind).await;
    a_stale_end(kind).await;
    a_stale_release(kind, &End::Release).await;
    a_stale_release(kind, &End::Retry { after: SECOND }).await;
}

fn is_as_told(answer: Result<(), QueueError>, stale: Stale) {
    let is_refused = matches!(answer, Err(QueueError::StaleReceipt { .. }));
    match stale {
        Stale::Refused => assert!(is_refused, "{answer:?}"),
        Stale::Ignored | Stale::Applied => assert_eq!(answer, Ok(())),
    }
}

/// The second worker has the message, and nobody else can get it.
async fn is_still_the_others(fresh: &Fresh, second: &Message) {
    assert!(is_held(&*fresh.other).await);
    let released = fresh.other.settle(&second.receipt, &End::Release).await;
    released.expect("the second receipt counts");
    let third = take(&*fresh.other, SECOND * 5, SECOND * 60).await;
    let deleted = fresh.other.settle(&third.receipt, &End::Done).await;
    deleted.expect("the message was there to delete");
}

async fn a_stale_renewal(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    let (first, second) = fresh.lost_to_another().await;
    let capabilities = fresh.queue.capabilities();
    let hold = capabilities.hold.granted(SECOND * 60);
    let is_applied = capabilities.stale == Stale::Applied;
    if is_applied {
        tokio::time::sleep(hold * 2 / 3).await;
    }
    let answer = fresh.queue.renew(&first.receipt, SECOND).await;
    is_as_told(answer.map(drop), capabilities.stale);
    match capabilities.hold {
        HoldLength::Fixed(_) if is_applied => {
            // Longer than the second worker's own hold lasts.
            tokio::time::sleep(hold * 2 / 3).await;
            assert!(is_held(&*fresh.other).await, "it holds on for the other");
            let again = take(&*fresh.other, hold + SECOND * 5, SECOND).await;
            assert_eq!(again.id, second.id);
        }
        _ => {
            tokio::time::sleep(SECOND * 3).await;
            is_still_the_others(&fresh, &second).await;
        }
    }
}

async fn a_stale_end(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    let (first, second) = fresh.lost_to_another().await;
    let stale = fresh.queue.capabilities().stale;
    let answer = fresh.queue.settle(&first.receipt, &End::Done).await;
    if stale == Stale::Applied {
        is_as_told(answer, stale);
        let released = fresh.other.settle(&second.receipt, &End::Release).await;
        is_as_told(released, stale);
        let left = poll(&*fresh.other, SECOND * 2, SECOND).await;
        assert_eq!(left, None, "what the second worker holds is deleted");
        return;
    }
    let told = match fresh.queue.capabilities().hold {
        HoldLength::Connection { .. } => Stale::Refused,
        _ if stale == Stale::Refused => kind.stale_done(),
        _ => stale,
    };
    is_as_told(answer, told);
    is_still_the_others(&fresh, &second).await;
}

async fn a_stale_release(kind: &dyn Kind, end: &End) {
    let fresh = kind.fresh(5).await;
    let (first, second) = fresh.lost_to_another().await;
    let stale = fresh.queue.capabilities().stale;
    let answer = fresh.queue.settle(&first.receipt, end).await;
    is_as_told(answer, stale);
    if stale == Stale::Applied {
        let third = take(&*fresh.other, SECOND * 5, SECOND * 60).await;
        assert_eq!(third.id, second.id, "it is taken from the second worker");
    } else {
        tokio::time::sleep(SECOND * 3).await;
        is_still_the_others(&fresh, &second).await;
    }
}
