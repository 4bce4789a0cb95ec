//! What is asked of the pages of a document, and what one of them gives.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pagemill_document::{Link, PageNumber, PageText};
use serde::{Deserialize, Serialize};

use crate::image::{ImageSettings, PageImage};
use crate::readings::{KeptReadings, PictureReading};

/// What to take from the pages.
#[derive(Debug, Clone, Default)]
pub struct ExtractRequest {
    /// Page images, when wanted.
    pub images: Option<ImageSettings>,
    /// Text with layout.
    pub text: bool,
    /// Links.
    pub links: bool,
    /// How much is done at the same time.
    pub pace: Pace,
    /// Pages that no child may see: each comes as [`PageFailure::KilledTheWorker`](crate::PageFailure::KilledTheWorker).
    pub skip: BTreeSet<u32>,
    /// What an earlier extraction of the same document did: it is not done again.
    pub behind: Behind,
    /// What was read of the document's pictures before; none: nobody keeps it, and none is given back.
    pub readings: Option<Arc<dyn KeptReadings>>,
}

/// The part of a document that is behind an extraction when it begins. What it used up of the limits stays used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behind {
    /// So many pages from the first on do not come.
    pub pages: u32,
    /// How many of these ended their renderers.
    pub deaths: u32,
    /// How long they took.
    pub time: Duration,
}

/// How much of a document is done at the same time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    /// As much as there are children for.
    #[default]
    Full,
    /// One page at a time. A page is begun when the one before was taken from the stream; it has a child of its own,
    /// and no other child is at work or warm meanwhile, whatever document it is for. So one page has all the memory
    /// there is, and who reads the stream knows at each moment which page is at work. For a document that ended a
    /// worker before.
    Cautious,
}

/// What one page gave. Everything that was asked for comes from one page load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageOutput {
    /// Its number, from 1.
    pub page: PageNumber,
    /// Its image, when asked for.
    pub image: Option<PageImage>,
    /// Its text, when asked for.
    pub text: Option<PageText>,
    /// Its links in the order of the annotations, when asked for.
    pub links: Option<Vec<Link>>,
    /// Links beyond the limit, counted and not kept.
    pub links_dropped: u32,
    /// Annotations of any kind, as the renderer counts them.
    pub annotations: u32,
    /// What was read of its pictures now, and not before. Only where somebody [keeps it](ExtractRequest::readings).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<PictureReading>,
}

/// What the second reader of a file, which reads its objects and renders nothing, counts on a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Annotations of any kind.
    pub annotations: u32,
    /// Annotations that are to be seen and that the renderer draws nothing of.
    pub undrawn: u32,
    /// Links, those beyond the limit left out.
    pub links: u32,
}
