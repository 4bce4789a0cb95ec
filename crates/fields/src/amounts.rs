//! Amounts: as XML writes them, and as people do.

use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;
use rust_decimal::Decimal;

/// Normalises an amount of XML: a decimal with a point. Trailing zeros beyond two decimals go, so that equal amounts look equal.
pub(crate) fn plain(raw: &str) -> Option<String> {
    let amount = Decimal::from_str(raw.trim()).ok()?;
    Some(shown(amount))
}

/// An amount as fields write it: with two decimals, or as many more as it needs.
pub(crate) fn shown(amount: Decimal) -> String {
    let mut amount = amount.normalize();
    if amount.scale() < 2 {
        amount.rescale(2);
    }
    amount.to_string()
}

/// Which character parts the decimals in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecimalMark {
    Point,
    Comma,
}

/// An amount on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundAmount {
    pub(crate) value: Decimal,
    /// Where its digits and sign stand.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether it is written with decimals, or has a currency beside it: a count has neither.
    pub(crate) is_money: bool,
    /// Whether a percent sign follows.
    pub(crate) is_rate: bool,
}

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    // Groups of three by one separator (or of the Indian kind), then decimals; or digits alone.
    Regex::new(
        r"(?x)
        (?P<sign>[-−–+(]\s?)?
        (?P<before>(?:€|\$|£|¥|₹|EUR|USD|GBP|CHF|Rs\.?|INR|kr)\s?[-−–]?)?
        (?P<digits>
            \d{1,3}(?:[.,'’\u{a0}\u{202f}\u{2009}\ ]\d{3})+(?:[.,]\d{1,4}|,-)?
          | \d{1,2}(?:,\d{2})+,\d{3}(?:\.\d{1,2})?
          | \d+(?:[.,]\d{1,6}|,-)?
        )
        (?P<after>\s?(?:€|\$|£|%|EUR\b|USD\b|GBP\b|CHF\b|Euro\b|DEM\b|DM\b|CR\b)|-(?:\s|$)|\))?
        ",
    )
    .expect("pattern is valid")
});

/// Finds how a document parts its decimals: by what most of its amounts do that can only be read in one way.
pub(crate) fn decimal_mark<'a>(texts: impl Iterator<Item = &'a str>) -> DecimalMark {
    static SURE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:^|[^\d.,/])-?\d[\d.,']*([.,])\d{2}(?:$|[^\d.,/])")
            .expect("pattern is valid")
    });
    let (mut points, mut commas) = (0, 0);
    for text in texts {
        for found in SURE.captures_iter(text) {
            match &found[1] {
                "." => points += 1,
                _ => commas += 1,
            }
        }
    }
    match points > commas {
        true => DecimalMark::Point,
        false => DecimalMark::Comma,
    }
}

/// The amounts of a text, from left to right.
pub(crate) fn find(text: &str, mark: DecimalMark) -> Vec<FoundAmount> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(captures) = text.get(from..).and_then(|rest| NUMBER.captures(rest)) {
        let whole = captures.get(0).expect("a match has a whole");
        let digits = captures.name("digits").expect("every match has digits");
        let (start, end) = (from + digits.start(), from + digits.end());
        let after = captures
            .name("after")
            .map_or("", |after| after.as_str().trim());
        let before = captures
            .name("before")
            .map_or("", |before| before.as_str().trim());
        // What follows the digits decides whether they are an amount; the words after them are not eaten.
        let next = text.get(end..).unwrap_or_default().chars().next();
        let begin = from + whole.start();
        let previous = text[..begin].chars().next_back();
        from = end;
        let is_bounded = !previous
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | ',' | '/' | '#' | '_'))
            && !next.is_some_and(|c| {
                c.is_alphabetic() && after.is_empty() || matches!(c, '/' | '_' | ':')
            })
            && !continues_as_number(text, end);
        if !is_bounded {
            continue;
        }
        let Some(value) = parse(digits.as_str(), mark) else {
            continue;
        };
        let sign = captures
            .name("sign")
            .map_or("", |sign| sign.as_str().trim());
        let is_negative = matches!(sign, "-" | "−" | "–")
            || before.ends_with(['-', '−', '–'])
            || after == "-"
            || (sign == "(" && after == ")");
        let has_currency =
            (!before.is_empty() || !after.is_empty()) && !matches!(after, "%" | "-" | ")");
        found.push(FoundAmount {
            value: if is_negative { -value } else { value },
            start,
            end,
            is_money: has_currency || has_decimals(digits.as_str(), mark),
            is_rate: after == "%",
        });
    }
    found
}

