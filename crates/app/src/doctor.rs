//! Checks of everything that a worker needs, each with the remedy where something is wrong.
//!
//! No probe leaves anything behind, takes a message away or costs anything.

mod bucket;
mod machine;
mod queue;
mod services;

use std::path::Path;
use std::sync::Arc;

use pagemill_pipeline::Settings;
use pagemill_storage::ObjectStore;

use crate::adapters;
use crate::environment::Environment;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, but not as it should.
    Warn,
    /// The worker can't work so.
    Fail,
    /// Not looked at, and why.
    Skip,
}

impl Level {
    /// For people and scripts, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skipped",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// How it ended.
    pub level: Level,
    /// What it is about, in a word: `settings`, `engine`, `queue` ...
    pub area: &'static str,
    /// What was found.
    pub what: String,
    /// What to do, where it is not in the finding itself.
    pub remedy: Option<String>,
}

/// Examines everything, and tells each check as it ends.
///
/// `config` is a file of tunables, instead of those in the bucket.
pub async fn examine(config: Option<&Path>, tell: &mut (dyn FnMut(Check) + Send)) {
    let mut report = Report { tell };
    match Environment::read().await {
        Ok(environment) => {
            report.ok(
                "settings",
                "the environment can be read, and its secrets too",
            );
            examine_by(config, &environment, &mut report).await;
        }
        Err(error) => report.error("settings", "the environment can't be used", &error),
    }
}

/// What the parts tell their checks to.
struct Report<'a> {
    tell: &'a mut (dyn FnMut(Check) + Send),
}

impl Report<'_> {
    fn ok(&mut self, area: &'static str, what: impl Into<String>) {
        self.add(Level::Ok, area, what.into(), None);
    }

    fn warn(&mut self, area: &'static str, what: impl Into<String>, remedy: &str) {
        self.add(Level::Warn, area, what.into(), Some(remedy));
    }

    fn fail(&mut self, area: &'static str, what: impl Into<String>, remedy: &str) {
        self.add(Level::Fail, area, what.into(), Some(remedy));
    }

    /// Fails with an error, whose text brings its remedy.
    fn error(&mut self, area: &'static str, what: &str, error: &dyn std::fmt::Display) {
        self.add(Level::Fail, area, format!("{what}: {error:#}"), None);
    }

    fn skip(&mut self, area: &'static str, what: impl Into<String>) {
        self.add(Level::Skip, area, what.into(), None);
    }

    fn add(&mut self, level: Level, area: &'static str, what: String, remedy: Option<&str>) {
        let remedy = remedy.map(str::to_owned);
        (self.tell)(Check {
            level,
            area,
            what,
            remedy,
        });
    }
}

async fn examine_by(config: Option<&Path>, environment: &Environment, report: &mut Report<'_>) {
    let bucket = match &environment.bucket {
        Some(name) => Some(Arc::new(adapters::bucket(name).await)),
        None => None,
    };
    let store = bucket.as_deref().map(|store| store as &dyn ObjectStore);
    let settings = adapters::settings_in_force(config, store, &environment.app_config_key).await;
    let settings = match settings {
        Ok((settings, _)) => {
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
