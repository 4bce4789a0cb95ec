//! How a run ends.

use std::collections::BTreeMap;
use std::time::Duration;

use pagemill_document::Dependency;
use pagemill_index::IndexError;
use pagemill_metadata::MetadataError;
use pagemill_panics::Panicked;
use pagemill_reader::PdfError;
use pagemill_storage::{Charged, Fault, Record, RecordError, Stage, StorageError};

use crate::attempts::{BUILD, INTERNAL_ERROR};
use crate::permit::PermitLost;

/// How a run that reached a final state ended.
#[derive(Debug, Clone, PartialEq)]
pub enum RunOutcome {
    /// Stages ran, and the document is whole.
    Processed(Processed),
    /// Everything was up to date; nothing ran and nothing was written.
    Unchanged(Processed),
    /// The event is older than what the record already has.
    Superseded,
    /// The source was removed, and what was made from it with it.
    Removed,
}

/// What is in place after a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Processed {
    /// The stages that ran, in order.
    pub ran: Vec<Stage>,
    /// How much there is.
    pub counts: DocumentSize,
    /// Pages that failed, with the reason code.
    pub failed_pages: BTreeMap<u32, String>,
    /// Calls of the LLM in this run.
    pub llm_calls: u32,
    /// Bytes and paid calls of this run.
    pub spent: Spent,
}

impl Processed {
    /// What is in place where nothing ran.
    pub(crate) fn unchanged(record: &Record) -> Self {
        Self::by(record, Vec::new(), 0, Charged::default())
    }

    /// What is in place after a run, by the record and by what the run did.
    pub(crate) fn by(record: &Record, ran: Vec<Stage>, llm_calls: u32, charged: Charged) -> Self {
        let fact = |stage, name: &str| {
            let value = record
                .stages
                .get(&stage)
                .and_then(|entry| entry.facts.get(name));
            value.and_then(serde_json::Value::as_u64).unwrap_or(0)
        };
        let count = |stage, name| u32::try_from(fact(stage, name)).unwrap_or(u32::MAX);
        let of_run = |stage, name| match ran.contains(&stage) {
            true => fact(stage, name),
            false => 0,
        };
        let version = record.version.as_ref().filter(|_| !ran.is_empty());
        let spent = Spent {
            source_bytes: version.map_or(0, |version| version.bytes),
            image_bytes: of_run(Stage::Pages, "bytes"),
            charged,
        };
        Self {
            counts: DocumentSize {
                pages: record.ledger.pages,
                links: count(Stage::Links, "links"),
                chunks: count(Stage::Index, "chunks"),
                ocr: u32::try_from(record.ledger.ocr.len()).unwrap_or(u32::MAX),
                needs_ocr: u32::try_from(record.ledger.needs_ocr.len()).unwrap_or(u32::MAX),
            },
            failed_pages: record.ledger.failed.clone(),
            llm_calls,
            spent,
            ran,
        }
    }
}

/// What a run read, wrote and paid for. A stage that did not run counts nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Size of the source in bytes.
    pub source_bytes: u64,
    /// Page images and thumbnails written, in bytes.
    pub image_bytes: u64,
    /// Paid calls, of the LLM and the embedder.
    pub charged: Charged,
}

/// Sizes of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DocumentSize {
    /// Pages.
    pub pages: u32,
    /// Links.
    pub links: u32,
    /// Chunks in the index.
    pub chunks: u32,
    /// Pages whose text was read from their pictures.
    pub ocr: u32,
    /// Pages that need OCR.
    pub needs_ocr: u32,
}

/// Why a run did not reach a final state, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The document can't be processed, now or later. It is recorded as failed.
    #[error("{message}")]
    Permanent {
        /// Stable reason code.
        reason: String,
        /// Where it failed.
        stage: Stage,
        /// What happened and what to do.
        message: String,
    },
    /// A service did not answer, or refused for now. The document is not at fault: try again later.
    #[error("{dependency} is not available: {message}")]
    Transient {
        /// The service that did not do its part.
        dependency: Dependency,
        /// Where it failed.
        stage: Stage,
        /// What happened.
        message: String,
        /// When the service asked to be tried again, if it said so.
        retry_after: Option<Duration>,
    },
    /// A setting or a permission is wrong. No document can be processed until somebody mends it.
    #[error("{message}")]
    Configuration {
        /// The service that did not do its part.
        dependency: Dependency,
        /// Where it failed.
        stage: Stage,
        /// What is wrong and the remedy.
        message: String,
    },
    /// The program panicked at this document: a fault of its own, counted in the record as a death is
    /// ([`attempts`](crate::attempts)). A later run tries again; the last try is a [`PipelineError::Permanent`] with
    /// the reason [`INTERNAL_ERROR`].
    #[error("{}", describe_fault(*.stage, .fault))]
    Internal {
        /// Where in the document's run.
        stage: Stage,
        /// Where in the program.
        fault: Fault,
    },
    /// Another worker wrote this document's record meanwhile: it has the document. Try again later.
    #[error("another worker is processing this document")]
    Conflict,
    /// The worker is shutting down; the run ended at a boundary, and a later one goes on from there.
    #[error("the worker is shutting down, and a later run goes on from here")]
    Stopped,
    /// This worker's lease on the document ran out; nothing more was written.
    #[error(transparent)]
    PermitLost(#[from] PermitLost),
}

