//! What the embedded stores do with their folder: reopening, a process that dies, a second opener.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pagemill_index::store::SearchQuery;
use pagemill_index::{
    CollectionSpec, EdgeStore, FlatStore, Fusion, Hit, IndexError, Point, QueryVector,
    SearchFilter, SparseVector, TargetStore, VectorStore, embedded_store,
};

use super::conformance::{SPEC, collection, count, of_a_document, of_source, point};

async fn what_was_flushed_is_there_after_reopening<S: VectorStore>(
    open: impl Fn(&Path) -> Result<S, IndexError>,
) {
    let dir = tempfile::tempdir().unwrap();
    let collection = collection(TargetStore::Semantic);
    let store = open(dir.path()).unwrap();
    store.ensure(&collection, &SPEC).await.unwrap();
    store
        .upsert(&collection, of_a_document("g1", 1))
        .await
        .unwrap();
    store.flush().await.unwrap();
    drop(store);
    let reopened = open(dir.path()).unwrap();
    assert_eq!(count(&reopened, &collection).await, 1);
    let other_size = CollectionSpec {
        dimensions: 5,
        sparse: true,
    };
    let refused = reopened.ensure(&collection, &other_size).await;
    assert_eq!(refused.unwrap_err().code(), "wrong_vector_size");
}

async fn what_was_flushed_survives_a_process_that_dies<S: VectorStore>(
    open: impl Fn(&Path) -> Result<S, IndexError>,
) {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let collection = collection(TargetStore::Semantic);
    let store = open(dir.path()).unwrap();
    store.ensure(&collection, &SPEC).await.unwrap();
    store
        .upsert(&collection, of_a_document("g1", 300))
        .await
        .unwrap();
    store.flush().await.unwrap();
    // What a dead process leaves is what is on disk now: no drop, no goodbye.
    copy_tree(dir.path(), copy.path());
    let survivor = open(copy.path()).unwrap();
    assert_eq!(count(&survivor, &collection).await, 300);
    let sparse = QueryVector::Sparse(SparseVector {
        indices: vec![1],
        values: vec![1.0],
    });
    let all = SearchFilter::default();
    let found = survivor.nearest(&collection, sparse, 5, &all).await;
    assert_eq!(found.unwrap().len(), 5);
}

fn a_second_opener_is_told_who_has_it<S: VectorStore>(
    open: impl Fn(&Path) -> Result<S, IndexError>,
) {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert_eq!(error.code(), "store_locked");
    assert!(
        error.to_string().contains("in use by another process"),
        "{error}"
    );
    drop(first);
    open(dir.path()).unwrap();
}

macro_rules! in_a_folder {
    ($store:ident: $($name:ident)*) => {
        mod $store {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::$store).await;
            })*
            #[test]
            fn a_second_opener_is_told_who_has_it() {
                super::a_second_opener_is_told_who_has_it(super::$store);
            }
        }
    };
}

fn engine_in_a_folder(dir: &Path) -> Result<EdgeStore, IndexError> {
    EdgeStore::open(dir)
}

fn flat_in_a_folder(dir: &Path) -> Result<FlatStore, IndexError> {
    FlatStore::open(dir)
}

in_a_folder! { engine_in_a_folder:
    what_was_flushed_is_there_after_reopening
    what_was_flushed_survives_a_process_that_dies
}

