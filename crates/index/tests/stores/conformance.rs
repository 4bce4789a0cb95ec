//! What every vector store does.

use pagemill_index::points::{folders, point_id};
use pagemill_index::store::SearchQuery;
use pagemill_index::testing::TestQdrant;
use pagemill_index::{
    Collection, CollectionNames, CollectionSpec, EdgeStore, FlatStore, Fusion, Hit, IndexError,
    Inventory, Point, QdrantServer, QueryVector, SearchFilter, SparseVector, TargetStore,
    VectorStore,
};
use serde_json::{Value, json};

pub(super) const SPEC: CollectionSpec = CollectionSpec {
    dimensions: 3,
    sparse: true,
};

pub(super) fn collection(target: TargetStore) -> Collection {
    Collection::of(target, &CollectionNames::default())
}

pub(super) fn point(
    target: TargetStore,
    source: &str,
    generation: &str,
    n: u32,
    dense: [f32; 3],
    terms: &[u32],
) -> Point {
    let fields = json!({
        "source": source, "generation": generation, "folders": folders(source), "language": "en", "n": n,
    });
    let payload = match target {
        TargetStore::Haystack => {
            json!({"id": "x", "content": "text", "blob": null, "meta": fields})
        }
        TargetStore::Pages | TargetStore::Semantic => fields,
    };
    let Value::Object(payload) = payload else {
        panic!("a payload is an object")
    };
    let sparse = SparseVector {
        indices: terms.to_vec(),
        values: vec![1.0; terms.len()],
    };
    Point {
        id: point_id(target, source, generation, n),
        dense: Some(dense.to_vec()),
        sparse: Some(sparse),
        payload,
    }
}

fn numbers(collection: &Collection, hits: &[Hit]) -> Vec<u64> {
    hits.iter()
        .map(|hit| {
            collection
                .read(&hit.payload, "n")
                .unwrap()
                .as_u64()
                .unwrap()
        })
        .collect()
}

pub(super) fn of_source(source: &str) -> SearchFilter {
    SearchFilter {
        source: Some(source.to_owned()),
        ..SearchFilter::default()
    }
}

async fn ensure_is_idempotent_and_checks_the_size(store: &dyn VectorStore, target: TargetStore) {
    let collection = collection(target);
    assert_eq!(store.dimensions(&collection).await.unwrap(), None);
    store.ensure(&collection, &SPEC).await.unwrap();
    store.ensure(&collection, &SPEC).await.unwrap();
    assert_eq!(store.dimensions(&collection).await.unwrap(), Some(3));
    let error = store
        .ensure(
            &collection,
            &CollectionSpec {
                dimensions: 256,
                sparse: true,
            },
        )
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            IndexError::WrongVectorSize {
                found: 3,
                expected: 256,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("index again"), "{error}");
    assert!(error.is_configuration() && !error.is_permanent());
}

async fn writing_twice_changes_nothing(store: &dyn VectorStore, target: TargetStore) {
    let collection = collection(target);
    store.ensure(&collection, &SPEC).await.unwrap();
    let points = || {
        vec![
            point(target, "a.pdf", "g1", 0, [1.0, 0.0, 0.0], &[1]),
            point(target, "a.pdf", "g1", 1, [0.0, 1.0, 0.0], &[2]),
        ]
    };
    store.upsert(&collection, points()).await.unwrap();
    store.upsert(&collection, points()).await.unwrap();
    assert_eq!(
        store
            .count(&collection, &SearchFilter::default())
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        store.count(&collection, &of_source("a.pdf")).await.unwrap(),
        2
    );
    assert_eq!(
        store.count(&collection, &of_source("b.pdf")).await.unwrap(),
        0
    );
}

