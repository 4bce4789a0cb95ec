//! The profiles of users: `profiles/*.json` beside the tunables, in the bucket or a folder. One that can't be used is told, and
//! stops nobody: documents are processed as if it were not there.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use futures::TryStreamExt;
use pagemill_pipeline::Settings;
use pagemill_storage::ObjectStore;

/// The folder of profiles, beside the tunables.
const FOLDER: &str = "profiles";

/// Largest profile, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Adds the profiles beside a file of tunables.
///
/// # Errors
/// When the folder is there and can't be read.
pub(super) fn beside_file(tunables: &Path, mut settings: Settings) -> anyhow::Result<Settings> {
    let folder = tunables.with_file_name(FOLDER);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(settings),
        Err(error) => {
            return Err(error).with_context(|| format!("{} can't be read", folder.display()));
        }
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("{} can't be read", folder.display()))?
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let json = std::fs::read(&path)
                .with_context(|| format!("{} can't be read", path.display()))?;
            found.insert(path.display().to_string(), json);
        }
    }
    take(found, &mut settings);
    Ok(settings)
}

/// Adds the profiles beside the tunables of a bucket.
///
/// # Errors
/// When the bucket does not answer.
pub(super) async fn beside_object(
    store: &dyn ObjectStore,
    tunables: &str,
    mut settings: Settings,
) -> anyhow::Result<Settings> {
    let folder = tunables.rsplit_once('/').map_or("", |(folder, _)| folder);
    let prefix = match folder.is_empty() {
        true => format!("{FOLDER}/"),
        false => format!("{folder}/{FOLDER}/"),
    };
    let mut listing = store.list(&prefix);
    let mut found = BTreeMap::new();
    while let Some(object) = listing.try_next().await? {
        if !object.key.ends_with(".json") {
            continue;
        }
        if object.bytes > MAX_BYTES {
            let fault = format!(
                "the profile {} can't be used: it has {} bytes: give at most {MAX_BYTES}",
                object.key, object.bytes
            );
            settings.profiles.faults.push(fault);
            continue;
        }
        let (_, json) = store.get_bytes(&object.key).await?;
        found.insert(object.key, json.to_vec());
    }
    take(found, &mut settings);
    Ok(settings)
}

fn take(found: BTreeMap<String, Vec<u8>>, settings: &mut Settings) {
    for (file, json) in found {
        settings.profiles.add(&file, &json);
    }
    for fault in &settings.profiles.faults {
        tracing::error!("{fault}");
    }
}
