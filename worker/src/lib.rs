//! `worker`: PDFs become page images, text, links, metadata and searchable vectors.
//!
//! `worker local` does it for a folder, `worker run` for an S3 bucket whose events arrive on an SQS queue. Both go
//! through `pagemill_pipeline`; this crate reads the configuration, chooses the adapters and shows what happens.
//!
//! It is a library so that tests can put its [`Handler`] between doubles; the program is [`main`].

mod cli;
mod config_command;
mod cost;
mod doctor;
mod evaluate;
mod fields;
mod handler;
mod health;
mod local;
mod logging;
mod metrics;
mod plan;
mod progress;
mod read;
mod replay;
mod review;
mod run;
mod search;
mod searchable;
mod summary;
mod task_protection;
mod telemetry;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use pagemill_app::environment;
use pagemill_index::IndexError;
use pagemill_queue::QueueError;
use pagemill_storage::StorageError;

pub use handler::Handler;
pub use telemetry::Telemetry;

/// The program: reads the command line, runs the command, and answers the exit code.
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    // A renderer child must not read `.env`, start a runtime or log: it only renders.
    if let cli::Command::Renderer { .. } = cli.command {
        return pagemill_pdf::child_main();
    }
    pagemill_app::output::end_when_nobody_reads();
    // A health check must be quick, also where everything else is slow.
    if let cli::Command::Health = cli.command {
        return match environment::load_dotenv() {
            Ok(()) => health::command(),
            Err(error) => {
                println!("UNHEALTHY: {error:#}");
                ExitCode::from(cli::EXIT_UNHEALTHY)
            }
        };
    }
    match run_command(cli) {
        Ok(exit) => exit,
        Err(error) if pagemill_app::output::nobody_reads(&error) => {
            ExitCode::from(pagemill_app::output::NOBODY_READS)
        }
        Err(error) => {
            eprintln!("worker: {}", logging::printable(&format!("{error:#}")));
            ExitCode::from(exit_code(&error))
        }
    }
}

/// What did not answer may answer the next time; anything else needs a person.
fn exit_code(error: &anyhow::Error) -> u8 {
    let did_not_answer = |cause: &(dyn std::error::Error + 'static)| {
        let index = cause.downcast_ref::<IndexError>().is_some_and(|error| {
            matches!(
                error,
                IndexError::Unavailable { .. } | IndexError::Throttled { .. }
            )
        });
        let storage = cause
            .downcast_ref::<StorageError>()
            .is_some_and(|error| matches!(error, StorageError::Unavailable { .. }));
        let queue = cause
            .downcast_ref::<QueueError>()
            .is_some_and(QueueError::is_transient);
        index || storage || queue
    };
    match error.chain().any(did_not_answer) {
        true => cli::EXIT_INCOMPLETE,
        false => cli::EXIT_CONFIGURATION,
    }
}

fn run_command(cli: cli::Cli) -> anyhow::Result<ExitCode> {
    environment::load_dotenv()?;
    logging::start(&cli.command)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match cli.command {
            cli::Command::Run(arguments) => run::command(arguments).await,
            cli::Command::Local(arguments) => local::command(arguments).await,
            cli::Command::Markdown(arguments) => read::markdown_command(arguments).await,
            cli::Command::Tables(arguments) => read::tables_command(arguments).await,
            cli::Command::Fields(arguments) => fields::command(arguments).await,
            cli::Command::Searchable(arguments) => searchable::command(arguments).await,
            cli::Command::Search(arguments) => search::command(arguments).await,
            cli::Command::Doctor(arguments) => doctor::command(arguments).await,
            cli::Command::Plan(arguments) => plan::command(arguments).await,
            cli::Command::Apply(arguments) => plan::apply_command(arguments).await,
            cli::Command::Cost(arguments) => cost::command(arguments).await,
            cli::Command::Verify(arguments) => verify::command(arguments).await,
            cli::Command::Review(arguments) => review::command(arguments).await,
            cli::Command::Evaluate(arguments) => evaluate::command(arguments).await,
            cli::Command::Replay(arguments) => replay::command(arguments).await,
            cli::Command::Config(arguments) => config_command::command(arguments).await,
            cli::Command::Health | cli::Command::Renderer { .. } => {
                unreachable!("answered before the runtime was started")
            }
        }
    })
}
