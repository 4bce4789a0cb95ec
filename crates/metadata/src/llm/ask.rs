//! One question to the model and a readable answer: in the form that the server takes, with one repair round.
//!
//! Answers are asked for as a stream and as strict `json_schema`, where the provider does that. What a server refuses is left out
//! step by step ([`Way`]), and the way that worked is remembered.

use std::sync::{Mutex, PoisonError};

use async_openai::types::chat::{
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
    ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage,
    ChatCompletionStreamOptions, CreateChatCompletionRequest, ResponseFormat,
    ResponseFormatJsonSchema,
};
use pagemill_document::{NotCharged, Units};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::answer::{self, Read};
use super::plan::Tokenizer;
use super::room::MARGIN_TOKENS;
use super::transport::{Completion, Failure, Meter, TooLong, Transport};
use super::way::{Form, Way};
use crate::error::MetadataError;
use crate::prediction::Said;
use crate::settings::{LlmEndpoint, MetadataSettings, OutputLimitField, Provider};

/// Characters of a bad answer that are sent back with what is wrong with it.
const REPEATED_CHARS: usize = 4_000;
/// Tokens that a repair round adds to a prompt at most: the answer, hardly ever more tokens than characters, and what is wrong.
pub(crate) const REPAIR_TOKENS: u64 = REPEATED_CHARS as u64 + 300;

/// A question: the messages, and how the answer is to look and is read.
pub(crate) struct Question<'a, T> {
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
    /// The budget does not allow the call. In words.
    Budget(String),
    /// Anything else, for the caller.
    Failed(MetadataError),
}

fn not_permitted(error: NotCharged) -> Unanswered {
    Unanswered::Failed(MetadataError::NotPermitted(error))
}

/// What came of a question.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    /// What can be read of the best answer.
    pub(crate) read: Read<T>,
    /// All answers, in order.
    pub(crate) said: Vec<Said>,
}

/// What can be read of the best of some answers: the one with the fewest problems, the later one where they are equal.
///
/// # Errors
/// What is wrong with the last, when nothing can be read of any.
pub(crate) fn best_of<T>(
    said: &[Said],
    read: fn(&str, bool) -> Result<Read<T>, String>,
) -> Result<Read<T>, String> {
    let problems = |read: &Result<Read<T>, String>| {
        read.as_ref().map_or(usize::MAX, |read| read.problems.len())
    };
    let reads = said.iter().map(|said| read(&said.content, said.was_cut));
    let best = reads.reduce(|best, next| match problems(&next) <= problems(&best) {
        true => next,
        false => best,
    });
    best.unwrap_or_else(|| Err("there is no answer".to_owned()))
}

/// A message to the model.
#[derive(Debug, Clone)]
struct Message {
    role: Role,
    content: String,
}

#[derive(Debug, Clone, Copy)]
enum Role {
    System,
    User,
    Assistant,
}

impl Message {
    fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
        }
    }

    fn to_request(&self) -> ChatCompletionRequestMessage {
        let content = self.content.as_str();
        match self.role {
            Role::System => ChatCompletionRequestSystemMessage::from(content).into(),
            Role::User => ChatCompletionRequestUserMessage::from(content).into(),
            Role::Assistant => ChatCompletionRequestAssistantMessage::from(content).into(),
        }
    }
}

/// Asks one model at one server.
#[derive(Debug)]
pub(crate) struct Asker {
    model: String,
    temperature: Option<f32>,
    seed: Option<i64>,
    transport: Transport,
    /// Further fields of a request, as JSON.
    extra_body: String,
    /// The one that worked last.
    way: Mutex<Way>,
}

impl Asker {
    pub(crate) fn new(
        settings: &MetadataSettings,
        endpoint: &LlmEndpoint,
    ) -> Result<Self, MetadataError> {
        let transport = Transport::new(settings, endpoint)?;
        let provider = settings.provider;
        let provider = provider.unwrap_or_else(|| Provider::of_host(transport.host()));
        Ok(Self {
            model: settings.model.clone(),
            temperature: settings.temperature,
            seed: settings.seed,
            transport,
            extra_body: Value::Object(settings.extra_body.clone()).to_string(),
            way: Mutex::new(Way::first(settings, provider)),
        })
    }

