//! The embedded store: Qdrant's engine in this process.
//!
//! One directory, one lock, one subdirectory a collection (one shard of the engine each). The lock is exclusive: while
//! a worker runs on the directory, another process that wants to write gets [`IndexError::Locked`], for the engine can't share
//! its files. One that only reads is answered by the holder: [`embedded_store_to_read`](super::embedded_store_to_read).
//!
//! The engine does not replay its log when it opens: only what was flushed is sure to survive a crash. So
//! [`VectorStore::flush`] is part of the contract, and [`crate::Indexer`] calls it before it returns. The engine's own
//! `flush` panics when it meets another call, so calls on a shard are ordered by a lock here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use qdrant_edge::{
    Condition, CountRequest, CreateIndex, Distance, EdgeConfig, EdgeShard, EdgeSparseVectorParams,
    EdgeVectorParams, FieldCondition, FieldIndexOperations, Filter, JsonPath, Match, Modifier,
    NamedQuery, OperationError, Payload, PayloadFieldSchema, PayloadSchemaType, PayloadSelector,
    PayloadSelectorInclude, PointId, PointInsertOperations, PointOperations, PointStructPersisted,
    QueryEnum, QueryRequest, ScoringQuery, ScrollRequest, UpdateOperation, ValueVariants,
    VectorInternal, VectorPersisted, VectorStructPersisted, WithPayloadInterface, WithVector,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::folder::{self, Held, OF_ENGINE, failed};
use crate::error::IndexError;
use crate::indexer::on_blocking_thread;
use crate::points::Point;
use crate::store::{
    Collection, CollectionSpec, DENSE_VECTOR, Hit, INDEXED_FIELDS, Inventory, QueryVector,
    SPARSE_VECTOR, SearchFilter, Tally, VectorStore,
};

/// Points of one page of an inventory.
const SCROLL_PAGE: usize = 1_000;

/// One collection's shard and whether it has unflushed writes.
#[derive(Debug)]
struct Shard {
    shard: EdgeShard,
    is_dirty: bool,
}

type SharedShard = Arc<RwLock<Shard>>;

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    /// Open shards by collection name.
    shards: Mutex<HashMap<String, SharedShard>>,
    /// Held while a collection is made: two can't be built in the same place.
    making: Mutex<()>,
    /// Held until the store is dropped. Declared last: dropped after the shards, whose drop writes.
    held: Held,
}

/// The embedded vector store.
#[derive(Debug, Clone)]
pub struct EdgeStore {
    inner: Arc<Inner>,
}

impl EdgeStore {
    /// Opens (or makes) the store in a directory and holds its lock until the last clone is dropped.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        let inner = Inner {
            dir: dir.to_owned(),
            shards: Mutex::default(),
            making: Mutex::default(),
            held: folder::lock(dir)?,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The folder that it has for itself.
    pub(super) fn held(&self) -> &Held {
        &self.inner.held
    }

    /// Runs engine work on a thread that may block, on a collection that is there; `None` when it is not.
    async fn with_shard<T, F>(
        &self,
        collection: &Collection,
        work: F,
    ) -> Result<Option<T>, IndexError>
    where
        T: Send + 'static,
        F: FnOnce(&SharedShard) -> Result<T, IndexError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let name = collection.name.clone();
        on_blocking_thread(move || inner.shard(&name)?.map(|shard| work(&shard)).transpose())
            .await?
    }
}

