//! What was read of pictures, kept so that it is read once: of all that a page costs, this is most.

use async_trait::async_trait;
use pagemill_document::PageNumber;
use serde::{Deserialize, Serialize};

/// What the letters in one picture were read as.
///
/// Nobody but the engine that made it understands it, and the engine believes it only of the very picture: it is taken
/// before what a page's text is made of it, so that it holds when that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureReading {
    /// The SHA-256 of the picture's pixels and of all that reading them depends on, hex.
    pub picture: String,
    /// What was read, in the engine's own words.
    pub reading: String,
}

impl PictureReading {
    /// Most bytes of all readings of one page: some fourteen thousand words. What goes beyond is not kept.
    pub const MOST_BYTES_PER_PAGE: usize = 2 << 20;

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.picture.len() + self.reading.len()
    }
}

/// What earlier extractions of a document read of its pictures.
#[async_trait]
pub trait KeptReadings: Send + Sync + std::fmt::Debug {
    /// Those of a page. What can't be had is read again, so there is no error.
    async fn of_page(&self, page: PageNumber) -> Vec<PictureReading>;
}
