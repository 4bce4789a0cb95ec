//! One question to the model and a readable answer: in the form that the server takes, with one repair round.
//!
//! Answers are asked for as a stream and as strict `json_schema`. What a server refuses is left out step by step ([`Way`]), and
//! the way that worked is remembered.

use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_openai::types::chat::{
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
    ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage,
    ChatCompletionStreamOptions, CreateChatCompletionRequest, ResponseFormat,
    ResponseFormatJsonSchema,
};
use serde_json::Value;

use super::answer::{self, Read};
use super::transport::{Completion, Failure, Meter, TooLong, Transport};
use crate::error::MetadataError;
use crate::settings::{LlmEndpoint, MetadataSettings, OutputLimitField};

/// Characters of a bad answer that are sent back with what is wrong with it.
const REPEATED_CHARS: usize = 4_000;
/// Tokens that a repair round adds to a prompt at most: the answer, hardly ever more tokens than characters, and what is wrong.
pub(crate) const REPAIR_TOKENS: u64 = REPEATED_CHARS as u64 + 300;

/// In which form the answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A strict schema with the longest lists and texts.
    Limited,
    /// A strict schema without: some servers know of no limits.
    Schema,
    /// Any JSON object; the schema stands in the prompt.
    Object,
    /// Only in words.
    Words,
}

/// A way of asking.
#[derive(Debug, Clone, Copy)]
struct Way {
    form: Form,
    streams: bool,
}

/// All ways, in the order of trial: with a stream, then without.
const WAYS: [Way; 8] = [
    way(Form::Limited, true),
    way(Form::Schema, true),
    way(Form::Object, true),
    way(Form::Words, true),
    way(Form::Limited, false),
    way(Form::Schema, false),
    way(Form::Object, false),
    way(Form::Words, false),
];
const WITHOUT_STREAM: usize = WAYS.len() / 2;

const fn way(form: Form, streams: bool) -> Way {
    Way { form, streams }
}

/// A question: the messages, and how the answer is to look and is read.
pub(crate) struct Question<'a, T> {
    /// The document's hash, under which answers are kept.
    pub(crate) sha256: &'a str,
    pub(crate) system: &'a str,
    pub(crate) user: &'a str,
    pub(crate) name: &'static str,
    pub(crate) schema: &'a Value,
    pub(crate) read: fn(&str, bool) -> Result<Read<T>, String>,
    /// Most tokens of the answer.
    pub(crate) output: u32,
}

/// Why there is no readable answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Prompt and answer do not fit the model's context.
    TooLong(TooLong),
    /// Nothing that came can be used, also after a repair round. In words, without document text.
    Useless(String),
    /// Anything else, for the caller.
    Failed(MetadataError),
}

/// Asks one model at one server.
#[derive(Debug)]
pub(crate) struct Asker {
    model: String,
    temperature: Option<f32>,
    seed: Option<i64>,
    output_limit_field: OutputLimitField,
    transport: Transport,
    /// Index into [`WAYS`] of the one that worked last.
    way: AtomicUsize,
    kept: Kept,
}

impl Asker {
    pub(crate) fn new(
        settings: &MetadataSettings,
        endpoint: &LlmEndpoint,
    ) -> Result<Self, MetadataError> {
        Ok(Self {
            model: settings.model.clone(),
            temperature: settings.temperature,
            seed: settings.seed,
            output_limit_field: settings.output_limit_field,
            transport: Transport::new(settings, endpoint)?,
            way: AtomicUsize::new(0),
            kept: Kept::default(),
        })
    }

    /// Forgets the answers that are kept for a document.
    pub(crate) fn forget(&self, sha256: &str) {
        self.kept.forget(sha256);
    }

    /// A readable answer, after one repair round at most. One that was got for the same question, and whose document failed
    /// at a later one, is not paid for again.
    pub(crate) async fn ask<T>(
        &self,
        question: &Question<'_, T>,
        meter: &Meter<'_>,
    ) -> Result<Read<T>, Unanswered> {
        if let Some((content, was_cut)) = self.kept.get(question)
            && let Ok(read) = (question.read)(&content, was_cut)
        {
            return Ok(read);
        }
        let mut messages: Vec<ChatCompletionRequestMessage> = vec![
            ChatCompletionRequestSystemMessage::from(question.system).into(),
            ChatCompletionRequestUserMessage::from(question.user).into(),
        ];
        let first = self.complete(&messages, question, meter).await?;
        if first.was_refused {
            return Err(Unanswered::Useless(
                "the model refused to answer".to_owned(),
            ));
        }
        let read = (question.read)(&first.content, first.was_cut);
        let problem = match &read {
            Ok(read) if read.problems.is_empty() => None,
            Ok(read) => Some(read.problems.join("; ")),
            Err(problem) => Some(problem.clone()),
        };
        let Some(problem) = problem else {
            self.kept.put(question, first);
            return read.map_err(Unanswered::Useless);
        };
        let repeated: String = first.content.chars().take(REPEATED_CHARS).collect();
        let words = format!(
            "That answer is not usable: {problem}. Answer again with the corrected JSON object only."
        );
        messages.push(ChatCompletionRequestAssistantMessage::from(repeated).into());
        messages.push(ChatCompletionRequestUserMessage::from(words).into());
        let second = match self.complete(&messages, question, meter).await {
            Ok(second) => second,
            // What can be read of the first is more than nothing.
            Err(Unanswered::TooLong(_) | Unanswered::Useless(_)) => {
                self.kept.put(question, first);
                return read.map_err(Unanswered::Useless);
            }
            Err(failed) => return Err(failed),
        };
        let again = (question.read)(&second.content, second.was_cut);
        let wrong = |read: &Result<Read<T>, String>| {
            read.as_ref().map_or(usize::MAX, |read| read.problems.len())
        };
        let (best, completion) = match wrong(&again) <= wrong(&read) {
            true => (again, second),
            false => (read, first),
        };
        if best.is_ok() {
            self.kept.put(question, completion);
        }
        best.map_err(Unanswered::Useless)
    }

