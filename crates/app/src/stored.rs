//! What stages have written of a document, read from its store.

use anyhow::Context;
use pagemill_storage::{ObjectStore, StorageError};
use serde::de::DeserializeOwned;

/// An output that is JSON; nothing where there is none.
///
/// # Errors
/// When it is no such JSON, or the store does not answer.
pub(crate) async fn read<T: DeserializeOwned>(
    store: &dyn ObjectStore,
    key: &str,
) -> anyhow::Result<Option<T>> {
    match store.get_bytes(key).await {
        Ok((_, body)) => {
            let read = serde_json::from_slice(&body);
            Ok(Some(read.with_context(|| {
                format!("{key} can't be read: process its document again")
            })?))
        }
        Err(StorageError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
