//! What making something of a document stands on: the services and the machine that can fail it.
//!
//! The one list of them. Errors name the one at fault, runs those that they used, breakers and metrics go by their names.

use std::fmt;

/// Something whose outage is not the document's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// The object store: a bucket or a folder.
    Store,
    /// The vector store: a Qdrant server or the embedded one.
    Vectors,
    /// The embedder: an endpoint or a local model.
    Embedder,
    /// The LLM.
    Llm,
    /// PDFium and its child processes.
    Pdf,
    /// Temporary files of this machine.
    Disk,
    /// Money: what may be spent on models.
    Budget,
}

impl Dependency {
    /// Those that a worker has a breaker and a probe for. The others are part of the worker's own machine, or money: that
    /// intake pauses there would hide the trouble, and a probe would find out nothing.
    pub const SERVICES: [Self; 4] = [Self::Store, Self::Vectors, Self::Embedder, Self::Llm];

    /// Its stable name, in logs, metrics, the worker's status and the names of breakers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "s3",
            Self::Vectors => "qdrant",
            Self::Embedder => "embedder",
            Self::Llm => "llm",
            Self::Pdf => "pdf",
            Self::Disk => "disk",
            Self::Budget => "budget",
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
