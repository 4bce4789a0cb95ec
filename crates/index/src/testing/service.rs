//! The gRPC services, from the server stubs of `qdrant-client`.

use std::sync::Arc;

use ::qdrant_client::qdrant::collections_server::{Collections, CollectionsServer};
use ::qdrant_client::qdrant::points_server::{Points, PointsServer};
use ::qdrant_client::qdrant::qdrant_server::{Qdrant, QdrantServer};
use ::qdrant_client::qdrant::*;
use async_trait::async_trait;
use tonic::transport::server::{Router, Server};
use tonic::{Request, Response, Status};

use super::engine::id_of;
use super::{SharedState, State, lock};

type Answer<T> = Result<Response<T>, Status>;

/// One of the services.
struct Service {
    state: SharedState,
}

impl Service {
    /// Notes the call, asks for the key, lets a scripted fault happen, and else does the work.
    fn serve<R, T>(
        &self,
        request: Request<R>,
        call: impl Fn(&R) -> String,
        work: impl FnOnce(&mut State, R) -> Result<T, Status>,
    ) -> Answer<T> {
        let mut state = lock(&self.state);
        let key = request
            .metadata()
            .get("api-key")
            .and_then(|found| found.to_str().ok())
            .map(str::to_owned);
        let body = request.into_inner();
        let name = call(&body);
        state.calls.push(name.clone());
        if state.api_key.is_some() && state.api_key != key {
            return Err(Status::unauthenticated(
                "Must provide an API key or an Authorization bearer token",
            ));
        }
        let scripted = state
            .faults
            .iter()
            .position(|(begin, _)| name.starts_with(begin.as_str()));
        if let Some((_, fault)) = scripted.and_then(|place| state.faults.remove(place)) {
            return Err(fault);
        }
        work(&mut state, body).map(Response::new)
    }
}

/// The server with its three services.
pub(super) fn router(state: SharedState) -> Router {
    let service = || Service {
        state: Arc::clone(&state),
    };
    Server::builder()
        .add_service(QdrantServer::new(service()))
        .add_service(CollectionsServer::new(service()))
        .add_service(PointsServer::new(service()).max_decoding_message_size(usize::MAX))
}

/// Implements a service's trait: the methods given, and `Unimplemented` for the rest.
macro_rules! implement {
    ($trait:ident { $($known:item)* } unknown { $($name:ident($request:ty) -> $answer:ty;)* }) => {
        #[async_trait]
        impl $trait for Service {
            $($known)*
            $(async fn $name(&self, _request: Request<$request>) -> Answer<$answer> {
                Err(Status::unimplemented(concat!(stringify!($name), " is not known here")))
            })*
        }
    };
}

fn updated() -> PointsOperationResponse {
    let result = UpdateResult {
        operation_id: Some(0),
        status: UpdateStatus::Completed as i32,
    };
    PointsOperationResponse {
        result: Some(result),
        time: 0.0,
        usage: None,
    }
}

