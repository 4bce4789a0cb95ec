//! `worker fields`: the fields of PDFs at hand, read and printed with nothing stored; or those that are stored of a key.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use futures::StreamExt;
use pagemill_app::adapters;
use pagemill_app::environment::Environment;
use pagemill_document::{PageText, Structure, classify_with_outline, headings_of_page};
use pagemill_fields::{DocumentFields, Input, XmlFile};
use pagemill_metadata::DocumentInput;
use pagemill_metadata::extractive::ExtractiveGenerator;
use pagemill_pdf::{Engine, ExtractRequest};
use pagemill_pipeline::Settings;
use pagemill_storage::{ObjectStore, SourceKey};

use crate::cli::{self, ReadArguments};
use crate::logging::printable;
use crate::read::{engine, made_folder, open, write};

/// Prints the fields of PDFs, a line of JSON for each.
pub(crate) async fn command(arguments: ReadArguments) -> anyhow::Result<ExitCode> {
    if let Some(out) = &arguments.out {
        made_folder(out)?;
    }
    let (at_hand, keys): (Vec<_>, Vec<_>) = arguments.files.iter().partition(|path| path.exists());
    let mut has_failed = false;
    let mut print = |path: &Path, made: anyhow::Result<String>| {
        match (made, &arguments.out) {
            (Err(error), _) => {
                has_failed = true;
                eprintln!("{}", printable(&format!("{}: {error:#}", path.display())));
            }
            (Ok(made), None) => print!("{made}"),
            (Ok(made), Some(out)) => write(out, path, "fields.json", &made)?,
        }
        anyhow::Ok(())
    };
    if !at_hand.is_empty() {
        let (engine, settings) = engine(arguments.config.as_deref()).await?;
        for path in at_hand {
            print(path, fields_of(&engine, &settings, path).await)?;
        }
        engine.shutdown().await;
    }
    for key in keys {
        print(key, stored(key).await)?;
    }
    Ok(ExitCode::from(match has_failed {
        true => cli::EXIT_DOCUMENTS_FAILED,
        false => cli::EXIT_OK,
    }))
}

/// What a run would store of a file behind the header, with metadata by rules: no model is asked.
async fn fields_of(engine: &Engine, settings: &Settings, path: &Path) -> anyhow::Result<String> {
    let (_, document) = open(engine, settings, path).await?;
    let request = ExtractRequest {
        text: true,
        links: true,
        ..ExtractRequest::default()
    };
    let mut pages = Vec::new();
    let mut links = Vec::new();
    let mut outputs = document.extract(request);
    while let Some((page, output)) = outputs.next().await {
        match output {
            Ok(output) => {
                pages.extend(output.text);
                links.extend(output.links.into_iter().flatten());
            }
            Err(failure) => bail!("page {}: {failure}", page.0),
        }
    }
    classify_with_outline(&mut pages, document.outline());
    let attachments = document.attachments().await?;
    let files = attachments.iter().filter_map(|file| {
        let bytes = file.content.as_deref().ok()?;
        Some(XmlFile {
            name: &file.name,
            bytes,
        })
    });
    let files: Vec<XmlFile<'_>> = files.collect();
    let structure = Structure {
        outline: document.outline().to_vec(),
        headings: pages.iter().flat_map(headings_of_page).collect(),
        page_labels: document.page_labels().to_vec(),
    };
    let plain: Vec<PageText> = pages.iter().map(without_lines).collect();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let metadata = ExtractiveGenerator::new(&settings.metadata).extract(DocumentInput {
        source_name: &name,
        sha256: "",
        inspection: document.inspection(),
        structure: &structure,
        pages: &plain,
        links: &links,
        custom_prompt: None,
    });
    let names: Vec<&str> = attachments.iter().map(|file| file.name.as_str()).collect();
    let key = format!("{}{name}", settings.layout.source);
    let fields = pagemill_fields::extract(&Input {
        key: &key,
        attachments: &names,
        profiles: &settings.profiles.usable,
        pages: &pages,
        files: &files,
        sha256: "",
        corrections: None,
        calibration: settings.calibration.usable.as_ref(),
        document_type: metadata.document_type.and_then(|claim| claim.value),
    });
    line_of(&fields)
}

/// Metadata is made of pages without lines, here as in a run.
fn without_lines(page: &PageText) -> PageText {
    let mut page = page.clone();
    for block in &mut page.blocks {
        block.lines = Vec::new();
    }
    page
}

fn line_of(fields: &DocumentFields) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string(fields)?))
}

/// What is stored of a source in the bucket.
async fn stored(key: &Path) -> anyhow::Result<String> {
    let environment = Environment::read().await?;
    let Some(bucket) = &environment.bucket else {
        bail!(
            "there is no such file: give the path of a PDF, or set S3_BUCKET and give the key of a source"
        );
    };
    let key = key.to_str().context("a key is UTF-8")?;
    let store = adapters::bucket(bucket).await;
    let layout = adapters::layout(&store, &environment.app_config_key).await?;
    let stored = layout.fields(&SourceKey(key.to_owned()));
    let (_, body) = store.get_bytes(&stored).await.with_context(|| {
        format!("nothing is stored of it in {bucket}: process it first, with metadata as the goal at least")
    })?;
    Ok(String::from_utf8(body.to_vec())?)
}
