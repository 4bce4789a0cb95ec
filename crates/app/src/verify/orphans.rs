//! What no record accounts for, and its deletion.

use futures::TryStreamExt;
use pagemill_index::{Collection, TargetStore};

use super::audit::Audit;

/// One thing to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Orphan {
    /// An object, by its key.
    Object(String),
    /// Page images in a folder; objects below it in other folders are not meant.
    Images(String),
    /// One generation of a source's points.
    Points {
        /// The key of the source.
        source: String,
        /// The store that holds its points.
        target: TargetStore,
        /// The generation that no record speaks of.
        generation: String,
    },
}

impl Audit {
    /// Deletes orphans and returns what was deleted, in words. Points are deleted by the generation that was found, so that
    /// a run that began meanwhile keeps its own.
    ///
    /// # Errors
    /// When something did not answer; the rest is left.
    pub async fn delete(&self, orphans: &[Orphan]) -> anyhow::Result<Vec<String>> {
        let mut deleted = Vec::new();
        for orphan in orphans {
            match orphan {
                Orphan::Object(key) => {
                    self.store.delete(key).await?;
                    deleted.push(key.clone());
                }
                Orphan::Images(folder) => {
                    let mut keys = Vec::new();
                    let mut listing = self.store.list(folder);
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
                    self.store.delete_many(keys).await?;
                }
                Orphan::Points {
                    source,
                    target,
                    generation,
                } => {
                    let Some(vectors) = &self.vectors else {
                        continue;
                    };
                    let collection = Collection::of(*target, &self.collections);
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
        if let Some(vectors) = &self.vectors {
            vectors.flush().await?;
        }
        Ok(deleted)
    }
}
