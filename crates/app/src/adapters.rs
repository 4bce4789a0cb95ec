//! The one place where adapters are chosen: what stands behind the traits of the pipeline, by the environment and the
//! settings.
//!
//! Errors are for people: each names what is missing and the remedy.

#[cfg(feature = "work")]
mod calibration;
#[cfg(feature = "work")]
mod profiles;
#[cfg(feature = "work")]
mod settings;
#[cfg(feature = "work")]
mod work;

use pagemill_queue::{QueueError, SqsQueue};
use pagemill_storage::{KeyLayout, ObjectStore, S3Options, S3Store, StorageError};
use serde::Deserialize;

#[cfg(feature = "work")]
pub use self::settings::{Origin, settings_from_file, settings_from_store, settings_in_force};
#[cfg(feature = "work")]
pub use self::work::{VECTORS, Vectors, embedder, engine, indexer, libpdfium, parts};
use crate::error::Error;

/// The bucket, by the SDK's own settings.
pub async fn bucket(name: &str) -> S3Store {
    S3Store::connect(name, S3Options::default()).await
}

/// A queue, by the SDK's own settings.
pub async fn queue(url: &str) -> SqsQueue {
    SqsQueue::connect(url).await
}

/// The dead-letter queue: the one at `url`, else the one that the queue's redrive policy names.
///
/// # Errors
/// When the queue can't be asked for its policy.
pub async fn dead_letters(
    queue: &SqsQueue,
    url: Option<&str>,
) -> Result<Option<SqsQueue>, QueueError> {
    match url {
        Some(url) => Ok(Some(SqsQueue::connect(url).await)),
        None => queue.dead_letters().await,
    }
}

/// The key layout in force: that of the tunables in the bucket, or the default. Other fields are not looked at.
///
/// # Errors
/// When the bucket does not answer, or the layout can't be used.
pub async fn layout(store: &dyn ObjectStore, app_config_key: &str) -> Result<KeyLayout, Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct LayoutOnly {
        layout: KeyLayout,
    }
    let body = match store.get_bytes(app_config_key).await {
        Ok((_, body)) => body,
        Err(StorageError::NotFound { .. }) => return Ok(KeyLayout::default()),
        Err(error) => return Err(error.into()),
    };
    let wrong = |reason: String| {
        Error::Setting(format!(
            "the layout in {app_config_key} cannot be used: {reason}"
        ))
    };
    let LayoutOnly { layout } =
        serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    layout.validate().map_err(wrong)?;
    Ok(layout)
}

#[cfg(test)]
mod tests {
    use pagemill_storage::{MemoryStore, PutOptions};

    use super::*;

    #[tokio::test]
    async fn the_layout_is_that_of_the_tunables() {
        let store = MemoryStore::new("bucket");
        let key = "config/app_config.json";
        assert_eq!(layout(&store, key).await.unwrap(), KeyLayout::default());
        let json = r#"{"layout": {"source": "in/"}, "pages": {"dpi": 200}}"#;
        store
            .put(key, json.into(), PutOptions::default())
            .await
            .unwrap();
        assert_eq!(layout(&store, key).await.unwrap().source, "in/");
        let json = r#"{"layout": {"source": "processing/in/"}}"#;
        store
            .put(key, json.into(), PutOptions::default())
            .await
            .unwrap();
        let refused = layout(&store, key).await.unwrap_err();
        assert!(refused.to_string().contains("overlap"), "{refused}");
    }
}
