//! The calibration of extracted values: `calibration.json` beside the tunables, in the bucket or a folder. One that can't be used is
//! told, and stops nobody: documents are processed as if it were not there.

use std::path::Path;

use anyhow::Context;
use pagemill_pipeline::{CalibrationFile, Settings};
use pagemill_storage::{ObjectStore, StorageError};

/// Its name, beside the tunables.
const NAME: &str = "calibration.json";

/// Adds the calibration beside a file of tunables.
///
/// # Errors
/// When the file is there and can't be read.
pub(super) fn beside_file(tunables: &Path, mut settings: Settings) -> anyhow::Result<Settings> {
    let path = tunables.with_file_name(NAME);
    match std::fs::read(&path) {
        Ok(json) => take(&path.display().to_string(), &json, &mut settings),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("{} can't be read", path.display()));
        }
    }
    Ok(settings)
}

/// Adds the calibration beside the tunables of a bucket.
///
/// # Errors
/// When the bucket does not answer.
pub(super) async fn beside_object(
    store: &dyn ObjectStore,
    tunables: &str,
    mut settings: Settings,
) -> anyhow::Result<Settings> {
    let key = match tunables.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{NAME}"),
        None => NAME.to_owned(),
    };
    match store.get_bytes(&key).await {
        Ok((_, json)) => take(&key, &json, &mut settings),
        Err(StorageError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(settings)
}

fn take(file: &str, json: &[u8], settings: &mut Settings) {
    settings.calibration = CalibrationFile::read(file, json);
    if let Some(fault) = &settings.calibration.fault {
        tracing::error!("{fault}");
    }
}

#[cfg(test)]
mod tests {
    use pagemill_storage::{MemoryStore, PutOptions};

    use super::*;
    use crate::adapters::{settings_from_file, settings_from_store};

    const GOOD: &str = r#"{"format": 1, "score": 1, "documents": 9, "values": 90, "wrong": 3, "auroc": 0.9,
        "steps": [{"from": 1, "values": 90, "right": 87, "probability": 0.96, "interval": {"low": 0.9, "high": 0.99}}]}"#;

    #[tokio::test]
    async fn a_calibration_is_found_beside_the_tunables_and_a_bad_one_is_told_with_the_remedy() {
        let store = MemoryStore::new("bucket");
        let tunables = "config/app_config.json";
        let of_bucket = async || {
            settings_from_store(&store, tunables)
                .await
                .expect("settings")
        };
        assert_eq!(of_bucket().await.calibration, CalibrationFile::default());
        let put = async |json: &'static str| {
            let put = store.put(
                "config/calibration.json",
                json.into(),
                PutOptions::default(),
            );
            put.await.expect("a write");
        };
        put(GOOD).await;
        let found = of_bucket().await.calibration.usable.expect("a calibration");
        assert_eq!(found.probability(7), 0.96);
        put(r#"{"format": 1}"#).await;
        let fault = of_bucket().await.calibration.fault.expect("a fault");
        assert!(
            fault.contains("config/calibration.json") && fault.contains("worker evaluate"),
            "{fault}"
        );

        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(NAME), GOOD).expect("a file");
        let settings = settings_from_file(&folder.path().join("app_config.json"), false);
        assert!(settings.expect("settings").calibration.usable.is_some());
    }
}
