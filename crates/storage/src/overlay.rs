//! One store over two: sources from the user's folder, everything else to the output.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use crate::body::FileBody;
use crate::object::{ByteStream, ETag, Listing, ObjectMeta, ObjectStore, PutOptions, StorageError};

/// Reads keys under `source_prefix` from `source`, without the prefix, and never writes them; every other key
/// belongs to `derived`.
///
/// With the prefix `source-pdfs/` and the folder `IN`, the object `source-pdfs/a/b.pdf` is the file `IN/a/b.pdf`.
#[derive(Debug, Clone)]
pub struct Overlay {
    source: Arc<dyn ObjectStore>,
    derived: Arc<dyn ObjectStore>,
    source_prefix: String,
    /// Whether the source store's keys have the prefix too.
    has_whole_keys: bool,
}

impl Overlay {
    /// Joins two stores. The prefix ends in `/`.
    pub fn new(
        source: Arc<dyn ObjectStore>,
        derived: Arc<dyn ObjectStore>,
        source_prefix: impl Into<String>,
    ) -> Self {
        Self {
            source,
            derived,
            source_prefix: source_prefix.into(),
            has_whole_keys: false,
        }
    }

    /// As [`Overlay::new`], for a source store whose keys have the prefix already: a bucket of which only the sources
    /// are read.
    pub fn with_whole_keys(
        source: Arc<dyn ObjectStore>,
        derived: Arc<dyn ObjectStore>,
        source_prefix: impl Into<String>,
    ) -> Self {
        Self {
            has_whole_keys: true,
            ..Self::new(source, derived, source_prefix)
        }
    }

    fn source_path<'a>(&self, key: &'a str) -> Option<&'a str> {
        let path = key.strip_prefix(&self.source_prefix)?;
        Some(if self.has_whole_keys { key } else { path })
    }

    fn with_prefix(&self, meta: ObjectMeta) -> ObjectMeta {
        if self.has_whole_keys {
            return meta;
        }
        ObjectMeta {
            key: format!("{}{}", self.source_prefix, meta.key),
            ..meta
        }
    }

    fn refuse(&self, action: &'static str, key: &str) -> StorageError {
        StorageError::Denied {
            action,
            key: key.to_owned(),
            store: self.source.name().to_owned(),
            remedy: "the input is only read; write under another prefix".into(),
        }
    }
}

#[async_trait]
impl ObjectStore for Overlay {
    fn name(&self) -> &str {
        self.derived.name()
    }

    async fn head(&self, key: &str, version_id: Option<&str>) -> Result<ObjectMeta, StorageError> {
        match self.source_path(key) {
            Some(path) => Ok(self.with_prefix(self.source.head(path, version_id).await?)),
            None => self.derived.head(key, version_id).await,
        }
    }

    async fn get(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<(ObjectMeta, ByteStream), StorageError> {
        match self.source_path(key) {
            Some(path) => {
                let (meta, body) = self.source.get(path, version_id).await?;
                Ok((self.with_prefix(meta), body))
            }
            None => self.derived.get(key, version_id).await,
        }
    }

    async fn get_bytes(&self, key: &str) -> Result<(ObjectMeta, Bytes), StorageError> {
        match self.source_path(key) {
            Some(path) => {
                let (meta, body) = self.source.get_bytes(path).await?;
                Ok((self.with_prefix(meta), body))
            }
            None => self.derived.get_bytes(key).await,
        }
    }

    async fn put(&self, key: &str, body: Bytes, options: PutOptions) -> Result<ETag, StorageError> {
        match self.source_path(key) {
            Some(_) => Err(self.refuse("write", key)),
            None => self.derived.put(key, body, options).await,
        }
    }

    async fn put_file(
        &self,
        key: &str,
        body: FileBody,
        options: PutOptions,
    ) -> Result<ETag, StorageError> {
        match self.source_path(key) {
            Some(_) => Err(self.refuse("write", key)),
            None => self.derived.put_file(key, body, options).await,
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        match self.source_path(key) {
            Some(_) => Err(self.refuse("delete", key)),
            None => self.derived.delete(key).await,
        }
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StorageError> {
        if let Some(key) = keys.iter().find(|key| self.source_path(key).is_some()) {
            return Err(self.refuse("delete", key));
        }
        self.derived.delete_many(keys).await
    }

    fn list(&self, prefix: &str) -> Listing {
        if let Some(path) = self.source_path(prefix) {
            let overlay = self.clone();
            return self
                .source
                .list(path)
                .map_ok(move |meta| overlay.with_prefix(meta))
                .boxed();
        }
        let overlay = self.clone();
        let source_prefix = self.source_prefix.clone();
        let derived = self
            .derived
            .list(prefix)
            .try_filter(move |meta| std::future::ready(!meta.key.starts_with(&source_prefix)));
        if !self.source_prefix.starts_with(prefix) {
            return derived.boxed();
        }
        let source = self
            .source
            .list(if self.has_whole_keys {
                &self.source_prefix
            } else {
                ""
            })
            .map_ok(move |meta| overlay.with_prefix(meta))
            .boxed();
        merge_in_key_order(derived.boxed(), source)
    }
}

/// Merges two listings that are in key order; an error of either goes first.
fn merge_in_key_order(left: Listing, right: Listing) -> Listing {
    let heads = (Box::pin(left.peekable()), Box::pin(right.peekable()));
    futures::stream::unfold(heads, |(mut left, mut right)| async move {
        let take_left = match (left.as_mut().peek().await, right.as_mut().peek().await) {
            (None, None) => return None,
            (Some(Ok(a)), Some(Ok(b))) => a.key <= b.key,
            (Some(_), None) | (Some(Err(_)), _) => true,
            (None, Some(_)) | (Some(Ok(_)), Some(Err(_))) => false,
        };
        let next = if take_left {
            left.next().await
        } else {
            right.next().await
        };
        next.map(|item| (item, (left, right)))
    })
    .boxed()
}
