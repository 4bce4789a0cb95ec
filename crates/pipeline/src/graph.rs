//! The build graph as one table: every stage, what it is made from, what it writes, and the version of its code.
//!
//! What must run ([`Plan`](crate::Plan)), which fingerprint a stage must have, which files of an earlier run are believed,
//! what a removal deletes and what `worker verify` looks for all follow from this table. The order of its rows is the order
//! in which stages are finished and recorded.
//!
//! ```
//! use pagemill_pipeline::graph;
//! use pagemill_storage::{KeyLayout, SourceKey, Stage};
//!
//! let metadata = graph::stage(Stage::Metadata);
//! assert!(!metadata.reads_source && metadata.upstream.contains(&Stage::Text));
//!
//! let source = SourceKey("source-pdfs/a.pdf".to_owned());
//! let files: Vec<_> = graph::files(&KeyLayout::default(), &source).collect();
//! assert_eq!(files[0], (Stage::Text, "extracted_text/a.pdf.json".to_owned()));
//! ```
//!
//! # Adding a stage
//!
//! 1. A variant of [`Stage`] with its name, in its place in the order.
//! 2. A row here. If it writes a file, its place goes into [`KeyLayout`].
//! 3. Its own parts of the fingerprint, in `wanted`: the settings that it depends on, and nothing else.
//! 4. What it makes, as a file of `stages`, which ends with `Run::finish`, and its turn in `Pipeline::build`.

use pagemill_storage::{KeyLayout, SourceKey, Stage};

use crate::settings::Goal;

/// One stage.
#[derive(Debug, Clone, Copy)]
pub struct StageSpec {
    /// Which.
    pub stage: Stage,
    /// The first goal that needs it.
    pub goal: Goal,
    /// What it is made from, apart from its settings. Those that the goal leaves out do not count.
    pub upstream: &'static [Stage],
    /// Whether it needs the PDF itself. These stages run as one pass.
    pub reads_source: bool,
    /// The JSON file that it writes for each source, if it does.
    pub file: Option<StageFile>,
    /// The version of the code that makes its outputs. Raise it when the same input and settings give other outputs than
    /// before: every document then re-runs the stage, and what depends on it.
    pub code_version: u32,
}

/// Where a stage's file stands.
#[derive(Debug, Clone, Copy)]
pub struct StageFile {
    /// The key of a source's file.
    pub key: fn(&KeyLayout, &SourceKey) -> String,
    /// What the keys of all of them begin with.
    pub prefix: fn(&KeyLayout) -> &str,
}

/// The graph, in the order in which stages are finished.
pub const GRAPH: &[StageSpec] = &[
    StageSpec {
        stage: Stage::Inspect,
        goal: Goal::Extraction,
        upstream: &[],
        reads_source: true,
        file: None,
        code_version: READING,
    },
    StageSpec {
        stage: Stage::Pages,
        goal: Goal::Extraction,
        upstream: &[Stage::Inspect],
        reads_source: true,
        file: None,
        code_version: READING,
    },
    StageSpec {
        stage: Stage::Text,
        goal: Goal::Extraction,
        upstream: &[Stage::Inspect],
        reads_source: true,
        file: Some(StageFile {
            key: KeyLayout::text,
            prefix: |layout| &layout.text,
        }),
        code_version: READING,
    },
    StageSpec {
        stage: Stage::Links,
        goal: Goal::Extraction,
        upstream: &[Stage::Inspect],
        reads_source: true,
        file: Some(StageFile {
            key: KeyLayout::links,
            prefix: |layout| &layout.links,
        }),
        code_version: READING,
    },
    StageSpec {
        stage: Stage::Structure,
        goal: Goal::Extraction,
        upstream: &[Stage::Text],
        reads_source: true,
        file: Some(StageFile {
            key: KeyLayout::structure,
            prefix: |layout| &layout.structure,
        }),
        code_version: READING,
    },
    StageSpec {
        stage: Stage::Metadata,
        goal: Goal::Metadata,
        upstream: &[Stage::Text, Stage::Links, Stage::Structure],
        reads_source: false,
        file: Some(StageFile {
            key: KeyLayout::metadata,
            prefix: |layout| &layout.metadata,
        }),
        code_version: 1,
    },
    StageSpec {
        stage: Stage::Index,
        goal: Goal::Index,
        upstream: &[Stage::Pages, Stage::Structure, Stage::Metadata],
        reads_source: false,
        file: None,
        code_version: 1,
    },
    StageSpec {
        stage: Stage::Commit,
        goal: Goal::Extraction,
        upstream: &[
            Stage::Pages,
            Stage::Links,
            Stage::Structure,
            Stage::Metadata,
            Stage::Index,
        ],
        reads_source: false,
        file: None,
        code_version: 1,
    },
];

