//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use jiff::civil::Date;
use pagemill_app::costs::By;
use pagemill_events::prompt_argument;

/// Everything is in place.
pub(crate) const EXIT_OK: u8 = 0;
/// The run ended, but at least one document can't be processed.
pub(crate) const EXIT_DOCUMENTS_FAILED: u8 = 1;
/// A setting or an argument is wrong; nothing was processed.
pub(crate) const EXIT_CONFIGURATION: u8 = 2;
/// `health`: the worker is not well. The same number as a container's health check gives.
pub(crate) const EXIT_UNHEALTHY: u8 = 1;
/// `verify` found something; `doctor` found something that must be mended.
pub(crate) const EXIT_FINDINGS: u8 = 1;
/// Something that is needed did not answer; documents were left for the next run.
pub(crate) const EXIT_INCOMPLETE: u8 = 3;

const EXIT_CODES: &str = "Exit codes:
  0  everything is in place (also when there was nothing to do)
  1  the run ended, but at least one document failed; the summary names each with its reason
  2  an argument or a setting is wrong; nothing was processed
  3  something that is needed did not answer, or the run was stopped; run it again to go on";

/// Turns PDFs into page images, text, links, metadata and searchable vectors.
#[derive(Debug, Parser)]
#[command(name = "worker", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Process the PDFs of an S3 bucket as their events arrive on an SQS queue, until SIGTERM.
    Run(RunArguments),
    /// Process a PDF or a folder of PDFs into a folder; needs nothing else.
    Local(LocalArguments),
    /// Search what `local` or `run` made.
    Search(SearchArguments),
    /// Print a PDF as Markdown: headings, paragraphs, lists, tables, links.
    Markdown(ReadArguments),
    /// Print the tables of a PDF.
    Tables(TablesArguments),
    /// Print the fields of invoices, with where each stands and how far it was checked: of PDFs at hand, or what is stored of keys.
    Fields(ReadArguments),
    /// Write copies of PDFs whose scanned pages can be searched: what is read from their pictures lies over them, invisible.
    Searchable(SearchableArguments),
    /// Say whether the worker that runs on this machine is well; for a container's health check.
    #[command(
        after_help = "Exit codes:\n  0  the worker is well (also while it waits for a service that is away)\n  1  it is not; the line says why and what to do"
    )]
    Health,
    /// Check everything that the worker needs, one line each with the remedy.
    Doctor(DoctorArguments),
    /// Compare sources, records, outputs and points, and say what does not fit.
    Verify(VerifyArguments),
    /// Say what would run on documents, why, and what it may cost.
    Plan(PlanArguments),
    /// Run exactly what a plan says.
    Apply(ApplyArguments),
    /// Say what calls of paid services did cost: by day, model, stage, folder, outcome.
    Cost(CostArguments),
    /// List the fields that people must look at, and keep what they decide.
    Review(ReviewArguments),
    /// Hold what was extracted against golden data: how much of it is right, and how well it says which.
    Evaluate(EvaluateArguments),
    /// Run a saved message of the dead-letter queue here, into a folder; bucket and queues are not touched.
    Replay(ReplayArguments),
    /// Print the configuration in force, secrets masked.
    Config(ConfigArguments),
    /// A renderer process (internal).
    #[command(hide = true, name = "renderer")]
    Renderer {
        /// Passed on as they are.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
}

/// Arguments of `worker run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Stop when the queue is empty (for tests and one-off runs). Something that does not answer at the start ends
    /// the run; without this option it is waited for.
    #[arg(long)]
    pub(crate) until_empty: bool,
}

/// Arguments of `worker local`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct LocalArguments {
    /// A PDF, or a folder whose PDFs are processed, sub-folders included.
    pub(crate) input: PathBuf,
    /// Where everything is written; made when missing. Running again over the same folder does only what changed.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Tunables, as JSON; `OUT/config/app_config.json` is read when this is not given.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Vector stores to fill, separated by commas: pages, semantic, haystack.
    #[arg(long, value_delimiter = ',')]
    pub(crate) target_stores: Vec<String>,
    /// What the LLM is told about these documents beside the configured prompts; with an @, the file that holds it. It
    /// stays with the documents until another one is given; an empty one asks for none.
    #[arg(long, value_name = "TEXT|@FILE", value_parser = prompt_argument)]
    pub(crate) prompt: Option<String>,
    /// Write a copy of each PDF too whose scanned pages can be searched, `OUT/searchable_pdf/<path>.pdf`. Those of documents
    /// that are done are made from the text that is stored.
    #[arg(long)]
    pub(crate) searchable: bool,
    /// Process again what is up to date.
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would run and why, and do nothing.
    #[arg(long, conflicts_with_all = ["watch", "force"])]
    pub(crate) dry_run: bool,
    /// Keep going: process PDFs as they arrive. A file that is still being written waits until it is whole.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Documents at work at the same time [default: the number of processors].
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
}

