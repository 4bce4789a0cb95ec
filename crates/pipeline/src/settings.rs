//! Everything that can be tuned, as one document: `config/app_config.json`, with defaults in code.
//!
//! Infrastructure (bucket, queue, addresses) and secrets are not here: they come from the environment.

use std::collections::BTreeMap;

use pagemill_fields::profile::MAX_PROFILES;
use pagemill_fields::{Calibration, Profile, ProfileError};
use pagemill_index::{EmbedderKind, IndexSettings, TargetStore};
use pagemill_metadata::{GeneratorKind, MetadataSettings};
use pagemill_reader::{ImageSettings, Limits};
use pagemill_storage::{KeyLayout, SourceKey};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::budget::BudgetSettings;
use crate::prices::Prices;

/// The tunables. Unknown fields are refused; every field may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Prefixes of the key layout.
    pub layout: KeyLayout,
    /// How pages are rendered.
    pub pages: ImageSettings,
    /// How pages without text are read from their pictures.
    pub ocr: OcrTunables,
    /// How metadata is made.
    pub metadata: MetadataSettings,
    /// How text is chunked, embedded and stored.
    pub index: IndexSettings,
    /// How far a document is built: `extraction` (page images, text, links, structure, Markdown; no model is loaded),
    /// `metadata` (these and metadata), or `index` (everything). What goes further already stays while it is true: it is
    /// removed when the document, or what its pages are made with, changes.
    pub goal: Goal,
    /// Vector stores to fill when a message names none: `pages`, `semantic`, `haystack`. Empty means all three.
    pub target_stores: Vec<String>,
    /// What a document may cost at most.
    pub limits: Limits,
    /// What models cost, by the name that `metadata.model` or `index.embedder` has for them, such as
    /// `{"gpt-4o-mini": {"input": 150000, "cached_input": 75000, "output": 600000}}`: millionths of a US dollar for a million
    /// tokens. What a model without a price costs is recorded as unknown, and never as nothing.
    pub prices: Prices,
    /// What may be spent on models.
    pub budget: BudgetSettings,
    /// When to give a document up.
    pub attempts: AttemptSettings,
    /// When a run that reads a long document keeps what it has done.
    pub checkpoints: CheckpointSettings,
    /// User passwords of encrypted PDFs. Shown masked.
    pub passwords: Passwords,
    /// The profiles of users. They are files of their own, `profiles/*.json` beside these settings.
    #[serde(skip)]
    pub profiles: Profiles,
    /// By which extracted values are given a probability. A file of its own, `calibration.json` beside these settings.
    #[serde(skip)]
    pub calibration: CalibrationFile,
}

/// The calibration of an installation, as it was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CalibrationFile {
    /// The calibration, where there is one that can be used.
    pub usable: Option<Calibration>,
    /// What is wrong with the file, and what to do. Documents are processed as if it were not there, and say so.
    pub fault: Option<String>,
}

impl CalibrationFile {
    /// Takes what a file holds.
    pub fn read(file: &str, json: &[u8]) -> Self {
        match Calibration::from_json(file, json) {
            Ok(calibration) => Self {
                usable: Some(calibration),
                fault: None,
            },
            Err(fault) => Self {
                usable: None,
                fault: Some(fault.to_string()),
            },
        }
    }
}

/// The profiles of users, as they were found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Profiles {
    /// Those that can be used, in the order of their files.
    pub usable: Vec<Profile>,
    /// What is wrong with the others, and what to do. Documents are processed as if these were not there, and say so.
    pub faults: Vec<String>,
}

impl Profiles {
    /// Takes the profile of a file; files come in the order of their names.
    pub fn add(&mut self, file: &str, json: &[u8]) {
        let read = Profile::from_json(file, json).and_then(|profile| {
            let is_taken = |other: &Profile| other.name == profile.name;
            let fault = |reason: String| ProfileError {
                file: file.to_owned(),
                reason,
            };
            if self.usable.iter().any(is_taken) {
                return Err(fault(format!(
                    "another file has a profile named {:?}: give it another name",
                    profile.name
                )));
            }
            if self.usable.len() >= MAX_PROFILES {
                return Err(fault(format!(
                    "there are {MAX_PROFILES} others: remove some"
                )));
            }
            Ok(profile)
        });
        match read {
            Ok(profile) => self.usable.push(profile),
            Err(fault) => self.faults.push(fault.to_string()),
        }
    }
}

