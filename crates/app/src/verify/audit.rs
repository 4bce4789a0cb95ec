//! The audit: each record against what is there, and then what is left.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use jiff::Timestamp;
use pagemill_document::Letters;
use pagemill_index::{CollectionNames, TargetStore, VectorStore};
use pagemill_pipeline::{Graph, Options, Pipeline, Source, TextFile};
use pagemill_storage::{
    Generation, KeyLayout, ObjectStore, Record, RecordError, RecordStatus, RecordStore,
    SourceVersion, Stage, StageEntry, StorageError,
};
use serde::Serialize;

use super::finding::{Finding, Kind};
use super::inventory::{Inventory, Seen};
use super::orphans::Orphan;

/// So many pages of a document are named at most.
const MOST_PAGES_NAMED: usize = 10;

/// What a remedy may say.
#[derive(Debug)]
pub(super) struct Remedies {
    pub(super) has_sources: bool,
    /// The command that processes again what has no or an old record.
    pub(super) again: String,
    /// Whether the command takes a key.
    pub(super) again_by_key: bool,
}

/// One audit.
#[derive(Debug)]
pub struct Audit {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) layout: KeyLayout,
    pub(super) vectors: Option<Arc<dyn VectorStore>>,
    pub(super) collections: CollectionNames,
    /// Which stages write what.
    pub(super) graph: Arc<Graph>,
    /// Plans, to compare the settings in force; none: they are not compared.
    pub(super) pipeline: Option<Pipeline>,
    /// Whether the letters of every text are compared with what was read.
    pub(super) letters: bool,
    /// What changed so short a time ago is at work.
    pub(super) grace: Duration,
    pub(super) remedies: Remedies,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// PDFs below the source prefix.
    pub sources: u64,
    /// Records.
    pub records: u64,
    /// Objects that stages wrote.
    pub objects: u64,
    /// Points in the vector stores.
    pub points: u64,
    /// Records that changed just now, and were left out.
    pub at_work: u64,
    /// Records of documents that failed for good.
    pub failed: u64,
}

/// Gathers what is found.
pub(super) struct Findings<'a> {
    tell: &'a mut (dyn FnMut(Finding) + Send),
    pub(super) orphans: Vec<Orphan>,
}

impl Audit {
    /// Tells every finding as it is found, and returns how much was checked and what may be deleted.
    ///
    /// # Errors
    /// When something did not answer; what was told holds.
    pub async fn run(
        &self,
        tell: &mut (dyn FnMut(Finding) + Send),
    ) -> anyhow::Result<(Checked, Vec<Orphan>)> {
        let vectors = self
            .vectors
            .as_deref()
            .map(|store| (store, &self.collections));
        let inventory = Inventory::of(
            &*self.store,
            &self.layout,
            &self.graph,
            vectors,
            self.remedies.has_sources,
        )
        .await;
        let mut inventory = inventory.context("what is there can't be listed")?;
        let mut checked = Checked {
            sources: inventory.sources.len() as u64,
            objects: inventory.objects,
            points: inventory.points.values().sum(),
            ..Checked::default()
        };
        let mut findings = Findings {
            tell,
            orphans: Vec::new(),
        };
        let recent = Timestamp::now() - jiff::SignedDuration::try_from(self.grace)?;
        let records = RecordStore::new(Arc::clone(&self.store), self.layout.clone());
        let mut all = records.list();
        while let Some(record) = all.next().await {
            let record = match record {
                Ok(record) => record,
                Err(RecordError::Storage(error)) => return Err(error.into()),
                Err(
                    ref error @ (RecordError::Corrupt { ref key, .. }
                    | RecordError::UnknownFormat { ref key, .. }),
                ) => {
                    if let Some(source) = self.layout.source_of_record(key) {
                        self.take_all(&mut inventory, &source);
                        self.take_parts(&mut inventory, &source);
                        inventory.sources.remove(source.as_str());
                    }
                    (findings.tell)(Finding {
                        kind: Kind::Unreadable,
                        key: key.clone(),
                        what: error.to_string(),
                        remedy: "until then its document is not processed".into(),
                    });
                    continue;
                }
            };
            checked.records += 1;
            checked.failed += u64::from(record.status == RecordStatus::Failed);
            // A grace of zero takes nothing as being at work, whatever the clocks say.
            if !self.grace.is_zero() && record.updated_at > recent {
                checked.at_work += 1;
                self.take_all(&mut inventory, &record.source);
                self.take_parts(&mut inventory, &record.source);
                inventory.sources.remove(record.source.as_str());
                continue;
            }
            self.record(&record, &mut inventory, &mut findings).await?;
        }
        self.leftovers(inventory, recent, &mut findings);
        Ok((checked, findings.orphans))
    }

