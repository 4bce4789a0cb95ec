//! What processes documents: engine, generator, embedder, vector store.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use pagemill_index::{
    EmbedEndpoint, Embedder, IndexError, Indexer, ModelFiles, NoEmbedder, VectorStore,
    embedded_store, qdrant_store,
};
use pagemill_metadata::{GeneratorKind, LlmEndpoint};
use pagemill_pdf::{Engine, EngineReport, EngineSettings, LayerName, OcrReport, OcrSettings};
use pagemill_pipeline::{Goal, Parts, Settings};
use pagemill_storage::{HistoryWriter, ObjectStore, RecordStore};
use sha2::{Digest, Sha256};

use crate::environment::Environment;

/// Longest time for one answer of an OpenAI-compatible API.
const API_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(120);

/// Below the folder that `worker local` writes: where its embedded vector store is.
pub const VECTORS: &str = "vectors";

/// Where vectors are kept.
#[derive(Debug)]
pub enum Vectors {
    /// In this process, in a folder.
    Embedded(PathBuf),
    /// As the environment says.
    Environment,
    /// In a store that is open already.
    Open(Arc<dyn VectorStore>),
}

/// Where libpdfium is.
///
/// # Errors
/// When it is not there; the text says how to get it.
pub fn libpdfium(environment: &Environment) -> anyhow::Result<PathBuf> {
    let path = environment.runtime.join("libpdfium.so");
    if !path.is_file() {
        bail!(
            "{} is missing: run scripts/setup, or set PAGEMILL_RUNTIME to the folder that holds it",
            path.display()
        );
    }
    path.canonicalize()
        .with_context(|| format!("{} can't be opened", path.display()))
}

/// Starts the PDF engine, and returns it with its version: a hash of its library.
///
/// # Errors
/// When libpdfium is missing or can't be used, or a layer of the sandbox that must be there is not.
pub fn engine(environment: &Environment, settings: &Settings) -> anyhow::Result<(Engine, String)> {
    let libpdfium = libpdfium(environment)?;
    let version = format!("pdfium sha256:{}", short_hash(&libpdfium)?);
    let this_program = std::env::current_exe().context("the path of this program is not known")?;
    let engine = Engine::new(EngineSettings {
        child_command: vec![
            this_program.to_string_lossy().into_owned(),
            "renderer".into(),
        ],
        libpdfium,
        children: environment.children,
        limits: settings.limits.clone(),
        required_layers: required_layers(environment.sandbox.as_deref())?,
        ocr: settings.ocr.enabled.then(|| OcrSettings {
            tesseract: environment.runtime.join("tesseract"),
            ppocr: environment.runtime.join("ppocr"),
            languages: settings.ocr.languages.clone(),
            dpi: settings.ocr.dpi,
            max_pixels: settings.pages.max_pixels,
            pictures: settings.ocr.pictures,
        }),
    })?;
    Ok((engine, version))
}

/// What reads pages from their pictures, and hashes of its models: another model reads other letters. Empty where nobody
/// does.
fn ocr_version(report: &EngineReport) -> anyhow::Result<String> {
    let OcrReport::Ready { readers, .. } = &report.ocr else {
        return Ok(String::new());
    };
    let mut parts = Vec::new();
    for reader in readers {
        parts.push(reader.name.clone());
        for (name, path) in &reader.models {
            parts.push(format!("{name}:{}", short_hash(path)?));
        }
    }
    Ok(parts.join(" "))
}

/// What makes vectors. Nothing is called for it.
///
/// # Errors
/// When its model or its address is missing or can't be used.
pub fn embedder(
    environment: &Environment,
    settings: &Settings,
) -> Result<Arc<dyn Embedder>, IndexError> {
    let endpoint = environment.embeddings.as_ref().map(|api| EmbedEndpoint {
        base_url: api.base_url.clone(),
        api_key: api.api_key.clone(),
        timeout: API_TIMEOUT,
    });
    let models = ModelFiles {
        dir: environment.runtime.join("models"),
    };
    pagemill_index::embedder(&settings.index, &models, endpoint.as_ref())
}

