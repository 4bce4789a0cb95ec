//! Golden data out of what people decided.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use futures::TryStreamExt;
use pagemill_fields::golden::FORMAT;
use pagemill_fields::{Corrections, Golden, Verified};
use pagemill_pipeline::{FieldsFile, Settings};
use pagemill_storage::{
    Condition, ObjectStore, PutOptions, SourceKey, StorageError, to_canonical_json,
};

use super::{GoldenPlace, source_of};
use crate::stored::read;

/// What was made of the documents that people decided fields of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Documents whose golden data was written.
    pub written: Vec<SourceKey>,
    /// Those whose golden data says the same already.
    pub unchanged: u64,
    /// Those that have none yet, with what is missing.
    pub left: Vec<(SourceKey, &'static str)>,
}

/// Makes golden data of each document whose open fields were all decided by people: the values of the fields that they decided.
///
/// Golden data of the same bytes that is there already keeps its other values.
///
/// # Errors
/// When a file can't be read, or a store does not answer.
pub async fn export(
    documents: &Arc<dyn ObjectStore>,
    settings: &Settings,
    place: &GoldenPlace,
) -> anyhow::Result<Exported> {
    let prefix = format!("{}corrections/", settings.layout.review);
    let mut exported = Exported::default();
    let mut listed = documents.list(&prefix);
    while let Some(object) = listed.try_next().await? {
        let path = object.key.strip_prefix(&prefix);
        let Some(path) = path.and_then(|path| path.strip_suffix(".jsonl")) else {
            continue;
        };
        let source = source_of(settings, path);
        let (_, lines) = documents.get_bytes(&object.key).await?;
        let stored = format!("{}{path}.json", settings.layout.fields);
        let stored: Option<FieldsFile> = read(&**documents, &stored).await?;
        let golden = stored
            .ok_or("nothing is extracted of it: process it again")
            .and_then(|stored| golden_of(&stored, &Corrections::read(&lines)));
        match golden {
            Err(reason) => exported.left.push((source, reason)),
            Ok(golden) => match write(place, path, golden).await? {
                Written::Yes => exported.written.push(source),
                Written::Unchanged => exported.unchanged += 1,
                Written::OfOtherBytes => exported.left.push((
                    source,
                    "there is golden data of other bytes: move that away where it counts no more",
                )),
            },
        }
    }
    Ok(exported)
}

/// The golden data of a document, or why it has none yet.
fn golden_of(stored: &FieldsFile, corrections: &Corrections) -> Result<Golden, &'static str> {
    let decided = corrections.in_force(&stored.header.sha256);
    let fields = &stored.fields.fields;
    let is_taken_over = |(key, made): (&&str, &&pagemill_fields::Correction)| {
        fields
            .get(*key)
            .is_some_and(|field| field.verified == Verified::Corrected && field.value == made.to)
    };
    if decided.is_empty() {
        return Err("people decided of another version of the file");
    }
    if !decided.iter().all(is_taken_over) {
        return Err("no run has taken over what people decided: process it again");
    }
    let evaluation = stored.fields.evaluation.as_ref();
    if evaluation.is_none_or(|evaluation| !evaluation.reasons.is_empty()) {
        return Err("fields of it are open: decide them with `worker review`");
    }
    let by: BTreeSet<&str> = decided.values().map(|made| made.by.as_str()).collect();
    let values = decided.iter();
    Ok(Golden {
        format: FORMAT,
        sha256: Some(stored.header.sha256.clone()),
        by: by.into_iter().map(str::to_owned).collect(),
        fields: values
            .map(|(key, made)| ((*key).to_owned(), made.to.clone()))
            .collect(),
    })
}

enum Written {
    Yes,
    Unchanged,
    OfOtherBytes,
}

/// Writes golden data over what is there of the same bytes, by compare-and-swap.
async fn write(place: &GoldenPlace, path: &str, mut golden: Golden) -> anyhow::Result<Written> {
    let key = place.key(path);
    let condition = match place.store.get_bytes(&key).await {
        Err(StorageError::NotFound { .. }) => Condition::IfAbsent,
        Err(error) => return Err(error.into()),
        Ok((meta, json)) => {
            let known = Golden::from_json(&key, &json)?;
            if known.sha256 != golden.sha256 {
                return Ok(Written::OfOtherBytes);
            }
            let by: BTreeSet<String> = known.by.iter().chain(&golden.by).cloned().collect();
            golden.by = by.into_iter().collect();
            let mut fields = known.fields.clone();
            fields.append(&mut golden.fields);
            golden.fields = fields;
            if golden == known {
                return Ok(Written::Unchanged);
            }
            Condition::IfMatch(meta.etag)
        }
    };
    let options = PutOptions {
        content_type: Some("application/json"),
        condition,
    };
    let body = to_canonical_json(&golden)?;
    let put = place.store.put(&key, body, options).await;
    put.with_context(|| format!("the golden data {key} was not written: try again"))?;
    Ok(Written::Yes)
}
