//! The bucket: permissions by an object of our own that is gone afterwards, conditional writes, notification.

#[cfg(feature = "s3")]
mod setup;

use bytes::Bytes;
use futures::TryStreamExt;
use pagemill_pipeline::Settings;
use pagemill_storage::{Condition, ETag, ObjectStore, PutOptions, S3Store, StorageError};

use super::Report;

/// Clocks that differ by more are worth a look; S3 refuses calls at 15 minutes.
const SKEW_WARN_SECONDS: i64 = 30;
const SKEW_FAIL_SECONDS: i64 = 300;

pub(super) async fn examine(
    bucket: &S3Store,
    settings: &Settings,
    #[cfg_attr(not(feature = "s3"), expect(unused_variables))] queue_arn: Option<&str>,
    report: &mut Report<'_>,
) {
    let key = format!(
        "{}doctor-probe-{}-{}",
        settings.layout.processing,
        jiff::Timestamp::now().as_millisecond(),
        std::process::id()
    );
    let mut listing = bucket.list(&settings.layout.source);
    match listing.try_next().await {
        Ok(found) => {
            report.ok(
                "bucket",
                format!("{} can be listed", settings.layout.source),
            );
            if let Some(object) = found {
                match bucket.head(&object.key, None).await {
                    Ok(_) => report.ok("bucket", "a source can be read"),
                    Err(error) => report.error("bucket", "a source can't be read", &error),
                }
            }
        }
        Err(error) => {
            report.error("bucket", "it can't be listed", &error);
            if matches!(
                error,
                StorageError::NoStore { .. } | StorageError::NotBuilt { .. }
            ) {
                return;
            }
        }
    }
    drop(listing);
    if probe(bucket, &key, report).await {
        clean_up(bucket, &key, report).await;
    }
    #[cfg(feature = "s3")]
    setup::examine(bucket, settings, queue_arn, report).await;
}

/// Answers whether anything may have been written.
async fn probe(bucket: &S3Store, key: &str, report: &mut Report<'_>) -> bool {
    let put = |condition, body: &'static str| {
        let options = PutOptions {
            content_type: Some("text/plain"),
            condition,
        };
        bucket.put(key, Bytes::from_static(body.as_bytes()), options)
    };
    let first = match put(Condition::IfAbsent, "one").await {
        Ok(tag) => tag,
        Err(error) => {
            report.error("bucket", "nothing can be written below processing/", &error);
            return matches!(error, StorageError::Unavailable { .. });
        }
    };
    report.ok("bucket", "objects can be written");
    let other = ETag("\"00000000000000000000000000000000\"".into());
    let again = put(Condition::IfAbsent, "two").await;
    let mismatched = put(Condition::IfMatch(other), "three").await;
    let matched = put(Condition::IfMatch(first), "four").await;
    let is_refused = |result: &Result<ETag, StorageError>| {
        matches!(result, Err(StorageError::Precondition { .. }))
    };
    match (is_refused(&again), is_refused(&mismatched), matched) {
        (true, true, Ok(_)) => report.ok("bucket", "conditional writes are honoured"),
        (true, true, Err(error)) => {
            report.error("bucket", "a conditional write that fits is refused", &error);
        }
        _ => report.fail(
            "bucket",
            "conditional writes (If-None-Match, If-Match) are not honoured",
            "use a store that honours them: without, two workers can overwrite each other's records",
        ),
    }
    match bucket.get_bytes(key).await {
        Ok((meta, body)) => {
            if body == "four" {
                report.ok("bucket", "objects can be read");
            } else {
                report.fail(
                    "bucket",
                    "what was written last is not what is read",
                    "use a store with read-after-write consistency",
                );
            }
            clock(meta.modified, report);
        }
        Err(error) => report.error("bucket", "what was written can't be read", &error),
    }
    true
}

/// The store's time of the write against this machine's.
fn clock(written: jiff::Timestamp, report: &mut Report<'_>) {
    let skew = jiff::Timestamp::now().as_second() - written.as_second();
    match skew.abs() {
        0..=SKEW_WARN_SECONDS => report.ok(
            "clock",
            format!("it differs from the store's by about {skew} s"),
        ),
        _ if skew.abs() <= SKEW_FAIL_SECONDS => report.warn(
            "clock",
            format!("it differs from the store's by about {skew} s"),
            "synchronise the machine's clock",
        ),
        _ => report.fail(
            "clock",
            format!("it differs from the store's by about {skew} s"),
            "synchronise the machine's clock: at 15 minutes AWS refuses every call",
        ),
    }
}

/// Takes the probe away, with every version of it where the bucket keeps versions.
async fn clean_up(bucket: &S3Store, key: &str, report: &mut Report<'_>) {
    match bucket.delete(key).await {
        Ok(()) => report.ok("bucket", "objects can be deleted"),
        Err(error) => report.error(
            "bucket",
            &format!("{key} can't be deleted and stays behind"),
            &error,
        ),
    }
    #[cfg(feature = "s3")]
    setup::clean_up_versions(bucket, key, report).await;
}
