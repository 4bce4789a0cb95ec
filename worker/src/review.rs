//! `worker review`: what people must look at, and their decisions.

use std::process::ExitCode;

use futures::{TryStreamExt, pin_mut};
use pagemill_app::Environment;
use pagemill_app::plans::{Place, below_sources};
use pagemill_app::review::{Decided, Review, Reviewed, status};
use pagemill_pipeline::OpenItem;
use pagemill_storage::{SourceKey, shown};
use serde_json::json;

use crate::cli::{self, ReviewArguments, ReviewCommand};
use crate::summary::counted;

/// Runs the command.
pub(crate) async fn command(arguments: ReviewArguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::read().await?;
    let place = Place {
        out: arguments.folder.clone(),
        input: None,
    };
    let (store, settings) = place.store(&environment).await?;
    let layout = settings.layout;
    let review = Review::new(store, layout.clone());
    match arguments.command {
        ReviewCommand::List { prefix, json } => {
            let prefix = below_sources(&layout, prefix.as_deref().unwrap_or_default());
            list(&review, &prefix, json).await?;
        }
        ReviewCommand::Show { document, json } => {
            let source = SourceKey(below_sources(&layout, &document));
            show(&review.of(&source).await?, json);
        }
        ReviewCommand::Correct {
            document,
            field,
            value,
            none: _,
            by,
        } => {
            let source = SourceKey(below_sources(&layout, &document));
            let decided = Decided::Is { field, value };
            decide(&review, &source, &decided, &by, &arguments.folder).await?;
        }
        ReviewCommand::Approve {
            document,
            fields,
            all,
            by,
        } => {
            let source = SourceKey(below_sources(&layout, &document));
            let decided = match all {
                true => Decided::ApprovedWhole,
                false => Decided::Approved(fields),
            };
            decide(&review, &source, &decided, &by, &arguments.folder).await?;
        }
    }
    Ok(ExitCode::from(cli::EXIT_OK))
}

async fn list(review: &Review, prefix: &str, is_json: bool) -> anyhow::Result<()> {
    let open = review.open(prefix);
    pin_mut!(open);
    let (mut documents, mut items) = (0_u64, 0_u64);
    while let Some(file) = open.try_next().await? {
        documents += 1;
        items += file.items.len() as u64;
        if is_json {
            println!("{}", serde_json::to_string(&file)?);
            continue;
        }
        println!("{}", shown(file.header.source.as_str()));
        file.items.iter().for_each(print_item);
    }
    if !is_json {
        let (items, documents) = (counted(items, "field"), counted(documents, "document"));
        println!("{items} open in {documents}");
    }
    Ok(())
}

fn print_item(item: &OpenItem) {
    let page = item.page.map(|page| format!(", page {page}"));
    let value = item.value.as_deref().unwrap_or("none");
    let line = format!(
        "  {} {}: {}{}: {value}",
        item.field,
        item.name,
        item.reason,
        page.unwrap_or_default()
    );
    println!("{}", shown(&line));
    for said in &item.candidates {
        let line = format!("    {} ({}): {}", said.value, said.source.0, said.reason);
        println!("{}", shown(&line));
    }
}

fn show(reviewed: &Reviewed, is_json: bool) {
    let status = status(&reviewed.record);
    let Reviewed {
        record,
        open,
        corrections,
    } = reviewed;
    if is_json {
        let line = json!({"source": record.source, "status": status, "open": open, "corrections": corrections.all,
            "unreadable_lines": corrections.unreadable});
        println!("{line}");
        return;
    }
    println!("{}: {status}", shown(record.source.as_str()));
    let items = open.iter().flat_map(|file| &file.items);
    items.for_each(print_item);
    for made in &corrections.all {
        let of = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let (from, to) = (of(&made.from), of(&made.to));
        let line = format!(
            "  {}: {from} -> {to}, by {} at {}",
            made.field, made.by, made.at
        );
        println!("{}", shown(&line));
    }
    for line in &corrections.unreadable {
        println!("  line {line} of the corrections can't be read");
    }
}

async fn decide(
    review: &Review,
    source: &SourceKey,
    decided: &Decided,
    by: &str,
    folder: &Option<std::path::PathBuf>,
) -> anyhow::Result<()> {
    let made = review.decide(source, decided, by).await?;
    if made.is_empty() {
        println!("{}: nothing new to decide", shown(source.as_str()));
        return Ok(());
    }
    let again = match folder {
        Some(folder) => format!("worker local IN --out {}", folder.display()),
        None => "bulk-trigger send".to_owned(),
    };
    let fields = counted(made.len() as u64, "field");
    println!(
        "{}: {fields} decided; the next run of the document takes that over: {again}",
        shown(source.as_str())
    );
    Ok(())
}
