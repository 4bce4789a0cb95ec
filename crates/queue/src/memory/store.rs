//! The messages of a queue in memory, and who holds them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::connection::{self, Connections};
use crate::capabilities::{Capabilities, HoldLength, Receipts, Stale};
use crate::clock::Moment;
use crate::message::{Message, OutMessage, Receipt};
use crate::transport::{Depth, End, Hold};

/// Longer than any test: the hold of a message that nothing but its connection ends.
const FOR_EVER: Duration = Duration::from_secs(1_000 * 365 * 24 * 3600);

#[derive(Debug)]
pub(super) struct Store {
    capabilities: Capabilities,
    /// Whether [`End::Done`] by a stale receipt is refused too.
    refuses_stale_deletes: bool,
    /// By number, so in the order sent.
    messages: BTreeMap<u64, Stored>,
    next_number: u64,
    /// Every receipt there ever was, and its message.
    issued: BTreeMap<Receipt, u64>,
    pub(super) connections: Connections,
    /// Letters by the name that tells them apart, and when they came.
    letters: BTreeMap<String, Moment>,
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
    /// When others can have it, unless its connection is closed before.
    free_at: Moment,
    receipt: Option<Receipt>,
    connection: Option<connection::Number>,
    receive_count: u32,
}

/// Why a call by a receipt is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NotOurs,
    BeyondLimit,
}

/// Who calls, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// The caller's connection, where receipts live with it.
    pub(super) connection: Option<connection::Number>,
    pub(super) now: Moment,
}

impl Store {
    pub(super) fn new(
        capabilities: Capabilities,
        refuses_stale_deletes: bool,
        now: Moment,
    ) -> Self {
        Self {
            capabilities,
            refuses_stale_deletes,
            messages: BTreeMap::new(),
            next_number: 1,
            issued: BTreeMap::new(),
            connections: Connections::default(),
            letters: BTreeMap::new(),
            born_at: now,
            born: jiff::Timestamp::now(),
            duplicate_next: false,
        }
    }

    pub(super) fn insert(&mut self, content: OutMessage, now: Moment) {
        let stored = Stored {
            free_at: now + content.delay.unwrap_or_default(),
            content,
            sent_at: now,
            first_received_at: None,
            taken_at: None,
            receipt: None,
            connection: None,
            receive_count: 0,
        };
        self.messages.insert(self.next_number, stored);
        self.next_number += 1;
    }

    /// Takes a letter unless one of that name came within the window before.
    pub(super) fn insert_once(
        &mut self,
        name: String,
        letter: OutMessage,
        window: Duration,
        now: Moment,
    ) {
        let came_before = self.letters.get(&name);
        if came_before.is_none_or(|&before| now.since(before) > window) {
            self.letters.insert(name, now);
            self.insert(letter, now);
        }
    }

    /// When others can have a message.
    fn free_at(&self, stored: &Stored) -> Moment {
        let closes_at = stored
            .connection
            .and_then(|connection| self.connections.closes_at(connection));
        closes_at.map_or(stored.free_at, |at| at.min(stored.free_at))
    }

    /// Takes messages that nobody holds. Those received too often come back as the second list, taken out.
    pub(super) fn take(
        &mut self,
        most: usize,
        wish: Duration,
        caller: Caller,
    ) -> (Vec<Message>, Vec<OutMessage>) {
        let limit = self.capabilities.receive_limit;
        let free: Vec<u64> = self
            .messages
            .iter()
            .filter(|(_, stored)| self.free_at(stored) <= caller.now)
            .map(|(&number, _)| number)
            .collect();
        let mut taken = Vec::new();
        let mut dead = Vec::new();
        for number in free {
            if taken.len() == most {
                break;
            }
            let is_worn_out = self
                .messages
                .get(&number)
                .is_some_and(|stored| limit.is_some_and(|limit| stored.receive_count >= limit));
            if is_worn_out {
                dead.extend(self.messages.remove(&number).map(|stored| OutMessage {
                    delay: None,
                    ..stored.content
                }));
            } else {
                taken.extend(self.take_one(number, wish, caller));
            }
        }
        (taken, dead)
    }

