//! What was extracted, held against golden data: how much of it is right, and how well the extraction says which.
//!
//! What machines extracted is judged. Where people decided fields of a document, it is extracted once more from what is stored, without
//! their decisions: golden data that was made of these would praise itself otherwise. What people decided is judged beside it, as a
//! source of its own.

mod export;
mod markdown;
mod plot;
mod probability;
mod report;

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use futures::{StreamExt, TryStreamExt};
use pagemill_fields::confidence::Features;
use pagemill_fields::correction::name_of;
use pagemill_fields::{DocumentFields, Field, Golden, Verdict, Verified};
use pagemill_pipeline::{FieldsFile, Settings, fields_without_corrections};
use pagemill_storage::{FolderStore, ObjectStore, SourceKey, is_pdf_name};
use serde::{Deserialize, Serialize};

pub use self::export::{Exported, export};
pub use self::probability::{Accepted, Confidence, Point, Quality, Wanted};
pub use self::report::{Files, Finding, Report, SourceTally, Tally};
use crate::stored::read;

/// Documents read at the same time.
const AT_ONCE: usize = 8;

/// Where golden data is.
#[derive(Debug, Clone)]
pub struct GoldenPlace {
    store: Arc<dyn ObjectStore>,
    /// Ends in a slash, or is empty.
    prefix: String,
}

impl GoldenPlace {
    /// The place that was named: a folder of this machine, else a prefix of the documents' own store; where none was named, that of
    /// the layout.
    ///
    /// # Errors
    /// When the prefix can't be one.
    pub fn named(
        named: Option<&str>,
        documents: &Arc<dyn ObjectStore>,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let Some(named) = named else {
            return Ok(Self {
                store: Arc::clone(documents),
                prefix: settings.layout.golden.clone(),
            });
        };
        if Path::new(named).is_dir() {
            return Ok(Self {
                store: Arc::new(FolderStore::new(named)),
                prefix: String::new(),
            });
        }
        if named.is_empty() || Self::is_folder(named) {
            bail!("{named:?} is no folder: give one that is there, or a prefix such as golden/");
        }
        let mut prefix = named.to_owned();
        if !prefix.ends_with('/') {
            prefix.push('/');
        }
        Ok(Self {
            store: Arc::clone(documents),
            prefix,
        })
    }

    /// Whether a folder of this machine is meant, whether or not it is there: it begins with a slash or a dot, as no prefix does.
    pub fn is_folder(named: &str) -> bool {
        named.starts_with(['/', '.'])
    }

    /// Where it is, for messages.
    pub fn name(&self) -> String {
        match self.prefix.is_empty() {
            true => self.store.name().to_owned(),
            false => format!("{} in {}", self.prefix, self.store.name()),
        }
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}.json", self.prefix)
    }
}

/// A value of golden data, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The document: its path below the sources, as keys have it.
    pub document: String,
    /// The field, by its key.
    pub field: String,
    /// How what was extracted compares.
    pub verdict: Verdict,
    /// Who says the value: `xml`, `rule`, `model` or `person`; none where there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What speaks for the value and against it.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Scored>,
    /// The probability that the extraction gave it, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// What was found; `None` where nothing was.
    #[serde(skip)]
    pub found: Option<String>,
    /// What is right; `None` where the document has no such value.
    #[serde(skip)]
    pub right: Option<String>,
    /// The page that shows what was found, from 1.
    #[serde(skip)]
    pub page: Option<u32>,
}

/// What speaks for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scored {
    /// The score.
    pub score: i32,
    /// What it is the sum of.
    pub features: Features,
}

impl Judged {
    fn of(
        document: &str,
        field: &str,
        right: Option<&str>,
        found: Option<&Field>,
        features: Option<Features>,
    ) -> Self {
        let said = found.filter(|found| found.value.is_some() || !found.candidates.is_empty());
        let source = said.and_then(|found| {
            let first = found.sources.first()?.0.as_str();
            Some(
                first
                    .split_once(':')
                    .map_or(first, |(kind, _)| kind)
                    .to_owned(),
            )
        });
        Self {
            document: document.to_owned(),
            field: field.to_owned(),
            verdict: Verdict::of(field, right, found),
            source,
            score: features.map(|features| Scored {
                score: features.score(),
                features,
            }),
            probability: found.and_then(|found| found.probability),
            found: found.and_then(|found| found.value.clone()),
            right: right.map(str::to_owned),
            page: found.and_then(|found| Some(found.evidence.first()?.page.0)),
        }
    }

    /// What the field is called, such as `iban`.
    pub fn name(&self) -> &str {
        name_of(&self.field)
    }
}

/// A file of golden data that nothing was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The file, by its key or its path below the folder.
    pub file: String,
    /// Why, and what to do.
    pub reason: String,
}

/// All that golden data names, and what came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// Documents that were compared, in the order of their keys.
    pub documents: Vec<String>,
    /// Documents of these of which nothing was extracted.
    pub not_extracted: Vec<String>,
    /// What machines extracted.
    pub values: Vec<Judged>,
    /// What people decided of the same fields.
    pub of_people: Vec<Judged>,
    /// Golden data that was left out.
    pub left_out: Vec<LeftOut>,
}

