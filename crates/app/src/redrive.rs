//! Brings dead letters back: receive from the dead-letter queue, send to the queue, delete.
//!
//! SQS can move messages by itself (`StartMessageMoveTask`), but not by reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use pagemill_events::{Event, JobRequest, parse};
use pagemill_queue::settle::attribute;
use pagemill_queue::{Ask, End, Message, OutMessage, Queue, Receipt, send_all};

use crate::error::Error;

/// How long a message that was looked at stays hidden, at most.
const HOLD: Duration = Duration::from_secs(15 * 60);
/// A poll this long asks every server of the queue, so that two empty ones mean an empty queue.
const WAIT: Duration = Duration::from_secs(2);
const EMPTY_POLLS: u32 = 2;
const ATTEMPTS: u32 = 5;
const RELEASE_CONCURRENCY: usize = 8;
/// What messages without a reason are called.
const NO_REASON: &str = "none";

/// Which dead letters, and how they come back.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only messages with one of these reason codes; `none` is those without a reason. Empty: all.
    pub reasons: Vec<String>,
    /// Whether nothing is moved, and only counted.
    pub dry_run: bool,
    /// At most so many messages.
    pub max: Option<u64>,
    /// Whether a forced run is asked for.
    pub force: bool,
    /// How long a poll waits for messages.
    pub wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reasons: Vec::new(),
            dry_run: false,
            max: None,
            force: false,
            wait: WAIT,
        }
    }
}

/// What was brought back.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Messages looked at, by reason.
    pub seen: BTreeMap<String, u64>,
    /// Messages that the filter chose.
    pub chosen: u64,
    /// Messages that are in the workers' queue now.
    pub moved: u64,
    /// Messages that the queue did not take; they are still dead letters.
    pub failed: u64,
    /// Messages that were moved and are still in the dead-letter queue as well.
    pub undeleted: u64,
}

impl Redriven {
    /// Messages looked at.
    pub fn looked_at(&self) -> u64 {
        self.seen.values().sum()
    }
}

/// Moves what the options choose from one queue to the other, and tells after each batch how far it is.
///
/// # Errors
/// When the dead-letter queue can't be received from. What was moved by then is in the workers' queue.
pub async fn redrive(
    dead_letters: &dyn Queue,
    queue: &dyn Queue,
    options: &Options,
    tell: &mut (dyn FnMut(&Redriven) + Send),
) -> Result<Redriven, Error> {
    let mut done = Redriven::default();
    let mut held = Vec::new();
    let walked = walk(dead_letters, queue, options, tell, &mut done, &mut held).await;
    release(dead_letters, held).await;
    walked.map(|()| done)
}

async fn walk(
    dead_letters: &dyn Queue,
    queue: &dyn Queue,
    options: &Options,
    tell: &mut (dyn FnMut(&Redriven) + Send),
    done: &mut Redriven,
    held: &mut Vec<Receipt>,
) -> Result<(), Error> {
    let mut known = BTreeSet::new();
    let mut empty_polls = 0;
    while empty_polls < EMPTY_POLLS && options.max.is_none_or(|max| done.chosen < max) {
        let messages = dead_letters
            .receive(Ask {
                most: dead_letters.capabilities().limits.receive,
                wait: options.wait,
                hold: HOLD,
            })
            .await?;
        let mut chosen = Vec::new();
        let mut is_news = false;
        for message in messages {
            // One that comes again had its hold run out: the whole queue was seen.
            let is_first_time = known.insert(message.id.clone());
            is_news |= is_first_time;
            let has_room = options.max.is_none_or(|max| done.chosen < max);
            if !is_first_time || !has_room {
                held.push(message.receipt);
                continue;
            }
            let reason = reason_of(&message).to_owned();
            let is_chosen = options.reasons.is_empty() || options.reasons.contains(&reason);
            *done.seen.entry(reason).or_default() += 1;
            if is_chosen {
                done.chosen += 1;
            }
            if is_chosen && !options.dry_run {
                chosen.push(message);
            } else {
                held.push(message.receipt);
            }
        }
        empty_polls = if is_news { 0 } else { empty_polls + 1 };
        move_batch(dead_letters, queue, options, chosen, done, held).await;
        tell(done);
    }
    Ok(())
}

fn reason_of(message: &Message) -> &str {
    message
        .attributes
        .get(attribute::REASON)
        .map_or(NO_REASON, String::as_str)
}

/// Sends first and deletes after: what fails in between comes twice, and nothing is lost.
async fn move_batch(
    dead_letters: &dyn Queue,
    queue: &dyn Queue,
    options: &Options,
    messages: Vec<Message>,
    done: &mut Redriven,
    held: &mut Vec<Receipt>,
) {
    for message in messages {
        let outgoing = outgoing(&message, options.force);
        let results = send_all(queue, outgoing, ATTEMPTS).await;
        if let Some(failure) = results.iter().find_map(|result| result.as_ref().err()) {
            tracing::warn!(message = message.id, reason = %failure, "not returned");
            done.failed += 1;
            held.push(message.receipt);
            continue;
        }
        done.moved += 1;
        if let Err(error) = dead_letters.settle(&message.receipt, &End::Done).await {
            tracing::warn!(message = message.id, %error, "returned, but not deleted");
            done.undeleted += 1;
        }
    }
}

/// The same body, without what the last failure said. When forced, a request of our own for each of its jobs.
fn outgoing(message: &Message, force: bool) -> Vec<OutMessage> {
    let forced = force.then(|| forced_requests(&message.body)).flatten();
    if let Some(requests) = forced {
        return requests
            .iter()
            .map(|request| OutMessage::new(request.to_json()))
            .collect();
    }
    let of_the_failure = [
        attribute::REASON,
        attribute::STAGE,
        attribute::PAGE,
        attribute::MESSAGE,
        attribute::ATTEMPTS,
        attribute::BUILD,
    ];
    let mut attributes = message.attributes.clone();
    attributes.retain(|name, _| !of_the_failure.contains(&name.as_str()));
    vec![OutMessage {
        body: message.body.clone(),
        attributes,
        delay: None,
    }]
}

/// `None` when the body asks for anything but jobs: then it goes as it is.
fn forced_requests(body: &str) -> Option<Vec<JobRequest>> {
    let requests: Option<Vec<JobRequest>> = parse(body)
        .into_iter()
        .map(|event| match event {
            Event::Job(job) => Some(JobRequest {
                target_stores: job.target_stores,
                force: true,
                reason: job.reason.or_else(|| Some("redrive".into())),
                trace_id: job.trace_id,
                custom_prompt: job.custom_prompt,
                ..JobRequest::new(job.bucket, job.key)
            }),
            _ => None,
        })
        .collect();
    requests.filter(|requests| !requests.is_empty())
}

async fn release(dead_letters: &dyn Queue, receipts: Vec<Receipt>) {
    futures::stream::iter(receipts)
        .for_each_concurrent(RELEASE_CONCURRENCY, |receipt| async move {
            if let Err(error) = dead_letters.settle(&receipt, &End::Release).await {
                tracing::debug!(%error, "a message that was left stays hidden until its hold ends");
            }
        })
        .await;
}

#[cfg(test)]
mod tests;
