//! What every store must do. Each check gets a store that is empty.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use jiff::Timestamp;
use pagemill_storage::{
    Condition, ETag, FileBody, KeyLayout, ObjectStore, PutOptions, Record, RecordError,
    RecordStatus, RecordStore, SourceKey, StorageError,
};

pub(crate) type Store = Arc<dyn ObjectStore>;
pub(crate) type Check = fn(Store) -> BoxFuture<'static, ()>;

macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        /// Every check with its name.
        pub(crate) const CHECKS: &[(&str, Check)] = &[$((stringify!($name), |store| $name(store).boxed())),*];
    };
}

checks![
    what_is_put_is_got,
    an_empty_object_is_an_object,
    a_large_object_comes_in_pieces,
    what_is_missing_is_not_found,
    if_absent_lets_one_writer_through,
    if_match_lets_the_reader_of_the_newest_write,
    conditions_hold_for_large_objects,
    a_body_in_a_file_is_written_as_one_in_memory,
    racing_writers_lose_no_update,
    deleting_is_final_and_repeatable,
    many_are_deleted_and_no_others,
    listing_is_complete_and_in_key_order,
    odd_keys_are_kept_as_they_are,
    records_are_saved_by_compare_and_swap,
    bad_records_are_named_and_the_others_listed,
];

fn on(condition: Condition) -> PutOptions {
    PutOptions {
        content_type: Some("application/json"),
        condition,
    }
}

async fn put(store: &Store, key: &str, body: &str) -> ETag {
    let body = Bytes::copy_from_slice(body.as_bytes());
    store
        .put(key, body, PutOptions::default())
        .await
        .expect("put works")
}

async fn text(store: &Store, key: &str) -> String {
    let (_, body) = store.get_bytes(key).await.expect("the object is there");
    String::from_utf8(body.to_vec()).expect("it is text")
}

async fn keys(store: &Store, prefix: &str) -> Vec<String> {
    let listed: Vec<_> = store
        .list(prefix)
        .try_collect()
        .await
        .expect("listing works");
    listed.into_iter().map(|meta| meta.key).collect()
}

fn assert_conflict<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    assert!(
        matches!(result, Err(StorageError::Precondition { .. })),
        "{result:?}"
    );
}

async fn what_is_put_is_got(store: Store) {
    let before = Timestamp::now();
    let etag = put(&store, "a/b.json", "one").await;
    let (meta, body) = store.get_bytes("a/b.json").await.unwrap();
    assert_eq!(&body[..], b"one");
    assert_eq!(
        (meta.key.as_str(), meta.bytes, &meta.etag),
        ("a/b.json", 3, &etag)
    );
    let age = before.duration_since(meta.modified).as_secs().abs();
    assert!(age < 60, "modified {} is not now", meta.modified);
    let head = store.head("a/b.json", None).await.unwrap();
    assert_eq!((head.bytes, &head.etag), (3, &etag));
    let listed: Vec<_> = store.list("").try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].bytes, &listed[0].etag), (3, &etag));

    let other = put(&store, "a/b.json", "two!").await;
    assert_ne!(etag, other);
    assert_eq!(text(&store, "a/b.json").await, "two!");
}

async fn an_empty_object_is_an_object(store: Store) {
    put(&store, "empty", "").await;
    let (meta, body) = store.get_bytes("empty").await.unwrap();
    assert_eq!((meta.bytes, body.len()), (0, 0));
    let (_, stream) = store.get("empty", None).await.unwrap();
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"");
}

fn large_body() -> Bytes {
    // Over two parts of an upload in parts, and no repetition that would hide a wrong order.
    let numbers = (0_u32..9 * 1024 * 1024).flat_map(u32::to_le_bytes);
    numbers.collect::<Vec<u8>>().into()
}

async fn a_large_object_comes_in_pieces(store: Store) {
    let body = large_body();
    let etag = store
        .put("large", body.clone(), PutOptions::default())
        .await
        .unwrap();
    let (meta, stream) = store.get("large", None).await.unwrap();
    assert_eq!((meta.bytes, &meta.etag), (body.len() as u64, &etag));
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert!(pieces.len() > 1, "it came as one piece");
    assert!(pieces.concat() == body, "it came back changed");
}

