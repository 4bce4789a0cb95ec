//! A pipeline without processes and services: an engine that hangs where a worker is to die, a store whose answers
//! can be kept back, and a generator that fails or pays as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use pagemill_document::{
    ChargeSink, Link, LinkSafety, LinkTarget, NotReserved, PageNumber, PaidCall, Rect, Units,
};
use pagemill_doubles::{MemoryVectors, ScriptedDocument, page_of};
use pagemill_index::testing::HashEmbedder;
use pagemill_index::{
    CollectionNames, Embedder, Embedding, IndexError, Indexer, Purpose, TargetStore, VectorStore,
};
use pagemill_metadata::extractive::ExtractiveGenerator;
use pagemill_metadata::{
    DocumentInput, DocumentMetadata, Ending, GeneratorKind, MetadataError, MetadataGenerator,
    Prediction, Said, Usage,
};
use pagemill_pipeline::{
    Graph, Options, Parts, Permit, PermitLost, Pipeline, PipelineError, Progress, QueueMessage,
    RunOutcome, Settings, Source,
};
use pagemill_reader::{
    KeptReadings, Pace, PageFailure, PageOutput, PdfDocument, PdfEngine, PdfError, PictureReading,
    SealedFile,
};
use pagemill_storage::object::{ByteStream, Listing};
use pagemill_storage::{
    Charge, Charged, ETag, Fingerprint, MemoryStore, ObjectMeta, ObjectStore, PutOptions, Record,
    Sequencer, SourceKey, Stage, StorageError,
};
use serde::de::DeserializeOwned;

pub(crate) const SOURCE: &str = "source-pdfs/report.pdf";

/// An engine whose documents have so many pages, and where it hangs.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub(crate) pages: u32,
    pub(crate) hangs_at_open: AtomicBool,
    pub(crate) killers: BTreeSet<u32>,
    /// Pages at which the program itself fails.
    pub(crate) faults: BTreeSet<u32>,
    /// What its documents carry, by name.
    pub(crate) carries: Vec<(String, String)>,
    /// How often a document was opened.
    pub(crate) opened: AtomicU32,
    /// How long each page takes.
    pub(crate) page_time: Duration,
    /// Whether its pages are pictures, which are read unless it is known what they say.
    pub(crate) scans: bool,
    /// The pages whose pictures were read, a number each time.
    pub(crate) read: Arc<Mutex<Vec<u32>>>,
    /// Pages in the order that they were begun, with the pace.
    pub(crate) begun: Arc<Mutex<Vec<(u32, Pace)>>>,
}

#[async_trait]
impl PdfEngine for Engine {
    async fn open(&self, _: SealedFile, _: &[String]) -> Result<Box<dyn PdfDocument>, PdfError> {
        if self.hangs_at_open.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        self.opened.fetch_add(1, Ordering::Relaxed);
        let (killers, begun) = (self.killers.clone(), Arc::clone(&self.begun));
        let (faults, page_time) = (self.faults.clone(), self.page_time);
        let (scans, read) = (self.scans, Arc::clone(&self.read));
        let document = ScriptedDocument::new(self.pages, move |page, request| {
            let is_left_out = request.skip.contains(&page.0);
            let is_killer = killers.contains(&page.0);
            let is_fault = faults.contains(&page.0);
            let scan = scans.then(|| (request.readings.clone(), Arc::clone(&read)));
            if !is_left_out {
                let mut begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
                begun.push((page.0, request.pace));
            }
            async move {
                if is_left_out {
                    return Err(PageFailure::KilledTheWorker { page });
                }
                assert!(!is_fault, "{}", text_of(page));
                if is_killer {
                    std::future::pending::<()>().await;
                }
                if !page_time.is_zero() {
                    tokio::time::sleep(page_time).await;
                }
                let readings = match scan {
                    Some((kept, read)) => read_picture(page, kept, &read).await,
                    None => Vec::new(),
                };
                Ok(PageOutput {
                    readings,
                    links: Some(links_of(page)),
                    links_dropped: page.0 % 2,
                    ..page_of(page, text_of(page))
                })
            }
            .boxed()
        });
        Ok(Box::new(document.carrying(self.carries.clone())))
    }

    async fn shutdown(&self) {}
}

