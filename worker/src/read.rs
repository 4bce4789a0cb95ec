//! `worker markdown` and `worker tables`: what is in a PDF, printed, with nothing stored.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use futures::StreamExt;
use pagemill_document::markdown::MarkdownPages;
use pagemill_document::{Link, PageText, Rect, Table, classify_with_outline, markdown};
use pagemill_pdf::{Document, Engine, ExtractRequest, SealedFile};
use pagemill_pipeline::Settings;
use pagemill_storage::SourceKey;
use serde::Serialize;

use crate::cli::{self, ReadArguments, TableFormat, TablesArguments};
use crate::logging::printable;
use pagemill_app::adapters;
use pagemill_app::environment::Environment;

/// Files that are read at the same time.
pub(crate) const FILES_AT_ONCE: usize = 4;

/// Prints PDFs as Markdown.
pub(crate) async fn markdown_command(arguments: ReadArguments) -> anyhow::Result<ExitCode> {
    command(arguments, "md", |read| Ok(markdown_of(read))).await
}

/// The bytes that `worker local` and `worker run` store of it.
fn markdown_of(read: &ReadFile) -> String {
    let mut markdown = MarkdownPages::of(read.of_pages);
    let pages = read.pages.iter().map(|page| {
        let links = read.links.iter().filter(|link| link.page == page.page);
        markdown.next(page, &links.collect::<Vec<_>>())
    });
    let mut text: String = pages.collect();
    text.push_str(markdown.finish());
    text
}

/// Prints the tables of PDFs.
pub(crate) async fn tables_command(arguments: TablesArguments) -> anyhow::Result<ExitCode> {
    let TablesArguments { read, format } = arguments;
    let (extension, make): (_, fn(&Table) -> String) = match format {
        TableFormat::Json => {
            let make = |read: &ReadFile| json_lines(&read.pages);
            return command(read, "tables.jsonl", make).await;
        }
        TableFormat::Csv => ("tables.csv", markdown::csv_table),
        TableFormat::Markdown => ("tables.md", markdown::markdown_table),
        TableFormat::Html => ("tables.html", markdown::html_table),
    };
    let end_of_line = if format == TableFormat::Csv {
        "\r\n"
    } else {
        "\n"
    };
    command(read, extension, |read| {
        let tables = read.pages.iter().flat_map(|page| &page.blocks);
        let tables = tables.filter_map(|block| block.table.as_deref().map(make));
        Ok(tables.collect::<Vec<_>>().join(end_of_line))
    })
    .await
}

/// A table as `worker tables` prints it.
#[derive(Serialize)]
struct PrintedTable<'a> {
    page: u32,
    bbox: Rect,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    #[serde(flatten)]
    table: &'a Table,
}

fn json_lines(pages: &[PageText]) -> anyhow::Result<String> {
    let mut lines = String::new();
    for page in pages {
        for block in &page.blocks {
            let Some(table) = &block.table else {
                continue;
            };
            let caption = table.caption.and_then(|index| {
                let caption = page.blocks.get(index as usize)?;
                page.text.get(caption.start as usize..caption.end as usize)
            });
            let printed = PrintedTable {
                page: page.page.0,
                bbox: block.bbox,
                caption,
                table,
            };
            lines.push_str(&serde_json::to_string(&printed)?);
            lines.push('\n');
        }
    }
    Ok(lines)
}

/// What was read of a file.
struct ReadFile {
    /// How many pages it has, those that can't be read included.
    of_pages: u32,
    pages: Vec<PageText>,
    links: Vec<Link>,
    /// Pages that can't be read, with the reason.
    failed: Vec<String>,
}

async fn command(
    arguments: ReadArguments,
    extension: &str,
    make: impl Fn(&ReadFile) -> anyhow::Result<String>,
) -> anyhow::Result<ExitCode> {
    if let Some(out) = &arguments.out {
        made_folder(out)?;
    }
    let (engine, settings) = engine(arguments.config.as_deref()).await?;
    let mut has_failed = false;
    let mut files = futures::stream::iter(&arguments.files)
        .map(|path| {
            let (engine, settings) = (&engine, &settings);
            async move { (path, read(engine, settings, path).await) }
        })
        .buffered(FILES_AT_ONCE);
    while let Some((path, read)) = files.next().await {
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                has_failed = true;
                eprintln!("{}", printable(&format!("{}: {error:#}", path.display())));
                continue;
            }
        };
        for failure in &read.failed {
            has_failed = true;
            eprintln!("{}", printable(&format!("{}: {failure}", path.display())));
        }
        let made = make(&read)?;
        match &arguments.out {
            None => print!("{made}"),
            Some(out) => write(out, path, extension, &made)?,
        }
    }
    drop(files);
    engine.shutdown().await;
    Ok(ExitCode::from(match has_failed {
        true => cli::EXIT_DOCUMENTS_FAILED,
        false => cli::EXIT_OK,
    }))
}

pub(crate) fn write(out: &Path, source: &Path, extension: &str, made: &str) -> anyhow::Result<()> {
    let Some(name) = source.file_stem() else {
        bail!("{} has no usable name: rename it", source.display());
    };
    let mut name = name.to_owned();
    name.push(".");
    name.push(extension);
    let path: PathBuf = out.join(name);
    std::fs::write(&path, made).with_context(|| format!("{} can't be written", path.display()))
}

/// The engine, and the settings that it works by.
pub(crate) async fn engine(config: Option<&Path>) -> anyhow::Result<(Engine, Settings)> {
    let environment = Environment::read().await?;
    let (settings, _) =
        adapters::settings_in_force(config, None, &environment.app_config_key).await?;
    let (engine, _) = adapters::engine(&environment, &settings)?;
    Ok((engine, settings))
}

/// Makes the folder for what is written, unless it is there.
pub(crate) fn made_folder(out: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| {
        format!(
            "{} can't be made: give a folder that can be written",
            out.display()
        )
    })
}

/// Opens a file, which is tried with the passwords that the settings have for its path.
pub(crate) async fn open(
    engine: &Engine,
    settings: &Settings,
    path: &Path,
) -> anyhow::Result<(SealedFile, Document)> {
    let bytes = std::fs::read(path).context("it can't be read")?;
    let file = SealedFile::from_bytes(&bytes, settings.limits.max_file_bytes)?;
    drop(bytes);
    let passwords = settings
        .passwords
        .candidates(&SourceKey(path.display().to_string()));
    let document = engine.open(file.clone(), &passwords).await?;
    Ok((file, document))
}

async fn read(engine: &Engine, settings: &Settings, path: &Path) -> anyhow::Result<ReadFile> {
    let (_, document) = open(engine, settings, path).await?;
    let request = ExtractRequest {
        text: true,
        links: true,
        ..ExtractRequest::default()
    };
    let mut read = ReadFile {
        of_pages: document.inspection().pages,
        pages: Vec::new(),
        links: Vec::new(),
        failed: Vec::new(),
    };
    let mut pages = document.extract(request);
    while let Some((page, output)) = pages.next().await {
        match output {
            Ok(output) => {
                read.pages.extend(output.text);
                read.links.extend(output.links.into_iter().flatten());
            }
            Err(failure) => read.failed.push(format!("page {}: {failure}", page.0)),
        }
    }
    classify_with_outline(&mut read.pages, document.outline());
    Ok(read)
}
