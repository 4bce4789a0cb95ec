//! The build graph as one table: every stage, what it is made from, what it writes, and the version of its code.
//!
//! What must run ([`Plan`](crate::Plan)), which fingerprint a stage must have, which files of an earlier run are believed,
//! what a removal deletes and what `worker verify` looks for all follow from this table. The order of its rows is the order
//! in which stages are finished and recorded.
//!
//! ```
//! use pagemill_pipeline::Graph;
//! use pagemill_storage::{KeyLayout, SourceKey, Stage};
//!
//! let graph = Graph::default();
//! let metadata = graph.row(Stage::Metadata).expect("every graph has it");
//! assert!(!metadata.reads_source && metadata.upstream.contains(&Stage::Text));
//!
//! let source = SourceKey("source-pdfs/a.pdf".to_owned());
//! let files: Vec<_> = graph.files(&KeyLayout::default(), &source).collect();
//! assert_eq!(files[0], (Stage::Text, "extracted_text/a.pdf.json".to_owned()));
//! ```
//!
//! # Adding a stage
//!
//! From outside of this crate, with [`Graph::with`]: see [`AddedStage`]. Inside it, for a stage that every pipeline has:
//!
//! 1. A variant of [`Stage`] with its name.
//! 2. A row here. If it writes a file, its place goes into [`KeyLayout`].
//! 3. Its own parts of the fingerprint, in `expected`: the settings that it depends on, and nothing else.
//! 4. What it makes, as a file of `stages`, which ends with `Run::finish`, and its turn in `Pipeline::build`.

use std::borrow::Cow;
use std::sync::Arc;

use pagemill_storage::{KeyLayout, SourceKey, Stage};

use crate::added::AddedStage;
use crate::settings::Goal;

/// One stage.
#[derive(Debug, Clone)]
pub struct StageSpec {
    /// Its name in records, in events and in the graph.
    pub stage: Stage,
    /// The first goal that needs it.
    pub goal: Goal,
    /// What it is made from, apart from its settings. Those that the goal leaves out do not count.
    pub upstream: Cow<'static, [Stage]>,
    /// Whether it needs the PDF itself. Those of every pipeline run as one pass, which keeps the pages that it has read in
    /// parts ([`parts`]) until the document is committed; added ones run after it.
    pub reads_source: bool,
    /// The file that it writes for each source, if it does.
    pub file: Option<StageFile>,
    /// The version of the code that makes its outputs. Raise it when the same input and settings give other outputs than
    /// before: every document then re-runs the stage, and what depends on it.
    pub code_version: u32,
}