/// Compares what was extracted with golden data.
///
/// # Errors
/// When there is no golden data, a file of it or of what was extracted can't be read, or a store does not answer.
pub async fn judge(
    documents: &Arc<dyn ObjectStore>,
    settings: &Settings,
    golden: &GoldenPlace,
) -> anyhow::Result<Judgement> {
    let files = golden.store.list(&golden.prefix);
    let compared = files.map(move |file| async move {
        let key = file?.key;
        one(&**documents, settings, golden, &key).await
    });
    let mut all = Judgement::default();
    let mut compared = std::pin::pin!(compared.buffered(AT_ONCE));
    while let Some(of_file) = compared.try_next().await? {
        all.documents.extend(of_file.documents);
        all.not_extracted.extend(of_file.not_extracted);
        all.values.extend(of_file.values);
        all.of_people.extend(of_file.of_people);
        all.left_out.extend(of_file.left_out);
    }
    if all.documents.is_empty() {
        let left_out: Vec<String> = all
            .left_out
            .iter()
            .take(3)
            .map(|left| format!("\n  {}: {}", left.file, left.reason))
            .collect();
        bail!(
            "nothing can be compared: there is no golden data in {}: write PATH.pdf.json files as docs/EVALUATION.md says, or let --export-golden make them{}",
            golden.name(),
            left_out.concat()
        );
    }
    Ok(all)
}

async fn one(
    documents: &dyn ObjectStore,
    settings: &Settings,
    place: &GoldenPlace,
    key: &str,
) -> anyhow::Result<Judgement> {
    let left_out = |reason: &str| Judgement {
        left_out: vec![LeftOut {
            file: key.to_owned(),
            reason: reason.to_owned(),
        }],
        ..Judgement::default()
    };
    let path = key.strip_prefix(&place.prefix).unwrap_or(key);
    let Some(path) = path
        .strip_suffix(".json")
        .filter(|path| is_pdf_name(path.as_bytes()))
    else {
        return Ok(left_out(
            "its name does not end in .pdf.json: name it as the document's extracted_fields/ are named",
        ));
    };
    let (_, json) = place.store.get_bytes(key).await?;
    let golden = Golden::from_json(key, &json)?;
    let stored = format!("{}{path}.json", settings.layout.fields);
    let stored: Option<FieldsFile> = read(documents, &stored).await?;
    let Some(stored) = stored else {
        let values = golden.fields.iter();
        let values =
            values.map(|(field, right)| Judged::of(path, field, right.as_deref(), None, None));
        return Ok(Judgement {
            documents: vec![path.to_owned()],
            not_extracted: vec![path.to_owned()],
            values: values.collect(),
            ..Judgement::default()
        });
    };
    if golden
        .sha256
        .is_some_and(|sha256| sha256 != stored.header.sha256)
    {
        return Ok(left_out(
            "it is of other bytes than what was extracted is: the file was replaced since, or was not processed again",
        ));
    }
    let is_decided = |field: &Field| field.verified == Verified::Corrected;
    let by_people = &stored.fields.fields;
    let extracted = match by_people.values().any(is_decided) {
        false => None,
        true => {
            let again = without_people(documents, settings, path).await?;
            let Some(again) = again else {
                return Ok(left_out(
                    "people decided fields of it, and what it was extracted from is not there any more: process it again",
                ));
            };
            Some(again)
        }
    };
    let extracted = extracted.as_ref().unwrap_or(&stored.fields);
    let mut judged = Judgement {
        documents: vec![path.to_owned()],
        ..Judgement::default()
    };
    for (field, right) in &golden.fields {
        let (found, right) = (extracted.fields.get(field), right.as_deref());
        let features = Features::of(extracted, field);
        let value = Judged::of(path, field, right, found, features);
        judged.values.push(value);
        if let Some(decided) = by_people.get(field).filter(|field| is_decided(field)) {
            let value = Judged::of(path, field, right, Some(decided), None);
            judged.of_people.push(value);
        }
    }
    Ok(judged)
}

/// What machines extract of a document, from what is stored of it.
async fn without_people(
    documents: &dyn ObjectStore,
    settings: &Settings,
    path: &str,
) -> anyhow::Result<Option<DocumentFields>> {
    let layout = &settings.layout;
    let key = |prefix: &str| format!("{prefix}{path}.json");
    let (text, attached, metadata) = (
        key(&layout.text),
        key(&layout.attachments),
        key(&layout.metadata),
    );
    let text = read(documents, &text).await?;
    let attached = read(documents, &attached).await?;
    let metadata = read(documents, &metadata).await?;
    let (Some(text), Some(attached), Some(metadata)) = (text, attached, metadata) else {
        return Ok(None);
    };
    Ok(Some(fields_without_corrections(
        &text, &attached, &metadata, settings,
    )))
}

/// A document as messages name it.
fn source_of(settings: &Settings, path: &str) -> SourceKey {
    SourceKey(format!("{}{path}", settings.layout.source))
}

#[cfg(test)]
mod tests;
