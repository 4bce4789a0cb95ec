//! What a run would do, and what its stages may cost.

use jiff::Timestamp;
use pagemill_document::Units;
use pagemill_index::TargetStore;
use pagemill_storage::{ObjectMeta, Record, RecordStatus, Stage};

use crate::outcome::PipelineError;
use crate::pipeline::{Options, Pipeline, Source};
use crate::plan::{Estimate, Plan, Reason, Size};
use crate::prompt;
use crate::source::{missing_source, same_bytes};

impl Pipeline {
    /// What a run would do, why, and what it may cost, without doing it. Where nobody has read the source in its present
    /// version, that is every stage up to the goal.
    ///
    /// # Errors
    /// When the record or the source can't be read.
    pub async fn plan(
        &self,
        source: &Source,
        targets: &[TargetStore],
        options: &Options,
    ) -> Result<Plan, PipelineError> {
        let loaded = self.records().load(&source.key).await;
        let loaded = loaded.map_err(|error| PipelineError::from_record(Stage::Inspect, error))?;
        let head = self
            .parts()
            .store
            .head(source.key.as_str(), source.version_id.as_deref())
            .await;
        let head = head.map_err(missing_source)?;
        let record = loaded.as_ref().map(|(record, _)| record);
        let never_seen = Record::new(source.key.clone(), Timestamp::now());
        let known = record.unwrap_or(&never_seen);
        let targets = self.all_targets(known, targets);
        let asked = prompt::asked(known, &head, options);
        let mut resolved = self.with_prompt_in_force(asked.as_deref(), &head, options);
        resolved.corrections = self.corrections(&source.key).await?;
        let mut plan = match same_bytes(known.version.as_ref(), &head) {
            Some(version) => self.plan_for(known, &version.sha256, &targets, &resolved),
            None => {
                let goal = self.parts().settings.goal;
                let rows = self.graph().rows().iter();
                let wanted = rows.filter(|row| row.goal <= goal && self.takes_part(row.stage));
                let stages = wanted.map(|row| row.stage);
                let reason = match record.filter(|record| record.version.is_some()) {
                    Some(record) if record.status != RecordStatus::Removed => Reason::Uploaded,
                    _ => Reason::New,
                };
                Plan::unread(self.graph(), stages, targets, reason)
            }
        };
        self.estimate(&mut plan, record, &head);
        plan.etag = head.etag.0;
        Ok(plan)
    }

    /// Fills in what each stage of a plan may take: as before, where an earlier run of it paid; else the most that it can.
    pub(crate) fn estimate(&self, plan: &mut Plan, record: Option<&Record>, head: &ObjectMeta) {
        let pages = record.map(|record| record.ledger.pages);
        let size = Size {
            bytes: head.bytes,
            pages: pages.filter(|pages| *pages > 0),
        };
        let targets = plan.targets.clone();
        for planned in &mut plan.stages {
            let before = record.and_then(|record| record.stages.get(&planned.stage));
            let paid = self.paid_by(planned.stage, &size, &targets);
            planned.estimate = match (paid, before) {
                (None, _) => Estimate::Free,
                (Some(_), Some(before)) if !before.spent.is_nothing() => {
                    Estimate::AsBefore(before.spent)
                }
                (Some((model, Some(units))), _) => Estimate::AtMost {
                    micro_usd: self.parts().settings.prices.of(&model, &units),
                    model,
                    units,
                },
                (Some((model, None)), _) => Estimate::Unknown { model },
            };
        }
    }

    /// The model that a stage pays for, and the most that it can use of it, where that is known; `None` when it is free.
    fn paid_by(
        &self,
        stage: Stage,
        size: &Size,
        targets: &[TargetStore],
    ) -> Option<(String, Option<Units>)> {
        match stage {
            Stage::Predict => {
                let (model, units) = self.parts().generator.most()?;
                Some((model, Some(units)))
            }
            // What embedding takes is the text's length, which the size of a PDF says nothing of.
            Stage::Index if targets.is_empty() => None,
            Stage::Index => Some((self.parts().indexer.embedder().paid_model()?, None)),
            Stage::Named(_) => {
                let added = self.graph().added().find(|(_, row)| row.stage == stage);
                let (model, units) = added?.0.most(size)?;
                Some((model, Some(units)))
            }
            Stage::Inspect
            | Stage::Pages
            | Stage::Text
            | Stage::Links
            | Stage::Structure
            | Stage::Attachments
            | Stage::Markdown
            | Stage::Metadata
            | Stage::Extract
            | Stage::Commit => None,
        }
    }
}
