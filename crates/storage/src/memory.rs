//! Objects in memory, for tests: with versions, conditional writes and scripted faults.
//!
//! ```
//! # use pagemill_storage::{memory::{MemoryStore, Operation}, ObjectStore, PutOptions, StorageError};
//! # futures::executor::block_on(async {
//! let store = MemoryStore::new("bucket");
//! store.fail_next(Operation::Put, 1, |key| StorageError::Precondition { key: key.into() });
//! assert!(store.put("a", "1".into(), PutOptions::default()).await.is_err());
//! assert!(store.put("a", "1".into(), PutOptions::default()).await.is_ok());
//! assert_eq!(store.calls(Operation::Put), 2);
//! # });
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::object::{
    ByteStream, Condition, ETag, Listing, ObjectMeta, ObjectStore, PutOptions, StorageError,
};

/// The kinds of call that are counted and can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`ObjectStore::head`].
    Head,
    /// [`ObjectStore::get`] and [`ObjectStore::get_bytes`].
    Get,
    /// [`ObjectStore::put`].
    Put,
    /// [`ObjectStore::delete`], and one for each key of [`ObjectStore::delete_many`].
    Delete,
    /// One call for each thousand objects of [`ObjectStore::list`], as S3 pages them.
    List,
}

type MakeError = Box<dyn Fn(&str) -> StorageError + Send>;

struct Fault {
    operation: Operation,
    passes: usize,
    remaining: usize,
    /// The write happens and only its answer is lost.
    after_effect: bool,
    error: MakeError,
}

struct Version {
    id: String,
    /// `None` is a delete marker.
    body: Option<Bytes>,
    etag: ETag,
    modified: Timestamp,
    user_metadata: BTreeMap<String, String>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<Version>>,
    faults: VecDeque<Fault>,
    calls: HashMap<Operation, usize>,
    next_version: u64,
}

/// A store in memory that keeps every version.
///
/// As with S3, the tag is a hash of the content. Errors are scripted with [`MemoryStore::fail_next`].
pub struct MemoryStore {
    name: String,
    state: Mutex<State>,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new("memory")
    }
}

