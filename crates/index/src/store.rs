//! Vector stores: one trait, a Qdrant server, the same engine in this process, and files for a build without it.

mod beside;
#[cfg(feature = "embedded")]
pub mod edge;
pub mod flat;
mod folder;
#[cfg(feature = "qdrant")]
pub mod qdrant;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::IndexError;
use crate::fusion;
use crate::points::Point;
use crate::settings::{CollectionNames, Fusion, TargetStore};
use crate::sparse::SparseVector;
use flat::FlatStore;
use folder::{Held, Writer};

/// Opens (or makes) the embedded store in a directory, and holds its lock until it is dropped. What is there decides which
/// store it is, so that every build reads what a smaller one wrote; a new one is the engine's where that is built. Within a
/// runtime it also answers the questions of other processes ([`embedded_store_to_read`]).
///
/// # Errors
/// [`IndexError::NotBuilt`] for what the engine wrote, without the feature `embedded`; [`IndexError::Locked`] and
/// [`IndexError::Engine`].
pub fn embedded_store(dir: &Path) -> Result<Arc<dyn VectorStore>, IndexError> {
    match folder::writer(dir)? {
        Some(Writer::Flat) => Ok(answering(dir, FlatStore::open(dir)?, FlatStore::held)),
        #[cfg(feature = "embedded")]
        Some(Writer::Engine) | None => {
            let store = edge::EdgeStore::open(dir)?;
            Ok(answering(dir, store, edge::EdgeStore::held))
        }
        #[cfg(not(feature = "embedded"))]
        Some(Writer::Engine) => Err(IndexError::NotBuilt {
            what: format!("the engine that wrote the vectors in {}", dir.display()),
            feature: "embedded",
        }),
        #[cfg(not(feature = "embedded"))]
        None => Ok(answering(dir, FlatStore::open(dir)?, FlatStore::held)),
    }
}

/// A store that answers others as long as it is open.
fn answering<S: VectorStore + 'static>(
    dir: &Path,
    store: S,
    held: fn(&S) -> &Held,
) -> Arc<dyn VectorStore> {
    let store = Arc::new(store);
    let answers: Arc<dyn VectorStore> = store.clone();
    held(&store).answer_for(dir, Arc::downgrade(&answers));
    answers
}

/// The embedded store in a directory for one who only reads. Where another process has it, that process is asked, and what it
/// has written is found at once; writes are then refused as [`IndexError::Locked`].
///
/// # Errors
/// As [`embedded_store`]; [`IndexError::Locked`] only where the other process answers nobody.
pub fn embedded_store_to_read(dir: &Path) -> Result<Arc<dyn VectorStore>, IndexError> {
    match embedded_store(dir) {
        Err(IndexError::Locked { dir: locked }) => match beside::HeldElsewhere::of(dir) {
            Some(store) => Ok(Arc::new(store)),
            None => Err(IndexError::Locked { dir: locked }),
        },
        opened => opened,
    }
}

/// A Qdrant server by its gRPC address. Makes no call.
///
/// # Errors
/// [`IndexError::NotBuilt`] without the feature `qdrant`; [`IndexError::Settings`] for what is no address.
pub fn qdrant_store(
    url: &str,
    api_key: Option<&SecretString>,
) -> Result<Arc<dyn VectorStore>, IndexError> {
    #[cfg(feature = "qdrant")]
    return Ok(Arc::new(qdrant::QdrantServer::connect(url, api_key)?));
    #[cfg(not(feature = "qdrant"))]
    {
        let _ = (url, api_key);
        Err(IndexError::NotBuilt {
            what: "the client of a Qdrant server".to_owned(),
            feature: "qdrant",
        })
    }
}

/// The name of the dense vector of every point. It is Haystack's (`converters.py`, `DENSE_VECTORS_NAME`), and used
/// for all stores alike.
pub const DENSE_VECTOR: &str = "text-dense";

/// The name of the sparse vector of every point. It is Haystack's (`converters.py`, `SPARSE_VECTORS_NAME`).
pub const SPARSE_VECTOR: &str = "text-sparse";

/// A collection and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Collection {
    /// Its name in the store.
    pub name: String,
    /// What is kept in it; decides where the payload's fields stand.
    pub target: TargetStore,
}

impl Collection {
    /// The collection of a store.
    pub fn of(target: TargetStore, names: &CollectionNames) -> Self {
        Self {
            name: names.name(target).to_owned(),
            target,
        }
    }

    /// Where a field stands in the payload: Haystack keeps all but the content under `meta`.
    pub fn field(&self, name: &str) -> String {
        match self.target {
            TargetStore::Pages | TargetStore::Semantic => name.to_owned(),
            TargetStore::Haystack => format!("meta.{name}"),
        }
    }

    /// Reads a field of a payload of this collection.
    pub fn read<'a>(&self, payload: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
        match self.target {
            TargetStore::Pages | TargetStore::Semantic => payload.get(name),
            TargetStore::Haystack => payload.get("meta")?.get(name),
        }
    }
}

/// What a collection must be able to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionSpec {
    /// Dimensions of the dense vectors; their distance is cosine.
    pub dimensions: usize,
    /// Whether points have sparse vectors too. (Collections are always made so that they could.)
    pub sparse: bool,
}

/// What to search near to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum QueryVector {
    /// By cosine to the dense vectors.
    Dense(Vec<f32>),
    /// By the dot product with the sparse vectors, terms weighted by their rarity in the collection.
    Sparse(SparseVector),
}

