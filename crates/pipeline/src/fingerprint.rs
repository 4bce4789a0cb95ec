//! Fingerprints: what a stage's outputs depend on, as one hash.
//!
//! A fingerprint is SHA-256 over length-prefixed parts, so that no two lists of parts give the same bytes. Every
//! stage's begins with the stage's name and the version of its code ([`graph`](crate::graph)); then come its settings (or the
//! content hash), and the fingerprints of the stages that it is made from.

use pagemill_storage::{Fingerprint, Stage};
use sha2::{Digest, Sha256};

/// Collects the parts of one fingerprint.
#[derive(Debug, Clone)]
pub struct Fingerprinter(Sha256);

impl Fingerprinter {
    /// Begins the fingerprint of a stage, whose code has this version.
    pub fn new(stage: Stage, code_version: u32) -> Self {
        Self(Sha256::new())
            .part(stage.name())
            .part(&code_version.to_string())
    }

    /// Adds a part.
    #[must_use]
    pub fn part(mut self, part: &str) -> Self {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part.as_bytes());
        self
    }

    /// Adds parts, one after the other.
    #[must_use]
    pub fn parts(self, parts: &[String]) -> Self {
        parts.iter().fold(self, |print, part| print.part(part))
    }

    /// Adds a settings object, as canonical JSON (fields in the order of the type).
    #[must_use]
    pub fn settings<T: serde::Serialize>(self, settings: &T) -> Self {
        let json = serde_json::to_string(settings)
            .expect("settings are plain data with string keys, which always serialise");
        self.part(&json)
    }

    /// Adds what another stage was made from.
    #[must_use]
    pub fn upstream(self, fingerprint: &Fingerprint) -> Self {
        self.part(&fingerprint.0)
    }

    /// The fingerprint of all parts.
    pub fn finish(self) -> Fingerprint {
        Fingerprint(hex::encode(self.0.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_character_between_parts_changes_the_fingerprint() {
        let one = Fingerprinter::new(Stage::Text, 1)
            .part("ab")
            .part("c")
            .finish();
        let other = Fingerprinter::new(Stage::Text, 1)
            .part("a")
            .part("bc")
            .finish();
        assert_ne!(one, other);
    }

    #[test]
    fn the_same_parts_of_two_stages_differ() {
        let text = Fingerprinter::new(Stage::Text, 1).part("x").finish();
        let links = Fingerprinter::new(Stage::Links, 1).part("x").finish();
        assert_ne!(text, links);
        assert_eq!(text.0.len(), 64);
    }
}
