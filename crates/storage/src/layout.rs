//! The key of every object, from the key of its source.

/// The key of a source PDF in its bucket or folder, decoded (no form or percent encoding), such as
/// `source-pdfs/reports/2024 Q3.pdf`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct SourceKey(pub String);

impl SourceKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SourceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Prefixes of the key layout, each ending in `/`. The defaults are the mission's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeyLayout {
    /// Where sources arrive.
    pub source: String,
    /// Page images.
    pub page_images: String,
    /// Extracted text.
    pub text: String,
    /// Extracted links.
    pub links: String,
    /// Document structure: outline, headings, page labels.
    pub structure: String,
    /// Document metadata.
    pub metadata: String,
    /// Records and the history view.
    pub processing: String,
}

impl Default for KeyLayout {
    fn default() -> Self {
        Self {
            source: "source-pdfs/".into(),
            page_images: "pdf_page_images/".into(),
            text: "extracted_text/".into(),
            links: "extracted_links/".into(),
            structure: "extracted_structure/".into(),
            metadata: "pdf-metadata/".into(),
            processing: "processing/".into(),
        }
    }
}
