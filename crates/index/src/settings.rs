//! What an operator can set, and the names of stores and collections.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::IndexError;

/// How text is cut, embedded and searched. All but `fusion` and the batch sizes belong to the fingerprint of the
/// `index` stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IndexSettings {
    /// Most tokens of a chunk, 16 to 8,000, counted by `tokenizer`.
    pub chunk_tokens: u32,
    /// Most tokens of whole sentences that a chunk repeats from the end of the one before it; less than
    /// `chunk_tokens`.
    pub chunk_overlap_tokens: u32,
    /// A heading begins a new chunk only when the chunk before it has this many tokens.
    pub min_chunk_tokens: u32,
    /// What counts tokens.
    pub tokenizer: Tokenizer,
    /// What makes dense vectors.
    pub embedder: EmbedderKind,
    /// Whether to make sparse (BM25-style) vectors as well.
    pub sparse: bool,
    /// BM25: how soon a repeated term stops counting; 0 is at once.
    pub bm25_k1: f32,
    /// BM25: how much long texts are marked down, 0 to 1.
    pub bm25_b: f32,
    /// BM25: the length of an average text in words. Fixed, so that a vector does not depend on other documents.
    pub bm25_average_words: f32,
    /// Most texts in one call of the embedder.
    pub embed_batch: u32,
    /// Most points in one write to the store.
    pub upsert_batch: u32,
    /// How a search joins what the dense and the sparse vectors find.
    pub fusion: Fusion,
}

impl Default for IndexSettings {
    fn default() -> Self {
        Self {
            chunk_tokens: 350,
            chunk_overlap_tokens: 50,
            min_chunk_tokens: 60,
            tokenizer: Tokenizer::O200kBase,
            embedder: EmbedderKind::Static,
            sparse: true,
            bm25_k1: 1.2,
            bm25_b: 0.75,
            bm25_average_words: 200.0,
            embed_batch: 64,
            upsert_batch: 128,
            fusion: Fusion::default(),
        }
    }
}

impl IndexSettings {
    /// Refuses values that make no sense, naming the remedy.
    pub fn check(&self) -> Result<(), IndexError> {
        let refuse = |setting: &str, value: String, remedy: &str| {
            Err(IndexError::Settings {
                setting: setting.to_owned(),
                value,
                remedy: remedy.to_owned(),
            })
        };
        if !(16..=8_000).contains(&self.chunk_tokens) {
            return refuse(
                "chunk_tokens",
                self.chunk_tokens.to_string(),
                "use 16 to 8000",
            );
        }
        if self.chunk_overlap_tokens >= self.chunk_tokens {
            return refuse(
                "chunk_overlap_tokens",
                self.chunk_overlap_tokens.to_string(),
                "use less than chunk_tokens",
            );
        }
        if self.min_chunk_tokens > self.chunk_tokens {
            return refuse(
                "min_chunk_tokens",
                self.min_chunk_tokens.to_string(),
                "use at most chunk_tokens",
            );
        }
        if !(self.bm25_k1.is_finite() && self.bm25_k1 >= 0.0) {
            return refuse("bm25_k1", self.bm25_k1.to_string(), "use 0 or more");
        }
        if !(0.0..=1.0).contains(&self.bm25_b) {
            return refuse("bm25_b", self.bm25_b.to_string(), "use 0 to 1");
        }
        if !(self.bm25_average_words.is_finite() && self.bm25_average_words >= 1.0) {
            return refuse(
                "bm25_average_words",
                self.bm25_average_words.to_string(),
                "use 1 or more",
            );
        }
        if !(1..=2_048).contains(&self.embed_batch) {
            return refuse("embed_batch", self.embed_batch.to_string(), "use 1 to 2048");
        }
        if !(1..=10_000).contains(&self.upsert_batch) {
            return refuse(
                "upsert_batch",
                self.upsert_batch.to_string(),
                "use 1 to 10000",
            );
        }
        if let EmbedderKind::OpenAi { model, dimensions } = &self.embedder {
            if model.trim().is_empty() {
                return refuse(
                    "embedder.model",
                    "empty".to_owned(),
                    "name a model of the endpoint",
                );
            }
            if !(1..=65_536).contains(dimensions) {
                return refuse(
                    "embedder.dimensions",
                    dimensions.to_string(),
                    "use 1 to 65536",
                );
            }
        }
        if let Fusion::Rrf { dense, sparse } = self.fusion {
            let usable = |weight: f32| weight.is_finite() && weight >= 0.0;
            if !usable(dense) || !usable(sparse) || dense + sparse == 0.0 {
                return refuse(
                    "fusion",
                    format!("dense {dense}, sparse {sparse}"),
                    "use weights of 0 or more, not both 0",
                );
            }
        }
        if !self.sparse && self.fusion == Fusion::Sparse {
            return refuse(
                "fusion",
                "sparse".to_owned(),
                "set `sparse` to true, or use dense",
            );
        }
        Ok(())
    }
}