/// What comes to be known of a page's picture, where nobody keeps it yet.
async fn read_picture(
    page: PageNumber,
    kept: Option<Arc<dyn KeptReadings>>,
    read: &Mutex<Vec<u32>>,
) -> Vec<PictureReading> {
    let picture = format!("{:064x}", page.0);
    let known = match &kept {
        Some(kept) => kept.of_page(page).await,
        None => Vec::new(),
    };
    if known.iter().any(|known| known.picture == picture) {
        return Vec::new();
    }
    let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
    read.push(page.0);
    let reading = PictureReading {
        picture,
        reading: "words".to_owned(),
    };
    kept.map(|_| reading).into_iter().collect()
}

/// Every third page has one.
fn links_of(page: PageNumber) -> Vec<Link> {
    let link = Link {
        page,
        target: LinkTarget::Uri {
            uri: format!("https://example.org/{}", page.0),
        },
        safety: LinkSafety::Ordinary,
        anchor: None,
        bbox: Rect::default(),
        quads: Vec::new(),
    };
    page.0
        .is_multiple_of(3)
        .then_some(link)
        .into_iter()
        .collect()
}

fn text_of(page: PageNumber) -> String {
    format!("This is page {}.", page.0)
}

/// The extractive generator, with a fault that the documents of one name meet.
#[derive(Debug)]
pub(crate) struct Generator {
    inner: ExtractiveGenerator,
    fails_at: Mutex<Option<&'static str>>,
    longest_prompt: Mutex<Option<usize>>,
    /// The prompts that it was given.
    prompts: Mutex<Vec<Option<String>>>,
    /// Whether it makes paid calls, and what comes of them.
    paid: Mutex<Option<PaidAnswer>>,
    /// The calls that it makes, and those that it made.
    pub(crate) calls: AtomicU32,
    pub(crate) made: AtomicU32,
    /// The version of its rules.
    pub(crate) rules: AtomicU32,
}

/// What comes of a paid call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaidAnswer {
    Good,
    /// The stage fails for good, although it has paid.
    ThenFails,
    /// The worker dies when it has the answer of this call, the first being 1; good ones come before it.
    Deadly(u32),
}

/// What each paid call of the double uses.
pub(crate) fn paid_call(model: &str) -> PaidCall {
    let units = Units {
        input_tokens: Some(1_000),
        output_tokens: Some(10),
        ..Units::default()
    };
    PaidCall::answered("api.example.com", model, units)
}

/// An embedder that is paid for when it is told so.
#[derive(Debug, Default)]
pub(crate) struct PaidEmbedder {
    pub(crate) is_paid: AtomicBool,
}

#[async_trait]
impl Embedder for PaidEmbedder {
    fn name(&self) -> String {
        HASHES.name()
    }

    fn dimensions(&self) -> usize {
        HASHES.dimensions()
    }

    async fn embed(
        &self,
        texts: &[String],
        purpose: Purpose,
        charges: &dyn ChargeSink,
    ) -> Result<Embedding, IndexError> {
        if self.is_paid.load(Ordering::Relaxed) {
            let charged = charges.charge(paid_call("embedder")).await;
            charged.map_err(|error| IndexError::NotPermitted(Box::new(error)))?;
        }
        HASHES.embed(texts, purpose, charges).await
    }
}

const HASHES: HashEmbedder = HashEmbedder { dimensions: 4 };

