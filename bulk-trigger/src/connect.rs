//! Adapters, chosen in this one place.

use std::sync::Arc;

use pagemill_queue::{Queue, SqsQueue};
use pagemill_storage::{KeyLayout, ObjectStore, S3Options, S3Store, StorageError};
use serde::Deserialize;

use crate::cli::Place;
use crate::outcome::Stop;

/// The bucket.
pub(crate) async fn bucket(place: &Place) -> Result<Arc<dyn ObjectStore>, Stop> {
    let name = required(place.bucket.as_deref(), "S3_BUCKET", "--bucket")?;
    Ok(Arc::new(S3Store::connect(name, S3Options::default()).await))
}

/// The queue that the workers read.
pub(crate) async fn queue(place: &Place) -> Result<SqsQueue, Stop> {
    let url = required(place.queue_url.as_deref(), "SQS_QUEUE_URL", "--queue-url")?;
    Ok(SqsQueue::connect(url).await)
}

/// The dead-letter queue.
pub(crate) async fn dead_letters(place: &Place, queue: &SqsQueue) -> Result<SqsQueue, Stop> {
    if let Some(url) = given(place.dlq_url.as_deref()) {
        return Ok(SqsQueue::connect(url).await);
    }
    queue.dead_letters().await?.ok_or_else(|| {
        Stop::Setting(format!(
            "the queue {} has no dead-letter queue: give --dlq-url or set SQS_DLQ_URL",
            queue.name()
        ))
    })
}

/// The key layout in force: that of the tunables in the bucket, or the default.
pub(crate) async fn layout(
    store: &dyn ObjectStore,
    app_config_key: &str,
) -> Result<KeyLayout, Stop> {
    /// The workers check the other fields.
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
        Stop::Setting(format!(
            "the layout in {app_config_key} cannot be used: {reason}"
        ))
    };
    let LayoutOnly { layout } =
        serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    layout.validate().map_err(wrong)?;
    Ok(layout)
}

fn required<'a>(value: Option<&'a str>, variable: &str, flag: &str) -> Result<&'a str, Stop> {
    given(value)
        .ok_or_else(|| Stop::Setting(format!("{variable} is not set: set it or give {flag}")))
}

fn given(value: Option<&str>) -> Option<&str> {
    value.filter(|text| !text.trim().is_empty())
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
