//! Objects as files of a folder.
//!
//! - The key `a/b.json` is the file `a/b.json` below the root. `.pagemill/` in the root is the store's own (its lock
//!   and unfinished files): no key may start with it and no listing shows it.
//! - A write goes to a file of its own and is renamed into place, so that a reader sees the old or the new object.
//! - Writers of all processes take turns by one lock file, and every write gives the file a modification time that
//!   differs from its predecessor's. The tag is that time with the size, which makes compare-and-swap hold between
//!   processes and costs nothing to list. It needs a file system with `flock`.
//! - A write that returned survives the end of the process. It survives a power cut only as far as the file system
//!   flushes by itself: there is no `fsync` here, since a page image a `fsync` would cost more than rendering it,
//!   and what a power cut takes can be made again from the sources.
//! - There are no versions.

mod names;
mod walk;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use jiff::Timestamp;
use tokio::io::AsyncReadExt;

use crate::body::{Body, FileBody};
use crate::object::{
    ByteStream, Condition, ETag, Listing, ObjectMeta, ObjectStore, PutOptions, StorageError,
};

/// The store's own directory in the root.
const OWN: &str = ".pagemill";
/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;
/// An unfinished file this old was left by a process that died.
const LEFTOVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder as an object store.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
    name: String,
    access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Links are refused: nothing is read or written outside the root.
    ReadWrite,
    /// Links are followed, for the user's own tree may hold them; nothing is written.
    ReadOnly,
}

