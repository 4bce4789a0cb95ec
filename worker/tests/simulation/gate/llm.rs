//! The metadata generator, seen through the gate: it costs money.

use std::sync::Arc;

use async_trait::async_trait;
use pagemill_document::{ChargeSink, PaidCall, Units};
use pagemill_metadata::document::Dates;
use pagemill_metadata::{
    Claim, DocumentMetadata, Ending, GeneratorKind, MetadataError, MetadataGenerator, Prediction,
    Source, Usage, Verified, generator::DocumentInput,
};

use super::{Call, Gate, Trouble};
use crate::schedule::Dependency;

/// The LLM, for one worker.
#[derive(Debug)]
pub(crate) struct GatedLlm {
    pub(crate) gate: Arc<Gate>,
}

/// What the LLM says, always the same for the same text.
pub(crate) fn answer(input: &DocumentInput<'_>) -> (DocumentMetadata, Usage) {
    let title = format!("About {}", input.source_name);
    let metadata = DocumentMetadata {
        schema_version: pagemill_metadata::document::SCHEMA_VERSION,
        sha256: input.sha256.to_owned(),
        title: Some(Claim::new(
            title,
            Verified::Supported,
            Source::model("simulated"),
        )),
        document_type: None,
        languages: Vec::new(),
        summary: None,
        authors: Vec::new(),
        organisations: Vec::new(),
        dates: Dates::default(),
        identifiers: Vec::new(),
        keywords: Vec::new(),
        topics: Vec::new(),
        entities: Vec::new(),
        outline: Vec::new(),
        page_count: input.inspection.pages,
        pages_without_text: 0,
        questions_answered: Vec::new(),
        has_forms: false,
        has_tables: None,
        has_figures: None,
        has_links: false,
        has_attachments: false,
        has_scripts: false,
        generator: GeneratorKind::Llm,
        model: Some("simulated".to_owned()),
        unconfirmed: Vec::new(),
        warnings: Vec::new(),
    };
    let usage = Usage {
        calls: 1,
        input_tokens: 100,
        output_tokens: 10,
        ..Usage::default()
    };
    (metadata, usage)
}

fn fails(trouble: Trouble) -> MetadataError {
    let retry_after = match trouble {
        Trouble::Unavailable => None,
        Trouble::Throttled => Some(std::time::Duration::from_secs(7)),
    };
    MetadataError::Unavailable {
        dependency: pagemill_document::Dependency::Llm,
        reason: "simulated".to_owned(),
        retry_after,
    }
}

#[async_trait]
impl MetadataGenerator for GatedLlm {
    fn kind(&self) -> GeneratorKind {
        GeneratorKind::Llm
    }

    fn fingerprint_parts(&self) -> Vec<String> {
        vec!["simulated".to_owned()]
    }

    fn prediction_parts(&self) -> Option<Vec<String>> {
        Some(vec!["simulated".to_owned()])
    }

    async fn judge(
        &self,
        input: DocumentInput<'_>,
        _: &Prediction,
    ) -> Result<DocumentMetadata, MetadataError> {
        Ok(answer(&input).0)
    }

    async fn predict(
        &self,
        input: DocumentInput<'_>,
        charges: &dyn ChargeSink,
    ) -> Result<(Prediction, Usage), MetadataError> {
        let prediction = Prediction {
            model: Some("simulated".to_owned()),
            ending: Ending::Answered,
            ..Prediction::default()
        };
        // One question a document: what it is about is its hash.
        if charges.kept(input.sha256).await?.is_some() {
            return Ok((prediction, Usage::default()));
        }
        let source = self.gate.world.number_of_relative(input.source_name);
        let call = Call {
            dependency: Dependency::Llm,
            what: format!("ask the LLM about {}", input.source_name),
            writes: source,
        };
        self.gate.running().await;
        self.gate
            .world
            .oracle()
            .asks_llm(&self.gate, source, input.sha256);
        let answered = answer(&input).1;
        let gate = Arc::clone(&self.gate);
        let answered = self
            .gate
            .call(call, fails, move || {
                gate.world.oracle().paid();
                async move { Ok(answered) }
            })
            .await?;
        let units = Units {
            input_tokens: Some(answered.input_tokens),
            output_tokens: Some(answered.output_tokens),
            ..Units::default()
        };
        let call = PaidCall {
            request_sha: Some(input.sha256.to_owned()),
            answer: Some("{}".to_owned()),
            ..PaidCall::answered("simulated", "simulated", units)
        };
        charges.charge(call).await?;
        Ok((prediction, answered))
    }
}
