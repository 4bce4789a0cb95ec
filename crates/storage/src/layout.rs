//! The key of every object, from the key of its source.
//!
//! `<path>` in a derived key is the source key without the source prefix. Ordinary paths appear as they are.
//! A path segment that a file system or a proxy would change or refuse (empty, `.`, `..`, with control
//! characters, longer than 200 bytes) is written in an escaped form that starts with `%~`, so that two sources
//! never share a derived key and no derived key leaves its prefix. See `escape` for the rules.

mod escape;

use std::ops::RangeInclusive;

use crate::record::{Generation, Stage};

/// The key of a source PDF in its bucket or folder, decoded (no form or percent encoding), such as
/// `source-pdfs/reports/2024 Q3.pdf`.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
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

/// Prefixes of the key layout, each ending in `/`.
#[derive(
    Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
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
    /// Documents as Markdown.
    pub markdown: String,
    /// Document metadata.
    pub metadata: String,
    /// Records, charges, the history view, and what long runs have done so far.
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
            markdown: "extracted_markdown/".into(),
            metadata: "pdf-metadata/".into(),
            processing: "processing/".into(),
        }
    }
}

/// Whether a path is one of a PDF: it ends in `.pdf`, in any case. A file whose whole name is `.pdf` is one too; a bucket
/// and a folder take the same files.
pub fn is_pdf_name(path: &[u8]) -> bool {
    let at = path.len().checked_sub(4);
    at.is_some_and(|at| path[at..].eq_ignore_ascii_case(b".pdf"))
}

/// Longest prefix in bytes: with the longest escaped path and the longest suffix, a derived key stays within the
/// 1,024 bytes that S3 allows a key.
const MAX_PREFIX_BYTES: usize = 100;

impl KeyLayout {
    /// Where the page images of one generation are: a prefix that ends in `/`.
    pub fn page_images(&self, source: &SourceKey, generation: &Generation) -> String {
        format!(
            "{}{}/",
            self.page_images_of_all_generations(source),
            generation.0
        )
    }

    /// Where the page images of every generation are: a prefix that ends in `/`.
    ///
    /// A source `a.pdf/b.pdf` has its images under the prefix of the source `a.pdf`: before deleting what a listing
    /// of this prefix gives, ask [`KeyLayout::generation_of_image`].
    pub fn page_images_of_all_generations(&self, source: &SourceKey) -> String {
        format!("{}{}/", self.page_images, self.escaped_path(source))
    }

    /// The generation of a page image or thumbnail of this source; `None` for keys that are not one.
    pub fn generation_of_image(&self, source: &SourceKey, key: &str) -> Option<Generation> {
        let below = key.strip_prefix(&self.page_images_of_all_generations(source))?;
        let (generation, name) = below.split_once('/')?;
        let is_image_name = !name.contains('/')
            && (name.starts_with("page-") || name.starts_with("thumb-"))
            && !name.to_ascii_lowercase().ends_with(".pdf");
        is_image_name.then(|| Generation(generation.to_owned()))
    }

    /// The image of a page (from 1), such as `…/page-00001.png`. `ext` is the file extension without the dot.
    pub fn page_image(
        &self,
        source: &SourceKey,
        generation: &Generation,
        page: u32,
        ext: &str,
    ) -> String {
        format!(
            "{}page-{page:05}.{ext}",
            self.page_images(source, generation)
        )
    }

    /// The thumbnail of a page (from 1), such as `…/thumb-00001.png`.
    pub fn thumbnail(
        &self,
        source: &SourceKey,
        generation: &Generation,
        page: u32,
        ext: &str,
    ) -> String {
        format!(
            "{}thumb-{page:05}.{ext}",
            self.page_images(source, generation)
        )
    }

    /// The extracted text.
    pub fn text(&self, source: &SourceKey) -> String {
        self.json_below(&self.text, source)
    }

    /// The extracted links.
    pub fn links(&self, source: &SourceKey) -> String {
        self.json_below(&self.links, source)
    }

    /// The document structure.
    pub fn structure(&self, source: &SourceKey) -> String {
        self.json_below(&self.structure, source)
    }

    /// The document as Markdown.
    pub fn markdown(&self, source: &SourceKey) -> String {
        self.file_below(&self.markdown, source, ".md")
    }

    /// The document metadata.
    pub fn metadata(&self, source: &SourceKey) -> String {
        self.json_below(&self.metadata, source)
    }

    /// The record.
    pub fn record(&self, source: &SourceKey) -> String {
        self.json_below(&self.records(), source)
    }

