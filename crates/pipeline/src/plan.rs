//! What would run, and why: the fingerprints that the settings ask for, against those in the record.

use std::collections::BTreeMap;
use std::fmt;

use pagemill_index::TargetStore;
use pagemill_storage::{Fingerprint, Record, Stage};

use crate::graph;

/// Why a stage must run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It never ran to its end.
    NotDone,
    /// Its inputs, its settings or its code changed.
    Changed,
    /// What it wrote is gone or damaged, and a later stage needs it.
    Lost,
    /// The caller forces it.
    Forced,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDone => "not done yet",
            Self::Changed => "its inputs or settings changed",
            Self::Lost => "what it wrote is gone",
            Self::Forced => "forced",
        })
    }
}

/// One stage that must run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedStage {
    /// Which.
    pub stage: Stage,
    /// Why.
    pub reason: Reason,
}

/// The fingerprints that every stage should have, and the stages that must run to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What every stage's fingerprint must be, for the content and the settings at hand.
    pub wanted: BTreeMap<Stage, Fingerprint>,
    /// The stages that must run, in order; empty when the document is up to date.
    pub stages: Vec<PlannedStage>,
    /// The vector stores that will hold the document: those asked for, and those that held it before.
    pub targets: Vec<TargetStore>,
}

impl Plan {
    /// Compares what is wanted with what the record has.
    pub fn new(
        wanted: BTreeMap<Stage, Fingerprint>,
        targets: Vec<TargetStore>,
        record: Option<&Record>,
        force: bool,
    ) -> Self {
        let stages = wanted
            .iter()
            .filter_map(|(&stage, fingerprint)| {
                let entry = record.and_then(|record| record.stages.get(&stage));
                let reason = match entry {
                    _ if force => Reason::Forced,
                    None => Reason::NotDone,
                    Some(entry) if entry.fingerprint != *fingerprint => Reason::Changed,
                    Some(_) => return None,
                };
                Some(PlannedStage { stage, reason })
            })
            .collect();
        Self {
            wanted,
            stages,
            targets,
        }
    }

    /// Whether a stage must run.
    pub fn runs(&self, stage: Stage) -> bool {
        self.stages.iter().any(|planned| planned.stage == stage)
    }

    /// Whether a stage is part of what is to be built.
    pub(crate) fn wants(&self, stage: Stage) -> bool {
        self.wanted.contains_key(&stage)
    }

    /// Adds stages that must run although the record has them, because what they wrote is gone. Those that
    /// are not wanted any more are left alone.
    pub(crate) fn redo(&mut self, lost: &[Stage]) {
        for &stage in lost {
            if self.wants(stage) && !self.runs(stage) {
                self.stages.push(PlannedStage {
                    stage,
                    reason: Reason::Lost,
                });
            }
        }
        self.stages.sort_by_key(|planned| planned.stage);
    }

    /// Whether nothing must run.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Whether the source's bytes are needed, or stored outputs are enough.
    pub fn needs_source(&self) -> bool {
        self.stages
            .iter()
            .any(|planned| graph::stage(planned.stage).reads_source)
    }

    /// What a stage's fingerprint must be.
    pub(crate) fn fingerprint(&self, stage: Stage) -> &Fingerprint {
        &self.wanted[&stage]
    }
}