impl Generator {
    pub(crate) fn take_prompts(&self) -> Vec<Option<String>> {
        std::mem::take(&mut self.prompts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn refuse_prompts_over(&self, bytes: Option<usize>) {
        *self
            .longest_prompt
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = bytes;
    }

    pub(crate) fn is_paid(&self, answer: Option<PaidAnswer>) {
        *self.paid.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    pub(crate) fn fail_at(&self, name: Option<&'static str>) {
        *self.fails_at.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }
}

#[async_trait]
impl MetadataGenerator for Generator {
    fn kind(&self) -> GeneratorKind {
        self.inner.kind()
    }

    fn fingerprint_parts(&self) -> Vec<String> {
        let mut parts = self.inner.fingerprint_parts();
        parts.push(self.rules.load(Ordering::Relaxed).to_string());
        parts
    }

    fn prediction_parts(&self) -> Option<Vec<String>> {
        let paid = *self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        paid.map(|_| vec!["a double".to_owned()])
    }

    async fn predict(
        &self,
        input: DocumentInput<'_>,
        charges: &dyn ChargeSink,
    ) -> Result<(Prediction, Usage), MetadataError> {
        let paid = *self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut answers, mut usage) = (Vec::new(), Usage::default());
        for number in 1..=self.calls.load(Ordering::Relaxed) {
            let said = Said {
                request_sha: format!("{number:02}{}", &input.sha256[2..]),
                was_cut: false,
                content: format!("answer {number}"),
            };
            let call = paid_call("llm");
            if charges.kept(&said.request_sha).await?.is_none() {
                let most = Units {
                    output_tokens: Some(20),
                    ..call.units
                };
                let reserved = match charges.reserve("llm", &most).await {
                    Ok(reserved) => reserved,
                    Err(NotReserved::Stop(error)) => return Err(error.into()),
                    Err(NotReserved::Budget(budget)) => {
                        let prediction = Prediction {
                            ending: Ending::BudgetReached,
                            reason: Some(budget),
                            ..Prediction::default()
                        };
                        return Ok((prediction, usage));
                    }
                };
                self.made.fetch_add(1, Ordering::Relaxed);
                usage.calls += 1;
                charges
                    .charge(PaidCall {
                        request_sha: Some(said.request_sha.clone()),
                        answer: Some(format!("{{\"number\": {number}}}")),
                        reserved,
                        ..call
                    })
                    .await?;
                if paid == Some(PaidAnswer::Deadly(number)) {
                    return std::future::pending().await;
                }
            }
            answers.push(said);
        }
        let prediction = Prediction {
            model: Some("llm".to_owned()),
            ending: Ending::Answered,
            answers,
            ..Prediction::default()
        };
        Ok((prediction, usage))
    }

    async fn judge(
        &self,
        input: DocumentInput<'_>,
        prediction: &Prediction,
    ) -> Result<DocumentMetadata, MetadataError> {
        let fails_at = *self.fails_at.lock().unwrap_or_else(PoisonError::into_inner);
        assert_ne!(fails_at, Some(input.source_name), "{}", input.pages[0].text);
        let prompt = input.custom_prompt.map(str::to_owned);
        let bytes = prompt.as_ref().map_or(0, String::len);
        self.prompts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(prompt);
        let longest = *self
            .longest_prompt
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if longest.is_some_and(|longest| bytes > longest) {
            let reason = format!("it has {bytes} bytes");
            return Err(MetadataError::CustomPrompt { reason });
        }
        let paid = *self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        if paid == Some(PaidAnswer::ThenFails) {
            return Err(MetadataError::CustomPrompt {
                reason: "only seen after a call".to_owned(),
            });
        }
        let mut metadata = self.inner.judge(input, prediction).await?;
        metadata.warnings.extend(prediction.reason.clone());
        Ok(metadata)
    }
}

/// Which writes of a record get no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The write never takes place.
    Write,
    /// It takes place, and its answer is lost.
    Answer,
}

/// A store whose n-th write of a kind from now gets no answer.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) inner: MemoryStore,
    /// Counted are writes and deletions of keys with this prefix.
    lost: Mutex<Option<(&'static str, u32, Lost)>>,
    /// What was written and deleted, in order: the first key of each call.
    written: Mutex<Vec<String>>,
    /// The prefixes that were listed.
    listed: Mutex<Vec<String>>,
    /// The records that were written.
    records: Mutex<Vec<Record>>,
}

impl Store {
    /// Loses a write of a record.
    pub(crate) fn lose(&self, nth: u32, lost: Lost) {
        self.lose_below("processing/records/", nth, lost);
    }

    /// Loses a write or a deletion of a key with this prefix.
    pub(crate) fn lose_below(&self, prefix: &'static str, nth: u32, lost: Lost) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some((prefix, nth, lost));
    }

