//! What an audit says of a stage that was added to the graph.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use pagemill_index::CollectionNames;
use pagemill_pipeline::{
    AddedStage, Goal, Graph, Made, PipelineError, StageFile, StageSpec, StageWork,
};
use pagemill_storage::{
    Fingerprint, KeyLayout, MemoryStore, ObjectStore, PutOptions, Record, RecordStatus,
    RecordStore, SourceKey, Stage, StageEntry,
};

use super::audit::{Audit, Remedies};
use super::finding::{Finding, Kind};
use super::graph_to_look_for;

#[derive(Debug)]
struct Words;

#[async_trait]
impl AddedStage for Words {
    fn spec(&self) -> StageSpec {
        StageSpec {
            stage: words(),
            goal: Goal::Extraction,
            upstream: vec![Stage::Text].into(),
            reads_source: false,
            file: Some(StageFile::Below("extracted_words/".into())),
            code_version: 1,
        }
    }

    async fn make(&self, work: &mut StageWork<'_, '_>) -> Result<Made, PipelineError> {
        Ok(work.without_file())
    }
}

fn words() -> Stage {
    "words".parse().expect("a plain name")
}

/// A record of a document of which nothing but the words are there.
async fn record(store: &Arc<dyn ObjectStore>, key: &str) {
    let body = Bytes::from_static(br#"{"fingerprint": "f"}"#);
    let put = store.put(key, body, PutOptions::default());
    let tag = put.await.expect("a file");
    let source = SourceKey("source-pdfs/a.pdf".to_owned());
    let mut record = Record::new(source, Timestamp::UNIX_EPOCH);
    record.status = RecordStatus::Done;
    let entry = StageEntry {
        fingerprint: Fingerprint("f".to_owned()),
        outputs: vec![key.to_owned()],
        finished_at: Timestamp::UNIX_EPOCH,
        millis: 1,
        etags: [(key.to_owned(), tag.0)].into(),
        facts: Default::default(),
        spent: Default::default(),
    };
    record.stages.insert(words(), entry);
    let records = RecordStore::new(Arc::clone(store), KeyLayout::default());
    records.save(&mut record, None).await.expect("a record");
}

async fn found(store: &Arc<dyn ObjectStore>, graph: &Arc<Graph>) -> Vec<(Kind, String)> {
    let audit = Audit {
        store: Arc::clone(store),
        layout: KeyLayout::default(),
        vectors: None,
        collections: CollectionNames::default(),
        graph: Arc::clone(graph),
        pipeline: None,
        letters: false,
        grace: Duration::ZERO,
        remedies: Remedies {
            has_sources: false,
            again: "again".to_owned(),
            again_by_key: false,
        },
    };
    let mut found = Vec::new();
    let mut tell = |finding: Finding| found.push((finding.kind, finding.key));
    audit.run(&mut tell).await.expect("an audit");
    found
}

#[tokio::test]
async fn out_4_the_file_of_an_added_stage_is_looked_for_and_a_stray_one_is_told() {
    let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new("bucket"));
    let graph = Graph::default().with(Arc::new(Words)).expect("a graph");
    let (with_words, without) = (Arc::new(graph), Arc::new(Graph::default()));
    let key = "extracted_words/a.pdf.json";
    record(&store, key).await;
    assert_eq!(found(&store, &with_words).await, []);
    assert_eq!(
        found(&store, &without).await,
        [],
        "the record vouches for it"
    );

    let stray = "extracted_words/b.pdf.json";
    let put = store.put(stray, Bytes::from_static(b"{}"), PutOptions::default());
    put.await.expect("a file");
    store.delete(key).await.expect("a deletion");
    let missing = (Kind::Missing, key.to_owned());
    assert_eq!(
        found(&store, &with_words).await,
        [missing.clone(), (Kind::Orphaned, stray.to_owned())]
    );
    // A build without the stage knows what the record says, and not what else may stand there.
    assert_eq!(found(&store, &without).await, [missing]);
}

#[tokio::test]
async fn out_4_searchable_copies_are_looked_for_whoever_made_them() {
    let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new("bucket"));
    let planned = Arc::new(Graph::default());
    for graph in [graph_to_look_for(None), graph_to_look_for(Some(&planned))] {
        let stray = "searchable_pdf/gone.pdf";
        let put = store.put(
            stray,
            Bytes::from_static(b"%PDF-1.7"),
            PutOptions::default(),
        );
        put.await.expect("a file");
        assert_eq!(
            found(&store, &graph).await,
            [(Kind::Orphaned, stray.to_owned())]
        );
        // Asked once more, it is there once.
        assert_eq!(
            graph_to_look_for(Some(&graph)).rows().len(),
            graph.rows().len()
        );
    }
}
