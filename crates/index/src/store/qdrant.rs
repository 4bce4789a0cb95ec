//! A Qdrant server, over gRPC.
//!
//! Writes wait until they are applied (`wait=true`). The client's version check is skipped: it prints to the
//! terminal. TLS (an `https` URL) is tonic's with `ring`, which names its provider itself, so that the other rustls
//! provider in this program does not get in its way.

use std::collections::HashMap;
use std::time::Duration;

use ::qdrant_client::qdrant::{
    Condition, CountPointsBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder,
    DeletePointsBuilder, Distance, FieldType, Filter, Modifier, NamedVectors,
    PayloadIncludeSelector, PointId, PointStruct, Query, QueryPointsBuilder, ScrollPointsBuilder,
    SparseVectorParamsBuilder, SparseVectorsConfigBuilder, UpsertPointsBuilder,
    Value as ServerValue, Vector, VectorInput, VectorParamsBuilder, VectorsConfigBuilder,
    r#match::MatchValue, point_id, vectors_config,
};
use ::qdrant_client::{Payload, Qdrant, QdrantError};
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::error::{Dependency, IndexError};
use crate::points::Point;
use crate::store::{
    Collection, CollectionSpec, DENSE_VECTOR, Hit, INDEXED_FIELDS, Inventory, QueryVector,
    SPARSE_VECTOR, SearchFilter, Tally, VectorStore,
};

/// Longest wait for one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Points of one page of an inventory.
const SCROLL_PAGE: u32 = 1_000;

/// A Qdrant server.
#[derive(Clone)]
pub struct QdrantServer {
    client: Qdrant,
    url: String,
}

