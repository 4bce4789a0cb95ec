//! What would run, why, and what it may cost: the fingerprints that the settings ask for, against those in the record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use pagemill_document::Units;
use pagemill_index::TargetStore;
use pagemill_storage::{Charged, Fingerprint, Record, Stage};
use serde::{Deserialize, Serialize};

use crate::graph::Graph;
use crate::prices::Usd;

/// Why a stage must run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The source was never processed.
    New,
    /// The source was uploaded again, and nobody has read it since. Should its bytes be the same, nothing runs.
    Uploaded,
    /// It never ran to its end.
    NotDone,
    /// Its inputs, its settings or its code changed.
    Changed,
    /// What it wrote is gone or damaged, and a later stage needs it.
    Lost,
    /// A budget did not allow the model's calls the last time.
    Budget,
    /// The caller forces it.
    Forced,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Uploaded => "uploaded again",
            Self::NotDone => "not done yet",
            Self::Changed => "its inputs or settings changed",
            Self::Lost => "what it wrote is gone",
            Self::Budget => "the budget was reached the last time",
            Self::Forced => "forced",
        })
    }
}

/// How large a document is, as far as that is known before it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of its file.
    pub bytes: u64,
    /// Its pages, when it was read before; of an earlier version perhaps.
    pub pages: Option<u32>,
}

/// What a stage may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimate {
    /// It makes no paid call.
    Free,
    /// What its last run took.
    AsBefore(Charged),
    /// No more than this. Answers that must be asked for again because they are of no use are counted in.
    AtMost {
        /// The model.
        model: String,
        /// What is used of it.
        units: Units,
        /// What that costs in millionths of a US dollar; `None` where the settings have no price for the model.
        micro_usd: Option<u64>,
    },
    /// It pays for this model, and nobody can say how much before the document is read.
    Unknown {
        /// The model.
        model: String,
    },
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = |f: &mut fmt::Formatter<'_>, units: &Units| {
            let read = units.input_tokens.unwrap_or(0);
            write!(f, "{read} tokens read")?;
            match units.output_tokens {
                Some(written) => write!(f, " and {written} written"),
                None => Ok(()),
            }
        };
        match self {
            Self::Free => f.write_str("free"),
            Self::AsBefore(spent) => {
                f.write_str("about ")?;
                tokens(f, &spent.units)?;
                match spent.micro_usd.filter(|_| spent.unpriced_calls == 0) {
                    Some(cost) => write!(f, ", {}, as the last time", Usd(cost)),
                    None => f.write_str(" as the last time, price not known"),
                }
            }
            Self::AtMost {
                model,
                units,
                micro_usd,
            } => {
                f.write_str("at most ")?;
                tokens(f, units)?;
                match micro_usd {
                    Some(cost) => write!(f, " by {model}, {}", Usd(*cost)),
                    None => write!(f, " by {model}, price not known"),
                }
            }
            Self::Unknown { model } => write!(f, "paid by the tokens of {model}, not known yet"),
        }
    }
}

/// One stage that must run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStage {
    /// The row of the graph that it is of.
    pub stage: Stage,
    /// Why.
    pub reason: Reason,
    /// What it may take.
    pub estimate: Estimate,
}

/// The fingerprints that every stage should have, and the stages that must run to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What every stage's fingerprint must be, for the content and the settings at hand; empty while the content is not known.
    pub expected: BTreeMap<Stage, Fingerprint>,
    /// The stages that must run, in order; empty when the document is up to date.
    pub stages: Vec<PlannedStage>,
    /// The vector stores that will hold the document: those asked for, and those that held it before.
    pub targets: Vec<TargetStore>,
    /// The tag of the PDF that it was made for, where the store was asked.
    pub etag: String,
    /// The order of work, and which stages read the PDF.
    order: Vec<Stage>,
    reading: BTreeSet<Stage>,
}

impl Plan {
    /// Compares what is expected with what the record has.
    pub(crate) fn new(
        graph: &Graph,
        expected: BTreeMap<Stage, Fingerprint>,
        targets: Vec<TargetStore>,
        record: Option<&Record>,
        force: bool,
    ) -> Self {
        let mut plan = Self::nothing(graph, targets);
        for row in graph.rows() {
            let Some(fingerprint) = expected.get(&row.stage) else {
                continue;
            };
            let entry = record.and_then(|record| record.stages.get(&row.stage));
            let reason = match entry {
                _ if force => Reason::Forced,
                None => Reason::NotDone,
                Some(entry) if entry.fingerprint != *fingerprint => Reason::Changed,
                Some(_) => continue,
            };
            plan.push(row.stage, reason);
        }
        plan.expected = expected;
        plan
    }