async fn what_is_missing_is_not_found(store: Store) {
    put(&store, "there/too", "x").await;
    for key in ["missing", "there", "there/", "there/too/below", "the"] {
        // Some stores have no such key at all, others refuse to look for it.
        let is_absent = |error: &StorageError| {
            matches!(
                error,
                StorageError::NotFound { .. } | StorageError::BadKey { .. }
            )
        };
        assert!(
            store.head(key, None).await.is_err_and(|e| is_absent(&e)),
            "head {key}"
        );
        assert!(
            store.get(key, None).await.is_err_and(|e| is_absent(&e)),
            "get {key}"
        );
        assert!(
            store.get_bytes(key).await.is_err_and(|e| is_absent(&e)),
            "get_bytes {key}"
        );
    }
    let missing = store.head("missing", None).await.unwrap_err();
    assert!(matches!(missing, StorageError::NotFound { .. }));
    assert!(missing.to_string().contains("missing"), "{missing}");
    assert!(keys(&store, "missing").await.is_empty());
}

async fn if_absent_lets_one_writer_through(store: Store) {
    let racers = (0..8).map(|number| {
        let store = Arc::clone(&store);
        async move {
            store
                .put("once", number.to_string().into(), on(Condition::IfAbsent))
                .await
        }
    });
    let results = futures::future::join_all(racers).await;
    let winner = results.iter().position(Result::is_ok).expect("one wins");
    for (number, result) in results.into_iter().enumerate() {
        if number != winner {
            assert_conflict(result);
        }
    }
    assert_eq!(text(&store, "once").await, winner.to_string());
}

async fn if_match_lets_the_reader_of_the_newest_write(store: Store) {
    let never = ETag("\"0-0\"".into());
    assert_conflict(
        store
            .put("cas", "0".into(), on(Condition::IfMatch(never)))
            .await,
    );
    let first = put(&store, "cas", "1").await;
    let second = store
        .put("cas", "2".into(), on(Condition::IfMatch(first.clone())))
        .await
        .unwrap();
    assert_conflict(
        store
            .put("cas", "3".into(), on(Condition::IfMatch(first)))
            .await,
    );
    assert_eq!(text(&store, "cas").await, "2");
    store.delete("cas").await.unwrap();
    assert_conflict(
        store
            .put("cas", "4".into(), on(Condition::IfMatch(second)))
            .await,
    );
    store
        .put("cas", "5".into(), on(Condition::IfAbsent))
        .await
        .unwrap();
    assert_eq!(text(&store, "cas").await, "5");
}

async fn conditions_hold_for_large_objects(store: Store) {
    let etag = put(&store, "large", "small").await;
    assert_conflict(
        store
            .put("large", large_body(), on(Condition::IfAbsent))
            .await,
    );
    assert_eq!(text(&store, "large").await, "small");
    let newer = store
        .put("large", large_body(), on(Condition::IfMatch(etag.clone())))
        .await;
    assert_eq!(
        store.head("large", None).await.unwrap().etag,
        newer.unwrap()
    );
    assert_conflict(
        store
            .put("large", large_body(), on(Condition::IfMatch(etag)))
            .await,
    );
}

async fn a_body_in_a_file_is_written_as_one_in_memory(store: Store) {
    for bytes in [0, 5, 17 << 20] {
        let content: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&content).expect("room for it");
        let body = FileBody::new(file).expect("it has a length");
        let key = format!("file/{bytes}");
        let tag = store
            .put_file(&key, body.clone(), on(Condition::IfAbsent))
            .await
            .expect("there is none yet");
        let (meta, read) = store.get_bytes(&key).await.expect("it is there");
        assert_eq!(meta.etag, tag);
        assert!(read == content, "{bytes} bytes came back otherwise");

        let again = store
            .put_file(&key, body.clone(), on(Condition::IfAbsent))
            .await;
        assert!(
            matches!(again, Err(StorageError::Precondition { .. })),
            "{again:?}"
        );
        store
            .put_file(&key, body, on(Condition::IfMatch(tag)))
            .await
            .expect("nobody changed it");
    }
}

