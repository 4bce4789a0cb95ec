//! Listing a folder in key order.

use std::cmp::Ordering;
use std::io;

use futures::StreamExt;
use tokio::sync::mpsc;
use walkdir::{DirEntry, WalkDir};

use super::{Access, FolderStore, OWN, describe, names};
use crate::object::{Listing, ObjectMeta, StorageError};

/// Entries read ahead of the reader of the listing.
const READ_AHEAD: usize = 256;

/// All files whose key starts with `prefix`. A directory that cannot be read is one error; the listing goes on.
pub(super) fn list(store: FolderStore, prefix: String) -> Listing {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        let walked = pagemill_panics::catch(|| {
            for item in entries(&store, &prefix) {
                if sender.blocking_send(item).is_err() {
                    break;
                }
            }
        });
        // Without this the listing would look whole.
        if let Err(panicked) = walked {
            let cut_short = store.explain("list", &prefix, &io::Error::other(panicked));
            drop(sender.blocking_send(Err(cut_short)));
        }
    });
    futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (item, receiver))
    })
    .boxed()
}

fn entries<'a>(
    store: &'a FolderStore,
    prefix: &'a str,
) -> Box<dyn Iterator<Item = Result<ObjectMeta, StorageError>> + 'a> {
    if !store.root.is_dir() {
        return Box::new(std::iter::once(Err(store.no_store())));
    }
    // The walk opens each folder beside its way: so it begins as far down as it can.
    let start = match prefix.rsplit_once('/') {
        Some((folder, _)) => match store.path_of(folder) {
            Ok(path) if path.is_dir() => path,
            // No key leads through a link or the store's own folder; nor is there anything in what is not there.
            _ => return Box::new(std::iter::empty()),
        },
        None => store.root.clone(),
    };
    let walk = WalkDir::new(start)
        .min_depth(1)
        .follow_links(store.access == Access::ReadOnly)
        .sort_by(in_key_order)
        .into_iter()
        .filter_entry(|entry| may_hold(store, entry, prefix));
    Box::new(walk.filter_map(move |found| match found {
        Ok(entry) => file(store, &entry, prefix),
        Err(error) => failed(store, &error),
    }))
}

fn file(
    store: &FolderStore,
    entry: &DirEntry,
    prefix: &str,
) -> Option<Result<ObjectMeta, StorageError>> {
    if !entry.file_type().is_file() {
        return None;
    }
    let key = key_of(store, entry).filter(|key| key.starts_with(prefix))?;
    match entry.metadata() {
        Ok(meta) => Some(Ok(describe(&key, &meta))),
        Err(error) => failed(store, &error),
    }
}

fn failed(store: &FolderStore, error: &walkdir::Error) -> Option<Result<ObjectMeta, StorageError>> {
    let path = error.path().unwrap_or(&store.root).display().to_string();
    if error.loop_ancestor().is_some() {
        tracing::warn!(
            path,
            "left out a link that leads back to one of its own folders"
        );
        return None;
    }
    let reason = match error.io_error() {
        // Deleted between reading its directory and looking at it; or a link to nothing.
        Some(gone) if gone.kind() == io::ErrorKind::NotFound => return None,
        Some(cause) => io::Error::new(cause.kind(), cause.to_string()),
        None => io::Error::other(error.to_string()),
    };
    Some(Err(store.explain("list", &path, &reason)))
}

/// Bytewise by key: a directory sorts as its name with a slash, so that `a.pdf` comes before `a/b.pdf`.
fn in_key_order(left: &DirEntry, right: &DirEntry) -> Ordering {
    sort_key(left).cmp(&sort_key(right))
}

fn sort_key(entry: &DirEntry) -> String {
    let mut name = names::to_key_segment(entry.file_name());
    if entry.file_type().is_dir() {
        name.push('/');
    }
    name
}

fn may_hold(store: &FolderStore, entry: &DirEntry, prefix: &str) -> bool {
    if entry.path() == store.root.join(OWN) {
        return false;
    }
    let Some(mut key) = key_of(store, entry) else {
        return false;
    };
    if !entry.file_type().is_dir() {
        return key.starts_with(prefix);
    }
    key.push('/');
    key.starts_with(prefix) || prefix.starts_with(&key)
}

fn key_of(store: &FolderStore, entry: &DirEntry) -> Option<String> {
    let below = entry.path().strip_prefix(&store.root).ok()?;
    let segments: Vec<String> = below.iter().map(names::to_key_segment).collect();
    Some(segments.join("/"))
}
