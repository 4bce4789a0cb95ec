//! The model's answer into the extractive result: nothing is taken for true that the document does not bear out.
//!
//! - A value must stand in its quote, and the quote in the document; on which page is found out here.
//! - A role (a date of issue, an author, a buyer) needs its label beside the value or above ([`crate::roles`]).
//! - Where rule and model agree, both are named. Where they differ, nobody is believed: a conflict, with both as candidates.
//! - What only the model says and the document does not bear out is written down as that, without a value.
//! - Free texts are held against the sentences around their quotes ([`crate::prose`]).

mod judge;

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::{Answer, Claim as Said, Prose, Read};
use crate::document::{
    Candidate, Claim, DocumentMetadata, DocumentType, Entity, EntityKind, Evidence, Identifier,
    IdentifierKind, Organisation, Source, Unconfirmed, Verified,
};
use crate::extractive::sample::{collapse, shorten};
use crate::grounding::{Pages, fold};
use crate::prose;
use judge::{Borne, Judge};

const MAX_PEOPLE: usize = 50;
const MAX_ENTITIES: usize = 60;
const MAX_TOPICS: usize = 10;
const MAX_QUESTIONS: usize = 5;
const MAX_UNCONFIRMED: usize = 50;
/// Characters of a model's value that are kept where it was not taken.
const LONGEST_CANDIDATE: usize = 200;

fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(Value::from(name)).ok()
}

fn name_of(value: &DocumentType) -> String {
    let name = serde_json::to_value(value).ok();
    name.and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Text of the model fit for an output: visible, on one line, not endless.
fn clean(text: &str, most: usize) -> Option<String> {
    let cleaned = shorten(&collapse(&crate::visible::visible(text)), most);
    (!cleaned.is_empty()).then_some(cleaned)
}

/// Puts an answer into the extractive result.
pub(crate) fn merge(
    base: &mut DocumentMetadata,
    read: Read<Answer>,
    pages: &Pages<'_>,
    model: &str,
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
    let language = base
        .languages
        .first()
        .map(|language| language.value.clone());
    let mut merger = Merger {
        judge: Judge::new(pages, language.as_deref()),
        pages,
        language: language.unwrap_or_default(),
        source: Source::model(model),
        dropped: BTreeMap::new(),
        unconfirmed: Vec::new(),
    };
    merger.title(base, answer.title.as_ref());
    merger.document_type(base, answer.document_type.as_ref());
    merger.dates(base, &answer.dates);
    merger.authors(base, &answer.authors);
    merger.organisations(base, &answer.organisations);
    merger.identifiers(base, &answer.identifiers);
    merger.entities(base, &answer.entities);
    merger.summary(base, &answer.summary);
    merger.questions(base, &answer.questions_answered);
    merger.phrases(base, &answer.keywords, &answer.topics, most_keywords);
    for (field, (count, reasons)) in merger.dropped {
        let reasons: Vec<&str> = reasons.into_iter().collect();
        base.warnings.push(format!(
            "{count} of the model's values for {field} were left out: {}",
            reasons.join("; ")
        ));
    }
    base.unconfirmed = merger.unconfirmed;
}

struct Merger<'a> {
    judge: Judge<'a>,
    pages: &'a Pages<'a>,
    language: String,
    source: Source,
    /// How many values of a field were left out, and why.
    dropped: BTreeMap<&'static str, (usize, BTreeSet<&'static str>)>,
    unconfirmed: Vec<Unconfirmed>,
}

