//! Metadata by a model behind an OpenAI-compatible API.
//!
//! The extractive result comes first; the model fills and improves it (`merge`). The strategy for the length of a
//! document, counted with the model's tokenizer:
//! - It fits `max_input_tokens` with the prompt: one call with the whole text.
//! - It does not, and `long_documents` is `map_reduce`: parts of whole pages, cut before sections where a part is at
//!   least half full, one call each for a summary and quoted facts; then one last call with the beginning of the
//!   document and all partial results. Never more than `max_calls`: with too many parts the first, the last and
//!   evenly spread ones are read, and a warning names the pages left out.
//! - It does not, and `long_documents` is `beginning`: one call with what fits, and a warning.
//!
//! Answers are asked for as strict `json_schema`. A server that refuses that gets `json_object` with the schema in
//! the prompt, then no format at all; which one works is remembered. An answer that departs from the schema, is cut
//! or runs in a loop is sent back once with what is wrong.

pub(crate) mod answer;
pub(crate) mod merge;
pub(crate) mod plan;
pub(crate) mod prompt;
pub(crate) mod transport;

use std::sync::atomic::{AtomicU8, Ordering};

use async_openai::types::chat::{
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
    ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage,
    CreateChatCompletionRequest, ResponseFormat, ResponseFormatJsonSchema,
};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use pagemill_document::{ChargeSink, PageNumber, Units};
use serde_json::Value;

use crate::document::DocumentMetadata;
use crate::error::MetadataError;
use crate::extractive::ExtractiveGenerator;
use crate::generator::{DocumentInput, MetadataGenerator};
use crate::settings::{
    CUSTOM_PROMPT_MAX_BYTES, GeneratorKind, LlmEndpoint, LongDocuments, MetadataSettings,
    OutputLimitField,
};
use crate::usage::Usage;
use answer::Answer;
use plan::{Piece, Tokenizer};
use prompt::{Fence, fill};
use transport::{Failure, Meter, Transport};

/// Version of schemas, fence and merging; part of the fingerprint.
const LLM_VERSION: u32 = 1;
/// Tokens that a document must have at least.
const LEAST_ROOM: usize = 500;
/// Tokens kept free for message framing, the fence and the schema in the prompt.
const MARGIN_TOKENS: usize = 300;

/// Characters of a bad answer that are sent back with what is wrong with it.
const REPEATED_CHARS: usize = 4_000;
/// Tokens that a repair round adds to a prompt at most: the answer, hardly ever more tokens than characters, and what is wrong.
const REPAIR_TOKENS: u64 = REPEATED_CHARS as u64 + 300;

/// How answers are asked for, in the order of trial.
const JSON_SCHEMA: u8 = 0;
const JSON_OBJECT: u8 = 1;
const PLAIN: u8 = 2;

/// The generator that asks a model.
#[derive(Debug)]
pub struct LlmGenerator {
    settings: MetadataSettings,
    extractive: ExtractiveGenerator,
    transport: Transport,
    /// The way of asking that worked last.
    format: AtomicU8,
}

/// The schema of a call, and its name.
struct Wanted {
    name: &'static str,
    schema: Value,
}

impl LlmGenerator {
    /// A generator for this model at this endpoint.
    ///
    /// # Errors
    /// [`MetadataError::Configuration`] when the base URL is none, the HTTP client can't be built, or the prompts
    /// leave no room for a document.
    pub fn new(settings: &MetadataSettings, endpoint: &LlmEndpoint) -> Result<Self, MetadataError> {
        Ok(Self {
            settings: settings.clone(),
            extractive: ExtractiveGenerator::new(settings),
            transport: Transport::new(settings, endpoint)?,
            format: AtomicU8::new(JSON_SCHEMA),
        })
    }

    /// Tokens that are left for a document beside these texts and the schema.
    fn room(
        &self,
        tokenizer: Tokenizer,
        texts: &[&str],
        wanted: &Wanted,
        custom: &str,
    ) -> Result<usize, MetadataError> {
        let used: usize = texts.iter().map(|text| tokenizer.count(text)).sum();
        let used = used + tokenizer.count(&wanted.schema.to_string()) + MARGIN_TOKENS;
        let room = (self.settings.max_input_tokens as usize).saturating_sub(used);
        if room < LEAST_ROOM {
            let of_custom = match custom.is_empty() {
                true => 0,
                false => {
                    let times = texts.iter().filter(|text| text.contains(custom)).count();
                    (times * tokenizer.count(custom)).min(used)
                }
            };
            let without_it = (used - of_custom).saturating_add(LEAST_ROOM);
            if without_it <= self.settings.max_input_tokens as usize && of_custom > 0 {
                return Err(MetadataError::CustomPrompt {
                    reason: format!(
                        "it takes {of_custom} tokens and leaves no room for the document in max_input_tokens = {}",
                        self.settings.max_input_tokens
                    ),
                });
            }
            return Err(MetadataError::Configuration(format!(
                "the prompts and the schema take {used} of max_input_tokens = {}; raise it, or shorten the prompts",
                self.settings.max_input_tokens
            )));
        }
        Ok(room)
    }

