//! Asks the workers for many documents: one message for each PDF that the filters leave.

mod select;

use futures::{StreamExt, TryStreamExt};
use globset::Glob;
use jiff::Timestamp;
use pagemill_events::JobRequest;
use pagemill_index::TargetStore;
use pagemill_queue::{OutMessage, Queue, SendFailure, send_all};
use pagemill_storage::{ObjectStore, RecordStore, SourceKey};

pub use self::select::Tally;
use self::select::{Filter, Verdict, verdicts};
use crate::error::Error;

/// Batches under way at the same time.
const BATCH_CONCURRENCY: usize = 4;
/// Attempts for a message that is refused by no fault of its own.
const ATTEMPTS: u32 = 5;

/// Which documents, and what is asked for them.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only keys that start with this. A prefix outside the source prefix is taken as below it.
    pub prefix: String,
    /// Only documents without a record, with an unfinished or failed one, or changed since their record.
    pub only_new: bool,
    /// Only documents whose record says failed.
    pub failed: bool,
    /// Only sources written at or after this.
    pub since: Option<Timestamp>,
    /// Only paths below the source prefix that match one of these; none: all.
    pub globs: Vec<Glob>,
    /// At most so many messages.
    pub limit: Option<u64>,
    /// Vector stores to fill; none: the workers' setting.
    pub target_stores: Vec<TargetStore>,
    /// What the LLM is told about these documents beside the configured prompts.
    pub prompt: Option<String>,
    /// Whether even what is unchanged is processed again.
    pub force: bool,
    /// Why, for the workers' logs.
    pub reason: String,
}

/// What was sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// What the filters did.
    pub tally: Tally,
    /// Messages that the queue took.
    pub sent: u64,
    /// Messages that it did not take, and why.
    pub failed: Vec<(SourceKey, SendFailure)>,
    /// Whether a whole batch was refused, so that the rest was not tried.
    pub stopped: bool,
    /// Why the listing ended early.
    pub error: Option<Error>,
}

/// Tells each document that [`send`] would ask for, until `tell` returns false.
///
/// # Errors
/// When the filters can't be used, or the bucket does not answer.
pub async fn list(
    store: &dyn ObjectStore,
    records: &RecordStore,
    options: &Options,
    tell: &mut (dyn FnMut(&SourceKey) -> bool + Send),
) -> Result<Tally, Error> {
    let filter = Filter::new(options)?;
    let mut found = verdicts(store, records, &options.prefix, &filter);
    let mut tally = Tally::default();
    while options.limit.is_none_or(|limit| tally.wanted < limit)
        && let Some(verdict) = found.try_next().await?
    {
        tally.count(&verdict);
        if let Verdict::Wanted(source) = verdict
            && !tell(&source)
        {
            break;
        }
    }
    Ok(tally)
}

/// Sends a message for each document that the filters leave, and tells after each how far it is. What was listed and
/// not yet sent when an error ends the listing is still sent.
pub async fn send(
    store: &dyn ObjectStore,
    records: &RecordStore,
    queue: &dyn Queue,
    options: &Options,
    tell: &mut (dyn FnMut(&Sent) + Send),
) -> Sent {
    let most = queue.capabilities().limits.send;
    let mut done = Sent::default();
    let filter = match Filter::new(options) {
        Ok(filter) => filter,
        Err(error) => {
            done.error = Some(error);
            return done;
        }
    };
    let mut found = verdicts(store, records, &options.prefix, &filter);
    let mut under_way = futures::stream::FuturesUnordered::new();
    let mut listing_ended = false;
    while !listing_ended {
        let mut batch = Vec::with_capacity(most);
        while batch.len() < most {
            let is_enough = options
                .limit
                .is_some_and(|limit| done.tally.wanted >= limit);
            let next = if is_enough {
                Ok(None)
            } else {
                found.try_next().await
            };
            match next {
                Ok(Some(verdict)) => {
                    done.tally.count(&verdict);
                    if let Verdict::Wanted(source) = verdict {
                        batch.push(source);
                    }
                }
                Ok(None) => listing_ended = true,
                Err(error) => {
                    done.error = Some(error);
                    listing_ended = true;
                }
            }
            tell(&done);
            if listing_ended {
                break;
            }
        }
        if !batch.is_empty() {
            under_way.push(send_batch(store.name(), queue, batch, options));
        }
        while under_way.len() >= BATCH_CONCURRENCY || (listing_ended && !under_way.is_empty()) {
            if let Some(results) = under_way.next().await {
                done.take(results);
            }
        }
        listing_ended |= done.stopped;
    }
    while let Some(results) = under_way.next().await {
        done.take(results);
    }
    done
}

type BatchResults = Vec<(SourceKey, Result<(), SendFailure>)>;

impl Sent {
    fn take(&mut self, results: BatchResults) {
        self.stopped |= results.iter().all(|(_, result)| result.is_err());
        for (source, result) in results {
            match result {
                Ok(()) => self.sent += 1,
                Err(failure) => self.failed.push((source, failure)),
            }
        }
    }
}

async fn send_batch(
    bucket: &str,
    queue: &dyn Queue,
    sources: Vec<SourceKey>,
    options: &Options,
) -> BatchResults {
    let messages = sources
        .iter()
        .map(|source| message(bucket, source, options))
        .collect();
    let results = send_all(queue, messages, ATTEMPTS).await;
    sources.into_iter().zip(results).collect()
}

fn message(bucket: &str, source: &SourceKey, options: &Options) -> OutMessage {
    let stores = options.target_stores.iter();
    let stores: Vec<String> = stores.map(|store| store.name().to_owned()).collect();
    let request = JobRequest {
        target_stores: (!stores.is_empty()).then_some(stores),
        force: options.force,
        custom_prompt: options.prompt.clone(),
        reason: Some(options.reason.clone()).filter(|reason| !reason.is_empty()),
        trace_id: Some(uuid::Uuid::now_v7().to_string()),
        ..JobRequest::new(bucket, source.as_str())
    };
    OutMessage::new(request.to_json())
}

#[cfg(test)]
mod tests;
