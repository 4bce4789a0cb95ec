//! Stages that are made outside of this crate: what one must say of itself, and what it is given to work with.
//!
//! A stage is entered into a [`Graph`](crate::Graph) and is then like any other: it has a fingerprint and runs again when
//! that changes, its file is believed only as far as the record vouches for it, a crash before its end resumes at it, and a
//! removal deletes what it wrote. It writes through [`StageWork::write`] alone, which asks the lease.
//!
//! `crates/pipeline/tests/runs/added.rs` has one that counts words.

use std::fmt::Debug;
use std::io::{self, Write};

use async_trait::async_trait;
use pagemill_document::{ChargeSink, Dependency, Units};
use pagemill_reader::{PdfDocument, PdfError, SealedFile};
use pagemill_storage::{ETag, PageAccount, SourceKey, Stage, StorageError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::artifacts::Header;
use crate::charges::Till;
use crate::graph::StageSpec;
use crate::outcome::PipelineError;
use crate::permit::Progress;
use crate::pipeline::Pipeline;
use crate::plan::{Plan, Size};
use crate::run::{Finished, Run};

/// A stage that is added to the graph.
#[async_trait]
pub trait AddedStage: Send + Sync + Debug {
    /// Its row: name, what it is made from, where its file stands, the version of its code.
    fn spec(&self) -> StageSpec;

    /// What its outputs depend on besides other stages and its code: settings, models, prompts. A stage runs again when one
    /// of them changes. No secrets, no addresses.
    fn fingerprint_parts(&self) -> Vec<String> {
        Vec::new()
    }

    /// The model that it pays for and the most that it can use of it for one document, for plans; `None` when it is free.
    fn most(&self, _: &Size) -> Option<(String, Units)> {
        None
    }

    /// Makes its outputs of one document. May be dropped at any `await`, and is then run again from the beginning.
    ///
    /// # Errors
    /// [`PipelineError`], by what can be done about it. Those of [`StageWork`] are to be passed on as they are.
    async fn make(&self, work: &mut StageWork<'_, '_>) -> Result<Made, PipelineError>;
}

/// The proof that a stage has written what it makes, or makes nothing; [`StageWork`] gives it.
#[derive(Debug)]
pub struct Made {
    output: Option<(String, ETag)>,
}

/// What a stage is given: the document, the outputs of the stages that it is made from, and the ways to write and to pay.
pub struct StageWork<'w, 'r> {
    run: &'w mut Run<'r>,
    spec: &'w StageSpec,
    plan: &'w Plan,
    pipeline: &'w Pipeline,
    pdf: Option<&'w SealedFile>,
    sha256: &'w str,
    till: Till<'w>,
    facts: Vec<(String, serde_json::Value)>,
}

impl StageWork<'_, '_> {
    /// The source at work.
    pub fn source(&self) -> &SourceKey {
        &self.run.record.source
    }

    /// SHA-256 of its bytes, hex.
    pub fn sha256(&self) -> &str {
        self.sha256
    }

    /// How every page ended.
    pub fn pages(&self) -> &PageAccount {
        &self.run.record.ledger
    }

    /// The PDF's bytes.
    ///
    /// # Errors
    /// A permanent one for a stage whose row does not say `reads_source`.
    pub fn pdf(&self) -> Result<&SealedFile, PipelineError> {
        let file = self.pdf;
        file.ok_or_else(|| self.fault("it opens the PDF, and its row does not say reads_source"))
    }

    /// Opens the PDF with the pipeline's engine, in a child process.
    ///
    /// # Errors
    /// Those of the file, as they end any document; and those of [`StageWork::pdf`].
    pub async fn open_pdf(&self) -> Result<Box<dyn PdfDocument>, PipelineError> {
        let parts = self.pipeline.parts();
        let file = self.pdf()?.clone();
        let passwords = parts.settings.passwords.candidates(self.source());
        let opened = parts.engine.open(file, &passwords).await;
        opened.map_err(|error| self.pdf_error(error))
    }

    /// An error of the engine, in this stage.
    pub fn pdf_error(&self, error: PdfError) -> PipelineError {
        PipelineError::from_pdf(self.spec.stage, error)
    }

    /// Reads the file of a stage that this one is made from, such as [`TextFile`](crate::TextFile) of [`Stage::Text`].
    ///
    /// # Errors
    /// [`PipelineError::Transient`] when the file is gone or of another build: the next run makes it again. A permanent one
    /// when the row does not name the stage, or its file is of another shape.
    pub async fn read<T: DeserializeOwned>(&self, stage: Stage) -> Result<T, PipelineError> {
        let row = self.pipeline.graph().row(stage);
        let file = row.and_then(|row| row.file.as_ref());
        let file = file.filter(|file| file.is_json());
        let Some(file) = file.filter(|_| self.spec.upstream.contains(&stage)) else {
            return Err(self.fault(&format!(
                "it reads {stage}, which its row does not name as upstream or which has no JSON file"
            )));
        };
        let key = file.key(self.pipeline.layout(), self.source());
        let body = match self.run.store.get_bytes(&key).await {
            Ok((_, body)) => body,
            Err(StorageError::NotFound { .. }) => return Err(self.gone(&key)),
            Err(error) => return Err(self.run.storage(error)),
        };
        let is_current = serde_json::from_slice::<Header>(&body)
            .is_ok_and(|header| header.fingerprint == *self.plan.fingerprint(stage));
        if !is_current {
            return Err(self.gone(&key));
        }
        serde_json::from_slice(&body).map_err(|error| {
            self.fault(&format!("the file of {stage} is of another shape: {error}"))
        })
    }

    /// Writes the stage's file, by the guarded writer: a JSON object that begins as all do, with `format`, `source`, `sha256`
    /// and `fingerprint`, and goes on with the fields of `body`.
    ///
    /// # Errors
    /// When the lease is lost, another worker has the document, or the store fails.
    pub async fn write<T: Serialize + Sync>(&mut self, body: &T) -> Result<Made, PipelineError> {
        #[derive(Serialize)]
        struct File<'a, T> {
            #[serde(flatten)]
            header: Header,
            #[serde(flatten)]
            body: &'a T,
        }
        if self.spec.file.as_ref().is_some_and(|file| !file.is_json()) {
            return Err(self.fault("it writes JSON, and its row has a file of another kind"));
        }
        let header = Header::of(self.spec.stage, self.source(), self.sha256, self.plan);
        let file = File { header, body };
        self.write_file("application/json", |mut out: &mut dyn Write| {
            serde_json::to_writer(&mut out, &file)?;
            out.write_all(b"\n")
        })
        .await
    }

    /// Writes the stage's file, by the guarded writer, as `write` gives it. In memory while it is short, else in a temporary
    /// file.
    ///
    /// # Errors
    /// As [`StageWork::write`].
    pub async fn write_file(
        &mut self,
        content_type: &'static str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Made, PipelineError> {
        let Some(file) = &self.spec.file else {
            return Err(self.fault("it writes a file, and its row has none"));
        };
        let key = file.key(self.pipeline.layout(), self.source());
        let written = self.run.replace(self.spec.stage, &key, content_type, write);
        let tag = written.await?;
        Ok(Made {
            output: Some((key, tag)),
        })
    }

    /// For a stage whose row has no file.
    pub fn without_file(&self) -> Made {
        Made { output: None }
    }

    /// A small fact for the record: a count or a size.
    pub fn fact(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        self.facts.push((name.to_owned(), value.into()));
    }

    /// Where its paid calls are told, each before its answer is looked at.
    pub fn charges(&self) -> &dyn ChargeSink {
        &self.till
    }

    /// A sign of life, to be given every few seconds; ends the work at once when it may not go on.
    ///
    /// # Errors
    /// [`PipelineError::PermitLost`].
    pub fn step(&self) -> Result<(), PipelineError> {
        self.run.permit.progress(Progress::Step);
        Ok(self.run.permit.check()?)
    }

    /// A fault of the stage's own: no document can pass until its code is mended.
    fn fault(&self, what: &str) -> PipelineError {
        PipelineError::Permanent {
            reason: "stage_fault".into(),
            stage: self.spec.stage,
            message: format!("the stage {} is wrong: {what}", self.spec.stage),
        }
    }

    fn gone(&self, key: &str) -> PipelineError {
        PipelineError::Transient {
            dependency: Dependency::Store,
            stage: self.spec.stage,
            message: format!("{key} vanished during the run"),
            retry_after: None,
        }
    }
}

