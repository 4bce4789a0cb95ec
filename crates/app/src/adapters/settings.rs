//! Where the tunables are read from.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pagemill_pipeline::Settings;
use pagemill_storage::{ObjectStore, StorageError};

use super::{calibration, profiles};

/// Where the tunables in force come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file that was named.
    File(PathBuf),
    /// The bucket's object, or the defaults where there is no such object.
    Bucket {
        /// Its key.
        key: String,
        /// The bucket, as people know it.
        bucket: String,
    },
    /// Neither a file nor a bucket was named.
    Defaults,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Bucket { key, bucket } => write!(out, "{key} in {bucket}"),
            Self::Defaults => out.write_str("the defaults, as no bucket and no file is named"),
        }
    }
}

/// The tunables in force: of the file that is named, else the bucket's, else the defaults.
///
/// # Errors
/// When they can't be read, or are no settings; the text names the field.
pub async fn settings_in_force(
    config: Option<&Path>,
    bucket: Option<&dyn ObjectStore>,
    app_config_key: &str,
) -> anyhow::Result<(Settings, Origin)> {
    match (config, bucket) {
        (Some(path), _) => Ok((
            settings_from_file(path, true)?,
            Origin::File(path.to_owned()),
        )),
        (None, Some(store)) => Ok((
            settings_from_store(store, app_config_key).await?,
            Origin::Bucket {
                key: app_config_key.to_owned(),
                bucket: store.name().to_owned(),
            },
        )),
        (None, None) => Ok((Settings::default(), Origin::Defaults)),
    }
}

/// Reads the tunables from a file; a missing file is an error only when it was named.
///
/// # Errors
/// When the file can't be read, or is no settings; the text names the field.
pub fn settings_from_file(path: &Path, is_named: bool) -> anyhow::Result<Settings> {
    match std::fs::read(path) {
        Ok(json) => Settings::from_json(&json)
            .with_context(|| format!("{} can't be used", path.display()))
            .and_then(|settings| beside_file(path, settings)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => {
            beside_file(path, Settings::default())
        }
        Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
    }
}

/// Adds what stands in files of its own beside the tunables.
fn beside_file(path: &Path, settings: Settings) -> anyhow::Result<Settings> {
    calibration::beside_file(path, profiles::beside_file(path, settings)?)
}

/// Reads the tunables from the bucket; the defaults are used when there is no such object.
///
/// # Errors
/// When the bucket does not answer, or the object is no settings; the text names the field.
pub async fn settings_from_store(store: &dyn ObjectStore, key: &str) -> anyhow::Result<Settings> {
    let settings = match store.get_bytes(key).await {
        Ok((_, json)) => Settings::from_json(&json)
            .with_context(|| format!("{key} in {} can't be used", store.name()))?,
        Err(StorageError::NotFound { .. }) => Settings::default(),
        Err(error) => return Err(error.into()),
    };
    let settings = profiles::beside_object(store, key, settings).await?;
    calibration::beside_object(store, key, settings).await
}
