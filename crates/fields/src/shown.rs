//! Whether the pages show a value that another source gives, and where.

use jiff::civil::Date;
use pagemill_document::PageText;
use pagemill_metadata::Evidence;
use regex::Regex;
use rust_decimal::Decimal;

use crate::amounts::{self, FoundAmount};
use crate::dates::{self, FoundDate, Order};
use crate::ids::compact;
use crate::printed::Manner;
use crate::rows::{Rows, evidence_at};
use crate::term::{self, Kind, Term};

/// Longest value that is looked for, in characters; a longer one is prose.
const MAX_VALUE: usize = 200;

/// Bytes of a page, and amounts and dates of it, that are looked at most.
const MAX_PAGE_BYTES: usize = 64 << 10;
const MAX_FOUND: usize = 2_000;

/// The amounts and dates of the pages, read once.
pub(crate) struct Shown<'a> {
    pages: Vec<(&'a PageText, Vec<FoundAmount>, Vec<FoundDate>)>,
}

impl<'a> Shown<'a> {
    pub(crate) fn of(rows: &Rows<'a>, manner: Manner) -> Self {
        let pages = rows.page_texts().map(|page| {
            let text = beginning(page);
            let mut found = dates::find(text, manner.order);
            // A page may write dates in the other order than most of its kind.
            let other = match manner.order {
                Order::DayFirst => Order::MonthFirst,
                Order::MonthFirst => Order::DayFirst,
            };
            found.extend(dates::find(text, other));
            found.truncate(MAX_FOUND);
            let mut amounts = amounts::find(text, manner.mark);
            amounts.truncate(MAX_FOUND);
            (page, amounts, found)
        });
        Self {
            pages: pages.collect(),
        }
    }

    /// Where a term's value stands; `None` for terms whose values are codes that no page shows.
    pub(crate) fn find(&self, term: Term, value: &str) -> Option<Result<Evidence, NotShown>> {
        let is_code = [
            term::TYPE,
            term::GUIDELINE,
            term::PAYMENT_MEANS,
            term::VAT_CATEGORY,
            term::LINE_VAT_CATEGORY,
            term::UNIT,
            term::SELLER_COUNTRY,
            term::BUYER_COUNTRY,
            term::PRICE_BASE,
        ];
        if is_code.contains(&term) {
            return None;
        }
        let found = match term.kind() {
            Kind::Amount => self.amount(value.parse().ok()?),
            Kind::Date => self.date(value.parse().ok()?),
            Kind::Identifier => self.pattern(&identifier(value)?),
            Kind::Text if term == term::CURRENCY || term == term::VAT_CURRENCY => {
                self.pattern(&currency(value)?)
            }
            Kind::Text => self.pattern(&words(value)?),
        };
        Some(found.ok_or(NotShown))
    }

    fn amount(&self, value: Decimal) -> Option<Evidence> {
        self.pages.iter().find_map(|(page, amounts, _)| {
            // The last one: what is a total stands below what it is made of.
            let found = amounts
                .iter()
                .rev()
                .find(|found| found.value.abs() == value.abs())?;
            Some(evidence_at(page, found.start, found.end))
        })
    }

    fn date(&self, value: Date) -> Option<Evidence> {
        self.pages.iter().find_map(|(page, _, dates)| {
            let found = dates.iter().find(|found| found.value == value)?;
            Some(evidence_at(page, found.start, found.end))
        })
    }

    fn pattern(&self, pattern: &Regex) -> Option<Evidence> {
        self.pages.iter().find_map(|(page, ..)| {
            let bounded = pattern.find_iter(beginning(page)).find(|found| {
                let before = page.text[..found.start()].chars().next_back();
                let after = page.text[found.end()..].chars().next();
                let is_part = |c: Option<char>, edge: Option<char>| {
                    c.is_some_and(char::is_alphanumeric) && edge.is_some_and(char::is_alphanumeric)
                };
                let text = found.as_str();
                !is_part(before, text.chars().next()) && !is_part(after, text.chars().next_back())
            })?;
            Some(evidence_at(page, bounded.start(), bounded.end()))
        })
    }
}

/// A page's text, as far as it is looked at.
fn beginning(page: &PageText) -> &str {
    &page.text[..page.text.floor_char_boundary(MAX_PAGE_BYTES)]
}

/// No page shows it.
pub(crate) struct NotShown;

/// The words of a value, whatever white space parts them.
fn words(value: &str) -> Option<Regex> {
    if value.chars().count() > MAX_VALUE {
        return None;
    }
    let words: Vec<String> = value.split_whitespace().map(regex::escape).collect();
    Regex::new(&format!("(?i){}", words.join(r"\s+"))).ok()
}

/// The characters of an identifier, whatever marks part them.
fn identifier(value: &str) -> Option<Regex> {
    let value = compact(value);
    if value.is_empty() || value.chars().count() > 60 {
        return None;
    }
    let characters: Vec<String> = value
        .chars()
        .map(|c| regex::escape(&c.to_string()))
        .collect();
    Regex::new(&format!("(?i){}", characters.join(r"[\s./-]?"))).ok()
}

fn currency(code: &str) -> Option<Regex> {
    let sign = match code {
        "EUR" => "|€|Euro",
        "USD" => r"|\$",
        "GBP" => "|£",
        "INR" => r"|₹|Rs\b",
        _ => "",
    };
    Regex::new(&format!("{}{sign}", regex::escape(code))).ok()
}
