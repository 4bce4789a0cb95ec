//! The table: every metric with its name, unit, dimension and meaning.

/// A unit, as CloudWatch names it (`MetricDatum`, `Unit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    Count,
    Milliseconds,
    Bytes,
    /// No unit of CloudWatch's; the meaning says which.
    None,
}

impl Unit {
    /// Its name in CloudWatch.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Bytes => "Bytes",
            Self::None => "None",
        }
    }
}

/// What is known of a metric.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) metric: Metric,
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// Whether amounts are added up; else each value is kept.
    pub(crate) is_sum: bool,
    pub(crate) dimension: Option<&'static str>,
    pub(crate) meaning: &'static str,
}

macro_rules! metrics {
    ($($name:ident: $kind:ident $unit:ident $(by $dimension:ident)?, $meaning:literal;)*) => {
        /// Every metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Metric {
            $(#[doc = $meaning] $name,)*
        }

        impl Metric {
            /// The definitions, in the order of the enumeration.
            pub(crate) const ALL: &'static [Definition] = &[$(Definition {
                metric: Metric::$name,
                name: stringify!($name),
                unit: Unit::$unit,
                is_sum: metrics!(@$kind),
                dimension: metrics!(@dimension $($dimension)?),
                meaning: $meaning,
            },)*];

            /// Its definition.
            pub(crate) fn definition(self) -> &'static Definition {
                let definition = &Self::ALL[self as usize];
                debug_assert_eq!(definition.metric, self, "the table is in the order of the enumeration");
                definition
            }
        }
    };
    (@sum) => { true };
    (@values) => { false };
    (@dimension) => { None };
    (@dimension $dimension:ident) => { Some(stringify!($dimension)) };
}

metrics! {
    DocumentsEnded: sum Count by Outcome, "Documents (events) that came to an end of their run: `processed`, `partial` (some pages are missing), `unchanged`, `superseded`, `removed`, `failed` (for good), `put_off` (a service did not answer), `configuration` (a setting is wrong), `internal_error` (the program panicked, and it is tried again), `conflict` (another worker had it), `released` (shutdown), `lease_lost`, `ignored` (nothing to do), `rejected` (can't be read).";
    DocumentsFailed: sum Count by Reason, "Documents that can never be processed as they are, by reason code (docs/RUNBOOK.md).";
    DocumentTime: values Milliseconds, "Time from the beginning of a document's run to its end, for documents that were processed.";
    StageTime: values Milliseconds by Stage, "Time that a document spent in a stage. `pages` includes reading text and links, as one visit to a page gives all.";
    PagesProcessed: sum Count, "Pages of documents that were processed, failed ones included.";
    PagesFailed: sum Count by Reason, "Pages that are missing from a processed document, by reason code.";
    PagesNeedOcr: sum Count, "Pages of processed documents with content but no text layer.";
    ChunksIndexed: sum Count, "Chunks of documents whose index stage ran.";
    SourceBytes: sum Bytes, "Size of the sources that were processed.";
    ImageBytes: sum Bytes, "Page images and thumbnails written.";
    QueueLag: values Milliseconds, "Time from the sending of a message to its first receipt. Messages received again are left out: their age says nothing about the queue.";
    MessageAge: values Milliseconds, "Time from the sending of a message to its end: deleted or dead-lettered.";
    MessagesReceived: sum Count, "Messages received, also those received again.";
    MessagesReceivedAgain: sum Count, "Messages received a second time or more often: after a failure, a release or a worker's death.";
    MessagesSettled: sum Count by Result, "How messages were settled: `deleted`, `dead_lettered`, `delayed` (tried again later), `released` (visible at once), `left` (no longer ours), `error` (the queue did not answer).";
    DeadLetters: sum Count by Reason, "Messages sent to the dead-letter queue by the worker, by reason code. What the queue's own redrive policy moves is not seen here.";
    LeasesLost: sum Count by Code, "Leases that were lost: `expired` (this worker did not run, or no renewal succeeded), `taken` (the queue gave the message to somebody else), `stalled` (the job made no progress), `too_long`.";
    RenewalsFailed: sum Count, "Renewals of leases that failed; each is tried again while the lease lives.";
    Deaths: sum Count, "Runs that found that an earlier worker had died in the same document.";
    RendererDeaths: sum Count, "Renderer processes that crashed, ran out of memory or time. Each costs a page at most.";
    BreakerOpen: values None by Dependency, "1 while the breaker of a dependency is open and intake pauses for it, else 0.";
    PollAge: values Milliseconds, "Age of the last completed poll; 0 while the worker does not poll on purpose.";
    HeartbeatLate: values Milliseconds, "How late the heartbeat thread is: about a second when all is well.";
    SlotsBusy: values Count, "Messages at work in a worker.";
    SlotsFree: values Count, "Messages that a worker could take besides. With a queue that grows and no free slots, more workers help.";
    PaidCalls: sum Count by Stage, "Answered calls of an LLM (`predict`) or an embeddings endpoint (`index`), counted when the answer comes: also where it is of no use, or its document fails.";
    FailedCalls: sum Count by Outcome, "Calls of such a service without an answer: `rejected` (it said an error), `lost` (nothing came). Most are tried again.";
    BudgetReached: sum Count by Budget, "Calls that were not made because a budget did not allow them: `document` or `day`. Above 0, documents go without the model or wait (`budget.on_reached`).";
    PaidInputTokens: sum Count by Stage, "Tokens that models read, as their server counts them.";
    PaidOutputTokens: sum Count by Stage, "Tokens that models wrote, as their server counts them.";
    PaidMicroUsd: sum None by Stage, "Cost of these calls in millionths of a US dollar, of those whose price is known.";
    PaidCallsUnpriced: sum Count by Stage, "Of these calls, those whose price is not known: `prices` of the tunables lacks the model, or the server did not say what was used.";
}