async fn payloads_come_back_as_written(store: &dyn VectorStore, target: TargetStore) {
    let collection = collection(target);
    store.ensure(&collection, &SPEC).await.unwrap();
    let mut written = point(target, "a.pdf", "g1", 0, [1.0, 0.0, 0.0], &[1]);
    let nested = json!({"spans": [{"page": 1, "boxes": [{"x0": 1.5}]}], "text": "Grüße — 東京 \u{1F600}", "none": null, "yes": true});
    written.payload.insert("extra".to_owned(), nested);
    store
        .upsert(&collection, vec![written.clone()])
        .await
        .unwrap();
    let vector = QueryVector::Dense(vec![1.0, 0.0, 0.0]);
    let hits = store
        .nearest(&collection, vector, 1, &SearchFilter::default())
        .await
        .unwrap();
    assert_eq!(hits[0].id, written.id);
    assert_eq!(hits[0].payload, written.payload);
    assert!(
        (hits[0].score - 1.0).abs() < 1e-5,
        "cosine of the same vector is 1, not {}",
        hits[0].score
    );
}

async fn the_nearest_come_first(store: &dyn VectorStore, target: TargetStore) {
    let collection = collection(target);
    store.ensure(&collection, &SPEC).await.unwrap();
    let points = vec![
        point(target, "x/a.pdf", "g1", 0, [1.0, 0.0, 0.0], &[7, 9]),
        point(target, "x/a.pdf", "g1", 1, [0.8, 0.6, 0.0], &[7]),
        point(target, "y/b.pdf", "g1", 2, [0.0, 1.0, 0.0], &[7, 8]),
    ];
    store.upsert(&collection, points).await.unwrap();
    let all = SearchFilter::default();
    let dense = QueryVector::Dense(vec![2.0, 0.0, 0.0]);
    let by_dense = store
        .nearest(&collection, dense.clone(), 10, &all)
        .await
        .unwrap();
    assert_eq!(numbers(&collection, &by_dense), [0, 1, 2]);
    assert_eq!(
        store
            .nearest(&collection, dense.clone(), 2, &all)
            .await
            .unwrap()
            .len(),
        2
    );

    // Term 8 is rare, term 7 is everywhere: rarity decides, and a point without any of the terms is not found.
    let sparse = SparseVector {
        indices: vec![7, 8],
        values: vec![1.0, 1.0],
    };
    let by_sparse = store
        .nearest(&collection, QueryVector::Sparse(sparse.clone()), 10, &all)
        .await
        .unwrap();
    assert_eq!(numbers(&collection, &by_sparse)[0], 2);
    let unknown = SparseVector {
        indices: vec![1234],
        values: vec![1.0],
    };
    assert!(
        store
            .nearest(&collection, QueryVector::Sparse(unknown), 10, &all)
            .await
            .unwrap()
            .is_empty()
    );

    let folder = SearchFilter {
        folder: Some("y/".to_owned()),
        ..SearchFilter::default()
    };
    let in_folder = store
        .nearest(&collection, dense.clone(), 10, &folder)
        .await
        .unwrap();
    assert_eq!(numbers(&collection, &in_folder), [2]);
    let other_language = SearchFilter {
        language: Some("de".to_owned()),
        ..SearchFilter::default()
    };
    assert!(
        store
            .nearest(&collection, dense, 10, &other_language)
            .await
            .unwrap()
            .is_empty()
    );

    let query = |fusion| SearchQuery {
        dense: Some(vec![1.0, 0.0, 0.0]),
        sparse: Some(sparse.clone()),
        limit: 3,
        filter: SearchFilter::default(),
        fusion,
    };
    let first = |hits: Vec<Hit>| numbers(&collection, &hits)[0];
    assert_eq!(
        first(
            store
                .search(&collection, query(Fusion::Dense))
                .await
                .unwrap()
        ),
        0
    );
    assert_eq!(
        first(
            store
                .search(&collection, query(Fusion::Sparse))
                .await
                .unwrap()
        ),
        2
    );
    let leaning = Fusion::Rrf {
        dense: 0.1,
        sparse: 1.0,
    };
    assert_eq!(
        first(store.search(&collection, query(leaning)).await.unwrap()),
        2
    );
}

