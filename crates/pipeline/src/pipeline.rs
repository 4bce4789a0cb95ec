//! What a pipeline is put together from, and what it is asked.

use std::sync::Arc;

use pagemill_fields::Corrections;
use pagemill_index::Indexer;
use pagemill_metadata::MetadataGenerator;
use pagemill_reader::PdfEngine;
use pagemill_storage::history::HistoryWriter;
use pagemill_storage::{KeyLayout, ObjectStore, Record, RecordStore, Sequencer, SourceKey};

use crate::attempts::{QueueMessage, UnrecordedEnds};
use crate::graph::{Graph, GraphError};
use crate::settings::Settings;

/// What a pipeline works with. Adapters are chosen once, at start.
#[derive(Debug)]
pub struct Parts {
    /// Objects: sources, outputs, records.
    pub store: Arc<dyn ObjectStore>,
    /// Opens and renders PDFs; in production in child processes (`Engine` of `pagemill-pdf`).
    pub engine: Arc<dyn PdfEngine>,
    /// Which engine that is (a hash of its library): part of the fingerprints of what it makes.
    pub engine_version: String,
    /// What reads pages from their pictures, with its models; empty where nobody does. Part of the text's fingerprint.
    pub ocr_version: String,
    /// Makes document metadata.
    pub generator: Arc<dyn MetadataGenerator>,
    /// Chunks, embeds, stores.
    pub indexer: Arc<Indexer>,
    /// The history view; a failed write of it never fails a document.
    pub history: Option<Arc<HistoryWriter>>,
    /// The tunables.
    pub settings: Arc<Settings>,
}

/// One source to process, with what the event said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its key.
    pub key: SourceKey,
    /// The version that the event speaks of, where the bucket keeps versions.
    pub version_id: Option<String>,
    /// The event's place in the order of events of this key, where it has one.
    pub sequencer: Option<Sequencer>,
}

impl Source {
    /// The newest version of a key.
    pub fn newest(key: impl Into<String>) -> Self {
        Self {
            key: SourceKey(key.into()),
            version_id: None,
            sequencer: None,
        }
    }
}

/// How one run differs from the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Run every stage, whatever the record says.
    pub force: bool,
    /// Ask the model again about a document whose metadata was made without it, because a budget was reached.
    pub after_budget: bool,
    /// The custom prompt that a message or a command gives, beside the configured prompts; see [`crate::prompt`]. Goes into
    /// the fingerprint of the metadata stage, and never into a log.
    pub custom_prompt: Option<String>,
    /// What people decided of the document's fields. A run reads it from the store; callers leave it empty.
    pub corrections: Corrections,
    /// Ties the logs of one message together.
    pub trace_id: String,
    /// The queue message that asks for the run, where one does: it tells a dead worker from one that is at work.
    pub message: Option<QueueMessage>,
}

/// Runs documents. Cheap to clone; one for the whole process.
#[derive(Debug, Clone)]
pub struct Pipeline {
    parts: Arc<Parts>,
    graph: Arc<Graph>,
    records: Arc<RecordStore>,
    pub(crate) unrecorded_ends: Arc<UnrecordedEnds>,
}

impl Pipeline {
    /// Puts the parts together, with the stages of every pipeline.
    pub fn new(parts: Parts) -> Self {
        Self::build_with(parts, Graph::default())
    }

    /// The same with stages of the caller's own.
    ///
    /// # Errors
    /// When one of them writes where something else stands.
    pub fn with_graph(parts: Parts, graph: Graph) -> Result<Self, GraphError> {
        graph.check_places(&parts.settings.layout)?;
        Ok(Self::build_with(parts, graph))
    }

    fn build_with(parts: Parts, graph: Graph) -> Self {
        let records = RecordStore::new(Arc::clone(&parts.store), parts.settings.layout.clone());
        Self {
            parts: Arc::new(parts),
            graph: Arc::new(graph),
            records: Arc::new(records),
            unrecorded_ends: Arc::default(),
        }
    }

    /// The records.
    pub fn records(&self) -> &RecordStore {
        &self.records
    }

    /// The parts.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The stages.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The key layout.
    pub fn layout(&self) -> &KeyLayout {
        &self.parts.settings.layout
    }

    /// Tells the history view. It is not the truth, so an error is logged and no more.
    pub(crate) fn note_history(&self, record: &Record) {
        if let Some(history) = &self.parts.history {
            history.update(record);
        }
    }
}
