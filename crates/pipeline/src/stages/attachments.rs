//! The files that a document carries, kept with their bytes. What an invoice's XML says is read from here.

use pagemill_document::Dependency;
use pagemill_reader::{Attachment, NotKept, PdfError, SealedFile};
use pagemill_storage::{SourceVersion, Stage};

use super::Extracted;
use crate::artifacts::{AttachedFile, AttachmentsFile, Header};
use crate::outcome::PipelineError;
use crate::pipeline::{Pipeline, Source};
use crate::plan::Plan;
use crate::run::{Finished, Run};

impl Pipeline {
    /// Reads the attached files, writes them and returns them. The PDF is brought only where there are any, and is not at hand.
    pub(crate) async fn attachments(
        &self,
        run: &mut Run<'_>,
        extracted: &Extracted,
        file: Option<SealedFile>,
        version: &SourceVersion,
        plan: &Plan,
    ) -> Result<AttachmentsFile, PipelineError> {
        run.enter(Stage::Attachments);
        let names = &extracted.structure_file().inspection.attachments;
        let attachments = match (names.is_empty(), file) {
            (true, _) => Vec::new(),
            (false, Some(file)) => self.read_attachments(run, file, names).await?,
            (false, None) => {
                let file = self.fetch_again(run, version).await?;
                self.read_attachments(run, file, names).await?
            }
        };
        let kept = attachments.iter().filter(|file| file.content.is_ok());
        let kept = kept.count();
        let key = self.layout().attachments(&run.record.source);
        let written = AttachmentsFile {
            header: Header::of(
                Stage::Attachments,
                &run.record.source,
                &version.sha256,
                plan,
            ),
            attachments: attachments.into_iter().map(AttachedFile::from).collect(),
        };
        let tag = run.replace_json(Stage::Attachments, &key, &written).await?;
        let entry = Finished::new(plan.fingerprint(Stage::Attachments)).output(key, Some(tag));
        let entry = entry
            .fact("attachments", written.attachments.len())
            .fact("kept", kept);
        run.finish(Stage::Attachments, entry);
        Ok(written)
    }

    /// Only this machine's faults end the run: a document of which everything else was read is not lost over what it carries.
    async fn read_attachments(
        &self,
        run: &Run<'_>,
        file: SealedFile,
        names: &[String],
    ) -> Result<Vec<Attachment>, PipelineError> {
        let passwords = self
            .parts()
            .settings
            .passwords
            .candidates(&run.record.source);
        let read = async {
            let document = self.parts().engine.open(file, &passwords).await?;
            document.attachments().await
        };
        match read.await {
            Ok(attachments) => Ok(attachments),
            Err(error @ PdfError::Engine { .. }) => {
                Err(PipelineError::from_pdf(Stage::Attachments, error))
            }
            Err(error) => {
                tracing::warn!(source = %run.record.source, reason = error.code(), "attached files were not read: {error}");
                let reason = match error {
                    PdfError::Poison { .. } => NotKept::ReaderDied,
                    _ => NotKept::Unreadable,
                };
                let names = names.iter().map(|name| Attachment {
                    name: name.clone(),
                    media_type: None,
                    relationship: None,
                    content: Err(reason),
                });
                Ok(names.collect())
            }
        }
    }

    /// The bytes that the rest of the document was made from.
    async fn fetch_again(
        &self,
        run: &mut Run<'_>,
        version: &SourceVersion,
    ) -> Result<SealedFile, PipelineError> {
        let source = Source {
            key: run.record.source.clone(),
            version_id: version.version_id.clone(),
            sequencer: version.sequencer.clone(),
        };
        let (file, fetched) = self.fetch(run, &source).await?;
        match fetched.sha256 == version.sha256 {
            true => Ok(file),
            // Its own event brings the newer one.
            false => Err(PipelineError::Transient {
                dependency: Dependency::Store,
                stage: Stage::Attachments,
                message: "the source was uploaded anew during the run".to_owned(),
                retry_after: None,
            }),
        }
    }
}