/// Where a stage's files stand: one a source, named as the source is, below a prefix that ends in `/`.
#[derive(Debug, Clone)]
pub enum StageFile {
    /// JSON below a prefix of the settings.
    Layout(fn(&KeyLayout) -> &str),
    /// Markdown below a prefix of the settings. It says nothing of where it comes from: what it is, its record knows by its
    /// tag.
    Markdown(fn(&KeyLayout) -> &str),
    /// JSON below a prefix that follows from the settings.
    Processing(fn(&KeyLayout) -> String),
    /// JSON below a prefix of its own, which no other overlaps, such as `extracted_words/`.
    Below(Cow<'static, str>),
    /// PDFs below a prefix of its own, under the names of their sources.
    Pdf(Cow<'static, str>),
}

impl StageFile {
    /// What the keys of all of them begin with.
    pub fn prefix<'a>(&'a self, layout: &'a KeyLayout) -> Cow<'a, str> {
        match self {
            Self::Layout(prefix) | Self::Markdown(prefix) => prefix(layout).into(),
            Self::Processing(prefix) => prefix(layout).into(),
            Self::Below(prefix) | Self::Pdf(prefix) => prefix.as_ref().into(),
        }
    }

    /// The key of a source's file.
    pub fn key(&self, layout: &KeyLayout, source: &SourceKey) -> String {
        let suffix = match self {
            Self::Layout(_) | Self::Processing(_) | Self::Below(_) => ".json",
            Self::Markdown(_) => ".md",
            Self::Pdf(_) => "",
        };
        layout.file_below(&self.prefix(layout), source, suffix)
    }

    /// Whether they are JSON, which begins with where it comes from.
    pub fn is_json(&self) -> bool {
        matches!(self, Self::Layout(_) | Self::Processing(_) | Self::Below(_))
    }
}

/// The rows of every pipeline, in the order in which stages are finished.
pub(crate) const ALWAYS: &[StageSpec] = &[
    StageSpec {
        stage: Stage::Inspect,
        goal: Goal::Extraction,
        upstream: Cow::Borrowed(&[]),
        reads_source: true,
        file: None,
        code_version: READING,
    },
    StageSpec {
        stage: Stage::Pages,
        goal: Goal::Extraction,
        upstream: Cow::Borrowed(&[Stage::Inspect]),
        reads_source: true,
        file: None,
        code_version: READING,
    },
    StageSpec {
        stage: Stage::Text,
        goal: Goal::Extraction,
        upstream: Cow::Borrowed(&[Stage::Inspect]),
        reads_source: true,
        file: Some(StageFile::Layout(|layout| &layout.text)),
        code_version: READING,
    },
    StageSpec {
        stage: Stage::Links,
        goal: Goal::Extraction,
        upstream: Cow::Borrowed(&[Stage::Inspect]),
        reads_source: true,
        file: Some(StageFile::Layout(|layout| &layout.links)),
        code_version: READING,
    },
    StageSpec {
        stage: Stage::Structure,
        goal: Goal::Extraction,
        upstream: Cow::Borrowed(&[Stage::Text]),
        reads_source: true,
        file: Some(StageFile::Layout(|layout| &layout.structure)),
        code_version: READING,
    },
    // It opens the PDF for itself, and only where the structure names files: a document without such is not fetched for it.
    StageSpec {
        stage: Stage::Attachments,
        goal: Goal::Extraction,
        upstream: Cow::Borrowed(&[Stage::Structure]),
        reads_source: false,
        file: Some(StageFile::Layout(|layout| &layout.attachments)),
        code_version: 1,
    },
    StageSpec {
        stage: Stage::Markdown,
        goal: Goal::Extraction,
        upstream: Cow::Borrowed(&[Stage::Text, Stage::Links]),
        reads_source: false,
        file: Some(StageFile::Markdown(|layout| &layout.markdown)),
        code_version: 4,
    },
    // Only where the generator asks a model: `Pipeline::takes_part`.
    StageSpec {
        stage: Stage::Predict,
        goal: Goal::Metadata,
        upstream: Cow::Borrowed(&[Stage::Text, Stage::Structure]),
        reads_source: false,
        file: Some(StageFile::Processing(KeyLayout::predictions)),
        code_version: 1,
    },
    StageSpec {
        stage: Stage::Metadata,
        goal: Goal::Metadata,
        upstream: Cow::Borrowed(&[Stage::Text, Stage::Links, Stage::Structure, Stage::Predict]),
        reads_source: false,
        file: Some(StageFile::Layout(|layout| &layout.metadata)),
        code_version: 2,
    },
    StageSpec {
        stage: Stage::Extract,
        goal: Goal::Metadata,
        upstream: Cow::Borrowed(&[Stage::Text, Stage::Attachments, Stage::Metadata]),
        reads_source: false,
        file: Some(StageFile::Layout(|layout| &layout.fields)),
        code_version: pagemill_fields::VERSION,
    },
    StageSpec {
        stage: Stage::Index,
        goal: Goal::Index,
        upstream: Cow::Borrowed(&[Stage::Pages, Stage::Structure, Stage::Metadata]),
        reads_source: false,
        file: None,
        code_version: 1,
    },
    StageSpec {
        stage: Stage::Commit,
        goal: Goal::Extraction,
        upstream: Cow::Borrowed(&[
            Stage::Pages,
            Stage::Links,
            Stage::Structure,
            Stage::Attachments,
            Stage::Markdown,
            Stage::Metadata,
            Stage::Extract,
            Stage::Index,
        ]),
        reads_source: false,
        file: None,
        code_version: 1,
    },
];

/// The version of the code that reads a PDF; its stages are one pass.
const READING: u32 = 8;

/// The stages that a pipeline runs. [`Graph::default`] has those of every pipeline.
#[derive(Debug, Clone)]
pub struct Graph {
    rows: Vec<StageSpec>,
    added: Vec<Arc<dyn AddedStage>>,
}

impl Default for Graph {
    fn default() -> Self {
        Self {
            rows: ALWAYS.to_vec(),
            added: Vec::new(),
        }
    }
}

/// A stage that can't be added to a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stage {stage} can't be added: {reason}")]
pub struct GraphError {
    stage: Stage,
    reason: String,
}

impl Graph {
    /// Adds a stage. It runs after all that are there, right before the commit, which waits for it.
    ///
    /// # Errors
    /// When there is a stage of its name, or its row contradicts those of the stages that it is made from.
    pub fn with(mut self, added: Arc<dyn AddedStage>) -> Result<Self, GraphError> {
        let spec = added.spec();
        self.check(&spec)?;
        let commit = self.rows.pop().expect("every graph ends in the commit");
        let mut upstream = commit.upstream.into_owned();
        upstream.push(spec.stage);
        self.rows.push(spec);
        self.rows.push(StageSpec {
            upstream: Cow::Owned(upstream),
            ..commit
        });
        self.added.push(added);
        Ok(self)
    }

    fn check(&self, spec: &StageSpec) -> Result<(), GraphError> {
        let refuse = |reason: String| {
            Err(GraphError {
                stage: spec.stage,
                reason,
            })
        };
        if self.row(spec.stage).is_some() {
            return refuse("the graph has a stage of this name: give it another".into());
        }
        if spec.upstream.is_empty() {
            return refuse(
                "it is made from nothing, so that it would run once and never again: name its upstream".into(),
            );
        }
        for stage in spec.upstream.iter() {
            let row = self.row(*stage).filter(|row| row.stage != Stage::Commit);
            let Some(row) = row else {
                return refuse(format!("its upstream {stage} is no stage before it"));
            };
            if row.goal > spec.goal {
                return refuse(format!(
                    "its upstream {stage} is left out of its goal: give it the goal of that stage"
                ));
            }
            if spec.reads_source && !row.reads_source {
                return refuse(format!(
                    "it reads the PDF, and its upstream {stage} is made without: leave one of both away"
                ));
            }
        }
        Ok(())
    }

    /// Checks that no stage writes where something else stands.
    ///
    /// # Errors
    /// The first stage that does, with the remedy.
    pub fn check_places(&self, layout: &KeyLayout) -> Result<(), GraphError> {
        let mut taken: Vec<&str> = layout.prefixes().map(|(_, prefix)| prefix).to_vec();
        for row in &self.rows {
            let Some(StageFile::Below(prefix) | StageFile::Pdf(prefix)) = &row.file else {
                continue;
            };
            let refuse = |reason| {
                Err(GraphError {
                    stage: row.stage,
                    reason,
                })
            };
            if let Err(reason) = KeyLayout::check_prefix(row.stage.name(), prefix) {
                return refuse(reason);
            }
            let other = taken
                .iter()
                .find(|other| prefix.starts_with(**other) || other.starts_with(prefix.as_ref()));
            if let Some(other) = other {
                return refuse(format!(
                    "its files below {prefix} would stand among those of {other}: use another prefix"
                ));
            }
            taken.push(prefix);
        }
        Ok(())
    }

    /// All rows, in the order in which stages are finished.
    pub fn rows(&self) -> &[StageSpec] {
        &self.rows
    }

    /// A stage's row; `None` for one that a record names and this graph has not.
    pub fn row(&self, stage: Stage) -> Option<&StageSpec> {
        self.rows.iter().find(|spec| spec.stage == stage)
    }

    /// The added stages with their rows, in order.
    pub(crate) fn added(&self) -> impl Iterator<Item = (&Arc<dyn AddedStage>, &StageSpec)> {
        let first = self.rows.len() - 1 - self.added.len();
        self.added.iter().zip(&self.rows[first..])
    }

    /// The place of a stage in the order of work.
    pub(crate) fn position(&self, stage: Stage) -> Option<usize> {
        self.rows.iter().position(|spec| spec.stage == stage)
    }

    /// Whether a stage needs the PDF itself. One that the graph has not is not known to.
    pub(crate) fn reads_source(&self, stage: Stage) -> bool {
        self.row(stage).is_some_and(|row| row.reads_source)
    }

    /// The version of a stage's code.
    pub(crate) fn code_version(&self, stage: Stage) -> u32 {
        self.row(stage).map_or(0, |row| row.code_version)
    }

    /// The files that stages write for a source, in the order of the stages.
    pub fn files<'a>(
        &'a self,
        layout: &'a KeyLayout,
        source: &'a SourceKey,
    ) -> impl Iterator<Item = (Stage, String)> + 'a {
        self.rows.iter().filter_map(|spec| {
            let file = spec.file.as_ref()?;
            Some((spec.stage, file.key(layout, source)))
        })
    }

