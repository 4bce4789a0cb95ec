//! How a message ends.

use pagemill_queue::capabilities::{DeadLettering, Proof, RetryDelays};
use pagemill_queue::{End, OutMessage, QueueError};
use pretty_assertions::assert_eq;

use super::{Kind, SECOND, is_held, poll, send, take};

pub(super) async fn check(kind: &dyn Kind) {
    done_message_is_gone(kind).await;
    released_message_is_back_at_once(kind).await;
    retried_message_is_back_after_its_wait(kind).await;
    dead_letter_takes_the_place_of_its_message(kind).await;
    message_received_too_often_leaves_if_the_queue_says_so(kind).await;
}

async fn done_message_is_gone(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    send(&*fresh.queue, OutMessage::new("body")).await;
    let message = take(&*fresh.queue, SECOND, SECOND).await;
    let settled = fresh.queue.settle(&message.receipt, &End::Done).await;
    assert_eq!(settled, Ok(()));
    match fresh.queue.capabilities().proof {
        Proof::Answered => {}
        // Not only on its way: the worker may die now.
        Proof::Ordered => (fresh.hang_up)(),
    }
    assert!(poll(&*fresh.other, SECOND * 2, SECOND).await.is_none());
    assert_eq!(fresh.other.depth().await.expect("a depth").total(), 0);
}

async fn released_message_is_back_at_once(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    send(&*fresh.queue, OutMessage::new("body")).await;
    let message = take(&*fresh.queue, SECOND, SECOND * 60).await;
    let released = fresh.queue.settle(&message.receipt, &End::Release).await;
    assert_eq!(released, Ok(()));
    let again = take(&*fresh.other, SECOND, SECOND).await;
    assert_eq!((again.id, again.receive_count), (message.id, 2));
}

async fn retried_message_is_back_after_its_wait(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    send(&*fresh.queue, OutMessage::new("body")).await;
    let message = take(&*fresh.queue, SECOND, SECOND * 60).await;
    let after = SECOND * 3;
    let retried = fresh
        .queue
        .settle(&message.receipt, &End::Retry { after })
        .await;
    assert_eq!(retried, Ok(()));
    let wait = match &fresh.queue.capabilities().retry {
        RetryDelays::Any { .. } => after,
        RetryDelays::Steps(steps) => {
            let longer = steps.iter().copied().find(|step| *step >= after);
            longer.expect("a step of three seconds or more")
        }
    };
    tokio::time::sleep(wait - SECOND).await;
    assert!(is_held(&*fresh.other).await, "its wait is not over");
    let again = take(&*fresh.other, SECOND * 6, SECOND).await;
    assert_eq!((again.id, again.receive_count), (message.id, 2));
}

/// And who makes the same letter again, as one does who did not hear that it was made, makes two where the bus can't
/// tell.
async fn dead_letter_takes_the_place_of_its_message(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    send(&*fresh.queue, OutMessage::new("body")).await;
    let message = take(&*fresh.queue, SECOND, SECOND * 60).await;
    let end = End::DeadLetter(OutMessage {
        attributes: [("reason".to_owned(), "encrypted".to_owned())].into(),
        ..OutMessage::new("body")
    });
    let settled = fresh.queue.settle(&message.receipt, &end).await;
    let kept = fresh.queue.capabilities().dead_letter;
    if kept == DeadLettering::Nowhere {
        assert!(
            matches!(settled, Err(QueueError::Invalid { .. })),
            "{settled:?}"
        );
        return;
    }
    assert_eq!(settled, Ok(()));
    assert!(poll(&*fresh.other, SECOND * 2, SECOND).await.is_none());
    // Answered in one way or another; what counts is what there is afterwards.
    drop(fresh.queue.settle(&message.receipt, &end).await);
    let mut letters = 0;
    while let Some(letter) = poll(&*fresh.dead_letters, SECOND * 2, SECOND * 60).await {
        assert_eq!(letter.body, "body");
        assert_eq!(letter.attributes["reason"], "encrypted");
        letters += 1;
    }
    let expected = match kept {
        DeadLettering::SendThenDelete => 2,
        _ => 1,
    };
    assert_eq!(letters, expected);
}

async fn message_received_too_often_leaves_if_the_queue_says_so(kind: &dyn Kind) {
    const LIMIT: u32 = 2;
    let fresh = kind.fresh(LIMIT).await;
    send(&*fresh.queue, OutMessage::new("poison")).await;
    for count in 1..=LIMIT {
        let message = take(&*fresh.queue, SECOND * 5, SECOND * 60).await;
        assert_eq!(message.receive_count, count);
        let released = fresh.queue.settle(&message.receipt, &End::Release).await;
        released.expect("a release");
    }
    let once_more = poll(&*fresh.queue, SECOND, SECOND).await;
    let policy = fresh.queue.describe().await.expect("a description");
    match fresh.queue.capabilities().receive_limit {
        Some(limit) => {
            assert_eq!((limit, once_more), (LIMIT, None));
            let letter = take(&*fresh.dead_letters, SECOND * 5, SECOND).await;
            assert_eq!(letter.body, "poison");
            let policy = policy.dead_letters.expect("a policy");
            assert_eq!(policy.max_receives, LIMIT);
            assert!(
                policy.target.ends_with(fresh.dead_letters.name()),
                "{policy:?}"
            );
        }
        None => {
            let message = once_more.expect("there is no limit");
            assert_eq!(message.receive_count, LIMIT + 1);
            assert!(is_held(&*fresh.dead_letters).await);
            assert_eq!(policy.dead_letters, None);
        }
    }
}
