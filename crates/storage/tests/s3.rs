//! What is particular to S3: answers and their meaning, paging, versions.

use std::sync::{Arc, Mutex};

use aws_config::SdkConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use pagemill_storage::{
    Condition, ETag, KeyLayout, ObjectStore, PutOptions, RecordStore, S3Store, SourceKey,
    StorageError,
};
use pagemill_testkit::Emulator;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn sdk_config(endpoint: String) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(pagemill_http::for_aws())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .load()
        .await
}

/// A server that gives the same answers to every client, one after the other, the last one again and again.
struct Stub {
    store: S3Store,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    async fn answering(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answers: Vec<(u16, String)> = answers
            .iter()
            .map(|(status, body)| (*status, (*body).to_owned()))
            .collect();
        let requests = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(serve(listener, answers, Arc::clone(&requests)));
        Self {
            store: S3Store::from_sdk_config(&sdk_config(endpoint).await, "bucket"),
            requests,
        }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(
    listener: TcpListener,
    answers: Vec<(u16, String)>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    loop {
        let (mut connection, _) = listener.accept().await.unwrap();
        let request = read_request(&mut connection).await;
        let is_head = request.starts_with("HEAD");
        let served = {
            let mut requests = requests.lock().unwrap();
            requests.push(request);
            requests.len() - 1
        };
        let (status, body) = &answers[served.min(answers.len() - 1)];
        let sent = if is_head { "" } else { body };
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nETag: \"tag\"\r\nConnection: close\r\n\r\n{sent}",
            body.len()
        );
        connection.write_all(answer.as_bytes()).await.unwrap();
    }
}

async fn read_request(connection: &mut tokio::net::TcpStream) -> String {
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = connection.read(&mut piece).await.unwrap();
        received.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&received);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert!(count > 0, "the request ended early: {text}");
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        });
        if body.len() >= length.unwrap_or(0) {
            return text.into_owned();
        }
    }
}

fn error_body(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>because</Message></Error>")
}

async fn put(store: &S3Store, condition: Condition) -> Result<ETag, StorageError> {
    store
        .put(
            "a key",
            "x".into(),
            PutOptions {
                content_type: None,
                condition,
            },
        )
        .await
}

#[tokio::test]
async fn conditions_go_as_headers_and_a_conflict_is_a_lost_race() {
    let stub = Stub::answering(&[(412, &error_body("PreconditionFailed"))]).await;
    let lost = put(&stub.store, Condition::IfAbsent).await.unwrap_err();
    assert!(matches!(lost, StorageError::Precondition { .. }), "{lost}");
    let request = stub.requests()[0].to_ascii_lowercase();
    assert!(
        request.starts_with("put /bucket/a%20key"),
        "the key goes into the path: {request}"
    );
    assert!(request.contains("if-none-match: *"), "{request}");

    let stub = Stub::answering(&[(409, &error_body("ConditionalRequestConflict"))]).await;
    let tag = Condition::IfMatch(ETag("\"tag\"".into()));
    let lost = put(&stub.store, tag.clone()).await.unwrap_err();
    assert!(matches!(lost, StorageError::Precondition { .. }), "{lost}");
    assert!(
        stub.requests()[0]
            .to_ascii_lowercase()
            .contains("if-match: \"tag\"")
    );

    let stub = Stub::answering(&[(404, &error_body("NoSuchKey"))]).await;
    let lost = put(&stub.store, tag).await.unwrap_err();
    assert!(
        matches!(lost, StorageError::Precondition { .. }),
        "what is gone matches nothing: {lost}"
    );
}

#[tokio::test]
async fn throttling_is_tried_four_times_and_then_told() {
    let stub = Stub::answering(&[(503, &error_body("SlowDown"))]).await;
    let error = stub.store.get_bytes("a").await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("SlowDown"), "{error}");
    assert_eq!(stub.requests().len(), 4);
}

#[tokio::test]
async fn a_short_outage_is_not_noticed() {
    let stub = Stub::answering(&[(500, &error_body("InternalError")), (200, "body")]).await;
    let (_, body) = stub.store.get_bytes("a").await.unwrap();
    assert_eq!(&body[..], b"body");
}

#[tokio::test]
async fn refusals_name_the_permission() {
    let stub = Stub::answering(&[(403, &error_body("AccessDenied"))]).await;
    let read = stub.store.get_bytes("a").await.unwrap_err();
    assert!(matches!(read, StorageError::Denied { .. }), "{read}");
    assert!(read.to_string().contains("s3:GetObject"), "{read}");
    let head = stub.store.head("a", None).await.unwrap_err();
    assert!(matches!(head, StorageError::Denied { .. }), "{head}");
    let listed = stub.store.list("p/").next().await.unwrap().unwrap_err();
    assert!(listed.to_string().contains("s3:ListBucket"), "{listed}");
}

#[tokio::test]
async fn one_key_that_could_not_be_deleted_is_told() {
    let partial = "<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code>\
                   <Message>no</Message></Error></DeleteResult>";
    let stub = Stub::answering(&[(200, partial)]).await;
    let error = stub
        .store
        .delete_many(vec!["a".into(), "b".into()])
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StorageError::Denied { key, .. } if key == "b"),
        "{error}"
    );
}