impl Merger<'_> {
    fn count(&mut self, field: &'static str, reason: &'static str) {
        let (count, reasons) = self.dropped.entry(field).or_default();
        *count += 1;
        reasons.insert(reason);
    }

    fn candidate(&self, value: &str, reason: &str, evidence: Option<Evidence>) -> Candidate {
        Candidate {
            value: clean(value, LONGEST_CANDIDATE).unwrap_or_default(),
            source: self.source.clone(),
            reason: reason.to_owned(),
            evidence,
        }
    }

    /// Leaves a value of a list out, and says so.
    fn leave_out(&mut self, field: &'static str, value: &str, reason: &'static str) {
        self.count(field, reason);
        if self.unconfirmed.len() < MAX_UNCONFIRMED {
            let candidate = self.candidate(value, reason, None);
            self.unconfirmed.push(Unconfirmed {
                field: field.to_owned(),
                candidate,
            });
        }
    }

    fn taken<T>(&self, value: T, borne: Borne) -> Claim<T> {
        let mut claim = Claim::new(value, borne.verified, self.source.clone());
        claim.raw = borne.raw;
        claim.evidence.push(borne.evidence);
        claim
    }

    /// One value of a kind of which a document has one: agreement, conflict, or nobody else says anything.
    fn settle<T: PartialEq>(
        &mut self,
        slot: &mut Option<Claim<T>>,
        field: &'static str,
        said: (T, &str),
        borne: Result<Borne, &'static str>,
        same: impl Fn(&T, &T) -> bool,
        name: impl Fn(&T) -> String,
    ) {
        let (value, words) = said;
        match (slot.as_mut(), borne) {
            (Some(known), borne) if known.value.as_ref().is_some_and(|own| same(own, &value)) => {
                known.sources.push(self.source.clone());
                if known.evidence.is_empty()
                    && let Ok(borne) = borne
                {
                    known.verified = borne.verified;
                    known.raw = borne.raw;
                    known.evidence.push(borne.evidence);
                }
            }
            (None, Ok(borne)) => *slot = Some(self.taken(value, borne)),
            (None, Err(reason)) => {
                self.count(field, reason);
                let candidate = self.candidate(words, reason, None);
                *slot = Some(Claim::open(Verified::ModelOnly, vec![candidate]));
            }
            // What was said before and not borne out does not stand against what is.
            (Some(known), Ok(borne)) if known.verified == Verified::ModelOnly => {
                let before = std::mem::take(&mut known.candidates);
                let mut claim = self.taken(value, borne);
                claim.candidates = before;
                *slot = Some(claim);
            }
            (Some(known), Ok(borne)) => {
                let reason = "what is said for it differs";
                let model = self.candidate(words, reason, Some(borne.evidence));
                let mut candidates = std::mem::take(&mut known.candidates);
                if let Some(own) = &known.value {
                    candidates.extend(known.sources.iter().map(|source| Candidate {
                        value: name(own),
                        source: source.clone(),
                        reason: reason.to_owned(),
                        evidence: known.evidence.first().cloned(),
                    }));
                }
                candidates.push(model);
                *slot = Some(Claim::open(Verified::Conflict, candidates));
            }
            // What the document does not bear out is no reason to doubt what it does.
            (Some(known), Err(reason)) => {
                known.candidates.push(self.candidate(words, reason, None));
                self.count(field, reason);
            }
        }
    }

    fn title(&mut self, base: &mut DocumentMetadata, said: Option<&Said>) {
        let Some(said) = said else { return };
        let Some(value) = clean(&said.value, 300) else {
            return;
        };
        let borne = self.judge.title(said, &value);
        // A title with its subtitle or without it is one title.
        let same = |own: &String, other: &String| {
            let (own, other) = (fold(own), fold(other));
            let (short, long) = match own.len() <= other.len() {
                true => (&own, &other),
                false => (&other, &own),
            };
            long.contains(short.as_str()) && short.len() * 2 >= long.len()
        };
        self.settle(
            &mut base.title,
            "title",
            (value, &said.value),
            borne,
            same,
            String::clone,
        );
    }

    fn document_type(&mut self, base: &mut DocumentMetadata, said: Option<&Said>) {
        let Some(said) = said else { return };
        let Some(value) = named::<DocumentType>(&said.value) else {
            return;
        };
        if value == DocumentType::Other {
            return;
        }
        let borne = self.judge.document_type(said, value);
        let words = name_of(&value);
        self.settle(
            &mut base.document_type,
            "document_type",
            (value, &words),
            borne,
            PartialEq::eq,
            name_of,
        );
    }

    fn dates(&mut self, base: &mut DocumentMetadata, said: &[Said]) {
        for said in said {
            let (slot, field) = match said.kind.as_deref() {
                Some("issued") => (&mut base.dates.issued, "dates.issued"),
                Some("effective") => (&mut base.dates.effective, "dates.effective"),
                Some("expires") => (&mut base.dates.expires, "dates.expires"),
                Some("due") => (&mut base.dates.due, "dates.due"),
                _ => continue,
            };
            let borne = self.judge.date(said);
            let value = said.value.clone();
            self.settle(
                slot,
                field,
                (value, &said.value),
                borne,
                PartialEq::eq,
                String::clone,
            );
        }
        if let (Some(issued), Some(due)) = (&base.dates.issued, &base.dates.due)
            && let (Some(first), Some(last)) = (&issued.value, &due.value)
            && last < first
        {
            let reason = "the due date lies before the date of issue";
            let open = |claim: &Claim<String>| Candidate {
                value: claim.value.clone().unwrap_or_default(),
                source: claim.sources[0].clone(),
                reason: reason.to_owned(),
                evidence: claim.evidence.first().cloned(),
            };
            let candidates = vec![open(due)];
            base.dates.due = Some(Claim::open(Verified::Conflict, candidates));
        }
    }

    fn authors(&mut self, base: &mut DocumentMetadata, said: &[Said]) {
        for said in said {
            let Some(value) = clean(&said.value, 150) else {
                continue;
            };
            let known = base.authors.iter_mut().find(|author| {
                author
                    .value
                    .as_ref()
                    .is_some_and(|own| fold(own) == fold(&value))
            });
            if let Some(known) = known {
                known.sources.push(self.source.clone());
                continue;
            }
            match self.judge.author(said, &value) {
                Ok(borne) if base.authors.len() < MAX_PEOPLE => {
                    let claim = self.taken(value, borne);
                    base.authors.push(claim);
                }
                Ok(_) => {}
                Err(reason) => self.leave_out("authors", &value, reason),
            }
        }
    }

    fn organisations(&mut self, base: &mut DocumentMetadata, said: &[Said]) {
        for said in said {
            let Some(value) = clean(&said.value, 150) else {
                continue;
            };
            let role = said.kind.as_deref().and_then(named);
            let borne = self.judge.organisation(said, &value, role);
            let known = base.organisations.iter_mut().find(|known| {
                known
                    .claim
                    .value
                    .as_ref()
                    .is_some_and(|own| fold(own) == fold(&value))
            });
            match (known, borne) {
                (Some(known), borne) => {
                    known.claim.sources.push(self.source.clone());
                    if let Ok((_, Some(role))) = borne {
                        known.role.get_or_insert(role);
                    }
                }
                (None, Ok((borne, role))) => {
                    if base.organisations.len() < MAX_PEOPLE {
                        let claim = self.taken(value, borne);
                        base.organisations.push(Organisation { role, claim });
                    }
                }
                (None, Err(reason)) => self.leave_out("organisations", &value, reason),
            }
        }
    }

    fn identifiers(&mut self, base: &mut DocumentMetadata, said: &[Said]) {
        for said in said {
            let kind = said.kind.as_deref().and_then(named::<IdentifierKind>);
            let (Some(kind), Some(value)) = (kind, clean(&said.value, 100)) else {
                continue;
            };
            let value = judge::normalised(kind, &value);
            let known = base.identifiers.iter_mut().find(|known| {
                known.kind == kind
                    && known
                        .claim
                        .value
                        .as_ref()
                        .is_some_and(|own| fold(own) == fold(&value))
            });
            if let Some(known) = known {
                known.claim.sources.push(self.source.clone());
                continue;
            }
            match self.judge.identifier(said, kind, &value) {
                Ok((borne, checked)) => {
                    let claim = self.taken(value, borne);
                    base.identifiers.push(Identifier {
                        kind,
                        checked,
                        claim,
                    });
                }
                Err(reason) => self.leave_out("identifiers", &value, reason),
            }
        }
    }

    fn entities(&mut self, base: &mut DocumentMetadata, said: &[Said]) {
        for said in said {
            let kind = said.kind.as_deref().and_then(named::<EntityKind>);
            let Some(value) = clean(&said.value, 150) else {
                continue;
            };
            let borne = match self.judge.words(said, &value) {
                Ok(borne) => borne,
                Err(reason) => {
                    self.leave_out("entities", &value, reason);
                    continue;
                }
            };
            let kind = kind
                .filter(|kind| self.judge.shows_kind(*kind, &value, &borne))
                .unwrap_or(EntityKind::Other);
            let is_known = base.entities.iter().any(|known| {
                known
                    .claim
                    .value
                    .as_ref()
                    .is_some_and(|own| fold(own) == fold(&value))
            });
            if !is_known && base.entities.len() < MAX_ENTITIES {
                let claim = self.taken(value, borne);
                base.entities.push(Entity { kind, claim });
            }
        }
    }

    /// The places around a quote that bear a text out.
    fn around(&self, said: &Prose) -> Result<(Evidence, String), &'static str> {
        let span = self
            .pages
            .find(&said.quote, said.page)
            .ok_or("its quote stands on no page")?;
        let text = self.pages.text(span.page);
        if crate::orders::gives_orders(text, span.start, span.end) {
            return Err(judge::ORDER);
        }
        let (start, end) = prose::sentences_around(text, span.start, span.end);
        let evidence = self.pages.evidence_with(span, &text[span.start..span.end]);
        Ok((evidence, collapse(&text[start..end])))
    }

    fn in_language(&self, text: &str) -> Result<(), &'static str> {
        match prose::is_in(text, &self.language) {
            Some(false) if !self.language.is_empty() => Err("it is not in the document's language"),
            _ => Ok(()),
        }
    }

    fn summary(&mut self, base: &mut DocumentMetadata, said: &[Prose]) {
        let mut sentences: Vec<String> = Vec::new();
        let mut evidence: Vec<Evidence> = Vec::new();
        for said in said {
            let Some(sentence) = clean(&said.text, 600) else {
                continue;
            };
            let borne = self.in_language(&sentence).and_then(|()| {
                let (place, bears) = self.around(said)?;
                prose::borne_out(&sentence, &bears)?;
                Ok(place)
            });
            match borne {
                Ok(place) if !sentences.contains(&sentence) => {
                    sentences.push(sentence);
                    evidence.push(place);
                }
                Ok(_) => {}
                Err(reason) => self.leave_out("summary", &sentence, reason),
            }
        }
        if !sentences.is_empty() {
            let mut claim = Claim::new(
                sentences.join(" "),
                Verified::Supported,
                self.source.clone(),
            );
            claim.evidence = evidence;
            base.summary = Some(claim);
        }
    }

    fn questions(&mut self, base: &mut DocumentMetadata, said: &[Prose]) {
        for said in said {
            let Some(question) = clean(&said.text, 300) else {
                continue;
            };
            let borne = self.in_language(&question).and_then(|()| {
                let (place, bears) = self.around(said)?;
                prose::asks_about(&question, &bears)?;
                Ok(place)
            });
            match borne {
                Ok(place) => {
                    let mut claim = Claim::new(question, Verified::Supported, self.source.clone());
                    claim.evidence.push(place);
                    base.questions_answered.push(claim);
                }
                Err(reason) => self.leave_out("questions_answered", &question, reason),
            }
        }
        base.questions_answered.truncate(MAX_QUESTIONS);
    }

    /// Keywords and topics are words of the document.
    fn phrases(
        &mut self,
        base: &mut DocumentMetadata,
        keywords: &[String],
        topics: &[String],
        most_keywords: usize,
    ) {
        let keywords = self.in_the_text("keywords", keywords);
        if !keywords.is_empty() {
            let from_file = base.keywords.drain(..);
            let from_file = from_file.filter(|known| known.sources.iter().any(Source::is_file));
            base.keywords = unique(from_file.collect(), keywords, most_keywords);
        }
        let topics = self.in_the_text("topics", topics);
        base.topics = unique(std::mem::take(&mut base.topics), topics, MAX_TOPICS);
    }

    fn in_the_text(&mut self, field: &'static str, said: &[String]) -> Vec<Claim<String>> {
        let mut claims = Vec::new();
        for phrase in said {
            let Some(phrase) = clean(phrase, 80) else {
                continue;
            };
            match self.judge.phrase(&phrase) {
                Ok(borne) => claims.push(self.taken(phrase, borne)),
                Err(reason) => self.leave_out(field, &phrase, reason),
            }
        }
        claims
    }
}

/// The first ones, then the others; none twice.
fn unique(
    first: Vec<Claim<String>>,
    second: Vec<Claim<String>>,
    most: usize,
) -> Vec<Claim<String>> {
    let mut seen = BTreeSet::new();
    first
        .into_iter()
        .chain(second)
        .filter(|claim| {
            claim
                .value
                .as_ref()
                .is_some_and(|value| seen.insert(fold(value)))
        })
        .take(most)
        .collect()
}
