//! Metadata by rules and statistics, without a network.
//!
//! The file's own account comes first (XMP, then the info dictionary) where it passes a sanity check; then what
//! stands in the text. What can't be known is left empty. Work is bounded by `max_analysed_chars`, not by the
//! document's length.

pub(crate) mod dates;
pub(crate) mod document_type;
mod finding;
pub(crate) mod identifiers;
pub(crate) mod keywords;
mod language;
pub(crate) mod parties;
pub(crate) mod sample;
mod summary;
pub(crate) mod title;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use async_trait::async_trait;
use pagemill_document::{Inspection, Link, LinkTarget, PageNumber, PageState, Structure};
use regex::Regex;

use crate::document::{
    Claim, Dates, DocumentMetadata, DocumentType, Entity, EntityKind, Identifier, Language,
    Organisation, OutlineEntry, PartyRole, SCHEMA_VERSION, Source, Verified,
};
use crate::error::MetadataError;
use crate::generator::{DocumentInput, MetadataGenerator};
use crate::grounding::{Pages, whole_words};
use crate::prediction::Prediction;
use crate::roles;
use crate::settings::{GeneratorKind, MetadataSettings};
use finding::{Evidence, Sourced, ValueSource};
#[cfg(feature = "llm")]
pub(crate) use language::tag as language_tag;
use sample::{Sample, collapse, last_line_of, line_at, shorten};

/// Version of the rules; part of the fingerprint.
const RULES_VERSION: u32 = 2;
/// Most entities of one kind.
const MAX_ENTITIES: usize = 20;

/// The extractive generator.
#[derive(Debug, Clone)]
pub struct ExtractiveGenerator {
    settings: MetadataSettings,
}

impl ExtractiveGenerator {
    /// With these limits; the settings of the LLM are not used.
    pub fn new(settings: &MetadataSettings) -> Self {
        Self {
            settings: settings.clone(),
        }
    }