impl std::fmt::Debug for QdrantServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("QdrantServer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl QdrantServer {
    /// Prepares a connection to a server's gRPC port (6334 by default), such as `http://localhost:6334`. Nothing is
    /// sent yet; the first call connects.
    pub fn connect(url: &str, api_key: Option<&SecretString>) -> Result<Self, IndexError> {
        let is_web = url.starts_with("http://") || url.starts_with("https://");
        if !is_web || url.contains('@') {
            return Err(wrong_url(url));
        }
        let mut config = Qdrant::from_url(url)
            .timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .keep_alive_while_idle()
            .skip_compatibility_check();
        if let Some(key) = api_key {
            config.set_api_key(key.expose_secret());
        }
        let client = config.build().map_err(|_| wrong_url(url))?;
        Ok(Self {
            client,
            url: url.to_owned(),
        })
    }

    fn error(&self, action: &str, error: QdrantError) -> IndexError {
        let dependency = Dependency::Vectors;
        let (status, retry_after) = match error {
            QdrantError::ResponseError { status } => (status, None),
            QdrantError::ResourceExhaustedError {
                status,
                retry_after_seconds,
            } => (status, Some(Duration::from_secs(retry_after_seconds))),
            other => {
                return IndexError::Unavailable {
                    dependency,
                    reason: format!("can't {action}: {other}"),
                };
            }
        };
        // `tonic::Code` is not named: its numbers are those of the gRPC specification.
        let code = i32::from(status.code());
        let reason = format!("can't {action} at {}: {}", self.url, status.message());
        match code {
            grpc::RESOURCE_EXHAUSTED => IndexError::Throttled {
                dependency,
                retry_after,
                reason,
            },
            grpc::UNAUTHENTICATED | grpc::PERMISSION_DENIED => {
                IndexError::Refused { dependency, reason }
            }
            grpc::INVALID_ARGUMENT | grpc::OUT_OF_RANGE => {
                IndexError::Rejected { dependency, reason }
            }
            _ => IndexError::Unavailable { dependency, reason },
        }
    }

    async fn create(
        &self,
        collection: &Collection,
        spec: &CollectionSpec,
    ) -> Result<(), IndexError> {
        let mut dense = VectorsConfigBuilder::default();
        dense.add_named_vector_params(
            DENSE_VECTOR,
            VectorParamsBuilder::new(spec.dimensions as u64, Distance::Cosine),
        );
        let mut sparse = SparseVectorsConfigBuilder::default();
        sparse.add_named_vector_params(
            SPARSE_VECTOR,
            SparseVectorParamsBuilder::default().modifier(Modifier::Idf),
        );
        let request = CreateCollectionBuilder::new(&collection.name)
            .vectors_config(dense)
            .sparse_vectors_config(sparse);
        match self.client.create_collection(request).await {
            Ok(_) => Ok(()),
            // Another worker was faster; what it made is checked next.
            Err(error) if is_code(&error, grpc::ALREADY_EXISTS) || says_exists(&error) => Ok(()),
            Err(error) => Err(self.error(&format!("create collection {}", collection.name), error)),
        }
    }

    /// Checks a collection's layout and gives its indexed fields; nothing when it is not there.
    async fn inspect(&self, collection: &Collection) -> Result<Option<Layout>, IndexError> {
        let found = match self.client.collection_info(&collection.name).await {
            Ok(answer) => answer.result,
            Err(error) if is_code(&error, grpc::NOT_FOUND) => return Ok(None),
            Err(error) => {
                return Err(self.error(&format!("look up collection {}", collection.name), error));
            }
        };
        let info = found.unwrap_or_default();
        let indexed = info.payload_schema.into_keys().collect();
        let params = info
            .config
            .and_then(|config| config.params)
            .unwrap_or_default();
        let has_sparse = params
            .sparse_vectors_config
            .is_some_and(|sparse| sparse.map.contains_key(SPARSE_VECTOR));
        let dense = match params.vectors_config.and_then(|vectors| vectors.config) {
            Some(vectors_config::Config::ParamsMap(named)) => {
                named.map.get(DENSE_VECTOR).map(|dense| dense.size)
            }
            Some(vectors_config::Config::Params(_)) | None => None,
        };
        Ok(Some(Layout {
            dense,
            has_sparse,
            indexed,
        }))
    }

    /// Counts the points that pass a filter by source and generation.
    async fn tally(
        &self,
        collection: &Collection,
        filter: Option<Filter>,
    ) -> Result<Vec<Inventory>, IndexError> {
        let fields = vec![collection.field("source"), collection.field("generation")];
        let mut tally = Tally::default();
        let mut offset: Option<PointId> = None;
        loop {
            let mut request = ScrollPointsBuilder::new(&collection.name)
                .limit(SCROLL_PAGE)
                .with_payload(PayloadIncludeSelector {
                    fields: fields.clone(),
                })
                .with_vectors(false);
            if let Some(wanted) = &filter {
                request = request.filter(wanted.clone());
            }
            if let Some(from) = offset.take() {
                request = request.offset(from);
            }
            let answer = match self.client.scroll(request).await {
                Ok(answer) => answer,
                Err(error) if is_code(&error, grpc::NOT_FOUND) => return Ok(Vec::new()),
                Err(error) => {
                    return Err(self.error(&format!("list points of {}", collection.name), error));
                }
            };
            let payloads = answer.result.into_iter();
            tally.add(
                collection,
                payloads.map(|point| json_payload(point.payload)),
            );
            offset = answer.next_page_offset;
            if offset.is_none() {
                return Ok(tally.into_inventory());
            }
        }
    }
}

/// What a collection on the server looks like.
struct Layout {
    /// Size of the dense vectors, when they are named as ours.
    dense: Option<u64>,
    has_sparse: bool,
    indexed: Vec<String>,
}