impl FolderStore {
    /// A folder that exists. That it is missing is reported by the first call, as [`StorageError::NoStore`].
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::with_access(root.into(), Access::ReadWrite)
    }

    /// The user's input: nothing is ever written, and links are followed.
    pub fn read_only(root: impl Into<PathBuf>) -> Self {
        Self::with_access(root.into(), Access::ReadOnly)
    }

    /// Makes the folder if it is missing and clears what a process that died left unfinished a day ago or earlier.
    ///
    /// # Errors
    /// `Denied`, `BadKey` or `Unavailable`, as the file system answers.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let store = Self::new(root);
        fs::create_dir_all(store.unfinished())
            .map_err(|error| store.explain("write", OWN, &error))?;
        store.clear_leftovers();
        Ok(store)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn with_access(root: PathBuf, access: Access) -> Self {
        let name = root.display().to_string();
        Self { root, name, access }
    }

    fn unfinished(&self) -> PathBuf {
        self.root.join(OWN).join("unfinished")
    }

    fn clear_leftovers(&self) {
        let Ok(entries) = fs::read_dir(self.unfinished()) else {
            return;
        };
        for entry in entries.flatten() {
            let age = entry.metadata().and_then(|meta| meta.modified()).ok();
            let is_old = age
                .and_then(|modified| modified.elapsed().ok())
                .is_some_and(|age| age > LEFTOVER_AGE);
            if is_old && let Err(error) = fs::remove_file(entry.path()) {
                tracing::warn!(path = %entry.path().display(), %error, "could not clear an unfinished file");
            }
        }
    }

    /// The file of a key, after refusing what must not be reached.
    fn path_of(&self, key: &str) -> Result<PathBuf, StorageError> {
        let bad = |reason: &str| StorageError::BadKey {
            key: key.to_owned(),
            reason: reason.to_owned(),
        };
        let mut path = self.root.clone();
        for segment in key.split('/') {
            match segment {
                "" => {
                    return Err(bad(
                        "a file name can't be empty, so no slash may come first, last or twice",
                    ));
                }
                "." | ".." => {
                    return Err(bad(
                        "a path with . or .. would leave its place in the folder",
                    ));
                }
                _ if segment.contains('\0') => {
                    return Err(bad("a file name can't hold a zero byte"));
                }
                _ => path.push(names::to_file_name(segment).ok_or_else(|| {
                    bad("it uses the private characters that stand for bytes which are no UTF-8")
                })?),
            }
        }
        if path.starts_with(self.root.join(OWN)) {
            return Err(bad("the store keeps its own files under .pagemill"));
        }
        if self.access == Access::ReadWrite {
            self.refuse_links(key, &path)?;
        }
        Ok(path)
    }

    /// Nothing below the root may be a link.
    fn refuse_links(&self, key: &str, path: &Path) -> Result<(), StorageError> {
        let is_link = |path: &&Path| {
            fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_symlink())
        };
        let below_root = path.ancestors().take_while(|path| *path != self.root);
        match below_root.filter(|path| is_link(path)).last() {
            None => Ok(()),
            Some(link) => Err(StorageError::BadKey {
                key: key.to_owned(),
                reason: format!(
                    "{} is a link, and this folder's objects must lie inside it",
                    link.display()
                ),
            }),
        }
    }

    fn no_store(&self) -> StorageError {
        StorageError::NoStore {
            store: self.name.clone(),
            remedy: "make the folder, or correct its path".into(),
        }
    }

    fn explain(&self, action: &'static str, key: &str, error: &io::Error) -> StorageError {
        use io::ErrorKind as Kind;
        let is_read = matches!(action, "read" | "list" | "delete");
        match error.kind() {
            Kind::NotFound | Kind::NotADirectory | Kind::IsADirectory if !self.root.is_dir() => {
                self.no_store()
            }
            Kind::NotFound | Kind::NotADirectory | Kind::IsADirectory if is_read => {
                StorageError::NotFound {
                    key: key.to_owned(),
                    store: self.name.clone(),
                }
            }
            Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::AlreadyExists
            | Kind::DirectoryNotEmpty => StorageError::BadKey {
                key: key.to_owned(),
                reason: "a file has the name of one of its folders, or the other way round".into(),
            },
            Kind::InvalidFilename | Kind::InvalidInput => StorageError::BadKey {
                key: key.to_owned(),
                reason: format!("the file system refuses the name ({error})"),
            },
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => StorageError::Denied {
                action,
                key: key.to_owned(),
                store: self.name.clone(),
                remedy: format!("check the owner and mode of the folder ({error})"),
            },
            _ => StorageError::Unavailable {
                action,
                key: key.to_owned(),
                store: self.name.clone(),
                reason: error.to_string(),
            },
        }
    }

    /// Runs blocking file work off the runtime's threads. A panic in it is one of the caller.
    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        key: &str,
        work: impl FnOnce(&Self, &str) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let store = self.clone();
        let owned_key = key.to_owned();
        let done = pagemill_panics::blocking(move || work(&store, &owned_key)).await;
        done.unwrap_or_else(|ending| {
            Err(StorageError::Unavailable {
                action,
                key: key.to_owned(),
                store: self.name.clone(),
                reason: ending.to_string(),
            })
        })
    }

    /// The metadata of a regular file; anything else is not an object.
    fn stat(&self, key: &str, path: &Path) -> Result<fs::Metadata, StorageError> {
        let found = fs::metadata(path).map_err(|error| self.explain("read", key, &error))?;
        if found.is_file() {
            return Ok(found);
        }
        Err(StorageError::NotFound {
            key: key.to_owned(),
            store: self.name.clone(),
        })
    }

    fn refuse_version(&self, key: &str, version_id: Option<&str>) -> Result<(), StorageError> {
        match version_id {
            None => Ok(()),
            Some(_) => Err(StorageError::NotFound {
                key: key.to_owned(),
                store: self.name.clone(),
            }),
        }
    }

    fn open(&self, key: &str) -> Result<(ObjectMeta, fs::File), StorageError> {
        let path = self.path_of(key)?;
        // First the kind of file: opening a pipe would wait for a writer.
        self.stat(key, &path)?;
        let failed = |error: io::Error| self.explain("read", key, &error);
        let file = fs::File::open(&path).map_err(failed)?;
        let meta = describe(key, &file.metadata().map_err(failed)?);
        Ok((meta, file))
    }

    fn refuse_writing(&self, action: &'static str, key: &str) -> Result<(), StorageError> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(StorageError::Denied {
                action,
                key: key.to_owned(),
                store: self.name.clone(),
                remedy: "this folder is only read".into(),
            }),
        }
    }

    /// Waits for the turn of this writer. The lock ends when the file is dropped, also by the death of the process.
    fn take_turn(&self) -> io::Result<fs::File> {
        let path = self.root.join(OWN).join("lock");
        let open = || fs::File::options().create(true).append(true).open(&path);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_dir_if_missing(&self.root.join(OWN))?;
                open()?
            }
            other => other?,
        };
        file.lock()?;
        Ok(file)
    }

    fn write(&self, key: &str, body: &Body, condition: &Condition) -> Result<ETag, StorageError> {
        self.refuse_writing("write", key)?;
        let path = self.path_of(key)?;
        let failed = |error: io::Error| self.explain("write", key, &error);
        let new_file = self.write_unfinished(body).map_err(failed)?;

        let turn = self.take_turn().map_err(failed)?;
        let current = match fs::metadata(&path) {
            Ok(found) if found.is_file() => Some(found),
            _ => None,
        };
        let current_tag = current.as_ref().map(tag_of);
        let holds = match (condition, &current_tag) {
            (Condition::None, _) | (Condition::IfAbsent, None) => true,
            (Condition::IfMatch(wanted), Some(tag)) => wanted == tag,
            (Condition::IfAbsent, Some(_)) | (Condition::IfMatch(_), None) => false,
        };
        if !holds {
            return Err(StorageError::Precondition {
                key: key.to_owned(),
            });
        }
        let etag = stamp(new_file.as_file(), current.as_ref()).map_err(failed)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        new_file
            .persist(&path)
            .map_err(|error| failed(error.error))?;
        drop(turn);
        Ok(etag)
    }

    fn write_unfinished(&self, body: &Body) -> io::Result<tempfile::NamedTempFile> {
        let directory = self.unfinished();
        let mut builder = tempfile::Builder::new();
        // As any file the user makes: the mask of the process takes its bits away.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = match builder.tempfile_in(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_dir_if_missing(&self.root.join(OWN))?;
                create_dir_if_missing(&directory)?;
                builder.tempfile_in(&directory)?
            }
            other => other?,
        };
        body.write_to(&mut file)?;
        Ok(file)
    }

    fn remove(&self, keys: &[String]) -> Result<(), StorageError> {
        let Some(first) = keys.first() else {
            return Ok(());
        };
        self.refuse_writing("delete", first)?;
        let turn = self
            .take_turn()
            .map_err(|error| self.explain("delete", first, &error))?;
        for key in keys {
            let path = self.path_of(key)?;
            match fs::remove_file(&path) {
                Ok(()) => self.remove_empty_parents(&path),
                Err(_) if path.is_dir() => {}
                Err(error) => match self.explain("delete", key, &error) {
                    StorageError::NotFound { .. } => {}
                    other => return Err(other),
                },
            }
        }
        drop(turn);
        Ok(())
    }

    /// As in a bucket, a folder is there only while it holds something.
    fn remove_empty_parents(&self, path: &Path) {
        let parents = path.ancestors().skip(1);
        for parent in parents.take_while(|parent| *parent != self.root) {
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
    }
}

