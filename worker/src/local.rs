//! `worker local`: a folder in, a folder out, nothing else needed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, bail};
use futures::StreamExt;
use pagemill_index::TargetStore;
use pagemill_pipeline::{Graph, Options, Pipeline, Searchable, Source};
use pagemill_storage::{Charged, FolderStore, ObjectStore, Overlay, is_pdf_name, shown};
use tokio_util::sync::CancellationToken;

use crate::cli::{self, LocalArguments};
use crate::plan::{describe, describe_cost, print_estimates};
use crate::progress::{Display, LocalPermit};
use crate::summary::Summary;
use crate::watch;
use pagemill_app::adapters::{self, VECTORS, Vectors};
use pagemill_app::environment::Environment;
use pagemill_app::plans::Cost;

/// A PDF found in the input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// Path below the input folder, with `/`.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) modified: std::time::SystemTime,
}

/// The input, and how its files are found.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    root: PathBuf,
    only: Option<String>,
    skip: PathBuf,
}

impl Input {
    fn new(input: &Path, out: &Path) -> anyhow::Result<Self> {
        let path = input.canonicalize().with_context(|| {
            format!(
                "{} can't be opened: give a PDF or a folder that exists",
                input.display()
            )
        })?;
        let skip = out.canonicalize().unwrap_or_else(|_| out.to_path_buf());
        if path.is_dir() {
            return Ok(Self {
                root: path,
                only: None,
                skip,
            });
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(root), Some(name)) = (path.parent(), name) else {
            bail!(
                "{} has no usable name: rename it to plain Unicode",
                input.display()
            );
        };
        Ok(Self {
            root: root.to_path_buf(),
            only: Some(name.to_owned()),
            skip,
        })
    }

    /// Every PDF of the input in order of its name; what can't be used comes with the reason.
    pub(crate) fn find(&self) -> (Vec<Found>, Vec<(String, String)>) {
        let (mut found, mut unusable) = (Vec::new(), Vec::new());
        let walk = walkdir::WalkDir::new(&self.root)
            .follow_links(true)
            .max_depth(if self.only.is_some() { 1 } else { usize::MAX })
            .into_iter()
            .filter_entry(|entry| entry.path() != self.skip);
        for entry in walk {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(&self.root).display().to_string();
                    unusable.push((path, format!("can't be read: {error}")));
                    continue;
                }
            };
            let is_wanted = match &self.only {
                Some(only) => entry.file_name().to_str() == Some(only),
                None => is_pdf_name(entry.file_name().as_encoded_bytes()),
            };
            if !entry.file_type().is_file() || !is_wanted {
                continue;
            }
            let relative = entry
                .path()
                .strip_prefix(&self.root)
                .unwrap_or(entry.path());
            let Some(name) = relative.to_str() else {
                unusable.push((
                    relative.display().to_string(),
                    "its name is not Unicode: rename it".into(),
                ));
                continue;
            };
            match entry.metadata() {
                Ok(meta) => found.push(Found {
                    name: name.to_owned(),
                    bytes: meta.len(),
                    modified: meta.modified().unwrap_or(std::time::UNIX_EPOCH),
                }),
                Err(error) => unusable.push((name.to_owned(), format!("can't be read: {error}"))),
            }
        }
        found.sort();
        (found, unusable)
    }
}

/// Everything that processing one document of the folder needs.
pub(crate) struct FolderRun {
    pipeline: Pipeline,
    targets: Vec<TargetStore>,
    options: Options,
    jobs: usize,
    stop: Stop,
    spent: Mutex<Charged>,
}

/// What Ctrl-C asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    /// Once: end at the next boundary.
    pub(crate) soon: CancellationToken,
    /// Twice: end where the work stands, and record that.
    pub(crate) now: CancellationToken,
}

