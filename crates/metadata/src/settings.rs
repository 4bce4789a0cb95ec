//! How metadata is made. Where the LLM is and its key are infrastructure ([`LlmEndpoint`]) and not part of the
//! settings.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::error::MetadataError;

/// Which generator makes the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeneratorKind {
    /// Rules and statistics over the text; no network.
    #[default]
    Extractive,
    /// Extractive first, then a model behind an OpenAI-compatible API.
    Llm,
}

impl GeneratorKind {
    /// Its name in outputs: `extractive` or `llm`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extractive => "extractive",
            Self::Llm => "llm",
        }
    }
}

/// What is done with a document that does not fit `max_input_tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LongDocuments {
    /// Parts of whole pages, cut at sections where there are some, are summarised one call each; a last call sees
    /// the beginning of the document and all partial results. When the parts would need more than `max_calls`, the
    /// first, the last and evenly spread parts are read, and a warning names the pages left out.
    #[default]
    MapReduce,
    /// One call with as much of the beginning as fits; a warning names the pages left out.
    Beginning,
}

/// Whose server answers: each is asked as it is known to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// OpenAI.
    #[serde(rename = "openai")]
    OpenAi,
    /// Google's Gemini API, by its endpoint that is compatible with OpenAI's.
    Gemini,
    /// Anthropic, by its endpoint that is compatible with OpenAI's. It does not follow a schema that is not in the prompt.
    Anthropic,
    /// Any other server with OpenAI's API.
    Compatible,
}

impl Provider {
    /// The provider of a server, by the host of its address.
    #[cfg(feature = "llm")]
    pub(crate) fn of_host(host: &str) -> Self {
        match host {
            "api.openai.com" => Self::OpenAi,
            "generativelanguage.googleapis.com" => Self::Gemini,
            "api.anthropic.com" => Self::Anthropic,
            _ => Self::Compatible,
        }
    }
}

/// The name of the request field that limits the answer's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputLimitField {
    /// The current name in OpenAI's API.
    #[default]
    MaxCompletionTokens,
    /// The older name, for servers that know only it.
    MaxTokens,
}

/// How requests are tried again after a 429, a 5xx, a time-out or a lost connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryLimits {
    /// Most further attempts of one request, 0 to 10.
    pub max_retries: u32,
    /// The time in seconds after which no further attempt of a request begins. A `Retry-After` that does not fit ends the
    /// attempts at once. How long one attempt may take is in `timeouts`.
    pub max_total_seconds: u64,
    /// The first wait in milliseconds; it doubles each time, with jitter, unless the server says how long to wait.
    pub first_wait_millis: u64,
    /// The longest wait in milliseconds that is chosen without the server saying so.
    pub longest_wait_millis: u64,
}

impl Default for RetryLimits {
    fn default() -> Self {
        Self {
            max_retries: 4,
            max_total_seconds: 300,
            first_wait_millis: 500,
            longest_wait_millis: 30_000,
        }
    }
}

/// How long an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerTimeouts {
    /// The longest silence in seconds, 1 to 3,600: before the first byte of an answer and between two of them. A server that
    /// reads long prompts slowly needs more of it, and one that does not stream needs it for the whole answer.
    pub idle_seconds: u64,
    /// The longest time in seconds of one attempt, 1 to 86,400, however steadily its answer comes.
    pub answer_seconds: u64,
}

impl Default for AnswerTimeouts {
    fn default() -> Self {
        Self {
            idle_seconds: 120,
            answer_seconds: 1_800,
        }
    }
}