async fn older_generations_go_and_nothing_else(store: &dyn VectorStore, target: TargetStore) {
    let collection = collection(target);
    store.ensure(&collection, &SPEC).await.unwrap();
    let mut points = Vec::new();
    for n in 0..5 {
        points.push(point(target, "a.pdf", "g1", n, [1.0, 0.0, 0.0], &[1]));
    }
    for n in 0..2 {
        points.push(point(target, "a.pdf", "g2", n, [1.0, 0.0, 0.0], &[1]));
    }
    points.push(point(target, "b.pdf", "g1", 0, [1.0, 0.0, 0.0], &[1]));
    store.upsert(&collection, points).await.unwrap();
    let row = |source: &str, generation: &str, count: u64| Inventory {
        source: source.to_owned(),
        generation: generation.to_owned(),
        points: count,
    };
    let before = store.inventory(&collection).await.unwrap();
    assert_eq!(
        before,
        [
            row("a.pdf", "g1", 5),
            row("a.pdf", "g2", 2),
            row("b.pdf", "g1", 1)
        ]
    );
    let others = |keep| store.other_generations(&collection, "a.pdf", keep);
    assert_eq!(others(Some("g2")).await.unwrap(), [row("a.pdf", "g1", 5)]);
    assert_eq!(
        others(None).await.unwrap(),
        [row("a.pdf", "g1", 5), row("a.pdf", "g2", 2)]
    );
    let delete = |generation| store.delete_generation(&collection, "a.pdf", generation);
    assert_eq!(delete("g1").await.unwrap(), 5);
    let after = store.inventory(&collection).await.unwrap();
    assert_eq!(after, [row("a.pdf", "g2", 2), row("b.pdf", "g1", 1)]);
    assert_eq!(others(Some("g2")).await.unwrap(), []);
    assert_eq!(delete("g1").await.unwrap(), 0);
    assert_eq!(delete("g2").await.unwrap(), 2);
    assert_eq!(
        store.inventory(&collection).await.unwrap(),
        [row("b.pdf", "g1", 1)]
    );
}

async fn sources_with_spaces_are_told_apart(store: &dyn VectorStore, target: TargetStore) {
    let collection = collection(target);
    store.ensure(&collection, &SPEC).await.unwrap();
    let sources = [
        "May 2026/bill.pdf",
        "old/May 2026/bill.pdf",
        "May 2026/bill.pdf 2",
    ];
    let points = sources.map(|source| point(target, source, "g1", 0, [1.0, 0.0, 0.0], &[1]));
    store.upsert(&collection, points.to_vec()).await.unwrap();
    assert_eq!(
        store
            .delete_generation(&collection, sources[0], "g1")
            .await
            .unwrap(),
        1
    );
    let left = store.inventory(&collection).await.unwrap();
    let left: Vec<&str> = left.iter().map(|row| row.source.as_str()).collect();
    assert_eq!(left, [sources[2], sources[1]]);
}

async fn a_point_without_vectors_is_counted_but_not_near(
    store: &dyn VectorStore,
    target: TargetStore,
) {
    let collection = collection(target);
    store.ensure(&collection, &SPEC).await.unwrap();
    let mut blank = point(target, "a.pdf", "g1", 0, [1.0, 0.0, 0.0], &[1]);
    blank.dense = None;
    blank.sparse = None;
    let printed = point(target, "a.pdf", "g1", 1, [1.0, 0.0, 0.0], &[1]);
    store
        .upsert(&collection, vec![blank, printed])
        .await
        .unwrap();
    assert_eq!(
        store.count(&collection, &of_source("a.pdf")).await.unwrap(),
        2
    );
    let dense = QueryVector::Dense(vec![1.0, 0.0, 0.0]);
    let hits = store
        .nearest(&collection, dense, 10, &SearchFilter::default())
        .await
        .unwrap();
    assert_eq!(numbers(&collection, &hits), [1]);
}

