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
//! A server whose context is smaller than that says so; the limits are then taken from what it says, for this document and
//! the next ones.
//!
//! What is asked and paid for ([`predict`](MetadataGenerator::predict)) is apart from what is made of it
//! ([`judge`](MetadataGenerator::judge)): the answers are kept as they came, under the hash of the question.
//!
//! An answer is read value by value (`answer`). One that lacks fields, is cut or is no JSON at all is sent back once with what
//! is wrong (`ask`). A model of which nothing can be used costs no document: its metadata is the extractive one, with a
//! warning.

pub(crate) mod answer;
mod ask;
pub(crate) mod merge;
pub(crate) mod plan;
pub(crate) mod prompt;
mod refusal;
mod reply;
mod room;
mod stream;
pub(crate) mod transport;
mod way;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use pagemill_document::{ChargeSink, PageNumber, Units};
use serde_json::Value;

use crate::document::DocumentMetadata;
use crate::error::MetadataError;
use crate::extractive::ExtractiveGenerator;
use crate::generator::{DocumentInput, MetadataGenerator};
use crate::grounding::Pages;
use crate::prediction::{Ending, Prediction};
use crate::settings::{
    CUSTOM_PROMPT_MAX_BYTES, GeneratorKind, LlmEndpoint, LongDocuments, MetadataSettings,
};
use crate::usage::Usage;
use answer::Answer;
use ask::{Answered, Asker, Question, REPAIR_TOKENS, Unanswered, best_of};
use plan::{Piece, Tokenizer};
use prompt::{Fence, fill};
use room::Limits;
use transport::Meter;

/// Version of schemas, fence and the way through a long document; part of the fingerprint of what is asked.
pub(crate) const REQUEST_VERSION: u32 = 4;
/// Version of how answers are read and merged. Another one costs no call.
const JUDGING_VERSION: u32 = 1;
/// How often the limits are lowered for one document.
const MOST_LOWERINGS: usize = 6;