    /// One completion, in the first way that the server takes.
    async fn complete<T>(
        &self,
        messages: &[ChatCompletionRequestMessage],
        question: &Question<'_, T>,
        meter: &Meter<'_>,
    ) -> Result<Completion, Unanswered> {
        let mut at = self.way.load(Ordering::Relaxed);
        loop {
            let request = self.request(messages.to_vec(), question, WAYS[at]);
            match self.transport.complete(&request, meter).await {
                Ok(completion) => {
                    self.way.fetch_max(at, Ordering::Relaxed);
                    return Ok(completion);
                }
                Err(Failure::NotAccepted {
                    reason,
                    names_stream,
                }) => {
                    at = match names_stream && at < WITHOUT_STREAM {
                        true => at + WITHOUT_STREAM,
                        false => at + 1,
                    };
                    if at >= WAYS.len() {
                        return Err(Unanswered::Failed(MetadataError::Refused {
                            reason,
                            remedy: "check the model's name, temperature, output_limit_field and extra_body".to_owned(),
                        }));
                    }
                    tracing::info!(
                        way = ?WAYS[at],
                        "the llm server does not take this form of request; trying a simpler one"
                    );
                }
                Err(Failure::TooLong(too_long)) => return Err(Unanswered::TooLong(too_long)),
                Err(Failure::Filtered) => {
                    return Err(Unanswered::Useless(
                        "the server's content filter refuses the document".to_owned(),
                    ));
                }
                Err(Failure::Final(error)) => return Err(Unanswered::Failed(error)),
            }
        }
    }

    fn request<T>(
        &self,
        mut messages: Vec<ChatCompletionRequestMessage>,
        question: &Question<'_, T>,
        way: Way,
    ) -> CreateChatCompletionRequest {
        let strict = |schema: Value| {
            Some(ResponseFormat::JsonSchema {
                json_schema: ResponseFormatJsonSchema {
                    description: None,
                    name: question.name.to_owned(),
                    schema,
                    strict: Some(true),
                },
            })
        };
        let response_format = match way.form {
            Form::Limited => strict(question.schema.clone()),
            Form::Schema => strict(answer::without_limits(question.schema.clone())),
            Form::Object => Some(ResponseFormat::JsonObject),
            Form::Words => None,
        };
        if matches!(way.form, Form::Object | Form::Words) {
            let words = format!(
                "Answer with one JSON object that follows this JSON schema:\n{}",
                question.schema
            );
            messages.insert(1, ChatCompletionRequestSystemMessage::from(words).into());
        }
        let limit = Some(question.output);
        let (max_completion_tokens, max_tokens) = match self.output_limit_field {
            OutputLimitField::MaxCompletionTokens => (limit, None),
            OutputLimitField::MaxTokens => (None, limit),
        };
        // Without it a stream does not say what was used.
        let stream_options = way.streams.then_some(ChatCompletionStreamOptions {
            include_usage: Some(true),
            include_obfuscation: None,
        });
        // Compatible servers know only the older names of these two.
        #[allow(deprecated)]
        CreateChatCompletionRequest {
            messages,
            model: self.model.clone(),
            temperature: self.temperature,
            seed: self.seed,
            max_completion_tokens,
            max_tokens,
            response_format,
            stream: way.streams.then_some(true),
            stream_options,
            ..CreateChatCompletionRequest::default()
        }
    }
}

/// Answers that are kept at most.
const MOST_KEPT: usize = 400;

/// The answers of documents that are not finished: where a later call fails, the document comes again, and these are not paid
/// for again. They live as long as the process.
#[derive(Debug, Default)]
struct Kept(Mutex<VecDeque<KeptAnswer>>);

#[derive(Debug)]
struct KeptAnswer {
    sha256: String,
    question: u64,
    content: String,
    was_cut: bool,
}

fn hash_of<T>(question: &Question<'_, T>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        question.system,
        question.user,
        question.name,
        question.output,
    )
        .hash(&mut hasher);
    hasher.finish()
}

impl Kept {
    fn get<T>(&self, question: &Question<'_, T>) -> Option<(String, bool)> {
        let hash = hash_of(question);
        let kept = self.locked();
        let found = kept
            .iter()
            .find(|kept| kept.question == hash && kept.sha256 == question.sha256)?;
        Some((found.content.clone(), found.was_cut))
    }

    fn put<T>(&self, question: &Question<'_, T>, completion: Completion) {
        let mut kept = self.locked();
        kept.push_back(KeptAnswer {
            sha256: question.sha256.to_owned(),
            question: hash_of(question),
            content: completion.content,
            was_cut: completion.was_cut,
        });
        if kept.len() > MOST_KEPT {
            kept.pop_front();
        }
    }

    fn forget(&self, sha256: &str) {
        self.locked().retain(|kept| kept.sha256 != sha256);
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<KeptAnswer>> {
        // Whole entries: a panic elsewhere can't leave one half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