    fn request(
        &self,
        mut messages: Vec<ChatCompletionRequestMessage>,
        wanted: &Wanted,
        format: u8,
    ) -> CreateChatCompletionRequest {
        let response_format = match format {
            JSON_SCHEMA => Some(ResponseFormat::JsonSchema {
                json_schema: ResponseFormatJsonSchema {
                    description: None,
                    name: wanted.name.to_owned(),
                    schema: wanted.schema.clone(),
                    strict: Some(true),
                },
            }),
            JSON_OBJECT => Some(ResponseFormat::JsonObject),
            _ => None,
        };
        if format != JSON_SCHEMA {
            let words = format!(
                "Answer with one JSON object that follows this JSON schema:\n{}",
                wanted.schema
            );
            messages.insert(1, ChatCompletionRequestSystemMessage::from(words).into());
        }
        let limit = Some(self.settings.max_output_tokens);
        let (max_completion_tokens, max_tokens) = match self.settings.output_limit_field {
            OutputLimitField::MaxCompletionTokens => (limit, None),
            OutputLimitField::MaxTokens => (None, limit),
        };
        // Compatible servers know only the older names of these two.
        #[allow(deprecated)]
        CreateChatCompletionRequest {
            messages,
            model: self.settings.model.clone(),
            temperature: self.settings.temperature,
            seed: self.settings.seed,
            max_completion_tokens,
            max_tokens,
            response_format,
            ..CreateChatCompletionRequest::default()
        }
    }

    /// One completion, in the first format that the server takes.
    async fn complete(
        &self,
        messages: &[ChatCompletionRequestMessage],
        wanted: &Wanted,
        meter: &Meter<'_>,
    ) -> Result<transport::Completion, MetadataError> {
        let mut format = self.format.load(Ordering::Relaxed);
        loop {
            let request = self.request(messages.to_vec(), wanted, format);
            match self.transport.complete(&request, meter).await {
                Ok(completion) => {
                    self.format.fetch_max(format, Ordering::Relaxed);
                    return Ok(completion);
                }
                Err(Failure::NotAccepted(_)) if format < PLAIN => {
                    tracing::info!(
                        format,
                        "the llm server refuses this response format; trying a simpler one"
                    );
                    format += 1;
                }
                Err(Failure::NotAccepted(reason)) => {
                    return Err(MetadataError::Refused {
                        reason,
                        remedy:
                            "check the model's name, temperature, output_limit_field and extra_body"
                                .to_owned(),
                    });
                }
                Err(Failure::Filtered) => {
                    return Err(MetadataError::BadAnswer {
                        reason: "the server's content filter refuses the document".to_owned(),
                        usage: meter.usage(),
                    });
                }
                Err(Failure::Final(error)) => return Err(error),
            }
        }
    }

    /// A valid answer, after one repair round at most.
    async fn ask(
        &self,
        system: &str,
        user: &str,
        wanted: &Wanted,
        meter: &Meter<'_>,
    ) -> Result<Value, MetadataError> {
        let mut messages: Vec<ChatCompletionRequestMessage> = vec![
            ChatCompletionRequestSystemMessage::from(system).into(),
            ChatCompletionRequestUserMessage::from(user).into(),
        ];
        let first = self.complete(&messages, wanted, meter).await?;
        let bad = |reason: String| MetadataError::BadAnswer {
            reason,
            usage: meter.usage(),
        };
        if first.was_refused {
            return Err(bad("the model refused to answer".to_owned()));
        }
        let problem = match answer::checked(&first.content, first.was_cut, &wanted.schema) {
            Ok(value) => return Ok(value),
            Err(problem) => problem,
        };
        let repeated: String = first.content.chars().take(REPEATED_CHARS).collect();
        let words = format!(
            "That answer is not usable: {problem}. Answer again with the corrected JSON object only."
        );
        messages.push(ChatCompletionRequestAssistantMessage::from(repeated).into());
        messages.push(ChatCompletionRequestUserMessage::from(words).into());
        let second = self.complete(&messages, wanted, meter).await?;
        answer::checked(&second.content, second.was_cut, &wanted.schema).map_err(bad)
    }

