//! Logs go to standard error; what a person asked for goes to standard output.
//!
//! As JSON, a line holds what every span around it knows (`trace_id`, `message_id`, `source`, `stage`) beside its own
//! fields, at the top level, so that one field finds all lines of a document. What a field or a message holds comes
//! from documents too: control characters are taken out, so that a line can't forge another or steer a terminal.

use std::fmt::{self, Write as _};
use std::sync::Mutex;

use anyhow::bail;
use pagemill_storage::shown::is_steering;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::Command;

/// Starts logging as the environment and the command ask for.
pub(crate) fn start(command: &Command) -> anyhow::Result<()> {
    let is_service = matches!(command, Command::Run(_));
    let default_level = if is_service { "info" } else { "error" };
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::try_new(directives)?,
        _ => EnvFilter::new(default_level),
    };
    let format = std::env::var("PAGEMILL_LOG_FORMAT").unwrap_or_default();
    let format = match format.as_str() {
        "" if is_service => Format::Json,
        "" | "text" => Format::Text,
        "json" => Format::Json,
        other => bail!("PAGEMILL_LOG_FORMAT is {other:?}: give json or text"),
    };
    let lines = Lines {
        format,
        output: Mutex::new(std::io::stderr()),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()?;
    Ok(())
}

/// The text without control characters: what begins, ends or colours a line of a terminal, and what reorders text.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match is_steering(character) {
            true if matches!(character, '\n' | '\t' | '\r') => ' ',
            true => '\u{fffd}',
            false => character,
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Text,
}

/// Writes a line for each event.
struct Lines<Output> {
    format: Format,
    output: Mutex<Output>,
}

/// The fields of a span or an event, by name.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = printable(&format!("{value:?}"));
        self.0.insert(field.name().to_owned(), text.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0
            .insert(field.name().to_owned(), printable(value).into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl<S, Output> Layer<S> for Lines<Output>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    Output: std::io::Write + Send + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut known = Map::new();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(fields) = span.extensions().get::<Fields>() {
                known.extend(fields.0.clone());
            }
        }
        let mut own = Fields::default();
        event.record(&mut own);
        known.extend(own.0);
        let message = known.remove("message").unwrap_or_default();
        let message = message.as_str().unwrap_or_default().to_owned();
        let meta = event.metadata();
        let line = match self.format {
            Format::Json => json_line(meta, message, known),
            Format::Text => text_line(meta, &message, &known),
        };
        let mut output = self
            .output
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // A log that can't be written must not stop the work.
        drop(output.write_all(line.as_bytes()));
    }
}

fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        .to_string()
}

fn json_line(meta: &tracing::Metadata<'_>, message: String, known: Map<String, Value>) -> String {
    let mut line = Map::new();
    line.insert("timestamp".into(), now().into());
    line.insert("level".into(), meta.level().as_str().into());
    line.insert("message".into(), message.into());
    line.extend(known);
    line.insert("target".into(), meta.target().into());
    format!("{}\n", Value::Object(line))
}

fn text_line(meta: &tracing::Metadata<'_>, message: &str, known: &Map<String, Value>) -> String {
    let mut line = format!("{} {:>5} {message}", now(), meta.level().as_str());
    for (name, value) in known {
        let written = match value {
            Value::String(text) if text.contains(' ') || text.is_empty() => {
                write!(line, " {name}={text:?}")
            }
            Value::String(text) => write!(line, " {name}={text}"),
            other => write!(line, " {name}={other}"),
        };
        written.expect("writing into a string can't fail");
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What is written, to look at afterwards.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, work: impl FnOnce()) -> String {
        let written = Written::default();
        let output = Mutex::new(written.clone());
        let subscriber = tracing_subscriber::registry().with(Lines { format, output });
        tracing::subscriber::with_default(subscriber, work);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn he_3_a_line_holds_what_the_spans_around_it_know() {
        let text = logged(Format::Json, || {
            let message = tracing::info_span!("message", trace_id = "t-1");
            let _in_message = message.enter();
            let document = tracing::info_span!(
                "document",
                source = "source-pdfs/a.pdf",
                stage = tracing::field::Empty
            );
            let _in_document = document.enter();
            document.record("stage", "inspect");
            document.record("stage", "pages");
            tracing::warn!(page = 3, "page failed");
        });
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["trace_id"], "t-1");
        assert_eq!(line["source"], "source-pdfs/a.pdf");
        assert_eq!(line["stage"], "pages");
        assert_eq!(line["page"], 3);
        assert_eq!(line["message"], "page failed");
        assert_eq!(line["level"], "WARN");
    }

    #[test]
    fn ho_4_control_characters_of_documents_do_not_reach_the_log() {
        let hostile = "a\u{1b}[31mred\r\n{\"level\":\"ERROR\"}\u{202e}gnp\u{0}\u{9b}2J";
        for format in [Format::Json, Format::Text] {
            let text = logged(format, || {
                tracing::info!(source = hostile, debug = ?hostile, "about {hostile}");
            });
            assert_eq!(text.lines().count(), 1, "{text}");
            let ended = text.trim_end_matches('\n');
            assert!(
                !ended.contains(|c: char| c.is_control() || c == '\u{202e}'),
                "{text:?}"
            );
            // Nor as an escape that a reader of the JSON would turn back into one.
            for escape in ["\\u001b", "\\n", "\\u0000", "\\u{1b}"] {
                let plain = text.split("debug").next().unwrap();
                assert!(!plain.contains(escape), "{text}");
            }
        }
    }
}