/// The version of the code that reads a PDF; its stages are one pass.
const READING: u32 = 3;

/// A stage's row.
pub fn stage(stage: Stage) -> &'static StageSpec {
    GRAPH
        .iter()
        .find(|spec| spec.stage == stage)
        .expect("every stage has a row: a test sees to it")
}

/// The JSON files that stages write for a source, in the order of the stages.
pub fn files<'a>(
    layout: &'a KeyLayout,
    source: &'a SourceKey,
) -> impl Iterator<Item = (Stage, String)> + 'a {
    GRAPH.iter().filter_map(|spec| {
        let file = spec.file?;
        Some((spec.stage, (file.key)(layout, source)))
    })
}

/// What the keys of stages' files begin with, in the order of the stages.
pub fn prefixes(layout: &KeyLayout) -> impl Iterator<Item = &str> {
    GRAPH
        .iter()
        .filter_map(|spec| spec.file.map(|file| (file.prefix)(layout)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every stage that there is; a new one does not compile here until it is added.
    fn all() -> Vec<Stage> {
        let mut all = vec![Stage::Inspect];
        loop {
            let next = match all.last() {
                Some(Stage::Inspect) => Stage::Pages,
                Some(Stage::Pages) => Stage::Text,
                Some(Stage::Text) => Stage::Links,
                Some(Stage::Links) => Stage::Structure,
                Some(Stage::Structure) => Stage::Metadata,
                Some(Stage::Metadata) => Stage::Index,
                Some(Stage::Index) => Stage::Commit,
                Some(Stage::Commit) | None => return all,
            };
            all.push(next);
        }
    }

    #[test]
    fn every_stage_has_one_row_in_the_order_of_records() {
        let rows: Vec<Stage> = GRAPH.iter().map(|spec| spec.stage).collect();
        assert_eq!(rows, all());
        assert!(rows.is_sorted());
    }

    #[test]
    fn stages_are_made_from_earlier_ones_that_a_goal_brings_along() {
        for spec in GRAPH {
            assert_eq!(stage(spec.stage).stage, spec.stage);
            for upstream in spec.upstream {
                assert!(*upstream < spec.stage, "{spec:?}");
                let brings = stage(*upstream).goal <= spec.goal;
                assert!(brings || spec.stage == Stage::Commit, "{spec:?}");
            }
            // What needs the file can't be made from what does not.
            let reads = |stage: &Stage| self::stage(*stage).reads_source;
            assert!(!spec.reads_source || spec.upstream.iter().all(reads));
        }
    }

    #[test]
    fn what_is_written_stands_under_its_prefix() {
        let layout = KeyLayout::default();
        let source = SourceKey(format!("{}a/b.pdf", layout.source));
        let prefixes: Vec<&str> = prefixes(&layout).collect();
        let files: Vec<_> = files(&layout, &source).collect();
        assert_eq!(prefixes.len(), files.len());
        for (prefix, (_, key)) in prefixes.iter().zip(&files) {
            assert!(key.starts_with(prefix), "{key}");
        }
    }
}
