//! MiniLM-L6-v2: a small sentence transformer, run by `rten` from its ONNX file.
//!
//! Tokens are read in windows of 256 (the length the model was trained for); a window's vector is the mean of its
//! token vectors, of length 1, as `sentence-transformers` pools it. A longer text's vector is the mean of its windows
//! weighted by their tokens.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use pagemill_document::ChargeSink;
use rten::{Model, NodeId, ValueOrView};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;
use tokenizers::{Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};
use tokio::sync::Semaphore;

use crate::embed::{
    Embedder, Embedding, Purpose, invalid, normalise, read_model, short_hash, weighted_mean,
};
use crate::error::IndexError;
use crate::indexer::on_blocking_thread;

/// Tokens of a window, with the two special ones.
const WINDOW: usize = 256;

/// Dimensions of its vectors.
const DIMENSIONS: usize = 384;

/// Windows in one run of the model: enough to keep it busy, and some ten megabytes.
const WINDOWS_A_RUN: usize = 8;

struct Network {
    tokenizer: Tokenizer,
    model: Model,
    inputs: [NodeId; 3],
    output: NodeId,
}

/// A window of tokens: which text it is of, and its token ids.
struct Window {
    text: usize,
    ids: Vec<i32>,
}

/// MiniLM on this machine.
pub(crate) struct MiniLm {
    network: Arc<Network>,
    name: String,
    /// One run at a time: the model's own threads use all cores.
    turn: Arc<Semaphore>,
}

impl std::fmt::Debug for MiniLm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("MiniLm")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl MiniLm {
    /// Reads the model's files.
    pub(crate) fn load(dir: &Path) -> Result<Self, IndexError> {
        let model_path = dir.join("minilm-int8.onnx");
        let tokenizer_path = dir.join("minilm-tokenizer.json");
        let model_bytes = read_model(&model_path)?;
        let tokenizer_bytes = read_model(&tokenizer_path)?;
        let mut tokenizer = Tokenizer::from_bytes(&tokenizer_bytes)
            .map_err(|error| invalid(&tokenizer_path, error))?;
        tokenizer.with_padding(None);
        let windows = TruncationParams {
            max_length: WINDOW,
            stride: 0,
            strategy: TruncationStrategy::LongestFirst,
            direction: TruncationDirection::Right,
        };
        tokenizer
            .with_truncation(Some(windows))
            .map_err(|error| invalid(&tokenizer_path, error))?;
        let name = format!(
            "minilm-l6-v2-int8 {}",
            short_hash(&[&model_bytes, &tokenizer_bytes])
        );
        let model = Model::load(model_bytes).map_err(|error| invalid(&model_path, error))?;
        let node = |node_name: &str| {
            model
                .node_id(node_name)
                .map_err(|error| invalid(&model_path, error))
        };
        let inputs = [
            node("input_ids")?,
            node("attention_mask")?,
            node("token_type_ids")?,
        ];
        let output = node("last_hidden_state")?;
        let network = Network {
            tokenizer,
            model,
            inputs,
            output,
        };
        Ok(Self {
            network: Arc::new(network),
            name,
            turn: Arc::new(Semaphore::new(1)),
        })
    }
}

impl Network {
    fn embed(&self, texts: &[String]) -> Result<Embedding, IndexError> {
        let mut windows = self.windows(texts)?;
        let tokens = windows.iter().map(|window| window.ids.len() as u64).sum();
        // Windows of like length run together: the rest is padding. The sort is stable, so the order is always the same.
        windows.sort_by_key(|window| window.ids.len());
        let mut parts: Vec<Vec<(Vec<f32>, f32)>> = vec![Vec::new(); texts.len()];
        for batch in windows.chunks(WINDOWS_A_RUN) {
            for (window, vector) in batch.iter().zip(self.run(batch)?) {
                parts[window.text].push((vector, window.ids.len() as f32));
            }
        }
        let vectors = parts
            .iter()
            .map(|of_text| weighted_mean(of_text, DIMENSIONS))
            .collect();
        Ok(Embedding {
            vectors,
            tokens,
            calls: 0,
        })
    }

    fn windows(&self, texts: &[String]) -> Result<Vec<Window>, IndexError> {
        let mut windows = Vec::new();
        for (text, content) in texts.iter().enumerate() {
            let first = self
                .tokenizer
                .encode(content.as_str(), true)
                .map_err(failed)?;
            for encoding in std::iter::once(&first).chain(first.get_overflowing()) {
                // Two special tokens alone say nothing.
                if encoding.len() > 2 {
                    let ids = encoding.get_ids().iter().map(|id| *id as i32).collect();
                    windows.push(Window { text, ids });
                }
            }
        }
        Ok(windows)
    }

    fn run(&self, batch: &[Window]) -> Result<Vec<Vec<f32>>, IndexError> {
        let longest = batch
            .iter()
            .map(|window| window.ids.len())
            .max()
            .unwrap_or(0);
        let shape = [batch.len(), longest];
        let token = |[row, column]: [usize; 2]| batch[row].ids.get(column).copied();
        let ids = NdTensor::<i32, 2>::from_fn(shape, |place| token(place).unwrap_or(0));
        let mask = NdTensor::<i32, 2>::from_fn(shape, |place| i32::from(token(place).is_some()));
        let kinds = NdTensor::<i32, 2>::zeros(shape);
        let values = [ids, mask, kinds].map(|tensor| ValueOrView::Value(tensor.into()));
        let inputs = self.inputs.into_iter().zip(values).collect();
        let [hidden] = self
            .model
            .run_n(inputs, [self.output], None)
            .map_err(failed)?;
        let hidden: NdTensor<f32, 3> = hidden.try_into().map_err(failed)?;
        if hidden.size(2) != DIMENSIONS {
            return Err(IndexError::WrongEmbedding {
                found: hidden.size(2),
                expected: DIMENSIONS,
            });
        }
        let mut vectors = Vec::with_capacity(batch.len());
        for (row, window) in batch.iter().enumerate() {
            let mut mean = vec![0.0_f32; DIMENSIONS];
            for column in 0..window.ids.len() {
                for (place, total) in mean.iter_mut().enumerate() {
                    *total += hidden[[row, column, place]];
                }
            }
            normalise(&mut mean);
            vectors.push(mean);
        }
        Ok(vectors)
    }
}

fn failed(error: impl std::fmt::Display) -> IndexError {
    IndexError::Engine {
        reason: format!("the minilm embedder can't read a text: {error}"),
    }
}

#[async_trait]
impl Embedder for MiniLm {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    async fn embed(
        &self,
        texts: &[String],
        _purpose: Purpose,
        _: &dyn ChargeSink,
    ) -> Result<Embedding, IndexError> {
        let turn = Arc::clone(&self.turn)
            .acquire_owned()
            .await
            .map_err(failed)?;
        let network = Arc::clone(&self.network);
        let owned = texts.to_vec();
        on_blocking_thread(move || {
            let embedding = network.embed(&owned);
            drop(turn);
            embedding
        })
        .await?
    }
}