/// How pages without text are read from their pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OcrTunables {
    /// Whether pages that have no text, or one that does not say what they show, are read from their pictures: by Tesseract
    /// (`tesseract/` of the runtime folder, or the system's Tesseract 5), and by PP-OCR (`ppocr/` there) where Tesseract is
    /// missing, or saw little, or much that it was not sure of, or a text in a language that it has no model of. Where both are
    /// missing, or one of the languages has no reader, such pages are told as `needs_ocr`, and `doctor` says what is missing.
    pub enabled: bool,
    /// The languages that pages may be in, as Tesseract calls them (`eng`, `deu`, `fra`, `rus`, `jpn`, `chi_sim`, `chi_tra`). A
    /// page is read in the first; where its text is in another one of them, or hardly anything is read, again in that one. Japanese
    /// and Chinese are read by PP-OCR, which finds them by itself: name them first where most pages are in them, so that
    /// Tesseract is not asked in vain. Others need their model, `LANGUAGE.traineddata` in `tesseract/`; without it, those in
    /// Latin letters are read by PP-OCR too, at three times the cost.
    pub languages: Vec<String>,
    /// Pixels an inch of the picture that is read, 100 to 600. `pages.max_pixels` bounds it too.
    pub dpi: u32,
    /// Whether pictures that stand among text are read as well, such as charts, screenshots, and tables that were pasted as
    /// pictures: some tenths of a second of a processor for each. Photographs are told apart and left alone.
    pub pictures: bool,
}

impl Default for OcrTunables {
    fn default() -> Self {
        Self {
            enabled: true,
            languages: vec!["eng".to_owned(), "deu".to_owned()],
            dpi: 300,
            pictures: true,
        }
    }
}

/// How far a document is built. What an earlier run with a further goal made stays while the document and the settings
/// of its pages stay as they are; when these change, it is removed, for it would speak of what is gone.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Page images, text, links, structure and Markdown. No model is loaded.
    Extraction,
    /// These and metadata.
    Metadata,
    /// These, and vectors in the target stores: everything.
    #[default]
    Index,
}

/// When to give a document up. Failures that may pass are tried for ever; only deaths and panics end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttemptSettings {
    /// So many workers in a row that died (killed, out of memory, crashed, lease lost) in the same stage of a document
    /// make it fail for good, with the reason `worker_died`; so do as many panics there, with the reason
    /// `internal_error`. After the first one it is processed cautiously, one page at a time. A worker that had read
    /// further than those before it does not count, and the count begins anew.
    pub max_deaths: u32,
}

impl Default for AttemptSettings {
    fn default() -> Self {
        Self { max_deaths: 3 }
    }
}

/// When a run that reads a long document keeps what it has done, so that the next one does not begin anew when it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointSettings {
    /// The text and links of the pages that were read are kept in `processing/parts/` when so many seconds have passed
    /// since the last time, so that a run that is killed loses no more. A document that is read faster keeps nothing, and
    /// makes no call for it. 0: after every page.
    pub every_seconds: u32,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        Self { every_seconds: 5 }
    }
}

impl Settings {
    /// Reads settings from JSON.
    ///
    /// # Errors
    /// When it is not JSON, or a field is unknown, has the wrong type or contradicts another.
    pub fn from_json(json: &[u8]) -> Result<Self, SettingsError> {
        let settings: Self = serde_json::from_slice(json).map_err(|error| {
            SettingsError(format!(
                "{error}: see docs/CONFIGURATION.md for the fields and their types"
            ))
        })?;
        settings.validate()?;
        Ok(settings)
    }

