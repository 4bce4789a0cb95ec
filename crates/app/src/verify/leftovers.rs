//! What is left when each record has taken out of the inventory what it accounts for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pagemill_index::TargetStore;
use pagemill_pipeline::graph;
use pagemill_storage::SourceKey;

use super::audit::{Audit, Findings};
use super::finding::Kind;
use super::inventory::Inventory;
use super::orphans::Orphan;

/// Takes out the keys below a prefix that are of a source, and not of one whose keys begin alike.
fn take_below<V>(found: &mut BTreeMap<String, V>, prefix: &str, is_of: impl Fn(&str) -> bool) {
    let keys: Vec<String> = found
        .range(prefix.to_owned()..)
        .map(|(key, _)| key)
        .take_while(|key| key.starts_with(prefix))
        .filter(|key| is_of(key))
        .cloned()
        .collect();
    for key in keys {
        found.remove(&key);
    }
}

impl Audit {
    /// Takes out what runs keep of a source for the next one: there is one to come.
    pub(super) fn take_parts(&self, inventory: &mut Inventory, source: &SourceKey) {
        let prefix = graph::parts(&self.layout, source);
        let is_part = |key: &str| self.layout.is_part_of(source, key);
        take_below(&mut inventory.parts, &prefix, is_part);
    }

    /// Takes out what pictures of a source were read as: it stays as long as the source.
    pub(super) fn take_readings(&self, inventory: &mut Inventory, source: &SourceKey) {
        let prefix = self.layout.readings_of_all_generations(source);
        let is_reading = |key: &str| self.layout.is_reading_of(source, key);
        take_below(&mut inventory.files, &prefix, is_reading);
    }

    /// Takes out of the inventory whatever was made from a source.
    pub(super) fn take_all(&self, inventory: &mut Inventory, source: &SourceKey) {
        for (_, key) in self.graph.files(&self.layout, source) {
            inventory.files.remove(&key);
        }
        inventory.files.remove(&self.layout.open_review(source));
        let is_answer = |key: &str| self.layout.is_answer_of(source, key);
        let answers = self.layout.answers(source);
        take_below(&mut inventory.files, &answers, is_answer);
        self.take_readings(inventory, source);
        let prefix = self.layout.page_images_of_all_generations(source);
        take_below(&mut inventory.images, &prefix, |folder| {
            let generation = folder[prefix.len()..].strip_suffix('/');
            generation.is_some_and(|name| !name.contains('/'))
        });
        let points: Vec<_> = inventory
            .points
            .range((source.0.clone(), TargetStore::ALL[0], String::new())..)
            .map(|(key, _)| key)
            .take_while(|(owner, _, _)| *owner == source.0)
            .cloned()
            .collect();
        for key in points {
            inventory.points.remove(&key);
        }
    }

    /// What no record accounts for.
    pub(super) fn leftovers(
        &self,
        inventory: Inventory,
        recent: Timestamp,
        findings: &mut Findings<'_>,
    ) {
        let is_old = |modified: Timestamp| self.grace.is_zero() || modified <= recent;
        for (key, seen) in inventory.sources {
            if is_old(seen.modified) {
                let what = "it has no record".to_owned();
                let remedy = self.again_by(&key);
                self.tell(findings, Kind::Unprocessed, &key, what, remedy);
            }
        }
        let why = "no record speaks of it";
        for (key, seen) in inventory.files {
            if is_old(seen.modified) {
                self.orphan(findings, key.clone(), why, Orphan::Object(key));
            }
        }
        for (key, seen) in inventory.parts {
            if is_old(seen.modified) {
                let what = "no run is at work that would need these pages again";
                self.orphan(findings, key.clone(), what, Orphan::Object(key));
            }
        }
        for (folder, images) in inventory.images {
            if images.newest.is_none_or(is_old) {
                self.orphan(findings, folder.clone(), why, Orphan::Images(folder));
            }
        }
        let mut stores: BTreeMap<(String, TargetStore, String), u64> = inventory.points;
        while let Some(((source, target, generation), points)) = stores.pop_first() {
            let what = format!(
                "{points} points of generation {generation} in the {target} store, and no record speaks of them"
            );
            let orphan = Orphan::Points {
                source: source.clone(),
                target,
                generation,
            };
            self.orphan(findings, source, &what, orphan);
        }
    }

    pub(super) fn orphan(
        &self,
        findings: &mut Findings<'_>,
        key: String,
        what: &str,
        orphan: Orphan,
    ) {
        findings.orphans.push(orphan);
        let remedy = "worker verify --delete-orphans".to_owned();
        self.tell(findings, Kind::Orphaned, &key, what.to_owned(), remedy);
    }
}
