//! Lines of CloudWatch Embedded Metric Format.
//!
//! Source of the format: Amazon CloudWatch User Guide, "Specification: Embedded metric format". A document has at most
//! 100 metrics and an array of at most 100 values for each; a value of a dimension has at most 1,024 characters.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::{Counted, Metric};

/// The most values of a metric that one document holds.
const VALUES_MAX: usize = 100;

/// What goes into one document: the dimension, its value, and which hundred of the values.
type DocumentKey = (Option<&'static str>, String, usize);

/// One line for each value of each dimension, and more where there are many values.
pub(super) fn lines(
    namespace: &str,
    at: SystemTime,
    series: BTreeMap<(Metric, String), Counted>,
) -> Vec<String> {
    let timestamp = at
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let timestamp = u64::try_from(timestamp).unwrap_or(u64::MAX);
    let mut documents: BTreeMap<DocumentKey, Vec<(Metric, Value)>> = BTreeMap::new();
    for ((metric, value), counted) in series {
        let dimension = metric.definition().dimension;
        match counted {
            Counted::Sum(sum) => documents
                .entry((dimension, value, 0))
                .or_default()
                .push((metric, number(sum))),
            Counted::Values(values) => {
                for (part, some) in values.chunks(VALUES_MAX).enumerate() {
                    let numbers = some.iter().copied().map(number).collect();
                    documents
                        .entry((dimension, value.clone(), part))
                        .or_default()
                        .push((metric, Value::Array(numbers)));
                }
            }
        }
    }
    let written = documents
        .into_iter()
        .map(|((dimension, value, _), metrics)| {
            document(namespace, timestamp, dimension, &value, &metrics)
        });
    written.collect()
}

fn document(
    namespace: &str,
    timestamp: u64,
    dimension: Option<&str>,
    value: &str,
    metrics: &[(Metric, Value)],
) -> String {
    // Without the dimension too: an alarm on the whole needs no sum over values that it can't know.
    let sets = match dimension {
        Some(name) => json!([[], [name]]),
        None => json!([[]]),
    };
    let definitions: Vec<Value> = metrics
        .iter()
        .map(|(metric, _)| {
            let definition = metric.definition();
            json!({"Name": definition.name, "Unit": definition.unit.name()})
        })
        .collect();
    let mut members = Map::new();
    members.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": timestamp,
            "CloudWatchMetrics": [{"Namespace": namespace, "Dimensions": sets, "Metrics": definitions}],
        }),
    );
    if let Some(name) = dimension {
        members.insert(name.to_owned(), Value::from(value));
    }
    for (metric, counted) in metrics {
        members.insert(metric.definition().name.to_owned(), counted.clone());
    }
    Value::Object(members).to_string()
}

/// Whole numbers without a point; three digits of the others are enough.
fn number(value: f64) -> Value {
    let rounded = (value * 1_000.0).round() / 1_000.0;
    if rounded.fract() == 0.0 && rounded.abs() < 9e15 {
        Value::from(rounded as i64)
    } else {
        Value::from(rounded)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::metrics::Metrics;

    /// Checks a document against the specification, and answers its metrics by name.
    pub(crate) fn checked(line: &str) -> BTreeMap<String, Value> {
        assert!(line.len() < 256 * 1024 && !line.contains('\n'), "{line}");
        let document: Value = serde_json::from_str(line).expect("JSON");
        let meta = document["_aws"].as_object().expect("metadata");
        assert_eq!(meta.len(), 2, "{line}");
        assert!(meta["Timestamp"].as_u64().expect("milliseconds") > 1_600_000_000_000);
        let mut found = BTreeMap::new();
        for directive in meta["CloudWatchMetrics"].as_array().expect("directives") {
            assert_eq!(directive.as_object().expect("an object").len(), 3);
            let namespace = directive["Namespace"].as_str().expect("a namespace");
            assert!((1..=256).contains(&namespace.len()));
            let sets = directive["Dimensions"].as_array().expect("dimension sets");
            assert!(!sets.is_empty());
            for set in sets {
                let names = set.as_array().expect("a set");
                assert!(names.len() <= 30);
                for name in names {
                    let name = name.as_str().expect("a name");
                    let value = document[name].as_str().expect("the dimension is a member");
                    assert!((1..=1024).contains(&value.chars().count()), "{line}");
                }
            }
            let metrics = directive["Metrics"].as_array().expect("metrics");
            assert!((1..=100).contains(&metrics.len()));
            for metric in metrics {
                let name = metric["Name"].as_str().expect("a name");
                let unit = metric["Unit"].as_str().expect("a unit");
                assert!(["Count", "Milliseconds", "Bytes", "None"].contains(&unit));
                let target = &document[name];
                match target.as_array() {
                    Some(values) => assert!(
                        (1..=100).contains(&values.len()) && values.iter().all(Value::is_number)
                    ),
                    None => assert!(target.is_number(), "{name} in {line}"),
                }
                found.insert(name.to_owned(), target.clone());
            }
        }
        found
    }

    #[test]
    fn he_3_every_metric_is_valid_embedded_metric_format() {
        let metrics = Metrics::default();
        for definition in Metric::ALL {
            let value = definition.dimension.map_or("", |_| "a_code");
            match definition.is_sum {
                true => metrics.add(definition.metric, value, 2.0),
                false => (0..250).for_each(|n| {
                    metrics.observe(definition.metric, value, f64::from(n) + 0.25);
                }),
            }
        }
        let lines = metrics.drain("Pagemill", SystemTime::now());
        let mut names = std::collections::BTreeSet::new();
        let mut values = 0;
        for line in &lines {
            let found = checked(line);
            values += found
                .get("QueueLag")
                .map_or(0, |lag| lag.as_array().expect("values").len());
            names.extend(found.into_keys());
        }
        assert_eq!(names.len(), Metric::ALL.len());
        assert_eq!(
            values, 250,
            "none is lost where they fill more than one line"
        );
        assert!(metrics.drain("Pagemill", SystemTime::now()).is_empty());
    }

    #[test]
    fn he_3_names_are_unique_and_the_number_of_series_is_bounded() {
        let names: std::collections::BTreeSet<_> = Metric::ALL
            .iter()
            .map(|definition| definition.name)
            .collect();
        assert_eq!(names.len(), Metric::ALL.len());
        let metrics = Metrics::default();
        for n in 0..1_000 {
            metrics.count(Metric::DocumentsFailed, &format!("code_{n}"));
        }
        let lines = metrics.drain("Pagemill", SystemTime::now());
        assert_eq!(lines.len(), crate::metrics::SERIES_MAX + 1);
        let total: u64 = lines
            .iter()
            .map(|line| checked(line)["DocumentsFailed"].as_u64().expect("a count"))
            .sum();
        assert_eq!(total, 1_000);
    }
}