    /// The metadata. Computes on the calling thread; the time is bounded by `max_analysed_chars`.
    pub fn extract(&self, input: DocumentInput<'_>) -> DocumentMetadata {
        let settings = &self.settings;
        let inspection = input.inspection;
        let mut warnings = Vec::new();
        if input.custom_prompt.is_some_and(|prompt| !prompt.is_empty()) {
            warnings.push(
                "the custom prompt was ignored: this metadata is made without an LLM".to_owned(),
            );
        }
        let pages = Pages::new(input.pages);
        let sample = Sample::take(input.pages, settings.max_analysed_chars as usize);
        if sample.cut {
            warnings.push(format!(
                "the text is longer than {} characters; a selection of pages was analysed",
                settings.max_analysed_chars
            ));
        }
        let pages_without_text = input
            .pages
            .iter()
            .filter(|page| page.state == PageState::NeedsOcr)
            .count();
        if pages_without_text > 0 {
            warnings.push(format!(
                "{pages_without_text} pages have no text and were not analysed"
            ));
        }
        let languages = languages(inspection, &sample);
        let language = languages.first().map(|language| language.value.clone());
        let identifiers = identifiers::find(inspection, &sample);
        let statistical = keywords::from_text(
            &sample.joined(),
            language.as_deref(),
            settings.max_keywords as usize,
        );
        let title = title::find(
            inspection,
            input.structure,
            input.pages,
            &sample,
            input.source_name,
            &mut warnings,
        );
        let document_type = document_type::find(inspection, input.pages, &sample, &identifiers);
        let title = title.filter(|title| names_it(title, document_type.as_ref()));
        let printed = dates::of_document(&sample, language.as_deref());
        let date = |found: Option<Sourced<String>>, rule: &str| {
            let order = printed.order.unwrap_or(dates::NumericOrder::Unknown);
            let read = |line: &str, iso: &String| {
                let found = dates::find(line, order).into_iter();
                let mut same = found.filter(|found| found.iso.as_ref() == Some(iso));
                same.next().map(|found| (found.start, found.end))
            };
            found.map(|found| found.claim(rule, &pages, read).tidy())
        };
        let whole_line = |line: &str| (!line.is_empty()).then_some((0, line.len()));
        let text = |found: Vec<Sourced<String>>, rule: &str| -> Vec<Claim<String>> {
            let claims = found
                .into_iter()
                .map(|found| found.text_claim(rule, &pages));
            claims.collect()
        };
        DocumentMetadata {
            schema_version: SCHEMA_VERSION,
            sha256: input.sha256.to_owned(),
            title: title.map(|title| title.text_claim("title", &pages)),
            document_type: document_type
                .map(|found| found.claim("type", &pages, |line, _| whole_line(line))),
            summary: summary(
                summary::summarise(&sample, settings.summary_sentences as usize),
                &pages,
            ),
            authors: text(parties::authors(inspection), "authors"),
            organisations: organisations(parties::organisations(inspection, &sample), &pages),
            dates: Dates {
                created: file_date(inspection, "xmp:CreateDate", "creation_date"),
                modified: file_date(inspection, "xmp:ModifyDate", "mod_date"),
                issued: date(printed.issued, "date.issued"),
                effective: date(printed.effective, "date.effective"),
                expires: date(printed.expires, "date.expires"),
                due: date(printed.due, "date.due"),
            },
            identifiers: identifiers
                .into_iter()
                .map(|found| {
                    let (kind, checked) = (found.kind, found.checked);
                    let found = Sourced {
                        value: found.value,
                        source: found.source,
                        evidence: found.evidence,
                    };
                    let claim = found.text_claim("identifier", &pages);
                    Identifier {
                        kind,
                        checked,
                        claim,
                    }
                })
                .collect(),
            keywords: keywords::merge(
                keywords::from_file(inspection),
                statistical,
                settings.max_keywords as usize,
            )
            .into_iter()
            .map(|keyword| keyword_claim(keyword, &pages))
            .collect(),
            topics: text(topics(inspection), "topics"),
            entities: entities(&sample, input.links, input.structure, &pages),
            outline: outline(
                input.structure,
                settings.max_outline_entries as usize,
                &mut warnings,
            ),
            page_count: inspection.pages,
            pages_without_text: u32::try_from(pages_without_text).unwrap_or(u32::MAX),
            questions_answered: Vec::new(),
            has_forms: inspection.has_form,
            has_tables: caption(&TABLE_CAPTION, &sample, &pages),
            has_figures: caption(&FIGURE_CAPTION, &sample, &pages),
            has_links: !input.links.is_empty()
                || input
                    .structure
                    .outline
                    .iter()
                    .any(|item| item.link.is_some()),
            has_attachments: !inspection.attachments.is_empty(),
            has_scripts: inspection.has_script,
            languages,
            generator: GeneratorKind::Extractive,
            model: None,
            unconfirmed: Vec::new(),
            warnings,
        }
    }
}

/// Whether a title is one. Invoices, receipts, orders and statements are not called anything: what stands there in large
/// letters is a name, an address or a slogan, unless it says what they are. What the file calls itself counts.
fn names_it(title: &Sourced<String>, document_type: Option<&Sourced<DocumentType>>) -> bool {
    let is_file = matches!(title.source, ValueSource::Xmp | ValueSource::PdfInfo);
    let Some(found) = document_type else {
        return true;
    };
    let is_business = matches!(
        found.value,
        DocumentType::Invoice
            | DocumentType::Receipt
            | DocumentType::Order
            | DocumentType::Statement
    );
    is_file || !is_business || document_type::named_in(&title.value, found.value).is_some()
}

/// Sentences of the document, each with its place.
fn summary(sentences: Vec<(PageNumber, String)>, pages: &Pages<'_>) -> Option<Claim<String>> {
    let texts: Vec<&str> = sentences.iter().map(|(_, text)| text.as_str()).collect();
    if texts.is_empty() {
        return None;
    }
    let mut claim = Claim::new(texts.join(" "), Verified::Verbatim, Source::rule("summary"));
    claim.evidence = sentences
        .iter()
        .filter_map(|(page, text)| {
            let beginning = shorten(text, crate::grounding::LONGEST_QUOTE - 10);
            let span = pages.find(&beginning, page.0)?;
            let shown = &pages.text(span.page)[span.start..span.end];
            Some(pages.evidence_with(span, shown))
        })
        .collect();
    Some(claim)
}