async fn a_missing_collection_is_an_empty_one(store: &dyn VectorStore, target: TargetStore) {
    let missing = Collection {
        name: "never_made".to_owned(),
        target,
    };
    assert_eq!(
        store
            .count(&missing, &SearchFilter::default())
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        store
            .delete_generation(&missing, "a.pdf", "g1")
            .await
            .unwrap(),
        0
    );
    let others = store.other_generations(&missing, "a.pdf", None).await;
    assert_eq!(others.unwrap(), []);
    assert!(store.inventory(&missing).await.unwrap().is_empty());
    let dense = QueryVector::Dense(vec![1.0, 0.0, 0.0]);
    assert!(
        store
            .nearest(&missing, dense, 10, &SearchFilter::default())
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .upsert(
                &missing,
                vec![point(target, "a.pdf", "g", 0, [1.0, 0.0, 0.0], &[1])]
            )
            .await
            .is_err()
    );
}

async fn many_workers_may_ensure_at_once(store: &dyn VectorStore, target: TargetStore) {
    let collection = collection(target);
    let (one, two, three) = tokio::join!(
        store.ensure(&collection, &SPEC),
        store.ensure(&collection, &SPEC),
        store.ensure(&collection, &SPEC)
    );
    for outcome in [one, two, three] {
        outcome.unwrap();
    }
    assert_eq!(store.dimensions(&collection).await.unwrap(), Some(3));
}

async fn a_long_inventory_is_whole(store: &dyn VectorStore, target: TargetStore) {
    let collection = collection(target);
    store.ensure(&collection, &SPEC).await.unwrap();
    let points = (0..2_500)
        .map(|n| point(target, "long.pdf", "g1", n, [1.0, 0.0, 0.0], &[1]))
        .collect();
    store.upsert(&collection, points).await.unwrap();
    let found = store.inventory(&collection).await.unwrap();
    assert_eq!(
        found,
        [Inventory {
            source: "long.pdf".to_owned(),
            generation: "g1".to_owned(),
            points: 2_500
        }]
    );
}

macro_rules! suite {
    ($($name:ident)*) => {
        mod embedded {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                for target in TargetStore::ALL {
                    let dir = tempfile::tempdir().unwrap();
                    let store = EdgeStore::open(dir.path()).unwrap();
                    super::$name(&store, target).await;
                }
            })*
        }
        mod flat {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                for target in TargetStore::ALL {
                    let dir = tempfile::tempdir().unwrap();
                    let store = FlatStore::open(dir.path()).unwrap();
                    super::$name(&store, target).await;
                }
            })*
        }
        mod server {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                for target in TargetStore::ALL {
                    let server = TestQdrant::start().await.unwrap();
                    let store = QdrantServer::connect(&server.url(), None).unwrap();
                    super::$name(&store, target).await;
                }
            })*
        }
    };
}

suite! {
    ensure_is_idempotent_and_checks_the_size
    writing_twice_changes_nothing
    payloads_come_back_as_written
    the_nearest_come_first
    older_generations_go_and_nothing_else
    sources_with_spaces_are_told_apart
    a_point_without_vectors_is_counted_but_not_near
    a_missing_collection_is_an_empty_one
    many_workers_may_ensure_at_once
    a_long_inventory_is_whole
}

pub(super) fn of_a_document(generation: &str, points: u32) -> Vec<Point> {
    let one = |n| {
        let dense = [1.0, 0.0, 0.0];
        point(TargetStore::Semantic, "a.pdf", generation, n, dense, &[1])
    };
    (0..points).map(one).collect()
}

pub(super) async fn count(store: &dyn VectorStore, collection: &Collection) -> u64 {
    let all = SearchFilter::default();
    store.count(collection, &all).await.unwrap()
}