    /// Where all records are: a prefix that ends in `/`.
    pub fn records(&self) -> String {
        format!("{}records/", self.processing)
    }

    /// Where the charges of a source are: a prefix that ends in `/`. Those of a source below it, as `a.pdf/b.pdf` is below
    /// `a.pdf`, begin with it too: ask [`KeyLayout::is_charge_of`].
    pub fn charges(&self, source: &SourceKey) -> String {
        format!("{}charges/{}/", self.processing, self.escaped_path(source))
    }

    /// The charge of a run's paid call, numbered from 1 in each stage: `…/0123456789abcdef-metadata-00001.json`.
    pub fn charge(&self, source: &SourceKey, run: &str, stage: Stage, number: u32) -> String {
        format!(
            "{}{run}-{}-{number:05}.json",
            self.charges(source),
            stage.name()
        )
    }

    /// Whether a key is one of a charge of this source, and not of one below it.
    pub fn is_charge_of(&self, source: &SourceKey, key: &str) -> bool {
        let name = key.strip_prefix(&self.charges(source));
        name.is_some_and(|name| !name.contains('/') && name.ends_with(".json"))
    }

    /// Where runs keep the pages that they have read, until the document is committed: a prefix that ends in `/`.
    pub fn parts(&self) -> String {
        format!("{}parts/", self.processing)
    }

    /// Where the parts of a source are, those of every build: a prefix that ends in `/`.
    ///
    /// A source `a.pdf/b.pdf` has its parts under the prefix of the source `a.pdf`: of what a listing of this prefix
    /// gives, only that belongs to the source which [`KeyLayout::is_part_of`] it.
    pub fn parts_of_all_generations(&self, source: &SourceKey) -> String {
        format!("{}{}/", self.parts(), self.escaped_path(source))
    }

    /// Where the parts of one build of a source are: a prefix that ends in `/`.
    pub fn parts_of(&self, source: &SourceKey, generation: &Generation) -> String {
        format!("{}{}/", self.parts_of_all_generations(source), generation.0)
    }

    /// The part that holds these pages (from 1), such as `…/000001-000512.jsonl`.
    pub fn part(
        &self,
        source: &SourceKey,
        generation: &Generation,
        pages: &RangeInclusive<u32>,
    ) -> String {
        format!(
            "{}{:06}-{:06}.jsonl",
            self.parts_of(source, generation),
            pages.start(),
            pages.end()
        )
    }

    /// The pages that a part of this build holds; `None` for keys that are not one.
    pub fn pages_of_part(
        &self,
        source: &SourceKey,
        generation: &Generation,
        key: &str,
    ) -> Option<RangeInclusive<u32>> {
        let name = key.strip_prefix(&self.parts_of(source, generation))?;
        let (first, last) = name.strip_suffix(".jsonl")?.split_once('-')?;
        let pages = first.parse().ok()?..=last.parse().ok()?;
        (self.part(source, generation, &pages) == key && !pages.is_empty()).then_some(pages)
    }

    /// Whether a key is that of a part of this source, of any build.
    pub fn is_part_of(&self, source: &SourceKey, key: &str) -> bool {
        let below = key.strip_prefix(&self.parts_of_all_generations(source));
        let generation = below.and_then(|below| below.split_once('/'));
        generation.is_some_and(|(generation, _)| {
            let generation = Generation(generation.to_owned());
            self.pages_of_part(source, &generation, key).is_some()
        })
    }

    /// The history view.
    pub fn history(&self) -> String {
        format!("{}pdf_process_history.json", self.processing)
    }

    /// The source that a record's key belongs to. `None` when the key is no record's, and for the rare path that
    /// was too long to spell and went in as a hash: the record itself names its source.
    pub fn source_of_record(&self, key: &str) -> Option<SourceKey> {
        let path = key.strip_prefix(&self.records())?.strip_suffix(".json")?;
        let source = match escape::decode(path)? {
            escape::Path::Inside(relative) => format!("{}{relative}", self.source),
            escape::Path::Outside(whole) => whole,
        };
        let candidate = SourceKey(source);
        (self.record(&candidate) == key).then_some(candidate)
    }

    /// Whether a key is one of a source: under the source prefix, ending in `.pdf` in any case.
    pub fn is_source(&self, key: &str) -> bool {
        key.strip_prefix(&self.source)
            .is_some_and(|path| is_pdf_name(path.as_bytes()))
    }