/// Arguments of `worker markdown`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes:\n  0  everything was read\n  1  a file or a page of it can't be read; the message says which and why\n  2  an argument or a setting is wrong"
)]
pub(crate) struct ReadArguments {
    /// PDFs.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Write a file for each PDF into this folder, which is made when missing, instead of printing.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Tunables, as JSON: limits and passwords are taken from it.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
}

/// Arguments of `worker searchable`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes:\n  0  every copy is written\n  1  a file or a page of it can't be read, or no words can be written into it; the message says which and why\n  2  an argument or a setting is wrong"
)]
pub(crate) struct SearchableArguments {
    /// PDFs.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The folder for the copies, which have the names of their files; made when missing. An encrypted file's copy has no
    /// encryption.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Tunables, as JSON: limits, passwords and how pictures are read are taken from it.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
}

/// Arguments of `worker tables`.
#[derive(Debug, Args)]
pub(crate) struct TablesArguments {
    /// What is read, and where it is written.
    #[command(flatten)]
    pub(crate) read: ReadArguments,
    /// How tables are written.
    #[arg(long, value_enum, default_value_t = TableFormat::Json)]
    pub(crate) format: TableFormat,
}

/// How tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TableFormat {
    /// One object a line: the page, the box, the caption, the cells with their boxes.
    Json,
    /// A line for each row (RFC 4180); tables are parted by an empty line.
    Csv,
    /// GitHub's tables, or HTML where cells take several rows or columns.
    Markdown,
    /// Tables of HTML.
    Html,
}

/// Arguments of `worker search`.
#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    /// What to look for, in plain words.
    #[arg(required_unless_present = "questions", conflicts_with = "questions")]
    pub(crate) question: Option<String>,
    /// A file of questions, one a line (`-`: standard input). The answers are JSON, a line for each question: `question`,
    /// and `hits` as --json prints them.
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,
    /// The folder that `worker local` wrote. Without it, the vector store of the environment is asked.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Tunables, as JSON; as for `local`.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// How many hits to show.
    #[arg(long, default_value_t = 5)]
    pub(crate) limit: usize,
    /// Which store to ask: semantic (chunks), pages or haystack.
    #[arg(long, default_value = "semantic")]
    pub(crate) store: String,
    /// Only documents whose key starts with this.
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// Print JSON, one hit a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `worker doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes:\n  0  nothing failed; there may be warnings\n  1  something failed, and the worker can't work as it is\n  2  an argument or a setting can't be read"
)]
pub(crate) struct DoctorArguments {
    /// Print JSON, one check a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Read the tunables from this file instead of the bucket.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
}

/// Arguments of `worker verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes:\n  0  everything fits\n  1  findings, one a line: kind, key, what, remedy\n  2  an argument or a setting is wrong, or something did not answer"
)]
pub(crate) struct VerifyArguments {
    /// The folder that `worker local` wrote. Without it, the bucket of the environment is verified.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// The folder that `worker local` processed, to compare the sources too.
    #[arg(long, requires = "out")]
    pub(crate) input: Option<PathBuf>,
    /// Compare with the settings in force too: what would be made otherwise today.
    #[arg(long)]
    pub(crate) settings: bool,
    /// Read every text too: whether it has the letters that were read from its document.
    #[arg(long)]
    pub(crate) letters: bool,
    /// Minutes; what changed more recently is taken as being at work and left out [default: 60, with --out 0].
    #[arg(long, value_name = "MINUTES")]
    pub(crate) grace: Option<u64>,
    /// Delete what no record accounts for, without asking, and say what was deleted.
    #[arg(long)]
    pub(crate) delete_orphans: bool,
    /// Print JSON, one finding a line, and last what was checked.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `worker plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes:\n  0  the plan is complete (also when nothing would run)\n  2  an argument or a setting is wrong\n  3  something did not answer"
)]
pub(crate) struct PlanArguments {
    /// One document, or what the keys of many begin with; all of them when it is left out.
    pub(crate) prefix: Option<String>,
    /// The folder that `worker local` wrote. Without it, the bucket of the environment is meant.
    #[arg(long, requires = "input")]
    pub(crate) folder: Option<PathBuf>,
    /// The folder that `worker local` processed.
    #[arg(long, requires = "folder")]
    pub(crate) input: Option<PathBuf>,
    /// Write the plan here too, for `worker apply`: JSON, a line for each document.
    #[arg(long, value_name = "PLAN")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON, one document a line, and last the total.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `worker apply`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes:\n  0  everything in the plan is in place\n  1  a document failed, or changed since the plan and was left as it is\n  2  an argument or a setting is wrong; nothing was processed\n  3  something did not answer, or the run was stopped; apply the plan again to go on"
)]
pub(crate) struct ApplyArguments {
    /// What `worker plan --out` wrote.
    pub(crate) plan: PathBuf,
    /// The folder that `worker local` wrote. Without it, the bucket of the environment is meant.
    #[arg(long, requires = "input")]
    pub(crate) folder: Option<PathBuf>,
    /// The folder that `worker local` processed.
    #[arg(long, requires = "folder")]
    pub(crate) input: Option<PathBuf>,
    /// Documents at work at the same time [default: the number of processors].
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
}