/// Whether the digits go on behind a mark, as those of dates and version numbers do.
fn continues_as_number(text: &str, end: usize) -> bool {
    let mut rest = text.get(end..).unwrap_or_default().chars();
    let mark = rest.next();
    mark.is_some_and(|c| matches!(c, '.' | ',' | '-'))
        && rest.next().is_some_and(|c| c.is_ascii_digit())
}

fn has_decimals(digits: &str, mark: DecimalMark) -> bool {
    let mark = match mark {
        DecimalMark::Point => '.',
        DecimalMark::Comma => ',',
    };
    let decimals = digits.rsplit_once(mark).map(|(_, decimals)| decimals);
    decimals.is_some_and(|decimals| matches!(decimals.len(), 1 | 2))
        || digits
            .rsplit_once(['.', ','])
            .is_some_and(|(_, decimals)| decimals.len() == 2)
}

/// Reads digits with separators. The last mark parts the decimals when one or two digits follow it, or when it is the
/// document's and stands alone.
pub(crate) fn parse(digits: &str, mark: DecimalMark) -> Option<Decimal> {
    let digits = digits.trim_end_matches(",-");
    let plain: String = digits.chars().filter(|c| c.is_ascii_digit()).collect();
    let Some(last) = digits.rfind(['.', ',']) else {
        return Decimal::from_str(&plain).ok();
    };
    let decimals = digits.len() - last - 1;
    let separator = digits[last..].chars().next()?;
    let is_mark = match mark {
        DecimalMark::Point => separator == '.',
        DecimalMark::Comma => separator == ',',
    };
    let stands_once = digits.matches(separator).count() == 1;
    let is_decimal = stands_once && (decimals != 3 || is_mark);
    if !is_decimal {
        return Decimal::from_str(&plain).ok();
    }
    let (whole, fraction) = plain.split_at(plain.len().checked_sub(decimals)?);
    Decimal::from_str(&format!(
        "{}.{fraction}",
        if whole.is_empty() { "0" } else { whole }
    ))
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, mark: DecimalMark) -> Vec<String> {
        find(text, mark)
            .iter()
            .map(|found| shown(found.value))
            .collect()
    }

    #[test]
    fn amounts_of_many_countries_are_read() {
        let comma = DecimalMark::Comma;
        let point = DecimalMark::Point;
        assert_eq!(values("Gesamt 1.234,56 €", comma), ["1234.56"]);
        assert_eq!(values("Total 1,980.00 €", point), ["1980.00"]);
        assert_eq!(values("Total 1 234,56", comma), ["1234.56"]);
        assert_eq!(values("CHF 1'234.50", point), ["1234.50"]);
        assert_eq!(values("€ -9,32", comma), ["-9.32"]);
        assert_eq!(values("12,50- ", comma), ["-12.50"]);
        assert_eq!(values("Rs 1,23,456.00", point), ["123456.00"]);
        assert_eq!(values("(45.00)", point), ["-45.00"]);
        assert_eq!(values("0,025 €", comma), ["0.025"]);
        assert_eq!(values("1.163 €", comma), ["1163.00"]);
    }

    #[test]
    fn dates_and_numbers_are_no_amounts() {
        for text in [
            "05.03.2018",
            "2018-03-05",
            "RE-2018/44",
            "DE123",
            "16:39",
            "v2.1.1",
        ] {
            let found = find(text, DecimalMark::Comma);
            assert!(
                found.iter().all(|amount| !amount.is_money),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn the_mark_is_that_of_most_amounts() {
        assert_eq!(
            decimal_mark(["1.234,56", "3,00"].into_iter()),
            DecimalMark::Comma
        );
        assert_eq!(
            decimal_mark(["1,234.56", "3.00"].into_iter()),
            DecimalMark::Point
        );
    }
}