    /// The source key without the source prefix; the whole key when it is not under it.
    pub fn relative<'a>(&self, source: &'a SourceKey) -> &'a str {
        source.0.strip_prefix(&self.source).unwrap_or(&source.0)
    }

    /// Every prefix with the name of its setting.
    pub fn prefixes(&self) -> [(&'static str, &str); 8] {
        [
            ("source", &self.source),
            ("page_images", &self.page_images),
            ("text", &self.text),
            ("links", &self.links),
            ("structure", &self.structure),
            ("markdown", &self.markdown),
            ("metadata", &self.metadata),
            ("processing", &self.processing),
        ]
    }

    /// Checks that a prefix can be used at all.
    ///
    /// # Errors
    /// A message that names the prefix, what is wrong with it and the remedy.
    pub fn check_prefix(name: &str, prefix: &str) -> Result<(), String> {
        validate_prefix(name, prefix)
    }

    /// Checks that the prefixes can be used together.
    ///
    /// # Errors
    /// A message that names the prefix, what is wrong with it and the remedy.
    pub fn validate(&self) -> Result<(), String> {
        let prefixes = self.prefixes();
        for (name, prefix) in prefixes {
            Self::check_prefix(name, prefix)?;
        }
        for (at, (name, prefix)) in prefixes.iter().enumerate() {
            for (other_name, other) in &prefixes[at + 1..] {
                if prefix.starts_with(*other) || other.starts_with(prefix) {
                    return Err(format!(
                        "the prefixes {name} ({prefix:?}) and {other_name} ({other:?}) overlap, so that one would \
                         list and delete the other's objects: choose prefixes none of which starts with another"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The file of a source below a prefix that ends in `/`: its path and a suffix, such as `.json`, or none.
    pub fn file_below(&self, prefix: &str, source: &SourceKey, suffix: &str) -> String {
        format!("{prefix}{}{suffix}", self.escaped_path(source))
    }

    fn json_below(&self, prefix: &str, source: &SourceKey) -> String {
        self.file_below(prefix, source, ".json")
    }

    fn escaped_path(&self, source: &SourceKey) -> String {
        match source.0.strip_prefix(&self.source) {
            Some(relative) => escape::encode_inside(relative),
            None => escape::encode_outside(&source.0),
        }
    }
}

fn validate_prefix(name: &str, prefix: &str) -> Result<(), String> {
    let path = prefix.strip_suffix('/').ok_or_else(|| {
        format!("the prefix {name} ({prefix:?}) does not end in a slash: write {prefix}/")
    })?;
    if prefix.len() > MAX_PREFIX_BYTES {
        return Err(format!(
            "the prefix {name} has {} bytes, which leaves too little of the 1,024 bytes of an S3 key: \
             use at most {MAX_PREFIX_BYTES}",
            prefix.len()
        ));
    }
    if path
        .split('/')
        .any(|segment| segment.starts_with("%~") || !escape::is_plain(segment))
    {
        return Err(format!(
            "the prefix {name} ({prefix:?}) has an empty segment, a segment \".\" or \"..\", a control character, \
             or a segment that starts with %~: use plain names such as {name}/"
        ));
    }
    if path.starts_with(".pagemill") {
        return Err(format!(
            "the prefix {name} ({prefix:?}) is where a folder keeps its own files: use another name"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> SourceKey {
        SourceKey(text.into())
    }

    #[test]
    fn ordinary_keys_appear_as_they_are() {
        let layout = KeyLayout::default();
        let source = key("source-pdfs/reports/2024 Q3+é.pdf");
        let generation = Generation("0123456789abcdef".into());
        assert_eq!(
            layout.page_image(&source, &generation, 1, "png"),
            "pdf_page_images/reports/2024 Q3+é.pdf/0123456789abcdef/page-00001.png"
        );
        assert_eq!(
            layout.thumbnail(&source, &generation, 12, "png"),
            "pdf_page_images/reports/2024 Q3+é.pdf/0123456789abcdef/thumb-00012.png"
        );
        assert_eq!(
            layout.text(&source),
            "extracted_text/reports/2024 Q3+é.pdf.json"
        );
        assert_eq!(
            layout.links(&source),
            "extracted_links/reports/2024 Q3+é.pdf.json"
        );
        assert_eq!(
            layout.structure(&source),
            "extracted_structure/reports/2024 Q3+é.pdf.json"
        );
        assert_eq!(
            layout.markdown(&source),
            "extracted_markdown/reports/2024 Q3+é.pdf.md"
        );
        assert_eq!(
            layout.metadata(&source),
            "pdf-metadata/reports/2024 Q3+é.pdf.json"
        );
        assert_eq!(
            layout.record(&source),
            "processing/records/reports/2024 Q3+é.pdf.json"
        );
        assert_eq!(
            layout.charge(&source, "0123456789abcdef", Stage::Metadata, 7),
            "processing/charges/reports/2024 Q3+é.pdf/0123456789abcdef-metadata-00007.json"
        );
        assert_eq!(layout.history(), "processing/pdf_process_history.json");
        assert_eq!(layout.relative(&source), "reports/2024 Q3+é.pdf");
    }

    #[test]
    fn a_file_named_only_pdf_is_one() {
        let layout = KeyLayout::default();
        for name in [".pdf", "a/.pdf", "a.PDF", "a.Pdf", "ü.pdf", "a..pdf"] {
            assert!(is_pdf_name(name.as_bytes()), "{name}");
            assert!(layout.is_source(&format!("source-pdfs/{name}")), "{name}");
        }
        for name in ["", "pdf", "apdf", ".pdf/", "a.pdfx", "a.pdf.json", "a.pdf "] {
            assert!(!is_pdf_name(name.as_bytes()), "{name}");
            assert!(!layout.is_source(&format!("source-pdfs/{name}")), "{name}");
        }
        assert!(!layout.is_source("elsewhere/a.pdf"));
    }

    #[test]
    fn odd_keys_keep_apart_stay_inside_and_come_back() {
        let layout = KeyLayout::default();
        let long_segment = "é".repeat(300);
        let odd = [
            "source-pdfs/a.pdf".to_owned(),
            "source-pdfs/A.pdf".to_owned(),
            "source-pdfs//a.pdf".to_owned(),
            "source-pdfs/%~/a.pdf".to_owned(),
            "source-pdfs/./a.pdf".to_owned(),
            "source-pdfs/../a.pdf".to_owned(),
            "source-pdfs/../../a.pdf".to_owned(),
            "source-pdfs/%~%2E%2E/a.pdf".to_owned(),
            "source-pdfs/%2E%2E/a.pdf".to_owned(),
            "source-pdfs/a\nb.pdf".to_owned(),
            "source-pdfs/a%0Ab.pdf".to_owned(),
            "source-pdfs/a b.pdf".to_owned(),
            "source-pdfs/a+b.pdf".to_owned(),
            "source-pdfs/~.pdf".to_owned(),
            "source-pdfs/%~~/a.pdf".to_owned(),
            format!("source-pdfs/{long_segment}.pdf"),
            format!("source-pdfs/{}.pdf", "x".repeat(201)),
            "source-pdfs/".to_owned(),
            "source-pdfs/..".to_owned(),
            "a.pdf".to_owned(),
            "/a.pdf".to_owned(),
            "other/a.pdf".to_owned(),
            String::new(),
        ];
        let mut seen = std::collections::BTreeMap::new();
        for source in &odd {
            let record = layout.record(&key(source));
            assert!(record.len() <= 1024, "{record}");
            let path = record
                .strip_prefix("processing/records/")
                .expect("stays inside");
            for segment in path.split('/') {
                assert!(
                    !matches!(segment, "" | "." | ".."),
                    "{source:?} gives {record:?}"
                );
                assert!(segment.len() <= 240, "{source:?} gives {record:?}");
                assert!(
                    !segment.chars().any(char::is_control),
                    "{source:?} gives {record:?}"
                );
            }
            assert_eq!(
                layout.source_of_record(&record),
                Some(key(source)),
                "{record:?}"
            );
            if let Some(other) = seen.insert(record.clone(), source) {
                panic!("{source:?} and {other:?} share {record:?}");
            }
        }
    }

    proptest::proptest! {
        /// S3 keys have at most 1,024 bytes. A key that comes back from its record's key shares it with no other.
        #[test]
        fn any_key_comes_back_from_a_safe_record_key(
            path in "([a%~./\\PC\u{0}-\u{7f}]|\\.\\./|%~|//|é{90}|x{190}){0,12}",
            is_under_prefix: bool,
        ) {
            let layout = KeyLayout::default();
            let prefix = if is_under_prefix { "source-pdfs/" } else { "" };
            let source = key(&format!("{prefix}{path}"));
            proptest::prop_assume!(source.0.len() <= 1024);
            let record = layout.record(&source);
            proptest::prop_assert!(record.len() <= 1024);
            for segment in record.split('/') {
                proptest::prop_assert!(!matches!(segment, "" | "." | ".."), "{record:?}");
                proptest::prop_assert!(segment.len() <= 240, "{record:?}");
            }
            if !record.starts_with("processing/records/%~~") || record.contains("%~~/") {
                proptest::prop_assert_eq!(layout.source_of_record(&record), Some(source));
            }
        }
    }

    #[test]
    fn a_path_too_long_to_spell_becomes_a_hash() {
        let layout = KeyLayout::default();
        let deep = |last: char| key(&format!("source-pdfs/{}{last}.pdf", "\u{1}/".repeat(480)));
        let generation = Generation("0123456789abcdef".into());
        let one = layout.page_image(&deep('a'), &generation, 1, "webp");
        let two = layout.page_image(&deep('b'), &generation, 1, "webp");
        assert_ne!(one, two);
        assert!(one.len() <= 1024);
        assert_eq!(layout.source_of_record(&layout.record(&deep('a'))), None);
    }

    #[test]
    fn a_source_is_a_pdf_in_any_case_under_the_prefix() {
        let layout = KeyLayout::default();
        assert!(layout.is_source("source-pdfs/a.pdf"));
        assert!(layout.is_source("source-pdfs/é/a.PdF"));
        assert!(!layout.is_source("source-pdfs/a.pdf.json"));
        assert!(!layout.is_source("source-pdfs/"));
        assert!(!layout.is_source("source-pdfs/pdf"));
        assert!(!layout.is_source("source-pdfs/dir.pdf/"));
        assert!(!layout.is_source("elsewhere/a.pdf"));
        assert!(
            !layout.is_source("source-pdfs/aéé"),
            "no cut inside a character"
        );
    }

    #[test]
    fn images_of_a_source_below_another_are_not_the_others() {
        let layout = KeyLayout::default();
        let generation = Generation("0123456789abcdef".into());
        let outer = key("source-pdfs/a.pdf");
        let inner = key("source-pdfs/a.pdf/b.pdf");
        let image = layout.page_image(&outer, &generation, 3, "png");
        assert_eq!(
            layout.generation_of_image(&outer, &image),
            Some(generation.clone())
        );
        let inner_image = layout.page_image(&inner, &generation, 3, "png");
        assert!(inner_image.starts_with(&layout.page_images_of_all_generations(&outer)));
        assert_eq!(layout.generation_of_image(&outer, &inner_image), None);
    }

    #[test]
    fn a_part_is_named_by_its_build_and_its_pages_and_belongs_to_one_source() {
        let layout = KeyLayout::default();
        let generation = Generation("0123456789abcdef".into());
        let outer = key("source-pdfs/a.pdf");
        let inner = key("source-pdfs/a.pdf/b.pdf");
        let part = layout.part(&outer, &generation, &(1..=512));
        assert_eq!(
            part,
            "processing/parts/a.pdf/0123456789abcdef/000001-000512.jsonl"
        );
        let pages = |key: &str| layout.pages_of_part(&outer, &generation, key);
        assert_eq!(pages(&part), Some(1..=512));
        let folder = layout.parts_of(&outer, &generation);
        for name in [
            "",
            "000002-000001.jsonl",
            "1-512.jsonl",
            "000001-000512.jsonl.bak",
            "x/000001-000512.jsonl",
        ] {
            assert_eq!(pages(&format!("{folder}{name}")), None, "{name}");
        }
        let many = layout.part(&outer, &generation, &(999_999..=1_000_000));
        assert_eq!(pages(&many), Some(999_999..=1_000_000));

        let of_inner = layout.part(&inner, &generation, &(1..=2));
        assert!(of_inner.starts_with(&layout.parts_of_all_generations(&outer)));
        assert!(layout.is_part_of(&inner, &of_inner) && !layout.is_part_of(&outer, &of_inner));
        assert!(layout.is_part_of(&outer, &part) && !layout.is_part_of(&inner, &part));
    }

    #[test]
    fn overlapping_or_unclean_prefixes_are_refused() {
        assert_eq!(KeyLayout::default().validate(), Ok(()));
        let with_source = |source: &str| KeyLayout {
            source: source.into(),
            ..KeyLayout::default()
        };
        for (source, fault) in [
            ("in", "slash"),
            ("", "slash"),
            ("/", "empty segment"),
            ("/in/", "empty segment"),
            ("a/../b/", "empty segment"),
            ("processing/in/", "overlap"),
            ("extracted_text/", "overlap"),
            (".pagemill/in/", "own files"),
        ] {
            let message = with_source(source).validate().expect_err(source);
            assert!(message.contains(fault), "{source:?}: {message}");
        }
    }
}
