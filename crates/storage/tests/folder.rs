//! What is particular to a folder: names, links, files in the way, other processes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use pagemill_storage::{
    Condition, ETag, FolderStore, MemoryStore, ObjectStore, Overlay, PutOptions, StorageError,
};

async fn keys(store: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    let listed: Vec<_> = store.list(prefix).try_collect().await.unwrap();
    listed.into_iter().map(|meta| meta.key).collect()
}

async fn put(store: &dyn ObjectStore, key: &str, body: &'static str) -> Result<ETag, StorageError> {
    store
        .put(
            key,
            Bytes::from_static(body.as_bytes()),
            PutOptions::default(),
        )
        .await
}

#[tokio::test]
async fn keys_that_would_leave_the_folder_are_refused() {
    let outer = tempfile::tempdir().unwrap();
    let store = FolderStore::create(outer.path().join("root")).unwrap();
    fs::write(outer.path().join("secret"), "s").unwrap();
    let long = "x".repeat(256);
    for key in [
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "",
        "a//b",
        "a/",
        "./a",
        ".pagemill/lock",
        "a\0b",
        &long,
    ] {
        let refused = put(&store, key, "x").await.unwrap_err();
        assert!(
            matches!(refused, StorageError::BadKey { .. }),
            "{key:?}: {refused}"
        );
        let unread = store.get_bytes(key).await.unwrap_err();
        let is_absent = matches!(
            unread,
            StorageError::BadKey { .. } | StorageError::NotFound { .. }
        );
        assert!(is_absent, "{key:?}: {unread}");
    }
    assert_eq!(fs::read(outer.path().join("secret")).unwrap(), b"s");
    assert!(keys(&store, "").await.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn links_out_of_an_output_folder_are_refused() {
    let outer = tempfile::tempdir().unwrap();
    let elsewhere = outer.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("secret"), "s").unwrap();
    let store = FolderStore::create(outer.path().join("root")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, store.root().join("link")).unwrap();
    for key in ["link/secret", "link/new/er"] {
        let refused = put(&store, key, "x").await.unwrap_err();
        assert!(matches!(refused, StorageError::BadKey { .. }), "{refused}");
        assert!(store.get_bytes(key).await.is_err());
        assert!(store.delete(key).await.is_err());
    }
    assert_eq!(fs::read(elsewhere.join("secret")).unwrap(), b"s");
    assert!(!elsewhere.join("new").exists());
    assert!(keys(&store, "").await.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn the_root_itself_may_be_reached_by_a_link() {
    let outer = tempfile::tempdir().unwrap();
    fs::create_dir(outer.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", outer.path().join("link")).unwrap();
    let store = FolderStore::create(outer.path().join("link")).unwrap();
    put(&store, "a/b", "x").await.unwrap();
    assert_eq!(keys(&store, "").await, ["a/b"]);
    assert_eq!(fs::read(outer.path().join("real/a/b")).unwrap(), b"x");
}

#[cfg(unix)]
#[tokio::test]
async fn an_input_folder_is_read_through_links_and_never_written() {
    use std::os::unix::ffi::OsStrExt;
    let outer = tempfile::tempdir().unwrap();
    let input = outer.path().join("in");
    fs::create_dir_all(input.join("sub")).unwrap();
    fs::create_dir(outer.path().join("elsewhere")).unwrap();
    fs::write(outer.path().join("elsewhere/linked.pdf"), "linked").unwrap();
    std::os::unix::fs::symlink("../elsewhere", input.join("other")).unwrap();
    std::os::unix::fs::symlink("nowhere", input.join("dangling.pdf")).unwrap();
    std::os::unix::fs::symlink("..", input.join("sub/loop")).unwrap();
    let latin1_name = std::ffi::OsStr::from_bytes(b"sub/caf\xe9.pdf");
    fs::write(input.join(latin1_name), "latin1").unwrap();
    fs::write(input.join("B.PDF"), "b").unwrap();

    let store = Overlay::new(
        Arc::new(FolderStore::read_only(&input)),
        Arc::new(MemoryStore::new("out")),
        "source-pdfs/",
    );
    put(&store, "processing/z.json", "z").await.unwrap();
    put(&store, "tail", "t").await.unwrap();
    let listed = keys(&store, "").await;
    assert_eq!(
        listed,
        [
            "processing/z.json",
            "source-pdfs/B.PDF",
            "source-pdfs/other/linked.pdf",
            "source-pdfs/sub/caf\u{efe9}.pdf",
            "tail",
        ]
    );
    assert_eq!(keys(&store, "source-pdfs/").await, listed[1..4]);
    assert_eq!(keys(&store, "source-pdfs/o").await, listed[2..3]);
    let (meta, body) = store
        .get_bytes("source-pdfs/sub/caf\u{efe9}.pdf")
        .await
        .unwrap();
    assert_eq!(
        (meta.key.as_str(), &body[..]),
        (listed[3].as_str(), &b"latin1"[..])
    );

    for refused in [
        put(&store, "source-pdfs/new.pdf", "x").await.map(drop),
        store.delete("source-pdfs/B.PDF").await,
        store
            .delete_many(vec!["tail".into(), "source-pdfs/B.PDF".into()])
            .await,
    ] {
        assert!(
            matches!(refused, Err(StorageError::Denied { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(keys(&store, "").await, listed);
    assert!(
        !input.join(".pagemill").exists(),
        "nothing was written into the input"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn pipes_and_folders_are_no_objects() {
    let root = tempfile::tempdir().unwrap();
    let made = Command::new("mkfifo")
        .arg(root.path().join("pipe.pdf"))
        .status()
        .unwrap();
    assert!(made.success());
    fs::create_dir(root.path().join("folder.pdf")).unwrap();
    let store = FolderStore::new(root.path());
    for key in ["pipe.pdf", "folder.pdf"] {
        let error = store.get_bytes(key).await.unwrap_err();
        assert!(matches!(error, StorageError::NotFound { .. }), "{error}");
    }
    assert!(keys(&store, "").await.is_empty());
}

#[tokio::test]
async fn a_missing_folder_is_told_from_a_missing_file() {
    let outer = tempfile::tempdir().unwrap();
    let store = FolderStore::new(outer.path().join("missing"));
    let listed = store.list("").next().await.expect("listing says so");
    let errors = [
        store.head("a", None).await.unwrap_err(),
        store.get_bytes("a").await.unwrap_err(),
        put(&store, "a", "x").await.unwrap_err(),
        store.delete("a").await.unwrap_err(),
        listed.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StorageError::NoStore { .. }), "{error}");
        assert!(error.to_string().contains("make the folder"), "{error}");
    }
    assert!(!outer.path().join("missing").exists());
}

#[tokio::test]
async fn a_file_in_the_way_of_a_folder_is_named() {
    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::new(root.path());
    put(&store, "a", "x").await.unwrap();
    for key in ["a/b", "a/b/c"] {
        let error = put(&store, key, "x").await.unwrap_err();
        assert!(
            matches!(error, StorageError::BadKey { .. }),
            "{key}: {error}"
        );
    }
    put(&store, "d/e", "x").await.unwrap();
    let error = put(&store, "d", "x").await.unwrap_err();
    assert!(matches!(error, StorageError::BadKey { .. }), "{error}");
}

#[tokio::test]
async fn every_write_has_a_new_tag_even_within_one_tick_of_the_clock() {
    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::new(root.path());
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let etag = put(&store, "same", "same size").await.unwrap();
        assert_eq!(store.head("same", None).await.unwrap().etag, etag);
        assert!(seen.insert(etag.0), "a tag came twice");
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_not_taken_for_whole() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("growing.pdf");
    fs::write(&path, vec![1; 1024 * 1024]).unwrap();
    let store = FolderStore::read_only(root.path());
    let (_, mut body) = store.get("growing.pdf", None).await.unwrap();
    body.next().await.unwrap().unwrap();
    fs::File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .set_len(3 * 1024 * 1024)
        .unwrap();
    let rest: Result<Vec<Bytes>, _> = body.try_collect().await;
    assert!(
        rest.unwrap_err()
            .to_string()
            .contains("changed while it was read")
    );
}

#[tokio::test]
async fn a_reader_keeps_the_object_it_opened() {
    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::new(root.path());
    put(&store, "a", "old").await.unwrap();
    let (_, body) = store.get("a", None).await.unwrap();
    put(&store, "a", "new").await.unwrap();
    let pieces: Vec<Bytes> = body.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"old");
}

#[cfg(unix)]
#[tokio::test]
async fn objects_have_the_mode_of_the_users_other_files() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::new(root.path());
    put(&store, "a", "x").await.unwrap();
    fs::write(root.path().join("other"), "x").unwrap();
    let mode = |name: &str| {
        fs::metadata(root.path().join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("a"), mode("other"));
}

#[tokio::test]
async fn what_a_dead_process_left_is_cleared_once_it_is_old() {
    let root = tempfile::tempdir().unwrap();
    FolderStore::create(root.path()).unwrap();
    let unfinished = root.path().join(".pagemill/unfinished");
    fs::write(unfinished.join("young"), "x").unwrap();
    fs::write(unfinished.join("old"), "x").unwrap();
    let two_days = std::time::Duration::from_secs(2 * 24 * 60 * 60);
    let old = fs::File::options()
        .append(true)
        .open(unfinished.join("old"))
        .unwrap();
    old.set_modified(std::time::SystemTime::now() - two_days)
        .unwrap();
    FolderStore::create(root.path()).unwrap();
    assert!(unfinished.join("young").exists());
    assert!(!unfinished.join("old").exists());
}

const INCREMENTS: u32 = 100;

async fn increment(root: &Path) {
    let store = FolderStore::new(root);
    for _ in 0..INCREMENTS {
        loop {
            let (meta, body) = store.get_bytes("counter").await.unwrap();
            let count: u32 = std::str::from_utf8(&body).unwrap().parse().unwrap();
            let options = PutOptions {
                content_type: None,
                condition: Condition::IfMatch(meta.etag),
            };
            match store
                .put("counter", (count + 1).to_string().into(), options)
                .await
            {
                Ok(_) => break,
                Err(StorageError::Precondition { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

/// Starts itself three times more; the copies find the folder in their environment.
#[tokio::test]
async fn processes_lose_no_update() {
    const FOLDER: &str = "PAGEMILL_TEST_COUNTER_FOLDER";
    if let Some(root) = std::env::var_os(FOLDER) {
        increment(Path::new(&root)).await;
        return;
    }
    let root = tempfile::tempdir().unwrap();
    put(&FolderStore::new(root.path()), "counter", "0")
        .await
        .unwrap();
    let processes: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "processes_lose_no_update"])
                .env(FOLDER, root.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let counted = fs::read_to_string(root.path().join("counter")).unwrap();
    assert_eq!(counted, (3 * INCREMENTS).to_string());
}
