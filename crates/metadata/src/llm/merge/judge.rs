//! Whether the document bears out what a model says of it.

use std::sync::LazyLock;

use regex::Regex;

use super::super::answer::Claim as Said;
use crate::document::{DocumentType, EntityKind, Evidence, IdentifierKind, PartyRole, Verified};
use crate::extractive::sample::collapse;
use crate::extractive::{dates, document_type, identifiers, parties};
use crate::grounding::{Pages, Span, fold, lines_of, same_letters, whole_words};
use crate::roles;

/// Pages with text on which a document says who wrote it, what it is called and what its own numbers are.
const FRONT: usize = 2;

/// What bears a value out.
#[derive(Debug)]
pub(super) struct Borne {
    pub(super) verified: Verified,
    pub(super) raw: Option<String>,
    pub(super) evidence: Evidence,
    span: Span,
}

pub(super) const ORDER: &str = "its quote stands in a text that gives orders";
const NO_QUOTE: &str = "its quote stands on no page";
const NOT_IN_QUOTE: &str = "it does not stand in its quote";

pub(super) struct Judge<'a> {
    pages: &'a Pages<'a>,
    order: dates::NumericOrder,
}

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("pattern is valid")
}

impl<'a> Judge<'a> {
    pub(super) fn new(pages: &'a Pages<'a>, language: Option<&str>) -> Self {
        let texts = (0..10).map(|page| pages.text(page));
        Self {
            pages,
            order: dates::numeric_order(texts, language),
        }
    }