/// Arguments of `worker cost`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes:\n  0  everything was summed up\n  1  a row of the ledger can't be read; the message says which\n  2  an argument or a setting is wrong\n  3  the store did not answer"
)]
pub(crate) struct CostArguments {
    /// Only calls for documents whose keys begin with this.
    pub(crate) prefix: Option<String>,
    /// The folder that `worker local` wrote. Without it, the bucket of the environment is meant.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// What is summed up by, separated by commas: day, model, stage, prefix (the first folder), outcome.
    #[arg(long, value_delimiter = ',', default_value = "day,model,stage")]
    pub(crate) by: Vec<By>,
    /// Only calls since this day (UTC), such as 2026-01-31.
    #[arg(long, value_name = "DAY")]
    pub(crate) since: Option<Date>,
    /// Print JSON, one group a line, and last the total.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `worker review`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes:\n  0  everything was listed, or the decision is kept\n  2  an argument or a setting is wrong; nothing was written\n  3  the store did not answer"
)]
pub(crate) struct ReviewArguments {
    #[command(subcommand)]
    pub(crate) command: ReviewCommand,
    /// The folder that `worker local` wrote. Without it, the bucket of the environment is meant.
    #[arg(long, global = true)]
    pub(crate) folder: Option<PathBuf>,
}

/// Arguments of `worker evaluate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes:\n  0  everything was compared, or the golden data is written\n  1  F1 is less than --min-f1\n  2  an argument, a setting or a file is wrong, or there is no golden data\n  3  the store did not answer"
)]
pub(crate) struct EvaluateArguments {
    /// Where the golden data is: a folder, or a prefix of the bucket or of --out [default: golden/].
    #[arg(long, value_name = "FOLDER|PREFIX")]
    pub(crate) golden: Option<String>,
    /// The folder that `worker local` wrote. Without it, the bucket of the environment is meant.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Write the report here: evaluation.json, evaluation.md, evaluation.svg, and calibration.json, which put beside the tunables
    /// gives extracted values a probability. The folder is made when missing.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) report: Option<PathBuf>,
    /// The least F1 of all fields, from 0 to 1, with which the exit code is 0.
    #[arg(long, value_name = "SHARE")]
    pub(crate) min_f1: Option<f64>,
    /// The share of the values accepted without a person that may be wrong, for the threshold that is told.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    pub(crate) max_error: f64,
    /// Make golden data of the documents whose open fields were all decided by people (`worker review`), and compare nothing.
    #[arg(long, conflicts_with_all = ["report", "min_f1", "json"])]
    pub(crate) export_golden: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do with what is open.
#[derive(Debug, Subcommand)]
pub(crate) enum ReviewCommand {
    /// Print what is open, a document at a time.
    List {
        /// Only documents whose keys begin with this.
        prefix: Option<String>,
        /// Print JSON, one document a line.
        #[arg(long)]
        json: bool,
    },
    /// Print where a document stands, what is open of it, and what was decided.
    Show {
        /// The key of its source.
        document: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Decide what a field is.
    Correct {
        /// The key of its source.
        document: String,
        /// The field, such as BT-84.
        field: String,
        /// The value: dates as 2024-05-31, amounts as 1064.65.
        #[arg(required_unless_present = "none", allow_hyphen_values = true)]
        value: Option<String>,
        /// The document has no such value.
        #[arg(long, conflicts_with = "value")]
        none: bool,
        /// Who decides.
        #[arg(long)]
        by: String,
    },
    /// Say that fields are right as they are: those that are named, or all that are open.
    Approve {
        /// The key of its source.
        document: String,
        /// Fields, such as BT-84.
        fields: Vec<String>,
        /// All that has a value too: you looked at the whole document.
        #[arg(long, conflicts_with = "fields")]
        all: bool,
        /// Who decides.
        #[arg(long)]
        by: String,
    },
}

/// Arguments of `worker replay`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ReplayArguments {
    /// The message: its body alone, or what `aws sqs receive-message` printed; `-` reads standard input.
    pub(crate) message: PathBuf,
    /// The PDF itself, instead of reading it from the bucket.
    #[arg(long)]
    pub(crate) source: Option<PathBuf>,
    /// Where everything is written; a new folder for temporary files when not given.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Tunables, as JSON; those of the bucket otherwise.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
}

/// Arguments of `worker config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// Read the tunables from this file instead of the bucket.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Print the defaults and what each setting means (docs/CONFIGURATION.md).
    #[arg(long)]
    pub(crate) reference: bool,
    /// Print what each metric means (docs/METRICS.md).
    #[arg(long, conflicts_with = "reference")]
    pub(crate) metrics: bool,
}
