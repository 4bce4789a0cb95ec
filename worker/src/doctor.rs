//! `worker doctor`: everything that the worker needs, one line each, with the remedy where something is wrong.
//!
//! No probe leaves anything behind, takes a message away or costs anything.

mod bucket;
mod machine;
mod queue;
mod services;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use pagemill_pipeline::Settings;
use pagemill_storage::shown;
use serde_json::json;

use crate::assemble;
use crate::cli::{self, DoctorArguments};
use crate::environment::Environment;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    /// Works, but not as it should.
    Warn,
    /// The worker can't work so.
    Fail,
    /// Not looked at, and why.
    Skip,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
            Self::Skip => "skipped",
        }
    }
}

/// Shows checks as they come.
struct Report {
    is_json: bool,
    has_failed: bool,
}

impl Report {
    fn ok(&mut self, area: &str, what: impl Into<String>) {
        self.show(Level::Ok, area, &what.into(), None);
    }

    fn warn(&mut self, area: &str, what: impl Into<String>, remedy: &str) {
        self.show(Level::Warn, area, &what.into(), Some(remedy));
    }

    fn fail(&mut self, area: &str, what: impl Into<String>, remedy: &str) {
        self.has_failed = true;
        self.show(Level::Fail, area, &what.into(), Some(remedy));
    }

    /// Fails with an error, whose text brings its remedy.
    fn error(&mut self, area: &str, what: &str, error: &dyn std::fmt::Display) {
        self.has_failed = true;
        self.show(Level::Fail, area, &format!("{what}: {error:#}"), None);
    }

    fn skip(&mut self, area: &str, what: impl Into<String>) {
        self.show(Level::Skip, area, &what.into(), None);
    }

    fn show(&self, level: Level, area: &str, what: &str, remedy: Option<&str>) {
        let line = if self.is_json {
            json!({"level": level.name().to_lowercase(), "area": area, "what": what, "remedy": remedy})
                .to_string()
        } else {
            let remedy = remedy.map(|text| format!(": {text}")).unwrap_or_default();
            shown(&format!("{:<8}{area:<9} {what}{remedy}", level.name())).into_owned()
        };
        // Whoever closed the pipe has seen enough.
        drop(writeln!(std::io::stdout().lock(), "{line}"));
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: DoctorArguments) -> anyhow::Result<ExitCode> {
    let mut report = Report {
        is_json: arguments.json,
        has_failed: false,
    };
    match Environment::read().await {
        Ok(environment) => {
            report.ok(
                "settings",
                "the environment can be read, and its secrets too",
            );
            examine(&arguments, &environment, &mut report).await;
        }
        Err(error) => report.error("settings", "the environment can't be used", &error),
    }
    Ok(ExitCode::from(match report.has_failed {
        true => cli::EXIT_FINDINGS,
        false => cli::EXIT_OK,
    }))
}

async fn examine(arguments: &DoctorArguments, environment: &Environment, report: &mut Report) {
    let bucket = match &environment.bucket {
        Some(name) => Some(Arc::new(assemble::bucket(name).await)),
        None => None,
    };
    let settings = match (&arguments.config, &bucket) {
        (Some(path), _) => assemble::settings_from_file(path, true),
        (None, Some(bucket)) => {
            assemble::settings_from_store(&**bucket, &environment.app_config_key).await
        }
        (None, None) => Ok(Settings::default()),
    };
    let settings = match settings {
        Ok(settings) => {
            report.ok("settings", "the tunables can be read");
            settings
        }
        Err(error) => {
            report.error(
                "settings",
                "the tunables can't be used, the rest is checked with the defaults",
                &error,
            );
            Settings::default()
        }
    };
    machine::examine(environment, &settings, report);
    let queue_arn = match &environment.queue_url {
        Some(url) => queue::examine(url, environment, report).await,
        None => {
            report.skip(
                "queue",
                "SQS_QUEUE_URL is not set: `worker run` needs it, `worker local` does not",
            );
            None
        }
    };
    match &bucket {
        Some(bucket) => bucket::examine(bucket, &settings, queue_arn.as_deref(), report).await,
        None => report.skip(
            "bucket",
            "S3_BUCKET is not set: `worker run` needs it, `worker local` does not",
        ),
    }
    services::examine(environment, &settings, report).await;
}
