//! What was read of the pictures of a document's pages, kept a page at a time, so that no picture is read twice.
//!
//! Reading pictures is what costs most of all that is done without a model. So what a page's pictures were read as is an
//! object of its own as soon as the page is there, before its image, and stays as long as the document: a run that comes
//! after a kill is given it, and so is one that makes the text of pages anew because rules have changed. It depends on
//! the file and on the reader alone, and the engine believes it only of the very same pixels. What is of another file or
//! reader goes with the commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use pagemill_document::PageNumber;
use pagemill_reader::{KeptReadings, PictureReading};
use pagemill_storage::{
    Generation, ObjectStore, SourceKey, Stage, StorageError, to_canonical_json,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::fingerprint::Fingerprinter;
use crate::outcome::PipelineError;
use crate::pipeline::Pipeline;
use crate::run::{Outputs, Run};

/// The version of the objects. Raise it when they change; those of another one are not used.
const FORMAT: u32 = 1;

/// No object is larger, with what JSON adds to readings: what is under its key is something else.
const MOST_STORED_BYTES: u64 = 4 * PictureReading::MOST_BYTES_PER_PAGE as u64;

/// What was read of a page's pictures at one time.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageReadings {
    format: u32,
    source: SourceKey,
    page: PageNumber,
    /// The request that forced the run which read them: another forced one does not use them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forced_by: Option<String>,
    readings: Vec<PictureReading>,
}

/// The readings of one document by one reader.
#[derive(Debug)]
pub(super) struct Readings {
    generation: Generation,
    known: Arc<Known>,
}

/// Those that are in the store.
#[derive(Debug)]
struct Known {
    store: Arc<dyn ObjectStore>,
    source: SourceKey,
    forced_by: Option<String>,
    /// The keys of each page.
    pages: BTreeMap<u32, Vec<String>>,
}

#[async_trait]
impl KeptReadings for Known {
    async fn of_page(&self, page: PageNumber) -> Vec<PictureReading> {
        let mut readings = Vec::new();
        for key in self.pages.get(&page.0).into_iter().flatten() {
            match self.store.get_bytes(key).await {
                Ok((_, body)) => readings.extend(self.read(&body, page)),
                Err(StorageError::NotFound { .. }) => {}
                Err(error) => {
                    tracing::warn!(
                        key,
                        "pictures are read again, for what they were read as can't be had: {error}"
                    );
                }
            }
        }
        readings
    }
}

impl Known {
    fn read(&self, body: &[u8], page: PageNumber) -> Vec<PictureReading> {
        let kept = serde_json::from_slice::<PageReadings>(body).ok();
        let is_ours = |kept: &PageReadings| {
            kept.format == FORMAT
                && kept.source == self.source
                && kept.page == page
                && (self.forced_by.is_none() || kept.forced_by == self.forced_by)
        };
        kept.filter(is_ours)
            .map(|kept| kept.readings)
            .unwrap_or_default()
    }
}

impl Readings {
    /// What the engine asks.
    pub(super) fn known(&self) -> Arc<dyn KeptReadings> {
        Arc::clone(&self.known) as Arc<dyn KeptReadings>
    }

    /// Keeps what was read of a page's pictures. Other pictures of the same page have another key.
    pub(super) async fn keep(
        &self,
        outputs: &Outputs<'_>,
        page: PageNumber,
        readings: Vec<PictureReading>,
    ) -> Result<(), PipelineError> {
        if readings.is_empty() {
            return Ok(());
        }
        let mut pictures: Vec<&str> = readings.iter().map(|kept| kept.picture.as_str()).collect();
        pictures.sort_unstable();
        let pictures = hex::encode(Sha256::digest(pictures.concat()));
        let layout = outputs.layout();
        let key = layout.reading(&self.known.source, &self.generation, page.0, &pictures);
        let body = to_canonical_json(&PageReadings {
            format: FORMAT,
            source: self.known.source.clone(),
            page,
            forced_by: self.known.forced_by.clone(),
            readings,
        });
        let body = body.expect("readings are plain data with string keys");
        outputs.put_new(&key, body, "application/json").await
    }
}

impl Pipeline {
    /// The readings of a document with this content, those that are kept included; none where nobody reads pictures.
    pub(super) async fn readings(
        &self,
        run: &Run<'_>,
        sha256: &str,
    ) -> Result<Option<Readings>, PipelineError> {
        let Some(generation) = self.generation_of_readings(sha256) else {
            return Ok(None);
        };
        let (layout, source) = (self.layout(), run.record.source.clone());
        let mut pages: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        if run.had_record {
            let mut listing = run.store.list(&layout.readings_of(&source, &generation));
            let listed = |error| run.storage(error);
            while let Some(object) = listing.try_next().await.map_err(listed)? {
                let page = layout.page_of_reading(&source, &generation, &object.key);
                let page = page.filter(|_| object.bytes <= MOST_STORED_BYTES);
                if let Some(page) = page {
                    pages.entry(page).or_default().push(object.key);
                }
            }
        }
        Ok(Some(Readings {
            generation,
            known: Arc::new(Known {
                store: Arc::clone(&self.parts().store),
                source,
                forced_by: run.forced_by().map(str::to_owned),
                pages,
            }),
        }))
    }

    /// What readings depend on but for the pixels, which each of them names.
    fn generation_of_readings(&self, sha256: &str) -> Option<Generation> {
        let reader = &self.parts().ocr_version;
        let print = Fingerprinter::new(Stage::Text, FORMAT)
            .part("readings")
            .part(sha256)
            .part(reader);
        (!reader.is_empty()).then(|| Generation::from(&print.finish()))
    }

    /// The keys of a source's readings, but for those that are of its content of today and of the reader in force.
    pub(crate) async fn superseded_readings(
        &self,
        run: &Run<'_>,
        sha256: &str,
    ) -> Result<Vec<String>, PipelineError> {
        let (layout, source) = (self.layout(), &run.record.source);
        let kept = self.generation_of_readings(sha256);
        let kept = kept.map(|generation| layout.readings_of(source, &generation));
        let mut keys = self.reading_keys(run).await?;
        keys.retain(|key| kept.as_ref().is_none_or(|kept| !key.starts_with(kept)));
        Ok(keys)
    }

    /// The keys of all readings of a source.
    pub(crate) async fn reading_keys(&self, run: &Run<'_>) -> Result<Vec<String>, PipelineError> {
        let (layout, source) = (self.layout(), &run.record.source);
        let is_ours = |key: &str| layout.is_reading_of(source, key);
        run.keys_below(&layout.readings_of_all_generations(source), is_ours)
            .await
    }
}
