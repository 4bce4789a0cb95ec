//! `bulk-trigger`: asks the workers for many documents at once, and brings dead letters back.

mod cli;
mod connect;
mod exit;
mod history;
mod progress;
mod redrive;
mod send;

use std::process::ExitCode;

use clap::Parser;
use pagemill_app::Error;
use pagemill_app::environment::load_dotenv;
use tracing_subscriber::EnvFilter;

use self::cli::{Cli, Command, HistoryCommand};
use self::exit::Exit;

fn main() -> ExitCode {
    pagemill_app::output::end_when_nobody_reads();
    // Before the command line is read, which takes defaults from the environment.
    if let Err(error) = load_dotenv() {
        eprintln!("error: {error:#}");
        return Exit::Wrong.into();
    }
    let cli = Cli::parse();
    start_logging();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime cannot start: {error}");
            return Exit::Unfinished.into();
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            eprintln!("error: {}", pagemill_storage::shown(&error.to_string()));
            Exit::of(&error).into()
        }
    }
}

async fn run(cli: Cli) -> Result<Exit, Error> {
    match cli.command {
        Command::Send(options) => send::run(&cli.stack, options).await,
        Command::Redrive(options) => redrive::run(&cli.stack, options).await,
        Command::History {
            command: HistoryCommand::Rebuild,
        } => history::rebuild(&cli.stack).await,
    }
}

fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