    async fn answer(
        &self,
        input: DocumentInput<'_>,
        meter: &Meter<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Answer, MetadataError> {
        let settings = &self.settings;
        let tokenizer = Tokenizer::for_model(&settings.model);
        let fence = Fence::new(input.sha256);
        let custom = input.custom_prompt.unwrap_or_default();
        if custom.len() > CUSTOM_PROMPT_MAX_BYTES {
            return Err(MetadataError::CustomPrompt {
                reason: format!(
                    "it has {} bytes, at most {CUSTOM_PROMPT_MAX_BYTES} are allowed",
                    custom.len()
                ),
            });
        }
        let mut system = fill(&settings.system_prompt, &[("custom_prompt", custom)]);
        let has_place = settings.system_prompt.contains("{{custom_prompt}}")
            || settings.user_prompt.contains("{{custom_prompt}}");
        if !has_place && !custom.is_empty() {
            system = format!("{system}\n{custom}");
        }
        let page_count = input.inspection.pages.to_string();
        let whole = Wanted {
            name: answer::DOCUMENT_SCHEMA_NAME,
            schema: answer::document_schema(),
        };
        let claims = fence.file_claims(input.inspection);
        let user = |data: &str| {
            let fenced = fence.around(&format!("{claims}{data}"));
            fill(
                &settings.user_prompt,
                &[
                    ("document", &fenced),
                    ("page_count", &page_count),
                    ("custom_prompt", custom),
                ],
            )
        };
        let room = self.room(tokenizer, &[&system, &user("")], &whole, custom)?;
        let part_calls = (settings.max_calls as usize).saturating_sub(1);
        let part = Wanted {
            name: answer::PART_SCHEMA_NAME,
            schema: answer::part_schema(),
        };
        let part_room = self.room(tokenizer, &[&system, &settings.part_prompt], &part, custom)?;
        let (pieces, unread) = match settings.long_documents {
            LongDocuments::Beginning => plan::pieces(input.pages, tokenizer, room, room),
            // Four times what can be read: enough to spread the parts, whatever the document's length.
            LongDocuments::MapReduce => plan::pieces(
                input.pages,
                tokenizer,
                part_room.min(room),
                part_room.saturating_mul(part_calls * 4),
            ),
        };
        if let Some(page) = unread {
            warnings.push(format!(
                "the model was not shown page {} and the following: the document is too long",
                page.0
            ));
        }
        let total: usize = pieces.iter().map(|piece| piece.tokens).sum();
        let shown = |pieces: &[Piece]| -> String {
            pieces
                .iter()
                .map(|piece| fence.page(piece.page, &piece.text))
                .collect()
        };
        if total <= room {
            let value = self
                .ask(&system, &user(&shown(&pieces)), &whole, meter)
                .await?;
            return parsed(value, meter);
        }
        if settings.long_documents == LongDocuments::Beginning {
            let beginning = fitting(&pieces, room);
            if let Some(piece) = pieces.get(beginning.len()) {
                warnings.push(format!(
                    "the model was not shown page {} and the following: the document is too long",
                    piece.page.0
                ));
            }
            let value = self
                .ask(&system, &user(&shown(beginning)), &whole, meter)
                .await?;
            return parsed(value, meter);
        }

        let beginning = shown(fitting(&pieces, room / 3));
        let parts = plan::parts(pieces, part_room, &plan::section_starts(input.structure));
        let read = plan::chosen(parts.len(), part_calls);
        let left_out: Vec<String> = (0..parts.len())
            .filter(|index| !read.contains(index))
            .filter_map(|index| {
                pages_of(&parts[index]).map(|(first, last)| format!("{}-{}", first.0, last.0))
            })
            .collect();
        if !left_out.is_empty() {
            warnings.push(format!(
                "the model was not shown pages {}: the document is too long",
                left_out.join(", ")
            ));
        }
        let calls: Vec<(PageNumber, PageNumber, String)> = read
            .iter()
            .filter_map(|index| {
                let (first, last) = pages_of(&parts[*index])?;
                let fenced = fence.around(&shown(&parts[*index]));
                let values = [
                    ("document", fenced.as_str()),
                    ("page_count", &page_count),
                    ("first_page", &first.0.to_string()),
                    ("last_page", &last.0.to_string()),
                ];
                Some((first, last, fill(&settings.part_prompt, &values)))
            })
            .collect();
        let notes: Vec<(PageNumber, PageNumber, Value)> = futures::stream::iter(calls)
            .map(|(first, last, prompt)| {
                let (system, part) = (&system, &part);
                async move {
                    let value = self.ask(system, &prompt, part, meter).await?;
                    Ok::<_, MetadataError>((first, last, value))
                }
            })
            .buffered(settings.concurrency as usize)
            .try_collect()
            .await?;
        let share = (room - room / 3) / notes.len().max(1);
        let mut data = beginning;
        for (first, last, value) in notes {
            let text = value.to_string();
            data.push_str(&fence.notes(
                first,
                last,
                tokenizer.beginning(&text, share.saturating_sub(60)),
            ));
        }
        let value = self.ask(&system, &user(&data), &whole, meter).await?;
        parsed(value, meter)
    }
}

/// The first pieces whose tokens fit.
fn fitting(pieces: &[Piece], tokens: usize) -> &[Piece] {
    let mut used = 0;
    let count = pieces
        .iter()
        .take_while(|piece| {
            used += piece.tokens;
            used <= tokens
        })
        .count();
    &pieces[..count]
}

fn pages_of(part: &[Piece]) -> Option<(PageNumber, PageNumber)> {
    Some((part.first()?.page, part.last()?.page))
}

fn parsed(value: Value, meter: &Meter<'_>) -> Result<Answer, MetadataError> {
    serde_json::from_value(value).map_err(|_| MetadataError::BadAnswer {
        reason: "a value of the answer is out of range".to_owned(),
        usage: meter.usage(),
    })
}

#[async_trait]
impl MetadataGenerator for LlmGenerator {
    fn kind(&self) -> GeneratorKind {
        GeneratorKind::Llm
    }

