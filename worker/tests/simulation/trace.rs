//! What happened, in order: who called whom, with what effect.

use std::hash::{DefaultHasher, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Digits of a run's name in the key of a charge.
const RUN_DIGITS: usize = 16;

/// A text as the trace shows it: the same in each run of a seed, which the names of runs in keys of charges are not.
pub(crate) fn traced(text: &str) -> String {
    let mut shown = String::new();
    for piece in text.split_inclusive('/') {
        let (name, rest) = piece.split_at_checked(RUN_DIGITS).unwrap_or((piece, ""));
        let is_run = rest.starts_with('-') && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        shown.push_str(if is_run { "RUN" } else { name });
        shown.push_str(rest);
    }
    shown
}

/// The trace of one run. Its hash is always there, its lines only when they were asked for.
#[derive(Debug)]
pub(crate) struct Trace(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    hasher: DefaultHasher,
    lines: Option<Vec<String>>,
    events: u64,
}

impl Trace {
    /// An empty trace.
    pub(crate) fn new(keeps_lines: bool) -> Self {
        Self(Mutex::new(Inner {
            hasher: DefaultHasher::new(),
            lines: keeps_lines.then(Vec::new),
            events: 0,
        }))
    }

    /// Notes one event.
    pub(crate) fn note(&self, at: Duration, who: &str, what: &str) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.hasher.write_u128(at.as_millis());
        inner.hasher.write(who.as_bytes());
        inner.hasher.write(what.as_bytes());
        inner.events += 1;
        if let Some(lines) = &mut inner.lines {
            lines.push(format!("{:>10.3} s  {who:<7} {what}", at.as_secs_f64()));
        }
    }

    /// The hash of all events so far, and how many there are.
    pub(crate) fn digest(&self) -> (u64, u64) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.hasher.finish(), inner.events)
    }

    /// The lines, where they were kept.
    pub(crate) fn lines(&self) -> Vec<String> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.lines.clone().unwrap_or_default()
    }
}
