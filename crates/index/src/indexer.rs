//! One document into its collections, and questions out of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use pagemill_document::{ChargeSink, PageNumber, PageText, PageTexts, Uncharged};

use crate::chunk::{Chunk, Cutter};
use crate::context::Context;
use crate::embed::{Embedder, Purpose};
use crate::error::IndexError;
use crate::points::{DocumentPoints, Point, Vectors};
use crate::settings::{CollectionNames, IndexSettings, TargetStore};
use crate::sparse::{self, Beside, SparseVector};
use crate::store::{Collection, CollectionSpec, Hit, SearchFilter, SearchQuery, VectorStore};

/// Changes when the same settings would give other points.
const LAYOUT_VERSION: &str = "index-2";

/// Pause before a failed write is tried again; doubles once.
const WRITE_PAUSE: Duration = Duration::from_millis(200);

/// Text that is cut at once: it takes less time than to hand it to another thread.
const CUT_HERE_BYTES: usize = 16 * 1024;

/// Says whether it may still write; asked before each write. An error ends the work with
/// [`IndexError::NotPermitted`].
pub type Permit<'a> =
    &'a (dyn Fn() -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + Sync);

/// A document to index.
#[derive(Clone, Copy)]
pub struct IndexInput<'a> {
    /// The source key.
    pub source: &'a str,
    /// The generation that is written.
    pub generation: &'a str,
    /// Content hash of the source, hexadecimal.
    pub sha256: &'a str,
    /// Language of the document, when known.
    pub language: Option<&'a str>,
    /// Title of the document, when known.
    pub title: Option<&'a str>,
    /// The text of its pages, in order. They are read once, some at a time.
    pub pages: &'a dyn PageTexts,
    /// Keys of the page images.
    pub page_images: &'a BTreeMap<PageNumber, String>,
}

/// A text to be found.
struct Entry {
    /// What is embedded.
    embedded: String,
    /// Its sparse vector.
    words: Option<SparseVector>,
}

/// What was done for a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexReport {
    /// Points written, by store.
    pub points: BTreeMap<TargetStore, u64>,
    /// Chunks the text was cut into; 0 when no store wanted chunks.
    pub chunks: u64,
    /// Texts that were embedded.
    pub embedded: u64,
    /// Calls to an embeddings endpoint.
    pub embed_calls: u64,
    /// Tokens the embedder read, as it counts them.
    pub embed_tokens: u64,
}

/// Chunks, embeds, writes and searches. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Indexer {
    settings: IndexSettings,
    embedder: Arc<dyn Embedder>,
    store: Arc<dyn VectorStore>,
    names: CollectionNames,
}

impl Indexer {
    /// Joins an embedder and a store.
    pub fn new(
        settings: IndexSettings,
        embedder: Arc<dyn Embedder>,
        store: Arc<dyn VectorStore>,
        names: CollectionNames,
    ) -> Result<Self, IndexError> {
        settings.check()?;
        names.check()?;
        Ok(Self {
            settings,
            embedder,
            store,
            names,
        })
    }

    /// The store, for `verify` and `doctor`.
    pub fn store(&self) -> &Arc<dyn VectorStore> {
        &self.store
    }

    /// The embedder.
    pub fn embedder(&self) -> &Arc<dyn Embedder> {
        &self.embedder
    }

    /// The collection of a store.
    pub fn collection(&self, target: TargetStore) -> Collection {
        Collection::of(target, &self.names)
    }

    /// What the points depend on besides the document: settings, model, layout, names of the collections. Batch sizes
    /// and the fusion of searches are left out, for they change no point.
    pub fn fingerprint_parts(&self) -> Vec<String> {
        let settings = &self.settings;
        vec![
            LAYOUT_VERSION.to_owned(),
            format!(
                "chunk {} overlap {} min {} {:?}",
                settings.chunk_tokens,
                settings.chunk_overlap_tokens,
                settings.min_chunk_tokens,
                settings.tokenizer
            ),
            format!(
                "embedder {} {}",
                self.embedder.name(),
                self.embedder.dimensions()
            ),
            format!(
                "sparse {} k1 {} b {} average {}",
                settings.sparse, settings.bm25_k1, settings.bm25_b, settings.bm25_average_words
            ),
            format!(
                "collections {} {} {}",
                self.names.pages, self.names.semantic, self.names.haystack
            ),
        ]
    }

    /// Makes the collections and their payload indexes when missing, and refuses wrong ones.
    pub async fn ensure(&self, targets: &[TargetStore]) -> Result<(), IndexError> {
        let spec = CollectionSpec {
            dimensions: self.embedder.dimensions(),
            sparse: self.settings.sparse,
        };
        for target in targets {
            self.store.ensure(&self.collection(*target), &spec).await?;
        }
        Ok(())
    }

