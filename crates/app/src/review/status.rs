//! Where a document stands, in one word: a view of its record for those who know these words, and stored nowhere.

use pagemill_storage::{Record, RecordStatus, Stage};

/// The status of a document:
///
/// | status | the record |
/// |---|---|
/// | `preprocessing`, `preprocessed` | a run is at `inspect` or `pages`; has done them and is between stages |
/// | `ocr_extracting` | it reads text, links, structure, attachments |
/// | `predicting` | it asks a model, or judges what one said |
/// | `extraction` | it extracts fields |
/// | `automated_evaluation` | it indexes and commits |
/// | `approved`, `manual_review` | it is done, and so its fields were evaluated |
/// | `completed` | it is done, and has no fields to evaluate |
/// | a step and `_error`, such as `preprocessing_error` | it failed there for good |
/// | `removed` | its source was removed |
pub fn status(record: &Record) -> String {
    match record.status {
        RecordStatus::Removed => "removed".to_owned(),
        RecordStatus::Failed => {
            let stage = record.failure.as_ref().map(|failure| failure.stage);
            format!("{}_error", stage.map_or("preprocessing", step))
        }
        RecordStatus::Processing => match &record.in_progress {
            Some(marker) => step(marker.stage).to_owned(),
            None if record.stages.contains_key(&Stage::Pages) => "preprocessed".to_owned(),
            None => "preprocessing".to_owned(),
        },
        RecordStatus::Done | RecordStatus::Partial => {
            let entry = record.stages.get(&Stage::Extract);
            let decision = entry.and_then(|entry| entry.facts.get("decision")?.as_str());
            decision.unwrap_or("completed").to_owned()
        }
    }
}

fn step(stage: Stage) -> &'static str {
    match stage {
        Stage::Inspect | Stage::Pages => "preprocessing",
        Stage::Text | Stage::Links | Stage::Structure | Stage::Attachments | Stage::Markdown => {
            "ocr_extracting"
        }
        Stage::Predict | Stage::Metadata => "predicting",
        Stage::Extract => "extraction",
        Stage::Index | Stage::Commit | Stage::Named(_) => "automated_evaluation",
    }
}