    fn take_one(&mut self, number: u64, wish: Duration, caller: Caller) -> Option<Message> {
        let now = caller.now;
        let hold = match self.capabilities.hold {
            HoldLength::Connection { .. } => self.capabilities.hold_total.unwrap_or(FOR_EVER),
            timed => timed.granted(wish),
        };
        let receipt = Receipt::new(format!("receipt-{}", self.issued.len() + 1));
        self.issued.insert(receipt.clone(), number);
        let stays_free = std::mem::take(&mut self.duplicate_next);
        let stored = self.messages.get_mut(&number)?;
        stored.receive_count += 1;
        stored.receipt = Some(receipt.clone());
        stored.connection = caller.connection;
        stored.first_received_at.get_or_insert(now);
        stored.taken_at = Some(now);
        stored.free_at = if stays_free { now } else { now + hold };
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

    /// The message that this receipt was given for.
    pub(super) fn number_of(&self, receipt: &Receipt) -> Option<u64> {
        self.issued.get(receipt).copied()
    }

    /// Whether the message is in flight under this receipt. Only the newest one counts, and where receipts live with
    /// their connection, only there.
    pub(super) fn holds(&self, receipt: &Receipt, now: Moment) -> bool {
        let stored = self
            .number_of(receipt)
            .and_then(|number| self.messages.get(&number));
        stored.is_some_and(|stored| {
            stored.receipt.as_ref() == Some(receipt) && self.free_at(stored) > now
        })
    }

    fn is_of(&self, receipt: &Receipt, caller: Caller) -> bool {
        let is_same_connection = || {
            let stored = self
                .number_of(receipt)
                .and_then(|number| self.messages.get(&number));
            stored.is_some_and(|stored| stored.connection == caller.connection)
        };
        match self.capabilities.receipts {
            Receipts::Anywhere => true,
            Receipts::Connection => is_same_connection(),
        }
    }

    /// The message that a call by this receipt changes; none where a stale call is ignored.
    fn addressed(&self, receipt: &Receipt, caller: Caller) -> Result<Option<u64>, Refusal> {
        if self.holds(receipt, caller.now) && self.is_of(receipt, caller) {
            return Ok(self.number_of(receipt));
        }
        match self.capabilities.stale {
            Stale::Refused => Err(Refusal::NotOurs),
            Stale::Ignored => Ok(None),
            Stale::Applied => Ok(self
                .number_of(receipt)
                .filter(|number| self.messages.contains_key(number))),
        }
    }

    pub(super) fn renew(
        &mut self,
        receipt: &Receipt,
        wish: Duration,
        caller: Caller,
    ) -> Result<Hold, Refusal> {
        let hold = self.capabilities.hold;
        let granted = hold.granted(wish);
        let addressed = self.addressed(receipt, caller)?;
        // Of a connection, it is enough to have been heard.
        if !matches!(hold, HoldLength::Connection { .. })
            && let Some(number) = addressed
        {
            self.hide(number, granted, caller.now)?;
        }
        Ok(Hold(granted))
    }

    /// Nobody else can have the message before that, unless anybody can have it now.
    fn hide(&mut self, number: u64, time: Duration, now: Moment) -> Result<(), Refusal> {
        let total = match self.capabilities.hold {
            HoldLength::PerCall { .. } => self.capabilities.hold_total,
            HoldLength::Fixed(_) | HoldLength::Connection { .. } => None,
        };
        let Some(stored) = self.messages.get_mut(&number) else {
            return Ok(());
        };
        let latest = stored
            .taken_at
            .zip(total)
            .map(|(taken_at, total)| taken_at + total);
        if latest.is_some_and(|latest| now + time > latest) {
            return Err(Refusal::BeyondLimit);
        }
        if stored.free_at > now {
            stored.free_at = now + time;
        }
        Ok(())
    }

    pub(super) fn end(
        &mut self,
        receipt: &Receipt,
        end: &End,
        caller: Caller,
    ) -> Result<(), Refusal> {
        let time = match end {
            End::Done | End::DeadLetter(_) => return self.delete(receipt, caller),
            End::Release => Duration::ZERO,
            End::Retry { after } => self.capabilities.retry.granted(*after),
        };
        let Some(number) = self.addressed(receipt, caller)? else {
            return Ok(());
        };
        if matches!(self.capabilities.hold, HoldLength::PerCall { .. }) {
            // A wait is a hold like any other there, under the same receipt.
            return self.hide(number, time, caller.now);
        }
        if let Some(stored) = self.messages.get_mut(&number) {
            stored.free_at = caller.now + time;
            stored.receipt = None;
            stored.connection = None;
        }
        Ok(())
    }

    fn delete(&mut self, receipt: &Receipt, caller: Caller) -> Result<(), Refusal> {
        let is_timed = matches!(self.capabilities.hold, HoldLength::PerCall { .. });
        let number = match self.addressed(receipt, caller) {
            Ok(number) => number,
            // The newest receipt deletes also when its time is over and nobody came meanwhile.
            Err(_) if is_timed => {
                let newest = self
                    .messages
                    .iter()
                    .find(|(_, stored)| stored.receipt.as_ref() == Some(receipt));
                match newest {
                    Some((&number, _)) => Some(number),
                    None if self.refuses_stale_deletes => return Err(Refusal::NotOurs),
                    None => None,
                }
            }
            Err(refusal) => return Err(refusal),
        };
        if let Some(number) = number {
            self.messages.remove(&number);
        }
        Ok(())
    }

    /// When the next message that is held or delayed now can be had.
    pub(super) fn next_free_at(&self, now: Moment) -> Option<Moment> {
        self.messages
            .values()
            .map(|stored| self.free_at(stored))
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

    pub(super) fn depth(&self, now: Moment) -> Depth {
        let (mut waiting, mut in_flight, mut delayed) = (0, 0, 0);
        for stored in self.messages.values() {
            let place = match &stored.receipt {
                _ if self.free_at(stored) <= now => &mut waiting,
                Some(_) => &mut in_flight,
                None => &mut delayed,
            };
            *place += 1;
        }
        Depth {
            waiting,
            // What connections hold is not to be had by the protocol that they speak.
            in_flight: match self.capabilities.receipts {
                Receipts::Anywhere => Some(in_flight),
                Receipts::Connection => None,
            },
            delayed: Some(delayed),
        }
    }
}