/// The generator that asks a model.
#[derive(Debug)]
pub struct LlmGenerator {
    settings: MetadataSettings,
    extractive: ExtractiveGenerator,
    asker: Asker,
    /// What the settings allow, or less, where the server's context is smaller.
    limits: Mutex<Limits>,
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
        let limits = Limits {
            input: settings.max_input_tokens as usize,
            output: settings.max_output_tokens,
        };
        Ok(Self {
            settings: settings.clone(),
            extractive: ExtractiveGenerator::new(settings),
            asker: Asker::new(settings, endpoint)?,
            limits: Mutex::new(limits),
        })
    }

    fn limits(&self) -> Limits {
        // Two plain numbers: a panic elsewhere can't leave them half written.
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model's answer, with limits that its server takes.
    async fn answer(
        &self,
        input: DocumentInput<'_>,
        meter: &Meter<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Answered<Answer>, Unanswered> {
        let mut lowerings = 0;
        loop {
            let limits = self.limits();
            let mut of_this_round = Vec::new();
            let answered = self
                .answer_within(limits, input, meter, &mut of_this_round)
                .await;
            let told = match answered {
                Err(Unanswered::TooLong(told)) if lowerings < MOST_LOWERINGS => told,
                other => {
                    warnings.append(&mut of_this_round);
                    return other;
                }
            };
            lowerings += 1;
            let lowered = limits.lowered(told);
            tracing::warn!(
                input = lowered.input,
                output = lowered.output,
                "the model's context is smaller than max_input_tokens and max_output_tokens; trying with less"
            );
            let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
            // Another document may have learnt more in the meantime.
            limits.input = limits.input.min(lowered.input);
            limits.output = limits.output.min(lowered.output);
        }
    }

    async fn answer_within(
        &self,
        limits: Limits,
        input: DocumentInput<'_>,
        meter: &Meter<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Answered<Answer>, Unanswered> {
        let settings = &self.settings;
        let tokenizer = Tokenizer::for_model(&settings.model);
        let fence = Fence::new(input.sha256);
        let custom = input.custom_prompt.unwrap_or_default();
        let system = self.system_message(custom).map_err(Unanswered::Failed)?;
        let page_count = input.inspection.pages.to_string();
        let whole = Wanted {
            name: answer::DOCUMENT_SCHEMA_NAME,
            schema: answer::document_schema(),
        };
        let part = Wanted {
            name: answer::PART_SCHEMA_NAME,
            schema: answer::part_schema(),
        };
        let claims = fence.file_claims(input.inspection);
        let user = |data: &str| {
            let fenced = fence.around(&format!("{claims}{data}"));
            let values = [
                ("document", fenced.as_str()),
                ("page_count", &page_count),
                ("custom_prompt", custom),
            ];
            fill(&settings.user_prompt, &values)
        };
        let allowed = settings.max_input_tokens as usize;
        let room = limits
            .room(
                allowed,
                tokenizer,
                &[&system, &user("")],
                &whole.schema,
                custom,
            )
            .map_err(Unanswered::Failed)?;
        let texts = [system.as_str(), &settings.part_prompt];
        let part_room = limits
            .room(allowed, tokenizer, &texts, &part.schema, custom)
            .map_err(Unanswered::Failed)?;
        let shown = |pieces: &[Piece]| -> String {
            let pages = pieces
                .iter()
                .map(|piece| fence.page(piece.page, &piece.text));
            pages.collect()
        };
        let question = |user: &str| {
            let user = user.to_owned();
            let (system, whole) = (&system, &whole);
            async move {
                let question = Question {
                    system,
                    user: &user,
                    name: whole.name,
                    schema: &whole.schema,
                    read: answer::document,
                    output: limits.output,
                };
                self.asker.ask(&question, meter).await
            }
        };

        let part_calls = (settings.max_calls as usize).saturating_sub(1);
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
        let not_shown_from = |page: PageNumber| {
            format!(
                "the model was not shown page {} and the following: the document is too long",
                page.0
            )
        };
        let total: usize = pieces.iter().map(|piece| piece.tokens).sum();
        if total <= room {
            warnings.extend(unread.map(not_shown_from));
            return question(&user(&shown(&pieces))).await;
        }
        if settings.long_documents == LongDocuments::Beginning {
            let beginning = fitting(&pieces, room);
            // Whatever was not cut into pieces comes after the first piece that does not fit.
            let first_left_out = pieces.get(beginning.len()).map(|piece| piece.page);
            warnings.extend(first_left_out.or(unread).map(not_shown_from));
            return question(&user(&shown(beginning))).await;
        }

        warnings.extend(unread.map(not_shown_from));
        let beginning = shown(fitting(&pieces, room / 3));
        let parts = plan::parts(pieces, part_room, &plan::section_starts(input.structure));
        let read = plan::chosen(parts.len(), part_calls);
        let left_out = (0..parts.len()).filter(|index| !read.contains(index));
        warnings.extend(not_shown(
            left_out
                .filter_map(|index| pages_of(&parts[index]))
                .collect(),
        ));
        let calls: Vec<PartCall> = read
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
                let prompt = fill(&settings.part_prompt, &values);
                Some(PartCall {
                    first,
                    last,
                    prompt,
                })
            })
            .collect();
        let notes = self.notes(limits, &system, &part, calls, meter).await?;
        let useless = notes.iter().filter(|(_, _, note)| note.is_none());
        let useless: Vec<_> = useless.map(|(first, last, _)| (*first, *last)).collect();
        if useless.len() == notes.len() {
            return Err(Unanswered::Useless(
                "no answer for a part of the document can be used".to_owned(),
            ));
        }
        if !useless.is_empty() {
            warnings.push(format!(
                "the model's answers for pages {} could not be used",
                ranges(&useless)
            ));
        }
        let share = (room - room / 3) / notes.len().max(1);
        let mut data = beginning;
        for (first, last, value) in notes {
            let text = value.unwrap_or_default().to_string();
            let text = tokenizer.beginning(&text, share.saturating_sub(60));
            data.push_str(&fence.notes(first, last, text));
        }
        question(&user(&data)).await
    }

    /// The system message, with the document's custom prompt in it unless the user message has a place for that.
    fn system_message(&self, custom: &str) -> Result<String, MetadataError> {
        let settings = &self.settings;
        if custom.len() > CUSTOM_PROMPT_MAX_BYTES {
            return Err(MetadataError::CustomPrompt {
                reason: format!(
                    "it has {} bytes, at most {CUSTOM_PROMPT_MAX_BYTES} are allowed",
                    custom.len()
                ),
            });
        }
        let system = fill(&settings.system_prompt, &[("custom_prompt", custom)]);
        let has_place = settings.system_prompt.contains("{{custom_prompt}}")
            || settings.user_prompt.contains("{{custom_prompt}}");
        Ok(match has_place || custom.is_empty() {
            true => system,
            false => format!("{system}\n{custom}"),
        })
    }

    /// The notes on the parts of a long document, in their order; none for a part whose answer could not be used.
    ///
    /// When one call fails, those under way are waited for, so that what they cost is not lost, and no other begins.
    async fn notes(
        &self,
        limits: Limits,
        system: &str,
        part: &Wanted,
        calls: Vec<PartCall>,
        meter: &Meter<'_>,
    ) -> Result<Vec<Note>, Unanswered> {
        let has_failed = AtomicBool::new(false);
        let answers = futures::stream::iter(calls).map(|call| {
            let has_failed = &has_failed;
            async move {
                if has_failed.load(Ordering::Relaxed) {
                    return None;
                }
                let question = Question {
                    system,
                    user: &call.prompt,
                    name: part.name,
                    schema: &part.schema,
                    read: answer::part,
                    output: limits.output,
                };
                let note = match self.asker.ask(&question, meter).await {
                    Ok(answered) => Ok((call.first, call.last, Some(answered.read.value))),
                    Err(Unanswered::Useless(_)) => Ok((call.first, call.last, None)),
                    Err(failed) => {
                        has_failed.store(true, Ordering::Relaxed);
                        Err(failed)
                    }
                };
                Some(note)
            }
        });
        let answers: Vec<Option<Result<Note, Unanswered>>> = answers
            .buffered(self.settings.concurrency as usize)
            .collect()
            .await;
        answers.into_iter().flatten().collect()
    }
}

