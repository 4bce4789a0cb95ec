//! What a document looks like from outside: objects, records, points. Two runs that did the same are equal in it.

use std::collections::BTreeMap;

use pagemill_index::testing::TestQdrant;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::emulated_cloud::{Cloud, without_places_and_times};

const COLLECTIONS: [&str; 3] = ["pdf_pages_store", "semantic_store", "haystack_store"];

/// Everything that a worker leaves behind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// Objects by key: records and the history without times and tags, everything else by its hash.
    pub(crate) objects: BTreeMap<String, Value>,
    /// Points with their payload, by collection and id.
    pub(crate) points: BTreeMap<String, BTreeMap<String, Value>>,
}

impl State {
    /// Looks at a cloud.
    pub(crate) async fn of(cloud: &Cloud) -> Self {
        let objects = cloud.objects().await;
        // A killed run's call was paid for, and the next run's is: there is one charge more, and that is right.
        let objects = objects
            .into_iter()
            .filter(|(key, _)| !key.starts_with("processing/charges/"));
        let objects = objects.map(|(key, bytes)| {
            let value = if key.starts_with("processing/answers/") {
                // Which run paid for it, and when, is of no matter.
                let answer: Value = serde_json::from_slice(&bytes).expect("an answer");
                answer["answer"].clone()
            } else if key.starts_with("processing/") {
                without_places_and_times(&bytes)
            } else {
                Value::String(hex(&bytes))
            };
            (key, value)
        });
        Self {
            objects: objects.collect(),
            points: points(&cloud.qdrant),
        }
    }

    /// Where another state differs, a line each; nothing when they are equal.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = compare("object", &self.objects, &other.objects);
        for collection in COLLECTIONS {
            lines.extend(compare(
                &format!("point of {collection}"),
                &self.points[collection],
                &other.points[collection],
            ));
        }
        lines
    }
}

fn points(qdrant: &TestQdrant) -> BTreeMap<String, BTreeMap<String, Value>> {
    let of = |collection: &str| qdrant.dump(collection).into_iter().collect();
    COLLECTIONS
        .map(|collection| (collection.to_owned(), of(collection)))
        .into()
}

fn compare(
    what: &str,
    wanted: &BTreeMap<String, Value>,
    found: &BTreeMap<String, Value>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, value) in wanted {
        match found.get(key) {
            None => lines.push(format!("{what} {key} is missing")),
            Some(other) if other != value => {
                lines.push(format!(
                    "{what} {key} differs: {}",
                    first_difference(value, other)
                ));
            }
            Some(_) => {}
        }
    }
    let more = found.keys().filter(|key| !wanted.contains_key(*key));
    lines.extend(more.map(|key| format!("{what} {key} is too many")));
    lines
}

/// The first place where two values differ, for a line of a table.
fn first_difference(wanted: &Value, found: &Value) -> String {
    if let (Value::Object(wanted), Value::Object(found)) = (wanted, found) {
        let names = wanted.keys().chain(found.keys());
        for name in names {
            let (one, other) = (wanted.get(name), found.get(name));
            if one != other {
                let (one, other) = (one.unwrap_or(&Value::Null), other.unwrap_or(&Value::Null));
                return format!("{name}: {}", first_difference(one, other));
            }
        }
    }
    format!("{found} and not {wanted}")
}

fn hex(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
