//! The trait of the two generators, and the choice between them.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use pagemill_document::{ChargeSink, Inspection, Link, PageText, Structure, Units};

use crate::document::DocumentMetadata;
use crate::error::MetadataError;
use crate::extractive::ExtractiveGenerator;
#[cfg(feature = "llm")]
use crate::llm::LlmGenerator;
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

    /// Everything the output depends on besides the document: schema and generator version, model, prompts,
    /// temperature and so on. No secrets, no addresses.
    fn fingerprint_parts(&self) -> Vec<String>;

    /// The model that it pays for and the most that it uses of it for one document, by its own count of tokens, repair rounds
    /// included; `None` when it is free.
    fn most(&self) -> Option<(String, Units)> {
        None
    }

    /// Makes the metadata of one document and says what it used. Each paid call is told to `charges` before its answer is
    /// looked at.
    ///
    /// # Errors
    /// Never for the extractive generator. See [`MetadataError`] for the other.
    async fn generate(
        &self,
        input: DocumentInput<'_>,
        charges: &dyn ChargeSink,
    ) -> Result<(DocumentMetadata, Usage), MetadataError>;
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
