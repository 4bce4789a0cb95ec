//! Giving back a message that this worker does not work on.

use std::time::Duration;

use crate::capabilities::HoldLength;
use crate::error::QueueError;
use crate::message::Message;
use crate::transport::{End, Queue};

/// How often giving back is tried where only that or the end of the connection ends a hold, and the pause before the
/// second try; it doubles up to the longest. Together about three minutes: a queue that does not answer for so long has
/// lost the connection, and with it the hold.
const TRIES: u32 = 12;
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Whether a hold lasts as long as the connection of its receipt. A message that is not given back there is kept from
/// others for hours, by a worker that does nothing with it.
pub(crate) fn is_held_by_connection(queue: &dyn Queue) -> bool {
    matches!(queue.capabilities().hold, HoldLength::Connection { .. })
}

/// Lets others have the message at once. Where its hold ends by itself this is tried once.
///
/// # Errors
/// What the last try met; [`QueueError::StaleReceipt`] when others have the message already.
pub(crate) async fn give_back(queue: &dyn Queue, message: &Message) -> Result<(), QueueError> {
    let tries = match is_held_by_connection(queue) {
        true => TRIES,
        false => 1,
    };
    let mut pause = PAUSE;
    for _ in 1..tries {
        match queue.settle(&message.receipt, &End::Release).await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, message_id = %message.id, "the message was not given back, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            given_back => return given_back,
        }
    }
    queue.settle(&message.receipt, &End::Release).await
}
