//! What the world must look like in the end: as if the newest version of each source alone had been processed, by one
//! worker, undisturbed.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use futures::FutureExt;
use pagemill_storage::{MemoryStore, ObjectStore, RecordStatus};
use serde_json::Value;

use crate::documents::{self, Content, KEYS};
use crate::world::World;

/// What there is of one source: its objects, its points, its record without times.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    pub(crate) points: BTreeMap<String, String>,
    pub(crate) record: Option<Value>,
}

static EXPECTED: OnceLock<BTreeMap<(usize, Content), Snapshot>> = OnceLock::new();

/// Makes the undisturbed run of every source and content, once.
pub(crate) fn prepare() {
    if EXPECTED.get().is_some() {
        return;
    }
    let mut expected = BTreeMap::new();
    for key in 0..KEYS.len() {
        for content in Content::ALL.into_iter().filter(|content| content.is_good()) {
            expected.insert((key, content), crate::undisturbed(key, content));
        }
    }
    // Another test may have been first, with the same.
    EXPECTED.get_or_init(|| expected);
}

fn read(store: &MemoryStore, key: &str) -> Option<Vec<u8>> {
    // A store in memory never waits.
    let read = store.get_bytes(key).now_or_never()?;
    read.ok().map(|(_, body)| body.to_vec())
}

impl Snapshot {
    /// What there is of a source now.
    pub(crate) fn of(world: &World, key: usize) -> Self {
        let source = documents::source(key);
        let layout = world.layout();
        let record_key = layout.record(&source);
        let mut objects = BTreeMap::new();
        for object in world.store.keys() {
            let is_charge = layout.is_charge_of(&source, &object);
            let is_late = world.oracle().is_late_part(&object);
            if object != record_key
                && !is_charge
                && !is_late
                && world.owner_of(&object) == Some(key)
            {
                // An answer says which run paid for it, and when.
                let is_answer = layout.is_answer_of(&source, &object);
                let body = read(&world.store, &object).filter(|_| !is_answer);
                let body = body.unwrap_or_default();
                objects.insert(object, body);
            }
        }
        let points = world.vectors.points_of(source.as_str());
        let points = points
            .into_iter()
            .map(|((collection, id), whole)| (format!("{collection} {id}"), whole))
            .collect();
        let record = read(&world.store, &record_key);
        let record = record.map(|body| {
            let mut record = serde_json::from_slice(&body).expect("a record is JSON");
            strip(&mut record);
            record
        });
        Self {
            objects,
            points,
            record,
        }
    }

    fn reason(&self) -> Option<&str> {
        self.record
            .as_ref()?
            .get("failure")?
            .get("reason")?
            .as_str()
    }

    fn status(&self) -> Option<RecordStatus> {
        let status = self.record.as_ref()?.get("status")?;
        serde_json::from_value(status.clone()).ok()
    }
}

