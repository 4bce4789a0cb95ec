//! What is paid for: a model is asked, and each of its answers becomes an object before it is judged.
//!
//! A run that finds the answers of one that died asks only for what is missing. So a worker that is killed between two calls
//! pays neither twice; one that is killed between an answer and its write pays for that answer again. What was said goes into
//! one file, out of which the metadata stage works: its rules may change without a call.

use pagemill_document::Dependency;
use pagemill_metadata::{DocumentInput, Ending, Prediction, Usage};
use pagemill_storage::{SourceVersion, Stage};
use serde::{Deserialize, Serialize};

use crate::artifacts::Header;
use crate::outcome::PipelineError;
use crate::permit::Progress;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::run::{Finished, Run};

/// `processing/predictions/<path>.json`: what a model said of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PredictionFile {
    /// Where it comes from.
    #[serde(flatten)]
    pub header: Header,
    /// What came of asking.
    #[serde(flatten)]
    pub prediction: Prediction,
}

impl Pipeline {
    /// Whether the generator asks a model at all: without one there is no such stage.
    pub(crate) fn predicts(&self) -> bool {
        self.parts().generator.prediction_parts().is_some()
    }

    /// Asks the model what was not asked before.
    pub(crate) async fn predict(
        &self,
        run: &mut Run<'_>,
        input: DocumentInput<'_>,
        version: &SourceVersion,
        plan: &Plan,
    ) -> Result<(Prediction, Usage), PipelineError> {
        run.enter(Stage::Predict);
        run.permit.check()?;
        let till = run.till(self);
        let made = self.parts().generator.predict(input, &till).await;
        // An answer that is of no use is an answer: the LLM is there.
        if made.as_ref().is_ok_and(|(_, usage)| usage.calls > 0) {
            run.permit.used(Dependency::Llm);
        }
        let paid = till.close()?;
        let made = made.map_err(|error| PipelineError::from_metadata(Stage::Predict, error));
        let (prediction, usage) = made?;
        run.permit.progress(Progress::Step);
        let file = PredictionFile {
            header: Header::of(Stage::Predict, &run.record.source, &version.sha256, plan),
            prediction,
        };
        let key = self.layout().prediction(&run.record.source);
        let tag = run.replace_json(Stage::Predict, &key, &file).await?;
        let mut entry = Finished::new(plan.fingerprint(Stage::Predict))
            .output(key, Some(tag))
            .spent(paid.spent);
        // Without their tags: an answer says when and by which run it was paid for, and what counts of it is in the file.
        for key in paid.answers {
            entry = entry.output(key, None);
        }
        if file.prediction.ending != Ending::Answered {
            entry = entry.fact("ending", file.prediction.ending.name());
        }
        run.finish(Stage::Predict, entry);
        Ok((file.prediction, usage))
    }

    /// What an earlier run was told, if it is that of the stage's present fingerprint.
    pub(crate) async fn stored_prediction(
        &self,
        run: &Run<'_>,
        plan: &Plan,
    ) -> Result<Option<Prediction>, PipelineError> {
        let key = self.layout().prediction(&run.record.source);
        let stored: Option<PredictionFile> = run.read_json(&key).await?;
        let expected = plan.fingerprint(Stage::Predict);
        let stored = stored.filter(|file| file.header.fingerprint == *expected);
        Ok(stored.map(|file| file.prediction))
    }

    /// The answers of this source, but for those that the record names.
    pub(crate) async fn superseded_answers(
        &self,
        run: &Run<'_>,
    ) -> Result<Vec<String>, PipelineError> {
        let (layout, source) = (self.layout(), &run.record.source);
        let entry = run.record.stages.get(&Stage::Predict);
        let is_used =
            |key: &str| entry.is_some_and(|entry| entry.outputs.iter().any(|output| output == key));
        let is_superseded = |key: &str| layout.is_answer_of(source, key) && !is_used(key);
        run.keys_below(&layout.answers(source), is_superseded).await
    }
}
