//! The object store, seen through the gate.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use pagemill_storage::{
    ByteStream, Condition, ETag, Listing, MemoryStore, ObjectMeta, ObjectStore, PutOptions,
    StorageError,
};

use super::{Call, Gate, Trouble};
use crate::sabotage::Sabotage;
use crate::schedule::Dependency;
use crate::trace::traced;

/// Objects, for one worker.
#[derive(Debug)]
pub(crate) struct GatedStore {
    pub(crate) gate: Arc<Gate>,
    pub(crate) store: Arc<MemoryStore>,
}

impl GatedStore {
    fn call(&self, what: String, writes: Option<&str>) -> Call {
        Call {
            dependency: Dependency::S3,
            what,
            writes: writes.and_then(|key| self.gate.world.owner_of(key)),
        }
    }
}

fn fails(
    action: &'static str,
    key: &str,
) -> impl Fn(Trouble) -> StorageError + Send + Sync + 'static {
    let key = traced(key);
    move |trouble| StorageError::Unavailable {
        action,
        key: key.clone(),
        store: "bucket".to_owned(),
        reason: format!("{trouble:?}"),
    }
}

#[async_trait]
impl ObjectStore for GatedStore {
    fn name(&self) -> &str {
        self.store.name()
    }

    async fn head(&self, key: &str, version_id: Option<&str>) -> Result<ObjectMeta, StorageError> {
        let (store, key_, version) = (
            Arc::clone(&self.store),
            key.to_owned(),
            version_id.map(str::to_owned),
        );
        let call = self.call(format!("head {key} {}", version_id.unwrap_or("")), None);
        self.gate
            .call(call, fails("read", key), move || {
                let (store, key, version) = (Arc::clone(&store), key_.clone(), version.clone());
                async move { store.head(&key, version.as_deref()).await }
            })
            .await
    }

    async fn get(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<(ObjectMeta, ByteStream), StorageError> {
        let (store, key_, version) = (
            Arc::clone(&self.store),
            key.to_owned(),
            version_id.map(str::to_owned),
        );
        let call = self.call(format!("get {key} {}", version_id.unwrap_or("")), None);
        self.gate
            .call(call, fails("read", key), move || {
                let (store, key, version) = (Arc::clone(&store), key_.clone(), version.clone());
                async move { store.get(&key, version.as_deref()).await }
            })
            .await
    }

    async fn get_bytes(&self, key: &str) -> Result<(ObjectMeta, Bytes), StorageError> {
        let (store, key_) = (Arc::clone(&self.store), key.to_owned());
        let call = self.call(format!("get {}", traced(key)), None);
        self.gate
            .call(call, fails("read", key), move || {
                let (store, key) = (Arc::clone(&store), key_.clone());
                async move { store.get_bytes(&key).await }
            })
            .await
    }

    async fn put(
        &self,
        key: &str,
        body: Bytes,
        mut options: PutOptions,
    ) -> Result<ETag, StorageError> {
        if self.gate.world.sabotage == Sabotage::UnfencedCommit {
            options.condition = Condition::None;
        }
        let condition = match &options.condition {
            Condition::None => "",
            Condition::IfAbsent => "if absent",
            Condition::IfMatch(_) => "if unchanged",
        };
        let call = self.call(
            format!(
                "put {} {condition}{}",
                traced(key),
                self.gate.world.oracle().gist(key, &body)
            ),
            Some(key),
        );
        let (gate, store, key_) = (
            Arc::clone(&self.gate),
            Arc::clone(&self.store),
            key.to_owned(),
        );
        self.gate
            .call(call, fails("write", key), move || {
                let (gate, store, key, body, options) = (
                    Arc::clone(&gate),
                    Arc::clone(&store),
                    key_.clone(),
                    body.clone(),
                    options.clone(),
                );
                async move {
                    let result = store.put(&key, body.clone(), options).await;
                    if result.is_ok() {
                        gate.world.oracle().stored(&key, &body);
                    }
                    result
                }
            })
            .await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.delete_many(vec![key.to_owned()]).await
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StorageError> {
        let Some(first) = keys.first().cloned() else {
            return Ok(());
        };
        let store = Arc::clone(&self.store);
        let call = self.call(format!("delete {}", keys.join(" ")), Some(&first));
        self.gate
            .call(call, fails("delete", &first), move || {
                let (store, keys) = (Arc::clone(&store), keys.clone());
                async move { store.delete_many(keys).await }
            })
            .await
    }

    fn list(&self, prefix: &str) -> Listing {
        let (gate, store, prefix_) = (
            Arc::clone(&self.gate),
            Arc::clone(&self.store),
            prefix.to_owned(),
        );
        let call = self.call(format!("list {prefix}"), None);
        let fails = fails("list", prefix);
        let listing = async move {
            let listed = gate
                .call(call, fails, move || {
                    let listing = store.list(&prefix_);
                    async move { Ok(listing.collect::<Vec<_>>().await) }
                })
                .await;
            stream::iter(listed.unwrap_or_else(|error| vec![Err(error)]))
        };
        stream::once(listing).flatten().boxed()
    }
}
