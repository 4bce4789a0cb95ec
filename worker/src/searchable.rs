//! `worker searchable`: copies of PDFs in which what their pictures show can be found, with nothing else stored.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use futures::StreamExt;
use pagemill_pdf::{Engine, ExtractRequest, OcrReport, PageWords};
use pagemill_pipeline::Settings;

use crate::cli::{self, SearchableArguments};
use crate::logging::printable;
use crate::read::{FILES_AT_ONCE, engine, made_folder, open};

/// Writes the copies, and says of each how many of its pages were read from their pictures.
pub(crate) async fn command(arguments: SearchableArguments) -> anyhow::Result<ExitCode> {
    let SearchableArguments { files, out, config } = arguments;
    let (engine, settings) = engine(config.as_deref()).await?;
    if let OcrReport::Missing { reason } = &engine.report().ocr {
        bail!("pictures of pages can't be read: {reason}");
    }
    if engine.report().ocr == OcrReport::Off {
        bail!("pictures of pages are not read: set ocr.enabled to true");
    }
    made_folder(&out)?;
    let mut has_failed = false;
    let mut copies = futures::stream::iter(&files)
        .map(|path| {
            let (engine, settings, out) = (&engine, &settings, &out);
            async move { (path, copy(engine, settings, path, out).await) }
        })
        .buffered(FILES_AT_ONCE);
    while let Some((path, copied)) = copies.next().await {
        match copied {
            Ok(copied) => {
                has_failed |= !copied.failed.is_empty();
                for failure in &copied.failed {
                    eprintln!("{}", printable(&format!("{}: {failure}", path.display())));
                }
                let said = format!(
                    "{}: {} of {} pages read from their pictures",
                    copied.to, copied.read, copied.pages
                );
                println!("{}", printable(&said));
            }
            Err(error) => {
                has_failed = true;
                eprintln!("{}", printable(&format!("{}: {error:#}", path.display())));
            }
        }
    }
    drop(copies);
    engine.shutdown().await;
    Ok(ExitCode::from(match has_failed {
        true => cli::EXIT_DOCUMENTS_FAILED,
        false => cli::EXIT_OK,
    }))
}

/// What became of a file.
struct Copied {
    to: String,
    read: usize,
    pages: u32,
    /// Pages that can't be read, with the reason.
    failed: Vec<String>,
}

async fn copy(
    engine: &Engine,
    settings: &Settings,
    path: &Path,
    out: &Path,
) -> anyhow::Result<Copied> {
    let Some(name) = path.file_name() else {
        bail!("it has no usable name: rename it");
    };
    let to = out.join(name);
    if to.exists() && to.canonicalize()? == path.canonicalize()? {
        bail!("its copy would be written over it: give another folder as --out");
    }
    let (file, document) = open(engine, settings, path).await?;
    let request = ExtractRequest {
        text: true,
        ..ExtractRequest::default()
    };
    let (mut words, mut failed) = (Vec::new(), Vec::new());
    let mut pages = document.extract(request);
    while let Some((page, output)) = pages.next().await {
        match output {
            Ok(output) => words.extend(output.text.as_ref().and_then(PageWords::of)),
            Err(failure) => failed.push(format!("page {}: {failure}", page.0)),
        }
    }
    let (read, pages) = (words.len(), document.inspection().pages);
    let cant_write = || format!("{} can't be written", to.display());
    match read {
        0 => {
            let mut target = std::fs::File::create(&to).with_context(cant_write)?;
            file.write_to(&mut target).with_context(cant_write)?;
        }
        _ => {
            let copy = document.searchable(words).await;
            let copy = copy.context("no words can be written into it")?;
            std::fs::write(&to, copy).with_context(cant_write)?;
        }
    }
    Ok(Copied {
        to: to.display().to_string(),
        read,
        pages,
        failed,
    })
}
