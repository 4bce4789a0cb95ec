//! Metadata by a model behind an OpenAI-compatible API.

pub(crate) mod prompt;

use async_trait::async_trait;

use crate::document::DocumentMetadata;
use crate::error::MetadataError;
use crate::extractive::ExtractiveGenerator;
use crate::generator::{DocumentInput, MetadataGenerator};
use crate::settings::{GeneratorKind, LlmEndpoint, MetadataSettings};
use crate::usage::Usage;

/// The generator that asks a model.
#[derive(Debug)]
pub struct LlmGenerator {
    extractive: ExtractiveGenerator,
}

impl LlmGenerator {
    /// A generator for this model at this endpoint.
    ///
    /// # Errors
    /// [`MetadataError::Configuration`] when the base URL is none or the HTTP client can't be built.
    pub fn new(
        settings: &MetadataSettings,
        _endpoint: &LlmEndpoint,
    ) -> Result<Self, MetadataError> {
        Ok(Self {
            extractive: ExtractiveGenerator::new(settings),
        })
    }
}

#[async_trait]
impl MetadataGenerator for LlmGenerator {
    fn kind(&self) -> GeneratorKind {
        GeneratorKind::Llm
    }

    fn fingerprint_parts(&self) -> Vec<String> {
        self.extractive.fingerprint_parts()
    }

    async fn generate(
        &self,
        input: DocumentInput<'_>,
    ) -> Result<(DocumentMetadata, Usage), MetadataError> {
        self.extractive.generate(input).await
    }
}
