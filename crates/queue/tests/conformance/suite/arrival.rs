//! From the sender to the receiver.

use std::collections::BTreeMap;

use pagemill_queue::{Access, Ask, End, OutMessage, QueueError, send_all};
use pretty_assertions::assert_eq;

use super::{Kind, SECOND, is_held, send, take};

pub(super) async fn check(kind: &dyn Kind) {
    message_arrives_whole(kind).await;
    nothing_is_received_that_was_not_asked_for(kind).await;
    long_poll_ends_with_the_first_message(kind).await;
    delayed_message_waits(kind).await;
    any_number_is_sent_in_batches(kind).await;
    batch_beyond_the_limit_is_refused(kind).await;
    what_a_worker_needs_is_allowed(kind).await;
}

async fn message_arrives_whole(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    let body = "{\"key\":\"a+b/ü📄<&>\\\"\"}\n second line";
    let attributes: BTreeMap<String, String> = [("reason", "encrypted"), ("trace_id", "ä-1")]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
    let sent = OutMessage {
        attributes: attributes.clone(),
        ..OutMessage::new(body)
    };
    send(&*fresh.queue, sent).await;
    let message = take(&*fresh.queue, SECOND, SECOND * 60).await;
    assert_eq!(message.body, body);
    assert_eq!(message.attributes, attributes);
    assert_eq!(message.receive_count, 1);
    assert!(message.sent_at.is_some() && message.first_received_at >= message.sent_at);
    let depth = fresh.queue.depth().await.expect("a depth");
    assert_eq!(depth.waiting, 0);
    assert!(depth.in_flight.is_none_or(|held| held == 1), "{depth:?}");
    let settled = fresh.queue.settle(&message.receipt, &End::Done).await;
    settled.expect("its end");
    assert_eq!(fresh.queue.depth().await.expect("a depth").total(), 0);
}

/// LE-1: what one worker did not ask for is another's.
async fn nothing_is_received_that_was_not_asked_for(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    for body in ["first", "second"] {
        send(&*fresh.queue, OutMessage::new(body)).await;
    }
    let one = take(&*fresh.queue, SECOND, SECOND * 60).await;
    let another = take(&*fresh.other, SECOND, SECOND * 60).await;
    assert_ne!(one.body, another.body);
}

async fn long_poll_ends_with_the_first_message(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    let polling = take(&*fresh.queue, SECOND * 20, SECOND);
    let sending = async {
        tokio::time::sleep(SECOND).await;
        send(&*fresh.other, OutMessage::new("late")).await;
    };
    let (message, ()) = tokio::time::timeout(SECOND * 10, futures::future::join(polling, sending))
        .await
        .expect("the poll must not wait its whole 20 s");
    assert_eq!(message.body, "late");
}

async fn delayed_message_waits(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    let delayed = OutMessage {
        delay: Some(SECOND * 2),
        ..OutMessage::new("body")
    };
    send(&*fresh.queue, delayed).await;
    assert!(is_held(&*fresh.queue).await);
    let message = take(&*fresh.queue, SECOND * 6, SECOND).await;
    assert_eq!(message.body, "body");
}

async fn any_number_is_sent_in_batches(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    let limits = &fresh.queue.capabilities().limits;
    let count = 2 * limits.send + 3;
    let messages = (0..count)
        .map(|number| OutMessage::new(format!("message {number}")))
        .collect();
    let results = send_all(&*fresh.queue, messages, 3).await;
    assert_eq!(results, vec![Ok(()); count]);
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let ask = Ask {
            most: limits.receive,
            wait: SECOND * 5,
            hold: SECOND * 60,
        };
        let messages = fresh.queue.receive(ask).await.expect("a receive");
        assert!(
            !messages.is_empty() && messages.len() <= limits.receive,
            "{} messages",
            messages.len()
        );
        bodies.extend(messages.into_iter().map(|message| message.body));
    }
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len(), count);
}

async fn batch_beyond_the_limit_is_refused(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    let too_many = fresh.queue.capabilities().limits.send + 1;
    let refused = fresh.queue.send(vec![OutMessage::new("body"); too_many]);
    let refused = refused.await;
    assert!(
        matches!(refused, Err(QueueError::Invalid { .. })),
        "{refused:?}"
    );
}

/// And finding it out takes, gives and leaves nothing.
async fn what_a_worker_needs_is_allowed(kind: &dyn Kind) {
    let fresh = kind.fresh(5).await;
    send(&*fresh.queue, OutMessage::new("body")).await;
    for access in [Access::Work, Access::Send] {
        let probes = fresh.queue.probe(access).await;
        assert!(!probes.is_empty());
        for probe in probes {
            assert_eq!(probe.found, Ok(()), "{}", probe.permission);
        }
    }
    let message = take(&*fresh.queue, SECOND, SECOND * 60).await;
    assert_eq!((&*message.body, message.receive_count), ("body", 1));
    assert!(is_held(&*fresh.other).await);
    assert_eq!(fresh.queue.describe().await.map(drop), Ok(()));
}
