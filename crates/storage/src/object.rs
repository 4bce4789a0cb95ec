//! The object store trait and its error.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::body::FileBody;

/// A quoted or opaque entity tag, exactly as the store gave it. Only equality means anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ETag(pub String);

/// What the store says of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The full key.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Entity tag of this version.
    pub etag: ETag,
    /// Version id, where the store keeps versions.
    pub version_id: Option<String>,
    /// When this version was written.
    pub modified: Timestamp,
    /// What its writer noted beside it, by name in small letters: S3's `x-amz-meta-` headers, without that prefix. Empty
    /// in listings, and where the store keeps none.
    pub user_metadata: BTreeMap<String, String>,
}

/// When a write may happen (RFC 9110 section 13.1: `If-None-Match: *` and `If-Match`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Condition {
    /// Always.
    #[default]
    None,
    /// Only when no object has this key.
    IfAbsent,
    /// Only when the object still has this tag.
    IfMatch(ETag),
}

/// How an object is written.
#[derive(Debug, Clone, Default)]
pub struct PutOptions {
    /// MIME type, such as `image/png`.
    pub content_type: Option<&'static str>,
    /// When the write may happen.
    pub condition: Condition,
}

/// The bytes of an object as they arrive.
pub type ByteStream = BoxStream<'static, Result<Bytes, StorageError>>;
/// Metadata of objects in key order, page by page behind the scenes.
pub type Listing = BoxStream<'static, Result<ObjectMeta, StorageError>>;

/// Why a storage call failed, by what the caller can do about it.
///
/// Each message says what was tried, on what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such object.
    #[error("{key} does not exist in {store}")]
    NotFound {
        /// The key asked for.
        key: String,
        /// Bucket or folder.
        store: String,
    },
    /// The condition of a write did not hold: somebody else wrote first. Read again and decide anew.
    #[error("{key} was changed by somebody else since it was read")]
    Precondition {
        /// The key written.
        key: String,
    },
    /// The bucket or root folder itself is missing: a setting is wrong.
    #[error("{store} does not exist: {remedy}")]
    NoStore {
        /// Bucket or folder.
        store: String,
        /// What to do.
        remedy: String,
    },
    /// The store refuses this caller.
    #[error("no permission to {action} {key} in {store}: {remedy}")]
    Denied {
        /// read, write, list or delete.
        action: &'static str,
        /// The key asked for.
        key: String,
        /// Bucket or folder.
        store: String,
        /// What to do.
        remedy: String,
    },
    /// A key the store cannot hold (for a folder: a name that would leave the root or that the file system refuses).
    #[error("{key:?} cannot be stored: {reason}")]
    BadKey {
        /// The key.
        key: String,
        /// Why not.
        reason: String,
    },
    /// The store is of a kind that this program was built without.
    #[error(
        "{store} can't be reached, its client is not in this program: build it with `--features {feature}`, which is one of \
         the default features"
    )]
    NotBuilt {
        /// Bucket.
        store: String,
        /// The cargo feature that has it; of this crate and of the programs alike.
        feature: &'static str,
    },
    /// A temporary file of this machine, which holds what is to be written, can't be read. The store is not at fault.
    #[error(
        "{key} could not be written: its temporary file can't be read: {reason}; point TMPDIR at a disk that works"
    )]
    Scratch {
        /// The key of the object that was to be written.
        key: String,
        /// What happened.
        reason: String,
    },
    /// Throttling, 5xx, time-out, lost connection, disk full: the same call may go through later.
    #[error("{action} {key} in {store} failed for now: {reason}")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// On which key.
        key: String,
        /// Bucket or folder.
        store: String,
        /// What the service said.
        reason: String,
    },
}

/// Objects by key. Every method is atomic for its one object; a reader sees a whole old or a whole new object.
#[async_trait]
pub trait ObjectStore: Send + Sync + std::fmt::Debug + 'static {
    /// Bucket or folder, for messages.
    fn name(&self) -> &str;

    /// Metadata of an object (of one version, where the store keeps versions and `version_id` is given).
    async fn head(&self, key: &str, version_id: Option<&str>) -> Result<ObjectMeta, StorageError>;

    /// Opens an object for reading; the metadata is of the version that the stream gives.
    async fn get(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<(ObjectMeta, ByteStream), StorageError>;

    /// A whole small object (JSON) in memory.
    async fn get_bytes(&self, key: &str) -> Result<(ObjectMeta, Bytes), StorageError>;

    /// Writes a whole object and answers its new tag.
    async fn put(&self, key: &str, body: Bytes, options: PutOptions) -> Result<ETag, StorageError>;

    /// The same with a body from a file. Only a part of it is in memory at a time where the store can do that; a store
    /// for tests takes it whole.
    async fn put_file(
        &self,
        key: &str,
        body: FileBody,
        options: PutOptions,
    ) -> Result<ETag, StorageError> {
        let length = usize::try_from(body.bytes()).unwrap_or(usize::MAX);
        let whole = body
            .part(0, length)
            .map_err(|error| StorageError::Scratch {
                key: key.to_owned(),
                reason: error.to_string(),
            })?;
        self.put(key, whole, options).await
    }

    /// Deletes an object; deleting what is not there is fine.
    async fn delete(&self, key: &str) -> Result<(), StorageError>;

    /// Deletes many, in batches where the store can; ends at the first error.
    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StorageError>;

    /// All objects whose key starts with `prefix`, in key order, any number.
    fn list(&self, prefix: &str) -> Listing;
}
