//! What people must look at, and what they decided.
//!
//! `review/open/<path>.pdf.json` is there while the fields of a document need people; the stage `extract` writes and deletes it.
//! `review/corrections/<path>.pdf.jsonl` has what they decided. No run ever writes it: who appends to it is `worker review`, by
//! compare-and-swap. It is part of the fingerprint of `extract`, so a new line makes that stage run again, and no other that
//! costs anything.

use pagemill_document::Rect;
use pagemill_fields::evaluation::Reason;
use pagemill_fields::{Corrections, DocumentFields, Field};
use pagemill_metadata::document::Candidate;
use pagemill_storage::{Generation, SourceKey, Stage, StorageError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifacts::Header;
use crate::outcome::PipelineError;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::run::{Finished, Run};
use crate::settings::Goal;

/// `review/open/<path>.pdf.json`: what people must look at of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenFile {
    /// Where it comes from.
    #[serde(flatten)]
    pub header: Header,
    /// The document's profile.
    pub profile: String,
    /// A field each, in the order of the evaluation's reasons.
    pub items: Vec<OpenItem>,
}

/// A field that people must look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenItem {
    /// Its key, such as `BT-84`.
    pub field: String,
    /// What it is called, such as `iban`.
    pub name: String,
    /// Why, as in the evaluation.
    pub reason: String,
    /// What was extracted.
    pub value: Option<String>,
    /// What else was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// The page that shows the value or one of the candidates, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Where on it: points from the page's top left corner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<Rect>,
    /// The key of that page's image, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_image: Option<String>,
}

impl OpenItem {
    fn of(reason: &Reason, field: Option<&Field>, image: impl Fn(u32) -> Option<String>) -> Self {
        let places = field.into_iter().flat_map(|field| {
            let said = field.candidates.iter();
            let said = said.filter_map(|candidate| candidate.evidence.as_ref());
            field.evidence.iter().chain(said)
        });
        let place = places.into_iter().next();
        let page = place.map(|evidence| evidence.page.0);
        Self {
            field: reason.field.clone(),
            name: pagemill_fields::correction::name_of(&reason.field).to_owned(),
            reason: reason.reason.clone(),
            value: field.and_then(|field| field.value.clone()),
            candidates: field.map_or_else(Vec::new, |field| field.candidates.clone()),
            page,
            boxes: place.map_or_else(Vec::new, |evidence| evidence.boxes.clone()),
            page_image: page.and_then(image),
        }
    }
}

impl Pipeline {
    /// What people decided of a source's fields. One look at the store; none where the goal ends before there are fields.
    pub(crate) async fn corrections(
        &self,
        source: &SourceKey,
    ) -> Result<Corrections, PipelineError> {
        if self.parts().settings.goal < Goal::Metadata {
            return Ok(Corrections::default());
        }
        let key = self.layout().corrections(source);
        match self.parts().store.get_bytes(&key).await {
            Ok((_, lines)) => Ok(Corrections::read(&lines)),
            Err(StorageError::NotFound { .. }) => Ok(Corrections::default()),
            Err(error) => Err(PipelineError::from_storage(Stage::Extract, error)),
        }
    }

    /// Writes what people must look at, or deletes it where there is nothing any more. Comes after the fields' own file: a run
    /// that dies between leaves that as another one's, and so both are made again.
    pub(crate) async fn open_review(
        &self,
        run: &Run<'_>,
        header: Header,
        fields: &DocumentFields,
        plan: &Plan,
        entry: Finished,
    ) -> Result<Finished, PipelineError> {
        let source = &run.record.source;
        let key = self.layout().open_review(source);
        let reasons = fields
            .evaluation
            .as_ref()
            .map_or(&[][..], |evaluation| evaluation.reasons.as_slice());
        let entry = entry.fact("open", reasons.len());
        if reasons.is_empty() {
            let before = run.record.stages.get(&Stage::Extract);
            let was_open = before.is_some_and(|entry| entry.outputs.contains(&key));
            // What a run that died had written is in no record.
            if was_open || run.resumes {
                run.confirm_record().await?;
                run.delete(vec![key]).await?;
            }
            return Ok(entry);
        }
        let generation = Generation::from(plan.fingerprint(Stage::Pages));
        let extension = self.parts().settings.pages.format.extension();
        let image = |page: u32| {
            let is_there = !run.record.ledger.failed.contains_key(&page);
            let key = self
                .layout()
                .page_image(source, &generation, page, extension);
            is_there.then_some(key)
        };
        let items = reasons.iter().map(|reason| {
            let field = fields.fields.get(&reason.field);
            OpenItem::of(reason, field, image)
        });
        let file = OpenFile {
            header,
            profile: fields.profile.clone(),
            items: items.collect(),
        };
        let tag = run.replace_json(Stage::Extract, &key, &file).await?;
        Ok(entry.output(key, Some(tag)))
    }
}