impl Pipeline {
    /// Runs an added stage, unless a run that died before has left its file.
    pub(crate) async fn make_added(
        &self,
        run: &mut Run<'_>,
        added: &dyn AddedStage,
        spec: &StageSpec,
        plan: &Plan,
        pdf: Option<&SealedFile>,
        is_forced: bool,
    ) -> Result<(), PipelineError> {
        run.enter(spec.stage);
        // What is finished before it stays finished, and a death in it is one of this stage.
        run.mark_in_progress();
        run.save().await?;
        let fingerprint = plan.fingerprint(spec.stage);
        if run.resumes
            && !is_forced
            && let Some(file) = spec.file.as_ref().filter(|file| file.is_json())
        {
            let key = file.key(self.layout(), &run.record.source);
            let left = run.read_tagged_json::<Header>(&key).await?;
            if let Some((_, tag)) = left.filter(|(header, _)| header.fingerprint == *fingerprint) {
                let entry = Finished::new(fingerprint).output(key, Some(tag));
                run.finish(spec.stage, entry.found(true));
                return Ok(());
            }
        }
        let version = run.record.version.as_ref();
        let sha256 = version.map_or_else(String::new, |version| version.sha256.clone());
        let till = run.till(self);
        let mut work = StageWork {
            run,
            spec,
            plan,
            pipeline: self,
            pdf: pdf.filter(|_| spec.reads_source),
            sha256: &sha256,
            till,
            facts: Vec::new(),
        };
        let made = added.make(&mut work).await;
        let StageWork {
            run, till, facts, ..
        } = work;
        till.close()?;
        let mut entry = Finished::new(fingerprint);
        if let Some((key, tag)) = made?.output {
            entry = entry.output(key, Some(tag));
        }
        for (name, value) in facts {
            entry = entry.fact(&name, value);
        }
        run.finish(spec.stage, entry);
        Ok(())
    }
}
