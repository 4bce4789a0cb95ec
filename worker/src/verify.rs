//! `worker verify`: an audit of sources, records, objects and points against each other.
//!
//! It changes nothing, unless `--delete-orphans` is given. Memory holds the keys of the sources and of the JSON files,
//! one entry for each generation of page images and of points, and one record at a time.

mod audit;
mod finding;
mod inventory;
mod orphans;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use pagemill_index::{EdgeStore, QdrantServer, VectorStore};
use pagemill_pipeline::{Pipeline, Settings};
use pagemill_storage::{FolderStore, ObjectStore, Overlay, shown};
use serde_json::json;

use self::audit::{Audit, Place};
use self::finding::{Finding, Kind};
use crate::assemble::{self, Vectors};
use crate::cli::{self, VerifyArguments};
use crate::environment::Environment;
use crate::local::VECTORS;

/// What changed so short a time ago in a bucket is taken as being at work.
const GRACE_IN_BUCKET: Duration = Duration::from_secs(3600);

/// Runs the command.
pub(crate) async fn command(arguments: VerifyArguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::read().await?;
    let (store, settings, place) = place(&arguments, &environment).await?;
    let vectors = vectors(&arguments, &environment)?;
    let mut skipped = Vec::new();
    if vectors.is_none() {
        skipped.push("points: no vector store is configured, or there is none yet");
    }
    if !place.has_sources {
        skipped.push("sources: give the folder that was processed with --input");
    }
    let pipeline = match arguments.settings {
        true => Some(pipeline(
            &arguments,
            &environment,
            &settings,
            &store,
            vectors.as_ref(),
        )?),
        false => None,
    };
    let grace = match (arguments.grace, &arguments.out) {
        (Some(minutes), _) => Duration::from_secs(minutes * 60),
        (None, None) => GRACE_IN_BUCKET,
        (None, Some(_)) => Duration::ZERO,
    };
    let audit = Audit {
        layout: settings.layout.clone(),
        vectors,
        collections: environment.collections.clone(),
        pipeline,
        letters: arguments.letters,
        grace,
        place,
        store,
    };
    let mut printer = Printer {
        is_json: arguments.json,
        counts: BTreeMap::new(),
    };
    let (checked, orphans) = audit.run(&mut |finding| printer.finding(&finding)).await?;
    if arguments.delete_orphans {
        let deleted = orphans::delete(&audit, &orphans).await?;
        printer.deleted(&deleted);
    }
    printer.end(&checked, &skipped);
    Ok(ExitCode::from(match printer.counts.is_empty() {
        true => cli::EXIT_OK,
        false => cli::EXIT_FINDINGS,
    }))
}

async fn place(
    arguments: &VerifyArguments,
    environment: &Environment,
) -> anyhow::Result<(Arc<dyn ObjectStore>, Settings, Place)> {
    let Some(out) = &arguments.out else {
        let bucket = environment.bucket.clone().context(
            "neither --out nor S3_BUCKET says what to verify: give --out FOLDER, or set S3_BUCKET",
        )?;
        let store: Arc<dyn ObjectStore> = Arc::new(assemble::bucket(&bucket).await);
        let settings = assemble::settings_from_store(&*store, &environment.app_config_key).await?;
        let place = Place {
            has_sources: true,
            again: "bulk-trigger send".into(),
            again_by_key: true,
        };
        return Ok((store, settings, place));
    };
    if !out.is_dir() {
        bail!(
            "{} is no folder: give the one that `worker local` wrote",
            out.display()
        );
    }
    let settings = assemble::settings_from_file(&out.join(&environment.app_config_key), false)?;
    let derived: Arc<dyn ObjectStore> = Arc::new(FolderStore::new(out));
    let input = match &arguments.input {
        Some(input) if input.is_dir() => input.display().to_string(),
        Some(input) => bail!("{} is no folder", input.display()),
        None => "IN".to_owned(),
    };
    let place = Place {
        has_sources: arguments.input.is_some(),
        again: format!("worker local {input} --out {}", out.display()),
        again_by_key: false,
    };
    let store: Arc<dyn ObjectStore> = match &arguments.input {
        None => derived,
        Some(input) => Arc::new(Overlay::new(
            Arc::new(FolderStore::read_only(input)),
            derived,
            settings.layout.source.clone(),
        )),
    };
    Ok((store, settings, place))
}

fn vectors(
    arguments: &VerifyArguments,
    environment: &Environment,
) -> anyhow::Result<Option<Arc<dyn VectorStore>>> {
    let embedded = match &arguments.out {
        Some(out) => Some(out.join(VECTORS)),
        None => environment.vector_dir.clone(),
    };
    if let Some(qdrant) = &environment.qdrant {
        let server = QdrantServer::connect(&qdrant.url, qdrant.api_key.as_ref())?;
        return Ok(Some(Arc::new(server)));
    }
    match embedded.filter(|folder| folder.is_dir()) {
        Some(folder) => Ok(Some(Arc::new(EdgeStore::open(&folder)?))),
        None => Ok(None),
    }
}

/// A pipeline that only plans, for `--settings`.
fn pipeline(
    arguments: &VerifyArguments,
    environment: &Environment,
    settings: &Settings,
    store: &Arc<dyn ObjectStore>,
    vectors: Option<&Arc<dyn VectorStore>>,
) -> anyhow::Result<Pipeline> {
    if arguments.out.is_some() && arguments.input.is_none() {
        bail!("--settings compares sources too: give their folder with --input");
    }
    let vectors = vectors.map_or(Vectors::Environment, |open| Vectors::Open(Arc::clone(open)));
    let parts = assemble::parts(environment, settings.clone(), Arc::clone(store), vectors)?;
    Ok(Pipeline::new(parts))
}

/// Shows findings as they come.
struct Printer {
    is_json: bool,
    counts: BTreeMap<Kind, u64>,
}

impl Printer {
    fn finding(&mut self, finding: &Finding) {
        *self.counts.entry(finding.kind).or_default() += 1;
        let line = match self.is_json {
            true => finding.to_json().to_string(),
            false => finding.to_string(),
        };
        say(&line);
    }

    fn deleted(&self, deleted: &[String]) {
        for what in deleted {
            say(&match self.is_json {
                true => json!({"deleted": what}).to_string(),
                false => format!("deleted     {}", shown(what)),
            });
        }
    }

    fn end(&self, checked: &audit::Checked, skipped: &[&str]) {
        if self.is_json {
            let findings: BTreeMap<_, _> = self
                .counts
                .iter()
                .map(|(kind, count)| (kind.name(), count))
                .collect();
            say(&json!({"checked": checked, "findings": findings, "skipped": skipped}).to_string());
            return;
        }
        for what in skipped {
            say(&format!("not checked: {what}"));
        }
        let audit::Checked {
            sources,
            records,
            objects,
            points,
            at_work,
            failed,
        } = checked;
        let total: u64 = self.counts.values().sum();
        say(&format!(
            "{total} findings in {records} records ({failed} failed for good, {at_work} changed just now and left out), {sources} sources, {objects} objects, {points} points"
        ));
    }
}

fn say(line: &str) {
    // Whoever closed the pipe has seen enough; the exit code still says it all.
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}
