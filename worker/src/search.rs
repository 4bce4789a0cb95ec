//! `worker search`: a question in, hits out: document, page, snippet, score, page image.

mod snippet;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pagemill_app::Environment;
use pagemill_app::search::{Options, Searcher};
use pagemill_index::{Hit, sparse};
use pagemill_storage::shown;
use serde_json::{Map, Value, json};

use crate::cli::{self, SearchArguments};
use snippet::snippet;

/// Runs the command.
pub(crate) async fn command(arguments: SearchArguments) -> anyhow::Result<ExitCode> {
    let options = Options {
        store: arguments.store.parse()?,
        out: arguments.out,
        config: arguments.config,
        prefix: arguments.prefix,
        limit: arguments.limit,
    };
    let environment = Environment::read().await?;
    let searcher = Searcher::open(&options, &environment)?;
    match (arguments.question, arguments.questions) {
        (Some(question), _) => {
            let hits = searcher.ask(&question).await?;
            match arguments.json {
                true => show_json(&hits)?,
                false => show(&hits, &question, options.out.as_deref())?,
            }
        }
        (None, Some(file)) => ask_all(&searcher, &file).await?,
        (None, None) => unreachable!("the command line asks for one of them"),
    }
    Ok(ExitCode::from(cli::EXIT_OK))
}

fn show(hits: &[Hit], question: &str, out: Option<&Path>) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    if hits.is_empty() {
        writeln!(output, "no hits")?;
    }
    let sought: HashSet<String> = sparse::question_terms(question).into_iter().collect();
    for (number, hit) in hits.iter().enumerate() {
        writeln!(output, "{}", as_text(number + 1, hit, &sought, out))?;
    }
    Ok(())
}

fn show_json(hits: &[Hit]) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    hits.iter()
        .try_for_each(|hit| writeln!(output, "{}", as_json(hit)))
}

/// Answers a file of questions, each as soon as it is found.
async fn ask_all(searcher: &Searcher, file: &Path) -> anyhow::Result<()> {
    let lines: Box<dyn BufRead + Send> = match file == Path::new("-") {
        true => Box::new(BufReader::new(std::io::stdin())),
        false => Box::new(BufReader::new(File::open(file).with_context(|| {
            format!(
                "{} can't be opened: name a file of questions",
                file.display()
            )
        })?)),
    };
    for line in lines.lines() {
        let question = line.with_context(|| format!("{} can't be read", file.display()))?;
        if question.trim().is_empty() {
            continue;
        }
        let hits: Vec<Value> = searcher.ask(&question).await?.iter().map(as_json).collect();
        let answer = json!({"question": question, "hits": hits});
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(())
}

/// The fields of a hit, wherever the store's layout has them.
fn fields(hit: &Hit) -> (&Map<String, Value>, &str) {
    let meta = hit
        .payload
        .get("meta")
        .and_then(Value::as_object)
        .unwrap_or(&hit.payload);
    let text = hit
        .payload
        .get("content")
        .or_else(|| hit.payload.get("text"));
    (meta, text.and_then(Value::as_str).unwrap_or_default())
}

fn as_json(hit: &Hit) -> Value {
    let (meta, text) = fields(hit);
    json!({
        "source": meta.get("source"),
        "page": meta.get("page"),
        "score": hit.score,
        "title": meta.get("title"),
        "heading_path": meta.get("heading_path"),
        "text": text,
        "page_image": meta.get("page_image"),
        "id": hit.id,
    })
}

fn as_text(number: usize, hit: &Hit, sought: &HashSet<String>, out: Option<&Path>) -> String {
    let (meta, text) = fields(hit);
    let of = |name: &str| meta.get(name).and_then(Value::as_str).unwrap_or_default();
    let page = meta.get("page").and_then(Value::as_u64).unwrap_or_default();
    let headings: Vec<_> = meta
        .get("heading_path")
        .and_then(Value::as_array)
        .map(|path| path.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut lines = vec![format!(
        "{number}. {}, page {page} (score {:.3})",
        shown(of("source")),
        hit.score
    )];
    if !headings.is_empty() {
        lines.push(format!("   in: {}", shown(&headings.join(" > "))));
    }
    lines.push(format!("   {}", snippet(text, sought)));
    let image = of("page_image");
    if !image.is_empty() {
        let image = out.map_or_else(
            || image.to_owned(),
            |out| out.join(image).display().to_string(),
        );
        lines.push(format!("   image: {}", shown(&image)));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use pagemill_storage::shown::is_steering;

    use super::*;

    #[test]
    fn ho_4_a_hit_shows_its_name_escaped_and_gives_it_raw_as_json() {
        let name = "source-pdfs/a\nb\u{1b}[31m\u{202e}.pdf";
        let meta = json!({"source": name, "page": 1, "page_image": name, "text": "words"});
        let hit = Hit {
            id: Default::default(),
            score: 1.0,
            payload: meta.as_object().expect("an object").clone(),
        };
        let text = as_text(1, &hit, &HashSet::new(), None);
        let escaped = r"source-pdfs/a\nb\u{1b}[31m\u{202e}.pdf";
        assert!(text.starts_with(&format!("1. {escaped}, page 1")), "{text}");
        assert!(text.contains(&format!("image: {escaped}")), "{text}");
        let is_foreign = |character| character != '\n' && is_steering(character);
        assert!(!text.contains(is_foreign), "{text:?}");
        assert_eq!(as_json(&hit)["source"], name);
    }
}
