//! Text in, searchable vectors out: text -> chunks -> embeddings -> vector stores.
//!
//! [`chunks`](chunk::chunks) cuts the text of pages into pieces of a known number of tokens. An [`Embedder`] turns
//! texts into dense vectors; [`sparse`] turns them into BM25-style sparse ones. A [`VectorStore`] keeps both: a Qdrant
//! server ([`QdrantServer`]), the same engine in this process ([`EdgeStore`]), or files for what is small ([`FlatStore`]).
//! An [`Indexer`] ties them together for one document: each text is found by its words and its meaning, and by what says
//! where it stands, which are the name of its file, the title, the headings above it and the first words of its page.
//!
//! Every point says which source and which generation of it made it, so that the points of an older generation can be
//! deleted after a commit and a document that shrank leaves no orphans.
//!
//! What is large is a feature, on by default: `embedded` ([`EdgeStore`]), `qdrant` ([`QdrantServer`]), `minilm` and
//! `openai` (embedders). [`embedded_store`], [`qdrant_store`] and [`embedder`] are always there; without `embedded` the first
//! is the flat one, and of the others what is not in the build is [`IndexError::NotBuilt`].

pub mod chunk;
mod context;
pub mod embed;
pub mod error;
pub mod fusion;
pub mod indexer;
pub mod points;
pub mod settings;
pub mod sparse;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod tokens;

pub use chunk::{Chunk, ChunkSpan};
pub use embed::{EmbedEndpoint, Embedder, Embedding, ModelFiles, NoEmbedder, Purpose, embedder};
pub use error::IndexError;
pub use indexer::{IndexInput, IndexReport, Indexer, Permit};
pub use points::Point;
pub use settings::{CollectionNames, EmbedderKind, Fusion, IndexSettings, TargetStore, Tokenizer};
pub use sparse::SparseVector;
#[cfg(feature = "embedded")]
pub use store::edge::EdgeStore;
pub use store::flat::FlatStore;
#[cfg(feature = "qdrant")]
pub use store::qdrant::QdrantServer;
pub use store::{
    Collection, CollectionSpec, Hit, Inventory, QueryVector, SearchFilter, VectorStore,
    embedded_store, embedded_store_to_read, qdrant_store,
};
