//! `bulk-trigger redrive`.

use pagemill_app::Error;
use pagemill_app::redrive::{Options, Redriven, redrive};
use pagemill_storage::shown;

use crate::cli::{Redrive, StackArguments};
use crate::connect;
use crate::exit::Exit;
use crate::progress::Progress;

pub(crate) async fn run(stack: &StackArguments, arguments: Redrive) -> Result<Exit, Error> {
    let options = Options {
        reasons: arguments.reason,
        dry_run: arguments.dry_run,
        max: arguments.max,
        force: arguments.force,
        ..Options::default()
    };
    let queue = connect::queue(stack).await?;
    let dead_letters = connect::dead_letters(stack, &queue).await?;
    let mut progress = Progress::start();
    let mut tell = |so_far: &Redriven| {
        progress.say(|| format!("seen {}, returned {}", so_far.looked_at(), so_far.moved));
    };
    let redriven = redrive(&dead_letters, &queue, &options, &mut tell).await;
    progress.finish();
    let redriven = redriven?;
    report(&redriven, options.dry_run);
    Ok(match redriven.failed == 0 && redriven.undeleted == 0 {
        true => Exit::Done,
        false => Exit::Incomplete,
    })
}

fn report(redriven: &Redriven, is_dry_run: bool) {
    for (reason, count) in &redriven.seen {
        println!("{count:>8} {}", shown(reason));
    }
    let seen = redriven.looked_at();
    if is_dry_run {
        println!("seen {seen}; would return {}", redriven.chosen);
        return;
    }
    println!(
        "seen {seen}; returned {}, failed {}",
        redriven.moved, redriven.failed
    );
    if redriven.undeleted > 0 {
        eprintln!(
            "{} were returned and could not be deleted from the dead-letter queue: they will come again",
            redriven.undeleted
        );
    }
}
