//! What is expected of a document: the fingerprint of every stage under the settings in force, and the plan that follows.

use std::collections::BTreeMap;

use pagemill_index::TargetStore;
use pagemill_metadata::Ending;
use pagemill_storage::{Fingerprint, Record, SourceKey, Stage};

use crate::fingerprint::Fingerprinter;
use crate::graph::StageSpec;
use crate::pipeline::{Options, Parts, Pipeline};
use crate::plan::{Plan, Reason};
use crate::settings::{CalibrationFile, Goal, Profiles};

impl Pipeline {
    /// The stores asked for, unless the goal ends before them, and those that hold the document already.
    pub(crate) fn all_targets(&self, record: &Record, asked: &[TargetStore]) -> Vec<TargetStore> {
        let asked = match self.parts().settings.goal {
            Goal::Index => asked,
            Goal::Extraction | Goal::Metadata => &[],
        };
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
        let mut expected = self.expected(&record.source, sha256, targets, options);
        self.keep_what_goes_further(&mut expected, record);
        let mut plan = Plan::new(
            self.graph(),
            expected,
            targets.to_vec(),
            Some(record),
            options.force,
        );
        let asked = record.stages.get(&Stage::Predict);
        let ending = asked.and_then(|entry| entry.facts.get("ending")?.as_str());
        if options.after_budget && ending == Some(Ending::BudgetReached.name()) {
            plan.redo_from(self.graph(), Stage::Predict, Reason::Budget);
        }
        plan
    }

    /// Whether a stage is there with the settings in force: without a model to ask, nothing is predicted, and what was is of
    /// no use.
    pub(crate) fn takes_part(&self, stage: Stage) -> bool {
        stage != Stage::Predict || self.predicts()
    }

    /// What the fingerprint of every stage up to the goal must be, for this content and these settings.
    pub(crate) fn expected(
        &self,
        source: &SourceKey,
        sha256: &str,
        targets: &[TargetStore],
        options: &Options,
    ) -> BTreeMap<Stage, Fingerprint> {
        let goal = self.parts().settings.goal;
        let mut expected = BTreeMap::new();
        for spec in self.graph().rows().iter() {
            if spec.goal > goal || !self.takes_part(spec.stage) {
                continue;
            }
            let print = Fingerprinter::new(spec.stage, spec.code_version);
            let print = self.own_parts(spec.stage, print, source, sha256, targets, options);
            let print = with_upstream(print, spec, &expected);
            expected.insert(spec.stage, print.finish());
        }
        expected
    }

    /// Adds what a stage depends on, apart from other stages: content, settings, models, prompts.
    fn own_parts(
        &self,
        stage: Stage,
        print: Fingerprinter,
        source: &SourceKey,
        sha256: &str,
        targets: &[TargetStore],
        options: &Options,
    ) -> Fingerprinter {
        let Parts {
            settings,
            engine_version,
            ocr_version,
            generator,
            indexer,
            ..
        } = self.parts();
        let limits = &settings.limits;
        match stage {
            Stage::Inspect => print
                .part(source.as_str())
                .part(sha256)
                .part(engine_version),
            Stage::Pages => print.settings(&settings.pages),
            Stage::Text => {
                let print = print.part(&limits.max_text_bytes_per_page.to_string());
                match ocr_version.is_empty() {
                    true => print,
                    false => print
                        .part(ocr_version)
                        .settings(&settings.ocr)
                        .part(&settings.pages.max_pixels.to_string())
                        .part(&limits.page_timeout_seconds.to_string()),
                }
            }
            Stage::Attachments => print.part(&limits.max_attachment_bytes.to_string()),
            Stage::Links => print.part(&limits.max_links_per_page.to_string()),
            Stage::Predict => print
                .parts(&generator.prediction_parts().unwrap_or_default())
                .part(options.custom_prompt.as_deref().unwrap_or_default()),
            Stage::Metadata => print
                .parts(&generator.fingerprint_parts())
                .part(options.custom_prompt.as_deref().unwrap_or_default()),
            Stage::Index => {
                let print = print.parts(&indexer.fingerprint_parts());
                let targets = targets.iter();
                targets.fold(print, |print, target| print.part(target.name()))
            }
            Stage::Named(_) => {
                let added = self.graph().added().find(|(_, row)| row.stage == stage);
                let parts = added.map(|(added, _)| added.fingerprint_parts());
                print.parts(&parts.unwrap_or_default())
            }
            // Documents of an installation without profiles, calibration or corrections must not change when it could have some.
            Stage::Extract => {
                let print = match settings.profiles == Profiles::default() {
                    true => print,
                    false => print.settings(&settings.profiles),
                };
                let print = match settings.calibration == CalibrationFile::default() {
                    true => print,
                    false => print.part("calibration").settings(&settings.calibration),
                };
                match options.corrections.is_empty() {
                    true => print,
                    false => print
                        .settings(&options.corrections.all)
                        .part(&options.corrections.unreadable.len().to_string()),
                }
            }
            Stage::Structure | Stage::Markdown | Stage::Commit => print,
        }
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
        let print = Fingerprinter::new(Stage::Inspect, self.graph().code_version(Stage::Inspect))
            .part("failure")
            .part(sha256)
            .part(engine_version);
        let print = print
            .settings(&settings.limits)
            .settings(&settings.passwords.patterns(source));
        let print = print
            .parts(&generator.fingerprint_parts())
            .parts(&generator.prediction_parts().unwrap_or_default());
        let print = self.graph().added().fold(print, |print, (added, row)| {
            let print = print.part(row.stage.name());
            let print = print.part(&row.code_version.to_string());
            print.parts(&added.fingerprint_parts())
        });
        print
            .part(options.custom_prompt.as_deref().unwrap_or_default())
            .finish()
    }