#[tokio::test]
async fn every_page_of_a_listing_is_read_and_its_keys_decoded() {
    let page = |key: &str, next: &str| {
        format!(
            "<ListBucketResult><EncodingType>url</EncodingType>{next}<Contents><Key>{key}</Key>\
             <Size>5</Size><ETag>&quot;t&quot;</ETag></Contents></ListBucketResult>"
        )
    };
    let more =
        "<IsTruncated>true</IsTruncated><NextContinuationToken>go/on=</NextContinuationToken>";
    let pages = [
        page("a+b%2Bc.pdf", more),
        page("caf%C3%A9.pdf", "<IsTruncated>false</IsTruncated>"),
    ];
    let stub = Stub::answering(&[(200, &pages[0]), (200, &pages[1])]).await;
    let listed: Vec<_> = stub.store.list("").try_collect().await.unwrap();
    let keys: Vec<_> = listed.iter().map(|meta| meta.key.as_str()).collect();
    assert_eq!(keys, ["a b+c.pdf", "café.pdf"]);
    assert_eq!((listed[0].bytes, listed[0].etag.0.as_str()), (5, "\"t\""));
    let requests = stub.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].contains("encoding-type=url"), "{}", requests[0]);
    assert!(
        requests[1].contains("continuation-token=go%2Fon%3D"),
        "{}",
        requests[1]
    );
}

#[tokio::test]
async fn a_store_that_does_not_encode_its_listing_is_believed() {
    let plain = "<ListBucketResult><Contents><Key>a+b%20.pdf</Key></Contents></ListBucketResult>";
    let stub = Stub::answering(&[(200, plain)]).await;
    let listed: Vec<_> = stub.store.list("").try_collect().await.unwrap();
    assert_eq!(listed[0].key, "a+b%20.pdf");
}

#[tokio::test]
async fn a_dead_endpoint_is_an_outage() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = S3Store::from_sdk_config(&sdk_config(endpoint).await, "bucket");
    let error = store.head("a", None).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_lost_answer_to_a_record_write_is_no_lost_race() {
    let written = RecordStore::new(
        Arc::new(pagemill_storage::MemoryStore::default()),
        KeyLayout::default(),
    );
    let mut record = pagemill_storage::Record::new(
        SourceKey("source-pdfs/a.pdf".into()),
        jiff::Timestamp::UNIX_EPOCH,
    );
    let mut resent = record.clone();
    written.save(&mut record, None).await.unwrap();
    let body = pagemill_storage::to_canonical_json(&record).unwrap();
    let body = std::str::from_utf8(&body).unwrap();
    // The first answer is an outage although the write took place; the SDK's second try then finds it there.
    let stub = Stub::answering(&[
        (500, &error_body("InternalError")),
        (412, &error_body("PreconditionFailed")),
        (200, body),
    ])
    .await;
    let records = RecordStore::new(Arc::new(stub.store.clone()), KeyLayout::default());
    assert_eq!(
        records.save(&mut resent, None).await.unwrap(),
        ETag("\"tag\"".into())
    );
}

#[tokio::test]
async fn a_missing_bucket_is_told_from_a_missing_object() {
    let test = "a_missing_bucket_is_told_from_a_missing_object";
    let Some(emulator) = Emulator::start(test).await else {
        return;
    };
    let store = S3Store::from_sdk_config(&sdk_config(emulator.endpoint()).await, "no-such-bucket");
    let errors = [
        store.head("a", None).await.unwrap_err(),
        store.get_bytes("a").await.unwrap_err(),
        put(&store, Condition::None).await.unwrap_err(),
        store.list("").next().await.unwrap().unwrap_err(),
        store.delete_many(vec!["a".into()]).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StorageError::NoStore { .. }), "{error:?}");
        assert!(error.to_string().contains("S3_BUCKET"), "{error}");
    }
}

#[tokio::test]
async fn an_older_version_can_still_be_read() {
    use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
    let Some(emulator) = Emulator::start("an_older_version_can_still_be_read").await else {
        return;
    };
    let store = S3Store::from_sdk_config(&sdk_config(emulator.endpoint()).await, "versions");
    store
        .client()
        .create_bucket()
        .bucket("versions")
        .send()
        .await
        .unwrap();
    let on = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    store
        .client()
        .put_bucket_versioning()
        .bucket("versions")
        .versioning_configuration(on)
        .send()
        .await
        .unwrap();
    store
        .put("a", "old".into(), PutOptions::default())
        .await
        .unwrap();
    let old = store.head("a", None).await.unwrap();
    store
        .put("a", "new".into(), PutOptions::default())
        .await
        .unwrap();

    let version = old.version_id.as_deref();
    assert!(version.is_some());
    let (meta, body) = store.get("a", version).await.unwrap();
    let pieces: Vec<Bytes> = body.try_collect().await.unwrap();
    assert_eq!(
        (pieces.concat().as_slice(), meta.etag),
        (&b"old"[..], old.etag)
    );
    let unknown = store.head("a", Some("no-such-version")).await.unwrap_err();
    assert!(
        matches!(unknown, StorageError::NotFound { .. }),
        "{unknown}"
    );
}

#[tokio::test]
async fn in_7_what_was_noted_beside_an_object_comes_with_its_head_and_its_body() {
    let test = "in_7_what_was_noted_beside_an_object";
    let Some(emulator) = Emulator::start(test).await else {
        return;
    };
    let store = S3Store::from_sdk_config(&sdk_config(emulator.endpoint()).await, "notes");
    let client = store.client();
    client.create_bucket().bucket("notes").send().await.unwrap();
    let upload = client.put_object().bucket("notes").key("a");
    upload
        .metadata("pagemill-prompt", "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=")
        .metadata("Other", "as it is")
        .send()
        .await
        .unwrap();
    let head = store.head("a", None).await.unwrap();
    assert_eq!(head.user_metadata["pagemill-prompt"], "Grüße");
    assert_eq!(head.user_metadata["other"], "as it is");
    let (meta, _) = store.get("a", None).await.unwrap();
    assert_eq!(meta, head);
}