    /// Checks one record, and takes from the inventory what it accounts for.
    async fn record(
        &self,
        record: &Record,
        inventory: &mut Inventory,
        findings: &mut Findings<'_>,
    ) -> anyhow::Result<()> {
        let source = inventory.sources.remove(record.source.as_str());
        self.source(record, source.as_ref(), findings);
        if let Some(in_progress) = &record.in_progress {
            self.take_all(inventory, &record.source);
            self.take_parts(inventory, &record.source);
            let what = format!(
                "a run has been in stage {} since {} and is gone (trace {})",
                in_progress.stage.name(),
                in_progress.since,
                in_progress.trace_id
            );
            self.tell(
                findings,
                Kind::Dead,
                record.source.as_str(),
                what,
                self.again(record),
            );
            return Ok(());
        }
        match record.status {
            RecordStatus::Processing => {
                self.take_all(inventory, &record.source);
                self.take_parts(inventory, &record.source);
                let what = format!("a run ended early at {}", record.updated_at);
                self.tell(
                    findings,
                    Kind::Unfinished,
                    record.source.as_str(),
                    what,
                    self.again(record),
                );
            }
            RecordStatus::Done | RecordStatus::Partial => {
                self.outputs(record, inventory, findings).await?;
                self.points(record, inventory, findings);
                self.settings(record, source.as_ref(), findings).await?;
            }
            // What an earlier version gave stays in place, and beside it what the failed run made.
            RecordStatus::Failed => {
                if record.stages.contains_key(&Stage::Commit) {
                    self.outputs(record, inventory, findings).await?;
                }
                self.take_all(inventory, &record.source);
            }
            // Nothing may be left; what is, is found among the leftovers.
            RecordStatus::Removed => {}
        }
        Ok(())
    }

    /// The source against the version in the record.
    fn source(&self, record: &Record, source: Option<&Seen>, findings: &mut Findings<'_>) {
        if !self.remedies.has_sources {
            return;
        }
        let key = record.source.as_str();
        let failed_version = record
            .failure
            .as_ref()
            .and_then(|failure| failure.version.as_ref());
        let version = failed_version.or(record.version.as_ref());
        let is_same = |seen: &Seen, version: &SourceVersion| {
            seen.etag.0 == version.etag && seen.bytes == version.bytes
        };
        match (record.status, source, version) {
            (RecordStatus::Removed, Some(_), _) => {
                let what = "its record says that it was removed, and it is there".to_owned();
                self.tell(findings, Kind::Unprocessed, key, what, self.again(record));
            }
            (RecordStatus::Removed, None, _) => {}
            (_, None, _) => {
                let remedy = match self.remedies.again_by_key {
                    true => {
                        "upload it again; or upload and delete it, so that its removal is an event"
                    }
                    false => {
                        "put it back; or remove its files and points by hand, and its record last"
                    }
                };
                let what = "it has a record and is not there".to_owned();
                self.tell(findings, Kind::Sourceless, key, what, remedy.to_owned());
            }
            (RecordStatus::Processing, Some(_), _) => {}
            (_, Some(seen), Some(version)) if !is_same(seen, version) => {
                let what = "it was changed after its record".to_owned();
                self.tell(findings, Kind::Stale, key, what, self.again(record));
            }
            _ => {}
        }
    }