/// The byte pair encoding that counts tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// Of GPT-4o and later.
    #[default]
    O200kBase,
    /// Of GPT-4 and `text-embedding-3-*`.
    Cl100kBase,
}

/// What makes dense vectors.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum EmbedderKind {
    /// Static token embeddings, 256 dimensions, on this machine: fast, needs no key.
    #[default]
    Static,
    /// MiniLM-L6-v2, 384 dimensions, on this machine: better with paraphrases, some hundred times slower.
    MiniLm,
    /// An endpoint that speaks OpenAI's embeddings API.
    OpenAi {
        /// The model's name there.
        model: String,
        /// Dimensions of its vectors.
        dimensions: u32,
    },
}

/// How a search joins what the dense and the sparse vectors find.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Fusion {
    /// Dense vectors only: best for questions in other words than the text's.
    Dense,
    /// Sparse vectors only: best for names and numbers.
    Sparse,
    /// Reciprocal rank fusion of both, with a weight for each.
    Rrf {
        /// Weight of the dense list.
        dense: f32,
        /// Weight of the sparse list.
        sparse: f32,
    },
}

/// The static embeddings find less than the words do (of the questions of FinanceBench, `scripts/search-bench`: the page among
/// the first five for 14 % against 40 %), so the words lead. With an embedder that understands more, give dense more weight.
impl Default for Fusion {
    fn default() -> Self {
        Self::Rrf {
            dense: 0.25,
            sparse: 1.0,
        }
    }
}

/// A store to fill.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TargetStore {
    /// One point a page: its text and the key of its image.
    Pages,
    /// One point a chunk.
    Semantic,
    /// One point a chunk, in the layout that Haystack's `QdrantDocumentStore` reads.
    Haystack,
}

impl TargetStore {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Pages, Self::Semantic, Self::Haystack];

    /// Its name, as in `target_stores`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::Semantic => "semantic",
            Self::Haystack => "haystack",
        }
    }

    /// Reads names, in any order and case, into a sorted list without duplicates. `all` names all; an empty list stays
    /// empty (no store is filled).
    pub fn parse_list<'a>(
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Self>, IndexError> {
        let mut targets = Vec::new();
        for name in names {
            let trimmed = name.trim();
            if trimmed.is_empty() {
                continue;
            }
            if trimmed.eq_ignore_ascii_case("all") {
                targets.extend(Self::ALL);
            } else {
                targets.push(trimmed.parse()?);
            }
        }
        targets.sort_unstable();
        targets.dedup();
        Ok(targets)
    }
}

impl std::fmt::Display for TargetStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for TargetStore {
    type Err = IndexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|store| store.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| IndexError::Settings {
                setting: "target_stores".to_owned(),
                value: text.escape_debug().to_string(),
                remedy: "use pages, semantic, haystack or all".to_owned(),
            })
    }
}

/// The names of the collections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollectionNames {
    /// Of [`TargetStore::Pages`]; `QDRANT_PAGES_COLLECTION`.
    pub pages: String,
    /// Of [`TargetStore::Semantic`]; `QDRANT_SEMANTIC_COLLECTION`.
    pub semantic: String,
    /// Of [`TargetStore::Haystack`]; `QDRANT_HAYSTACK_COLLECTION`.
    pub haystack: String,
}

