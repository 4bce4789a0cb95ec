//! What is wanted of a document: the fingerprint of every stage under the settings in force, and the plan that follows.

use std::collections::BTreeMap;

use pagemill_index::TargetStore;
use pagemill_storage::{Fingerprint, Record, SourceKey, Stage};

use crate::fingerprint::Fingerprinter;
use crate::plan::Plan;
use crate::process::{Options, Parts, Pipeline};

impl Pipeline {
    /// The stores asked for, and those that hold the document already.
    pub(crate) fn all_targets(&self, record: &Record, asked: &[TargetStore]) -> Vec<TargetStore> {
        let held = record
            .target_stores
            .iter()
            .filter_map(|name| name.parse().ok());
        let mut targets: Vec<TargetStore> = asked.iter().copied().chain(held).collect();
        targets.sort();
        targets.dedup();
        targets
    }

    /// What must run, and why.
    pub(crate) fn plan_for(
        &self,
        record: &Record,
        sha256: &str,
        targets: &[TargetStore],
        options: &Options,
    ) -> Plan {
        let wanted = self.wanted(&record.source, sha256, targets, options);
        Plan::new(wanted, targets.to_vec(), Some(record), options.force)
    }

    /// What every stage's fingerprint must be, for this content and these settings.
    pub(crate) fn wanted(
        &self,
        source: &SourceKey,
        sha256: &str,
        targets: &[TargetStore],
        options: &Options,
    ) -> BTreeMap<Stage, Fingerprint> {
        let Parts {
            settings,
            engine_version,
            generator,
            indexer,
            ..
        } = self.parts();
        let limits = &settings.limits;
        let inspect = Fingerprinter::new(Stage::Inspect)
            .part(source.as_str())
            .part(sha256)
            .part(engine_version)
            .finish();
        let pages = Fingerprinter::new(Stage::Pages)
            .upstream(&inspect)
            .settings(&settings.pages)
            .finish();
        let text = Fingerprinter::new(Stage::Text)
            .upstream(&inspect)
            .part(&limits.max_text_bytes_per_page.to_string())
            .finish();
        let links = Fingerprinter::new(Stage::Links)
            .upstream(&inspect)
            .part(&limits.max_links_per_page.to_string())
            .finish();
        let structure = Fingerprinter::new(Stage::Structure)
            .upstream(&text)
            .finish();
        let metadata = generator
            .fingerprint_parts()
            .iter()
            .fold(Fingerprinter::new(Stage::Metadata), |print, part| {
                print.part(part)
            })
            .part(options.custom_prompt.as_deref().unwrap_or_default())
            .upstream(&text)
            .upstream(&links)
            .upstream(&structure)
            .finish();
        let index = indexer
            .fingerprint_parts()
            .iter()
            .fold(Fingerprinter::new(Stage::Index), |print, part| {
                print.part(part)
            });
        let index = targets
            .iter()
            .fold(index, |print, target| print.part(target.name()))
            .upstream(&pages)
            .upstream(&structure)
            .upstream(&metadata)
            .finish();
        let commit = Fingerprinter::new(Stage::Commit)
            .upstream(&pages)
            .upstream(&links)
            .upstream(&index)
            .finish();
        BTreeMap::from([
            (Stage::Inspect, inspect),
            (Stage::Pages, pages),
            (Stage::Text, text),
            (Stage::Links, links),
            (Stage::Structure, structure),
            (Stage::Metadata, metadata),
            (Stage::Index, index),
            (Stage::Commit, commit),
        ])
    }

    /// What a permanent failure depends on: content, limits, engine, prompts, and which passwords there are.
    pub(crate) fn failure_fingerprint(
        &self,
        source: &SourceKey,
        sha256: &str,
        options: &Options,
    ) -> Fingerprint {
        let Parts {
            settings,
            engine_version,
            generator,
            ..
        } = self.parts();
        let print = Fingerprinter::new(Stage::Inspect)
            .part("failure")
            .part(sha256)
            .part(engine_version);
        let print = print
            .settings(&settings.limits)
            .settings(&settings.passwords.patterns(source));
        let print = generator
            .fingerprint_parts()
            .iter()
            .fold(print, |print, part| print.part(part));
        print
            .part(options.custom_prompt.as_deref().unwrap_or_default())
            .finish()
    }
}