#[async_trait]
impl Qdrant for Service {
    async fn health_check(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Answer<HealthCheckReply> {
        Ok(Response::new(HealthCheckReply {
            title: "qdrant".to_owned(),
            version: "1.20.0".to_owned(),
            commit: None,
        }))
    }
}

implement! {
Collections {
        async fn get(&self, request: Request<GetCollectionInfoRequest>) -> Answer<GetCollectionInfoResponse> {
            let call = |body: &GetCollectionInfoRequest| format!("get {}", body.collection_name);
            self.serve(request, call, |state, body| {
                let stored = state.engine.stored(&body.collection_name)?;
                let params = CollectionParams {
                    vectors_config: stored.vectors.clone(),
                    sparse_vectors_config: stored.sparse.clone(),
                    ..CollectionParams::default()
                };
                let schema = PayloadSchemaInfo { data_type: PayloadSchemaType::Keyword as i32, ..Default::default() };
                let info = CollectionInfo {
                    status: CollectionStatus::Green as i32,
                    config: Some(CollectionConfig { params: Some(params), ..CollectionConfig::default() }),
                    payload_schema: stored.indexed.iter().map(|field| (field.clone(), schema.clone())).collect(),
                    points_count: Some(stored.points.len() as u64),
                    ..CollectionInfo::default()
                };
                Ok(GetCollectionInfoResponse { result: Some(info), time: 0.0 })
            })
        }
        async fn list(&self, request: Request<ListCollectionsRequest>) -> Answer<ListCollectionsResponse> {
            self.serve(request, |_| "list".to_owned(), |state, _| {
                let collections = state.engine.names().into_iter().map(|name| CollectionDescription { name }).collect();
                Ok(ListCollectionsResponse { collections, time: 0.0 })
            })
        }
        async fn create(&self, request: Request<CreateCollection>) -> Answer<CollectionOperationResponse> {
            self.serve(request, |body| format!("create {}", body.collection_name), |state, body| {
                state.engine.create(body)?;
                Ok(CollectionOperationResponse { result: true, time: 0.0 })
            })
        }
        async fn collection_exists(&self, request: Request<CollectionExistsRequest>) -> Answer<CollectionExistsResponse> {
            self.serve(request, |body| format!("exists {}", body.collection_name), |state, body| {
                let exists = state.engine.names().contains(&body.collection_name);
                Ok(CollectionExistsResponse { result: Some(CollectionExists { exists }), time: 0.0 })
            })
        }
        }
unknown {
        update(UpdateCollection) -> CollectionOperationResponse;
        delete(DeleteCollection) -> CollectionOperationResponse;
        update_aliases(ChangeAliases) -> CollectionOperationResponse;
        list_collection_aliases(ListCollectionAliasesRequest) -> ListAliasesResponse;
        list_aliases(ListAliasesRequest) -> ListAliasesResponse;
        collection_cluster_info(CollectionClusterInfoRequest) -> CollectionClusterInfoResponse;
        update_collection_cluster_setup(UpdateCollectionClusterSetupRequest) -> UpdateCollectionClusterSetupResponse;
        create_shard_key(CreateShardKeyRequest) -> CreateShardKeyResponse;
        delete_shard_key(DeleteShardKeyRequest) -> DeleteShardKeyResponse;
        list_shard_keys(ListShardKeysRequest) -> ListShardKeysResponse;
}
}

implement! {
Points {
        async fn upsert(&self, request: Request<UpsertPoints>) -> Answer<PointsOperationResponse> {
            self.serve(request, |body| format!("upsert {}", body.collection_name), |state, body| {
                if body.wait != Some(true) {
                    return Err(Status::unimplemented("only writes that wait are known here"));
                }
                state.engine.stored(&body.collection_name)?.upsert(body.points)?;
                Ok(updated())
            })
        }
        async fn delete(&self, request: Request<DeletePoints>) -> Answer<PointsOperationResponse> {
            self.serve(request, |body| format!("delete {}", body.collection_name), |state, body| {
                let selector = body.points.and_then(|points| points.points_selector_one_of);
                let Some(points_selector::PointsSelectorOneOf::Filter(filter)) = selector else {
                    return Err(Status::unimplemented("only deletes by filter are known here"));
                };
                let stored = state.engine.stored(&body.collection_name)?;
                let gone: Vec<String> = stored.matching(Some(&filter))?.into_iter().map(id_of).collect::<Result<_, _>>()?;
                for id in gone {
                    stored.points.remove(&id);
                }
                Ok(updated())
            })
        }
        async fn create_field_index(&self, request: Request<CreateFieldIndexCollection>) -> Answer<PointsOperationResponse> {
            let call = |body: &CreateFieldIndexCollection| format!("index {} {}", body.collection_name, body.field_name);
            self.serve(request, call, |state, body| {
                state.engine.stored(&body.collection_name)?.indexed.insert(body.field_name);
                Ok(updated())
            })
        }
        async fn scroll(&self, request: Request<ScrollPoints>) -> Answer<ScrollResponse> {
            self.serve(request, |body| format!("scroll {}", body.collection_name), |state, body| {
                let stored = state.engine.stored(&body.collection_name)?;
                let from = body.offset.map(|id| id_of(&PointStruct { id: Some(id), ..PointStruct::default() })).transpose()?;
                let limit = body.limit.unwrap_or(10) as usize;
                let mut rest = Vec::new();
                for point in stored.matching(body.filter.as_ref())? {
                    let id = id_of(point)?;
                    if from.as_ref().is_none_or(|first| &id >= first) {
                        rest.push(point);
                    }
                }
                let next_page_offset = rest.get(limit).and_then(|point| point.id.clone());
                let row = |point: &&PointStruct| RetrievedPoint {
                    id: point.id.clone(),
                    payload: point.payload.clone(),
                    ..RetrievedPoint::default()
                };
                let result = rest.iter().take(limit).map(row).collect();
                Ok(ScrollResponse { next_page_offset, result, ..ScrollResponse::default() })
            })
        }
        async fn count(&self, request: Request<CountPoints>) -> Answer<CountResponse> {
            self.serve(request, |body| format!("count {}", body.collection_name), |state, body| {
                let stored = state.engine.stored(&body.collection_name)?;
                let count = stored.matching(body.filter.as_ref())?.len() as u64;
                Ok(CountResponse { result: Some(CountResult { count }), ..CountResponse::default() })
            })
        }
        async fn query(&self, request: Request<QueryPoints>) -> Answer<QueryResponse> {
            self.serve(request, |body| format!("query {}", body.collection_name), |state, body| {
                let stored = state.engine.stored(&body.collection_name)?;
                let input = match body.query.and_then(|found| found.variant) {
                    Some(query::Variant::Nearest(VectorInput { variant: Some(input) })) => input,
                    _ => return Err(Status::unimplemented("only nearest vectors are known here")),
                };
                let limit = body.limit.unwrap_or(10) as usize;
                let using = body.using.unwrap_or_default();
        let found = stored.nearest(&using, &input, body.filter.as_ref(), limit)?;
                let row = |(point, score): (PointStruct, f32)| ScoredPoint {
                    id: point.id,
                    payload: point.payload,
                    score,
                    ..ScoredPoint::default()
                };
                Ok(QueryResponse { result: found.into_iter().map(row).collect(), ..QueryResponse::default() })
            })
        }
        }
unknown {
        get(GetPoints) -> GetResponse;
        update_vectors(UpdatePointVectors) -> PointsOperationResponse;
        delete_vectors(DeletePointVectors) -> PointsOperationResponse;
        set_payload(SetPayloadPoints) -> PointsOperationResponse;
        overwrite_payload(SetPayloadPoints) -> PointsOperationResponse;
        delete_payload(DeletePayloadPoints) -> PointsOperationResponse;
        clear_payload(ClearPayloadPoints) -> PointsOperationResponse;
        delete_field_index(DeleteFieldIndexCollection) -> PointsOperationResponse;
        create_vector_name(CreateVectorNameRequest) -> PointsOperationResponse;
        delete_vector_name(DeleteVectorNameRequest) -> PointsOperationResponse;
        search(SearchPoints) -> SearchResponse;
        search_batch(SearchBatchPoints) -> SearchBatchResponse;
        search_groups(SearchPointGroups) -> SearchGroupsResponse;
        recommend(RecommendPoints) -> RecommendResponse;
        recommend_batch(RecommendBatchPoints) -> RecommendBatchResponse;
        recommend_groups(RecommendPointGroups) -> RecommendGroupsResponse;
        discover(DiscoverPoints) -> DiscoverResponse;
        discover_batch(DiscoverBatchPoints) -> DiscoverBatchResponse;
        update_batch(UpdateBatchPoints) -> UpdateBatchResponse;
        query_batch(QueryBatchPoints) -> QueryBatchResponse;
        query_groups(QueryPointGroups) -> QueryGroupsResponse;
        facet(FacetCounts) -> FacetResponse;
        search_matrix_pairs(SearchMatrixPoints) -> SearchMatrixPairsResponse;
        search_matrix_offsets(SearchMatrixPoints) -> SearchMatrixOffsetsResponse;
}
}