fn create_dir_if_missing(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Gives the new file a modification time that makes its tag differ from its predecessor's.
fn stamp(file: &fs::File, predecessor: Option<&fs::Metadata>) -> io::Result<ETag> {
    let now = SystemTime::now();
    let Some(predecessor) = predecessor else {
        file.set_modified(now)?;
        return Ok(tag_of(&file.metadata()?));
    };
    let before = predecessor.modified()?;
    // File systems round times differently: down to a nanosecond, or up to two seconds.
    let steps = [1, 1_000, 1_000_000, 1_000_000_000, 4_000_000_000].map(Duration::from_nanos);
    for step in steps {
        file.set_modified(now.max(before + step))?;
        let stamped = file.metadata()?;
        if stamped.modified()? > before {
            return Ok(tag_of(&stamped));
        }
    }
    Err(io::Error::other(
        "the file system does not keep modification times, which tags are made of",
    ))
}

/// The tag of a file: its modification time in nanoseconds and its size, in hex.
fn tag_of(meta: &fs::Metadata) -> ETag {
    let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let nanoseconds = match modified.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    };
    ETag(format!("\"{nanoseconds:x}-{:x}\"", meta.len()))
}

fn describe(key: &str, meta: &fs::Metadata) -> ObjectMeta {
    let modified = meta
        .modified()
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok());
    ObjectMeta {
        key: key.to_owned(),
        bytes: meta.len(),
        etag: tag_of(meta),
        version_id: None,
        modified: modified.unwrap_or(Timestamp::UNIX_EPOCH),
        user_metadata: BTreeMap::new(),
    }
}

