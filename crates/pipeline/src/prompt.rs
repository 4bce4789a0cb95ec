//! Which custom prompt a document's metadata is made with.
//!
//! | from | holds for |
//! |---|---|
//! | the message or command that asks for the run | this version of the source, until another one gives one |
//! | a note beside the object, [`OBJECT_PROMPT`] | this version of the source, while the note stands |
//! | `metadata.custom_prompt` of the settings | every other document |
//!
//! The first that gives one counts; an empty one asks for none. What a message gave is kept in the record: the bucket's
//! own event of an upload and its client's message come in any order and more than once, and all orders must end in
//! one result.

use pagemill_storage::{ObjectMeta, Record};

use crate::pipeline::{Options, Pipeline};
use crate::source::same_bytes;

/// The note beside an object that is its custom prompt; S3 has it as the header `x-amz-meta-pagemill-prompt`.
pub const OBJECT_PROMPT: &str = "pagemill-prompt";

/// What somebody asked for by a message or a command, now or before.
pub(crate) fn asked(record: &Record, head: &ObjectMeta, options: &Options) -> Option<String> {
    let kept = || {
        let failed = record.failure.as_ref().map(|failure| &failure.version);
        let version = failed.unwrap_or(&record.version);
        same_bytes(version.as_ref(), head).and(record.custom_prompt.clone())
    };
    options.custom_prompt.clone().or_else(kept)
}

impl Pipeline {
    /// The options with the prompt in force, when this was asked for.
    pub(crate) fn with_prompt_in_force(
        &self,
        asked: Option<&str>,
        head: &ObjectMeta,
        options: &Options,
    ) -> Options {
        let of_object = || {
            head.user_metadata
                .get(OBJECT_PROMPT)
                .map(|note| note.trim())
        };
        let configured = self.parts().settings.metadata.custom_prompt.as_str();
        let prompt = asked.or_else(of_object).unwrap_or(configured);
        Options {
            custom_prompt: (!prompt.is_empty()).then(|| prompt.to_owned()),
            ..options.clone()
        }
    }
}
