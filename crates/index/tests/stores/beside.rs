//! An embedded store that one process holds and others read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pagemill_index::store::edge::EdgeStore;
use pagemill_index::store::flat::FlatStore;
use pagemill_index::{
    IndexError, QueryVector, SearchFilter, TargetStore, VectorStore, embedded_store,
    embedded_store_to_read,
};

use super::conformance::{SPEC, collection, of_a_document};

/// Who holds the folder, and who reads beside it. Two openers in one process are two to the lock.
fn both(dir: &Path) -> [Arc<dyn VectorStore>; 2] {
    let holder = embedded_store(dir).unwrap();
    let reader = embedded_store_to_read(dir).unwrap();
    [holder, reader]
}

async fn reads_what_the_holder_has(dir: &Path) {
    let [holder, reader] = both(dir);
    let collection = collection(TargetStore::Semantic);
    assert_eq!(reader.dimensions(&collection).await.unwrap(), None);
    holder.ensure(&collection, &SPEC).await.unwrap();
    let written = holder.upsert(&collection, of_a_document("g1", 3)).await;
    written.unwrap();

    reader.ping().await.unwrap();
    assert_eq!(reader.dimensions(&collection).await.unwrap(), Some(3));
    let all = SearchFilter::default();
    assert_eq!(reader.count(&collection, &all).await.unwrap(), 3);
    let near = QueryVector::Dense(vec![1.0, 0.1, 0.0]);
    let found = reader.nearest(&collection, near.clone(), 2, &all).await;
    let same = holder.nearest(&collection, near, 2, &all).await;
    assert_eq!(found.unwrap(), same.unwrap());
    let other = SearchFilter {
        source: Some("b.pdf".to_owned()),
        ..SearchFilter::default()
    };
    assert_eq!(reader.count(&collection, &other).await.unwrap(), 0);
    let inventory = reader.inventory(&collection).await.unwrap();
    assert_eq!(inventory, holder.inventory(&collection).await.unwrap());
    let generations = reader.other_generations(&collection, "a.pdf", None).await;
    assert_eq!(generations.unwrap()[0].generation, "g1");

    // What is written now is found now.
    let written = holder.upsert(&collection, of_a_document("g2", 2)).await;
    written.unwrap();
    assert_eq!(reader.count(&collection, &all).await.unwrap(), 5);

    let refused = reader.upsert(&collection, of_a_document("g3", 1)).await;
    assert!(matches!(refused, Err(IndexError::Locked { .. })));
    let refused = reader.delete_generation(&collection, "a.pdf", "g1").await;
    assert!(matches!(refused, Err(IndexError::Locked { .. })));
    assert_eq!(holder.count(&collection, &all).await.unwrap(), 5);
}

#[tokio::test]
async fn the_holder_of_the_engines_folder_answers_others() {
    let dir = tempfile::tempdir().unwrap();
    drop(EdgeStore::open(dir.path()).unwrap());
    reads_what_the_holder_has(dir.path()).await;
}

#[tokio::test]
async fn the_holder_of_a_flat_folder_answers_others() {
    let dir = tempfile::tempdir().unwrap();
    let flat = FlatStore::open(dir.path()).unwrap();
    let other = collection(TargetStore::Pages);
    flat.ensure(&other, &SPEC).await.unwrap();
    drop(flat);
    reads_what_the_holder_has(dir.path()).await;
}

#[tokio::test]
async fn a_folder_whose_path_is_too_long_for_a_socket_is_answered_for_too() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a-folder-with-a-long-name".repeat(6));
    fs::create_dir_all(&deep).unwrap();
    reads_what_the_holder_has(&deep).await;
}

#[tokio::test]
async fn without_a_holder_a_reader_opens_the_folder_itself() {
    let dir = tempfile::tempdir().unwrap();
    let holder = embedded_store(dir.path()).unwrap();
    let collection = collection(TargetStore::Semantic);
    holder.ensure(&collection, &SPEC).await.unwrap();
    drop(holder);
    let reader = embedded_store_to_read(dir.path()).unwrap();
    assert_eq!(reader.dimensions(&collection).await.unwrap(), Some(3));
}

#[tokio::test]
async fn a_holder_that_answers_nobody_is_told_as_one_that_has_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let silent = EdgeStore::open(dir.path()).unwrap();
    let refused = embedded_store_to_read(dir.path()).unwrap_err();
    assert_eq!(refused.code(), "store_locked");
    // Nor does the socket of one that was killed mislead anybody.
    drop(std::os::unix::net::UnixListener::bind(dir.path().join("search.sock")).unwrap());
    let reader = embedded_store_to_read(dir.path()).unwrap();
    let collection = collection(TargetStore::Semantic);
    let refused = reader.dimensions(&collection).await.unwrap_err();
    assert_eq!(refused.code(), "store_locked");
    drop(silent);
}

#[tokio::test]
async fn only_its_own_user_may_ask() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let holder = embedded_store(dir.path()).unwrap();
    let socket = dir.path().join("search.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(holder);
    assert!(!socket.exists());
}
