//! A stage from outside of the crate, as CONTRIBUTING.md shows it: it counts the words of each page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use pagemill_pipeline::{
    AddedStage, Estimate, Goal, Graph, Made, Options, PipelineError, Reason, RunOutcome, Settings,
    Source, StageFile, StageSpec, StageWork, TextFile,
};
use pagemill_storage::{ObjectStore, RecordStatus, Stage};
use serde::{Deserialize, Serialize};

use crate::doubles::{Ended, SOURCE, World, engine, killed, processed};

/// Counts words, and can be made to hang before or after its file is written.
#[derive(Debug)]
struct Words {
    code_version: u32,
    separators: Option<&'static str>,
    made: Arc<AtomicU32>,
    hangs_before: Arc<AtomicBool>,
    hangs_after: Arc<AtomicBool>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct WordsFile {
    words: BTreeMap<u32, usize>,
}

#[async_trait]
impl AddedStage for Words {
    fn spec(&self) -> StageSpec {
        StageSpec {
            stage: "words".parse().expect("a plain name"),
            goal: Goal::Extraction,
            upstream: vec![Stage::Text].into(),
            reads_source: false,
            file: Some(StageFile::Below("extracted_words/".into())),
            code_version: self.code_version,
        }
    }

    fn fingerprint_parts(&self) -> Vec<String> {
        vec![format!("separators={:?}", self.separators)]
    }

    async fn make(&self, work: &mut StageWork<'_, '_>) -> Result<Made, PipelineError> {
        let text: TextFile = work.read(Stage::Text).await?;
        let is_separator = |letter: char| match self.separators {
            Some(separators) => separators.contains(letter),
            None => letter.is_whitespace(),
        };
        let count = |text: &str| {
            let words = text.split(is_separator);
            words.filter(|word| !word.is_empty()).count()
        };
        let pages = text.pages.iter();
        let words: BTreeMap<u32, usize> =
            pages.map(|page| (page.page.0, count(&page.text))).collect();
        work.fact("words", words.values().sum::<usize>());
        self.made.fetch_add(1, Ordering::Relaxed);
        if self.hangs_before.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        let made = work.write(&WordsFile { words }).await?;
        if self.hangs_after.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        Ok(made)
    }
}

const KEY: &str = "extracted_words/report.pdf.json";

struct Toy {
    world: World,
    made: Arc<AtomicU32>,
    hangs_before: Arc<AtomicBool>,
    hangs_after: Arc<AtomicBool>,
}

impl Toy {
    async fn new() -> Self {
        let mut toy = Self {
            world: World::new(engine(2)).await,
            made: Arc::default(),
            hangs_before: Arc::default(),
            hangs_after: Arc::default(),
        };
        toy.restart(1, None);
        toy
    }

    /// Another worker process, with this version of the stage's code and this setting.
    fn restart(&mut self, code_version: u32, separators: Option<&'static str>) {
        let words = Words {
            code_version,
            separators,
            made: Arc::clone(&self.made),
            hangs_before: Arc::clone(&self.hangs_before),
            hangs_after: Arc::clone(&self.hangs_after),
        };
        let graph = Graph::default().with(Arc::new(words)).expect("a graph");
        self.world.restart_with_graph(Settings::default(), graph);
    }