impl Default for CollectionNames {
    fn default() -> Self {
        Self {
            pages: "pdf_pages_store".to_owned(),
            semantic: "semantic_store".to_owned(),
            haystack: "haystack_store".to_owned(),
        }
    }
}

impl CollectionNames {
    /// The name of the collection of a store.
    pub fn name(&self, store: TargetStore) -> &str {
        match store {
            TargetStore::Pages => &self.pages,
            TargetStore::Semantic => &self.semantic,
            TargetStore::Haystack => &self.haystack,
        }
    }

    /// Refuses names that two stores share, and names that Qdrant or a file system would not take.
    pub fn check(&self) -> Result<(), IndexError> {
        for (store, variable) in [
            (TargetStore::Pages, "QDRANT_PAGES_COLLECTION"),
            (TargetStore::Semantic, "QDRANT_SEMANTIC_COLLECTION"),
            (TargetStore::Haystack, "QDRANT_HAYSTACK_COLLECTION"),
        ] {
            let name = self.name(store);
            let plain =
                |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
            if name.is_empty()
                || name.len() > 200
                || name.starts_with('.')
                || !name.chars().all(plain)
            {
                return Err(IndexError::Settings {
                    setting: variable.to_owned(),
                    value: name.escape_debug().to_string(),
                    remedy:
                        "use 1 to 200 ASCII letters, digits, `_`, `-` and `.`, and no `.` in front"
                            .to_owned(),
                });
            }
            let taken = TargetStore::ALL
                .into_iter()
                .any(|other| other != store && self.name(other) == name);
            if taken {
                return Err(IndexError::Settings {
                    setting: variable.to_owned(),
                    value: name.to_owned(),
                    remedy: "give each store a collection of its own".to_owned(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_stores_are_sorted_and_deduplicated() {
        let targets = TargetStore::parse_list(["haystack", " Pages", "haystack", ""]).unwrap();
        assert_eq!(targets, [TargetStore::Pages, TargetStore::Haystack]);
        assert_eq!(
            TargetStore::parse_list(["all", "pages"]).unwrap(),
            TargetStore::ALL
        );
    }

    #[test]
    fn an_unknown_store_is_refused_with_the_remedy() {
        let error = TargetStore::parse_list(["pgvector"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "target_stores can't be pgvector: use pages, semantic, haystack or all"
        );
    }

    #[test]
    fn the_defaults_hold() {
        IndexSettings::default().check().unwrap();
        CollectionNames::default().check().unwrap();
        let round_trip: IndexSettings =
            serde_json::from_value(serde_json::to_value(IndexSettings::default()).unwrap())
                .unwrap();
        assert_eq!(round_trip, IndexSettings::default());
    }

    #[test]
    fn an_endpoint_is_set_by_kind_model_and_dimensions() {
        let settings: IndexSettings = serde_json::from_str(
            r#"{"embedder": {"kind": "open_ai", "model": "text-embedding-3-small", "dimensions": 1536}}"#,
        )
        .unwrap();
        assert_eq!(
            settings.embedder,
            EmbedderKind::OpenAi {
                model: "text-embedding-3-small".to_owned(),
                dimensions: 1536
            }
        );
        assert!(serde_json::from_str::<IndexSettings>(r#"{"chunk_token": 3}"#).is_err());
    }

    #[test]
    fn contradictions_are_refused() {
        let overlapping = IndexSettings {
            chunk_tokens: 100,
            chunk_overlap_tokens: 100,
            ..IndexSettings::default()
        };
        assert_eq!(overlapping.check().unwrap_err().code(), "settings");
        let sparse_without = IndexSettings {
            sparse: false,
            fusion: Fusion::Sparse,
            ..IndexSettings::default()
        };
        assert!(sparse_without.check().is_err());
        let shared = CollectionNames {
            pages: "one".to_owned(),
            semantic: "one".to_owned(),
            ..Default::default()
        };
        assert!(
            shared
                .check()
                .unwrap_err()
                .to_string()
                .contains("a collection of its own")
        );
        let path = CollectionNames {
            pages: "../up".to_owned(),
            ..Default::default()
        };
        assert!(path.check().is_err());
    }
}