    /// A document that was built further than the goal keeps what it has beyond it, as long as all of that is true: made
    /// from what is expected of the stages up to the goal.
    fn keep_what_goes_further(&self, expected: &mut BTreeMap<Stage, Fingerprint>, record: &Record) {
        // Without a commit, stages may stand in the record that were made from other ones than those beside them.
        let Some(commit) = record.stages.get(&Stage::Commit) else {
            return;
        };
        let entries = record.stages.iter();
        let further: BTreeMap<Stage, Fingerprint> = entries
            .filter(|(stage, _)| !expected.contains_key(stage) && self.takes_part(**stage))
            .map(|(stage, entry)| (*stage, entry.fingerprint.clone()))
            .collect();
        if further.is_empty() {
            return;
        }
        let is_current = |stage: &Stage| {
            let entry = record.stages.get(stage);
            let has = entry.map(|entry| &entry.fingerprint);
            has.is_some() && (has == expected.get(stage) || further.contains_key(stage))
        };
        let mut made = expected.keys().filter(|stage| **stage != Stage::Commit);
        if made.all(is_current) {
            expected.insert(Stage::Commit, commit.fingerprint.clone());
            return;
        }
        // What a stage that this graph has not was made from is not known.
        let rows: Option<Vec<_>> = further
            .keys()
            .map(|stage| self.graph().row(*stage))
            .collect();
        let is_true = rows.is_some_and(|rows| {
            let upstream = rows.iter().flat_map(|row| row.upstream.iter());
            let mut upstream = upstream.filter(|stage| self.takes_part(**stage));
            upstream.all(is_current)
        });
        if is_true && let Some(row) = self.graph().row(Stage::Commit) {
            expected.extend(further);
            let print = Fingerprinter::new(row.stage, row.code_version);
            expected.insert(row.stage, with_upstream(print, row, expected).finish());
        }
    }

    /// Whether a plan keeps what an earlier run made beyond the goal.
    pub(crate) fn goes_further(&self, plan: &Plan) -> bool {
        let goal = self.parts().settings.goal;
        let mut rows = self.graph().rows().iter();
        rows.any(|row| row.goal > goal && plan.wants(row.stage))
    }
}

/// Adds what the stages are that a stage is made from.
fn with_upstream(
    print: Fingerprinter,
    spec: &StageSpec,
    expected: &BTreeMap<Stage, Fingerprint>,
) -> Fingerprinter {
    let upstream = spec.upstream.iter().filter_map(|stage| expected.get(stage));
    upstream.fold(print, Fingerprinter::upstream)
}
