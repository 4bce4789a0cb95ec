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
    /// Files that documents carry.
    pub attachments: String,
    /// Documents as Markdown.
    pub markdown: String,
    /// Document metadata.
    pub metadata: String,
    /// Fields of profiles, such as those of invoices.
    pub fields: String,
    /// What people must look at of fields, and what they decided.
    pub review: String,
    /// Golden data: the right values of fields, which extraction is evaluated by.
    pub golden: String,
    /// Records, charges, answers of models, the history view, and what long runs have done so far.
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
            attachments: "extracted_attachments/".into(),
            markdown: "extracted_markdown/".into(),
            metadata: "pdf-metadata/".into(),
            fields: "extracted_fields/".into(),
            review: "review/".into(),
            golden: "golden/".into(),
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

/// Digits of the hash by which the key of a reading tells its pictures from others of the same page.
const HASH_DIGITS: usize = 16;

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

    /// The files that the document carries.
    pub fn attachments(&self, source: &SourceKey) -> String {
        self.json_below(&self.attachments, source)
    }

    /// The document as Markdown.
    pub fn markdown(&self, source: &SourceKey) -> String {
        self.file_below(&self.markdown, source, ".md")
    }

    /// The document metadata.
    pub fn metadata(&self, source: &SourceKey) -> String {
        self.json_below(&self.metadata, source)
    }

    /// The fields of the document's profile.
    pub fn fields(&self, source: &SourceKey) -> String {
        self.json_below(&self.fields, source)
    }

    /// What people must look at of a document; there only while there is something.
    pub fn open_review(&self, source: &SourceKey) -> String {
        self.json_below(&self.open_reviews(), source)
    }

    /// Where that of all sources is: a prefix that ends in `/`.
    pub fn open_reviews(&self) -> String {
        format!("{}open/", self.review)
    }

    /// What people decided of a document: lines that are only ever added to.
    pub fn corrections(&self, source: &SourceKey) -> String {
        let prefix = format!("{}corrections/", self.review);
        self.file_below(&prefix, source, ".jsonl")
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
        format!("{}{}/", self.all_charges(), self.escaped_path(source))
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

    /// Where the charges of all sources are: a prefix that ends in `/`.
    pub fn all_charges(&self) -> String {
        format!("{}charges/", self.processing)
    }

    /// Where the answers of models are that were paid for: a prefix that ends in `/`.
    pub fn all_answers(&self) -> String {
        format!("{}answers/", self.processing)
    }

    /// Where those of a source are: a prefix that ends in `/`. Those of a source below it begin with it too: ask
    /// [`KeyLayout::is_answer_of`].
    pub fn answers(&self, source: &SourceKey) -> String {
        format!("{}{}/", self.all_answers(), self.escaped_path(source))
    }

    /// The answer to a request, by the SHA-256 of what was asked, hex: `…/0123….json`.
    pub fn answer(&self, source: &SourceKey, request_sha: &str) -> String {
        format!("{}{request_sha}.json", self.answers(source))
    }

    /// What a model said of a source, as a whole.
    pub fn prediction(&self, source: &SourceKey) -> String {
        self.json_below(&self.predictions(), source)
    }

    /// Where that of all sources is: a prefix that ends in `/`.
    pub fn predictions(&self) -> String {
        format!("{}predictions/", self.processing)
    }

    /// Whether a key is one of an answer of this source, and not of one below it.
    pub fn is_answer_of(&self, source: &SourceKey, key: &str) -> bool {
        let name = key.strip_prefix(&self.answers(source));
        name.is_some_and(|name| !name.contains('/') && name.ends_with(".json"))
    }

    /// The count of what was spent on a day, such as `…/2026-01-31.json`.
    pub fn spent_on(&self, day: jiff::civil::Date) -> String {
        format!("{}budget/{day}.json", self.processing)
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

    /// Where what was read of pictures is kept: a prefix that ends in `/`.
    pub fn readings(&self) -> String {
        format!("{}readings/", self.processing)
    }

    /// Where that of a source is, by every reader: a prefix that ends in `/`. Those of a source below it begin with it too:
    /// ask [`KeyLayout::is_reading_of`].
    pub fn readings_of_all_generations(&self, source: &SourceKey) -> String {
        format!("{}{}/", self.readings(), self.escaped_path(source))
    }

    /// Where that of a source by one reader is: a prefix that ends in `/`.
    pub fn readings_of(&self, source: &SourceKey, generation: &Generation) -> String {
        format!(
            "{}{}/",
            self.readings_of_all_generations(source),
            generation.0
        )
    }

    /// What pictures of a page (from 1) were read as, by a hash of these pictures, hex: `…/000012-0123456789abcdef.json`.
    pub fn reading(
        &self,
        source: &SourceKey,
        generation: &Generation,
        page: u32,
        pictures: &str,
    ) -> String {
        let pictures = pictures.get(..HASH_DIGITS).unwrap_or(pictures);
        format!(
            "{}{page:06}-{pictures}.json",
            self.readings_of(source, generation)
        )
    }

    /// The page whose pictures a key of this reader is about; `None` for keys that are not one.
    pub fn page_of_reading(
        &self,
        source: &SourceKey,
        generation: &Generation,
        key: &str,
    ) -> Option<u32> {
        let name = key.strip_prefix(&self.readings_of(source, generation))?;
        let (page, pictures) = name.strip_suffix(".json")?.split_once('-')?;
        let page = page.parse().ok()?;
        let is_hash =
            pictures.len() == HASH_DIGITS && pictures.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_it = is_hash && page > 0 && self.reading(source, generation, page, pictures) == key;
        is_it.then_some(page)
    }

    /// Whether a key is that of a reading of this source, by any reader, and not of one below it.
    pub fn is_reading_of(&self, source: &SourceKey, key: &str) -> bool {
        let below = key.strip_prefix(&self.readings_of_all_generations(source));
        let generation = below.and_then(|below| below.split_once('/'));
        generation.is_some_and(|(generation, _)| {
            let generation = Generation(generation.to_owned());
            self.page_of_reading(source, &generation, key).is_some()
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
    pub fn prefixes(&self) -> [(&'static str, &str); 12] {
        [
            ("source", &self.source),
            ("page_images", &self.page_images),
            ("text", &self.text),
            ("links", &self.links),
            ("structure", &self.structure),
            ("attachments", &self.attachments),
            ("markdown", &self.markdown),
            ("metadata", &self.metadata),
            ("fields", &self.fields),
            ("review", &self.review),
            ("golden", &self.golden),
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
mod tests;
