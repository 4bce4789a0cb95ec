//! What no record accounts for, and its removal.

use futures::TryStreamExt;
use pagemill_index::{Collection, TargetStore};

use super::audit::Audit;

/// One thing to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Orphan {
    Object(String),
    /// Page images in a folder; objects below it in other folders are not meant.
    Images(String),
    Points {
        source: String,
        target: TargetStore,
        generation: String,
    },
}

/// Deletes orphans and says what. Points are deleted by the generation that was found, so that a run that began
/// meanwhile keeps its own.
pub(super) async fn delete(audit: &Audit, orphans: &[Orphan]) -> anyhow::Result<Vec<String>> {
    let mut deleted = Vec::new();
    for orphan in orphans {
        match orphan {
            Orphan::Object(key) => {
                audit.store.delete(key).await?;
                deleted.push(key.clone());
            }
            Orphan::Images(folder) => {
                let mut keys = Vec::new();
                let mut listing = audit.store.list(folder);
                while let Some(object) = listing.try_next().await? {
                    let is_inside = object
                        .key
                        .strip_prefix(folder.as_str())
                        .is_some_and(|name| !name.contains('/'));
                    if is_inside {
                        keys.push(object.key);
                    }
                }
                deleted.extend(keys.iter().cloned());
                audit.store.delete_many(keys).await?;
            }
            Orphan::Points {
                source,
                target,
                generation,
            } => {
                let Some(vectors) = &audit.vectors else {
                    continue;
                };
                let collection = Collection::of(*target, &audit.collections);
                let gone = vectors
                    .delete_generation(&collection, source, generation)
                    .await?;
                deleted.push(format!(
                    "{gone} points of {source}, generation {generation}, in {}",
                    collection.name
                ));
            }
        }
    }
    if let Some(vectors) = &audit.vectors {
        vectors.flush().await?;
    }
    Ok(deleted)
}
