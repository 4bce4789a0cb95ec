//! Every reason code that the program gives, in one place: what it means and what to do.
//!
//! `worker replay` explains a dead letter with it, docs/RUNBOOK.md has a section for each, and tests hold all three
//! together: the code, this table and the runbook.

/// Where a code appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// On a dead letter and in a failed record: the document or the message can't be processed as it is.
    Failed,
    /// On a page of a document that was processed without it.
    Page,
    /// In a log line: the message comes back, and the document is not at fault.
    PutOff,
    /// On a lease that was lost.
    Lease,
    /// On a call to the queue.
    Queue,
    /// On an event that needs no work.
    Ignored,
}

/// What is known of one code.
#[derive(Debug)]
pub struct Reason {
    /// As records, dead letters and logs have it.
    pub code: &'static str,
    /// Where it appears.
    pub kind: Kind,
    /// A sentence without its full stop.
    pub meaning: &'static str,
    /// A sentence without its full stop.
    pub remedy: &'static str,
}

const fn reason(
    kind: Kind,
    code: &'static str,
    meaning: &'static str,
    remedy: &'static str,
) -> Reason {
    Reason {
        code,
        kind,
        meaning,
        remedy,
    }
}

/// All of them.
pub const REASONS: &[Reason] = &[
    reason(
        Kind::Failed,
        "empty",
        "the file has no bytes",
        "Upload it again; the upload was cut off",
    ),
    reason(
        Kind::Failed,
        "not_a_pdf",
        "the file has no PDF header, and nothing else of a PDF",
        "Look at what it is; upload the PDF, or delete it",
    ),
    reason(
        Kind::Failed,
        "encrypted",
        "the file needs a password that is not known",
        "Add its password to `passwords` in the tunables, then redrive",
    ),
    reason(
        Kind::Failed,
        "unsupported_encryption",
        "the file is encrypted in a way that neither reader knows, for certificates for one",
        "Upload it without encryption",
    ),
    reason(
        Kind::Failed,
        "corrupt",
        "the file can't be opened, also not by repair",
        "Upload a whole copy",
    ),
    reason(
        Kind::Failed,
        "over_limit",
        "the file is larger than a limit of the settings",
        "Raise the limit that the message names if the file is meant, then redrive",
    ),
    reason(
        Kind::Failed,
        "poison",
        "every renderer process dies of this file",
        "Keep the file for its maker; raise `limits.child_memory_mib` or the time-outs if it died of those",
    ),
    reason(
        Kind::Failed,
        "no_page_survived",
        "the file opens, and none of its pages could be processed",
        "Look at the page reasons in the message; treat it as `corrupt` or `poison`",
    ),
    reason(
        Kind::Failed,
        "worker_died",
        "workers died in the same stage of this document again and again",
        "Run it with `worker replay` and watch memory; raise the task's memory, or lower PAGEMILL_CHILDREN",
    ),
    reason(
        Kind::Failed,
        "internal_error",
        "Pagemill itself failed at this document, at the place that the message names",
        "Report the place and the build, which hold nothing of the document; deploy a build without the fault, then redrive",
    ),
    reason(
        Kind::Failed,
        "missing_source",
        "the source was gone when its message was worked on",
        "Nothing, if it was deleted or moved; else upload it again",
    ),
    reason(
        Kind::Failed,
        "missing_object",
        "an object that the run needs was gone",
        "Run `worker verify`, then redrive",
    ),
    reason(
        Kind::Failed,
        "bad_key",
        "the store can't hold the document's key",
        "Upload it under a plain name",
    ),
    reason(
        Kind::Failed,
        "unreadable_record",
        "the document's record is no record of this build",
        "Restore an older version of the record, or delete it, then redrive",
    ),
    reason(
        Kind::Failed,
        "custom_prompt_too_long",
        "the document's custom prompt is longer than 4,096 bytes, or leaves its text no room in the model's input",
        "Send a request with a shorter one, or raise `metadata.max_input_tokens` and redrive",
    ),
    reason(
        Kind::Failed,
        "stage_fault",
        "an added stage does what its row in the graph does not say",
        "Mend the stage's row or its code, raise its `code_version`, then redrive",
    ),
    reason(
        Kind::Failed,
        "rejected",
        "the vector store or the embedder says that the request is wrong",
        "Read the message; it is a fault of Pagemill or of the service's version",
    ),
    reason(
        Kind::Failed,
        "not_json",
        "the message's body is not JSON",
        "Find out who sent it",
    ),
    reason(
        Kind::Failed,
        "unknown_envelope",
        "the message is of no kind that the worker knows",
        "Find out who sent it; confirm or remove an SNS subscription that waits",
    ),
    reason(
        Kind::Failed,
        "malformed_envelope",
        "the message is of a known kind and lacks something",
        "Find out who sent it; if it was AWS, keep it for a bug report",
    ),
    reason(
        Kind::Failed,
        "key_not_utf8",
        "the object's key is not UTF-8",
        "Upload it under a name that is",
    ),
    reason(
        Kind::Failed,
        "unknown_version",
        "the message is of a newer bulk-trigger",
        "Deploy the worker of the same build, then redrive",
    ),
    reason(
        Kind::Failed,
        "other_bucket",
        "the message is about a bucket that this worker does not serve",
        "Correct the notification that sent it",
    ),
    reason(
        Kind::Failed,
        "unknown_target_store",
        "the message asks for a vector store that does not exist",
        "Send it again with pages, semantic or haystack",
    ),
    reason(
        Kind::Page,
        "crashed",
        "the page crashed its renderer twice",
        "The rest of the document is in place; keep the file for a bug report",
    ),
    reason(
        Kind::Page,
        "timed_out",
        "the page took longer than a page may",
        "Raise `limits.page_timeout_seconds` if the page is worth it, and force the document",
    ),
    reason(
        Kind::Page,
        "out_of_memory",
        "the page needs more memory than a renderer has",
        "Raise `limits.child_memory_mib` if the page is worth it, and force the document",
    ),
    reason(
        Kind::Page,
        "unreadable",
        "the library can't load the page",
        "Upload a whole copy, if there is one",
    ),
    reason(
        Kind::Page,
        "out_of_time",
        "the time of the whole document was over before the page was begun",
        "Raise `limits.document_timeout_seconds` if the document is worth it, and force it",
    ),
    reason(
        Kind::Page,
        "not_tried",
        "too many other pages of the document ended their renderers",
        "Look at those pages; raise `limits.max_page_deaths` if the rest is worth it, and force the document",
    ),
    reason(
        Kind::Page,
        "killed_the_worker",
        "a worker died at this page, so that later runs leave it out",
        "Run the document with `worker replay` where a death does no harm",
    ),
    reason(
        Kind::PutOff,
        "transient",
        "a service did not answer",
        "Look at the service that the message names",
    ),
    reason(
        Kind::PutOff,
        "configuration",
        "a setting or a permission is wrong, and no document passes",
        "Run `worker doctor`",
    ),
    reason(
        Kind::PutOff,
        "conflict",
        "another worker has the document",
        "Nothing",
    ),
    reason(
        Kind::PutOff,
        "stopped",
        "the worker was shutting down",
        "Nothing",
    ),
    reason(
        Kind::PutOff,
        "lease_lost",
        "the message was no longer this worker's",
        "See the lease codes",
    ),
    reason(
        Kind::PutOff,
        "engine",
        "the PDF engine does not work on this machine",
        "Run `worker doctor`; the image lacks libpdfium, or the machine has no memory or descriptors left",
    ),
    reason(
        Kind::PutOff,
        "llm_unavailable",
        "the LLM does not answer",
        "Look at the LLM; nothing is lost meanwhile",
    ),
    reason(
        Kind::PutOff,
        "llm_refused",
        "the LLM refuses the key, the model or the quota",
        "Correct LLM_API_KEY, `metadata.model` or the quota",
    ),
    reason(
        Kind::PutOff,
        "metadata_configuration",
        "the metadata settings contradict each other",
        "Correct `metadata` in the tunables",
    ),
    reason(
        Kind::PutOff,
        "unavailable",
        "the vector store or the embedder does not answer",
        "Look at it; nothing is lost meanwhile",
    ),
    reason(
        Kind::PutOff,
        "throttled",
        "the vector store or the embedder asks for fewer calls",
        "Lower the number of workers, or raise the service's limit",
    ),
    reason(
        Kind::PutOff,
        "refused",
        "the vector store or the embedder refuses the key",
        "Correct QDRANT_API_KEY or EMBEDDINGS_API_KEY",
    ),
    reason(
        Kind::PutOff,
        "wrong_vector_size",
        "the collection was made for another embedder",
        "Set the embedder back, or name another collection and index again",
    ),
    reason(
        Kind::PutOff,
        "wrong_layout",
        "the collection was not made by Pagemill",
        "Name another collection",
    ),
    reason(
        Kind::PutOff,
        "wrong_embedding",
        "the embedder's vectors have another size than configured",
        "Correct `index.embedder.dimensions`",
    ),
    reason(
        Kind::PutOff,
        "model_missing",
        "a model's file is not there",
        "Use the whole image, or run scripts/setup",
    ),
    reason(
        Kind::PutOff,
        "model_invalid",
        "a model's file can't be used",
        "Use the whole image, or run scripts/setup",
    ),
    reason(
        Kind::PutOff,
        "not_built",
        "the settings ask for a part that this program was built without",
        "Build the program with the feature that the message names, or with the default features; or change the setting",
    ),
    reason(
        Kind::PutOff,
        "store_locked",
        "another process has the embedded vector store open",
        "Run one worker for each embedded store, or use a Qdrant server",
    ),
    reason(
        Kind::PutOff,
        "store_engine",
        "the embedded vector store can't read or write its files",
        "Look at the disk",
    ),
    reason(
        Kind::PutOff,
        "settings",
        "a setting of the index makes no sense",
        "Correct `index` in the tunables",
    ),
    reason(
        Kind::PutOff,
        "not_permitted",
        "the lease ended while points were written, or a paid call could not be recorded",
        "See the lease codes, or the log line of the call",
    ),
    reason(
        Kind::Lease,
        "expired",
        "no renewal succeeded in time, or this worker did not run",
        "Look for frozen or starved machines and for errors of the queue",
    ),
    reason(
        Kind::Lease,
        "taken",
        "the queue gave the message to somebody else",
        "Nothing, if it is rare; else as `expired`",
    ),
    reason(
        Kind::Lease,
        "stalled",
        "the job made no progress for ten minutes",
        "Look at the document and at the service that its stage calls",
    ),
    reason(
        Kind::Lease,
        "too_long",
        "the job took longer than a message may be held",
        "Split the document, or give the worker more processors",
    ),
    reason(
        Kind::Queue,
        "unavailable",
        "the queue did not answer",
        "Nothing, if it is rare; the worker tries again",
    ),
    reason(
        Kind::Queue,
        "throttled",
        "too many calls, or too many messages in flight",
        "See the alarm about messages in flight",
    ),
    reason(
        Kind::Queue,
        "no_queue",
        "there is no such queue",
        "Correct SQS_QUEUE_URL or SQS_DLQ_URL",
    ),
    reason(
        Kind::Queue,
        "denied",
        "the task's role may not do this",
        "Correct the role; `worker doctor` says which permission",
    ),
    reason(
        Kind::Queue,
        "stale_receipt",
        "the message is no longer this worker's",
        "Nothing; its next receiver goes on",
    ),
    reason(
        Kind::Queue,
        "letter_sent",
        "the dead letter is sent, and the message could not be deleted",
        "Nothing; the worker tries again, and the letter may come twice",
    ),
    reason(
        Kind::Queue,
        "invalid",
        "the call itself is wrong",
        "Keep the log for a bug report",
    ),
    reason(
        Kind::Ignored,
        "test_event",
        "S3 sends it when a notification is configured",
        "Nothing",
    ),
    reason(
        Kind::Ignored,
        "other_event",
        "the event neither creates nor removes an object",
        "Nothing; narrow the notification to ObjectCreated and ObjectRemoved",
    ),
];

/// What is known of a code on a document, a message or a run.
pub fn of(code: &str) -> Option<&'static Reason> {
    find(code, &[Kind::Failed, Kind::PutOff])
}

/// What is known of a code on a page.
pub fn of_page(code: &str) -> Option<&'static Reason> {
    find(code, &[Kind::Page])
}

fn find(code: &str, kinds: &[Kind]) -> Option<&'static Reason> {
    REASONS
        .iter()
        .find(|reason| reason.code == code && kinds.contains(&reason.kind))
}

#[cfg(test)]
mod tests;