    fn quote(&self, said: &Said) -> Result<Span, &'static str> {
        let span = self.pages.find(&said.quote, said.page).ok_or(NO_QUOTE)?;
        match crate::orders::gives_orders(self.pages.text(span.page), span.start, span.end) {
            true => Err(ORDER),
            false => Ok(span),
        }
    }

    fn borne(&self, span: Span, value: &str) -> Borne {
        let raw = collapse(&self.pages.text(span.page)[span.start..span.end]);
        let is_same = fold(&raw) == fold(value);
        Borne {
            verified: match is_same {
                true => Verified::Verbatim,
                false => Verified::Normalised,
            },
            raw: (!is_same).then_some(raw),
            evidence: self.pages.evidence(span),
            span,
        }
    }

    /// A value that stands in its quote as whole words.
    pub(super) fn words(&self, said: &Said, value: &str) -> Result<Borne, &'static str> {
        let quote = self.quote(said)?;
        let text = &self.pages.text(quote.page)[quote.start..quote.end];
        let (from, to) = whole_words(text, value).ok_or(NOT_IN_QUOTE)?;
        // A quote that ends in the middle of a word shows half of it.
        let span = Span {
            page: quote.page,
            start: quote.start + from,
            end: quote.start + to,
        };
        match self.has_bounds(span) {
            true => Ok(self.borne(span, value)),
            false => Err(NOT_IN_QUOTE),
        }
    }

    fn has_bounds(&self, span: Span) -> bool {
        let text = self.pages.text(span.page);
        let (before, value, after) = (
            &text[..span.start],
            &text[span.start..span.end],
            &text[span.end..],
        );
        let joins = |a: Option<char>, b: Option<char>| {
            a.is_some_and(char::is_alphanumeric)
                && b.is_some_and(|letter| letter.is_alphanumeric() && (letter as u32) < 0x2E80)
        };
        !joins(before.chars().next_back(), value.chars().next())
            && !joins(after.chars().next(), value.chars().next_back())
    }

    /// A title stands at the front, set apart: a block that is larger than the text, a heading, or lines of their own at the top.
    pub(super) fn title(&self, said: &Said, value: &str) -> Result<Borne, &'static str> {
        let borne = self.words(said, value)?;
        if self.pages.rank(borne.span.page) >= FRONT {
            return Err("no title stands so far in");
        }
        if parties::is_organisation(value) && borne.span.start > 0 {
            return Err("it is an organisation's name");
        }
        if crate::extractive::title::is_placeholder(value) {
            return Err("it names a kind of document and not this one");
        }
        match self.pages.page(borne.span.page) {
            Some(page)
                if crate::extractive::title::stands_out(
                    page,
                    borne.span.start,
                    borne.span.end,
                    self.pages.rank(borne.span.page) == 0,
                ) =>
            {
                Ok(borne)
            }
            _ => Err("it does not stand where a title stands"),
        }
    }

    /// A type is named in a short line at the front.
    pub(super) fn document_type(
        &self,
        said: &Said,
        value: DocumentType,
    ) -> Result<Borne, &'static str> {
        let quote = self.quote(said)?;
        if self.pages.rank(quote.page) >= 1 {
            return Err("no type is named so far in");
        }
        let text = self.pages.text(quote.page);
        let (start, end) = lines_of(text, quote.start, quote.end);
        let line = &text[start..end];
        let (from, to) = document_type::named_in(line, value)
            .ok_or("no line of the first page that it quotes names this type")?;
        let span = Span {
            page: quote.page,
            start: start + from,
            end: start + to,
        };
        let mut borne = self.borne(span, "");
        borne.verified = Verified::Normalised;
        Ok(borne)
    }

    /// A date reads as the value, and the label of its role stands before it.
    pub(super) fn date(&self, said: &Said) -> Result<Borne, &'static str> {
        if !dates::is_iso(&said.value) {
            return Err("it is no date");
        }
        let wanted = said.kind.as_deref().and_then(dates::Role::named);
        let quote = self.quote(said)?;
        let text = self.pages.text(quote.page);
        let mut reason = "its quote does not read as this date";
        for found in dates::find(text, self.order) {
            let is_inside = quote.start <= found.start && found.end <= quote.end;
            if !is_inside || found.iso.as_deref() != Some(said.value.as_str()) {
                continue;
            }
            let role = dates::role_at(text, found.start);
            if role.is_some() && role == wanted {
                let span = Span {
                    page: quote.page,
                    start: found.start,
                    end: found.end,
                };
                return Ok(self.borne(span, &said.value));
            }
            reason = "no label beside it or above says that it is this date";
        }
        Err(reason)
    }

    /// An author is named by a label, or in the lines below the title.
    pub(super) fn author(&self, said: &Said, value: &str) -> Result<Borne, &'static str> {
        let borne = self.words(said, value)?;
        if !parties::looks_like_names(value) {
            return Err("it is no name");
        }
        let text = self.pages.text(borne.span.page);
        let (start, _) = lines_of(text, borne.span.start, borne.span.end);
        let before = &text[start..borne.span.start];
        // Of several authors in a line the first has the label.
        let first = before
            .char_indices()
            .map(|(at, _)| at)
            .find(|at| {
                let rest = &before[*at..];
                let begins = *at == 0 || !before[..*at].ends_with(char::is_alphanumeric);
                begins
                    && rest.starts_with(char::is_uppercase)
                    && parties::looks_like_names(rest.trim_end_matches([',', ' ', '&']))
            })
            .map_or(borne.span.start, |at| start + at);
        let labelled = [first, borne.span.start]
            .into_iter()
            .find_map(|at| roles::WRITERS.labelled(text, at));
        match labelled {
            Some((true, begins_line)) if begins_line => return Ok(borne),
            Some((false, _)) => {
                return Err("its label says that it is something else than an author");
            }
            _ => {}
        }
        let (_, end) = lines_of(text, borne.span.start, borne.span.end);
        let line = &text[start..end];
        let is_other = roles::WRITERS.has(line, false) || parties::is_organisation(value);
        let is_byline = !is_other
            && self.pages.rank(borne.span.page) == 0
            && self
                .pages
                .page(borne.span.page)
                .is_some_and(|page| crate::extractive::title::is_byline(page, borne.span.start));
        match is_byline {
            true => Ok(borne),
            false => Err("no label beside it or above says that it is an author"),
        }
    }

    /// An organisation shows that it is one by its name, or by a label. Its role needs the label.
    pub(super) fn organisation(
        &self,
        said: &Said,
        value: &str,
        role: Option<PartyRole>,
    ) -> Result<(Borne, Option<PartyRole>), &'static str> {
        let borne = self.words(said, value)?;
        let labelled = roles::PARTIES.role_at(self.pages.text(borne.span.page), borne.span.start);
        if role.is_some() && labelled != role {
            return Err("no label beside it or above says that it has this role");
        }
        match parties::is_organisation(value) {
            true => Ok((borne, labelled)),
            false => Err("nothing in its name shows that it is an organisation"),
        }
    }

    /// An identifier has the form and the check digits of its kind, and its label where neither tells.
    pub(super) fn identifier(
        &self,
        said: &Said,
        kind: IdentifierKind,
        value: &str,
    ) -> Result<(Borne, bool), &'static str> {
        if !has_form(kind, value) {
            return Err("it has not the form of its kind");
        }
        let check = identifiers::verified(kind, value);
        if check == Some(false) {
            return Err("its check digits do not hold");
        }
        let quote = self.quote(said)?;
        let text = self.pages.text(quote.page);
        let (from, to) = same_letters(&text[quote.start..quote.end], value).ok_or(NOT_IN_QUOTE)?;
        let span = Span {
            page: quote.page,
            start: quote.start + from,
            end: quote.start + to,
        };
        if !self.has_bounds(span) {
            return Err(NOT_IN_QUOTE);
        }
        let label = roles::IDENTIFIERS.role_at(text, span.start);
        let is_told = match kind {
            IdentifierKind::Orcid | IdentifierKind::Iban => true,
            // Further in they are those of other works.
            IdentifierKind::Doi | IdentifierKind::Arxiv | IdentifierKind::StandardNumber => {
                self.pages.rank(span.page) == 0
            }
            IdentifierKind::VatId if check == Some(true) => true,
            _ => label == Some(kind),
        };
        match is_told {
            true => Ok((self.borne(span, value), check == Some(true))),
            false => Err("no label beside it or above says that it is this number"),
        }
    }

    /// A keyword stands in the text, or all of its words do on one page.
    pub(super) fn phrase(&self, phrase: &str) -> Result<Borne, &'static str> {
        let span = self
            .pages
            .find_value(phrase)
            .ok_or("it does not stand in the text")?;
        Ok(self.borne(span, phrase))
    }

    /// Whether something beside a name shows what it is.
    pub(super) fn shows_kind(&self, kind: EntityKind, value: &str, borne: &Borne) -> bool {
        let text = self.pages.text(borne.span.page);
        let (start, end) = lines_of(text, borne.span.start, borne.span.end);
        let (before, after) = (&text[start..borne.span.start], &text[borne.span.end..end]);
        match kind {
            EntityKind::Organisation => parties::is_organisation(value),
            EntityKind::Person => {
                parties::looks_like_names(value)
                    && !parties::is_organisation(value)
                    && (HONORIFIC.is_match(before) || HONORIFIC_WITHIN.is_match(value))
            }
            EntityKind::Place => POSTCODE.is_match(before) || COUNTRY.is_match(after),
            EntityKind::Email | EntityKind::Url => false,
            EntityKind::Product | EntityKind::Event | EntityKind::Other => false,
        }
    }
}

