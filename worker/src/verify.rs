//! `worker verify`: an audit of sources, records, objects and points against each other.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use pagemill_app::Environment;
use pagemill_app::verify::{Audit, Checked, Finding, Kind, Options};
use pagemill_storage::shown;
use serde_json::json;

use crate::cli::{self, VerifyArguments};

/// Runs the command.
pub(crate) async fn command(arguments: VerifyArguments) -> anyhow::Result<ExitCode> {
    let minutes = |minutes| Duration::from_secs(minutes * 60);
    let options = Options {
        grace: arguments.grace.map(minutes),
        out: arguments.out,
        input: arguments.input,
        settings: arguments.settings,
        letters: arguments.letters,
    };
    let environment = Environment::read().await?;
    let audit = Audit::open(&options, &environment).await?;
    let mut printer = Printer {
        is_json: arguments.json,
        counts: BTreeMap::new(),
    };
    let (checked, orphans) = audit.run(&mut |finding| printer.finding(&finding)).await?;
    if arguments.delete_orphans {
        let deleted = audit.delete(&orphans).await?;
        printer.deleted(&deleted);
    }
    printer.end(&checked, &audit.skipped());
    Ok(ExitCode::from(match printer.counts.is_empty() {
        true => cli::EXIT_OK,
        false => cli::EXIT_FINDINGS,
    }))
}

/// Shows findings as they come.
struct Printer {
    is_json: bool,
    counts: BTreeMap<Kind, u64>,
}

impl Printer {
    fn finding(&mut self, finding: &Finding) {
        *self.counts.entry(finding.kind).or_default() += 1;
        let line = match self.is_json {
            true => finding.to_json().to_string(),
            false => finding.to_string(),
        };
        say(&line);
    }

    fn deleted(&self, deleted: &[String]) {
        for what in deleted {
            say(&match self.is_json {
                true => json!({"deleted": what}).to_string(),
                false => format!("deleted     {}", shown(what)),
            });
        }
    }

    fn end(&self, checked: &Checked, skipped: &[&str]) {
        if self.is_json {
            let findings: BTreeMap<_, _> = self
                .counts
                .iter()
                .map(|(kind, count)| (kind.name(), count))
                .collect();
            say(&json!({"checked": checked, "findings": findings, "skipped": skipped}).to_string());
            return;
        }
        for what in skipped {
            say(&format!("not checked: {what}"));
        }
        let Checked {
            sources,
            records,
            objects,
            points,
            at_work,
            failed,
        } = checked;
        let total: u64 = self.counts.values().sum();
        say(&format!(
            "{total} findings in {records} records ({failed} failed for good, {at_work} changed just now and left out), {sources} sources, {objects} objects, {points} points"
        ));
    }
}

fn say(line: &str) {
    // Whoever closed the pipe has seen enough; the exit code still says it all.
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}