async fn racing_writers_lose_no_update(store: Store) {
    const WRITERS: usize = 8;
    const INCREMENTS: usize = 5;
    put(&store, "counter", "0").await;
    let writers = (0..WRITERS).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..INCREMENTS {
                loop {
                    let (meta, body) = store.get_bytes("counter").await.unwrap();
                    let count: usize = std::str::from_utf8(&body).unwrap().parse().unwrap();
                    let next = Bytes::from((count + 1).to_string());
                    match store
                        .put("counter", next, on(Condition::IfMatch(meta.etag)))
                        .await
                    {
                        Ok(_) => break,
                        Err(StorageError::Precondition { .. }) => tokio::task::yield_now().await,
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(
        text(&store, "counter").await,
        (WRITERS * INCREMENTS).to_string()
    );
}

async fn deleting_is_final_and_repeatable(store: Store) {
    store.delete("never/was").await.unwrap();
    put(&store, "a/b", "x").await;
    put(&store, "a/c", "x").await;
    store.delete("a/b").await.unwrap();
    store.delete("a/b").await.unwrap();
    store.delete("a").await.unwrap();
    assert_eq!(keys(&store, "").await, ["a/c"]);
    store.delete("a/c").await.unwrap();
    put(&store, "a", "a key that was the folder of another").await;
    assert_eq!(keys(&store, "").await, ["a"]);
}

async fn many_are_deleted_and_no_others(store: Store) {
    let written: Vec<String> = (0..1_205).map(|n| format!("many/{n:05} + é.png")).collect();
    write_all(&store, &written).await;
    put(&store, "many.json", "stays").await;
    let mut doomed = written;
    doomed.push("many/never was".into());
    store.delete_many(doomed).await.unwrap();
    store.delete_many(Vec::new()).await.unwrap();
    assert_eq!(keys(&store, "").await, ["many.json"]);
}

async fn write_all(store: &Store, keys: &[String]) {
    for batch in keys.chunks(50) {
        futures::future::join_all(batch.iter().map(|key| put(store, key, "x"))).await;
    }
}

async fn listing_is_complete_and_in_key_order(store: Store) {
    let mut written: Vec<String> = (0..1_001).map(|n| format!("p/{n:05}")).collect();
    written.extend(["p.a", "p-a", "p/0/x", "p0", "q/1", "P/1"].map(String::from));
    write_all(&store, &written).await;
    written.sort_unstable();
    assert_eq!(keys(&store, "").await, written);
    let below = |prefix: &str| -> Vec<String> {
        written
            .iter()
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    };
    for prefix in [
        "p/", "p", "p/000", "p/0/", "p/00001", "q/1", "P", "nothing", "p/00001/",
    ] {
        assert_eq!(keys(&store, prefix).await, below(prefix), "{prefix}");
    }
}

/// Keys that have gone wrong somewhere: each must come back as it is from every call.
pub(crate) const ODD_KEYS: &[&str] = &[
    "odd/with space.pdf",
    "odd/plus+plus.pdf",
    "odd/percent%20%2F%.pdf",
    "odd/amp&lt;<>\"'.pdf",
    "odd/question?hash#semi;colon:at@.pdf",
    "odd/caf\u{e9}.pdf",
    "odd/cafe\u{301}.pdf",
    "odd/\u{6f22}\u{5b57}\u{1f600}.pdf",
    "odd/\u{5e9}\u{5dc}\u{5d5}\u{5dd}.pdf",
    "odd/back\\slash|pipe*star.pdf",
    "odd/trailing dot.",
    "odd/ leading and trailing space ",
    "odd/.hidden",
    "odd/~tilde!(paren)[bracket]{brace}^`$=,.pdf",
    "odd/CASE.pdf",
    "odd/case.pdf",
    "odd/...three dots",
];

async fn odd_keys_are_kept_as_they_are(store: Store) {
    for key in ODD_KEYS {
        put(&store, key, key).await;
    }
    let mut expected: Vec<&str> = ODD_KEYS.to_vec();
    expected.sort_unstable();
    assert_eq!(keys(&store, "odd/").await, expected);
    for key in ODD_KEYS {
        assert_eq!(text(&store, key).await, *key);
        assert_eq!(
            store.head(key, None).await.unwrap().bytes,
            key.len() as u64,
            "{key}"
        );
        assert_eq!(
            keys(&store, key).await.first().map(String::as_str),
            Some(*key)
        );
    }
    store
        .delete_many(ODD_KEYS.iter().map(|key| key.to_string()).collect())
        .await
        .unwrap();
    assert!(keys(&store, "").await.is_empty());
}

async fn records_are_saved_by_compare_and_swap(store: Store) {
    let records = RecordStore::new(Arc::clone(&store), KeyLayout::default());
    let source = SourceKey("source-pdfs/../a + b.pdf".into());
    assert!(records.load(&source).await.unwrap().is_none());

    let mut record = Record::new(source.clone(), Timestamp::UNIX_EPOCH);
    let first = records.save(&mut record, None).await.unwrap();
    record.status = RecordStatus::Done;
    assert!(
        records
            .save(&mut record, None)
            .await
            .is_err_and(|error| error.is_conflict())
    );
    let before = records.load(&source).await.unwrap();
    let before = before.map(|(record, _)| record.revision);
    let second = records.save(&mut record, Some(&first)).await.unwrap();
    assert!(Some(record.revision) > before);
    let saved = record.clone();
    record.attempts = 7;
    assert!(
        records
            .save(&mut record, Some(&first))
            .await
            .is_err_and(|error| error.is_conflict())
    );
    assert_eq!(records.load(&source).await.unwrap(), Some((saved, second)));
}

async fn bad_records_are_named_and_the_others_listed(store: Store) {
    let records = RecordStore::new(Arc::clone(&store), KeyLayout::default());
    let mut good = Record::new(
        SourceKey("source-pdfs/good.pdf".into()),
        Timestamp::UNIX_EPOCH,
    );
    records.save(&mut good, None).await.unwrap();
    put(
        &store,
        "processing/records/broken.pdf.json",
        "{\"format\": 1",
    )
    .await;
    put(
        &store,
        "processing/records/newer.pdf.json",
        "{\"format\": 2}",
    )
    .await;
    put(&store, "processing/records/notes.txt", "no record").await;

    let newer = records
        .load(&SourceKey("source-pdfs/newer.pdf".into()))
        .await
        .unwrap_err();
    assert!(
        matches!(newer, RecordError::UnknownFormat { found: 2, .. }),
        "{newer}"
    );
    let listed: Vec<_> = futures::StreamExt::collect::<Vec<_>>(records.list()).await;
    let told: Vec<String> = listed
        .iter()
        .map(|item| match item {
            Ok(record) => format!("ok {}", record.source),
            Err(RecordError::Corrupt { key, .. }) => format!("corrupt {key}"),
            Err(other) => format!("{other:.40}"),
        })
        .collect();
    assert_eq!(told[0], "corrupt processing/records/broken.pdf.json");
    assert_eq!(told[1], "ok source-pdfs/good.pdf");
    assert!(told[2].contains("newer.pdf.json"), "{told:?}");
    assert_eq!(told.len(), 3);

    let swapped = Record::new(
        SourceKey("source-pdfs/other.pdf".into()),
        Timestamp::UNIX_EPOCH,
    );
    let body = pagemill_storage::to_canonical_json(&swapped).unwrap();
    store
        .put(
            "processing/records/broken.pdf.json",
            body,
            PutOptions::default(),
        )
        .await
        .unwrap();
    let wrong = records
        .load(&SourceKey("source-pdfs/broken.pdf".into()))
        .await
        .unwrap_err();
    assert!(
        wrong.to_string().contains("source-pdfs/other.pdf"),
        "{wrong}"
    );
}
