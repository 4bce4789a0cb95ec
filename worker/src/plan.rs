//! `worker plan` and `worker apply`: what would run and at what price, and running exactly that.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, pin_mut};
use jiff::Timestamp;
use pagemill_app::Environment;
use pagemill_app::plans::{self, Cost, Line, Place, Planned};
use pagemill_index::TargetStore;
use pagemill_pipeline::{Estimate, Pipeline, PipelineError, PlannedStage, RunOutcome, Source, Usd};
use pagemill_storage::shown;
use serde_json::json;

use crate::cli::{self, ApplyArguments, PlanArguments};
use crate::local::{Stop, stop_on_ctrl_c};
use crate::progress::{Display, LocalPermit};
use crate::summary::{Summary, counted};

/// Runs `worker plan`.
pub(crate) async fn command(arguments: PlanArguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::read().await?;
    let place = Place {
        out: arguments.folder,
        input: arguments.input,
    };
    let (pipeline, targets) = place.pipeline(&environment).await?;
    let prefix = plans::below_sources(
        pipeline.layout(),
        arguments.prefix.as_deref().unwrap_or_default(),
    );
    let mut file = match &arguments.out {
        None => None,
        Some(path) => {
            let file = std::fs::File::create(path).with_context(|| {
                format!("{} can't be written: give another file", path.display())
            })?;
            let mut file = BufWriter::new(file);
            let first = Line::Plan {
                format: Line::FORMAT,
                at: Timestamp::now(),
                prefix: prefix.clone(),
            };
            write_line(&mut file, &first)?;
            Some(file)
        }
    };
    let (mut seen, mut would_run, mut cost) = (0_u64, 0_u64, Cost::default());
    let documents = plans::plans(&pipeline, &prefix, &targets);
    pin_mut!(documents);
    while let Some((source, plan)) = documents.try_next().await? {
        seen += 1;
        let document = Planned::new(&source, &plan);
        cost.add(&document.stages);
        if document.stages.is_empty() {
            continue;
        }
        would_run += 1;
        print_document(&document, arguments.json);
        if let Some(file) = &mut file {
            write_line(file, &Line::Document(document))?;
        }
    }
    if let Some(mut file) = file {
        file.flush()?;
    }
    match arguments.json {
        true => println!(
            "{}",
            json!({"kind": "total", "documents": seen, "would_run": would_run, "micro_usd": cost.micro_usd,
                "is_limit": cost.is_limit, "stages_of_unknown_cost": cost.unknown})
        ),
        false => println!(
            "\n{would_run} of {} would run{}",
            counted(seen, "document"),
            describe_cost(&cost)
        ),
    }
    pipeline.parts().engine.shutdown().await;
    Ok(ExitCode::from(cli::EXIT_OK))
}

fn write_line(file: &mut impl Write, line: &Line) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")?;
    Ok(())
}

fn print_document(document: &Planned, is_json: bool) {
    if is_json {
        let line = serde_json::to_string(document).expect("a plan is plain data");
        println!("{line}");
        return;
    }
    println!(
        "{}: {}",
        shown(&document.source),
        describe(&document.stages)
    );
    print_estimates(&document.stages);
}

/// What the stages of a plan may cost, a line each for those that are paid for.
pub(crate) fn print_estimates(stages: &[PlannedStage]) {
    for planned in stages {
        if planned.estimate != Estimate::Free {
            println!("  {}: {}", planned.stage, planned.estimate);
        }
    }
}

/// The stages of a plan in order, those of one reason together.
pub(crate) fn describe(stages: &[PlannedStage]) -> String {
    if stages.is_empty() {
        return "up to date".into();
    }
    let runs = stages.chunk_by(|one, next| one.reason == next.reason);
    let runs: Vec<String> = runs
        .map(|stages| {
            let names: Vec<&str> = stages.iter().map(|planned| planned.stage.name()).collect();
            format!("{} ({})", names.join(", "), stages[0].reason)
        })
        .collect();
    runs.join(", ")
}

/// What many plans may cost: the end of the last line.
pub(crate) fn describe_cost(cost: &Cost) -> String {
    let sum = cost.micro_usd.map(|sum| {
        let about = if cost.is_limit { "at most" } else { "about" };
        format!(", for {about} {}", Usd(sum))
    });
    let unknown = match cost.unknown {
        0 => String::new(),
        count => format!(", and at a cost not known for {}", counted(count, "stage")),
    };
    format!("{}{unknown}", sum.unwrap_or_default())
}