    /// The plan for content that nobody has read: these stages, for this reason.
    pub(crate) fn unread(
        graph: &Graph,
        stages: impl IntoIterator<Item = Stage>,
        targets: Vec<TargetStore>,
        reason: Reason,
    ) -> Self {
        let mut plan = Self::nothing(graph, targets);
        for stage in stages {
            plan.push(stage, reason);
        }
        plan
    }

    fn nothing(graph: &Graph, targets: Vec<TargetStore>) -> Self {
        let rows = graph.rows();
        let reading = rows.iter().filter(|row| row.reads_source);
        Self {
            expected: BTreeMap::new(),
            stages: Vec::new(),
            targets,
            etag: String::new(),
            order: rows.iter().map(|row| row.stage).collect(),
            reading: reading.map(|row| row.stage).collect(),
        }
    }

    fn push(&mut self, stage: Stage, reason: Reason) {
        self.stages.push(PlannedStage {
            stage,
            reason,
            estimate: Estimate::Free,
        });
    }

    /// Whether a stage must run.
    pub fn runs(&self, stage: Stage) -> bool {
        self.stages.iter().any(|planned| planned.stage == stage)
    }

    /// Whether a stage is part of what is to be built.
    pub(crate) fn wants(&self, stage: Stage) -> bool {
        self.expected.contains_key(&stage)
    }

    /// Adds stages that must run although the record has them, because what they wrote is gone. Those that
    /// are not expected any more are left alone.
    pub(crate) fn redo(&mut self, lost: &[Stage]) {
        for &stage in lost {
            if self.wants(stage) && !self.runs(stage) {
                self.push(stage, Reason::Lost);
            }
        }
        let order = &self.order;
        self.stages
            .sort_by_key(|planned| order.iter().position(|stage| *stage == planned.stage));
    }

    /// Adds a stage and all that is made from it.
    pub(crate) fn redo_from(&mut self, graph: &Graph, first: Stage, reason: Reason) {
        let mut again = vec![first];
        for row in graph.rows() {
            if row.upstream.iter().any(|stage| again.contains(stage)) {
                again.push(row.stage);
            }
        }
        for stage in again {
            if self.wants(stage) && !self.runs(stage) {
                self.push(stage, reason);
            }
        }
        self.redo(&[]);
    }

    /// Whether nothing must run.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Whether nobody has read the source in its present version: then every stage up to the goal is in it, and should the
    /// bytes be those of before, fewer run.
    pub fn is_unread(&self) -> bool {
        self.expected.is_empty()
    }

    /// Whether the source's bytes are needed, or stored outputs are enough.
    pub fn needs_source(&self) -> bool {
        self.stages
            .iter()
            .any(|planned| self.reading.contains(&planned.stage))
    }

    /// Whether the pages of the PDF are to be read. Stages that were added open it for themselves.
    pub(crate) fn reads_pages(&self) -> bool {
        let mut stages = self.stages.iter().map(|planned| planned.stage);
        stages.any(|stage| self.reading.contains(&stage) && !matches!(stage, Stage::Named(_)))
    }

    /// What a stage's fingerprint must be.
    pub(crate) fn fingerprint(&self, stage: Stage) -> &Fingerprint {
        &self.expected[&stage]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_says_what_it_rests_on_and_what_is_not_known() {
        let units = Units {
            input_tokens: Some(7_000),
            output_tokens: Some(300),
            ..Units::default()
        };
        let at_most = |micro_usd| Estimate::AtMost {
            model: "m".into(),
            units,
            micro_usd,
        };
        assert_eq!(
            at_most(Some(1_500)).to_string(),
            "at most 7000 tokens read and 300 written by m, 0.001500 USD"
        );
        assert!(at_most(None).to_string().ends_with("price not known"));
        let mut spent = Charged {
            calls: 2,
            units,
            micro_usd: Some(9),
            failed_calls: 0,
            unpriced_calls: 0,
        };
        assert_eq!(
            Estimate::AsBefore(spent).to_string(),
            "about 7000 tokens read and 300 written, 0.000009 USD, as the last time"
        );
        spent.unpriced_calls = 1;
        let half = Estimate::AsBefore(spent).to_string();
        assert!(half.ends_with("price not known"), "{half}");
    }
}
