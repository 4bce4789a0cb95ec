//! `worker config`: what is in force, and the reference of every setting.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use pagemill_pipeline::Settings;
use pagemill_storage::ObjectStore;

use crate::cli::{self, ConfigArguments};
use pagemill_app::adapters;
use pagemill_app::environment::{Environment, VARIABLES};

/// Runs the command.
pub(crate) async fn command(arguments: ConfigArguments) -> anyhow::Result<ExitCode> {
    let mut output = std::io::stdout().lock();
    if arguments.reference {
        write!(output, "{}", reference())?;
        return Ok(ExitCode::from(cli::EXIT_OK));
    }
    if arguments.metrics {
        write!(output, "{}", crate::metrics::reference())?;
        return Ok(ExitCode::from(cli::EXIT_OK));
    }
    let environment = Environment::read().await?;
    let bucket = match &environment.bucket {
        Some(name) => Some(adapters::bucket(name).await),
        None => None,
    };
    let store = bucket.as_ref().map(|store| store as &dyn ObjectStore);
    let config = arguments.config.as_deref();
    let (settings, origin) =
        adapters::settings_in_force(config, store, &environment.app_config_key).await?;
    writeln!(output, "# environment")?;
    for (name, value) in Environment::in_force() {
        writeln!(output, "{name}={value}")?;
    }
    writeln!(output, "\n# tunables, from {origin}")?;
    let json = serde_json::to_string_pretty(&settings).context("the settings can't be shown")?;
    writeln!(output, "{json}")?;
    Ok(ExitCode::from(cli::EXIT_OK))
}

/// The text of docs/CONFIGURATION.md.
pub(crate) fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         <!-- Made by `worker config --reference`; a test keeps it current. -->\n\n\
         Infrastructure and secrets come from the environment; `.env` of the working directory is read too, and what the\n\
         environment has already wins. Tunables come from `config/app_config.json` in the bucket (for `worker local`, in the\n\
         output folder); what is left out has the default shown here. Unknown names are refused. `worker config` prints what is\n\
         in force, secrets masked.\n\n\
         ## Environment\n\n| variable | default | meaning |\n|---|---|---|\n",
    );
    for variable in VARIABLES {
        let default = match (variable.default, variable.secret) {
            ("", true) => "(secret)".to_owned(),
            ("", false) => String::new(),
            (default, _) if default.contains(' ') => default.to_owned(),
            (default, _) => format!("`{default}`"),
        };
        text.push_str(&format!(
            "| `{}` | {default} | {} |\n",
            variable.name, variable.meaning
        ));
    }
    text.push_str(
        "\nThe AWS SDK's own variables are honoured: `AWS_REGION`, `AWS_ENDPOINT_URL`, credentials by its usual chain.\n\n\
         ## Tunables\n\n| setting | default | meaning |\n|---|---|---|\n",
    );
    let schema = schemars::schema_for!(Settings).to_value();
    let defaults = serde_json::to_value(Settings::default()).unwrap_or_default();
    rows(&schema, &schema, &defaults, "", &mut text);
    text.push_str(PROMPTS);
    text
}

/// The part about prompts of single documents.
const PROMPTS: &str = "
## A prompt for single documents

What the LLM is told beside the configured prompts, at most 4,096 bytes. The first that gives one counts; an empty one asks
for none.

| from | how | holds for |
|---|---|---|
| a message | `bulk-trigger send --prompt TEXT\\|@FILE`, or the body below | the source's present bytes, until another message gives one |
| the command line | `worker local --prompt TEXT\\|@FILE` | the same |
| the object | `x-amz-meta-pagemill-prompt` of its upload; what is not ASCII, or has line breaks, as RFC 2047 has it (`=?UTF-8?B?...?=`) | this object |
| the settings | `metadata.custom_prompt` | every other document |

It is taken for the operator's word and stands outside the fence around the document's text: whoever may upload may set it.
It is part of the metadata's fingerprint, so that another one makes metadata and index anew and reads nothing again. With
`metadata.generator` extractive it is ignored, and the metadata's `warnings` say so. The record keeps what a message gave;
logs and the reasons of dead letters never quote it. One that leaves the document no room in `metadata.max_input_tokens` fails
the document (`custom_prompt_too_long`).

The message, as JSON:

| field | since version | meaning |
|---|---|---|
| `format` | 1 | `\"pagemill.job\"` |
| `version` | 1 | 1 or 2; a worker rejects a version that it does not know, and fields of a newer one |
| `bucket`, `key` | 1 | the object; the key as it is, not encoded |
| `target_stores` | 1 | vector stores to fill, instead of the setting |
| `force` | 1 | process again even what is unchanged |
| `reason`, `trace_id` | 1 | for records and logs |
| `custom_prompt` | 2 | the prompt |
";

/// A row for every field, depth first.
fn rows(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    defaults: &serde_json::Value,
    path: &str,
    text: &mut String,
) {
    let Some(properties) = schema
        .get("properties")
        .and_then(serde_json::Value::as_object)
    else {
        return;
    };
    for (name, property) in properties {
        let name = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let short = name.rsplit('.').next().unwrap_or(&name);
        let default = defaults.get(short).cloned().unwrap_or_default();
        let target = resolve(root, property);
        let is_section = target.get("properties").is_some() && target.get("oneOf").is_none();
        if is_section {
            rows(root, target, &default, &name, text);
            continue;
        }
        let described = property
            .get("description")
            .or_else(|| target.get("description"));
        let meaning = described
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        let meaning = meaning.replace('\n', " ").replace('|', "\\|");
        let mut default = default.to_string().replace('|', "\\|");
        if default.chars().count() > 60 {
            default = "see `worker config`".to_owned();
        } else {
            default = format!("`{default}`");
        }
        text.push_str(&format!("| `{name}` | {default} | {meaning} |\n"));
    }
}

/// Follows a `$ref` (alone or as the only part of `allOf`) into the schema's definitions.
fn resolve<'a>(
    root: &'a serde_json::Value,
    property: &'a serde_json::Value,
) -> &'a serde_json::Value {
    let only_part = property
        .get("allOf")
        .and_then(|parts| parts.get(0))
        .unwrap_or(property);
    let Some(reference) = only_part.get("$ref").and_then(serde_json::Value::as_str) else {
        return property;
    };
    root.pointer(reference.trim_start_matches('#'))
        .unwrap_or(property)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_configuration_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CONFIGURATION.md");
        let document = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            document == super::reference(),
            "docs/CONFIGURATION.md is out of date: run `cargo run --bin worker -- config --reference > docs/CONFIGURATION.md`"
        );
    }
}