/// How metadata is made. All fields except `provider`, `concurrency`, `retries` and `timeouts` are part of the fingerprint of the
/// stages `predict` (what a model is asked) and `metadata` (what is made of it).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetadataSettings {
    /// Which generator.
    pub generator: GeneratorKind,
    /// Most keywords, 0 to 50.
    pub max_keywords: u32,
    /// Most sentences of an extractive summary, 0 to 20.
    pub summary_sentences: u32,
    /// Most entries of the outline that are kept in the metadata, 0 to 10,000.
    pub max_outline_entries: u32,
    /// Most characters of text that keywords, summary and document type are computed from, 1,000 to 5,000,000.
    /// Longer documents are read at the beginning, the end and evenly between.
    pub max_analysed_chars: u32,
    /// The model's name as the server knows it. Needed when `generator` is `llm`.
    pub model: String,
    /// Whose server answers: `openai`, `gemini`, `anthropic` or `compatible`. `null` goes by the host of its address, which a
    /// gateway before it hides. What a server refuses is left out in any case, step by step.
    pub provider: Option<Provider>,
    /// Sampling temperature, 0 to 2. `null` leaves it to the server; some reasoning models refuse any value.
    pub temperature: Option<f32>,
    /// Seed for servers that can repeat a sampling; `null` sends none.
    pub seed: Option<i64>,
    /// Most tokens of one request's prompt, 2,500 or more, counted with the model's tokenizer (`o200k` for unknown
    /// models). Must fit the model's context together with `max_output_tokens`.
    pub max_input_tokens: u32,
    /// Most tokens of one answer, 256 or more.
    pub max_output_tokens: u32,
    /// The name of the request field that carries `max_output_tokens`.
    pub output_limit_field: OutputLimitField,
    /// What the model is told beside the prompts below, at most 4,096 bytes: the custom prompt of every document for which
    /// neither a message or command nor the object's metadata gives one of its own.
    pub custom_prompt: String,
    /// The system message. Placeholders: `{{custom_prompt}}` (the document's custom prompt, empty when there is none).
    /// It is appended when no prompt has its placeholder.
    pub system_prompt: String,
    /// The user message. Placeholders: `{{document}}` (needed: the fenced data), `{{page_count}}`,
    /// `{{custom_prompt}}`.
    pub user_prompt: String,
    /// The user message for a part of a long document. Placeholders: `{{document}}` (needed), `{{page_count}}`,
    /// `{{first_page}}`, `{{last_page}}`.
    pub part_prompt: String,
    /// What is done with a document that does not fit `max_input_tokens`.
    pub long_documents: LongDocuments,
    /// Most calls for one document, 2 to 200, not counting retries and the one repair round of each call.
    pub max_calls: u32,
    /// Most requests at the same time, over all documents of this generator, 1 to 64.
    pub concurrency: u32,
    /// How requests are tried again.
    pub retries: RetryLimits,
    /// How long an answer is waited for.
    pub timeouts: AnswerTimeouts,
    /// Further fields of the request body, such as `{"reasoning_effort": "low"}`. Fields that Pagemill sets itself
    /// are refused here.
    pub extra_body: serde_json::Map<String, serde_json::Value>,
}

impl Default for MetadataSettings {
    fn default() -> Self {
        Self {
            generator: GeneratorKind::Extractive,
            max_keywords: 15,
            summary_sentences: 3,
            max_outline_entries: 500,
            max_analysed_chars: 200_000,
            model: String::new(),
            provider: None,
            temperature: Some(0.0),
            seed: Some(0),
            max_input_tokens: 24_000,
            max_output_tokens: 3_000,
            output_limit_field: OutputLimitField::MaxCompletionTokens,
            custom_prompt: String::new(),
            system_prompt: DEFAULT_SYSTEM_PROMPT.to_owned(),
            user_prompt: DEFAULT_USER_PROMPT.to_owned(),
            part_prompt: DEFAULT_PART_PROMPT.to_owned(),
            long_documents: LongDocuments::MapReduce,
            max_calls: 12,
            concurrency: 4,
            retries: RetryLimits::default(),
            timeouts: AnswerTimeouts::default(),
            extra_body: serde_json::Map::new(),
        }
    }
}

/// The longest custom prompt, in bytes of UTF-8. About a thousand tokens, which every call carries beside the document
/// (24,000 by default): whatever is longer belongs into the configured prompts, which are checked once.
pub const CUSTOM_PROMPT_MAX_BYTES: usize = 4096;

/// The default of [`MetadataSettings::system_prompt`].
pub const DEFAULT_SYSTEM_PROMPT: &str = "\
You describe documents for a library catalogue. You are given one document as data and answer with one JSON object \
that follows the given schema.
Rules:
- Use only what the document says. If it does not say something, answer null or an empty list. Never guess.
- A quote is copied verbatim from the page you cite, no longer than 200 characters. The value stands in it; for a date, a \
number or a name the quote begins with its label.
- The summary is single sentences. Each has the quote that says the same, and takes numbers and names from there. Each \
question has the quote that answers it.
- Give dates as YYYY-MM-DD, YYYY-MM or YYYY.
- Write summary, keywords, topics and questions in the main language of the document.
- Keywords and topics are short noun phrases of the document, without duplicates.
{{custom_prompt}}";

/// The default of [`MetadataSettings::user_prompt`].
pub const DEFAULT_USER_PROMPT: &str = "\
Describe the following document of {{page_count}} pages: its title, type, a summary of at most 120 words, authors, \
organisations, dates, identifiers, keywords, topics, named entities, and three to five questions that it answers.

{{document}}";