    async fn ran(&self) -> Vec<&'static str> {
        match self.world.run("m", 1, false).await {
            Ended::With(Ok(RunOutcome::Processed(done))) => {
                done.ran.into_iter().map(Stage::name).collect()
            }
            Ended::With(Ok(RunOutcome::Unchanged(_))) => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    async fn file(&self) -> Option<WordsFile> {
        let (_, body) = self.world.store.get_bytes(KEY).await.ok()?;
        serde_json::from_slice(&body).ok()
    }

    fn stage(&self) -> Stage {
        "words".parse().expect("a name")
    }
}

#[tokio::test]
async fn an_added_stage_makes_its_file_and_stands_in_the_record() {
    let toy = Toy::new().await;
    let ran = toy.ran().await;
    assert_eq!(
        ran[7..],
        ["metadata", "extract", "index", "words", "commit"]
    );
    let words = BTreeMap::from([(1, 4), (2, 4)]);
    assert_eq!(toy.file().await, Some(WordsFile { words }));
    let record = toy.world.record().await;
    let entry = &record.stages[&toy.stage()];
    assert_eq!(entry.outputs, [KEY]);
    assert_eq!(entry.facts["words"], 8);
    let (_, body) = toy.world.store.get_bytes(KEY).await.expect("the file");
    let file: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(file["fingerprint"], entry.fingerprint.0);
    assert_eq!(file["source"], SOURCE);
}

#[tokio::test]
async fn it_runs_again_when_its_code_its_settings_or_its_upstream_change_and_not_otherwise() {
    let mut toy = Toy::new().await;
    toy.ran().await;
    assert!(toy.ran().await.is_empty());
    toy.restart(1, None);
    assert!(
        toy.ran().await.is_empty(),
        "another process changes nothing"
    );
    toy.restart(2, None);
    assert_eq!(toy.ran().await, ["words", "commit"]);
    toy.restart(2, Some(" i"));
    assert_eq!(toy.ran().await, ["words", "commit"]);
    assert_eq!(toy.file().await.expect("a file").words[&1], 5);
    toy.world.upload("second").await;
    assert!(toy.ran().await.contains(&"words"));
    assert_eq!(toy.made.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn what_it_is_made_from_is_made_again_when_it_is_lost() {
    let mut toy = Toy::new().await;
    toy.ran().await;
    toy.world
        .store
        .delete("extracted_text/report.pdf.json")
        .await
        .expect("a deletion");
    toy.restart(2, None);
    assert_eq!(toy.ran().await, ["text", "words", "commit"]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_its_end_resumes_at_it_and_asks_nobody_again() {
    let mut toy = Toy::new().await;
    toy.hangs_before.store(true, Ordering::Relaxed);
    killed(toy.world.run("m", 1, false).await);
    let marker = toy.world.record().await.in_progress.expect("a marker");
    assert_eq!(marker.stage, toy.stage());
    toy.hangs_before.store(false, Ordering::Relaxed);
    toy.hangs_after.store(true, Ordering::Relaxed);
    toy.restart(1, None);
    toy.world.begun();
    killed(toy.world.run("m", 2, false).await);
    assert_eq!(
        toy.world.record().await.deaths.expect("a death").stage,
        toy.stage()
    );
    assert!(toy.world.begun().is_empty(), "no page is read again");
    toy.hangs_after.store(false, Ordering::Relaxed);
    toy.restart(1, None);
    processed(toy.world.run("m", 3, false).await);
    assert_eq!(toy.world.record().await.status, RecordStatus::Done);
    // The file was there and true: the third run took it as it was.
    assert_eq!(toy.made.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn its_file_goes_with_the_document_also_where_the_stage_is_no_longer_known() {
    for is_known in [true, false] {
        let mut toy = Toy::new().await;
        toy.ran().await;
        if !is_known {
            toy.world.restart();
            assert!(
                toy.ran().await.is_empty(),
                "what goes further is left as it is"
            );
            assert!(toy.world.record().await.stages.contains_key(&toy.stage()));
        }
        let removed = toy
            .world
            .pipeline
            .remove_source(
                &Source::newest(SOURCE),
                &Options::default(),
                &toy.world.permit,
            )
            .await;
        assert!(matches!(removed, Ok(RunOutcome::Removed)), "{removed:?}");
        assert!(toy.world.outputs().await.is_empty());
    }
}

#[tokio::test]
async fn a_changed_document_takes_along_what_a_stage_made_that_is_no_longer_known() {
    let mut toy = Toy::new().await;
    toy.ran().await;
    toy.world.restart();
    toy.world.upload("second").await;
    processed(toy.world.run("m", 1, false).await);
    assert_eq!(toy.file().await, None, "it would speak of what is gone");
    assert!(!toy.world.record().await.stages.contains_key(&toy.stage()));
}

#[tokio::test]
async fn it_stands_in_plans_with_its_reason() {
    let mut toy = Toy::new().await;
    let source = Source::newest(SOURCE);
    let options = Options::default();
    let plan = toy
        .world
        .pipeline
        .plan(&source, &[], &options)
        .await
        .expect("a plan");
    let planned = plan
        .stages
        .iter()
        .find(|planned| planned.stage == toy.stage());
    let planned = planned.expect("it would run");
    assert_eq!(
        (planned.reason, &planned.estimate),
        (Reason::New, &Estimate::Free)
    );
    toy.ran().await;
    toy.restart(2, None);
    let plan = toy
        .world
        .pipeline
        .plan(&source, &[], &options)
        .await
        .expect("a plan");
    let planned: Vec<_> = plan
        .stages
        .iter()
        .map(|planned| (planned.stage.name(), planned.reason))
        .collect();
    assert_eq!(
        planned,
        [("words", Reason::Changed), ("commit", Reason::Changed)]
    );
}
