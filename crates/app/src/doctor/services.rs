//! The vector store, the embedder, the LLM.

use std::time::Duration;

use pagemill_document::Dependency;
use pagemill_index::{Collection, EmbedderKind, TargetStore, embedded_store_to_read, qdrant_store};
use pagemill_metadata::GeneratorKind;
use pagemill_pipeline::Settings;
use secrecy::ExposeSecret;

use super::Report;
use crate::adapters;
use crate::environment::{self, Api, Environment};

const TIMEOUT: Duration = Duration::from_secs(10);

/// The areas of a report, by the names that breakers and metrics have.
const LLM: &str = Dependency::Llm.name();
const EMBEDDER: &str = Dependency::Embedder.name();

pub(super) async fn examine(
    environment: &Environment,
    settings: &Settings,
    report: &mut Report<'_>,
) {
    let dimensions = embedder(environment, settings, report).await;
    vectors(environment, settings, dimensions, report).await;
    match (settings.metadata.generator, &environment.llm) {
        (GeneratorKind::Extractive, _) => report.skip(LLM, "metadata.generator is extractive"),
        (GeneratorKind::Llm, None) => report.fail(
            LLM,
            "metadata.generator is llm, and LLM_BASE_URL is not set",
            "set it to an OpenAI-compatible API, or the generator to extractive",
        ),
        (_, Some(api)) => models(LLM, api, &settings.metadata.model, report).await,
    }
}

/// Answers the size of the vectors that are made.
async fn embedder(
    environment: &Environment,
    settings: &Settings,
    report: &mut Report<'_>,
) -> Option<usize> {
    let embedder = match adapters::embedder(environment, settings) {
        Ok(embedder) => embedder,
        Err(error) => {
            report.error(EMBEDDER, "it can't be used", &error);
            return None;
        }
    };
    report.ok(
        EMBEDDER,
        format!("{}, {} dimensions", embedder.name(), embedder.dimensions()),
    );
    if let (EmbedderKind::OpenAi { model, .. }, Some(api)) =
        (&settings.index.embedder, &environment.embeddings)
    {
        models(EMBEDDER, api, model, report).await;
    }
    Some(embedder.dimensions())
}

async fn vectors(
    environment: &Environment,
    settings: &Settings,
    dimensions: Option<usize>,
    report: &mut Report<'_>,
) {
    let opened = match (&environment.qdrant, &environment.vector_dir) {
        (Some(qdrant), _) => qdrant_store(&qdrant.url, qdrant.api_key.as_ref()),
        // Opening makes a folder, and a probe leaves nothing behind.
        (None, Some(folder)) if !folder.is_dir() => {
            report.ok(
                "vectors",
                "the embedded store is not there yet and will be made",
            );
            return;
        }
        (None, Some(folder)) => embedded_store_to_read(folder),
        (None, None) => {
            report.skip("vectors", "neither QDRANT_URL nor PAGEMILL_VECTOR_DIR is set: `worker run` needs one, `worker local` does not");
            return;
        }
    };
    let store = match opened {
        Ok(store) => store,
        Err(error) => {
            report.error("vectors", "the store can't be opened", &error);
            return;
        }
    };
    if let Err(error) = store.ping().await {
        report.error("vectors", "the store does not answer", &error);
        return;
    }
    report.ok("vectors", "the store answers");
    let targets = settings
        .targets(None)
        .unwrap_or_else(|_| TargetStore::ALL.to_vec());
    for target in targets {
        let collection = Collection::of(target, &environment.collections);
        match (store.dimensions(&collection).await, dimensions) {
            (Err(error), _) => report.error("vectors", &collection.name, &error),
            (Ok(None), _) => report.ok("vectors", format!("{} is not there yet and will be made", collection.name)),
            (Ok(Some(found)), Some(made)) if found != made as u64 => report.fail(
                "vectors",
                format!("{} holds vectors of {found} dimensions, and the embedder makes {made}", collection.name),
                "set the embedder that the collection was made with, or name another collection and index again",
            ),
            (Ok(Some(found)), _) => report.ok("vectors", format!("{} holds vectors of {found} dimensions", collection.name)),
        }
    }
}

/// Asks an API for its models, which costs nothing.
async fn models(area: &'static str, api: &Api, wanted: &str, report: &mut Report<'_>) {
    let listed = match list_models(api).await {
        Ok(listed) => listed,
        Err(Trouble::Refused(status)) => {
            report.fail(
                area,
                format!("{} refuses the key ({status})", shown(&api.base_url)),
                "correct the API key, or its secret",
            );
            return;
        }
        Err(Trouble::NoList(status)) => {
            report.warn(
                area,
                format!(
                    "{} answers, but does not list its models ({status})",
                    shown(&api.base_url)
                ),
                "nothing, if it serves the model",
            );
            return;
        }
        Err(Trouble::Silent(reason)) => {
            report.fail(
                area,
                format!("{} does not answer ({reason})", shown(&api.base_url)),
                "start it, or correct its base URL, which usually ends in /v1",
            );
            return;
        }
    };
    if listed.iter().any(|model| model == wanted) {
        report.ok(
            area,
            format!("{} answers and lists {wanted}", shown(&api.base_url)),
        );
    } else {
        report.warn(
            area,
            format!(
                "{} answers and does not list {wanted}",
                shown(&api.base_url)
            ),
            "correct the model's name, unless the server takes names that it does not list",
        );
    }
}

enum Trouble {
    Refused(u16),
    NoList(u16),
    Silent(String),
}

async fn list_models(api: &Api) -> Result<Vec<String>, Trouble> {
    let silent = |error: reqwest::Error| Trouble::Silent(error.without_url().to_string());
    let client = pagemill_http::client()
        .timeout(TIMEOUT)
        .build()
        .map_err(silent)?;
    let url = format!("{}/models", api.base_url.trim_end_matches('/'));
    let mut request = client.get(url);
    if let Some(key) = &api.api_key {
        request = request.bearer_auth(key.expose_secret());
    }
    let answer = request.send().await.map_err(silent)?;
    let status = answer.status().as_u16();
    match status {
        200..=299 => {}
        401 | 403 => return Err(Trouble::Refused(status)),
        _ => return Err(Trouble::NoList(status)),
    }
    let body = answer.bytes().await.map_err(silent)?;
    let value: serde_json::Value =
        serde_json::from_slice(&body).map_err(|_| Trouble::NoList(status))?;
    let models = value["data"].as_array().ok_or(Trouble::NoList(status))?;
    let names = models.iter().filter_map(|model| model["id"].as_str());
    Ok(names.map(str::to_owned).collect())
}

/// An address without what a person may have put into it as a secret.
fn shown(base_url: &str) -> String {
    let Ok(mut url) = url::Url::parse(base_url) else {
        return "the API".to_owned();
    };
    url.set_query(None);
    environment::without_credentials(url.as_str())
}