/// Runs the command.
pub(crate) async fn command(arguments: LocalArguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::read().await?;
    // Looked at before OUT is made, so that a slip of the pen leaves nothing behind.
    Input::new(&arguments.input, &arguments.out)?;
    std::fs::create_dir_all(&arguments.out).with_context(|| {
        format!(
            "{} can't be made: give a folder that can be written",
            arguments.out.display()
        )
    })?;
    let input = Input::new(&arguments.input, &arguments.out)?;
    let settings_path = arguments
        .config
        .clone()
        .unwrap_or_else(|| arguments.out.join(&environment.app_config_key));
    let settings = adapters::settings_from_file(&settings_path, arguments.config.is_some())?;
    let asked = (!arguments.target_stores.is_empty()).then_some(arguments.target_stores.as_slice());
    let targets = settings.targets(asked)?;
    let sources: Arc<dyn ObjectStore> = Arc::new(FolderStore::read_only(&input.root));
    let derived: Arc<dyn ObjectStore> = Arc::new(FolderStore::create(&arguments.out)?);
    let store: Arc<dyn ObjectStore> = Arc::new(Overlay::new(
        sources,
        derived,
        settings.layout.source.clone(),
    ));
    let vectors = match environment.qdrant {
        Some(_) => Vectors::Environment,
        None => Vectors::Embedded(arguments.out.join(VECTORS)),
    };
    let parts = adapters::parts(&environment, settings, store, vectors)?;
    if !arguments.dry_run {
        parts.indexer.ensure(&targets).await?;
    }
    let graph = match arguments.searchable {
        true => Graph::default().with(Arc::new(Searchable))?,
        false => Graph::default(),
    };
    let stop = Stop::default();
    stop_on_ctrl_c(stop.clone());
    let run = FolderRun {
        pipeline: Pipeline::with_graph(parts, graph)?,
        targets,
        options: Options {
            force: arguments.force,
            custom_prompt: arguments.prompt.clone(),
            ..Options::default()
        },
        jobs: arguments.jobs.unwrap_or(environment.documents).max(1),
        stop,
        spent: Mutex::default(),
    };
    if arguments.dry_run {
        return dry_run(&run, &input).await;
    }

    let begun = Instant::now();
    let mut summary = Summary::default();
    let (found, unusable) = input.find();
    if found.is_empty() && unusable.is_empty() && !arguments.watch {
        bail!(
            "{} holds no PDF: give a folder with files that end in .pdf",
            arguments.input.display()
        );
    }
    let display = Display::new(found.len() as u64);
    for (name, message) in &unusable {
        eprintln!("{}", shown(&format!("{name}: {message}")));
        summary.add_unusable(name, message);
    }
    process_all(&run, found.clone(), &display, &mut summary).await;
    if arguments.watch && !run.stop.soon.is_cancelled() {
        watch::go_on(&run, &input, found, &display, &mut summary).await;
    }
    display.finish();
    if let Some(history) = &run.pipeline.parts().history {
        history.flush().await?;
    }
    run.pipeline.parts().indexer.store().flush().await?;
    run.pipeline.parts().engine.shutdown().await;
    let spent = *run.spent.lock().unwrap_or_else(PoisonError::into_inner);
    print!("\n{}", summary.table(begun.elapsed(), &spent));
    let out = arguments.out.display();
    match run.targets.is_empty() {
        true => println!("\noutput in {out}"),
        false => println!("\noutput in {out}; ask it: worker search --out {out} \"...\""),
    }
    let code = match (
        summary.is_incomplete() || run.stop.soon.is_cancelled(),
        summary.has_failed(),
    ) {
        (true, _) if !arguments.watch => cli::EXIT_INCOMPLETE,
        (_, true) => cli::EXIT_DOCUMENTS_FAILED,
        _ => cli::EXIT_OK,
    };
    Ok(ExitCode::from(code))
}

/// Processes documents side by side, and counts each.
pub(crate) async fn process_all(
    run: &FolderRun,
    found: Vec<Found>,
    display: &Display,
    summary: &mut Summary,
) {
    let mut results = futures::stream::iter(found)
        .take_while(|_| std::future::ready(!run.stop.soon.is_cancelled()))
        .map(|document| async move {
            let begun = Instant::now();
            let key = format!("{}{}", run.pipeline.layout().source, document.name);
            let permit = LocalPermit {
                display,
                stop: &run.stop,
                spent: &run.spent,
            };
            let result = run
                .pipeline
                .process_single_source(&Source::newest(key), &run.targets, &run.options, &permit)
                .await;
            (document, result, begun.elapsed())
        })
        .buffer_unordered(run.jobs);
    while let Some((document, result, took)) = results.next().await {
        let ended = summary.add(&document.name, &result);
        display.document(&document.name, &result, &ended, took);
    }
}

impl FolderRun {
    /// Ctrl-C was pressed.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop.soon
    }
}

/// Says what would run.
async fn dry_run(run: &FolderRun, input: &Input) -> anyhow::Result<ExitCode> {
    let (found, unusable) = input.find();
    for (name, message) in unusable {
        println!("{}", shown(&format!("{name}: {message}")));
    }
    let (mut would_run, mut cost) = (0, Cost::default());
    for document in &found {
        let key = format!("{}{}", run.pipeline.layout().source, document.name);
        let plan = run
            .pipeline
            .plan(&Source::newest(key), &run.targets, &run.options)
            .await?;
        would_run += u32::from(!plan.is_empty());
        cost.add(&plan.stages);
        println!("{}: {}", shown(&document.name), describe(&plan.stages));
        print_estimates(&plan.stages);
    }
    println!(
        "\n{would_run} of {} documents would run{}",
        found.len(),
        describe_cost(&cost)
    );
    Ok(ExitCode::from(cli::EXIT_OK))
}

/// Ctrl-C ends the run at the next boundary; a second one at once, with the end of each run recorded; a third one
/// without that, which looks like a death to the next run.
pub(crate) fn stop_on_ctrl_c(stop: Stop) {
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("\nstopping at the next page; press Ctrl-C again to stop at once");
            stop.soon.cancel();
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.now.cancel();
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(i32::from(cli::EXIT_INCOMPLETE));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_the_files_that_a_bucket_would() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = [
            ".pdf",
            "A.PDF",
            "a.pdf",
            "b.txt",
            "pdf",
            "sub/.pdf",
            "sub/x.pdf.json",
        ];
        std::fs::create_dir(folder.path().join("sub")).expect("a folder in it");
        for name in names {
            std::fs::write(folder.path().join(name), b"%PDF-1.7").expect("a file");
        }
        let input = Input::new(folder.path(), &folder.path().join("out")).expect("an input");
        let (found, unusable) = input.find();
        assert_eq!(unusable, []);
        let found: Vec<_> = found.into_iter().map(|found| found.name).collect();
        let layout = pagemill_storage::KeyLayout::default();
        let in_a_bucket = names
            .into_iter()
            .filter(|name| layout.is_source(&format!("{}{name}", layout.source)));
        assert_eq!(found, in_a_bucket.collect::<Vec<_>>());
        assert_eq!(found, [".pdf", "A.PDF", "a.pdf", "sub/.pdf"]);
    }
}
