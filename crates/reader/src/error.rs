//! Errors, by what the caller can do about them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use pagemill_document::PageNumber;

/// Why a document can't be processed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum PdfError {
    /// No bytes at all.
    #[error("the file is empty: upload it again")]
    Empty,
    /// No PDF header (ISO 32000-2 section 7.5.2) in the first 1,024 bytes, nor anything else of a PDF.
    #[error("not a PDF: it begins like {looks_like}")]
    NotAPdf {
        /// What the first bytes look like: HTML, PNG, text ...
        looks_like: String,
    },
    /// Neither the empty password nor any of the configuration opens it.
    #[error(
        "the file is encrypted and no known password opens it: add its password to `passwords`"
    )]
    Encrypted,
    /// Its kind of encryption is known neither to PDFium nor to the object reader: no password can open it.
    #[error("this kind of encryption is not supported ({reason}): upload it without encryption")]
    UnsupportedEncryption {
        /// What is not known.
        reason: String,
    },
    /// Beyond repair.
    #[error("the file is corrupt beyond repair: {reason}")]
    Corrupt {
        /// What was tried and failed.
        reason: String,
    },
    /// A limit of the configuration says no.
    #[error("over the limit {limit}: {actual} where {allowed} is allowed")]
    OverLimit {
        /// The setting's name.
        limit: String,
        /// What the file has.
        actual: u64,
        /// What the setting allows.
        allowed: u64,
    },
    /// No child process survives this file: out of memory, out of time, or a crash, again in a fresh child.
    #[error("no renderer survives this file: {reason}")]
    Poison {
        /// How the children died.
        reason: String,
    },
    /// This machine's fault: no libpdfium, no child could be started, no descriptors. Not the document's fault.
    #[error("the PDF engine does not work here: {reason}")]
    Engine {
        /// What is wrong and the remedy.
        reason: String,
    },
}

impl PdfError {
    /// The stable reason code, used in records, the DLQ and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotAPdf { .. } => "not_a_pdf",
            Self::Encrypted => "encrypted",
            Self::UnsupportedEncryption { .. } => "unsupported_encryption",
            Self::Corrupt { .. } => "corrupt",
            Self::OverLimit { .. } => "over_limit",
            Self::Poison { .. } => "poison",
            Self::Engine { .. } => "engine",
        }
    }

    /// Whether trying the same bytes again can't help.
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Engine { .. })
    }
}

/// Why one page could not be processed. The document goes on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum PageFailure {
    /// Its child died on it, and again when it was alone.
    #[error("page {page:?} crashed its renderer twice", page = .page.0)]
    Crashed {
        /// Its number, from 1.
        page: PageNumber,
    },
    /// It took longer than a page may.
    #[error("page {page:?} took longer than {limit_seconds} s", page = .page.0)]
    TimedOut {
        /// Its number, from 1.
        page: PageNumber,
        /// The limit in seconds.
        limit_seconds: u32,
    },
    /// It needed more memory than a child has.
    #[error("page {page:?} needed more memory than a renderer has", page = .page.0)]
    OutOfMemory {
        /// Its number, from 1.
        page: PageNumber,
    },
    /// The library can't load it.
    #[error("page {page:?} can't be loaded", page = .page.0)]
    Unreadable {
        /// Its number, from 1.
        page: PageNumber,
    },
    /// The time of its document was over before it was begun.
    #[error("page {page:?} was not begun within the {limit_seconds} s that its document has", page = .page.0)]
    OutOfTime {
        /// Its number, from 1.
        page: PageNumber,
        /// The limit in seconds.
        limit_seconds: u32,
    },
    /// It was not begun, because too many pages of its document had ended their renderers.
    #[error("page {page:?} was not tried: too many other pages ended their renderers", page = .page.0)]
    NotTried {
        /// Its number, from 1.
        page: PageNumber,
    },
    /// It was left out, because a worker died when it was at this page, the page alone at work.
    #[error("page {page:?} was left out: a worker died at it", page = .page.0)]
    KilledTheWorker {
        /// Its number, from 1.
        page: PageNumber,
    },
}

impl PageFailure {
    /// Whether the page was at work and ended its renderers, as
    /// [`Limits::max_page_deaths`](crate::Limits::max_page_deaths) counts.
    pub fn ended_renderers(&self) -> bool {
        matches!(
            self,
            Self::Crashed { .. } | Self::TimedOut { .. } | Self::OutOfMemory { .. }
        )
    }

    /// Whether the page was not begun because its document had used up what it may cost.
    pub fn is_over_allowance(&self) -> bool {
        matches!(self, Self::OutOfTime { .. } | Self::NotTried { .. })
    }

    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Crashed { .. } => "crashed",
            Self::TimedOut { .. } => "timed_out",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::Unreadable { .. } => "unreadable",
            Self::OutOfTime { .. } => "out_of_time",
            Self::NotTried { .. } => "not_tried",
            Self::KilledTheWorker { .. } => "killed_the_worker",
        }
    }
}