impl Inner {
    /// The shard of a collection, opened when it is on disk.
    fn shard(&self, name: &str) -> Result<Option<SharedShard>, IndexError> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = shards.get(name) {
            return Ok(Some(Arc::clone(open)));
        }
        let path = self.dir.join(name);
        if !path.join(OF_ENGINE).exists() {
            return Ok(None);
        }
        let shard = EdgeShard::load(&path, None)
            .map_err(|error| failed("open the collection in", &path, error))?;
        let shared = Arc::new(RwLock::new(Shard {
            shard,
            is_dirty: false,
        }));
        shards.insert(name.to_owned(), Arc::clone(&shared));
        Ok(Some(shared))
    }

    /// Makes the collection when missing. It appears whole: it is built beside its place and then renamed.
    fn ensure(&self, collection: &Collection, spec: CollectionSpec) -> Result<(), IndexError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = self.shard(&collection.name)? {
            return check(&read(&open).shard, collection, spec);
        }
        let path = self.dir.join(&collection.name);
        let building = self.dir.join(format!(".{}.new", collection.name));
        if building.exists() {
            std::fs::remove_dir_all(&building)
                .map_err(|error| failed("clear", &building, error))?;
        }
        std::fs::create_dir_all(&building).map_err(|error| failed("make", &building, error))?;
        let dense = EdgeVectorParams::builder(spec.dimensions, Distance::Cosine).build();
        let sparse = EdgeSparseVectorParams::builder()
            .modifier(Modifier::Idf)
            .build();
        let config = EdgeConfig::builder()
            .vector(DENSE_VECTOR, dense)
            .sparse_vector(SPARSE_VECTOR, sparse)
            .build();
        let shard = EdgeShard::new(&building, config)
            .map_err(|error| failed("make a collection in", &path, error))?;
        for field in INDEXED_FIELDS {
            let index = CreateIndex {
                field_name: json_path(&collection.field(field))?,
                field_schema: Some(PayloadFieldSchema::FieldType(PayloadSchemaType::Keyword)),
            };
            let operation =
                UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(index));
            shard
                .update(operation)
                .map_err(|error| failed("index a field in", &path, error))?;
        }
        drop(shard);
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(|error| failed("clear", &path, error))?;
        }
        std::fs::rename(&building, &path).map_err(|error| failed("make", &path, error))?;
        self.shard(&collection.name)?;
        Ok(())
    }
}

#[async_trait]
impl VectorStore for EdgeStore {
    async fn ensure(
        &self,
        collection: &Collection,
        spec: &CollectionSpec,
    ) -> Result<(), IndexError> {
        let inner = Arc::clone(&self.inner);
        let (wanted, spec) = (collection.clone(), *spec);
        on_blocking_thread(move || inner.ensure(&wanted, spec)).await?
    }

    async fn upsert(&self, collection: &Collection, points: Vec<Point>) -> Result<(), IndexError> {
        let name = collection.name.clone();
        let done = self
            .with_shard(collection, move |shard| {
                let rows = points.into_iter().map(engine_point).collect();
                let operation =
                    PointOperations::UpsertPoints(PointInsertOperations::PointsList(rows));
                update(shard, UpdateOperation::PointOperation(operation))
            })
            .await?;
        done.ok_or_else(|| IndexError::Engine {
            reason: format!("collection {name} is not there"),
        })
    }

    async fn other_generations(
        &self,
        collection: &Collection,
        source: &str,
        keep: Option<&str>,
    ) -> Result<Vec<Inventory>, IndexError> {
        let mut filter = Filter::new();
        filter.must = Some(vec![equals(collection, "source", source)?]);
        if let Some(generation) = keep {
            filter.must_not = Some(vec![equals(collection, "generation", generation)?]);
        }
        let owned = collection.clone();
        let found = self
            .with_shard(collection, move |shard| tally(shard, &owned, Some(filter)))
            .await?;
        Ok(found.unwrap_or_default())
    }

