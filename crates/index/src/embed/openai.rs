//! Stub.
use super::*;
#[derive(Debug)]
pub(crate) struct OpenAi;
impl OpenAi {
    pub(crate) fn new(
        _endpoint: &EmbedEndpoint,
        _model: &str,
        _dimensions: u32,
        _batch: u32,
    ) -> Result<Self, IndexError> {
        Err(IndexError::Engine {
            reason: "not built yet".to_owned(),
        })
    }
}
#[async_trait]
impl Embedder for OpenAi {
    fn name(&self) -> String {
        String::new()
    }
    fn dimensions(&self) -> usize {
        0
    }
    async fn embed(&self, _texts: &[String], _purpose: Purpose) -> Result<Embedding, IndexError> {
        Err(IndexError::Engine {
            reason: "not built yet".to_owned(),
        })
    }
}
