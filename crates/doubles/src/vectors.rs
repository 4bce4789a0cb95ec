//! A vector store in memory: what was written, by collection and id.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pagemill_index::error::Dependency;
use pagemill_index::{
    Collection, CollectionSpec, Hit, IndexError, Inventory, Point, QueryVector, SearchFilter,
    VectorStore,
};
use serde_json::Value;
use uuid::Uuid;

/// Points by collection and id. Of what is asked of a store it knows what building and removing documents needs; a search, a
/// count or an inventory panics.
#[derive(Debug, Default)]
pub struct MemoryVectors {
    points: Mutex<BTreeMap<String, BTreeMap<Uuid, Stored>>>,
    fault: Mutex<Option<VectorFault>>,
}

/// What comes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorFault {
    /// The store can't be reached.
    Away,
    /// The program panics, and its panic quotes the points.
    Panics,
}

#[derive(Debug)]
struct Stored {
    source: String,
    generation: String,
    /// All of it, as text, to compare.
    whole: String,
}

impl MemoryVectors {
    /// Every point of a source, as collection and id, with all that it holds.
    pub fn points_of(&self, source: &str) -> BTreeMap<(String, Uuid), String> {
        let mut found = BTreeMap::new();
        for (collection, points) in &*self.locked() {
            for (id, stored) in points {
                if stored.source == source {
                    found.insert((collection.clone(), *id), stored.whole.clone());
                }
            }
        }
        found
    }

    /// Lets every write fail from now on, until it is told otherwise.
    pub fn fail_with(&self, fault: Option<VectorFault>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<Uuid, Stored>>> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(collection: &Collection, point: &Point, field: &str) -> String {
    let value = collection.read(&point.payload, field);
    value
        .and_then(Value::as_str)
        .expect("every point names its source and its generation")
        .to_owned()
}

#[async_trait]
impl VectorStore for MemoryVectors {
    async fn ensure(
        &self,
        collection: &Collection,
        _spec: &CollectionSpec,
    ) -> Result<(), IndexError> {
        self.locked().entry(collection.name.clone()).or_default();
        Ok(())
    }

    async fn upsert(&self, collection: &Collection, points: Vec<Point>) -> Result<(), IndexError> {
        let fault = *self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        assert_ne!(fault, Some(VectorFault::Panics), "{points:?}");
        if fault == Some(VectorFault::Away) {
            return Err(IndexError::Unavailable {
                dependency: Dependency::Vectors,
                reason: "away".to_owned(),
            });
        }
        let mut all = self.locked();
        let kept = all.entry(collection.name.clone()).or_default();
        for point in points {
            let stored = Stored {
                source: text(collection, &point, "source"),
                generation: text(collection, &point, "generation"),
                whole: format!("{:?} {:?}", point.payload, point.dense),
            };
            kept.insert(point.id, stored);
        }
        Ok(())
    }

    async fn other_generations(
        &self,
        collection: &Collection,
        source: &str,
        keep: Option<&str>,
    ) -> Result<Vec<Inventory>, IndexError> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for stored in self.locked().get(&collection.name).into_iter().flatten() {
            let (_, stored) = stored;
            if stored.source == source && Some(stored.generation.as_str()) != keep {
                *counts.entry(stored.generation.clone()).or_default() += 1;
            }
        }
        Ok(counts
            .into_iter()
            .map(|(generation, points)| Inventory {
                source: source.to_owned(),
                generation,
                points,
            })
            .collect())
    }

    async fn delete_generation(
        &self,
        collection: &Collection,
        source: &str,
        generation: &str,
    ) -> Result<u64, IndexError> {
        let mut all = self.locked();
        let Some(points) = all.get_mut(&collection.name) else {
            return Ok(0);
        };
        let before = points.len();
        points.retain(|_, stored| stored.source != source || stored.generation != generation);
        Ok((before - points.len()) as u64)
    }

    async fn count(
        &self,
        _collection: &Collection,
        _filter: &SearchFilter,
    ) -> Result<u64, IndexError> {
        unreachable!("a build counts no points")
    }

    async fn nearest(
        &self,
        _collection: &Collection,
        _vector: QueryVector,
        _limit: usize,
        _filter: &SearchFilter,
    ) -> Result<Vec<Hit>, IndexError> {
        unreachable!("a build searches nothing")
    }

    async fn inventory(&self, _collection: &Collection) -> Result<Vec<Inventory>, IndexError> {
        unreachable!("a build takes no inventory")
    }

    async fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn dimensions(&self, _collection: &Collection) -> Result<Option<u64>, IndexError> {
        unreachable!("a build asks for no dimensions")
    }
}
