//! `worker search`: a question in, hits out: document, page, snippet, score, page image.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use pagemill_app::Environment;
use pagemill_app::search::{Options, search};
use pagemill_index::Hit;
use pagemill_storage::shown;
use pagemill_storage::shown::is_steering;
use serde_json::{Map, Value, json};

use crate::cli::{self, SearchArguments};

/// Characters of a hit's text that are shown.
const SNIPPET: usize = 240;

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
    let hits = search(&arguments.question, &options, &environment).await?;
    let mut output = std::io::stdout().lock();
    if hits.is_empty() && !arguments.json {
        writeln!(output, "no hits")?;
    }
    for (number, hit) in hits.iter().enumerate() {
        if arguments.json {
            writeln!(output, "{}", as_json(hit))?;
        } else {
            let lines = as_text(number + 1, hit, options.out.as_deref());
            writeln!(output, "{lines}")?;
        }
    }
    Ok(ExitCode::from(cli::EXIT_OK))
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

fn as_text(number: usize, hit: &Hit, out: Option<&Path>) -> String {
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
    lines.push(format!("   {}", snippet(text)));
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

/// The beginning of a text on one line, without what could move a terminal's cursor.
fn snippet(text: &str) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if words.chars().count() + word.chars().count() > SNIPPET {
            words.push_str(" ...");
            break;
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words.extend(word.chars().filter(|character| !is_steering(*character)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_one_short_line_without_control_characters() {
        let text = format!("first\nsecond\u{1b}[31m\u{202e} {}", "word ".repeat(200));
        let snippet = snippet(&text);
        assert!(snippet.starts_with("first second[31m word"), "{snippet}");
        assert!(snippet.ends_with("..."));
        assert!(snippet.chars().count() < SNIPPET + 10);
    }

    #[test]
    fn ho_4_a_hit_shows_its_name_escaped_and_gives_it_raw_as_json() {
        let name = "source-pdfs/a\nb\u{1b}[31m\u{202e}.pdf";
        let meta = json!({"source": name, "page": 1, "page_image": name, "text": "words"});
        let hit = Hit {
            id: Default::default(),
            score: 1.0,
            payload: meta.as_object().expect("an object").clone(),
        };
        let text = as_text(1, &hit, None);
        let escaped = r"source-pdfs/a\nb\u{1b}[31m\u{202e}.pdf";
        assert!(text.starts_with(&format!("1. {escaped}, page 1")), "{text}");
        assert!(text.contains(&format!("image: {escaped}")), "{text}");
        let is_foreign = |character| character != '\n' && is_steering(character);
        assert!(!text.contains(is_foreign), "{text:?}");
        assert_eq!(as_json(&hit)["source"], name);
    }
}