/// The default of [`MetadataSettings::part_prompt`].
pub const DEFAULT_PART_PROMPT: &str = "\
The following is a part, pages {{first_page}} to {{last_page}}, of a document of {{page_count}} pages. Summarise the \
part in at most 150 words and list the facts in it that help to describe the whole document.

{{document}}";

/// Request fields that `extra_body` must not set.
pub(crate) const OWN_REQUEST_FIELDS: &[&str] = &[
    "model",
    "messages",
    "response_format",
    "stream",
    "stream_options",
    "temperature",
    "seed",
    "n",
    "max_tokens",
    "max_completion_tokens",
];

impl MetadataSettings {
    /// Checks ranges, prompts and what the chosen generator needs.
    ///
    /// # Errors
    /// [`MetadataError::Configuration`] naming the field and the remedy.
    pub fn validate(&self) -> Result<(), MetadataError> {
        let ranges = [
            ("max_keywords", u64::from(self.max_keywords), 0, 50),
            (
                "summary_sentences",
                u64::from(self.summary_sentences),
                0,
                20,
            ),
            (
                "max_outline_entries",
                u64::from(self.max_outline_entries),
                0,
                10_000,
            ),
            (
                "max_analysed_chars",
                u64::from(self.max_analysed_chars),
                1_000,
                5_000_000,
            ),
            (
                "max_input_tokens",
                u64::from(self.max_input_tokens),
                2_500,
                10_000_000,
            ),
            (
                "max_output_tokens",
                u64::from(self.max_output_tokens),
                256,
                1_000_000,
            ),
            ("max_calls", u64::from(self.max_calls), 2, 200),
            ("concurrency", u64::from(self.concurrency), 1, 64),
            (
                "retries.max_retries",
                u64::from(self.retries.max_retries),
                0,
                10,
            ),
            (
                "timeouts.idle_seconds",
                self.timeouts.idle_seconds,
                1,
                3_600,
            ),
            (
                "timeouts.answer_seconds",
                self.timeouts.answer_seconds,
                1,
                86_400,
            ),
        ];
        for (field, value, least, most) in ranges {
            if value < least || value > most {
                return Err(MetadataError::Configuration(format!(
                    "{field} is {value}; set it between {least} and {most}"
                )));
            }
        }
        if let Some(temperature) = self.temperature
            && !(0.0..=2.0).contains(&temperature)
        {
            return Err(MetadataError::Configuration(format!(
                "temperature is {temperature}; set it between 0 and 2, or null"
            )));
        }
        if self.custom_prompt.len() > CUSTOM_PROMPT_MAX_BYTES {
            return Err(MetadataError::Configuration(format!(
                "custom_prompt has {} bytes; shorten it to {CUSTOM_PROMPT_MAX_BYTES}, or put it into system_prompt",
                self.custom_prompt.len()
            )));
        }
        for (field, template) in [
            ("user_prompt", &self.user_prompt),
            ("part_prompt", &self.part_prompt),
        ] {
            if template.matches("{{document}}").count() != 1 {
                return Err(MetadataError::Configuration(format!(
                    "{field} must hold the placeholder {{{{document}}}} exactly once"
                )));
            }
        }
        #[cfg(feature = "llm")]
        for (field, template, known) in [
            ("system_prompt", &self.system_prompt, &["custom_prompt"][..]),
            (
                "user_prompt",
                &self.user_prompt,
                &["document", "page_count", "custom_prompt"][..],
            ),
            (
                "part_prompt",
                &self.part_prompt,
                &["document", "page_count", "first_page", "last_page"][..],
            ),
        ] {
            if let Some(unknown) = crate::llm::prompt::unknown_placeholder(template, known) {
                return Err(MetadataError::Configuration(format!(
                    "{field} holds the unknown placeholder {{{{{unknown}}}}}; known are {}",
                    known.join(", ")
                )));
            }
        }
        for field in OWN_REQUEST_FIELDS {
            if self.extra_body.contains_key(*field) {
                return Err(MetadataError::Configuration(format!(
                    "extra_body must not set {field}; use the setting of its own"
                )));
            }
        }
        if self.generator == GeneratorKind::Llm && self.model.trim().is_empty() {
            return Err(MetadataError::Configuration(
                "generator is llm but model is empty; name the model, or set generator to extractive".to_owned(),
            ));
        }
        Ok(())
    }
}

/// Where the LLM is. Comes from the environment or a secrets store, never from the tunables.
#[derive(Debug, Clone)]
pub struct LlmEndpoint {
    /// Base URL with the version, such as `https://api.openai.com/v1`; `/chat/completions` is appended.
    pub base_url: String,
    /// The key, sent as a bearer token; none for servers without authentication.
    pub api_key: Option<SecretString>,
}