    /// The files and page images that the record's stages wrote.
    async fn outputs(
        &self,
        record: &Record,
        inventory: &mut Inventory,
        findings: &mut Findings<'_>,
    ) -> anyhow::Result<()> {
        for (stage, entry) in &record.stages {
            // Page images are counted, below.
            if *stage == Stage::Pages {
                continue;
            }
            for key in &entry.outputs {
                let seen = inventory.files.remove(key);
                self.file(record, entry, key, seen.as_ref(), findings)
                    .await?;
                if self.letters && *stage == Stage::Text {
                    self.letters(record, key, findings).await?;
                }
            }
        }
        self.take_readings(inventory, &record.source);
        if let Some(entry) = record.stages.get(&Stage::Pages) {
            self.images(record, entry, inventory, findings);
        }
        Ok(())
    }

    async fn file(
        &self,
        record: &Record,
        entry: &StageEntry,
        key: &str,
        seen: Option<&Seen>,
        findings: &mut Findings<'_>,
    ) -> anyhow::Result<()> {
        let remedy = self.forced(record);
        let known = entry.etags.get(key);
        if seen.is_some_and(|seen| known.is_none_or(|known| *known == seen.etag.0)) {
            return Ok(());
        }
        // Listings may lag behind, and the file may have been written since: look at the object itself.
        let body = match self.store.get_bytes(key).await {
            Ok((meta, _)) if known.is_none_or(|known| *known == meta.etag.0) => return Ok(()),
            Ok((_, body)) => body,
            Err(StorageError::NotFound { .. }) => {
                let what = "its record says that it was written, and it is not there".to_owned();
                self.tell(findings, Kind::Missing, key, what, remedy);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let by_others =
            "it was written by other hands after its record (edited, copied or restored)";
        // Markdown does not say what it was made from.
        let is_json = key.ends_with(".json");
        let what = match serde_json::from_slice::<serde_json::Value>(&body) {
            _ if !is_json => by_others,
            Err(_) => "it is no JSON any more",
            Ok(file) if file["fingerprint"].as_str() != Some(entry.fingerprint.0.as_str()) => {
                "it is of another build than its record says"
            }
            Ok(_) => by_others,
        };
        self.tell(findings, Kind::Tampered, key, what.to_owned(), remedy);
        Ok(())
    }

    /// The letters of each page's text against the account that was made when it was read.
    async fn letters(
        &self,
        record: &Record,
        key: &str,
        findings: &mut Findings<'_>,
    ) -> anyhow::Result<()> {
        let body = match self.store.get_bytes(key).await {
            Ok((_, body)) => body,
            // Told before.
            Err(StorageError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Ok(file) = serde_json::from_slice::<TextFile>(&body) else {
            return Ok(());
        };
        let differing = file.pages.iter().filter(|page| {
            Letters::of(&page.text) != page.characters.letters || page.characters.lost > 0
        });
        let pages: Vec<String> = differing.map(|page| page.page.0.to_string()).collect();
        if !pages.is_empty() {
            let what = format!(
                "{} of {} pages have other letters than were read from them (pages {})",
                pages.len(),
                file.pages.len(),
                pages[..pages.len().min(MOST_PAGES_NAMED)].join(", ")
            );
            let remedy = self.forced(record);
            self.tell(findings, Kind::Letters, key, what, remedy);
        }
        Ok(())
    }

    fn images(
        &self,
        record: &Record,
        entry: &StageEntry,
        inventory: &mut Inventory,
        findings: &mut Findings<'_>,
    ) {
        let generation = Generation::from(&entry.fingerprint);
        let folder = self.layout.page_images(&record.source, &generation);
        let expected = fact(entry, "images").unwrap_or_default();
        let found = inventory.images.remove(&folder).unwrap_or_default();
        let remedy = self.forced(record);
        for key in found.strangers {
            self.orphan(
                findings,
                key.clone(),
                "it is no page image",
                Orphan::Object(key),
            );
        }
        let mut pages = found.pages;
        pages.sort_unstable();
        if (pages.len() as u64) < expected {
            let gone: Vec<String> = (1..=record.ledger.pages)
                .filter(|page| pages.binary_search(page).is_err())
                .filter(|page| !record.ledger.failed.contains_key(page))
                .take(MOST_PAGES_NAMED)
                .map(|page| page.to_string())
                .collect();
            let what = format!(
                "{} of {expected} page images are not there (pages {})",
                expected - pages.len() as u64,
                gone.join(", ")
            );
            self.tell(findings, Kind::Missing, &folder, what, remedy);
        } else if (pages.len() as u64) > expected {
            let what = format!("{} page images where {expected} were made", pages.len());
            self.tell(findings, Kind::Tampered, &folder, what, remedy);
        } else if let Some(bytes) = fact(entry, "bytes")
            && bytes != found.bytes
        {
            let what = format!(
                "the page images have {} bytes where {bytes} were written",
                found.bytes
            );
            self.tell(findings, Kind::Tampered, &folder, what, remedy);
        }
    }

    /// The points that the record's index stage wrote.
    fn points(&self, record: &Record, inventory: &mut Inventory, findings: &mut Findings<'_>) {
        if self.vectors.is_none() {
            return;
        }
        let Some(entry) = record.stages.get(&Stage::Index) else {
            return;
        };
        let generation = Generation::from(&entry.fingerprint).0;
        for target in TargetStore::ALL {
            let Some(expected) = fact(entry, &format!("points_{}", target.name())) else {
                continue;
            };
            let key = (record.source.0.clone(), target, generation.clone());
            let found = inventory.points.remove(&key).unwrap_or_default();
            let kind = match found.cmp(&expected) {
                std::cmp::Ordering::Equal => continue,
                std::cmp::Ordering::Less => Kind::Missing,
                std::cmp::Ordering::Greater => Kind::Tampered,
            };
            let what = format!("{found} of {expected} points are in the {target} store");
            self.tell(
                findings,
                kind,
                record.source.as_str(),
                what,
                self.forced(record),
            );
        }
    }

    /// What the settings in force would make, against what was made.
    async fn settings(
        &self,
        record: &Record,
        source: Option<&Seen>,
        findings: &mut Findings<'_>,
    ) -> anyhow::Result<()> {
        let (Some(pipeline), Some(_)) = (&self.pipeline, source) else {
            return Ok(());
        };
        let targets = pipeline.parts().settings.targets(None)?;
        let source = Source::newest(record.source.0.clone());
        let plan = pipeline
            .plan(&source, &targets, &Options::default())
            .await?;
        // That the source was uploaded again is told already.
        if plan.is_empty() || plan.is_unread() {
            return Ok(());
        }
        let stages: Vec<&str> = plan
            .stages
            .iter()
            .map(|planned| planned.stage.name())
            .collect();
        let what = format!(
            "the settings in force would run {} again",
            stages.join(", ")
        );
        self.tell(
            findings,
            Kind::Outdated,
            record.source.as_str(),
            what,
            self.again(record),
        );
        Ok(())
    }

    pub(super) fn tell(
        &self,
        findings: &mut Findings<'_>,
        kind: Kind,
        key: &str,
        what: String,
        remedy: String,
    ) {
        let key = key.to_owned();
        (findings.tell)(Finding {
            kind,
            key,
            what,
            remedy,
        });
    }

    fn again(&self, record: &Record) -> String {
        self.again_by(record.source.as_str())
    }

    pub(super) fn again_by(&self, key: &str) -> String {
        match self.remedies.again_by_key {
            true => format!("{} {}", self.remedies.again, quoted(key)),
            false => self.remedies.again.clone(),
        }
    }

    /// The record says that nothing is to be done, so that a plain run would do nothing.
    fn forced(&self, record: &Record) -> String {
        format!("{} --force", self.again(record))
    }
}

fn fact(entry: &StageEntry, name: &str) -> Option<u64> {
    entry.facts.get(name).and_then(serde_json::Value::as_u64)
}

/// A key as one word of a shell.
fn quoted(key: &str) -> String {
    format!("'{}'", key.replace('\'', "'\\''"))
}