/// A name, and the role that its label gives it.
fn organisations(found: Vec<Sourced<String>>, pages: &Pages<'_>) -> Vec<Organisation> {
    let organisations = found.into_iter().map(|found| {
        let is_publisher = matches!(found.source, ValueSource::Xmp | ValueSource::PdfInfo);
        let claim = found.text_claim("organisations", pages);
        let labelled = claim.evidence.first().and_then(|place| {
            let page = pages.index_of(place.page)?;
            roles::PARTIES.role_at(pages.text(page), place.start as usize)
        });
        let role = labelled.or_else(|| is_publisher.then_some(PartyRole::Publisher));
        Organisation { role, claim }
    });
    organisations.collect()
}

/// A keyword of the text stands somewhere in it.
fn keyword_claim(found: Sourced<String>, pages: &Pages<'_>) -> Claim<String> {
    if found.source != ValueSource::Rule {
        return found.text_claim("keywords", pages);
    }
    let place = pages.find_value(&found.value);
    let mut claim = Claim::new(found.value, Verified::Computed, Source::rule("keywords"));
    if let Some(span) = place {
        claim.verified = Verified::Verbatim;
        claim.evidence.push(pages.evidence(span));
    }
    claim
}

#[async_trait]
impl MetadataGenerator for ExtractiveGenerator {
    fn kind(&self) -> GeneratorKind {
        GeneratorKind::Extractive
    }

    fn fingerprint_parts(&self) -> Vec<String> {
        vec![
            format!("generator=extractive/{RULES_VERSION}"),
            format!("schema={SCHEMA_VERSION}"),
            format!("max_keywords={}", self.settings.max_keywords),
            format!("summary_sentences={}", self.settings.summary_sentences),
            format!("max_outline_entries={}", self.settings.max_outline_entries),
            format!("max_analysed_chars={}", self.settings.max_analysed_chars),
        ]
    }

    async fn judge(
        &self,
        input: DocumentInput<'_>,
        _: &Prediction,
    ) -> Result<DocumentMetadata, MetadataError> {
        Ok(self.extract(input))
    }
}

/// Detected languages; the file's claim only where nothing could be detected.
fn languages(inspection: &Inspection, sample: &Sample) -> Vec<Language> {
    let detected = language::detect(sample);
    if !detected.is_empty() {
        return detected;
    }
    let claim = inspection
        .info
        .xmp
        .get("dc:language")
        .map(|claim| claim.split(';').next().unwrap_or_default().trim());
    let is_tag = |claim: &&str| {
        let mut parts = claim.split('-');
        parts.next().is_some_and(|first| {
            (2..=3).contains(&first.len()) && first.chars().all(|c| c.is_ascii_alphabetic())
        }) && parts.all(|part| {
            (2..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
        }) && !claim.eq_ignore_ascii_case("x-default")
    };
    claim
        .filter(is_tag)
        .map(|claim| Language {
            value: claim.to_owned(),
            confidence: 1.0,
            share: 1.0,
            source: Source::file("xmp"),
        })
        .into_iter()
        .collect()
}

/// A date of the file: XMP, then info, when it begins like an ISO date.
fn file_date(inspection: &Inspection, xmp: &str, info: &str) -> Option<Claim<String>> {
    let claims = [
        (inspection.info.xmp.get(xmp), ValueSource::Xmp),
        (inspection.info.info.get(info), ValueSource::PdfInfo),
    ];
    claims.into_iter().find_map(|(claim, source)| {
        let claim = claim?.trim();
        let day = claim.get(..10.min(claim.len()))?;
        let begins_well = dates::is_iso(day) || dates::is_iso(claim);
        (begins_well && claim.len() <= 40)
            .then(|| Claim::new(claim.to_owned(), Verified::File, source.named("date")))
    })
}

/// The file's subject, as a topic.
fn topics(inspection: &Inspection) -> Vec<Sourced<String>> {
    let claims = [
        (inspection.info.xmp.get("dc:description"), ValueSource::Xmp),
        (inspection.info.info.get("subject"), ValueSource::PdfInfo),
    ];
    claims
        .into_iter()
        .find_map(|(claim, source)| {
            let topic = collapse(claim?);
            let letters = topic
                .chars()
                .filter(|character| character.is_alphabetic())
                .count();
            (letters >= 3 && topic.chars().count() <= 150).then(|| Sourced::new(topic, source))
        })
        .into_iter()
        .collect()
}

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\b").expect("pattern is valid")
});
static TABLE_CAPTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?im)^\s*(?:table|tabelle|tableau|tabla|tabella|tabel|tab\.)\s+\d+")
        .expect("pattern is valid")
});
static FIGURE_CAPTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?im)^\s*(?:figure|fig\.|abbildung|abb\.|figura|figuur|chart)\s+\d+")
        .expect("pattern is valid")
});