static HONORIFIC: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:^|\s)(?:mr|mrs|ms|dr|prof|sir|herrn?|frau|monsieur|madame|m|mme|señora?|sr|sra|signora?|sig|dhr|mevr|dear|contact|ansprechpartner(?:in)?|geschäftsführer(?:in)?)\b\.?:?\s*(?:dr\.?|prof\.?)?\s*$",
    )
});
static HONORIFIC_WITHIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^(?:mr|mrs|ms|dr|prof|sir|herr|frau|monsieur|madame|mme|señora?)\b")
});
static POSTCODE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|\s)(?:[A-Z]{1,2}-)?\d{4,5}(?: [A-Z]{2})?\s+$"));
static COUNTRY: LazyLock<Regex> = LazyLock::new(|| pattern(r"^,?\s+(?:[A-Z]{2}\s+)?\d{5}\b"));

static FORMS: LazyLock<[(IdentifierKind, Regex); 5]> = LazyLock::new(|| {
    [
        (IdentifierKind::Doi, pattern(r"^10\.\d{4,9}/\S+$")),
        (
            IdentifierKind::Arxiv,
            pattern(r"(?i)^(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[a-z]{2})?/\d{7})(?:v\d+)?$"),
        ),
        (IdentifierKind::Pmid, pattern(r"^\d{5,8}$")),
        (
            IdentifierKind::StandardNumber,
            pattern(
                r"^(?:RFC|ISO|IEC|ISO/IEC|EN|DIN|IEEE|ECMA)(?:[ -](?:EN|ISO|IEC))*[ -]?\d[\d.:-]*$",
            ),
        ),
        (
            IdentifierKind::VatId,
            pattern(r"^(?:[A-Z]{2}[A-Z0-9]{5,13}|CHE\d{9})$"),
        ),
    ]
});
/// What is no number of an invoice or customer, but something else with digits in it.
static OTHER_FORMS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[A-Z]{2}\d{2}[A-Z0-9]{11,30}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d{2}-\d{2}|[\d.,]+[.,]\d{2}|.*@.*)$",
    )
});

fn has_form(kind: IdentifierKind, value: &str) -> bool {
    if let Some((_, form)) = FORMS.iter().find(|(known, _)| *known == kind) {
        return form.is_match(value);
    }
    match kind {
        IdentifierKind::Isbn
        | IdentifierKind::Issn
        | IdentifierKind::Orcid
        | IdentifierKind::Iban => identifiers::verified(kind, value) == Some(true),
        _ => {
            let digits = value.chars().filter(char::is_ascii_digit).count();
            digits >= 2 && value.chars().count() <= 40 && !OTHER_FORMS.is_match(value)
        }
    }
}

/// An identifier as its kind is written.
pub(super) fn normalised(kind: IdentifierKind, value: &str) -> String {
    match kind {
        IdentifierKind::Iban | IdentifierKind::VatId | IdentifierKind::Isbn => value
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_uppercase(),
        IdentifierKind::Doi => {
            let lower = value.to_lowercase();
            let resolvers = [
                "https://doi.org/",
                "http://doi.org/",
                "http://dx.doi.org/",
                "doi:",
            ];
            let bare = resolvers
                .iter()
                .find_map(|prefix| lower.strip_prefix(prefix));
            bare.unwrap_or(&lower).trim().to_owned()
        }
        IdentifierKind::Arxiv => value
            .strip_prefix("arXiv:")
            .unwrap_or(value)
            .trim()
            .to_owned(),
        _ => value.to_owned(),
    }
}