impl MemoryStore {
    /// An empty store; the name is for messages.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state: Mutex::default(),
        }
    }

    /// Makes the next `count` calls of a kind fail without effect. Scripts of one kind run one after the other.
    pub fn fail_next(
        &self,
        operation: Operation,
        count: usize,
        error: impl Fn(&str) -> StorageError + Send + 'static,
    ) {
        self.script(operation, 0, count, false, Box::new(error));
    }

    /// Lets `passes` calls of a kind through and makes the `count` after them fail without effect.
    pub fn pass_then_fail(
        &self,
        operation: Operation,
        passes: usize,
        count: usize,
        error: impl Fn(&str) -> StorageError + Send + 'static,
    ) {
        self.script(operation, passes, count, false, Box::new(error));
    }

    /// Makes the next `count` calls of a kind take effect and then report `Unavailable`, as a lost answer does.
    pub fn lose_answer_next(&self, operation: Operation, count: usize) {
        let store = self.name.clone();
        let error = move |key: &str| StorageError::Unavailable {
            action: "write",
            key: key.to_owned(),
            store: store.clone(),
            reason: "connection lost before the answer".into(),
        };
        self.script(operation, 0, count, true, Box::new(error));
    }

    /// Notes something beside the newest version of an object, as its writer would; `None` takes the note away. The tag
    /// stays, as with an object of S3 that is copied onto itself.
    pub fn annotate(&self, key: &str, name: &str, value: Option<&str>) {
        let mut state = self.lock();
        let versions = state.objects.get_mut(key);
        let Some(newest) = versions.and_then(|versions| versions.last_mut()) else {
            return;
        };
        match value {
            Some(value) => {
                let notes = &mut newest.user_metadata;
                notes.insert(name.to_owned(), value.to_owned());
            }
            None => drop(newest.user_metadata.remove(name)),
        }
    }

    /// How many calls of a kind were made, failed ones included.
    pub fn calls(&self, operation: Operation) -> usize {
        self.lock().calls.get(&operation).copied().unwrap_or(0)
    }

    /// The keys of all objects, in order.
    pub fn keys(&self) -> Vec<String> {
        let state = self.lock();
        state
            .objects
            .iter()
            .filter(|(_, versions)| versions.last().is_some_and(|v| v.body.is_some()))
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn script(
        &self,
        operation: Operation,
        passes: usize,
        remaining: usize,
        after_effect: bool,
        error: MakeError,
    ) {
        let fault = Fault {
            operation,
            passes,
            remaining,
            after_effect,
            error,
        };
        self.lock().faults.push_back(fault);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_found(&self, key: &str) -> StorageError {
        StorageError::NotFound {
            key: key.to_owned(),
            store: self.name.clone(),
        }
    }

    fn read(
        &self,
        operation: Operation,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<(ObjectMeta, Bytes), StorageError> {
        let mut state = self.lock();
        if let Some(error) = state.begin(operation, key)?.lost_answer {
            return Err(error);
        }
        let versions = state
            .objects
            .get(key)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let version = match version_id {
            None => versions.last(),
            Some(id) => versions.iter().find(|version| version.id == id),
        };
        let found = version.and_then(|version| {
            let body = version.body.clone()?;
            Some((version.meta(key, body.len()), body))
        });
        found.ok_or_else(|| self.not_found(key))
    }
}

impl Version {
    fn meta(&self, key: &str, length: usize) -> ObjectMeta {
        ObjectMeta {
            key: key.to_owned(),
            bytes: length as u64,
            etag: self.etag.clone(),
            version_id: Some(self.id.clone()),
            modified: self.modified,
            user_metadata: self.user_metadata.clone(),
        }
    }
}

struct Begun {
    lost_answer: Option<StorageError>,
}

impl State {
    /// Counts a call and answers the fault that is due.
    fn begin(&mut self, operation: Operation, key: &str) -> Result<Begun, StorageError> {
        *self.calls.entry(operation).or_default() += 1;
        let due = self
            .faults
            .iter_mut()
            .find(|fault| fault.operation == operation && fault.remaining > 0);
        let Some(fault) = due else {
            return Ok(Begun { lost_answer: None });
        };
        if fault.passes > 0 {
            fault.passes -= 1;
            return Ok(Begun { lost_answer: None });
        }
        fault.remaining -= 1;
        let error = (fault.error)(key);
        if fault.after_effect {
            Ok(Begun {
                lost_answer: Some(error),
            })
        } else {
            Err(error)
        }
    }

    fn push(&mut self, key: &str, body: Option<Bytes>) -> ETag {
        self.next_version += 1;
        let digest = Sha256::digest(body.as_deref().unwrap_or_default());
        let etag = ETag(format!("\"{}\"", hex::encode(&digest[..16])));
        let version = Version {
            id: format!("v{}", self.next_version),
            body,
            etag: etag.clone(),
            modified: Timestamp::now(),
            user_metadata: BTreeMap::new(),
        };
        self.objects
            .entry(key.to_owned())
            .or_default()
            .push(version);
        etag
    }

    fn current_tag(&self, key: &str) -> Option<&ETag> {
        let version = self.objects.get(key)?.last()?;
        version.body.is_some().then_some(&version.etag)
    }
}

#[async_trait]
impl ObjectStore for MemoryStore {
    fn name(&self) -> &str {
        &self.name
    }

    async fn head(&self, key: &str, version_id: Option<&str>) -> Result<ObjectMeta, StorageError> {
        let (meta, _) = self.read(Operation::Head, key, version_id)?;
        Ok(meta)
    }

    async fn get(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<(ObjectMeta, ByteStream), StorageError> {
        let (meta, body) = self.read(Operation::Get, key, version_id)?;
        // In pieces, so that a reader that takes the first for all is found out.
        let pieces: Vec<_> = body
            .chunks(64 * 1024)
            .map(|piece| Ok(body.slice_ref(piece)))
            .collect();
        Ok((meta, futures::stream::iter(pieces).boxed()))
    }

    async fn get_bytes(&self, key: &str) -> Result<(ObjectMeta, Bytes), StorageError> {
        self.read(Operation::Get, key, None)
    }

    async fn put(&self, key: &str, body: Bytes, options: PutOptions) -> Result<ETag, StorageError> {
        let mut state = self.lock();
        let begun = state.begin(Operation::Put, key)?;
        let holds = match (&options.condition, state.current_tag(key)) {
            (Condition::None, _) | (Condition::IfAbsent, None) => true,
            (Condition::IfMatch(wanted), Some(current)) => wanted == current,
            (Condition::IfAbsent, Some(_)) | (Condition::IfMatch(_), None) => false,
        };
        if !holds {
            return Err(StorageError::Precondition {
                key: key.to_owned(),
            });
        }
        let etag = state.push(key, Some(body));
        match begun.lost_answer {
            Some(error) => Err(error),
            None => Ok(etag),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let mut state = self.lock();
        let begun = state.begin(Operation::Delete, key)?;
        if state.current_tag(key).is_some() {
            state.push(key, None);
        }
        begun.lost_answer.map_or(Ok(()), Err)
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StorageError> {
        for key in keys {
            self.delete(&key).await?;
        }
        Ok(())
    }

    fn list(&self, prefix: &str) -> Listing {
        let mut state = self.lock();
        let mut listed: Vec<Result<ObjectMeta, StorageError>> = state
            .objects
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter_map(|(key, versions)| {
                let version = versions.last()?;
                let body = version.body.as_ref()?;
                Some(Ok(version.meta(key, body.len())))
            })
            .collect();
        let pages = listed.len().div_ceil(1000).max(1);
        for page in 0..pages {
            let fault = match state.begin(Operation::List, prefix) {
                Ok(begun) => begun.lost_answer,
                Err(error) => Some(error),
            };
            if let Some(error) = fault {
                listed.truncate(page * 1000);
                listed.push(Err(error));
                break;
            }
        }
        futures::stream::iter(listed).boxed()
    }
}
