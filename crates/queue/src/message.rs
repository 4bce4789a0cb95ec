//! Messages as they come and go, and what names a receipt.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What names one receipt of one message. A second receipt of the same message has another.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Receipt(String);

impl Receipt {
    /// Wraps the queue's receipt handle.
    pub fn new(handle: impl Into<String>) -> Self {
        Self(handle.into())
    }

    /// The handle as the queue gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Receipt {
    /// Shows the beginning only: whoever has the whole handle can delete the message.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning: String = self.0.chars().take(8).collect();
        write!(formatter, "Receipt({beginning}..)")
    }
}

/// A message as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's id: the same for each receipt of this message.
    pub id: String,
    /// This receipt.
    pub receipt: Receipt,
    /// The body, as sent.
    pub body: String,
    /// Attributes with string or number values that the sender gave.
    pub attributes: BTreeMap<String, String>,
    /// How often it has been received, with this time. From 1; [`crate::capabilities::Receives`] says how exact it is.
    pub receive_count: u32,
    /// When it was sent.
    pub sent_at: Option<jiff::Timestamp>,
    /// When it was received for the first time.
    pub first_received_at: Option<jiff::Timestamp>,
}

/// A message to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutMessage {
    /// The body.
    pub body: String,
    /// String attributes, at most [`crate::capabilities::Limits::attributes`] and none of them empty.
    pub attributes: BTreeMap<String, String>,
    /// How long nobody receives it at first, at most [`crate::capabilities::Limits::delay`].
    pub delay: Option<Duration>,
}

impl OutMessage {
    /// A message of only a body.
    pub fn new(body: impl Into<String>) -> Self {
        Self {
            body: body.into(),
            ..Self::default()
        }
    }
}