#[async_trait]
impl VectorStore for QdrantServer {
    async fn ensure(
        &self,
        collection: &Collection,
        spec: &CollectionSpec,
    ) -> Result<(), IndexError> {
        let mut layout = self.inspect(collection).await?;
        if layout.is_none() {
            self.create(collection, spec).await?;
            layout = self.inspect(collection).await?;
        }
        let Some(layout) = layout else {
            return Err(IndexError::Unavailable {
                dependency: Dependency::Vectors,
                reason: format!("collection {} is gone again", collection.name),
            });
        };
        let wrong = |reason: String| {
            Err(IndexError::WrongLayout {
                collection: collection.name.clone(),
                reason,
            })
        };
        let expected = spec.dimensions as u64;
        match layout.dense {
            None => return wrong(format!("it has no dense vector named {DENSE_VECTOR}")),
            Some(found) if found != expected => {
                return Err(IndexError::WrongVectorSize {
                    collection: collection.name.clone(),
                    found,
                    expected,
                });
            }
            Some(_) => {}
        }
        if spec.sparse && !layout.has_sparse {
            return wrong(format!("it has no sparse vector named {SPARSE_VECTOR}"));
        }
        for field in INDEXED_FIELDS.map(|name| collection.field(name)) {
            if layout.indexed.contains(&field) {
                continue;
            }
            let request = CreateFieldIndexCollectionBuilder::new(
                &collection.name,
                &field,
                FieldType::Keyword,
            )
            .wait(true);
            let made = self.client.create_field_index(request).await;
            made.map_err(|error| {
                self.error(&format!("index {field} in {}", collection.name), error)
            })?;
        }
        Ok(())
    }

    async fn upsert(&self, collection: &Collection, points: Vec<Point>) -> Result<(), IndexError> {
        let rows: Vec<PointStruct> = points.into_iter().map(server_point).collect();
        let request = UpsertPointsBuilder::new(&collection.name, rows).wait(true);
        let written = self.client.upsert_points(request).await;
        written
            .map(drop)
            .map_err(|error| self.error(&format!("write points to {}", collection.name), error))
    }

    async fn other_generations(
        &self,
        collection: &Collection,
        source: &str,
        keep: Option<&str>,
    ) -> Result<Vec<Inventory>, IndexError> {
        let mut filter = Filter::must([equals(collection, "source", source)]);
        filter.must_not = keep
            .map(|generation| equals(collection, "generation", generation))
            .into_iter()
            .collect();
        self.tally(collection, Some(filter)).await
    }

    async fn delete_generation(
        &self,
        collection: &Collection,
        source: &str,
        generation: &str,
    ) -> Result<u64, IndexError> {
        let wanted = SearchFilter {
            source: Some(source.to_owned()),
            generation: Some(generation.to_owned()),
            ..SearchFilter::default()
        };
        let seen = self.count(collection, &wanted).await?;
        if seen > 0 {
            let request = DeletePointsBuilder::new(&collection.name)
                .points(server_filter(collection, &wanted))
                .wait(true);
            let deleted = self.client.delete_points(request).await;
            deleted.map_err(|error| {
                self.error(&format!("delete points from {}", collection.name), error)
            })?;
        }
        Ok(seen)
    }

    async fn count(
        &self,
        collection: &Collection,
        filter: &SearchFilter,
    ) -> Result<u64, IndexError> {
        let wanted = server_filter(collection, filter);
        let request = CountPointsBuilder::new(&collection.name)
            .filter(wanted)
            .exact(true);
        match self.client.count(request).await {
            Ok(answer) => Ok(answer.result.map_or(0, |counted| counted.count)),
            Err(error) if is_code(&error, grpc::NOT_FOUND) => Ok(0),
            Err(error) => Err(self.error(&format!("count points of {}", collection.name), error)),
        }
    }