    /// What the keys of stages' files begin with, in the order of the stages.
    pub fn prefixes<'a>(
        &'a self,
        layout: &'a KeyLayout,
    ) -> impl Iterator<Item = Cow<'a, str>> + 'a {
        let files = self.rows.iter().filter_map(|spec| spec.file.as_ref());
        files.map(|file| file.prefix(layout))
    }
}

/// Where the pass that reads the PDF keeps the pages of a source that it has done, those of every build: a prefix. What is
/// listed below it belongs to the source where [`KeyLayout::is_part_of`] says so. Nothing is there of a document that no
/// run is at work on.
pub fn parts(layout: &KeyLayout, source: &SourceKey) -> String {
    layout.parts_of_all_generations(source)
}

/// What the keys of all parts begin with.
pub fn parts_prefix(layout: &KeyLayout) -> String {
    layout.parts()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::added::{Made, StageWork};
    use crate::outcome::PipelineError;

    /// Every stage that there always is; a new one does not compile here until it is added.
    fn all() -> Vec<Stage> {
        let mut all = vec![Stage::Inspect];
        loop {
            let next = match all.last() {
                Some(Stage::Inspect) => Stage::Pages,
                Some(Stage::Pages) => Stage::Text,
                Some(Stage::Text) => Stage::Links,
                Some(Stage::Links) => Stage::Structure,
                Some(Stage::Structure) => Stage::Attachments,
                Some(Stage::Attachments) => Stage::Markdown,
                Some(Stage::Markdown) => Stage::Predict,
                Some(Stage::Predict) => Stage::Metadata,
                Some(Stage::Metadata) => Stage::Extract,
                Some(Stage::Extract) => Stage::Index,
                Some(Stage::Index) => Stage::Commit,
                Some(Stage::Commit | Stage::Named(_)) | None => return all,
            };
            all.push(next);
        }
    }

    #[test]
    fn every_stage_has_one_row_in_the_order_of_work() {
        let rows: Vec<Stage> = ALWAYS.iter().map(|spec| spec.stage).collect();
        assert_eq!(rows, all());
    }

    #[test]
    fn stages_are_made_from_earlier_ones_that_a_goal_brings_along() {
        let graph = Graph::default();
        for (place, spec) in graph.rows().iter().enumerate() {
            for upstream in spec.upstream.iter() {
                assert!(graph.position(*upstream) < Some(place), "{spec:?}");
                let brings = graph
                    .row(*upstream)
                    .is_some_and(|row| row.goal <= spec.goal);
                assert!(brings || spec.stage == Stage::Commit, "{spec:?}");
            }
            // What needs the file can't be made from what does not.
            let mut upstream = spec.upstream.iter();
            assert!(!spec.reads_source || upstream.all(|stage| graph.reads_source(*stage)));
        }
    }

    #[test]
    fn what_is_written_stands_under_its_prefix() {
        let (graph, layout) = (Graph::default(), KeyLayout::default());
        let source = SourceKey(format!("{}a/b.pdf", layout.source));
        let prefixes: Vec<_> = graph.prefixes(&layout).collect();
        let files: Vec<_> = graph.files(&layout, &source).collect();
        assert_eq!(prefixes.len(), files.len());
        for (prefix, (_, key)) in prefixes.iter().zip(&files) {
            assert!(key.starts_with(prefix.as_ref()), "{key}");
        }
        assert_eq!(files[0].1, layout.text(&source));
        assert_eq!(files[3].1, layout.attachments(&source));
        assert_eq!(files[4].1, layout.markdown(&source));
        assert_eq!(files[5].1, layout.prediction(&source));
        assert_eq!(files[6].1, layout.metadata(&source));
    }

    #[derive(Debug)]
    struct Toy(StageSpec);

    #[async_trait]
    impl AddedStage for Toy {
        fn spec(&self) -> StageSpec {
            self.0.clone()
        }

        async fn make(&self, work: &mut StageWork<'_, '_>) -> Result<Made, PipelineError> {
            Ok(work.without_file())
        }
    }

    fn toy(name: &str, upstream: &[Stage]) -> StageSpec {
        StageSpec {
            stage: name.parse().expect("a name"),
            goal: Goal::Extraction,
            upstream: upstream.to_vec().into(),
            reads_source: false,
            file: None,
            code_version: 1,
        }
    }

    #[test]
    fn an_added_stage_runs_before_the_commit_which_is_made_from_it() {
        let words = toy("words", &[Stage::Text]);
        let stage = words.stage;
        let graph = Graph::default()
            .with(Arc::new(Toy(words)))
            .expect("a graph");
        let more = toy("more", &[stage]);
        let graph = graph.with(Arc::new(Toy(more))).expect("a graph");
        let names: Vec<&str> = graph.rows().iter().map(|row| row.stage.name()).collect();
        assert!(
            names.ends_with(&["index", "words", "more", "commit"]),
            "{names:?}"
        );
        let commit = graph.row(Stage::Commit).expect("a commit");
        let last = [stage, "more".parse().unwrap()];
        assert!(commit.upstream.ends_with(&last), "{:?}", commit.upstream);
        let added: Vec<_> = graph.added().map(|(_, row)| row.stage.name()).collect();
        assert_eq!(added, ["words", "more"]);
    }

    #[test]
    fn a_row_that_contradicts_the_graph_is_refused_with_the_remedy() {
        let refused = |spec: StageSpec| {
            let graph = Graph::default().with(Arc::new(Toy(spec)));
            graph.expect_err("refused").to_string()
        };
        let mut twice = toy("words", &[Stage::Text]);
        twice.stage = Stage::Text;
        assert!(refused(twice).contains("another"));
        assert!(refused(toy("words", &[])).contains("name its upstream"));
        assert!(refused(toy("words", &[Stage::Commit])).contains("before it"));
        assert!(refused(toy("words", &[Stage::Metadata])).contains("goal"));
        let mut reads = toy("words", &[Stage::Metadata]);
        (reads.goal, reads.reads_source) = (Goal::Index, true);
        assert!(refused(reads).contains("reads the PDF"));
        for (prefix, fault) in [
            ("extracted_text/", "another prefix"),
            ("processing/words/", "another prefix"),
            ("words", "slash"),
        ] {
            let mut place = toy("words", &[Stage::Text]);
            place.file = Some(StageFile::Below(prefix.into()));
            let graph = Graph::default()
                .with(Arc::new(Toy(place)))
                .expect("a graph");
            let refused = graph.check_places(&KeyLayout::default());
            let refused = refused.expect_err(prefix).to_string();
            assert!(refused.contains(fault), "{refused}");
        }
    }
}
