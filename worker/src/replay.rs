//! `worker replay`: a message of the dead-letter queue, run here and watched.
//!
//! The bucket is only read, and only where no `--source` is given; the queues are not touched. Outputs, record and
//! vectors go into a folder. An LLM that is configured is asked, as in a real run.

mod saved;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, bail};
use bytes::Bytes;
use pagemill_events::{Event, Job};
use pagemill_pipeline::{
    LeaseLost, Options, Outcome, Permit, Pipeline, PipelineError, Progress, Settings, Source,
};
use pagemill_storage::{
    FolderStore, MemoryStore, ObjectStore, Overlay, PutOptions, SourceKey, Stage, shown,
};

use crate::assemble::{self, Vectors};
use crate::cli::{self, ReplayArguments};
use crate::environment::Environment;
use crate::local::VECTORS;
use crate::reasons;

/// Runs the command.
pub(crate) async fn command(arguments: ReplayArguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::read().await?;
    let messages = saved::read(&arguments.message)?;
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
    let out = out_folder(arguments.out.clone())?;
    println!("writing into {}", out.display());
    let mut worst = cli::EXIT_OK;
    for (job, trace_id) in jobs {
        let code = run(&arguments, &environment, &out, &job, trace_id).await?;
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
    arguments: &ReplayArguments,
    environment: &Environment,
    out: &std::path::Path,
    job: &Job,
    trace_id: Option<String>,
) -> anyhow::Result<u8> {
    println!("\nrunning {} of {}", shown(&job.key), shown(&job.bucket));
    let settings = settings(arguments, environment, &job.bucket).await?;
    let (sources, version_id) = sources(arguments, &settings, job).await?;
    let targets = settings.targets(job.target_stores.as_deref())?;
    let derived: Arc<dyn ObjectStore> = Arc::new(FolderStore::create(out)?);
    let store: Arc<dyn ObjectStore> = Arc::new(Overlay::with_whole_keys(
        sources,
        derived,
        settings.layout.source.clone(),
    ));
    let parts = assemble::parts(
        environment,
        settings,
        store,
        Vectors::Embedded(out.join(VECTORS)),
    )?;
    parts.indexer.ensure(&targets).await?;
    let pipeline = Pipeline::new(parts);
    // The sequencer is left out: what the message was overtaken by is in the bucket's records, not here.
    let source = Source {
        key: SourceKey(job.key.clone()),
        version_id,
        sequencer: None,
    };
    let options = Options {
        force: true,
        custom_prompt: job.custom_prompt.clone(),
        trace_id: trace_id
            .or_else(|| job.trace_id.clone())
            .unwrap_or_else(|| "replay".to_owned()),
        ..Options::default()
    };
    let shown = Shown::default();
    let result = pipeline
        .process_single_source(&source, &targets, &options, &shown)
        .await;
    shown.end();
    let parts = pipeline.parts();
    if let Some(history) = &parts.history {
        history.flush().await?;
    }
    parts.indexer.store().flush().await?;
    parts.engine.shutdown().await;
    Ok(say_end(&result))
}

/// The tunables: from the file that is named, else the bucket's, else the defaults.
async fn settings(
    arguments: &ReplayArguments,
    environment: &Environment,
    bucket: &str,
) -> anyhow::Result<Settings> {
    if let Some(path) = &arguments.config {
        return assemble::settings_from_file(path, true);
    }
    if arguments.source.is_some() && environment.bucket.is_none() {
        println!("tunables: the defaults, as neither --config nor S3_BUCKET is given");
        return Ok(Settings::default());
    }
    let store = assemble::bucket(bucket).await;
    assemble::settings_from_store(&store, &environment.app_config_key).await
}

/// Where the source is read from, and which version of it.
async fn sources(
    arguments: &ReplayArguments,
    settings: &Settings,
    job: &Job,
) -> anyhow::Result<(Arc<dyn ObjectStore>, Option<String>)> {
    if !settings.layout.is_source(&job.key) {
        bail!(
            "{} is no PDF below {}: a worker ignores it",
            shown(&job.key),
            settings.layout.source
        );
    }
    let Some(path) = &arguments.source else {
        let store: Arc<dyn ObjectStore> = Arc::new(assemble::bucket(&job.bucket).await);
        return Ok((store, job.version_id.clone()));
    };
    let bytes = std::fs::read(path)
        .with_context(|| format!("{} can't be read: give the PDF", path.display()))?;
    let store = MemoryStore::new("--source");
    store
        .put(&job.key, Bytes::from(bytes), PutOptions::default())
        .await?;
    Ok((Arc::new(store), None))
}

fn say_message(message: &saved::SavedMessage) {
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
fn say_end(result: &Result<Outcome, PipelineError>) -> u8 {
    match result {
        Ok(Outcome::Processed(done)) => {
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
    fn check(&self) -> Result<(), LeaseLost> {
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
