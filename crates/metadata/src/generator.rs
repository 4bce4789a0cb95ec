//! The trait of the two generators, and the choice between them.
//!
//! Metadata is made in two steps: what costs money ([`predict`](MetadataGenerator::predict)), and what is made of it
//! ([`judge`](MetadataGenerator::judge)).

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use pagemill_document::{ChargeSink, Inspection, Link, PageText, Structure, Units};

use crate::document::DocumentMetadata;
use crate::error::MetadataError;
use crate::extractive::ExtractiveGenerator;
#[cfg(feature = "llm")]
use crate::llm::LlmGenerator;
use crate::prediction::Prediction;
use crate::settings::{GeneratorKind, LlmEndpoint, MetadataSettings};
use crate::usage::Usage;

/// What is known of a document before its metadata is made.
#[derive(Debug, Clone, Copy)]
pub struct DocumentInput<'a> {
    /// The source's key or path; only its last part is used, to recognise titles that are file names.
    pub source_name: &'a str,
    /// SHA-256 of the file, hex. Also the seed of the fence around document text in prompts.
    pub sha256: &'a str,
    /// What the file says of itself.
    pub inspection: &'a Inspection,
    /// Outline, headings, page labels.
    pub structure: &'a Structure,
    /// The text of the pages, in order; pages that failed are missing.
    pub pages: &'a [PageText],
    /// Links, in order of their pages.
    pub links: &'a [Link],
    /// The custom prompt: an addition to the configured ones for this document. Trusted: it stands outside the fence. The
    /// caller adds it to the stage's fingerprint. Without an LLM it is of no use, and a warning says so.
    pub custom_prompt: Option<&'a str>,
}

/// Makes a document's metadata.
#[async_trait]
pub trait MetadataGenerator: Send + Sync + Debug {
    /// Which generator this is.
    fn kind(&self) -> GeneratorKind;

    /// Everything that the metadata depends on besides the document and the prediction: schema, rules, how answers are judged.
    /// No secrets, no addresses.
    fn fingerprint_parts(&self) -> Vec<String>;

    /// Everything that a prediction depends on besides the document: model, prompts, temperature and so on; `None` for a
    /// generator that asks no model. No secrets, no addresses.
    fn prediction_parts(&self) -> Option<Vec<String>> {
        None
    }

    /// The model that it pays for and the most that it uses of it for one document, by its own count of tokens, repair rounds
    /// included; `None` when it is free.
    fn most(&self) -> Option<(String, Units)> {
        None
    }

    /// Makes all calls that are paid for, and says what they used. Each is told to `charges` as soon as it ended; what `charges`
    /// has kept of an earlier run is not asked again.
    ///
    /// # Errors
    /// See [`MetadataError`]. A model of which nothing can be used is none, nor is a budget that is reached.
    async fn predict(
        &self,
        _input: DocumentInput<'_>,
        _charges: &dyn ChargeSink,
    ) -> Result<(Prediction, Usage), MetadataError> {
        Ok(Default::default())
    }

    /// Makes the metadata of one document out of its text and of what a model said. Costs nothing, and gives the same for the
    /// same.
    ///
    /// # Errors
    /// Never for the generators of this crate.
    async fn judge(
        &self,
        input: DocumentInput<'_>,
        prediction: &Prediction,
    ) -> Result<DocumentMetadata, MetadataError>;

    /// Both at once, for callers that keep nothing.
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict).
    async fn generate(
        &self,
        input: DocumentInput<'_>,
        charges: &dyn ChargeSink,
    ) -> Result<(DocumentMetadata, Usage), MetadataError> {
        let (prediction, usage) = self.predict(input, charges).await?;
        Ok((self.judge(input, &prediction).await?, usage))
    }
}

/// The generator that the settings ask for.
///
/// # Errors
/// [`MetadataError::Configuration`] when settings are out of range or contradict each other, or when the LLM is
/// chosen and `endpoint` is missing or no HTTP address; [`MetadataError::NotBuilt`] when it is chosen and the feature `llm`
/// is missing.
pub fn generator(
    settings: &MetadataSettings,
    endpoint: Option<&LlmEndpoint>,
) -> Result<Arc<dyn MetadataGenerator>, MetadataError> {
    settings.validate()?;
    match settings.generator {
        GeneratorKind::Extractive => Ok(Arc::new(ExtractiveGenerator::new(settings))),
        GeneratorKind::Llm => {
            let endpoint = endpoint.ok_or_else(|| {
                MetadataError::Configuration(
                    "generator is llm but no LLM endpoint is configured; set its base URL, or set generator to \
                     extractive"
                        .to_owned(),
                )
            })?;
            #[cfg(feature = "llm")]
            return Ok(Arc::new(LlmGenerator::new(settings, endpoint)?));
            #[cfg(not(feature = "llm"))]
            {
                let _ = endpoint;
                Err(MetadataError::NotBuilt {
                    what: "the generator llm",
                    feature: "llm",
                })
            }
        }
    }
}
