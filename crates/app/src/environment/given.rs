//! Variables as they were given, and what is made of them: numbers in their range, and settings that fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::bail;
use pagemill_index::CollectionNames;
use secrecy::SecretString;

use super::Api;
use super::variables::{FOREIGN, VARIABLES};

/// The variables of the process, by name. One that is empty is as one that is not set.
#[derive(Clone, Copy)]
pub(super) struct Given<'a>(pub(super) &'a BTreeMap<String, String>);

impl Given<'_> {
    pub(super) fn text(self, name: &str) -> Option<String> {
        let value = self.0.get(name).filter(|value| !value.trim().is_empty());
        value.cloned()
    }

    pub(super) fn secret(self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    pub(super) fn count(self, name: &str, default: usize) -> anyhow::Result<usize> {
        match self.text(name) {
            None => Ok(default),
            Some(value) => match value.parse::<usize>() {
                Ok(number) if (1..=1024).contains(&number) => Ok(number),
                _ => bail!("{name} is {value:?}: give a number from 1 to 1024"),
            },
        }
    }

    pub(super) fn seconds(self, name: &str, default: usize) -> anyhow::Result<Duration> {
        Ok(Duration::from_secs(self.count(name, default)? as u64))
    }

    pub(super) fn refuse_unknown(self) -> anyhow::Result<()> {
        for name in self.0.keys().filter(|name| name.starts_with("PAGEMILL_")) {
            let is_known = VARIABLES.iter().any(|known| known.name == name);
            if !is_known && !FOREIGN.contains(&name.as_str()) {
                bail!(
                    "{name} is set but is no setting of the worker: correct or unset it (see docs/CONFIGURATION.md)"
                );
            }
        }
        Ok(())
    }

    pub(super) fn refuse_contradictions(self) -> anyhow::Result<()> {
        let is_set = |name| self.text(name).is_some();
        for (key, arn) in [
            ("QDRANT_API_KEY", "QDRANT_API_KEY_SECRET_ARN"),
            ("LLM_API_KEY", "LLM_API_KEY_SECRET_ARN"),
        ] {
            if is_set(key) && is_set(arn) {
                bail!("{key} and {arn} are both set: unset one of them");
            }
        }
        if is_set("QDRANT_URL") && is_set("PAGEMILL_VECTOR_DIR") {
            bail!(
                "QDRANT_URL and PAGEMILL_VECTOR_DIR are both set: unset the one that is not meant"
            );
        }
        if !is_set("QDRANT_URL") && is_set("QDRANT_API_KEY") {
            bail!("QDRANT_API_KEY is set without QDRANT_URL: set QDRANT_URL, or unset the key");
        }
        Ok(())
    }

    pub(super) fn collections(self) -> anyhow::Result<CollectionNames> {
        let named = |name, default| self.text(name).unwrap_or(default);
        let defaults = CollectionNames::default();
        let collections = CollectionNames {
            pages: named("QDRANT_PAGES_COLLECTION", defaults.pages),
            semantic: named("QDRANT_SEMANTIC_COLLECTION", defaults.semantic),
            haystack: named("QDRANT_HAYSTACK_COLLECTION", defaults.haystack),
        };
        let names = [
            &collections.pages,
            &collections.semantic,
            &collections.haystack,
        ];
        if BTreeSet::from(names).len() < names.len() {
            bail!(
                "two of the QDRANT_*_COLLECTION variables name the same collection: give each store its own"
            );
        }
        Ok(collections)
    }

    /// The LLM's and that of the embeddings, which is the LLM's where it has no address of its own.
    pub(super) fn apis(self) -> (Option<Api>, Option<Api>) {
        let llm = self.text("LLM_BASE_URL").map(|base_url| Api {
            base_url: address_of(base_url),
            api_key: self.secret("LLM_API_KEY"),
        });
        let embeddings = match self.text("EMBEDDINGS_BASE_URL") {
            Some(base_url) => Some(Api {
                base_url: address_of(base_url),
                api_key: self
                    .secret("EMBEDDINGS_API_KEY")
                    .or_else(|| self.secret("LLM_API_KEY")),
            }),
            None => llm.clone().map(|llm| Api {
                api_key: self.secret("EMBEDDINGS_API_KEY").or(llm.api_key),
                base_url: llm.base_url,
            }),
        };
        (llm, embeddings)
    }

    pub(super) fn lease(self) -> anyhow::Result<Duration> {
        let lease = self.seconds("PAGEMILL_LEASE_SECONDS", 120)?;
        if lease < Duration::from_secs(6) {
            bail!(
                "PAGEMILL_LEASE_SECONDS is {}: give at least 6, or renewals come too late",
                lease.as_secs()
            );
        }
        Ok(lease)
    }

    /// The namespace of metrics; none where they are off.
    pub(super) fn metrics(self) -> anyhow::Result<Option<String>> {
        let namespace = self.text("PAGEMILL_METRICS_NAMESPACE");
        let namespace = namespace.unwrap_or_else(|| "Pagemill".into());
        if namespace.chars().count() > 255 || namespace.starts_with("AWS/") {
            bail!(
                "PAGEMILL_METRICS_NAMESPACE is {namespace:?}: give at most 255 characters that do not begin with AWS/"
            );
        }
        match self.text("PAGEMILL_METRICS").as_deref() {
            None | Some("on") => Ok(Some(namespace)),
            Some("off") => Ok(None),
            Some(other) => bail!("PAGEMILL_METRICS is {other:?}: give on or off"),
        }
    }
}

/// The address of an API that is compatible with OpenAI's, by its provider's name; an address is left as it is.
fn address_of(given: String) -> String {
    match given.as_str() {
        "openai" => "https://api.openai.com/v1".to_owned(),
        "gemini" => "https://generativelanguage.googleapis.com/v1beta/openai".to_owned(),
        "anthropic" => "https://api.anthropic.com/v1".to_owned(),
        _ => given,
    }
}
