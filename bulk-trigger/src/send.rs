//! `bulk-trigger send`.

use std::io::Write as _;

use pagemill_app::send::{Options, Sent, list, send};
use pagemill_app::{Error, adapters};
use pagemill_storage::{RecordStore, SourceKey, shown};

use crate::cli::{Send, StackArguments};
use crate::connect;
use crate::exit::Exit;
use crate::progress::Progress;

/// Failures that are named one by one.
const FAILURES_NAMED: usize = 20;

pub(crate) async fn run(stack: &StackArguments, arguments: Send) -> Result<Exit, Error> {
    let is_dry_run = arguments.dry_run;
    let options = options(arguments);
    let store = connect::bucket(stack).await?;
    let layout = adapters::layout(&*store, &stack.app_config_key).await?;
    let records = RecordStore::new(store.clone(), layout);
    if is_dry_run {
        // Who reads the output may have seen enough.
        let mut say = |source: &SourceKey| {
            writeln!(std::io::stdout().lock(), "{}", shown(source.as_str())).is_ok()
        };
        let listed = list(&*store, &records, &options, &mut say).await?;
        eprintln!("{listed}; would send {}", listed.wanted);
        return Ok(Exit::Done);
    }
    let queue = connect::queue(stack).await?;
    let mut progress = Progress::start();
    let mut tell = |sent: &Sent| progress.say(|| format!("{}; sent {}", sent.tally, sent.sent));
    let mut sent = send(&*store, &records, &queue, &options, &mut tell).await;
    progress.finish();
    let error = sent.error.take();
    // What could not be listed at all was not sent in part either.
    if error.is_none() || sent.tally.listed > 0 {
        report(&sent);
    }
    match error {
        Some(error) => Err(error),
        None => Ok(outcome(&sent)),
    }
}

fn options(arguments: Send) -> Options {
    Options {
        prefix: arguments.prefix,
        only_new: arguments.only_new,
        failed: arguments.failed,
        since: arguments.since,
        globs: arguments.glob,
        limit: arguments.limit,
        target_stores: arguments.target_stores,
        prompt: arguments.prompt,
        force: arguments.force,
        reason: arguments.reason,
    }
}

fn outcome(sent: &Sent) -> Exit {
    match sent.failed.last() {
        None => Exit::Done,
        Some((_, failure)) if sent.stopped && failure.sender_fault => Exit::Wrong,
        Some(_) if sent.stopped => Exit::Unfinished,
        Some(_) => Exit::Incomplete,
    }
}

fn report(sent: &Sent) {
    for (source, failure) in sent.failed.iter().take(FAILURES_NAMED) {
        eprintln!(
            "not sent: {}: {}",
            shown(source.as_str()),
            shown(&failure.reason)
        );
    }
    if sent.failed.len() > FAILURES_NAMED {
        eprintln!("not sent: {} more", sent.failed.len() - FAILURES_NAMED);
    }
    if sent.stopped {
        eprintln!(
            "stopped: the queue refused a whole batch; what follows in the listing was not tried"
        );
    }
    println!(
        "{}; sent {}, failed {}",
        sent.tally,
        sent.sent,
        sent.failed.len()
    );
}

#[cfg(test)]
mod tests {
    use pagemill_queue::SendFailure;

    use super::*;

    #[test]
    fn what_was_not_sent_decides_the_exit_code() {
        let sent = |stopped, sender_fault| Sent {
            stopped,
            failed: vec![(
                SourceKey("source-pdfs/a.pdf".into()),
                SendFailure {
                    code: "x".into(),
                    reason: "why".into(),
                    sender_fault,
                },
            )],
            ..Sent::default()
        };
        assert_eq!(outcome(&Sent::default()), Exit::Done);
        assert_eq!(outcome(&sent(false, true)), Exit::Incomplete);
        assert_eq!(outcome(&sent(true, true)), Exit::Wrong);
        assert_eq!(outcome(&sent(true, false)), Exit::Unfinished);
    }
}