/// A file being read, and what it was when it was opened.
struct Reading {
    store: FolderStore,
    meta: ObjectMeta,
    file: tokio::fs::File,
}

impl Reading {
    async fn next(mut self) -> Option<(Result<Bytes, StorageError>, Option<Self>)> {
        let mut piece = BytesMut::with_capacity(READ_BYTES);
        match self.file.read_buf(&mut piece).await {
            Ok(0) => {
                // A file that was changed in place while it was read is neither the old nor the new object.
                let now = self.file.metadata().await;
                let is_whole = now.is_ok_and(|now| tag_of(&now) == self.meta.etag);
                if is_whole {
                    return None;
                }
                let changed = StorageError::Unavailable {
                    action: "read",
                    key: self.meta.key.clone(),
                    store: self.store.name.clone(),
                    reason: "the file changed while it was read".into(),
                };
                Some((Err(changed), None))
            }
            Ok(_) => Some((Ok(piece.freeze()), Some(self))),
            Err(error) => Some((
                Err(self.store.explain("read", &self.meta.key, &error)),
                None,
            )),
        }
    }
}

#[async_trait]
impl ObjectStore for FolderStore {
    fn name(&self) -> &str {
        &self.name
    }

    async fn head(&self, key: &str, version_id: Option<&str>) -> Result<ObjectMeta, StorageError> {
        self.refuse_version(key, version_id)?;
        self.blocking("read", key, |store, key| {
            let path = store.path_of(key)?;
            Ok(describe(key, &store.stat(key, &path)?))
        })
        .await
    }

    async fn get(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<(ObjectMeta, ByteStream), StorageError> {
        self.refuse_version(key, version_id)?;
        let (meta, file) = self.blocking("read", key, Self::open).await?;
        let file = tokio::fs::File::from_std(file);
        let reading = Reading {
            store: self.clone(),
            meta: meta.clone(),
            file,
        };
        let body =
            futures::stream::unfold(
                Some(reading),
                |reading| async move { reading?.next().await },
            );
        Ok((meta, body.boxed()))
    }

    async fn get_bytes(&self, key: &str) -> Result<(ObjectMeta, Bytes), StorageError> {
        self.blocking("read", key, |store, key| {
            let (meta, mut file) = store.open(key)?;
            let mut body = Vec::with_capacity(usize::try_from(meta.bytes).unwrap_or_default());
            io::Read::read_to_end(&mut file, &mut body)
                .map_err(|error| store.explain("read", key, &error))?;
            Ok((meta, Bytes::from(body)))
        })
        .await
    }

    async fn put(&self, key: &str, body: Bytes, options: PutOptions) -> Result<ETag, StorageError> {
        self.blocking("write", key, move |store, key| {
            store.write(key, &Body::Memory(body), &options.condition)
        })
        .await
    }

    async fn put_file(
        &self,
        key: &str,
        body: FileBody,
        options: PutOptions,
    ) -> Result<ETag, StorageError> {
        self.blocking("write", key, move |store, key| {
            store.write(key, &Body::File(body), &options.condition)
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.delete_many(vec![key.to_owned()]).await
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StorageError> {
        let first = keys.first().cloned().unwrap_or_default();
        self.blocking("delete", &first, move |store, _| store.remove(&keys))
            .await
    }

    fn list(&self, prefix: &str) -> Listing {
        walk::list(self.clone(), prefix.to_owned())
    }
}