/// A part of a long document that is asked for.
struct PartCall {
    first: PageNumber,
    last: PageNumber,
    prompt: String,
}

/// What the model noted on pages.
type Note = (PageNumber, PageNumber, Option<Value>);

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

fn ranges(pages: &[(PageNumber, PageNumber)]) -> String {
    let ranges: Vec<String> = pages
        .iter()
        .map(|(first, last)| format!("{}-{}", first.0, last.0))
        .collect();
    ranges.join(", ")
}

fn not_shown(pages: Vec<(PageNumber, PageNumber)>) -> Option<String> {
    let is_any = !pages.is_empty();
    is_any.then(|| {
        format!(
            "the model was not shown pages {}: the document is too long",
            ranges(&pages)
        )
    })
}

#[async_trait]
impl MetadataGenerator for LlmGenerator {
    fn kind(&self) -> GeneratorKind {
        GeneratorKind::Llm
    }

    fn fingerprint_parts(&self) -> Vec<String> {
        let mut parts = self.extractive.fingerprint_parts();
        parts.push(format!("generator=llm/{JUDGING_VERSION}"));
        parts
    }

    fn prediction_parts(&self) -> Option<Vec<String>> {
        let settings = &self.settings;
        Some(vec![
            format!("generator=llm/{REQUEST_VERSION}"),
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
        ])
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

    async fn predict(
        &self,
        input: DocumentInput<'_>,
        charges: &dyn ChargeSink,
    ) -> Result<(Prediction, Usage), MetadataError> {
        let model = &self.settings.model;
        let has_text = input.pages.iter().any(|page| !page.text.trim().is_empty());
        if !has_text {
            let reason = "the document has no text; the model was not asked".to_owned();
            let prediction = Prediction::without(Ending::NotAsked, model, reason);
            return Ok((prediction, Usage::default()));
        }
        let meter = Meter::new(charges);
        let mut warnings = Vec::new();
        let prediction = match self.answer(input, &meter, &mut warnings).await {
            Ok(answered) => Prediction {
                model: Some(model.clone()),
                ending: Ending::Answered,
                reason: None,
                answers: answered.said,
                warnings,
            },
            // A model that is of no use costs no document.
            Err(Unanswered::Useless(reason)) => Prediction::without(Ending::Useless, model, reason),
            Err(Unanswered::Budget(budget)) => {
                Prediction::without(Ending::BudgetReached, model, budget)
            }
            Err(Unanswered::Failed(error)) => return Err(error),
            Err(Unanswered::TooLong(_)) => {
                return Err(MetadataError::Refused {
                    reason: format!(
                        "a prompt of {} tokens is too long for it",
                        self.limits().input
                    ),
                    remedy: "lower max_input_tokens or max_output_tokens so that both fit the model's context".to_owned(),
                });
            }
        };
        Ok((prediction, meter.usage()))
    }

    async fn judge(
        &self,
        input: DocumentInput<'_>,
        prediction: &Prediction,
    ) -> Result<DocumentMetadata, MetadataError> {
        // Here the prompt is not ignored.
        let without_prompt = DocumentInput {
            custom_prompt: None,
            ..input
        };
        let mut metadata = self.extractive.extract(without_prompt);
        let reason = prediction.reason.as_deref().unwrap_or_default();
        let by_rules = |metadata: &mut DocumentMetadata, why: String| {
            let warning = format!("{why}: this metadata is made by rules only");
            metadata.warnings.push(warning);
        };
        match prediction.ending {
            Ending::NotAsked => {
                metadata.generator = GeneratorKind::Llm;
                metadata.model = prediction.model.clone();
                metadata.warnings.push(reason.to_owned());
            }
            Ending::Useless => {
                let why = format!("the model's answer could not be used ({reason})");
                by_rules(&mut metadata, why);
            }
            Ending::BudgetReached => {
                let why = format!("{reason} does not allow the calls of the model");
                by_rules(&mut metadata, why);
            }
            Ending::Answered => match best_of(&prediction.answers, answer::document) {
                Ok(read) => {
                    let model = prediction.model.clone().unwrap_or_default();
                    metadata.generator = GeneratorKind::Llm;
                    metadata.warnings.extend(prediction.warnings.clone());
                    merge::merge(
                        &mut metadata,
                        read,
                        &Pages::new(input.pages),
                        &model,
                        self.settings.max_keywords as usize,
                    );
                    metadata.model = Some(model);
                }
                Err(reason) => {
                    let why = format!("the model's answer could not be used ({reason})");
                    by_rules(&mut metadata, why);
                }
            },
        }
        Ok(metadata)
    }
}
