//! What a rule found, before it is a claim: the value and the line that shows it.

use pagemill_document::PageNumber;

use crate::document::{Claim, IdentifierKind, Source, Verified};
use crate::grounding::{Pages, Span, fold, lines_of, same_letters, whole_words};

/// Where a rule looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueSource {
    /// The file's own structures other than XMP: info dictionary, outline.
    PdfInfo,
    /// The XMP packet.
    Xmp,
    /// The text as it stands there.
    Text,
    /// The text, by a rule or statistic.
    Rule,
}

impl ValueSource {
    /// As claims name it; `rule` is the name of the one at work.
    pub(crate) fn named(self, rule: &str) -> Source {
        match self {
            Self::PdfInfo => Source::file("info"),
            Self::Xmp => Source::file("xmp"),
            Self::Text | Self::Rule => Source::rule(rule),
        }
    }
}

/// A line of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(crate) page: PageNumber,
    pub(crate) quote: String,
}

/// A value with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sourced<T> {
    pub(crate) value: T,
    pub(crate) source: ValueSource,
    pub(crate) evidence: Option<Evidence>,
}

/// An identifier with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundIdentifier {
    pub(crate) kind: IdentifierKind,
    pub(crate) value: String,
    pub(crate) checked: bool,
    pub(crate) source: ValueSource,
    pub(crate) evidence: Option<Evidence>,
}

impl<T> Sourced<T> {
    pub(crate) fn new(value: T, source: ValueSource) -> Self {
        Self {
            value,
            source,
            evidence: None,
        }
    }

    pub(crate) fn shown(
        value: T,
        source: ValueSource,
        page: PageNumber,
        quote: impl Into<String>,
    ) -> Self {
        Self {
            value,
            source,
            evidence: Some(Evidence {
                page,
                quote: quote.into(),
            }),
        }
    }

    /// The claim: where in its line the value stands, as `locate` finds it.
    pub(crate) fn claim(
        self,
        rule: &str,
        pages: &Pages<'_>,
        locate: impl Fn(&str, &T) -> Option<(usize, usize)>,
    ) -> Claim<T> {
        let source = self.source.named(rule);
        let line = self
            .evidence
            .as_ref()
            .and_then(|line| pages.find(&line.quote, line.page.0));
        let Some(line) = line else {
            let verified = match source.is_file() {
                true => Verified::File,
                false => Verified::Computed,
            };
            return Claim::new(self.value, verified, source);
        };
        let text = pages.text(line.page);
        let (start, end) = match self.source {
            ValueSource::Text | ValueSource::Rule => lines_of(text, line.start, line.end),
            _ => (line.start, line.end),
        };
        let found = locate(&text[start..end], &self.value);
        let span = match found {
            Some((from, to)) => Span {
                page: line.page,
                start: start + from,
                end: start + to,
            },
            None => line,
        };
        let mut claim = Claim::new(self.value, Verified::Normalised, source);
        claim.evidence.push(pages.evidence(span));
        claim.raw = Some(crate::extractive::sample::collapse(
            &text[span.start..span.end],
        ));
        claim
    }
}

impl Sourced<String> {
    /// The claim of a value that stands in its line as it is; one of the file may stand on a page, too.
    pub(crate) fn text_claim(self, rule: &str, pages: &Pages<'_>) -> Claim<String> {
        let is_file = matches!(self.source, ValueSource::PdfInfo | ValueSource::Xmp);
        if is_file && self.evidence.is_none() {
            let mut claim = Claim::new(self.value, Verified::File, self.source.named(rule));
            let on_a_page = claim
                .value
                .as_deref()
                .and_then(|value| pages.find_value(value));
            if let Some(span) = on_a_page {
                claim.verified = Verified::Verbatim;
                claim.evidence.push(pages.evidence(span));
            }
            return claim;
        }
        self.claim(rule, pages, |line, value| {
            whole_words(line, value).or_else(|| same_letters(line, value))
        })
        .tidy()
    }
}

impl Claim<String> {
    /// A claim whose raw text is its value is verbatim.
    pub(crate) fn tidy(mut self) -> Self {
        let is_same = match (&self.raw, &self.value) {
            (Some(raw), Some(value)) => fold(raw) == fold(value),
            _ => false,
        };
        if is_same && self.verified == Verified::Normalised {
            self.verified = Verified::Verbatim;
            self.raw = None;
        }
        self
    }
}
