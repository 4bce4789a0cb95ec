//! One suite of checks, run against every store.

mod suite;

use std::future::Future;
use std::sync::Arc;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use pagemill_storage::{FolderStore, MemoryStore, Overlay, S3Store};
use pagemill_testkit::Emulator;

use self::suite::{CHECKS, Store};

async fn run_all<F: Future<Output = Store>>(fresh: impl Fn(String) -> F) {
    for (number, (name, check)) in CHECKS.iter().enumerate() {
        println!("{name}");
        check(fresh(format!("check-{number}")).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_conforms() {
    run_all(|name| async { Arc::new(MemoryStore::new(name)) as Store }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_folder_conforms() {
    let root = tempfile::tempdir().unwrap();
    run_all(|name| {
        let store = FolderStore::create(root.path().join(name)).unwrap();
        async { Arc::new(store) as Store }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_overlay_conforms_outside_its_source_prefix() {
    let root = tempfile::tempdir().unwrap();
    let input = Arc::new(FolderStore::read_only(root.path().to_owned()));
    run_all(|name| {
        let derived = Arc::new(MemoryStore::new(name));
        let store = Overlay::new(input.clone(), derived, "source-pdfs/");
        async { Arc::new(store) as Store }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_conforms() {
    let Some(emulator) = Emulator::start("s3_conforms").await else {
        return;
    };
    let shared = aws_config::defaults(BehaviorVersion::latest())
        .http_client(pagemill_http::for_aws())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .region(Region::new("eu-central-1"))
        .endpoint_url(emulator.endpoint())
        .load()
        .await;
    let admin = S3Store::from_sdk_config(&shared, "unused");
    run_all(|bucket| {
        let shared = shared.clone();
        let client = admin.client().clone();
        async move {
            let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
                .location_constraint(aws_sdk_s3::types::BucketLocationConstraint::EuCentral1)
                .build();
            client
                .create_bucket()
                .bucket(&bucket)
                .create_bucket_configuration(place)
                .send()
                .await
                .expect("the emulator makes a bucket");
            Arc::new(S3Store::from_sdk_config(&shared, bucket)) as Store
        }
    })
    .await;
}
