//! The model's answer into the extractive result: what the model claims is checked against the cited page.
//!
//! What the file or a rule with evidence already says stays. Authors, organisations, dates, identifiers and entities
//! need a quote that stands on the cited page and holds the value; a title needs to stand in the text. Summary, type,
//! keywords, topics and questions are the model's own words.

use std::collections::{BTreeMap, BTreeSet};

use pagemill_document::{PageNumber, PageText};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::{Answer, Claim, Read};
use crate::document::{
    DocumentMetadata, DocumentType, Entity, EntityKind, Evidence, Identifier, IdentifierKind,
    Sourced, ValueSource,
};
use crate::extractive::sample::{collapse, shorten};
use crate::extractive::{dates, identifiers};

const MAX_PEOPLE: usize = 50;
const MAX_ENTITIES: usize = 60;
const MAX_TOPICS: usize = 10;
const MAX_QUESTIONS: usize = 5;
const LONGEST_QUOTE: usize = 300;

/// Page text prepared for finding quotes: white space collapsed, quotation marks and dashes made equal, lower case.
struct Pages<'a> {
    texts: BTreeMap<u32, &'a str>,
    folded: BTreeMap<u32, String>,
}

impl<'a> Pages<'a> {
    fn new(pages: &'a [PageText]) -> Self {
        Self {
            texts: pages
                .iter()
                .map(|page| (page.page.0, page.text.as_str()))
                .collect(),
            folded: BTreeMap::new(),
        }
    }

    fn holds(&mut self, page: u32, words: &str) -> bool {
        let Some(text) = self.texts.get(&page) else {
            return false;
        };
        let folded_words = fold(words);
        !folded_words.is_empty()
            && self
                .folded
                .entry(page)
                .or_insert_with(|| fold(text))
                .contains(&folded_words)
    }

    /// The evidence of a claim, when its quote stands on its page.
    fn evidence(&mut self, claim: &Claim) -> Option<Evidence> {
        let is_sensible = claim.quote.chars().count() <= LONGEST_QUOTE;
        (is_sensible && self.holds(claim.page, &claim.quote)).then(|| Evidence {
            page: PageNumber(claim.page),
            quote: collapse(&super::prompt::visible(&claim.quote)),
        })
    }
}

