//! The fields of a document's profile, from its pages and the XML that it carries. No model is asked.

use pagemill_document::{Dependency, PageText};
use pagemill_fields::{Corrections, DocumentFields, Input, XmlFile};
use pagemill_storage::{SourceKey, SourceVersion, Stage};

use super::Extracted;
use crate::artifacts::{AttachmentsFile, FieldsFile, Header, MetadataFile, TextFile};
use crate::outcome::PipelineError;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::run::{Finished, Run};
use crate::settings::Settings;

/// Pages that fields are looked for on: no more are looked at.
const PAGES: usize = 30;

impl Pipeline {
    /// Extracts the fields, and writes them.
    pub(crate) async fn extract_fields(
        &self,
        run: &mut Run<'_>,
        extracted: &Extracted,
        attached: Option<AttachmentsFile>,
        metadata: Option<&MetadataFile>,
        version: &SourceVersion,
        plan: &Plan,
    ) -> Result<(), PipelineError> {
        run.enter(Stage::Extract);
        let source = run.record.source.clone();
        let stored;
        let metadata = match metadata {
            Some(metadata) => metadata,
            None => {
                let key = self.layout().metadata(&source);
                stored = run.read_json(&key).await?.ok_or_else(|| gone(&key))?;
                &stored
            }
        };
        let attached = match attached {
            Some(attached) => attached,
            None => {
                let key = self.layout().attachments(&source);
                run.read_json(&key).await?.ok_or_else(|| gone(&key))?
            }
        };
        let pages = extracted.first_pages(PAGES)?;
        let settings = &self.parts().settings;
        let corrections = (version.sha256.as_str(), &run.corrections);
        let fields = fields_of(&source, &pages, &attached, metadata, settings, corrections);
        let key = self.layout().fields(&source);
        let written = FieldsFile {
            header: Header::of(Stage::Extract, &source, &version.sha256, plan),
            fields,
        };
        let tag = run.replace_json(Stage::Extract, &key, &written).await?;
        let entry = Finished::new(plan.fingerprint(Stage::Extract)).output(key, Some(tag));
        let entry = entry
            .fact("profile", written.fields.profile.as_str())
            .fact("fields", written.fields.fields.len());
        let evaluation = written.fields.evaluation.as_ref();
        let entry = match evaluation.map(|evaluation| evaluation.decision) {
            Some(decision) => entry.fact("decision", decision.name()),
            None => entry,
        };
        let FieldsFile { header, fields } = written;
        let entry = self.open_review(run, header, &fields, plan, entry).await?;
        run.finish(Stage::Extract, entry);
        Ok(())
    }
}

fn fields_of(
    source: &SourceKey,
    pages: &[PageText],
    attached: &AttachmentsFile,
    metadata: &MetadataFile,
    settings: &Settings,
    (sha256, corrections): (&str, &Corrections),
) -> DocumentFields {
    let files = attached.attachments.iter();
    let files: Vec<(&str, Vec<u8>)> = files
        .filter_map(|file| Some((file.name.as_str(), file.bytes()?)))
        .collect();
    let files: Vec<XmlFile<'_>> = files
        .iter()
        .map(|(name, bytes)| XmlFile { name, bytes })
        .collect();
    let names = attached.attachments.iter().map(|file| file.name.as_str());
    let names: Vec<&str> = names.collect();
    let document_type = metadata.metadata.document_type.as_ref();
    let (profiles, calibration) = (&settings.profiles, &settings.calibration);
    let mut fields = pagemill_fields::extract(&Input {
        key: source.as_str(),
        pages,
        files: &files,
        attachments: &names,
        profiles: &profiles.usable,
        sha256,
        corrections: Some(corrections),
        document_type: document_type.and_then(|claim| claim.value),
        calibration: calibration.usable.as_ref(),
    });
    let faults = profiles.faults.iter().chain(&calibration.fault);
    fields.warnings.extend(faults.cloned());
    fields
}

/// What a run with these settings would extract from what is stored of a document if nobody had decided anything.
pub fn fields_without_corrections(
    text: &TextFile,
    attached: &AttachmentsFile,
    metadata: &MetadataFile,
    settings: &Settings,
) -> DocumentFields {
    let Header { source, sha256, .. } = &text.header;
    let pages = &text.pages[..text.pages.len().min(PAGES)];
    let nothing = (sha256.as_str(), &Corrections::default());
    fields_of(source, pages, attached, metadata, settings, nothing)
}

fn gone(key: &str) -> PipelineError {
    PipelineError::Transient {
        dependency: Dependency::Store,
        stage: Stage::Extract,
        message: format!("{key} vanished during the run"),
        retry_after: None,
    }
}
