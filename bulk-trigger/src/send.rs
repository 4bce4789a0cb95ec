//! `bulk-trigger send`.

use futures::{StreamExt, TryStreamExt};
use pagemill_events::JobRequest;
use pagemill_queue::transport::{SEND_BATCH_MAX, send_all};
use pagemill_queue::{OutMessage, Queue, SendFailure};
use pagemill_storage::{ObjectStore, RecordStore, SourceKey, shown};

use crate::cli::{Place, Send};
use crate::connect;
use crate::outcome::{Outcome, Stop};
use crate::progress::Progress;
use crate::select::{Filter, Tally, Verdict, verdicts};

/// Batches under way at the same time.
const BATCH_CONCURRENCY: usize = 4;
/// Attempts for a message that is refused by no fault of its own.
const ATTEMPTS: u32 = 5;
/// Failures that are named one by one.
const FAILURES_NAMED: usize = 20;

pub(crate) async fn run(place: &Place, options: &Send) -> Result<Outcome, Stop> {
    let store = connect::bucket(place).await?;
    let layout = connect::layout(&*store, &place.app_config_key).await?;
    let records = RecordStore::new(store.clone(), layout);
    if options.dry_run {
        let listed = list_only(&*store, &records, options, &mut std::io::stdout().lock()).await?;
        eprintln!("{listed}; would send {}", listed.wanted);
        return Ok(Outcome::Done);
    }
    let queue = connect::queue(place).await?;
    let sent = send(&*store, &records, &queue, options).await?;
    sent.report();
    Ok(sent.outcome())
}

/// What `send` did.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    tally: Tally,
    sent: u64,
    failed: Vec<(SourceKey, SendFailure)>,
    /// A whole batch was refused, so the rest was not tried.
    stopped: bool,
}

impl Sent {
    fn outcome(&self) -> Outcome {
        match self.failed.last() {
            None => Outcome::Done,
            Some((_, failure)) if self.stopped && failure.sender_fault => Outcome::Wrong,
            Some(_) if self.stopped => Outcome::Unfinished,
            Some(_) => Outcome::Incomplete,
        }
    }

    fn report(&self) {
        for (source, failure) in self.failed.iter().take(FAILURES_NAMED) {
            eprintln!(
                "not sent: {}: {}",
                shown(source.as_str()),
                shown(&failure.reason)
            );
        }
        if self.failed.len() > FAILURES_NAMED {
            eprintln!("not sent: {} more", self.failed.len() - FAILURES_NAMED);
        }
        if self.stopped {
            eprintln!(
                "stopped: the queue refused a whole batch; what follows in the listing was not tried"
            );
        }
        println!(
            "{}; sent {}, failed {}",
            self.tally,
            self.sent,
            self.failed.len()
        );
    }
}

async fn list_only(
    store: &dyn ObjectStore,
    records: &RecordStore,
    options: &Send,
    output: &mut (impl std::io::Write + ?Sized),
) -> Result<Tally, Stop> {
    let filter = Filter::new(options)?;
    let mut found = verdicts(store, records, &options.prefix, &filter);
    let mut tally = Tally::default();
    while options.limit.is_none_or(|limit| tally.wanted < limit)
        && let Some(verdict) = found.try_next().await?
    {
        tally.count(&verdict);
        if let Verdict::Wanted(source) = verdict
            && writeln!(output, "{}", shown(source.as_str())).is_err()
        {
            // Who reads the output has seen enough.
            break;
        }
    }
    Ok(tally)
}

/// Sends a message for each document that the filters leave. What was listed and not yet sent when an error ends the
/// listing is still sent.
pub(crate) async fn send(
    store: &dyn ObjectStore,
    records: &RecordStore,
    queue: &dyn Queue,
    options: &Send,
) -> Result<Sent, Stop> {
    let filter = Filter::new(options)?;
    let mut found = verdicts(store, records, &options.prefix, &filter);
    let mut progress = Progress::start();
    let mut done = Sent::default();
    let mut under_way = futures::stream::FuturesUnordered::new();
    let mut error = None;
    let mut listing_ended = false;
    while !listing_ended {
        let mut batch = Vec::with_capacity(SEND_BATCH_MAX);
        while batch.len() < SEND_BATCH_MAX {
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
                Err(stop) => {
                    error = Some(stop);
                    listing_ended = true;
                }
            }
            progress.say(|| format!("{}; sent {}", done.tally, done.sent));
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
    progress.finish();
    match error {
        None => Ok(done),
        Some(stop) => {
            done.report();
            Err(stop)
        }
    }
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
    options: &Send,
) -> BatchResults {
    let messages = sources
        .iter()
        .map(|source| message(bucket, source, options))
        .collect();
    let results = send_all(queue, messages, ATTEMPTS).await;
    sources.into_iter().zip(results).collect()
}

fn message(bucket: &str, source: &SourceKey, options: &Send) -> OutMessage {
    let stores: Vec<String> = options
        .target_stores
        .iter()
        .map(|store| store.name().to_owned())
        .collect();
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
