//! Static token embeddings: a vector a token, and a text is the mean of its tokens.
//!
//! The file is WordLlama's (`embedding.weight`, half precision, one row a token); tokens are read without special
//! ones and the mean is made of length 1, as WordLlama does.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use half::f16;
use pagemill_document::ChargeSink;
use safetensors::{Dtype, SafeTensors};
use tokenizers::Tokenizer;

use crate::embed::{Embedder, Embedding, Purpose, invalid, normalise, read_model, short_hash};
use crate::error::IndexError;
use crate::indexer::on_blocking_thread;

/// Texts are read in pieces of about this many bytes: the tokenizer keeps a whole text in memory several times over.
const PIECE_BYTES: usize = 8_192;

struct Model {
    tokenizer: Tokenizer,
    rows: Vec<f16>,
    dimensions: usize,
}

/// Static token embeddings on this machine.
pub(crate) struct WordLlama {
    model: Arc<Model>,
    name: String,
}

impl std::fmt::Debug for WordLlama {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("WordLlama")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl WordLlama {
    /// Reads the model's files.
    pub(crate) fn load(dir: &Path) -> Result<Self, IndexError> {
        let weights_path = dir.join("wordllama.safetensors");
        let tokenizer_path = dir.join("wordllama-tokenizer.json");
        let weights = read_model(&weights_path)?;
        let tokenizer_bytes = read_model(&tokenizer_path)?;
        let mut tokenizer = Tokenizer::from_bytes(&tokenizer_bytes)
            .map_err(|error| invalid(&tokenizer_path, error))?;
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| invalid(&tokenizer_path, error))?;
        let file =
            SafeTensors::deserialize(&weights).map_err(|error| invalid(&weights_path, error))?;
        let matrix = file
            .tensor("embedding.weight")
            .map_err(|error| invalid(&weights_path, error))?;
        let &[count, dimensions] = matrix.shape() else {
            return Err(invalid(&weights_path, "embedding.weight is not a matrix"));
        };
        if matrix.dtype() != Dtype::F16 || dimensions == 0 {
            return Err(invalid(
                &weights_path,
                "embedding.weight is not in half precision",
            ));
        }
        if tokenizer.get_vocab_size(true) > count {
            return Err(invalid(
                &tokenizer_path,
                "it knows more tokens than wordllama.safetensors has rows",
            ));
        }
        let rows = matrix
            .data()
            .chunks_exact(2)
            .map(|pair| f16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let name = format!(
            "wordllama-{dimensions} {}",
            short_hash(&[&weights, &tokenizer_bytes])
        );
        Ok(Self {
            model: Arc::new(Model {
                tokenizer,
                rows,
                dimensions,
            }),
            name,
        })
    }
}

impl Model {
    fn embed(&self, text: &str) -> Result<(Vec<f32>, u64), IndexError> {
        let mut sum = vec![0.0_f32; self.dimensions];
        let mut tokens = 0;
        for piece in pieces(text) {
            let encoding =
                self.tokenizer
                    .encode_fast(piece, false)
                    .map_err(|error| IndexError::Engine {
                        reason: format!("the static embedder can't read a text: {error}"),
                    })?;
            for id in encoding.get_ids() {
                let begin = *id as usize * self.dimensions;
                let Some(row) = self.rows.get(begin..begin + self.dimensions) else {
                    continue;
                };
                for (total, value) in sum.iter_mut().zip(row) {
                    *total += value.to_f32();
                }
                tokens += 1;
            }
        }
        normalise(&mut sum);
        Ok((sum, tokens))
    }
}

/// Cuts a text at white space into pieces of about [`PIECE_BYTES`]. One longer word is a longer piece.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text.trim();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let from = rest.floor_char_boundary(PIECE_BYTES.min(rest.len()));
        let end = rest[from..]
            .find(char::is_whitespace)
            .map_or(rest.len(), |place| from + place);
        let (piece, after) = rest.split_at(end);
        rest = after.trim_start();
        Some(piece)
    })
}

#[async_trait]
impl Embedder for WordLlama {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn dimensions(&self) -> usize {
        self.model.dimensions
    }

    async fn embed(
        &self,
        texts: &[String],
        _purpose: Purpose,
        _: &dyn ChargeSink,
    ) -> Result<Embedding, IndexError> {
        let model = Arc::clone(&self.model);
        let owned = texts.to_vec();
        on_blocking_thread(move || {
            let mut embedding = Embedding::default();
            for text in &owned {
                let (vector, tokens) = model.embed(text)?;
                embedding.vectors.push(vector);
                embedding.tokens += tokens;
            }
            Ok(embedding)
        })
        .await?
    }
}
