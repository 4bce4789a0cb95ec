//! The store.
use super::*;
/// The store.
#[derive(Debug)]
pub struct EdgeStore;
#[async_trait]
impl VectorStore for EdgeStore {
    async fn ensure(&self, _c: &Collection, _s: &CollectionSpec) -> Result<(), IndexError> {
        Err(stub())
    }
    async fn upsert(&self, _c: &Collection, _p: Vec<Point>) -> Result<(), IndexError> {
        Err(stub())
    }
    async fn delete_other_generations(
        &self,
        _c: &Collection,
        _s: &str,
        _k: Option<&str>,
    ) -> Result<u64, IndexError> {
        Err(stub())
    }
    async fn count(&self, _c: &Collection, _f: &SearchFilter) -> Result<u64, IndexError> {
        Err(stub())
    }
    async fn nearest(
        &self,
        _c: &Collection,
        _v: QueryVector,
        _l: usize,
        _f: &SearchFilter,
    ) -> Result<Vec<Hit>, IndexError> {
        Err(stub())
    }
    async fn inventory(&self, _c: &Collection) -> Result<Vec<Inventory>, IndexError> {
        Err(stub())
    }
    async fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }
    async fn ping(&self) -> Result<(), IndexError> {
        Ok(())
    }
    async fn dimensions(&self, _c: &Collection) -> Result<Option<u64>, IndexError> {
        Err(stub())
    }
}
fn stub() -> IndexError {
    IndexError::Engine {
        reason: "not built yet".to_owned(),
    }
}
impl EdgeStore {
    /// Opens (or makes) the store in a directory and holds its lock until it is dropped.
    pub fn open(_dir: &std::path::Path) -> Result<Self, IndexError> {
        Ok(Self)
    }
}
