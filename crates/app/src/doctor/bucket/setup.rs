//! What only S3's own client can ask: versions, and the notification to the queue.

use pagemill_pipeline::Settings;
use pagemill_storage::{ObjectStore, S3Store};

use super::Report;

pub(super) async fn examine(
    bucket: &S3Store,
    settings: &Settings,
    queue_arn: Option<&str>,
    report: &mut Report<'_>,
) {
    versioning(bucket, report).await;
    notification(bucket, settings, queue_arn, report).await;
}

/// Takes every version of the probe away, where the bucket keeps versions.
pub(super) async fn clean_up_versions(bucket: &S3Store, key: &str, report: &mut Report<'_>) {
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