    fn fingerprint_parts(&self) -> Vec<String> {
        let settings = &self.settings;
        let mut parts = self.extractive.fingerprint_parts();
        parts.extend([
            format!("generator=llm/{LLM_VERSION}"),
            format!("model={}", settings.model),
            format!("temperature={:?}", settings.temperature),
            format!("seed={:?}", settings.seed),
            format!("max_input_tokens={}", settings.max_input_tokens),
            format!("max_output_tokens={}", settings.max_output_tokens),
            format!("long_documents={:?}", settings.long_documents),
            format!("max_calls={}", settings.max_calls),
            format!("system_prompt={}", settings.system_prompt),
            format!("user_prompt={}", settings.user_prompt),
            format!("part_prompt={}", settings.part_prompt),
            format!("extra_body={}", Value::Object(settings.extra_body.clone())),
        ]);
        parts
    }

    fn most(&self) -> Option<(String, Units)> {
        let settings = &self.settings;
        let calls = match settings.long_documents {
            LongDocuments::Beginning => 1,
            LongDocuments::MapReduce => u64::from(settings.max_calls),
        };
        let repair = u64::from(settings.max_input_tokens) + REPAIR_TOKENS;
        let units = Units {
            input_tokens: Some(calls * (u64::from(settings.max_input_tokens) + repair)),
            output_tokens: Some(calls * 2 * u64::from(settings.max_output_tokens)),
            ..Units::default()
        };
        Some((settings.model.clone(), units))
    }

    async fn generate(
        &self,
        input: DocumentInput<'_>,
        charges: &dyn ChargeSink,
    ) -> Result<(DocumentMetadata, Usage), MetadataError> {
        // Here the prompt is not ignored.
        let without_prompt = DocumentInput {
            custom_prompt: None,
            ..input
        };
        let (mut metadata, _) = self.extractive.generate(without_prompt, charges).await?;
        metadata.generator = GeneratorKind::Llm;
        metadata.model = Some(self.settings.model.clone());
        let has_text = input.pages.iter().any(|page| !page.text.trim().is_empty());
        if !has_text {
            metadata
                .warnings
                .push("the document has no text; the model was not asked".to_owned());
            return Ok((metadata, Usage::default()));
        }
        let meter = Meter::new(charges);
        let mut warnings = Vec::new();
        let answer = self.answer(input, &meter, &mut warnings).await?;
        metadata.warnings.extend(warnings);
        merge::merge(
            &mut metadata,
            answer,
            input.pages,
            self.settings.max_keywords as usize,
        );
        Ok((metadata, meter.usage()))
    }
}