/// Takes out of a record what depends on when and by which event it was made.
fn strip(value: &mut Value) {
    const OF_THE_MOMENT: [&str; 12] = [
        "revision",
        "cautious",
        // The commit may be made durable by the end that a run writes when the answer to its last write was lost.
        "attempts",
        "created_at",
        "updated_at",
        "finished_at",
        "millis",
        "version_id",
        "sequencer",
        "at",
        "since",
        // A run that died may have paid too.
        "spent",
    ];
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !OF_THE_MOMENT.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Holds the end of a run against the undisturbed one.
pub(crate) fn compare(world: &World) {
    let Some(expected) = EXPECTED.get() else {
        // This is the undisturbed run itself.
        return;
    };
    for key in 0..KEYS.len() {
        let changes = world.changes(key);
        let Some(last) = changes.last() else {
            continue;
        };
        let found = Snapshot::of(world, key);
        let name = KEYS[key];
        match last.content {
            None => {
                let expected = Snapshot {
                    record: found.record.clone(),
                    ..Snapshot::default()
                };
                differences(world, name, &expected, &found);
                if !matches!(found.status(), None | Some(RecordStatus::Removed)) {
                    world.oracle().violated(format!(
                        "IN-5: {name} was removed, and its record says {:?}",
                        found.status()
                    ));
                }
            }
            Some(content) if content.is_good() => {
                if found.reason() == Some("worker_died") && world.oracle().mishaps(name) >= 3 {
                    // Three workers did die in it, by chance.
                    continue;
                }
                differences(world, name, &expected[&(key, content)], &found);
            }
            Some(content) => {
                if found.status() != Some(RecordStatus::Failed) {
                    world.oracle().violated(format!(
                        "OUT-1: {name} holds {content:?}, and its record says {:?}",
                        found.status()
                    ));
                }
            }
        }
        letters(world, key);
    }
}

fn differences(world: &World, name: &str, expected: &Snapshot, found: &Snapshot) {
    let violated = |what: String| world.oracle().violated(format!("OUT-1: {name}: {what}"));
    let parts = [
        ("object", keys(&expected.objects), keys(&found.objects)),
        ("point", keys(&expected.points), keys(&found.points)),
    ];
    for (what, expected, found) in parts {
        for missing in expected.iter().filter(|key| !found.contains(key)) {
            violated(format!("the {what} {missing} is missing"));
        }
        let is_late = |key: &String| world.oracle().is_late_image(key);
        let orphans = found.iter().filter(|key| !expected.contains(key));
        for orphan in orphans.filter(|key| !is_late(key)) {
            violated(format!("the {what} {orphan} is left over"));
        }
    }
    for (key, body) in &expected.objects {
        let differs = found.objects.get(key).is_some_and(|found| found != body);
        // `worker verify` finds it: its tag is not the record's.
        let is_fenced = world.sabotage == crate::sabotage::Sabotage::None;
        if differs && !(is_fenced && world.oracle().is_late_replacement(key)) {
            violated(format!("the object {key} has another content"));
        }
    }
    for (key, point) in &expected.points {
        if found.points.get(key).is_some_and(|found| found != point) {
            violated(format!("the point {key} has another content"));
        }
    }
    if expected.record != found.record {
        violated(format!(
            "the record is {}\n  and should be {}",
            shown(found.record.as_ref()),
            shown(expected.record.as_ref())
        ));
    }
}

fn keys<T>(map: &BTreeMap<String, T>) -> Vec<String> {
    map.keys().cloned().collect()
}

fn shown(record: Option<&Value>) -> String {
    record.map_or("missing".to_owned(), Value::to_string)
}

/// Only what deserves it is among the dead letters, and each with its reason.
fn letters(world: &World, key: usize) {
    let changes = world.changes(key);
    for (body, attributes) in world.dead_letters.contents() {
        let events = pagemill_events::parse(&body);
        let is_of_key = events.iter().any(|event| match event {
            pagemill_events::Event::Job(job) => job.key == KEYS[key],
            pagemill_events::Event::Removed(removal) => removal.key == KEYS[key],
            _ => false,
        });
        // A message of several events has one verdict: look at those that are about one key only.
        if !is_of_key || events.len() > 1 {
            continue;
        }
        let reason = attributes.get("reason").map_or("", String::as_str);
        let had = |content| changes.iter().any(|change| change.content == Some(content));
        let is_just = match reason {
            "corrupt" => had(Content::Corrupt),
            "worker_died" => had(Content::Killer) || world.oracle().mishaps(KEYS[key]) >= 3,
            // Asked for before it was written, or after it was removed.
            "missing_source" => {
                body.contains("pagemill.job")
                    || changes.iter().any(|change| change.content.is_none())
            }
            _ => false,
        };
        if !is_just {
            world.oracle().violated(format!(
                "SE-3: a message about {} is dead for {reason:?}: {body}",
                KEYS[key]
            ));
        }
    }
}