in_a_folder! { flat_in_a_folder:
    what_was_flushed_is_there_after_reopening
    what_was_flushed_survives_a_process_that_dies
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let found = entry.unwrap();
        let target = to.join(found.file_name());
        if found.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_tree(&found.path(), &target);
        } else {
            fs::copy(found.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_line_that_a_dying_process_tore_costs_that_line_alone() {
    let dir = tempfile::tempdir().unwrap();
    let collection = collection(TargetStore::Semantic);
    let store = FlatStore::open(dir.path()).unwrap();
    store.ensure(&collection, &SPEC).await.unwrap();
    let written = store.upsert(&collection, of_a_document("g1", 3)).await;
    written.unwrap();
    drop(store);
    let file = dir.path().join(format!("{}.points", collection.name));
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 10]).unwrap();
    let store = FlatStore::open(dir.path()).unwrap();
    assert_eq!(count(&store, &collection).await, 2);
    let again = store.upsert(&collection, of_a_document("g1", 3)).await;
    again.unwrap();
    drop(store);
    let store = FlatStore::open(dir.path()).unwrap();
    assert_eq!(count(&store, &collection).await, 3);
    drop(store);

    let damaged = [&whole[..60], b"\n", &whole[60..]].concat();
    fs::write(&file, damaged).unwrap();
    let store = FlatStore::open(dir.path()).unwrap();
    let all = SearchFilter::default();
    let error = store.count(&collection, &all).await.unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
    assert!(error.to_string().contains("remove the folder"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_mostly_of_points_that_are_gone_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let collection = collection(TargetStore::Semantic);
    let store = FlatStore::open(dir.path()).unwrap();
    store.ensure(&collection, &SPEC).await.unwrap();
    for generation in ["g1", "g2"] {
        let points = of_a_document(generation, 600);
        store.upsert(&collection, points).await.unwrap();
    }
    let gone = store.delete_generation(&collection, "a.pdf", "g1").await;
    assert_eq!(gone.unwrap(), 600);
    let gone = store.delete_generation(&collection, "a.pdf", "g2").await;
    assert_eq!(gone.unwrap(), 600);
    let kept = store.upsert(&collection, of_a_document("g3", 5)).await;
    kept.unwrap();
    drop(store);
    let store = FlatStore::open(dir.path()).unwrap();
    assert_eq!(count(&store, &collection).await, 5);
    let file = dir.path().join(format!("{}.points", collection.name));
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 6);
    let more = store.upsert(&collection, of_a_document("g4", 1)).await;
    more.unwrap();
    drop(store);
    let store = FlatStore::open(dir.path()).unwrap();
    assert_eq!(count(&store, &collection).await, 6);
}

#[tokio::test]
async fn the_flat_store_finds_what_the_engine_finds() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let engine = EdgeStore::open(dirs[0].path()).unwrap();
    let flat = FlatStore::open(dirs[1].path()).unwrap();
    let collection = collection(TargetStore::Semantic);
    let number = |n: u32, step: u32| (n.wrapping_mul(2_654_435_761) >> step) as f32 % 97.0 - 48.0;
    let points: Vec<Point> = (0..200)
        .map(|n| {
            let dense = [number(n, 3), number(n, 7), number(n, 11)];
            let terms = [n % 3, 10 + n % 7, 100 + n % 31, 1_000 + n];
            point(TargetStore::Semantic, "a.pdf", "g1", n, dense, &terms)
        })
        .collect();
    let query = SearchQuery {
        dense: Some(vec![1.0, -0.5, 0.25]),
        sparse: Some(SparseVector {
            indices: vec![2, 13, 117, 1_042],
            values: vec![1.0, 0.9, 0.8, 0.7],
        }),
        limit: 20,
        filter: of_source("a.pdf"),
        fusion: Fusion::Dense,
    };
    let mut found = Vec::new();
    for store in [&engine as &dyn VectorStore, &flat] {
        store.ensure(&collection, &SPEC).await.unwrap();
        store.upsert(&collection, points.clone()).await.unwrap();
        let by_dense = store.search(&collection, query.clone()).await.unwrap();
        let sparse = QueryVector::Sparse(query.sparse.clone().unwrap());
        let all = SearchFilter::default();
        let by_sparse = store.nearest(&collection, sparse, 1, &all).await.unwrap();
        found.push([by_dense, by_sparse]);
    }
    let ids = |hits: &[Hit]| hits.iter().map(|hit| hit.id).collect::<BTreeSet<_>>();
    let scores = |hits: &[Hit]| hits.iter().map(|hit| hit.score).collect::<Vec<_>>();
    for (by_engine, by_flat) in std::iter::zip(&found[0], &found[1]) {
        assert_eq!(ids(by_engine), ids(by_flat));
        // Sums are taken in another order, so that two points may change places that are equally near but for rounding.
        for (one, other) in std::iter::zip(scores(by_engine), scores(by_flat)) {
            assert!((one - other).abs() < 1e-4, "{by_engine:?} {by_flat:?}");
        }
    }
}

#[tokio::test]
async fn a_folder_is_opened_by_the_store_that_wrote_it() {
    let collection = collection(TargetStore::Semantic);
    let dir = tempfile::tempdir().unwrap();
    let small = FlatStore::open(dir.path()).unwrap();
    small.ensure(&collection, &SPEC).await.unwrap();
    let written = small.upsert(&collection, of_a_document("g1", 4)).await;
    written.unwrap();
    drop(small);
    let store = embedded_store(dir.path()).unwrap();
    assert_eq!(count(&*store, &collection).await, 4);

    let dir = tempfile::tempdir().unwrap();
    let store = embedded_store(dir.path()).unwrap();
    store.ensure(&collection, &SPEC).await.unwrap();
    drop(store);
    let store = EdgeStore::open(dir.path()).unwrap();
    assert_eq!(store.dimensions(&collection).await.unwrap(), Some(3));
}
