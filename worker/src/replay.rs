//! `worker replay`: a message of the dead-letter queue, run here and watched.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, bail};
use pagemill_app::replay::{self, Options, Replay, SavedMessage};
use pagemill_app::{Environment, reasons};
use pagemill_events::{Event, Job};
use pagemill_pipeline::{Permit, PermitLost, PipelineError, Progress, RunOutcome};
use pagemill_storage::{Stage, shown};

use crate::cli::{self, ReplayArguments};

/// Runs the command.
pub(crate) async fn command(arguments: ReplayArguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::read().await?;
    let messages = replay::read(&arguments.message)?;
    let mut jobs = Vec::new();
    let mut is_unreadable = false;
    for message in &messages {
        say_message(message);
        for event in pagemill_events::parse(&message.body) {
            say_event(&event);
            match event {
                Event::Job(job) => jobs.push((job, message.trace_id())),
                Event::Rejected { .. } => is_unreadable = true,
                Event::Removed(_) | Event::Ignored { .. } => {}
            }
        }
    }
    if jobs.is_empty() {
        println!("nothing to run");
        return Ok(ExitCode::from(match is_unreadable {
            true => cli::EXIT_DOCUMENTS_FAILED,
            false => cli::EXIT_OK,
        }));
    }
    if arguments.source.is_some() && jobs.len() > 1 {
        bail!(
            "the message is about {} documents, and --source is one: leave --source away, or save a message with one record",
            jobs.len()
        );
    }
    let options = Options {
        source: arguments.source,
        out: out_folder(arguments.out)?,
        config: arguments.config,
    };
    println!("writing into {}", options.out.display());
    let mut worst = cli::EXIT_OK;
    for (job, trace_id) in jobs {
        let code = run(&options, &environment, &job, trace_id).await?;
        worst = match (worst, code) {
            (cli::EXIT_INCOMPLETE, _) | (_, cli::EXIT_INCOMPLETE) => cli::EXIT_INCOMPLETE,
            (one, other) => one.max(other),
        };
    }
    if is_unreadable {
        worst = worst.max(cli::EXIT_DOCUMENTS_FAILED);
    }
    Ok(ExitCode::from(worst))
}

/// The folder to write into, made if it is missing; a new one where none is named.
fn out_folder(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let folder = match named {
        Some(folder) => folder,
        None => {
            let unique = format!(
                "pagemill-replay-{}-{}",
                jiff::Timestamp::now().as_millisecond(),
                std::process::id()
            );
            std::env::temp_dir().join(unique)
        }
    };
    std::fs::create_dir_all(&folder).with_context(|| {
        format!(
            "{} can't be made: give a folder that can be written",
            folder.display()
        )
    })?;
    Ok(folder)
}

async fn run(
    options: &Options,
    environment: &Environment,
    job: &Job,
    trace_id: Option<String>,
) -> anyhow::Result<u8> {
    println!("\nrunning {} of {}", shown(&job.key), shown(&job.bucket));
    let replay = Replay::prepare(options, environment, job, trace_id).await?;
    if replay.uses_defaults {
        println!("tunables: the defaults, as neither --config nor S3_BUCKET is given");
    }
    let shown = Shown::default();
    let result = replay.run(&shown).await?;
    shown.end();
    Ok(say_end(&result))
}

fn say_message(message: &SavedMessage) {
    println!(
        "message {}",
        message.id.as_deref().unwrap_or("without an id")
    );
    for (name, value) in &message.attributes {
        println!("  {name}: {}", shown(value));
    }
    if let Some(reason) = message.attributes.get("reason") {
        match reasons::of(reason) {
            Some(known) => println!("  which means: {}. {}.", known.meaning, known.remedy),
            None => println!("  this build does not know the reason {}", shown(reason)),
        }
    }
}

fn say_event(event: &Event) {
    match event {
        Event::Job(job) => println!(
            "  asks for {} in {}{}{}{}",
            shown(&job.key),
            shown(&job.bucket),
            job.version_id
                .as_ref()
                .map(|version| format!(", version {}", shown(version)))
                .unwrap_or_default(),
            if job.force { ", forced" } else { "" },
            job.custom_prompt
                .as_ref()
                .map(|prompt| format!(", with a custom prompt of {} bytes", prompt.len()))
                .unwrap_or_default()
        ),
        Event::Removed(removal) => println!(
            "  says that {} was removed from {}: not replayed",
            shown(&removal.key),
            shown(&removal.bucket)
        ),
        Event::Ignored { reason } => {
            println!(
                "  needs nothing [{}]: {}",
                reason.code(),
                shown(&reason.to_string())
            );
        }
        Event::Rejected { reason } => {
            println!(
                "  can't be understood [{}]: {}",
                reason.code(),
                shown(&reason.to_string())
            );
        }
    }
}

/// Says how it ended, with everything an error brings along, and answers the exit code.
fn say_end(result: &Result<RunOutcome, PipelineError>) -> u8 {
    match result {
        Ok(RunOutcome::Processed(done)) => {
            println!(
                "processed: {} pages, {} links, {} chunks, {} LLM calls",
                done.counts.pages, done.counts.links, done.counts.chunks, done.llm_calls
            );
            for (page, reason) in &done.failed_pages {
                let meaning = reasons::of_page(reason).map_or("", |known| known.meaning);
                println!("  page {page} is missing [{reason}] {meaning}");
            }
            cli::EXIT_OK
        }
        Ok(other) => {
            println!("ended: {other:?}");
            cli::EXIT_OK
        }
        Err(error) => {
            println!("FAILED [{}]", error.code());
            if let PipelineError::Permanent { stage, .. }
            | PipelineError::Transient { stage, .. }
            | PipelineError::Configuration { stage, .. }
            | PipelineError::Internal { stage, .. } = error
            {
                println!("  in stage {}", stage.name());
            }
            let mut cause: Option<&dyn std::error::Error> = Some(error);
            while let Some(error) = cause {
                println!("  {}", shown(&error.to_string()));
                cause = error.source();
            }
            if let Some(known) = reasons::of(error.code()) {
                println!("  which means: {}. {}.", known.meaning, known.remedy);
            }
            match error {
                PipelineError::Permanent { .. } => cli::EXIT_DOCUMENTS_FAILED,
                _ => cli::EXIT_INCOMPLETE,
            }
        }
    }
}

/// Shows the stages as they pass.
#[derive(Default)]
struct Shown {
    stage: Mutex<Option<(Stage, Instant, u32)>>,
}

impl Shown {
    fn end(&self) {
        let ended = self
            .stage
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((stage, since, steps)) = ended {
            let millis = since.elapsed().as_millis();
            println!("  {:<10} {millis:>7} ms, {steps} steps", stage.name());
        }
    }
}

impl Permit for Shown {
    fn check(&self) -> Result<(), PermitLost> {
        Ok(())
    }

    fn progress(&self, progress: Progress) {
        if let Progress::Stage(stage) = progress {
            let is_same = {
                let current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
                matches!(*current, Some((at, _, _)) if at == stage)
            };
            if !is_same {
                self.end();
                let mut current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
                *current = Some((stage, Instant::now(), 0));
            }
            return;
        }
        let mut current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, steps)) = current.as_mut() {
            *steps += 1;
        }
    }
}
