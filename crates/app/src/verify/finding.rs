//! What the audit can find.

use std::fmt;

use serde_json::{Value, json};

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The record says that something was made, and it is not there.
    Missing,
    /// What is there is not what the record says was made.
    Tampered,
    /// A text has not the letters that were read from its document.
    Letters,
    /// The source changed after its record.
    Stale,
    /// The settings in force would make something else.
    Outdated,
    /// Made by no record, or by an older generation of one.
    Orphaned,
    /// A source without a record.
    Unprocessed,
    /// A record without a source.
    Sourceless,
    /// A run began and did not end, and nobody goes on with it.
    Dead,
    /// A run ended early, and nobody goes on with it.
    Unfinished,
    /// A record that can't be read.
    Unreadable,
}

impl Kind {
    /// For people and scripts, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Tampered => "tampered",
            Self::Letters => "letters",
            Self::Stale => "stale",
            Self::Outdated => "outdated",
            Self::Orphaned => "orphaned",
            Self::Unprocessed => "unprocessed",
            Self::Sourceless => "sourceless",
            Self::Dead => "dead",
            Self::Unfinished => "unfinished",
            Self::Unreadable => "unreadable",
        }
    }
}

/// One inconsistency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of inconsistency.
    pub kind: Kind,
    /// The object's key, or the source's key for points.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    /// Its fields, for scripts.
    pub fn to_json(&self) -> Value {
        json!({"kind": self.kind.name(), "key": self.key, "what": self.what, "remedy": self.remedy})
    }
}

impl fmt::Display for Finding {
    /// One line; what a key holds can't break it or colour the terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!(
            "{:<11} {}: {}: {}",
            self.kind.name(),
            self.key,
            self.what,
            self.remedy
        );
        f.write_str(&pagemill_storage::shown(&line))
    }
}