    /// Writes the points of a document's generation into the stores, durably. Points of other generations stay until
    /// [`Indexer::remove_other_generations`], after the commit. Writing the same again changes nothing.
    ///
    /// Pages are read, cut, embedded and written batch by batch, so that memory does not grow with the document. Paid calls
    /// are told to `charges`, also when the indexing fails after them.
    pub async fn index(
        &self,
        document: &IndexInput<'_>,
        targets: &[TargetStore],
        permit: Permit<'_>,
        charges: &dyn ChargeSink,
    ) -> Result<IndexReport, IndexError> {
        let report = IndexReport {
            points: targets.iter().map(|target| (*target, 0)).collect(),
            ..Default::default()
        };
        if report.points.is_empty() {
            return Ok(report);
        }
        permit().map_err(IndexError::NotPermitted)?;
        self.ensure(targets).await?;
        let mut writing = Writing {
            indexer: self,
            shared: DocumentPoints {
                source: document.source,
                generation: document.generation,
                sha256: document.sha256,
                language: document.language,
                title: document.title,
                page_images: document.page_images,
            },
            context: Context::of(document.source, document.title),
            has_pages: report.points.contains_key(&TargetStore::Pages),
            chunk_targets: report
                .points
                .keys()
                .copied()
                .filter(|target| *target != TargetStore::Pages)
                .collect(),
            report,
            permit,
            charges,
        };
        let mut cutter = Some(Cutter::new(self.settings.clone()));
        let mut cut: Vec<Chunk> = Vec::new();
        let mut pages = document.pages.read();
        while let Some(mut open) = cutter.take() {
            let batch: Vec<PageText> = pages
                .by_ref()
                .take(self.batch_size())
                .map(|page| page.map(Cow::into_owned))
                .collect::<std::io::Result<_>>()
                .map_err(IndexError::Pages)?;
            let is_last = batch.len() < self.batch_size();
            if writing.has_pages {
                writing.pages(&batch).await?;
            }
            if writing.chunk_targets.is_empty() {
                cutter = (!is_last).then_some(open);
                continue;
            }
            writing.context.add_leads(&batch);
            let bytes: usize = batch.iter().map(|page| page.text.len()).sum();
            let work = move || {
                let mut found: Vec<Chunk> =
                    batch.into_iter().flat_map(|page| open.add(page)).collect();
                if !is_last {
                    return (found, Some(open));
                }
                found.extend(open.finish());
                (found, None)
            };
            // A long document takes seconds of CPU, so that is done on a thread that may block.
            let (found, left) = match bytes <= CUT_HERE_BYTES {
                true => work(),
                false => on_blocking_thread(work).await?,
            };
            cut.extend(found);
            cutter = left;
            while cut.len() >= self.batch_size() || (cutter.is_none() && !cut.is_empty()) {
                let rest = cut.split_off(self.batch_size().min(cut.len()));
                writing.chunks(&cut).await?;
                cut = rest;
            }
            let first = cut.first().map(|chunk| chunk.first_page);
            let first = first.or_else(|| cutter.as_ref()?.first_page());
            writing.context.forget_leads_before(first);
        }
        self.store.flush().await?;
        Ok(writing.report)
    }

    /// Deletes the points of a source in these stores, but those of the generation to keep. For after the commit.
    pub async fn remove_other_generations(
        &self,
        source: &str,
        keep: &str,
        targets: &[TargetStore],
        permit: Permit<'_>,
    ) -> Result<u64, IndexError> {
        self.delete(source, Some(keep), targets, permit).await
    }

    /// Deletes all points of a source in all stores.
    pub async fn remove(&self, source: &str, permit: Permit<'_>) -> Result<u64, IndexError> {
        self.delete(source, None, &TargetStore::ALL, permit).await
    }

    /// Searches a store by meaning and by words, joined as the settings say.
    pub async fn search(
        &self,
        target: TargetStore,
        question: &str,
        limit: usize,
        filter: SearchFilter,
    ) -> Result<Vec<Hit>, IndexError> {
        let fusion = self.settings.fusion;
        let mut embedding = self
            .embedder
            .embed(&[question.to_owned()], Purpose::Query, &Uncharged)
            .await?;
        let dense = embedding
            .vectors
            .pop()
            .filter(|vector| has_direction(vector));
        let sparse_vector = self.settings.sparse.then(|| sparse::query_vector(question));
        let query = SearchQuery {
            dense,
            sparse: sparse_vector,
            limit,
            filter,
            fusion,
        };
        self.store.search(&self.collection(target), query).await
    }

    fn batch_size(&self) -> usize {
        self.settings.embed_batch.max(1) as usize
    }