/// Email addresses of the first three pages, and the web addresses that the document links to, its bookmarks included.
fn entities(
    sample: &Sample,
    links: &[Link],
    structure: &Structure,
    pages: &Pages<'_>,
) -> Vec<Entity> {
    let mut entities = Vec::new();
    let mut seen = BTreeSet::new();
    for passage in sample.first(3) {
        for email in EMAIL.find_iter(&passage.text) {
            if entities.len() < MAX_ENTITIES && seen.insert(email.as_str().to_lowercase()) {
                let found = Sourced::shown(
                    email.as_str().to_owned(),
                    ValueSource::Text,
                    passage.page,
                    line_at(&passage.text, email.start()),
                );
                entities.push(Entity {
                    kind: EntityKind::Email,
                    claim: found.text_claim("email", pages),
                });
            }
        }
    }
    let emails = entities.len();
    let from_pages = links.iter().map(|link| {
        let anchor = link.anchor.as_ref().map(|anchor| (link.page, anchor));
        (&link.target, link.safety, anchor)
    });
    let from_outline = structure.outline.iter().filter_map(|item| {
        let link = item.link.as_ref()?;
        Some((&link.target, link.safety, None))
    });
    for (target, safety, anchor) in from_pages.chain(from_outline) {
        let LinkTarget::Uri { uri } = target else {
            continue;
        };
        let is_web = safety == pagemill_document::LinkSafety::Ordinary
            && (uri.starts_with("http://") || uri.starts_with("https://"))
            && uri.len() <= 200;
        if is_web && entities.len() < emails + MAX_ENTITIES && seen.insert(uri.clone()) {
            let evidence = anchor.map(|(page, anchor)| Evidence {
                page,
                quote: shorten(&collapse(anchor), 200),
            });
            let mut claim = Claim::new(uri.clone(), Verified::File, Source::file("links"));
            claim.evidence = evidence
                .and_then(|anchor| pages.find(&anchor.quote, anchor.page.0))
                .map(|span| pages.evidence(span))
                .into_iter()
                .collect();
            entities.push(Entity {
                kind: EntityKind::Url,
                claim,
            });
        }
    }
    entities
}

fn outline(structure: &Structure, most: usize, warnings: &mut Vec<String>) -> Vec<OutlineEntry> {
    let from_file = structure.outline.iter().map(|item| OutlineEntry {
        level: item.level,
        value: collapse(&item.title),
        page: item.page,
        source: Source::file("outline"),
    });
    let from_text = structure.headings.iter().map(|heading| OutlineEntry {
        level: heading.level,
        value: collapse(&heading.text),
        page: Some(heading.page),
        source: Source::rule("headings"),
    });
    let entries: Vec<OutlineEntry> = if structure.outline.is_empty() {
        from_text.take(most.saturating_add(1)).collect()
    } else {
        from_file.take(most.saturating_add(1)).collect()
    };
    if entries.len() > most {
        warnings.push(format!("the outline was cut after {most} entries"));
    }
    entries.into_iter().take(most).collect()
}

/// `true` with its evidence when a caption is found; none when not, because tables without captions exist.
fn caption(pattern: &Regex, sample: &Sample, pages: &Pages<'_>) -> Option<Claim<bool>> {
    let (found, name) = sample.passages.iter().find_map(|passage| {
        let found = pattern.find(&passage.text)?;
        let quote = last_line_of(&passage.text, found);
        let caption = Sourced::shown(true, ValueSource::Text, passage.page, quote);
        Some((caption, collapse(found.as_str())))
    })?;
    Some(found.claim("caption", pages, |line, _| whole_words(line, &name)))
}
