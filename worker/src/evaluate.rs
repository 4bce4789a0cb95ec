//! `worker evaluate`: what was extracted, held against golden data.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use pagemill_app::Environment;
use pagemill_app::evaluate::{self, Exported, Files, GoldenPlace, Report};
use pagemill_app::plans::Place;
use pagemill_storage::shown;

use crate::cli::{self, EvaluateArguments};
use crate::read::made_folder;
use crate::summary::counted;

/// Runs the command.
pub(crate) async fn command(arguments: EvaluateArguments) -> anyhow::Result<ExitCode> {
    for (name, share) in [
        ("--min-f1", arguments.min_f1),
        ("--max-error", Some(arguments.max_error)),
    ] {
        if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            bail!("{name} is no share: give a number from 0 to 1, such as 0.95");
        }
    }
    if arguments.max_error == 0.0 {
        bail!("--max-error is 0, which no number of values can prove: give a share such as 0.01");
    }
    let environment = Environment::read().await?;
    let place = Place {
        out: arguments.out,
        input: None,
    };
    let (store, settings) = place.store(&environment).await?;
    if let Some(folder) = &arguments.golden
        && arguments.export_golden
        && GoldenPlace::is_folder(folder)
    {
        made_folder(Path::new(folder))?;
    }
    let golden = GoldenPlace::named(arguments.golden.as_deref(), &store, &settings)?;
    if arguments.export_golden {
        exported(
            &evaluate::export(&store, &settings, &golden).await?,
            &golden,
        );
        return Ok(ExitCode::from(cli::EXIT_OK));
    }
    let judgement = evaluate::judge(&store, &settings, &golden).await?;
    let report = Report::new(&judgement, arguments.max_error);
    let files = report.files()?;
    match arguments.json {
        true => print!("{}", String::from_utf8_lossy(&files.json)),
        false => print!("{}", files.markdown),
    }
    if let Some(folder) = &arguments.report {
        write(folder, &files)?;
    }
    let f1 = report.overall.f1.unwrap_or(0.0);
    let exit = match arguments.min_f1 {
        Some(least) if f1 < least => {
            eprintln!("F1 is {f1:.4}, less than the {least} of --min-f1");
            cli::EXIT_FINDINGS
        }
        _ => cli::EXIT_OK,
    };
    Ok(ExitCode::from(exit))
}

fn write(folder: &Path, files: &Files) -> anyhow::Result<()> {
    made_folder(folder)?;
    let plot = files.plot.as_deref().map(str::as_bytes);
    let calibration = files.calibration.as_deref();
    for (name, bytes) in [
        ("evaluation.json", Some(&files.json[..])),
        ("evaluation.md", Some(files.markdown.as_bytes())),
        ("evaluation.svg", plot),
        ("calibration.json", calibration),
    ] {
        let path = folder.join(name);
        match bytes {
            Some(bytes) => std::fs::write(&path, bytes)
                .with_context(|| format!("{} can't be written", path.display()))?,
            // One of an earlier report would pass for one of this.
            None => match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("{} can't be removed", path.display()));
                }
                Ok(()) | Err(_) => {}
            },
        }
    }
    Ok(())
}

fn exported(exported: &Exported, golden: &GoldenPlace) {
    for source in &exported.written {
        println!("{}", shown(source.as_str()));
    }
    for (source, reason) in &exported.left {
        println!("{}: none, {reason}", shown(source.as_str()));
    }
    println!(
        "golden data of {} written to {}, of {} there already",
        counted(exported.written.len() as u64, "document"),
        shown(&golden.name()),
        counted(exported.unchanged, "document")
    );
}