    /// The sparse vector of a text; none where there are to be none, or no term.
    fn words(&self, text: &str, beside: &[Beside<'_>]) -> Option<SparseVector> {
        let is_wanted = self.settings.sparse && !text.trim().is_empty();
        let vector = is_wanted.then(|| sparse::document_vector(text, beside, &self.settings));
        vector.filter(|terms| !terms.is_empty())
    }

    async fn vectors(
        &self,
        entries: Vec<Entry>,
        report: &mut IndexReport,
        charges: &dyn ChargeSink,
    ) -> Result<Vec<Vectors>, IndexError> {
        let mut vectors: Vec<Vectors> = Vec::with_capacity(entries.len());
        let (mut places, mut texts) = (Vec::new(), Vec::new());
        for (place, entry) in entries.into_iter().enumerate() {
            vectors.push((None, entry.words));
            if !entry.embedded.trim().is_empty() {
                places.push(place);
                texts.push(entry.embedded);
            }
        }
        if texts.is_empty() {
            return Ok(vectors);
        }
        let embedding = self
            .embedder
            .embed(&texts, Purpose::Document, charges)
            .await?;
        report.embedded += texts.len() as u64;
        report.embed_calls += embedding.calls;
        report.embed_tokens += embedding.tokens;
        for (place, dense) in places.into_iter().zip(embedding.vectors) {
            vectors[place].0 = Some(dense).filter(|vector| has_direction(vector));
        }
        Ok(vectors)
    }

    async fn write(
        &self,
        target: TargetStore,
        mut points: Vec<Point>,
        permit: Permit<'_>,
        report: &mut IndexReport,
    ) -> Result<(), IndexError> {
        let collection = self.collection(target);
        let most = self.settings.upsert_batch.max(1) as usize;
        while !points.is_empty() {
            let rest = points.split_off(most.min(points.len()));
            let written = points.len() as u64;
            // A short outage must not cost the embeddings of the whole document. The permit is asked again each time.
            let attempt = || async {
                permit().map_err(IndexError::NotPermitted)?;
                self.store.upsert(&collection, points.clone()).await
            };
            let pauses = ExponentialBuilder::default()
                .with_min_delay(WRITE_PAUSE)
                .with_max_times(2);
            attempt
                .retry(pauses)
                .when(|error| matches!(error, IndexError::Unavailable { .. }))
                .await?;
            *report.points.entry(target).or_default() += written;
            points = rest;
        }
        Ok(())
    }

    async fn delete(
        &self,
        source: &str,
        keep: Option<&str>,
        targets: &[TargetStore],
        permit: Permit<'_>,
    ) -> Result<u64, IndexError> {
        let mut gone = 0;
        for target in targets {
            let collection = self.collection(*target);
            let others = self
                .store
                .other_generations(&collection, source, keep)
                .await?;
            for other in others {
                permit().map_err(IndexError::NotPermitted)?;
                gone += self
                    .store
                    .delete_generation(&collection, source, &other.generation)
                    .await?;
            }
        }
        self.store.flush().await?;
        Ok(gone)
    }
}

/// A document on its way into the stores.
struct Writing<'a> {
    indexer: &'a Indexer,
    shared: DocumentPoints<'a>,
    context: Context,
    has_pages: bool,
    /// The stores that take chunks.
    chunk_targets: Vec<TargetStore>,
    report: IndexReport,
    permit: Permit<'a>,
    charges: &'a dyn ChargeSink,
}

impl Writing<'_> {
    /// Writes a batch of pages.
    async fn pages(&mut self, batch: &[PageText]) -> Result<(), IndexError> {
        let texts = batch.iter().map(|page| Entry {
            embedded: page.text.clone(),
            words: self.indexer.words(&page.text, &self.context.beside_page()),
        });
        let vectors = self
            .indexer
            .vectors(texts.collect(), &mut self.report, self.charges)
            .await?;
        let pairs = batch.iter().zip(vectors);
        let points = pairs.map(|(page, pair)| self.shared.page(page, pair));
        let points = points.collect();
        self.write(TargetStore::Pages, points).await
    }

    /// Writes a batch of chunks.
    async fn chunks(&mut self, batch: &[Chunk]) -> Result<(), IndexError> {
        self.report.chunks += batch.len() as u64;
        let texts = batch.iter().map(|chunk| Entry {
            words: self
                .indexer
                .words(&chunk.embedded_text(), &self.context.beside_chunk(chunk)),
            embedded: self.context.embedded_text(chunk),
        });
        let vectors = self
            .indexer
            .vectors(texts.collect(), &mut self.report, self.charges)
            .await?;
        for target in self.chunk_targets.clone() {
            let pairs = batch.iter().zip(vectors.iter().cloned());
            let points = pairs.map(|(chunk, pair)| match target {
                TargetStore::Haystack => self.shared.haystack(chunk, pair),
                TargetStore::Pages | TargetStore::Semantic => self.shared.chunk(chunk, pair),
            });
            let points = points.collect();
            self.write(target, points).await?;
        }
        Ok(())
    }

    async fn write(&mut self, target: TargetStore, points: Vec<Point>) -> Result<(), IndexError> {
        let (permit, report) = (self.permit, &mut self.report);
        self.indexer.write(target, points, permit, report).await
    }
}

/// Whether a vector is not all zeros: one of zeros has no cosine and must not be stored.
fn has_direction(vector: &[f32]) -> bool {
    vector.iter().any(|value| *value != 0.0)
}

/// Runs CPU work where it does not hold up other tasks. A panic in it is one of the caller.
pub(crate) async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, IndexError> {
    pagemill_panics::blocking(work)
        .await
        .map_err(|ending| IndexError::Engine {
            reason: ending.to_string(),
        })
}
