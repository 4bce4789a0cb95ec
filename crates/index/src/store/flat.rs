//! The embedded store of a build without an engine: points in memory and in one file a collection, compared one by one.
//!
//! It is for what is tried out on one machine. A search looks at every point, so it finds the nearest exactly and its time
//! grows with their number; all of them are in memory. Whoever has more than some ten thousand pages builds with the engine
//! or runs a Qdrant server.

mod collection;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use self::collection::{Flat, Row};
use super::folder::{self, Held, OF_FLAT, failed};
use crate::error::IndexError;
use crate::indexer::on_blocking_thread;
use crate::points::Point;
use crate::store::{
    Collection, CollectionSpec, Hit, Inventory, QueryVector, SearchFilter, VectorStore,
};

/// The embedded store without an engine. Clones share it.
#[derive(Debug, Clone)]
pub struct FlatStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    /// Those that were opened, by name.
    collections: Mutex<HashMap<String, Flat>>,
    /// Held until the store is dropped.
    held: Held,
}

impl FlatStore {
    /// Opens (or makes) the store in a directory and holds its lock until the last clone is dropped.
    ///
    /// # Errors
    /// [`IndexError::Locked`] while another process has it, [`IndexError::Engine`] for what the disk says.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        let inner = Inner {
            held: folder::lock(dir)?,
            dir: dir.to_owned(),
            collections: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The folder that it has for itself.
    pub(super) fn held(&self) -> &Held {
        &self.inner.held
    }

    /// Runs work on a collection that is there, on a thread that may block; `None` when it is not.
    async fn with<T: Send + 'static>(
        &self,
        collection: &Collection,
        work: impl FnOnce(&mut Flat, &Collection) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<Option<T>, IndexError> {
        let (inner, collection) = (Arc::clone(&self.inner), collection.clone());
        on_blocking_thread(move || {
            let mut open = inner.open_collections();
            match inner.find(&mut open, &collection.name)? {
                Some(flat) => work(flat, &collection).map(Some),
                None => Ok(None),
            }
        })
        .await?
    }
}

impl Inner {
    fn open_collections(&self) -> MutexGuard<'_, HashMap<String, Flat>> {
        let collections = self.collections.lock();
        collections.unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.{OF_FLAT}"))
    }

    /// A collection, read from its file the first time.
    fn find<'a>(
        &self,
        open: &'a mut HashMap<String, Flat>,
        name: &str,
    ) -> Result<Option<&'a mut Flat>, IndexError> {
        if !open.contains_key(name)
            && let Some(flat) = Flat::load(&self.path(name))?
        {
            open.insert(name.to_owned(), flat);
        }
        Ok(open.get_mut(name))
    }

    fn ensure(&self, collection: &Collection, spec: CollectionSpec) -> Result<(), IndexError> {
        let mut open = self.open_collections();
        let Some(flat) = self.find(&mut open, &collection.name)? else {
            let path = self.path(&collection.name);
            let made = Flat::write(&path, spec.dimensions, BTreeMap::new())?;
            open.insert(collection.name.clone(), made);
            return Ok(());
        };
        if flat.dimensions == spec.dimensions {
            return Ok(());
        }
        Err(IndexError::WrongVectorSize {
            collection: collection.name.clone(),
            found: flat.dimensions as u64,
            expected: spec.dimensions as u64,
        })
    }
}

#[async_trait]
impl VectorStore for FlatStore {
    async fn ensure(
        &self,
        collection: &Collection,
        spec: &CollectionSpec,
    ) -> Result<(), IndexError> {
        let (inner, collection, spec) = (Arc::clone(&self.inner), collection.clone(), *spec);
        on_blocking_thread(move || inner.ensure(&collection, spec)).await?
    }

    async fn upsert(&self, collection: &Collection, points: Vec<Point>) -> Result<(), IndexError> {
        let done = self
            .with(collection, move |flat, _| {
                flat.put(points.into_iter().map(Row::from).collect())
            })
            .await?;
        done.ok_or_else(|| IndexError::Engine {
            reason: format!("collection {} is not there", collection.name),
        })
    }

    async fn other_generations(
        &self,
        collection: &Collection,
        source: &str,
        keep: Option<&str>,
    ) -> Result<Vec<Inventory>, IndexError> {
        let filter = SearchFilter {
            source: Some(source.to_owned()),
            ..SearchFilter::default()
        };
        let found = self
            .with(collection, move |flat, collection| {
                Ok(flat.tally(collection, &filter))
            })
            .await?;
        let mut found = found.unwrap_or_default();
        found.retain(|row| keep != Some(row.generation.as_str()));
        Ok(found)
    }

    async fn delete_generation(
        &self,
        collection: &Collection,
        source: &str,
        generation: &str,
    ) -> Result<u64, IndexError> {
        let filter = SearchFilter {
            source: Some(source.to_owned()),
            generation: Some(generation.to_owned()),
            ..SearchFilter::default()
        };
        let gone = self
            .with(collection, move |flat, collection| {
                let gone: Vec<Uuid> = flat
                    .matching(collection, &filter)
                    .map(|row| row.id)
                    .collect();
                let seen = gone.len() as u64;
                flat.take_away(gone)?;
                Ok(seen)
            })
            .await?;
        Ok(gone.unwrap_or(0))
    }

    async fn count(
        &self,
        collection: &Collection,
        filter: &SearchFilter,
    ) -> Result<u64, IndexError> {
        let filter = filter.clone();
        let counted = self
            .with(collection, move |flat, collection| {
                Ok(flat.matching(collection, &filter).count() as u64)
            })
            .await?;
        Ok(counted.unwrap_or(0))
    }

    async fn nearest(
        &self,
        collection: &Collection,
        vector: QueryVector,
        limit: usize,
        filter: &SearchFilter,
    ) -> Result<Vec<Hit>, IndexError> {
        let filter = filter.clone();
        let found = self
            .with(collection, move |flat, collection| {
                Ok(flat.nearest(collection, &vector, limit, &filter))
            })
            .await?;
        Ok(found.unwrap_or_default())
    }

    async fn inventory(&self, collection: &Collection) -> Result<Vec<Inventory>, IndexError> {
        let found = self
            .with(collection, |flat, collection| {
                Ok(flat.tally(collection, &SearchFilter::default()))
            })
            .await?;
        Ok(found.unwrap_or_default())
    }

    async fn flush(&self) -> Result<(), IndexError> {
        let inner = Arc::clone(&self.inner);
        on_blocking_thread(move || {
            inner
                .open_collections()
                .values_mut()
                .try_for_each(Flat::flush)
        })
        .await?
    }

    async fn ping(&self) -> Result<(), IndexError> {
        let inner = Arc::clone(&self.inner);
        on_blocking_thread(move || {
            let read = fs::read_dir(&inner.dir).map(drop);
            read.map_err(|error| failed("read", &inner.dir, error))
        })
        .await?
    }

    async fn dimensions(&self, collection: &Collection) -> Result<Option<u64>, IndexError> {
        self.with(collection, |flat, _| Ok(flat.dimensions as u64))
            .await
    }
}