/// Which points to look at. All conditions must hold; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchFilter {
    /// Only points of this source key.
    pub source: Option<String>,
    /// Only points of sources below this folder, such as `source-pdfs/reports/`; it ends with `/`.
    pub folder: Option<String>,
    /// Only points of documents in this language (as given when they were indexed).
    pub language: Option<String>,
    /// Only points of this generation.
    pub generation: Option<String>,
}

impl SearchFilter {
    /// The conditions as field names and values, with the names as in the payload of a flat collection.
    pub fn conditions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("source", self.source.as_deref()),
            ("folders", self.folder.as_deref()),
            ("language", self.language.as_deref()),
            ("generation", self.generation.as_deref()),
        ]
        .into_iter()
        .filter_map(|(field, value)| value.map(|wanted| (field, wanted)))
    }
}

/// The fields by which points are filtered; each has a keyword index.
pub const INDEXED_FIELDS: [&str; 4] = ["source", "generation", "folders", "language"];

/// A point that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Its id.
    pub id: Uuid,
    /// How well it fits. Comparable within one search only.
    pub score: f32,
    /// Its payload; see [`crate::points`].
    pub payload: Map<String, Value>,
}

/// How many points of one generation of one source a collection holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Inventory {
    /// The source key.
    pub source: String,
    /// The generation.
    pub generation: String,
    /// Points of it.
    pub points: u64,
}

/// Counts points by the source and the generation that their payloads name.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<(String, String), u64>);

impl Tally {
    /// Counts the points with these payloads too.
    pub(crate) fn add(
        &mut self,
        collection: &Collection,
        payloads: impl IntoIterator<Item = impl Borrow<Map<String, Value>>>,
    ) {
        for payload in payloads {
            let field = |name| {
                let value = collection.read(payload.borrow(), name);
                let value = value.and_then(Value::as_str);
                value.unwrap_or_default().to_owned()
            };
            *self
                .0
                .entry((field("source"), field("generation")))
                .or_default() += 1;
        }
    }

    /// The result, sorted.
    pub(crate) fn into_inventory(self) -> Vec<Inventory> {
        let rows = self.0.into_iter();
        rows.map(|((source, generation), points)| Inventory {
            source,
            generation,
            points,
        })
        .collect()
    }
}

/// What to search for, with both kinds of vectors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchQuery {
    /// The dense vector; none: the sparse one alone.
    pub dense: Option<Vec<f32>>,
    /// The sparse vector; none, or without a term: the dense one alone.
    pub sparse: Option<SparseVector>,
    /// Most hits.
    pub limit: usize,
    /// Which points to look at.
    pub filter: SearchFilter,
    /// How the two lists are joined.
    pub fusion: Fusion,
}

/// A vector store. Every write is durable when its call returns, for the embedded store after [`VectorStore::flush`].
#[async_trait]
pub trait VectorStore: Send + Sync + std::fmt::Debug {
    /// Makes the collection and its payload indexes when missing. A collection of another vector size is
    /// [`IndexError::WrongVectorSize`]. Safe to call by several workers at once.
    async fn ensure(
        &self,
        collection: &Collection,
        spec: &CollectionSpec,
    ) -> Result<(), IndexError>;

    /// Writes points; one with the same id is replaced.
    async fn upsert(&self, collection: &Collection, points: Vec<Point>) -> Result<(), IndexError>;

    /// The generations of a source that the collection holds points of, but for the one to keep; sorted. None when
    /// the collection is not there.
    async fn other_generations(
        &self,
        collection: &Collection,
        source: &str,
        keep: Option<&str>,
    ) -> Result<Vec<Inventory>, IndexError>;

    /// Deletes the points of one generation of a source. A collection that is not there holds none. Returns how many
    /// were seen to go.
    ///
    /// What is deleted is named, never what is kept: a call that comes late, from a worker that was overtaken, must not
    /// take away a generation that it knows nothing of.
    async fn delete_generation(
        &self,
        collection: &Collection,
        source: &str,
        generation: &str,
    ) -> Result<u64, IndexError>;

    /// Counts points exactly; 0 when the collection is not there.
    async fn count(
        &self,
        collection: &Collection,
        filter: &SearchFilter,
    ) -> Result<u64, IndexError>;

    /// The points nearest to a vector, best first. None when the collection is not there.
    async fn nearest(
        &self,
        collection: &Collection,
        vector: QueryVector,
        limit: usize,
        filter: &SearchFilter,
    ) -> Result<Vec<Hit>, IndexError>;

    /// What the collection holds, by source and generation, sorted. For `verify`; reads the whole collection.
    async fn inventory(&self, collection: &Collection) -> Result<Vec<Inventory>, IndexError>;

    /// Makes all writes so far durable.
    async fn flush(&self) -> Result<(), IndexError>;

    /// Whether the store answers at all, for `doctor`.
    async fn ping(&self) -> Result<(), IndexError>;

    /// Dimensions of the dense vectors of a collection; none when it is not there.
    async fn dimensions(&self, collection: &Collection) -> Result<Option<u64>, IndexError>;

    /// Searches by dense and sparse vectors and joins the two lists.
    async fn search(
        &self,
        collection: &Collection,
        query: SearchQuery,
    ) -> Result<Vec<Hit>, IndexError> {
        fusion::search(self, collection, query).await
    }
}