/// Runs `worker apply`.
pub(crate) async fn apply_command(arguments: ApplyArguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::read().await?;
    let path = arguments.plan.display().to_string();
    let file = std::fs::File::open(&arguments.plan)
        .with_context(|| format!("{path} can't be read: give what `worker plan --out` wrote"))?;
    let mut lines = BufReader::new(file).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    match serde_json::from_str(&first) {
        Ok(Line::Plan { format, .. }) if format == Line::FORMAT => {}
        Ok(Line::Plan { format, .. }) => bail!(
            "{path} has the format {format}, and this build reads {}: make the plan anew",
            Line::FORMAT
        ),
        Ok(Line::Document(_)) | Err(_) => {
            bail!("{path} is no plan: give what `worker plan --out` wrote")
        }
    }
    let place = Place {
        out: arguments.folder,
        input: arguments.input,
    };
    let (pipeline, targets) = place.pipeline(&environment).await?;
    pipeline.parts().indexer.ensure(&targets).await?;
    let stop = Stop::default();
    stop_on_ctrl_c(stop.clone());
    let applying = Applying {
        pipeline,
        targets,
        stop,
        display: Display::new(0),
        spent: Mutex::default(),
    };
    let begun = Instant::now();
    let (mut summary, mut outdated) = (Summary::default(), 0_u64);
    let documents = futures::stream::iter(lines)
        .take_while(|_| std::future::ready(!applying.stop.soon.is_cancelled()))
        .map(|line| applying.line(line))
        .buffer_unordered(arguments.jobs.unwrap_or(environment.documents).max(1));
    pin_mut!(documents);
    while let Some(ended) = documents.next().await {
        let (source, took, applied) = ended.with_context(|| format!("{path} can't be read on"))?;
        match applied {
            Applied::Ran(result) => {
                let ended = summary.add(&source, &result);
                applying
                    .display
                    .document(&source, &result, &ended, took.elapsed());
            }
            Applied::Outdated(why) => {
                outdated += 1;
                eprintln!("{}: not run, the plan is outdated: {why}", shown(&source));
            }
        }
    }
    applying.display.finish();
    let parts = applying.pipeline.parts();
    if let Some(history) = &parts.history {
        history.flush().await?;
    }
    parts.indexer.store().flush().await?;
    parts.engine.shutdown().await;
    let spent = *applying
        .spent
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    print!("\n{}", summary.table(begun.elapsed(), &spent));
    if outdated > 0 {
        println!(
            "{} left as they are, for they changed since the plan: make it anew",
            counted(outdated, "document")
        );
    }
    let is_incomplete = summary.is_incomplete() || applying.stop.soon.is_cancelled();
    Ok(ExitCode::from(
        match (is_incomplete, summary.has_failed() || outdated > 0) {
            (true, _) => cli::EXIT_INCOMPLETE,
            (false, true) => cli::EXIT_DOCUMENTS_FAILED,
            (false, false) => cli::EXIT_OK,
        },
    ))
}

struct Applying {
    pipeline: Pipeline,
    targets: Vec<TargetStore>,
    stop: Stop,
    display: Display,
    spent: Mutex<pagemill_storage::Charged>,
}

/// What became of a document of a plan.
enum Applied {
    Ran(Result<RunOutcome, PipelineError>),
    Outdated(String),
}

impl Applying {
    async fn line(
        &self,
        line: std::io::Result<String>,
    ) -> anyhow::Result<(String, Instant, Applied)> {
        let begun = Instant::now();
        let Line::Document(planned) = serde_json::from_str(&line?)? else {
            bail!("a plan begins in the middle of it");
        };
        let source = Source::newest(planned.source.as_str());
        let options = plans::options();
        let applied = match self.pipeline.plan(&source, &self.targets, &options).await {
            Err(error) => Applied::Ran(Err(error)),
            Ok(now) => match planned.outdated_by(&Planned::new(&planned.source, &now)) {
                Some(why) => Applied::Outdated(why),
                None => {
                    self.display.add_documents(1);
                    let permit = LocalPermit {
                        display: &self.display,
                        stop: &self.stop,
                        spent: &self.spent,
                    };
                    let run = self.pipeline.process_single_source(
                        &source,
                        &self.targets,
                        &options,
                        &permit,
                    );
                    Applied::Ran(run.await)
                }
            },
        };
        Ok((planned.source, begun, applied))
    }
}
