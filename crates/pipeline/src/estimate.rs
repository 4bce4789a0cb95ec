//! What the stages of a plan may cost.

use pagemill_document::Units;
use pagemill_index::TargetStore;
use pagemill_storage::{ObjectMeta, Record, Stage};

use crate::plan::{Estimate, Plan, Size};
use crate::process::Pipeline;

impl Pipeline {
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
            Stage::Metadata => {
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
            | Stage::Markdown
            | Stage::Commit => None,
        }
    }
}