/// Opens the vector store and the embedder, which is left out where nothing will be embedded.
///
/// # Errors
/// When no vector store is named, it can't be opened, or the embedder can't be made.
pub fn indexer(
    environment: &Environment,
    settings: &Settings,
    vectors: Vectors,
    embeds: bool,
) -> anyhow::Result<Indexer> {
    let store: Arc<dyn VectorStore> = match (vectors, &environment.qdrant, &environment.vector_dir)
    {
        (Vectors::Open(store), _, _) => store,
        (Vectors::Embedded(folder), _, _) => embedded_store(&folder)?,
        (Vectors::Environment, Some(qdrant), _) => {
            qdrant_store(&qdrant.url, qdrant.api_key.as_ref())?
        }
        (Vectors::Environment, None, Some(folder)) => embedded_store(folder)?,
        (Vectors::Environment, None, None) => {
            bail!(
                "no vector store: set QDRANT_URL to a Qdrant server, or PAGEMILL_VECTOR_DIR to a folder for the embedded one"
            )
        }
    };
    let embedder = match embeds {
        true => embedder(environment, settings)?,
        false => Arc::new(NoEmbedder),
    };
    Ok(Indexer::new(
        settings.index.clone(),
        embedder,
        store,
        environment.collections.clone(),
    )?)
}

/// Puts a pipeline's parts together over an object store.
///
/// # Errors
/// When one of them is missing or can't be used.
pub fn parts(
    environment: &Environment,
    settings: Settings,
    store: Arc<dyn ObjectStore>,
    vectors: Vectors,
) -> anyhow::Result<Parts> {
    let indexer = indexer(
        environment,
        &settings,
        vectors,
        settings.goal >= Goal::Index,
    )?;
    let endpoint = environment.llm.as_ref().map(|api| LlmEndpoint {
        base_url: api.base_url.clone(),
        api_key: api.api_key.clone(),
    });
    if settings.metadata.generator == GeneratorKind::Llm && endpoint.is_none() {
        bail!(
            "metadata.generator is llm but LLM_BASE_URL is not set: set it to an OpenAI-compatible API, or the generator to extractive"
        );
    }
    let generator = pagemill_metadata::generator(&settings.metadata, endpoint.as_ref())?;
    let (engine, engine_version) = engine(environment, &settings)?;
    let ocr_version = ocr_version(engine.report())?;
    let records = RecordStore::new(Arc::clone(&store), settings.layout.clone());
    let history = HistoryWriter::start(records, HistoryWriter::DEFAULT_INTERVAL);
    Ok(Parts {
        store,
        engine: Arc::new(engine),
        engine_version,
        ocr_version,
        generator,
        indexer: Arc::new(indexer),
        history: Some(Arc::new(history)),
        settings: Arc::new(settings),
    })
}

/// The layers that a value of PAGEMILL_SANDBOX asks for.
fn required_layers(value: Option<&str>) -> anyhow::Result<BTreeSet<LayerName>> {
    match value {
        None | Some("best-effort") => Ok(BTreeSet::new()),
        Some("required") => Ok(BTreeSet::from(LayerName::ALL)),
        Some(names) => names
            .split(',')
            .map(|name| name.trim().parse::<LayerName>().map_err(anyhow::Error::msg))
            .collect::<anyhow::Result<_>>()
            .context("PAGEMILL_SANDBOX is neither best-effort nor required nor a list of layers"),
    }
}

/// The first digits of a file's SHA-256, enough to tell one build of it from another.
fn short_hash(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    Ok(hex::encode(&Sha256::digest(&bytes)[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ho_1_the_sandbox_can_be_required_wholly_or_by_layer() {
        assert!(required_layers(None).unwrap().is_empty());
        assert!(required_layers(Some("best-effort")).unwrap().is_empty());
        let whole = required_layers(Some("required")).unwrap();
        assert_eq!(whole.len(), LayerName::ALL.len());
        let some = [LayerName::Capabilities, LayerName::Seccomp];
        let named = required_layers(Some("seccomp, capabilities")).unwrap();
        assert_eq!(named, some.into());
        let refusal = required_layers(Some("seccomp,lundlock")).unwrap_err();
        let refusal = format!("{refusal:#}");
        for part in ["PAGEMILL_SANDBOX", "lundlock", "landlock"] {
            assert!(refusal.contains(part), "{refusal}");
        }
    }
}