    async fn delete_generation(
        &self,
        collection: &Collection,
        source: &str,
        generation: &str,
    ) -> Result<u64, IndexError> {
        let mut filter = Filter::new();
        filter.must = Some(vec![
            equals(collection, "source", source)?,
            equals(collection, "generation", generation)?,
        ]);
        let gone = self
            .with_shard(collection, move |shard| {
                let seen = count(shard, Some(filter.clone()))?;
                if seen > 0 {
                    let operation = PointOperations::DeletePointsByFilter(filter);
                    update(shard, UpdateOperation::PointOperation(operation))?;
                }
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
        let wanted = engine_filter(collection, filter)?;
        let counted = self
            .with_shard(collection, move |shard| count(shard, wanted))
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
        let wanted = engine_filter(collection, filter)?;
        let found = self
            .with_shard(collection, move |shard| {
                nearest(shard, vector, limit, wanted)
            })
            .await?;
        Ok(found.unwrap_or_default())
    }

    async fn inventory(&self, collection: &Collection) -> Result<Vec<Inventory>, IndexError> {
        let owned = collection.clone();
        let found = self
            .with_shard(collection, move |shard| tally(shard, &owned, None))
            .await?;
        Ok(found.unwrap_or_default())
    }

    async fn flush(&self) -> Result<(), IndexError> {
        let inner = Arc::clone(&self.inner);
        on_blocking_thread(move || {
            let shards: Vec<SharedShard> = inner
                .shards
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .values()
                .cloned()
                .collect();
            for shared in shards {
                let mut shard = shared.write().unwrap_or_else(PoisonError::into_inner);
                if shard.is_dirty {
                    shard.shard.flush();
                    shard.is_dirty = false;
                }
            }
        })
        .await
    }

    async fn ping(&self) -> Result<(), IndexError> {
        let inner = Arc::clone(&self.inner);
        on_blocking_thread(move || {
            std::fs::read_dir(&inner.dir)
                .map(drop)
                .map_err(|error| failed("read", &inner.dir, error))
        })
        .await?
    }

    async fn dimensions(&self, collection: &Collection) -> Result<Option<u64>, IndexError> {
        let found = self
            .with_shard(collection, |shard| Ok(dense_size(&read(shard).shard)))
            .await?;
        Ok(found.flatten())
    }
}

fn read(shared: &SharedShard) -> std::sync::RwLockReadGuard<'_, Shard> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

fn dense_size(shard: &EdgeShard) -> Option<u64> {
    shard
        .config()
        .vectors
        .get(DENSE_VECTOR)
        .map(|dense| dense.size as u64)
}

fn check(
    shard: &EdgeShard,
    collection: &Collection,
    spec: CollectionSpec,
) -> Result<(), IndexError> {
    let expected = spec.dimensions as u64;
    match dense_size(shard) {
        None => Err(IndexError::WrongLayout {
            collection: collection.name.clone(),
            reason: format!("it has no dense vector named {DENSE_VECTOR}"),
        }),
        Some(found) if found != expected => Err(IndexError::WrongVectorSize {
            collection: collection.name.clone(),
            found,
            expected,
        }),
        Some(_) => Ok(()),
    }
}

fn update(shared: &SharedShard, operation: UpdateOperation) -> Result<(), IndexError> {
    let mut shard = shared.write().unwrap_or_else(PoisonError::into_inner);
    shard.is_dirty = true;
    shard
        .shard
        .update(operation)
        .map_err(|error| engine("write", &error))
}

fn count(shared: &SharedShard, filter: Option<Filter>) -> Result<u64, IndexError> {
    let counted = read(shared).shard.count(CountRequest {
        filter,
        exact: true,
    });
    counted
        .map(|points| points as u64)
        .map_err(|error| engine("count", &error))
}

fn nearest(
    shared: &SharedShard,
    vector: QueryVector,
    limit: usize,
    filter: Option<Filter>,
) -> Result<Vec<Hit>, IndexError> {
    let (query, using) = match vector {
        QueryVector::Dense(values) => (VectorInternal::Dense(values), DENSE_VECTOR),
        QueryVector::Sparse(terms) => (VectorInternal::Sparse(engine_sparse(terms)), SPARSE_VECTOR),
    };
    let request = QueryRequest {
        prefetches: Vec::new(),
        query: Some(ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery {
            query,
            using: Some(using.into()),
        }))),
        filter,
        score_threshold: None,
        limit,
        offset: 0,
        params: None,
        with_vector: WithVector::Bool(false),
        with_payload: WithPayloadInterface::Bool(true),
    };
    let found = read(shared)
        .shard
        .query(request)
        .map_err(|error| engine("search", &error))?;
    let hits = found.into_iter().filter_map(|point| {
        let id = uuid_of(point.id)?;
        let payload = point
            .payload
            .map(|fields| fields.0.into_iter().collect())
            .unwrap_or_default();
        Some(Hit {
            id,
            score: point.score,
            payload,
        })
    });
    Ok(hits.collect())
}

