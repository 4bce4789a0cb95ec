//! Connections to a queue whose receipts live with them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Moment;

/// One connection of many, by number.
pub(super) type Number = u64;

#[derive(Debug, Default)]
pub(super) struct Connections {
    all: BTreeMap<Number, Connection>,
}

#[derive(Debug)]
struct Connection {
    heard_at: Moment,
    /// When the queue closes it, or did.
    closes_at: Option<Moment>,
}

impl Connections {
    pub(super) fn open(&mut self, now: Moment) -> Number {
        let number = self.all.len() as u64 + 1;
        let connection = Connection {
            heard_at: now,
            closes_at: None,
        };
        self.all.insert(number, connection);
        number
    }

    pub(super) fn closes_at(&self, number: Number) -> Option<Moment> {
        self.all.get(&number)?.closes_at
    }

    pub(super) fn is_open(&self, number: Number, now: Moment) -> bool {
        self.closes_at(number).is_none_or(|at| at > now)
    }

    /// A call arrived. One from a process that was stopped meanwhile puts off the end.
    pub(super) fn hear(&mut self, number: Number, patience: Duration, now: Moment) {
        if let Some(connection) = self.all.get_mut(&number)
            && connection.closes_at.is_none_or(|at| at > now)
        {
            connection.heard_at = now;
            connection.closes_at = connection.closes_at.map(|_| now + patience);
        }
    }

    /// No beat comes any more. The last one came half of the queue's patience ago at most.
    pub(super) fn fall_silent(&mut self, number: Number, patience: Duration, now: Moment) {
        if let Some(connection) = self.all.get_mut(&number) {
            let last_sign = connection.heard_at.max(now.minus(patience / 2));
            connection.closes_at.get_or_insert(last_sign + patience);
        }
    }

    /// Beats come again. A connection that was closed stays so.
    pub(super) fn speak_again(&mut self, number: Number, now: Moment) {
        if let Some(connection) = self.all.get_mut(&number)
            && connection.closes_at.is_some_and(|at| at > now)
        {
            connection.closes_at = None;
            connection.heard_at = now;
        }
    }

    pub(super) fn close(&mut self, number: Number, now: Moment) {
        if let Some(connection) = self.all.get_mut(&number) {
            let at = connection.closes_at.map_or(now, |at| at.min(now));
            connection.closes_at = Some(at);
        }
    }
}