fn fold(text: &str) -> String {
    let visible = super::prompt::visible(text);
    collapse(&visible)
        .chars()
        .map(|character| match character {
            '‘' | '’' | '‚' | '′' => '\'',
            '“' | '”' | '„' | '«' | '»' => '"',
            '‐' | '‑' | '–' | '—' | '−' => '-',
            other => other,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(Value::from(name)).ok()
}

/// Text of the model fit for an output: visible, on one line, not endless.
fn clean(text: &str, most: usize) -> Option<String> {
    let cleaned = shorten(&collapse(&super::prompt::visible(text)), most);
    (!cleaned.is_empty()).then_some(cleaned)
}

/// Puts an answer into the extractive result.
pub(crate) fn merge(
    base: &mut DocumentMetadata,
    read: Read<Answer>,
    pages: &[PageText],
    most_keywords: usize,
) {
    let answer = read.value;
    for (field, count) in read.skipped {
        base.warnings.push(format!(
            "{count} of the model's values for {field} were dropped: they are not what was asked for"
        ));
    }
    base.warnings.extend(
        read.problems
            .iter()
            .map(|problem| format!("the model's answer is not complete: {problem}")),
    );
    let mut pages = Pages::new(pages);
    let mut dropped: BTreeMap<&'static str, usize> = BTreeMap::new();

    if let Some(claim) = &answer.title {
        let is_from_file = matches!(
            base.title.as_ref().map(|title| title.source),
            Some(ValueSource::Xmp | ValueSource::PdfInfo)
        );
        let evidence = pages.evidence(claim);
        let stands_in_text = evidence.is_some() || pages.holds(claim.page, &claim.value);
        match clean(&claim.value, 300) {
            Some(value) if stands_in_text && !is_from_file => {
                base.title = Some(Sourced {
                    value,
                    source: ValueSource::Llm,
                    evidence,
                });
            }
            Some(_) if !stands_in_text => *dropped.entry("title").or_default() += 1,
            _ => {}
        }
    }
    if let Some(claim) = &answer.document_type
        && let Some(value) = named::<DocumentType>(&claim.value)
    {
        let keeps_rule = value == DocumentType::Other && base.document_type.is_some();
        if !keeps_rule {
            let evidence = pages.evidence(claim);
            base.document_type = Some(Sourced {
                value,
                source: ValueSource::Llm,
                evidence,
            });
        }
    }
    if let Some(summary) = answer
        .summary
        .as_deref()
        .and_then(|summary| clean(summary, 4_000))
    {
        base.summary = Some(Sourced::new(summary, ValueSource::Llm));
    }
    add_names(
        &mut base.authors,
        &answer.authors,
        &mut pages,
        dropped.entry("authors").or_default(),
    );
    add_names(
        &mut base.organisations,
        &answer.organisations,
        &mut pages,
        dropped.entry("organisations").or_default(),
    );
    for claim in &answer.dates {
        let slot = match claim.kind.as_deref() {
            Some("issued") => &mut base.dates.issued,
            Some("effective") => &mut base.dates.effective,
            Some("expires") => &mut base.dates.expires,
            Some("due") => &mut base.dates.due,
            _ => continue,
        };
        match pages
            .evidence(claim)
            .filter(|evidence| shows_date(&evidence.quote, &claim.value))
        {
            Some(evidence) if slot.is_none() => {
                *slot = Some(Sourced {
                    value: claim.value.clone(),
                    source: ValueSource::Llm,
                    evidence: Some(evidence),
                });
            }
            Some(_) => {}
            None => *dropped.entry("dates").or_default() += 1,
        }
    }
    for claim in &answer.identifiers {
        let kind = claim.kind.as_deref().and_then(named::<IdentifierKind>);
        let (Some(kind), Some(mut value)) = (kind, clean(&claim.value, 100)) else {
            continue;
        };
        if matches!(
            kind,
            IdentifierKind::Iban | IdentifierKind::VatId | IdentifierKind::Isbn
        ) {
            value.retain(|character| character.is_ascii_alphanumeric());
        }
        if kind == IdentifierKind::Doi {
            value = value.to_lowercase();
        }
        let check = identifiers::verified(kind, &value);
        let evidence = pages
            .evidence(claim)
            .filter(|evidence| letters_of(&evidence.quote).contains(&letters_of(&value)));
        if check == Some(false) || evidence.is_none() {
            *dropped.entry("identifiers").or_default() += 1;
            continue;
        }
        if !base
            .identifiers
            .iter()
            .any(|known| letters_of(&known.value) == letters_of(&value))
        {
            let checked = check == Some(true);
            base.identifiers.push(Identifier {
                kind,
                value,
                checked,
                source: ValueSource::Llm,
                evidence,
            });
        }
    }
    let texts = |items: &[String], most: usize, longest: usize| -> Vec<Sourced<String>> {
        let mut seen = BTreeSet::new();
        items
            .iter()
            .filter_map(|item| clean(item, longest))
            .filter(|item| seen.insert(item.to_lowercase()))
            .take(most)
            .map(|item| Sourced::new(item, ValueSource::Llm))
            .collect()
    };
    let keywords = texts(&answer.keywords, most_keywords, 80);
    if !keywords.is_empty() {
        let from_file: Vec<Sourced<String>> = base
            .keywords
            .drain(..)
            .filter(|keyword| keyword.source != ValueSource::Rule)
            .collect();
        base.keywords = crate::extractive::keywords::merge(from_file, keywords, most_keywords);
    }
    let topics = std::mem::take(&mut base.topics);
    base.topics = crate::extractive::keywords::merge(
        topics,
        texts(&answer.topics, MAX_TOPICS, 80),
        MAX_TOPICS,
    );
    base.questions_answered = texts(&answer.questions_answered, MAX_QUESTIONS, 300);
    for claim in &answer.entities {
        let kind = claim
            .kind
            .as_deref()
            .and_then(named::<EntityKind>)
            .unwrap_or(EntityKind::Other);
        let Some(value) = clean(&claim.value, 150) else {
            continue;
        };
        let Some(evidence) = pages
            .evidence(claim)
            .filter(|evidence| fold(&evidence.quote).contains(&fold(&value)))
        else {
            *dropped.entry("entities").or_default() += 1;
            continue;
        };
        let is_known = base
            .entities
            .iter()
            .any(|known| known.kind == kind && fold(&known.value) == fold(&value));
        if !is_known && base.entities.len() < MAX_ENTITIES {
            base.entities.push(Entity {
                kind,
                value,
                source: ValueSource::Llm,
                evidence: Some(evidence),
            });
        }
    }
    for (field, count) in dropped {
        if count > 0 {
            base.warnings.push(format!(
                "{count} of the model's values for {field} were dropped: the document does not show them on the cited page"
            ));
        }
    }
}

fn add_names(
    known: &mut Vec<Sourced<String>>,
    claims: &[Claim],
    pages: &mut Pages<'_>,
    dropped: &mut usize,
) {
    for claim in claims {
        let Some(value) = clean(&claim.value, 150) else {
            continue;
        };
        let Some(evidence) = pages
            .evidence(claim)
            .filter(|evidence| fold(&evidence.quote).contains(&fold(&value)))
        else {
            *dropped += 1;
            continue;
        };
        let is_known = known.iter().any(|other| fold(&other.value) == fold(&value));
        if !is_known && known.len() < MAX_PEOPLE {
            known.push(Sourced {
                value,
                source: ValueSource::Llm,
                evidence: Some(evidence),
            });
        }
    }
}

/// Whether a date is a date, and one that the quote shows: read from it by the parser, or at least its year is there.
fn shows_date(quote: &str, value: &str) -> bool {
    if !dates::is_iso(value) {
        return false;
    }
    let read: Vec<Option<String>> = dates::find(quote, dates::NumericOrder::Unknown)
        .into_iter()
        .map(|found| found.iso)
        .collect();
    if read.iter().flatten().any(|iso| iso == value) {
        return true;
    }
    let has_other = read.iter().any(Option::is_some);
    let shows = |place| value.get(place).is_some_and(|year| quote.contains(year));
    !has_other && (shows(0..4) || shows(2..4))
}

fn letters_of(text: &str) -> String {
    text.chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::shows_date;

    #[test]
    fn a_date_must_be_what_its_quote_says() {
        assert!(shows_date("dated 31 May 2024", "2024-05-31"));
        assert!(!shows_date("dated 31 May 2024", "2024-06-01"));
        assert!(!shows_date("dated 31 May 2024", "31 May 2024"));
        assert!(shows_date("im Jahre 2024", "2024"));
    }
}
