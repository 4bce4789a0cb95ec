//! Logs go to standard error; what a person asked for goes to standard output.

use anyhow::bail;
use tracing_subscriber::EnvFilter;

use crate::cli::Command;

/// Starts logging as the environment and the command ask for.
pub(crate) fn start(command: &Command) -> anyhow::Result<()> {
    let is_service = matches!(command, Command::Run(_));
    let default_level = if is_service { "info" } else { "error" };
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::try_new(directives)?,
        _ => EnvFilter::new(default_level),
    };
    let format = std::env::var("PAGEMILL_LOG_FORMAT").unwrap_or_default();
    let is_json = match format.as_str() {
        "" => is_service,
        "json" => true,
        "text" => false,
        other => bail!("PAGEMILL_LOG_FORMAT is {other:?}: give json or text"),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if is_json {
        builder.json().flatten_event(true).init();
    } else {
        builder.with_target(false).init();
    }
    Ok(())
}