/// Counts the points that pass a filter by source and generation.
fn tally(
    shared: &SharedShard,
    collection: &Collection,
    filter: Option<Filter>,
) -> Result<Vec<Inventory>, IndexError> {
    let fields = PayloadSelectorInclude::new(vec![
        json_path(&collection.field("source"))?,
        json_path(&collection.field("generation"))?,
    ]);
    let mut tally = Tally::default();
    let mut offset = None;
    loop {
        let request = ScrollRequest {
            offset,
            limit: Some(SCROLL_PAGE),
            filter: filter.clone(),
            with_payload: Some(WithPayloadInterface::Selector(PayloadSelector::Include(
                fields.clone(),
            ))),
            with_vector: WithVector::Bool(false),
            order_by: None,
        };
        let (records, next) = read(shared)
            .shard
            .scroll(request)
            .map_err(|error| engine("list", &error))?;
        let payloads = records.into_iter().map(|record| {
            let payload = record.payload.unwrap_or_default();
            payload.0.into_iter().collect::<Map<String, Value>>()
        });
        tally.add(collection, payloads);
        offset = next;
        if offset.is_none() {
            return Ok(tally.into_inventory());
        }
    }
}

fn engine_point(point: Point) -> PointStructPersisted {
    let dense = point
        .dense
        .map(|values| (DENSE_VECTOR.into(), VectorPersisted::Dense(values)));
    let sparse = point.sparse.map(|terms| {
        (
            SPARSE_VECTOR.into(),
            VectorPersisted::Sparse(engine_sparse(terms)),
        )
    });
    PointStructPersisted {
        id: PointId::Uuid(point.id),
        vector: VectorStructPersisted::Named(dense.into_iter().chain(sparse).collect()),
        payload: Some(Payload(point.payload.into_iter().collect())),
    }
}

fn engine_sparse(terms: crate::sparse::SparseVector) -> qdrant_edge::SparseVector {
    qdrant_edge::SparseVector {
        indices: terms.indices,
        values: terms.values,
    }
}

fn engine_filter(
    collection: &Collection,
    filter: &SearchFilter,
) -> Result<Option<Filter>, IndexError> {
    let conditions: Vec<Condition> = filter
        .conditions()
        .map(|(field, value)| equals(collection, field, value))
        .collect::<Result<_, _>>()?;
    if conditions.is_empty() {
        return Ok(None);
    }
    let mut all = Filter::new();
    all.must = Some(conditions);
    Ok(Some(all))
}

fn equals(collection: &Collection, field: &str, value: &str) -> Result<Condition, IndexError> {
    let path = json_path(&collection.field(field))?;
    let wanted = Match::new_value(ValueVariants::String(value.to_owned()));
    Ok(Condition::Field(FieldCondition::new_match(path, wanted)))
}

fn json_path(field: &str) -> Result<JsonPath, IndexError> {
    field.parse().map_err(|()| IndexError::Engine {
        reason: format!("{field} is not a path of a payload"),
    })
}

fn uuid_of(id: PointId) -> Option<Uuid> {
    match id {
        PointId::Uuid(uuid) => Some(uuid),
        PointId::NumId(_) => None,
    }
}

fn engine(action: &str, error: &OperationError) -> IndexError {
    IndexError::Engine {
        reason: format!("can't {action}: {error}"),
    }
}