    /// What was written and deleted since the last look.
    pub(crate) fn take_written(&self) -> Vec<String> {
        std::mem::take(&mut self.written.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The prefixes that were listed since the last look.
    pub(crate) fn take_listed(&self) -> Vec<String> {
        std::mem::take(&mut self.listed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The records that were written since the last look.
    pub(crate) fn take_records(&self) -> Vec<Record> {
        std::mem::take(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lost_now(&self, key: &str) -> Option<Lost> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.push(key.to_owned());
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let (prefix, nth, what) = (*lost)?;
        if !key.starts_with(prefix) {
            return None;
        }
        *lost = (nth > 1).then_some((prefix, nth - 1, what));
        (nth == 1).then_some(what)
    }

    /// Does what a call does, unless it is to be lost.
    async fn call<T>(
        &self,
        key: &str,
        doing: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        match self.lost_now(key) {
            None => doing.await,
            Some(Lost::Write) => std::future::pending().await,
            Some(Lost::Answer) => {
                doing.await?;
                std::future::pending().await
            }
        }
    }
}

#[async_trait]
impl ObjectStore for Store {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn head(&self, key: &str, version_id: Option<&str>) -> Result<ObjectMeta, StorageError> {
        self.inner.head(key, version_id).await
    }

    async fn get(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<(ObjectMeta, ByteStream), StorageError> {
        self.inner.get(key, version_id).await
    }

    async fn get_bytes(&self, key: &str) -> Result<(ObjectMeta, Bytes), StorageError> {
        self.inner.get_bytes(key).await
    }

    async fn put(&self, key: &str, body: Bytes, options: PutOptions) -> Result<ETag, StorageError> {
        // So that runs side by side meet, as they do where a write takes time.
        tokio::task::yield_now().await;
        let record = serde_json::from_slice(&body).ok();
        if let Some(record) = record.filter(|_| key.starts_with("processing/records/")) {
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.push(record);
        }
        self.call(key, self.inner.put(key, body, options)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.call(key, self.inner.delete(key)).await
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StorageError> {
        let first = keys.first().cloned().unwrap_or_default();
        self.call(&first, self.inner.delete_many(keys)).await
    }

    fn list(&self, prefix: &str) -> Listing {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.push(prefix.to_owned());
        self.inner.list(prefix)
    }
}

/// A permit that may stop the run a second after its beginning, and keeps what it is told.
#[derive(Debug, Default)]
pub(crate) struct TestPermit {
    pub(crate) stops: bool,
    /// Whether the run is to end at its next boundary.
    pub(crate) stops_soon: AtomicBool,
    pub(crate) attempts: AtomicU32,
    charged: Mutex<Charged>,
    used: Mutex<BTreeSet<pagemill_pipeline::Dependency>>,
}

impl TestPermit {
    /// What all runs paid.
    pub(crate) fn charged(&self) -> Charged {
        *self.charged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What runs made use of since the last look.
    pub(crate) fn take_used(&self) -> BTreeSet<pagemill_pipeline::Dependency> {
        std::mem::take(&mut self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Permit for TestPermit {
    fn check(&self) -> Result<(), PermitLost> {
        Ok(())
    }

    fn progress(&self, _: Progress) {}

    fn should_stop(&self) -> bool {
        self.stops_soon.load(Ordering::Relaxed)
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        match self.stops {
            true => Box::pin(tokio::time::sleep(Duration::from_secs(1))),
            false => Box::pin(std::future::pending()),
        }
    }

    fn used(&self, dependency: pagemill_pipeline::Dependency) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(dependency);
    }

    fn charged(&self, charge: &Charge) {
        let mut charged = self.charged.lock().unwrap_or_else(PoisonError::into_inner);
        charged.add(&Charged::from(charge));
    }

    fn failed(&self, attempts: u32) {
        self.attempts.store(attempts, Ordering::Relaxed);
    }
}

/// A worker and what it works with.
pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    pub(crate) vectors: Arc<MemoryVectors>,
    pub(crate) embedder: Arc<PaidEmbedder>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) generator: Arc<Generator>,
    pub(crate) permit: TestPermit,
    pub(crate) pipeline: Pipeline,
}

/// How a run ended.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub(crate) enum Ended {
    With(Result<RunOutcome, PipelineError>),
    /// It hung, and was dropped without a chance to write anything more, as if its process had been killed.
    Killed,
}

impl World {
    pub(crate) async fn new(engine: Engine) -> Self {
        let store = Arc::new(Store {
            inner: MemoryStore::new("bucket"),
            lost: Mutex::new(None),
            written: Mutex::default(),
            listed: Mutex::default(),
            records: Mutex::default(),
        });
        let (vectors, engine) = (Arc::new(MemoryVectors::default()), Arc::new(engine));
        let generator = Arc::new(Generator {
            inner: ExtractiveGenerator::new(&Settings::default().metadata),
            fails_at: Mutex::default(),
            longest_prompt: Mutex::default(),
            prompts: Mutex::default(),
            paid: Mutex::default(),
            calls: AtomicU32::new(1),
            made: AtomicU32::default(),
            rules: AtomicU32::default(),
        });
        let embedder = Arc::new(PaidEmbedder::default());
        let pipeline = pipeline(
            &store,
            &vectors,
            &embedder,
            &engine,
            &generator,
            Settings::default(),
        );
        let world = Self {
            store,
            vectors,
            embedder,
            engine,
            generator,
            permit: TestPermit::default(),
            pipeline,
        };
        world.upload("first").await;
        world
    }

    /// Another worker process: it remembers nothing.
    pub(crate) fn restart(&mut self) {
        self.restart_with(Settings::default());
    }

    /// Another worker process, with other settings.
    pub(crate) fn restart_with(&mut self, settings: Settings) {
        let Self {
            store,
            vectors,
            embedder,
            engine,
            generator,
            ..
        } = self;
        self.pipeline = pipeline(store, vectors, embedder, engine, generator, settings);
    }

    /// Another worker process, with other settings and stages.
    pub(crate) fn restart_with_graph(&mut self, settings: Settings, graph: Graph) {
        let Self {
            store,
            vectors,
            embedder,
            engine,
            generator,
            ..
        } = self;
        let parts = parts(store, vectors, embedder, engine, generator, settings);
        self.pipeline = Pipeline::with_graph(parts, graph).expect("places of their own");
    }

    /// Puts a version of the source.
    pub(crate) async fn upload(&self, content: &str) {
        self.upload_as(SOURCE, content).await;
    }

    /// Puts a version of a source.
    pub(crate) async fn upload_as(&self, key: &str, content: &str) {
        let bytes = Bytes::from(format!("%PDF-1.7 {content}"));
        let put = self.store.inner.put(key, bytes, PutOptions::default());
        put.await.expect("a source");
    }

    /// Runs the document for a message, and kills the worker when it hangs.
    pub(crate) async fn run(&self, message_id: &str, receives: u32, force: bool) -> Ended {
        let source = Source::newest(SOURCE);
        self.run_source(&source, message_id, receives, force).await
    }

    /// The newest version of the source.
    pub(crate) async fn version_id(&self) -> Option<String> {
        let head = self.store.head(SOURCE, None).await;
        head.expect("a source").version_id
    }

    /// Runs the document for an event of the bucket.
    pub(crate) async fn run_event(&self, sequencer: &str) -> Ended {
        self.run_version(sequencer, None).await
    }

    /// Runs the document for an event of the bucket that names a version.
    pub(crate) async fn run_version(&self, sequencer: &str, version_id: Option<&str>) -> Ended {
        let source = Source {
            sequencer: Sequencer::new(sequencer),
            version_id: version_id.map(str::to_owned),
            ..Source::newest(SOURCE)
        };
        self.run_source(&source, sequencer, 1, false).await
    }

    /// Runs a document of a folder, for which there is no message.
    pub(crate) async fn run_in_folder(&self, force: bool) -> Ended {
        let options = Options {
            force,
            ..Options::default()
        };
        self.run_with(&Source::newest(SOURCE), &options).await
    }

    pub(crate) async fn run_source(
        &self,
        source: &Source,
        message_id: &str,
        receives: u32,
        force: bool,
    ) -> Ended {
        let options = Options {
            force,
            trace_id: message_id.to_owned(),
            message: Some(QueueMessage {
                message_id: message_id.to_owned(),
                receives,
            }),
            ..Options::default()
        };
        self.run_with(source, &options).await
    }

    pub(crate) async fn run_with(&self, source: &Source, options: &Options) -> Ended {
        self.run_for(Duration::from_secs(60), source, options).await
    }

    /// Runs a document, and kills the worker when it takes longer than this.
    pub(crate) async fn run_for(
        &self,
        time: Duration,
        source: &Source,
        options: &Options,
    ) -> Ended {
        let run = self.pipeline.process_single_source(
            source,
            &[TargetStore::Pages],
            options,
            &self.permit,
        );
        match tokio::time::timeout(time, run).await {
            Ok(ended) => Ended::With(ended),
            Err(_) => Ended::Killed,
        }
    }

    /// All objects but the source and the record.
    pub(crate) async fn outputs(&self) -> BTreeMap<String, Bytes> {
        let mut outputs = BTreeMap::new();
        let mut listing = self.store.list("");
        while let Some(meta) = listing.next().await {
            let key = meta.expect("a listing").key;
            if key != SOURCE && !key.starts_with("processing/") {
                let (_, body) = self.store.get_bytes(&key).await.expect("an object");
                outputs.insert(key, body);
            }
        }
        outputs
    }

    /// Runs the document for a message, and says which stages ran.
    pub(crate) async fn ran(&self) -> Vec<Stage> {
        match self.run("a message", 1, false).await {
            Ended::With(Ok(RunOutcome::Processed(done))) => done.ran,
            Ended::With(Ok(RunOutcome::Unchanged(_))) => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    /// Makes the document one of a build that did not know this stage and its file.
    pub(crate) async fn forget(&self, stage: Stage, key: &str) {
        self.store.inner.delete(key).await.expect("a deletion");
        let records = self.pipeline.records();
        let loaded = records.load(&SourceKey(SOURCE.to_owned())).await;
        let (mut record, tag) = loaded.expect("a readable record").expect("a record");
        record.stages.remove(&stage);
        let commit = record.stages.get_mut(&Stage::Commit).expect("a commit");
        commit.fingerprint = Fingerprint("of the build before".to_owned());
        let saved = records.save(&mut record, Some(&tag)).await;
        saved.expect("a record");
    }

    /// A file of JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, key: &str) -> T {
        let (_, body) = self.store.get_bytes(key).await.expect("a file");
        serde_json::from_slice(&body).expect("its shape")
    }

    pub(crate) async fn record(&self) -> Record {
        let source = SourceKey(SOURCE.to_owned());
        let loaded = self.pipeline.records().load(&source).await;
        loaded.expect("a readable record").expect("a record").0
    }

    pub(crate) fn begun(&self) -> Vec<(u32, Pace)> {
        let mut begun = self
            .engine
            .begun
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut begun)
    }
}

fn pipeline(
    store: &Arc<Store>,
    vectors: &Arc<MemoryVectors>,
    embedder: &Arc<PaidEmbedder>,
    engine: &Arc<Engine>,
    generator: &Arc<Generator>,
    settings: Settings,
) -> Pipeline {
    Pipeline::new(parts(store, vectors, embedder, engine, generator, settings))
}

fn parts(
    store: &Arc<Store>,
    vectors: &Arc<MemoryVectors>,
    embedder: &Arc<PaidEmbedder>,
    engine: &Arc<Engine>,
    generator: &Arc<Generator>,
    settings: Settings,
) -> Parts {
    let indexer = Indexer::new(
        settings.index.clone(),
        Arc::clone(embedder) as Arc<dyn Embedder>,
        Arc::clone(vectors) as Arc<dyn VectorStore>,
        CollectionNames::default(),
    );
    Parts {
        store: Arc::clone(store) as Arc<dyn ObjectStore>,
        engine: Arc::clone(engine) as Arc<dyn PdfEngine>,
        engine_version: "double".to_owned(),
        ocr_version: match settings.ocr.enabled {
            true => format!("a reader {}", settings.ocr.languages.join("+")),
            false => String::new(),
        },
        generator: Arc::clone(generator) as Arc<dyn MetadataGenerator>,
        indexer: Arc::new(indexer.expect("the default settings are in order")),
        history: None,
        settings: Arc::new(settings),
    }
}

/// An engine whose documents have so many pages, and which hangs nowhere.
pub(crate) fn engine(pages: u32) -> Engine {
    Engine {
        pages,
        ..Engine::default()
    }
}

#[track_caller]
pub(crate) fn killed(ended: Ended) {
    assert!(matches!(ended, Ended::Killed), "{ended:?}");
}

#[track_caller]
pub(crate) fn processed(ended: Ended) {
    let is_processed = matches!(ended, Ended::With(Ok(RunOutcome::Processed(_))));
    assert!(is_processed, "{ended:?}");
}
