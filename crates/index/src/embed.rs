//! Embedders: texts to dense vectors.

#[cfg(feature = "minilm")]
mod minilm;
#[cfg(feature = "openai")]
mod openai;
mod wordllama;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pagemill_document::ChargeSink;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::error::IndexError;
use crate::settings::{EmbedderKind, IndexSettings};

/// What a text is embedded for. Some models treat the two differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be found.
    Document,
    /// To find.
    Query,
}

/// Vectors and what they cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embedding {
    /// One vector a text, in order, of length 1 (a text without any known token: see [`Embedder::embed`]).
    pub vectors: Vec<Vec<f32>>,
    /// Tokens that were read, as the model counts them.
    pub tokens: u64,
    /// Calls to an endpoint; 0 for a local model.
    pub calls: u64,
}

/// Turns texts into dense vectors.
#[async_trait]
pub trait Embedder: Send + Sync + std::fmt::Debug {
    /// What it is, for fingerprints: model and, for a local one, a hash of its files.
    fn name(&self) -> String;

    /// How many dimensions its vectors have.
    fn dimensions(&self) -> usize;

    /// The model that is paid for by the tokens that it reads; `None` for a local one, which is free.
    fn paid_model(&self) -> Option<String> {
        None
    }

    /// Embeds texts. Nothing is cut off: a text longer than the model's window is read window by window, and its
    /// vector is the mean of theirs. A text in which the model knows nothing gets a vector of zeros, which must not
    /// be stored. Each paid call is told to `charges` before its answer is looked at; a local model makes none.
    async fn embed(
        &self,
        texts: &[String],
        purpose: Purpose,
        charges: &dyn ChargeSink,
    ) -> Result<Embedding, IndexError>;
}

/// Where an OpenAI-compatible endpoint is.
#[derive(Debug, Clone)]
pub struct EmbedEndpoint {
    /// Such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// Its key; none for a server that wants none.
    pub api_key: Option<SecretString>,
    /// Longest wait for one call.
    pub timeout: Duration,
}

/// Where the files of local models are: `minilm-int8.onnx`, `minilm-tokenizer.json`, `wordllama.safetensors`,
/// `wordllama-tokenizer.json`.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    /// Their folder.
    pub dir: PathBuf,
}

/// Makes the embedder of the settings. Loads the model's files: call it once, at start.
///
/// # Errors
/// [`IndexError::NotBuilt`] for an embedder whose feature is missing; [`IndexError::ModelMissing`] and
/// [`IndexError::ModelInvalid`] for its files; [`IndexError::Settings`].
pub fn embedder(
    settings: &IndexSettings,
    models: &ModelFiles,
    #[cfg_attr(not(feature = "openai"), expect(unused_variables))] endpoint: Option<&EmbedEndpoint>,
) -> Result<Arc<dyn Embedder>, IndexError> {
    settings.check()?;
    match &settings.embedder {
        EmbedderKind::Static => Ok(Arc::new(wordllama::WordLlama::load(&models.dir)?)),
        #[cfg(feature = "minilm")]
        EmbedderKind::MiniLm => Ok(Arc::new(minilm::MiniLm::load(&models.dir)?)),
        #[cfg(not(feature = "minilm"))]
        EmbedderKind::MiniLm => Err(IndexError::NotBuilt {
            what: "the embedder mini_lm".to_owned(),
            feature: "minilm",
        }),
        #[cfg(feature = "openai")]
        EmbedderKind::OpenAi { model, dimensions } => {
            let place = endpoint.ok_or_else(|| IndexError::Settings {
                setting: "embedder".to_owned(),
                value: "open_ai without an endpoint".to_owned(),
                remedy:
                    "set the endpoint's base URL and key, or use the static or mini_lm embedder"
                        .to_owned(),
            })?;
            Ok(Arc::new(openai::OpenAi::new(
                place,
                model,
                *dimensions,
                settings.embed_batch,
            )?))
        }
        #[cfg(not(feature = "openai"))]
        EmbedderKind::OpenAi { .. } => Err(IndexError::NotBuilt {
            what: "the embedder open_ai".to_owned(),
            feature: "openai",
        }),
    }
}

/// Stands where no embedder is needed: nothing is loaded, and nothing can be embedded.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEmbedder;

#[async_trait]
impl Embedder for NoEmbedder {
    fn name(&self) -> String {
        "none".to_owned()
    }

    fn dimensions(&self) -> usize {
        0
    }

    async fn embed(
        &self,
        _: &[String],
        _: Purpose,
        _: &dyn ChargeSink,
    ) -> Result<Embedding, IndexError> {
        Err(IndexError::Settings {
            setting: "embedder".to_owned(),
            value: "none".to_owned(),
            remedy: "set goal to index, so that an embedder is loaded".to_owned(),
        })
    }
}

/// Reads a model's file, with the remedy when it is missing.
fn read_model(path: &Path) -> Result<Vec<u8>, IndexError> {
    std::fs::read(path).map_err(|error| {
        let file = path.display().to_string();
        if error.kind() == std::io::ErrorKind::NotFound {
            IndexError::ModelMissing { file }
        } else {
            IndexError::ModelInvalid {
                file,
                reason: error.to_string(),
            }
        }
    })
}

/// Says that a model's file can't be used.
fn invalid(path: &Path, reason: impl std::fmt::Display) -> IndexError {
    IndexError::ModelInvalid {
        file: path.display().to_string(),
        reason: reason.to_string(),
    }
}

/// The first 12 hexadecimal digits of the hash of a model's files.
fn short_hash(files: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for bytes in files {
        hasher.update(bytes);
    }
    hasher
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Makes a vector one of length 1; one of zeros stays so.
pub(crate) fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
}

/// The mean of vectors weighted by how much text each stands for, of length 1.
#[cfg(feature = "minilm")]
fn weighted_mean(parts: &[(Vec<f32>, f32)], dimensions: usize) -> Vec<f32> {
    let mut mean = vec![0.0; dimensions];
    for (vector, weight) in parts {
        for (sum, value) in mean.iter_mut().zip(vector) {
            *sum += value * weight;
        }
    }
    normalise(&mut mean);
    mean
}
