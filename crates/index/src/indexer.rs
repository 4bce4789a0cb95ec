//! One document into its collections, and questions out of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use pagemill_document::{ChargeSink, PageNumber, PageText, Uncharged};

use crate::chunk::{Chunk, chunks};
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
#[derive(Debug, Clone, Copy)]
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
    /// The text of its pages, in order.
    pub pages: &'a [PageText],
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
    /// Texts are embedded and written batch by batch: besides the document's own text, memory holds one batch. Paid calls are
    /// told to `charges`, also when the indexing fails after them.
    pub async fn index(
        &self,
        document: &IndexInput<'_>,
        targets: &[TargetStore],
        permit: Permit<'_>,
        charges: &dyn ChargeSink,
    ) -> Result<IndexReport, IndexError> {
        let mut report = IndexReport {
            points: targets.iter().map(|target| (*target, 0)).collect(),
            ..Default::default()
        };
        if report.points.is_empty() {
            return Ok(report);
        }
        permit().map_err(IndexError::NotPermitted)?;
        self.ensure(targets).await?;
        let shared = DocumentPoints {
            source: document.source,
            generation: document.generation,
            sha256: document.sha256,
            language: document.language,
            title: document.title,
            page_images: document.page_images,
        };
        let mut context = Context::of(document.source, document.title);
        if report.points.contains_key(&TargetStore::Pages) {
            for batch in document.pages.chunks(self.batch_size()) {
                let texts = batch.iter().map(|page| Entry {
                    embedded: page.text.clone(),
                    words: self.words(&page.text, &context.beside_page()),
                });
                let vectors = self.vectors(texts.collect(), &mut report, charges).await?;
                let points = batch
                    .iter()
                    .zip(vectors)
                    .map(|(page, pair)| shared.page(page, pair))
                    .collect();
                self.write(TargetStore::Pages, points, permit, &mut report)
                    .await?;
            }
        }
        let chunk_targets: Vec<TargetStore> = report
            .points
            .keys()
            .copied()
            .filter(|target| *target != TargetStore::Pages)
            .collect();
        if !chunk_targets.is_empty() {
            context.add_leads(document.pages);
            let cut = self.cut(document.pages).await?;
            report.chunks = cut.len() as u64;
            for batch in cut.chunks(self.batch_size()) {
                let texts = batch.iter().map(|chunk| Entry {
                    words: self.words(&chunk.embedded_text(), &context.beside_chunk(chunk)),
                    embedded: context.embedded_text(chunk),
                });
                let vectors = self.vectors(texts.collect(), &mut report, charges).await?;
                for target in &chunk_targets {
                    let pairs = batch.iter().zip(vectors.iter().cloned());
                    let points = pairs
                        .map(|(chunk, pair)| match target {
                            TargetStore::Haystack => shared.haystack(chunk, pair),
                            TargetStore::Pages | TargetStore::Semantic => shared.chunk(chunk, pair),
                        })
                        .collect();
                    self.write(*target, points, permit, &mut report).await?;
                }
            }
        }
        self.store.flush().await?;
        Ok(report)
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

    /// Cuts the text. A long document takes seconds of CPU, so that is done on a thread that may block.
    async fn cut(&self, pages: &[PageText]) -> Result<Vec<Chunk>, IndexError> {
        let bytes: usize = pages.iter().map(|page| page.text.len()).sum();
        if bytes <= CUT_HERE_BYTES {
            return Ok(chunks(pages, &self.settings));
        }
        let settings = self.settings.clone();
        let owned = pages.to_vec();
        on_blocking_thread(move || chunks(&owned, &settings)).await
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