    /// Checks every value and every pair of values that can contradict each other.
    ///
    /// # Errors
    /// The first setting that can't be used, with the remedy.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let refuse = |message: String| Err(SettingsError(message));
        if !(36..=600).contains(&self.pages.dpi) {
            return refuse(format!("pages.dpi is {}: give 36 to 600", self.pages.dpi));
        }
        if !(1..=100).contains(&self.pages.jpeg_quality) {
            return refuse(format!(
                "pages.jpeg_quality is {}: give 1 to 100",
                self.pages.jpeg_quality
            ));
        }
        if self.pages.max_pixels < 10_000 {
            return refuse(format!(
                "pages.max_pixels is {}: give at least 10000",
                self.pages.max_pixels
            ));
        }
        if !(100..=600).contains(&self.ocr.dpi) {
            return refuse(format!("ocr.dpi is {}: give 100 to 600", self.ocr.dpi));
        }
        if self.ocr.enabled && self.ocr.languages.is_empty() {
            return refuse(
                "ocr.languages is empty: name at least one, or set ocr.enabled to false".to_owned(),
            );
        }
        // A bitmap takes four bytes a pixel in the child, and its encoded image and PDFium itself need room too.
        let bitmap_mib = self.pages.max_pixels * 4 / (1 << 20);
        if bitmap_mib * 2 > self.limits.child_memory_mib {
            return refuse(format!(
                "pages.max_pixels ({}) needs bitmaps of {bitmap_mib} MiB, too much for limits.child_memory_mib ({}): \
                 lower the one or raise the other to at least {}",
                self.pages.max_pixels,
                self.limits.child_memory_mib,
                bitmap_mib * 2
            ));
        }
        if let Some(edge) = self.pages.thumbnail_edge
            && !(16..=2048).contains(&edge)
        {
            return refuse(format!(
                "pages.thumbnail_edge is {edge}: give 16 to 2048, or leave it out"
            ));
        }
        for (name, value) in [
            ("limits.max_pages", u64::from(self.limits.max_pages)),
            ("limits.max_file_bytes", self.limits.max_file_bytes),
            (
                "limits.page_timeout_seconds",
                u64::from(self.limits.page_timeout_seconds),
            ),
            (
                "limits.open_timeout_seconds",
                u64::from(self.limits.open_timeout_seconds),
            ),
            (
                "limits.document_timeout_seconds",
                u64::from(self.limits.document_timeout_seconds),
            ),
            (
                "limits.max_page_deaths",
                u64::from(self.limits.max_page_deaths),
            ),
        ] {
            if value == 0 {
                return refuse(format!(
                    "{name} is 0, so nothing could be processed: give a larger number"
                ));
            }
        }
        if self.attempts.max_deaths == 0 {
            return refuse(
                "attempts.max_deaths is 0, so no document could be started: give at least 1".into(),
            );
        }
        self.prices.validate()?;
        self.check_budget()?;
        self.layout.validate().map_err(SettingsError)?;
        self.targets(None)?;
        Ok(())
    }

    /// A budget can be kept only where every call has a price.
    fn check_budget(&self) -> Result<(), SettingsError> {
        let budget = &self.budget;
        let asked = (self.metadata.generator == GeneratorKind::Llm).then_some(&self.metadata.model);
        let embedder = match &self.index.embedder {
            EmbedderKind::OpenAi { model, .. } => Some(model),
            _ => None,
        };
        let limited = [
            (asked, budget.per_day.or(budget.per_document)),
            (embedder, budget.per_day),
        ];
        for (model, limit) in limited {
            if let (Some(model), Some(_)) = (model, limit)
                && !self.prices.0.contains_key(model)
            {
                return Err(SettingsError(format!(
                    "budget sets a limit, and prices has no price for {model:?}: give it one (0 where it costs nothing), or take the limit away"
                )));
            }
        }
        Ok(())
    }

    /// The vector stores to fill: those that a message names, else those of the settings, else all; none when the goal
    /// ends before them. Sorted.
    ///
    /// # Errors
    /// A name that is not a store.
    pub fn targets(&self, asked: Option<&[String]>) -> Result<Vec<TargetStore>, SettingsError> {
        let names = match asked {
            Some(names) if !names.is_empty() => names,
            _ => &self.target_stores,
        };
        let mut targets = names
            .iter()
            .map(|name| {
                name.parse::<TargetStore>()
                    .map_err(|error| SettingsError(error.to_string()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if self.goal < Goal::Index {
            return Ok(Vec::new());
        }
        if targets.is_empty() {
            return Ok(TargetStore::ALL.to_vec());
        }
        targets.sort();
        targets.dedup();
        Ok(targets)
    }
}

/// A setting that can't be used, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub String);

/// Passwords by source key, or by a key pattern that ends in `*`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Passwords(#[schemars(with = "BTreeMap<String, String>")] BTreeMap<String, SecretString>);

impl Passwords {
    /// The passwords to try for a source, the exact key first, then the longest pattern.
    pub fn candidates(&self, source: &SourceKey) -> Vec<String> {
        self.matching(source)
            .map(|(_, secret)| secret.expose_secret().to_owned())
            .collect()
    }

    /// The keys and patterns that match a source: what may be said of passwords in a fingerprint. A password that
    /// changes under the same key is not seen; force such a document.
    pub(crate) fn patterns(&self, source: &SourceKey) -> Vec<&str> {
        self.matching(source).map(|(pattern, _)| pattern).collect()
    }

    fn matching(&self, source: &SourceKey) -> impl Iterator<Item = (&str, &SecretString)> {
        let mut found: Vec<_> = self
            .0
            .iter()
            .filter(|(pattern, _)| match pattern.strip_suffix('*') {
                Some(prefix) => source.as_str().starts_with(prefix),
                None => pattern.as_str() == source.as_str(),
            })
            .map(|(pattern, secret)| (pattern.as_str(), secret))
            .collect();
        found
            .sort_by_key(|(pattern, _)| (pattern.ends_with('*'), std::cmp::Reverse(pattern.len())));
        found.into_iter()
    }
}

impl Serialize for Passwords {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.keys().map(|pattern| (pattern, "********")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::OnReached;

    #[test]
    fn defaults_are_valid_and_survive_a_round_trip() {
        let settings = Settings::default();
        settings.validate().unwrap();
        let json = serde_json::to_vec(&settings).unwrap();
        let read = Settings::from_json(&json).unwrap();
        assert_eq!(serde_json::to_vec(&read).unwrap(), json);
    }

    #[test]
    fn unknown_and_contradictory_settings_are_refused_with_the_remedy() {
        let unknown = Settings::from_json(br#"{"pages": {"dbi": 150}}"#).unwrap_err();
        assert!(unknown.to_string().contains("dbi"), "{unknown}");
        let small = Settings::from_json(br#"{"limits": {"child_memory_mib": 64}}"#).unwrap_err();
        assert!(small.to_string().contains("max_pixels"), "{small}");
        let store = Settings::from_json(br#"{"target_stores": ["semantik"]}"#).unwrap_err();
        assert!(store.to_string().contains("semantik"), "{store}");
    }

    #[test]
    fn a_budget_without_a_price_is_refused_with_the_model_that_lacks_one() {
        let json = |prices: &str| {
            format!(
                r#"{{"budget": {{"per_day": 5000000}}, "prices": {prices}, "metadata": {{"generator": "llm", "model": "m"}}}}"#
            )
        };
        let refused = Settings::from_json(json("{}").as_bytes()).unwrap_err();
        assert!(
            refused.to_string().contains("no price for \"m\""),
            "{refused}"
        );
        let priced = json(r#"{"m": {"input": 1, "output": 1}}"#);
        let settings = Settings::from_json(priced.as_bytes()).unwrap();
        assert_eq!(settings.budget.on_reached, OnReached::Extractive);
    }

    #[test]
    fn passwords_match_exact_keys_before_patterns_and_are_never_shown() {
        let json = br#"{"passwords": {"in/*": "wide", "in/secret/*": "narrow", "in/secret/a.pdf": "exact"}}"#;
        let settings = Settings::from_json(json).unwrap();
        let source = SourceKey("in/secret/a.pdf".into());
        assert_eq!(
            settings.passwords.candidates(&source),
            ["exact", "narrow", "wide"]
        );
        let shown = format!("{} {settings:?}", serde_json::to_string(&settings).unwrap());
        assert!(
            !shown.contains("narrow") && !shown.contains("exact\"") && !shown.contains("wide"),
            "{shown}"
        );
    }
}
