//! The messages of a queue in memory and the rules of their visibility.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Moment;
use crate::transport::{Counts, Message, OutMessage, Receipt, VISIBILITY_MAX};

#[derive(Debug)]
pub(super) struct Store {
    /// By number, so in the order sent.
    messages: BTreeMap<u64, Stored>,
    next_number: u64,
    next_receipt: u64,
    /// Moments become dates by these two.
    born_at: Moment,
    born: jiff::Timestamp,
    pub(super) duplicate_next: bool,
}

#[derive(Debug)]
struct Stored {
    content: OutMessage,
    sent_at: Moment,
    first_received_at: Option<Moment>,
    taken_at: Option<Moment>,
    visible_at: Moment,
    receipt: Option<Receipt>,
    receive_count: u32,
}

pub(super) enum Extended {
    Yes,
    NotOurs,
    BeyondLimit,
}

impl Store {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            messages: BTreeMap::new(),
            next_number: 1,
            next_receipt: 1,
            born_at: now,
            born: jiff::Timestamp::now(),
            duplicate_next: false,
        }
    }

    pub(super) fn insert(&mut self, content: OutMessage, now: Moment) {
        let visible_at = now + content.delay.unwrap_or_default();
        let stored = Stored {
            content,
            sent_at: now,
            first_received_at: None,
            taken_at: None,
            visible_at,
            receipt: None,
            receive_count: 0,
        };
        self.messages.insert(self.next_number, stored);
        self.next_number += 1;
    }

    /// Takes visible messages. Those received `limit` times already come back as the second list, taken out.
    pub(super) fn take(
        &mut self,
        max: usize,
        visibility: Duration,
        limit: Option<u32>,
        now: Moment,
    ) -> (Vec<Message>, Vec<OutMessage>) {
        let visible: Vec<u64> = self
            .messages
            .iter()
            .filter(|(_, stored)| stored.visible_at <= now)
            .map(|(&number, _)| number)
            .collect();
        let mut taken = Vec::new();
        let mut dead = Vec::new();
        for number in visible {
            if taken.len() == max {
                break;
            }
            let worn_out = self
                .messages
                .get(&number)
                .is_some_and(|stored| limit.is_some_and(|most| stored.receive_count >= most));
            if worn_out {
                dead.extend(self.messages.remove(&number).map(|stored| OutMessage {
                    delay: None,
                    ..stored.content
                }));
            } else {
                taken.extend(self.take_one(number, visibility, now));
            }
        }
        (taken, dead)
    }

    fn take_one(&mut self, number: u64, visibility: Duration, now: Moment) -> Option<Message> {
        let receipt = Receipt::new(format!("receipt-{}", self.next_receipt));
        self.next_receipt += 1;
        let stays_visible = std::mem::take(&mut self.duplicate_next);
        let stored = self.messages.get_mut(&number)?;
        stored.receive_count += 1;
        stored.receipt = Some(receipt.clone());
        stored.first_received_at.get_or_insert(now);
        stored.taken_at = Some(now);
        stored.visible_at = if stays_visible { now } else { now + visibility };
        let receive_count = stored.receive_count;
        let content = stored.content.clone();
        let (sent_at, first_received_at) = (stored.sent_at, stored.first_received_at);
        Some(Message {
            id: format!("message-{number}"),
            receipt,
            body: content.body,
            attributes: content.attributes,
            receive_count,
            sent_at: Some(self.date(sent_at)),
            first_received_at: first_received_at.map(|moment| self.date(moment)),
        })
    }

    fn date(&self, moment: Moment) -> jiff::Timestamp {
        self.born
            .saturating_add(moment.since(self.born_at))
            .unwrap_or(jiff::Timestamp::MAX)
    }

    /// Only the newest receipt counts, and only while the message is in flight.
    pub(super) fn extend(
        &mut self,
        receipt: &Receipt,
        visibility: Duration,
        now: Moment,
    ) -> Extended {
        let found = self
            .messages
            .values_mut()
            .find(|stored| stored.receipt.as_ref() == Some(receipt));
        let Some(stored) = found.filter(|stored| stored.visible_at > now) else {
            return Extended::NotOurs;
        };
        let limit = stored.taken_at.map(|taken_at| taken_at + VISIBILITY_MAX);
        if limit.is_some_and(|latest| now + visibility > latest) {
            return Extended::BeyondLimit;
        }
        stored.visible_at = now + visibility;
        Extended::Yes
    }

    /// Whether the message is gone now: deleted by its newest receipt, or gone before.
    pub(super) fn delete(&mut self, receipt: &Receipt) -> bool {
        let found = self
            .messages
            .iter()
            .find(|(_, stored)| stored.receipt.as_ref() == Some(receipt));
        let Some(number) = found.map(|(&number, _)| number) else {
            return false;
        };
        self.messages.remove(&number).is_some()
    }

    pub(super) fn next_visible_at(&self, now: Moment) -> Option<Moment> {
        self.messages
            .values()
            .map(|stored| stored.visible_at)
            .filter(|&at| at > now)
            .min()
    }

    pub(super) fn contents(&self) -> Vec<(String, BTreeMap<String, String>)> {
        self.messages
            .values()
            .map(|stored| {
                (
                    stored.content.body.clone(),
                    stored.content.attributes.clone(),
                )
            })
            .collect()
    }

    pub(super) fn counts(&self, now: Moment) -> Counts {
        let mut counts = Counts::default();
        for stored in self.messages.values() {
            if stored.visible_at <= now {
                counts.visible += 1;
            } else if stored.receive_count == 0 {
                counts.delayed += 1;
            } else {
                counts.in_flight += 1;
            }
        }
        counts
    }
}
