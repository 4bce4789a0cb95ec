//! The vector store, seen through the gate.

use std::sync::Arc;

use async_trait::async_trait;
use pagemill_index::error::Dependency as IndexDependency;
use pagemill_index::{
    Collection, CollectionSpec, Hit, IndexError, Inventory, Point, QueryVector, SearchFilter,
    VectorStore,
};
use serde_json::Value;

use super::{Call, Gate, Trouble};
use crate::schedule::Dependency;
use pagemill_doubles::MemoryVectors;

/// Points, for one worker.
#[derive(Debug)]
pub(crate) struct GatedVectors {
    pub(crate) gate: Arc<Gate>,
    pub(crate) vectors: Arc<MemoryVectors>,
}

fn fails(trouble: Trouble) -> IndexError {
    match trouble {
        Trouble::Unavailable => IndexError::Unavailable {
            dependency: IndexDependency::Vectors,
            reason: "simulated".to_owned(),
        },
        Trouble::Throttled => IndexError::Throttled {
            dependency: IndexDependency::Vectors,
            retry_after: None,
            reason: "simulated".to_owned(),
        },
    }
}

impl GatedVectors {
    fn call(&self, what: String, source: Option<&str>) -> Call {
        Call {
            dependency: Dependency::Qdrant,
            what,
            writes: source.and_then(|key| self.gate.world.number_of(key)),
        }
    }
}

#[async_trait]
impl VectorStore for GatedVectors {
    async fn ensure(
        &self,
        collection: &Collection,
        spec: &CollectionSpec,
    ) -> Result<(), IndexError> {
        let call = self.call(format!("ensure {}", collection.name), None);
        let (vectors, collection, spec) = (Arc::clone(&self.vectors), collection.clone(), *spec);
        self.gate
            .call(call, fails, move || {
                let (vectors, collection) = (Arc::clone(&vectors), collection.clone());
                async move { vectors.ensure(&collection, &spec).await }
            })
            .await
    }

    async fn upsert(&self, collection: &Collection, points: Vec<Point>) -> Result<(), IndexError> {
        let source = points
            .first()
            .and_then(|point| collection.read(&point.payload, "source"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let generation = points
            .first()
            .and_then(|point| collection.read(&point.payload, "generation"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let what = format!(
            "upsert {} points of {source} {generation} into {}",
            points.len(),
            collection.name
        );
        let call = self.call(what, Some(&source));
        let (vectors, collection) = (Arc::clone(&self.vectors), collection.clone());
        self.gate
            .call(call, fails, move || {
                let (vectors, collection, points) =
                    (Arc::clone(&vectors), collection.clone(), points.clone());
                async move { vectors.upsert(&collection, points).await }
            })
            .await
    }

    async fn other_generations(
        &self,
        collection: &Collection,
        source: &str,
        keep: Option<&str>,
    ) -> Result<Vec<Inventory>, IndexError> {
        let call = self.call(
            format!("generations of {source} in {}", collection.name),
            None,
        );
        let (vectors, collection, source, keep) = (
            Arc::clone(&self.vectors),
            collection.clone(),
            source.to_owned(),
            keep.map(str::to_owned),
        );
        self.gate
            .call(call, fails, move || {
                let (vectors, collection, source, keep) = (
                    Arc::clone(&vectors),
                    collection.clone(),
                    source.clone(),
                    keep.clone(),
                );
                async move {
                    vectors
                        .other_generations(&collection, &source, keep.as_deref())
                        .await
                }
            })
            .await
    }

    async fn delete_generation(
        &self,
        collection: &Collection,
        source: &str,
        generation: &str,
    ) -> Result<u64, IndexError> {
        let what = format!(
            "delete points of {source} {generation} in {}",
            collection.name
        );
        let call = self.call(what, Some(source));
        let (vectors, collection, source, generation) = (
            Arc::clone(&self.vectors),
            collection.clone(),
            source.to_owned(),
            generation.to_owned(),
        );
        self.gate
            .call(call, fails, move || {
                let (vectors, collection, source, generation) = (
                    Arc::clone(&vectors),
                    collection.clone(),
                    source.clone(),
                    generation.clone(),
                );
                async move {
                    vectors
                        .delete_generation(&collection, &source, &generation)
                        .await
                }
            })
            .await
    }

    async fn count(
        &self,
        collection: &Collection,
        filter: &SearchFilter,
    ) -> Result<u64, IndexError> {
        self.vectors.count(collection, filter).await
    }

    async fn nearest(
        &self,
        collection: &Collection,
        vector: QueryVector,
        limit: usize,
        filter: &SearchFilter,
    ) -> Result<Vec<Hit>, IndexError> {
        self.vectors
            .nearest(collection, vector, limit, filter)
            .await
    }

    async fn inventory(&self, collection: &Collection) -> Result<Vec<Inventory>, IndexError> {
        self.vectors.inventory(collection).await
    }

    async fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), IndexError> {
        let call = self.call("ping".to_owned(), None);
        self.gate
            .call(call, fails, || std::future::ready(Ok(())))
            .await
    }

    async fn dimensions(&self, collection: &Collection) -> Result<Option<u64>, IndexError> {
        self.vectors.dimensions(collection).await
    }
}