    /// A readable answer, after one repair round at most. What was answered before, to this run or to one that died, is not
    /// paid for again.
    pub(crate) async fn ask<T>(
        &self,
        question: &Question<'_, T>,
        meter: &Meter<'_>,
    ) -> Result<Answered<T>, Unanswered> {
        let mut messages = vec![
            Message::new(Role::System, question.system),
            Message::new(Role::User, question.user),
        ];
        let (first, was_refused) = self.complete(&messages, question, meter).await?;
        if was_refused {
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
        let mut said = vec![first];
        if let Some(problem) = problem {
            let repeated: String = said[0].content.chars().take(REPEATED_CHARS).collect();
            let words = format!(
                "That answer is not usable: {problem}. Answer again with the corrected JSON object only."
            );
            messages.push(Message::new(Role::Assistant, repeated));
            messages.push(Message::new(Role::User, words));
            match self.complete(&messages, question, meter).await {
                Ok((second, _)) => said.push(second),
                // What can be read of the first is more than nothing.
                Err(Unanswered::TooLong(_) | Unanswered::Useless(_) | Unanswered::Budget(_)) => {}
                Err(failed) => return Err(failed),
            }
        }
        let read = best_of(&said, question.read).map_err(Unanswered::Useless)?;
        Ok(Answered { read, said })
    }

    /// One completion, kept or in the first way that the server takes, and whether the model refused to answer.
    async fn complete<T>(
        &self,
        messages: &[Message],
        question: &Question<'_, T>,
        meter: &Meter<'_>,
    ) -> Result<(Said, bool), Unanswered> {
        let request_sha = self.sha_of(messages, question);
        let said = |completion: Completion, request_sha| {
            let said = Said {
                request_sha,
                was_cut: completion.was_cut,
                content: completion.content,
            };
            (said, completion.was_refused)
        };
        if let Some(kept) = meter.kept(&request_sha).await.map_err(not_permitted)? {
            return Ok(said(kept, request_sha));
        }
        let most = self.most(messages, question);
        let begun = self.way();
        let mut way = begun;
        loop {
            let request = self.request(messages, question, way);
            let completed = self
                .transport
                .complete(&request, &request_sha, &most, meter);
            match completed.await {
                Ok(completion) => {
                    if way != begun {
                        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = way;
                    }
                    return Ok(said(completion, request_sha));
                }
                Err(Failure::NotAccepted { reason, named }) => {
                    let Some(next) = way.after(named) else {
                        return Err(Unanswered::Failed(MetadataError::Refused {
                            reason,
                            remedy: "check the model's name, temperature, output_limit_field and extra_body".to_owned(),
                        }));
                    };
                    way = next;
                    tracing::info!(
                        ?way,
                        "the llm server does not take this form of request; trying a simpler one"
                    );
                }
                Err(Failure::TooLong(too_long)) => return Err(Unanswered::TooLong(too_long)),
                Err(Failure::Filtered) => {
                    return Err(Unanswered::Useless(
                        "the server's content filter refuses the document".to_owned(),
                    ));
                }
                Err(Failure::Budget(budget)) => return Err(Unanswered::Budget(budget)),
                Err(Failure::Final(error)) => return Err(Unanswered::Failed(error)),
            }
        }
    }

    fn way(&self) -> Way {
        // Plain values: a panic elsewhere can't leave them half written.
        *self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is asked, as a hash: everything that an answer depends on, in whichever way a server takes it.
    fn sha_of<T>(&self, messages: &[Message], question: &Question<'_, T>) -> String {
        let mut sha = Sha256::new();
        let mut add = |part: &str| {
            sha.update((part.len() as u64).to_le_bytes());
            sha.update(part);
        };
        add(&format!("pagemill request {}", super::REQUEST_VERSION));
        add(&self.model);
        add(&format!("{:?} {:?}", self.temperature, self.seed));
        add(&self.extra_body);
        add(&format!("{} {}", question.name, question.output));
        for message in messages {
            add(&format!("{:?}", message.role));
            add(&message.content);
        }
        let digest = sha.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The most that a call uses, by our own count of tokens and a quarter, for the model may count otherwise.
    fn most<T>(&self, messages: &[Message], question: &Question<'_, T>) -> Units {
        let tokenizer = Tokenizer::for_model(&self.model);
        let of_messages: usize = messages
            .iter()
            .map(|message| tokenizer.count(&message.content))
            .sum();
        let read = of_messages + tokenizer.count(&question.schema.to_string()) + MARGIN_TOKENS;
        Units {
            input_tokens: Some((read + read / 4) as u64),
            output_tokens: Some(question.output.into()),
            ..Units::default()
        }
    }

    fn request<T>(
        &self,
        messages: &[Message],
        question: &Question<'_, T>,
        way: Way,
    ) -> CreateChatCompletionRequest {
        let mut messages: Vec<ChatCompletionRequestMessage> =
            messages.iter().map(Message::to_request).collect();
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
        let (max_completion_tokens, max_tokens) = match way.limit {
            OutputLimitField::MaxCompletionTokens => (limit, None),
            OutputLimitField::MaxTokens => (None, limit),
        };
        // Without it a stream does not say what was used.
        let stream_options =
            (way.streams && way.tells_usage).then_some(ChatCompletionStreamOptions {
                include_usage: Some(true),
                include_obfuscation: None,
            });
        // Compatible servers know only the older names of these two.
        #[allow(deprecated)]
        CreateChatCompletionRequest {
            messages,
            model: self.model.clone(),
            temperature: self.temperature.filter(|_| way.temperature),
            seed: self.seed.filter(|_| way.seed),
            max_completion_tokens,
            max_tokens,
            response_format,
            stream: way.streams.then_some(true),
            stream_options,
            ..CreateChatCompletionRequest::default()
        }
    }
}
