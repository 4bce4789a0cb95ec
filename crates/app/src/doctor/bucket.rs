//! The bucket: permissions by an object of our own that is gone afterwards, conditional writes, notification.

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
    queue_arn: Option<&str>,
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
            if matches!(error, StorageError::NoStore { .. }) {
                return;
            }
        }
    }
    drop(listing);
    if probe(bucket, &key, report).await {
        clean_up(bucket, &key, report).await;
    }
    versioning(bucket, report).await;
    notification(bucket, settings, queue_arn, report).await;
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
    let client = bucket.client();
    let versions = client
        .list_object_versions()
        .bucket(bucket.name())
        .prefix(key)
        .send()
        .await;
    let Ok(versions) = versions else {
        // Not allowed to list versions: then it is not known whether there are any.
        return;
    };
    let ids = versions
        .versions()
        .iter()
        .filter_map(|version| version.version_id());
    let markers = versions.delete_markers().iter();
    let ids = ids.chain(markers.filter_map(|marker| marker.version_id()));
    for id in ids.filter(|id| *id != "null") {
        let deleted = client
            .delete_object()
            .bucket(bucket.name())
            .key(key)
            .version_id(id)
            .send()
            .await;
        if deleted.is_err() {
            report.warn(
                "bucket",
                format!("old versions of {key} stay behind"),
                "a lifecycle rule for non-current versions removes them",
            );
            return;
        }
    }
}

async fn versioning(bucket: &S3Store, report: &mut Report<'_>) {
    let answer = bucket
        .client()
        .get_bucket_versioning()
        .bucket(bucket.name())
        .send()
        .await;
    match answer {
        Ok(answer) if answer.status().is_some_and(|status| status.as_str() == "Enabled") => {
            report.ok("bucket", "it keeps versions");
        }
        Ok(_) => report.warn(
            "bucket",
            "it keeps no versions",
            "switch versioning on: a record or source that is overwritten by mistake can't be restored otherwise",
        ),
        Err(_) => report.skip("bucket", "versioning: s3:GetBucketVersioning is not allowed, which the worker does not need"),
    }
}

async fn notification(
    bucket: &S3Store,
    settings: &Settings,
    queue_arn: Option<&str>,
    report: &mut Report<'_>,
) {
    let answer = bucket
        .client()
        .get_bucket_notification_configuration()
        .bucket(bucket.name())
        .send()
        .await;
    let Ok(answer) = answer else {
        report.skip(
            "events",
            "notification: s3:GetBucketNotification is not allowed, which the worker does not need",
        );
        return;
    };
    if answer.event_bridge_configuration().is_some() {
        report.ok(
            "events",
            "the bucket sends its events to EventBridge; look at the rule there",
        );
        return;
    }
    let Some(queue_arn) = queue_arn else {
        report.skip("events", "notification: the queue is not known");
        return;
    };
    let rules: Vec<Rule> = answer
        .queue_configurations()
        .iter()
        .filter(|rule| rule.queue_arn() == queue_arn)
        .map(|rule| {
            let filters = rule
                .filter()
                .and_then(|filter| filter.key())
                .map(|key| key.filter_rules())
                .unwrap_or_default();
            let value = |name: &str| {
                filters
                    .iter()
                    .find(|filter| {
                        filter
                            .name()
                            .is_some_and(|found| found.as_str().eq_ignore_ascii_case(name))
                    })
                    .and_then(|filter| filter.value())
                    .unwrap_or_default()
                    .to_owned()
            };
            Rule {
                events: rule
                    .events()
                    .iter()
                    .map(|event| event.as_str().to_owned())
                    .collect(),
                prefix: value("prefix"),
                suffix: value("suffix"),
            }
        })
        .collect();
    judge_rules(&rules, &settings.layout.source, report);
}

/// One rule of the notification to our queue.
#[derive(Debug)]
struct Rule {
    events: Vec<String>,
    prefix: String,
    suffix: String,
}

impl Rule {
    fn covers(&self, key: &str, event: &str) -> bool {
        key.starts_with(&self.prefix)
            && key.ends_with(&self.suffix)
            && self.events.iter().any(|found| found.starts_with(event))
    }
}

fn judge_rules(rules: &[Rule], source: &str, report: &mut Report<'_>) {
    if rules.is_empty() {
        report.warn(
            "events",
            "the bucket does not notify the queue itself",
            "give it a notification for s3:ObjectCreated:* and s3:ObjectRemoved:*, unless a topic or a rule of EventBridge does it",
        );
        return;
    }
    for (event, why) in [
        ("s3:ObjectCreated", "are not processed"),
        ("s3:ObjectRemoved", "leave behind what was made from them"),
    ] {
        for ending in [".pdf", ".PDF"] {
            let key = format!("{source}any{ending}");
            match rules.iter().any(|rule| rule.covers(&key, event)) {
                true => report.ok("events", format!("{event} of {source}*{ending} is notified")),
                false => report.warn(
                    "events",
                    format!("{event} of {source}*{ending} is not notified: such documents {why}"),
                    "give the bucket's notification a rule for it; suffixes tell upper from lower case",
                ),
            }
        }
    }
    if rules.iter().any(|rule| !rule.prefix.starts_with(source)) {
        report.warn(
            "events",
            format!("a rule is not limited to {source}"),
            "set its prefix: every output that the worker writes makes a message otherwise",
        );
    }
}