impl PipelineError {
    /// The stable code, for logs, metrics and summaries.
    pub fn code(&self) -> &str {
        match self {
            Self::Permanent { reason, .. } => reason,
            Self::Transient { .. } => "transient",
            Self::Configuration { .. } => "configuration",
            Self::Internal { .. } => "internal_error",
            Self::Conflict => "conflict",
            Self::Stopped => "stopped",
            Self::PermitLost(_) => "lease_lost",
        }
    }

    /// A panic in a stage.
    pub(crate) fn from_panic(stage: Stage, panicked: &Panicked) -> Self {
        Self::Internal {
            stage,
            fault: Fault {
                place: panicked.place().to_owned(),
                build: BUILD.to_owned(),
            },
        }
    }

    /// The same, when nobody will try again.
    pub(crate) fn without_another_try(self) -> Self {
        match self {
            Self::Internal { stage, fault } => Self::Permanent {
                reason: INTERNAL_ERROR.to_owned(),
                stage,
                message: describe_fault(stage, &fault),
            },
            other => other,
        }
    }

    /// What the run failed at, where that is not the document.
    pub fn dependency(&self) -> Option<Dependency> {
        match self {
            Self::Transient { dependency, .. } | Self::Configuration { dependency, .. } => {
                Some(*dependency)
            }
            _ => None,
        }
    }

    pub(crate) fn from_storage(stage: Stage, error: StorageError) -> Self {
        let message = error.to_string();
        match error {
            StorageError::Precondition { .. } => Self::Conflict,
            StorageError::NotFound { .. } => Self::Permanent {
                reason: "missing_object".into(),
                stage,
                message,
            },
            StorageError::BadKey { .. } => Self::Permanent {
                reason: "bad_key".into(),
                stage,
                message,
            },
            StorageError::NoStore { .. }
            | StorageError::Denied { .. }
            | StorageError::NotBuilt { .. } => Self::Configuration {
                dependency: Dependency::Store,
                stage,
                message,
            },
            StorageError::Scratch { .. } => Self::Transient {
                dependency: Dependency::Disk,
                stage,
                message,
                retry_after: None,
            },
            StorageError::Unavailable { .. } => Self::Transient {
                dependency: Dependency::Store,
                stage,
                message,
                retry_after: None,
            },
        }
    }

    pub(crate) fn from_pdf(stage: Stage, error: PdfError) -> Self {
        let message = error.to_string();
        if error.is_permanent() {
            Self::Permanent {
                reason: error.code().into(),
                stage,
                message,
            }
        } else {
            Self::Configuration {
                dependency: Dependency::Pdf,
                stage,
                message,
            }
        }
    }

    pub(crate) fn from_record(stage: Stage, error: RecordError) -> Self {
        let message = error.to_string();
        match error {
            RecordError::Storage(error) => Self::from_storage(stage, error),
            RecordError::Corrupt { .. } | RecordError::UnknownFormat { .. } => Self::Permanent {
                reason: "unreadable_record".into(),
                stage,
                message,
            },
        }
    }

    pub(crate) fn from_metadata(stage: Stage, error: MetadataError) -> Self {
        let remedy = match &error {
            permanent if permanent.is_permanent() => Remedy::None(permanent.code().into()),
            wrong if wrong.is_configuration() => Remedy::Settings,
            other => Remedy::Later(other.retry_after()),
        };
        remedy.for_failure(stage, Dependency::Llm, error.to_string())
    }

    pub(crate) fn from_index(stage: Stage, error: IndexError) -> Self {
        let remedy = match &error {
            permanent if permanent.is_permanent() => Remedy::None(permanent.code().into()),
            wrong if wrong.is_configuration() => Remedy::Settings,
            other => Remedy::Later(other.retry_after()),
        };
        let dependency = error.dependency().unwrap_or(Dependency::Vectors);
        remedy.for_failure(stage, dependency, error.to_string())
    }
}

/// What happened and what to do, without a word of the document.
pub(crate) fn describe_fault(stage: Stage, fault: &Fault) -> String {
    format!(
        "Pagemill itself failed in the stage {} at {} (build {}): report this place and build; another build tries \
         the document again",
        stage.name(),
        fault.place,
        fault.build
    )
}

/// What can be done about a failure.
enum Remedy {
    /// Nothing; the reason code says why.
    None(String),
    /// Somebody must mend a setting.
    Settings,
    /// Try again, not before this time where the service named one.
    Later(Option<Duration>),
}

impl Remedy {
    fn for_failure(self, stage: Stage, dependency: Dependency, message: String) -> PipelineError {
        match self {
            Self::None(reason) => PipelineError::Permanent {
                reason,
                stage,
                message,
            },
            Self::Settings => PipelineError::Configuration {
                dependency,
                stage,
                message,
            },
            Self::Later(retry_after) => PipelineError::Transient {
                dependency,
                stage,
                message,
                retry_after,
            },
        }
    }
}
