//! What is there, listed before any record is read.
//!
//! The order matters: a run saves its record before it writes its first output. So an object that was listed has a
//! record that can be read afterwards, and one that no record then speaks of is an orphan and no work in progress.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use jiff::Timestamp;
use pagemill_index::{Collection, CollectionNames, TargetStore, VectorStore};
use pagemill_pipeline::{Graph, graph};
use pagemill_storage::{ETag, KeyLayout, ObjectStore};

/// What is known of one object.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) etag: ETag,
    pub(super) bytes: u64,
    pub(super) modified: Timestamp,
}

/// The page images of one generation of one source: one folder.
#[derive(Debug, Default)]
pub(super) struct Images {
    pub(super) pages: Vec<u32>,
    pub(super) bytes: u64,
    /// Objects that are no page image.
    pub(super) strangers: Vec<String>,
    pub(super) newest: Option<Timestamp>,
}

/// Everything but the records. The audit takes out what a record accounts for; what is left is accounted for by none.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub(super) sources: BTreeMap<String, Seen>,
    /// What stages wrote, what models said, what pictures were read as and what is open for review, by key.
    pub(super) files: BTreeMap<String, Seen>,
    /// What runs keep of documents that they are at work on, by key.
    pub(super) parts: BTreeMap<String, Seen>,
    /// Page images by their folder, which ends in `/`.
    pub(super) images: BTreeMap<String, Images>,
    /// Points by source, store and generation.
    pub(super) points: BTreeMap<(String, TargetStore, String), u64>,
    pub(super) objects: u64,
}

impl Inventory {
    pub(super) async fn of(
        store: &dyn ObjectStore,
        layout: &KeyLayout,
        graph: &Graph,
        vectors: Option<(&dyn VectorStore, &CollectionNames)>,
        with_sources: bool,
    ) -> anyhow::Result<Self> {
        let mut inventory = Self::default();
        if with_sources {
            inventory.sources = listed(store, &layout.source).await?;
            inventory.sources.retain(|key, _| layout.is_source(key));
        }
        for prefix in graph.prefixes(layout) {
            let files = listed(store, &prefix).await?;
            inventory.files.extend(files);
        }
        for prefix in [
            layout.all_answers(),
            layout.readings(),
            layout.open_reviews(),
        ] {
            let files = listed(store, &prefix).await?;
            inventory.files.extend(files);
        }
        inventory.parts = listed(store, &graph::parts_prefix(layout)).await?;
        inventory.objects = (inventory.files.len() + inventory.parts.len()) as u64;
        let mut listing = store.list(&layout.page_images);
        while let Some(object) = listing.try_next().await? {
            inventory.objects += 1;
            let (folder, name) = match object.key.rfind('/') {
                Some(at) => object.key.split_at(at + 1),
                None => ("", object.key.as_str()),
            };
            let images = inventory.images.entry(folder.to_owned()).or_default();
            images.newest = images.newest.max(Some(object.modified));
            match (page_of(name, "page-"), page_of(name, "thumb-")) {
                (Some(page), _) => {
                    images.pages.push(page);
                    images.bytes += object.bytes;
                }
                (None, Some(_)) => images.bytes += object.bytes,
                (None, None) => images.strangers.push(object.key.clone()),
            }
        }
        if let Some((vectors, names)) = vectors {
            for target in TargetStore::ALL {
                let collection = Collection::of(target, names);
                for entry in vectors.inventory(&collection).await? {
                    let key = (entry.source, target, entry.generation);
                    *inventory.points.entry(key).or_default() += entry.points;
                }
            }
        }
        Ok(inventory)
    }
}

/// Every object below a prefix, by key.
async fn listed(store: &dyn ObjectStore, prefix: &str) -> anyhow::Result<BTreeMap<String, Seen>> {
    let mut objects = BTreeMap::new();
    let mut listing = store.list(prefix);
    while let Some(object) = listing.try_next().await? {
        let seen = Seen {
            etag: object.etag,
            bytes: object.bytes,
            modified: object.modified,
        };
        objects.insert(object.key, seen);
    }
    Ok(objects)
}

/// The page of `page-00012.png`.
fn page_of(name: &str, kind: &str) -> Option<u32> {
    let (number, extension) = name.strip_prefix(kind)?.split_once('.')?;
    let is_number = number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain =
        !extension.is_empty() && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_number && is_plain).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn out_4_only_page_images_pass_for_page_images() {
        assert_eq!(page_of("page-00012.png", "page-"), Some(12));
        assert_eq!(page_of("page-12.png", "page-"), None);
        assert_eq!(page_of("page-00012.png.bak", "page-"), None);
        assert_eq!(page_of("thumb-00001.webp", "thumb-"), Some(1));
        assert_eq!(page_of("notes.txt", "page-"), None);
    }
}
