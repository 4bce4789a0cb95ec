//! Stub.
use super::*;
#[derive(Debug)]
pub(crate) struct WordLlama;
impl WordLlama {
    pub(crate) fn load(_dir: &Path) -> Result<Self, IndexError> {
        Err(IndexError::Engine {
            reason: "not built yet".to_owned(),
        })
    }
}
#[async_trait]
impl Embedder for WordLlama {
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
