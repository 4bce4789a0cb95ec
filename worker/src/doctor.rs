//! `worker doctor`: everything that the worker needs, one line each, with the remedy where something is wrong.

use std::io::Write as _;
use std::process::ExitCode;

use pagemill_app::doctor::{Check, Level, examine};
use pagemill_storage::shown;
use serde_json::json;

use crate::cli::{self, DoctorArguments};

/// Runs the command.
pub(crate) async fn command(arguments: DoctorArguments) -> anyhow::Result<ExitCode> {
    let mut has_failed = false;
    let mut tell = |check: Check| {
        has_failed |= check.level == Level::Fail;
        let line = line(&check, arguments.json);
        // Whoever closed the pipe has seen enough.
        drop(writeln!(std::io::stdout().lock(), "{line}"));
    };
    examine(arguments.config.as_deref(), &mut tell).await;
    Ok(ExitCode::from(match has_failed {
        true => cli::EXIT_FINDINGS,
        false => cli::EXIT_OK,
    }))
}

fn line(check: &Check, is_json: bool) -> String {
    let Check {
        level,
        area,
        what,
        remedy,
    } = check;
    if is_json {
        return json!({"level": level.name(), "area": area, "what": what, "remedy": remedy})
            .to_string();
    }
    let level = match level {
        Level::Fail => "FAIL",
        other => other.name(),
    };
    let remedy = remedy
        .as_ref()
        .map(|text| format!(": {text}"))
        .unwrap_or_default();
    shown(&format!("{level:<8}{area:<9} {what}{remedy}")).into_owned()
}