    async fn nearest(
        &self,
        collection: &Collection,
        vector: QueryVector,
        limit: usize,
        filter: &SearchFilter,
    ) -> Result<Vec<Hit>, IndexError> {
        let (input, using) = match vector {
            QueryVector::Dense(values) => (VectorInput::new_dense(values), DENSE_VECTOR),
            QueryVector::Sparse(terms) => (
                VectorInput::new_sparse(terms.indices, terms.values),
                SPARSE_VECTOR,
            ),
        };
        let request = QueryPointsBuilder::new(&collection.name)
            .query(Query::new_nearest(input))
            .using(using)
            .limit(limit as u64)
            .filter(server_filter(collection, filter))
            .with_payload(true);
        let found = match self.client.query(request).await {
            Ok(answer) => answer.result,
            Err(error) if is_code(&error, grpc::NOT_FOUND) => return Ok(Vec::new()),
            Err(error) => return Err(self.error(&format!("search {}", collection.name), error)),
        };
        let hits = found.into_iter().filter_map(|point| {
            let id = uuid_of(point.id?)?;
            Some(Hit {
                id,
                score: point.score,
                payload: json_payload(point.payload),
            })
        });
        Ok(hits.collect())
    }

    async fn inventory(&self, collection: &Collection) -> Result<Vec<Inventory>, IndexError> {
        self.tally(collection, None).await
    }

    async fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), IndexError> {
        // The health check needs no key; the list of collections does.
        self.client
            .list_collections()
            .await
            .map(drop)
            .map_err(|error| self.error("list the collections", error))
    }

    async fn dimensions(&self, collection: &Collection) -> Result<Option<u64>, IndexError> {
        Ok(self
            .inspect(collection)
            .await?
            .and_then(|layout| layout.dense))
    }
}

/// Status codes of gRPC (grpc.io/docs/guides/status-codes).
mod grpc {
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const NOT_FOUND: i32 = 5;
    pub(super) const ALREADY_EXISTS: i32 = 6;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const OUT_OF_RANGE: i32 = 11;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

fn is_code(error: &QdrantError, code: i32) -> bool {
    matches!(error, QdrantError::ResponseError { status } if i32::from(status.code()) == code)
}

/// Some versions of the server answer `InvalidArgument` for a collection that exists.
fn says_exists(error: &QdrantError) -> bool {
    matches!(error, QdrantError::ResponseError { status } if status.message().contains("already exists"))
}

fn wrong_url(url: &str) -> IndexError {
    let shown = if url.contains('@') {
        "a URL with a user name".to_owned()
    } else {
        url.escape_debug().to_string()
    };
    IndexError::Settings {
        setting: "the URL of Qdrant".to_owned(),
        value: shown,
        remedy: "use http://HOST:6334 or https://HOST:6334, the gRPC port, and give the key apart"
            .to_owned(),
    }
}

fn server_point(point: Point) -> PointStruct {
    let mut vectors = HashMap::new();
    if let Some(dense) = point.dense {
        vectors.insert(DENSE_VECTOR.to_owned(), Vector::new_dense(dense));
    }
    if let Some(sparse) = point.sparse {
        vectors.insert(
            SPARSE_VECTOR.to_owned(),
            Vector::new_sparse(sparse.indices, sparse.values),
        );
    }
    let payload = Payload::from(point.payload);
    PointStruct::new(point.id.to_string(), NamedVectors { vectors }, payload)
}

fn server_filter(collection: &Collection, filter: &SearchFilter) -> Filter {
    Filter::must(
        filter
            .conditions()
            .map(|(field, value)| equals(collection, field, value)),
    )
}

/// The kind of match is named: from a plain string the client makes a full-text match when there is a space in it, and
/// that is true of other sources too.
fn equals(collection: &Collection, field: &str, value: &str) -> Condition {
    Condition::matches(
        collection.field(field),
        MatchValue::Keyword(value.to_owned()),
    )
}

fn json_payload(payload: HashMap<String, ServerValue>) -> Map<String, Value> {
    payload
        .into_iter()
        .map(|(field, value)| (field, Value::from(value)))
        .collect()
}

fn uuid_of(id: PointId) -> Option<uuid::Uuid> {
    match id.point_id_options? {
        point_id::PointIdOptions::Uuid(text) => text.parse().ok(),
        point_id::PointIdOptions::Num(_) => None,
    }
}
