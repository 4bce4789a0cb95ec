//! What can be said on the command line.

use clap::{Args, Parser, Subcommand};
use globset::{Glob, GlobBuilder};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use pagemill_events::prompt_argument;
use pagemill_index::TargetStore;

const EXIT_CODES: &str = "Exit codes:
  0  all was done
  1  ended, but something was not done: messages that could not be sent, records that cannot be read
  2  an argument or setting is wrong, or the bucket or queue is missing or not allowed
  3  a service did not answer; the same command may be given again

Credentials, AWS_REGION and AWS_ENDPOINT_URL are read as the AWS tools do. A .env file in the working directory is \
read too; the environment wins over it.";

/// Asks the workers for many documents at once, and brings dead letters back.
#[derive(Debug, Parser)]
#[command(name = "bulk-trigger", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) stack: StackArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which bucket and queues.
#[derive(Debug, Args)]
pub(crate) struct StackArguments {
    /// Bucket with the sources and the records.
    #[arg(long, env = "S3_BUCKET", global = true, value_name = "NAME")]
    pub(crate) bucket: Option<String>,
    /// Queue that the workers read.
    #[arg(long, env = "SQS_QUEUE_URL", global = true, value_name = "URL")]
    pub(crate) queue_url: Option<String>,
    /// Dead-letter queue; otherwise the one that the queue's redrive policy names.
    #[arg(long, env = "SQS_DLQ_URL", global = true, value_name = "URL")]
    pub(crate) dlq_url: Option<String>,
    /// Key of the tunables in the bucket, read for the key layout.
    #[arg(
        long,
        env = "APP_CONFIG_KEY",
        global = true,
        value_name = "KEY",
        default_value = "config/app_config.json"
    )]
    pub(crate) app_config_key: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the PDFs under a prefix and sends one message for each that the filters leave.
    Send(Send),
    /// Returns messages from the dead-letter queue to the queue.
    ///
    /// Each is sent first and deleted after, so that none is lost; one may come twice, which the workers bear.
    /// Messages that are looked at and left stay hidden from other readers until the command ends, or for 15
    /// minutes if it is killed.
    Redrive(Redrive),
    /// The history view.
    History {
        #[command(subcommand)]
        command: HistoryCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Writes processing/pdf_process_history.json anew from the records.
    Rebuild,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Send {
    /// Only keys that start with this. A prefix outside the source prefix is taken as below it.
    #[arg(default_value = "")]
    pub(crate) prefix: String,
    /// Only documents without a record, with an unfinished or failed one, or changed since their record.
    #[arg(long, conflicts_with = "failed")]
    pub(crate) only_new: bool,
    /// Only documents whose record says failed.
    #[arg(long)]
    pub(crate) failed: bool,
    /// Only sources written at or after this: a time (2026-01-31, 2026-01-31T08:00:00Z) or an age (90m, 2d, 1w).
    #[arg(long, value_name = "TIME|AGE", value_parser = parse_since)]
    pub(crate) since: Option<Timestamp>,
    /// Only paths (below the source prefix) that match; * and ? stay within a folder, ** crosses folders. May be
    /// given several times.
    #[arg(long, value_name = "PATTERN", value_parser = parse_glob)]
    pub(crate) glob: Vec<Glob>,
    /// At most so many messages.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Sends nothing; prints the keys, one a line.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Vector stores to fill, instead of the workers' setting: pages, semantic, haystack.
    #[arg(long, value_delimiter = ',', value_name = "STORE,…")]
    pub(crate) target_stores: Vec<TargetStore>,
    /// What the LLM is told about these documents beside the configured prompts; with an @, the file that holds it. It
    /// stays with the documents until another one is given; an empty one asks for none.
    #[arg(long, value_name = "TEXT|@FILE", value_parser = prompt_argument)]
    pub(crate) prompt: Option<String>,
    /// Process again even what is unchanged.
    #[arg(long)]
    pub(crate) force: bool,
    /// Why, for the workers' logs.
    #[arg(long, value_name = "TEXT", default_value = "bulk-trigger")]
    pub(crate) reason: String,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Redrive {
    /// Only messages with this reason code; "none" is those that SQS moved and that have no reason. May be given
    /// several times.
    #[arg(long, value_name = "CODE")]
    pub(crate) reason: Vec<String>,
    /// Moves nothing; says how many messages of which reason there are.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// At most so many messages.
    #[arg(long, value_name = "N")]
    pub(crate) max: Option<u64>,
    /// Asks for a forced run: a document that failed for good is otherwise tried again only when it or the settings
    /// changed.
    #[arg(long)]
    pub(crate) force: bool,
}

fn parse_glob(text: &str) -> Result<Glob, String> {
    let glob = GlobBuilder::new(text).literal_separator(true).build();
    glob.map_err(|error| error.to_string())
}

fn parse_since(text: &str) -> Result<Timestamp, String> {
    since(text, Timestamp::now())
}

fn since(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(date) = text.parse::<jiff::civil::DateTime>() {
        let midnight = date
            .to_zoned(TimeZone::UTC)
            .map_err(|error| error.to_string())?;
        return Ok(midnight.timestamp());
    }
    let age: Span = text.parse().map_err(|_| {
        "neither a time such as 2026-01-31 or 2026-01-31T08:00:00Z nor an age such as 90m, 2d or 1w".to_owned()
    })?;
    let then = now.to_zoned(TimeZone::UTC).checked_sub(age.abs());
    Ok(then.map_err(|error| error.to_string())?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn since_takes_times_dates_and_ages() {
        let now: Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
            ("2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T08:30", "2026-01-31T08:30:00Z"),
            ("90m", "2026-03-10T10:30:00Z"),
            ("2d", "2026-03-08T12:00:00Z"),
            ("1w", "2026-03-03T12:00:00Z"),
            ("2 hours 30 minutes", "2026-03-10T09:30:00Z"),
            ("PT1H", "2026-03-10T11:00:00Z"),
        ] {
            assert_eq!(since(text, now), Ok(expected.parse().unwrap()), "{text}");
        }
        assert!(since("yesterday", now).unwrap_err().contains("90m"));
    }

    #[test]
    fn a_star_stays_within_a_folder() {
        let matches =
            |glob: &str, path: &str| parse_glob(glob).unwrap().compile_matcher().is_match(path);
        assert!(matches("*.pdf", "a.pdf"));
        assert!(!matches("*.pdf", "sub/a.pdf"));
        assert!(matches("**/*.pdf", "sub/deep/a.pdf"));
        assert!(matches("20{24,25}/**", "2025/x/a.pdf"));
        assert!(parse_glob("a[").is_err());
    }
}
