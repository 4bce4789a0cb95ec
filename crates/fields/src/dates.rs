//! Dates, as XML and as people write them.

use std::sync::LazyLock;

use jiff::civil::Date;
use regex::{Captures, Regex};

/// In which order a document writes day and month with digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    DayFirst,
    MonthFirst,
}

/// A date on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundDate {
    pub(crate) value: Date,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A date of XML: `2018-03-05`, also with a time behind it, or `20180305`.
pub(crate) fn iso_of_xml(raw: &str) -> Option<String> {
    let digits: String = raw.chars().take(10).filter(char::is_ascii_digit).collect();
    let (year, month, day) = (digits.get(..4)?, digits.get(4..6)?, digits.get(6..8)?);
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some(date.to_string())
}

/// Months by the beginnings of their names in English, German, French, Dutch, Spanish and Italian.
const MONTHS: [&[&str]; 12] = [
    &["jan", "jän", "ene", "gen"],
    &["feb", "fev", "fév"],
    &["mar", "mär", "maa", "mrt"],
    &["apr", "avr", "abr"],
    &["may", "mai", "mei", "mag"],
    &["jun", "juin", "giu"],
    &["jul", "juil", "lug"],
    &["aug", "aou", "aoû", "ago"],
    &["sep", "set"],
    &["oct", "okt", "ott"],
    &["nov"],
    &["dec", "dez", "déc", "dic"],
];

static WRITTEN: LazyLock<Regex> = LazyLock::new(|| {
    let names = MONTHS.concat().join("|");
    Regex::new(&format!(
        r"(?ix)
        (?P<y1>\d{{4}})[-/.](?P<m1>\d{{1,2}})[-/.](?P<d1>\d{{1,2}})
      | (?P<a>\d{{1,2}})(?P<sep>[./-])(?P<b>\d{{1,2}})[./-](?P<y2>\d{{4}}|\d{{2}})
      | (?P<d3>\d{{1,2}})(?:\.|st|nd|rd|th|er|º)?[\s-]{{0,2}}(?:de\s)?(?P<n3>(?:{names})\p{{L}}*)\.?,?[\s-]{{0,2}}(?:de\s)?(?P<y3>\d{{4}}|\d{{2}})
      | (?P<n4>(?:{names})\p{{L}}*)\.?\s?(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?,?\s{{1,2}}(?P<y4>\d{{4}})
      | (?P<c>(?:19|20)\d{{6}})
        "
    ))
    .expect("pattern is valid")
});

/// The order that a document uses: by a date that can be read in one way only, else as the caller supposes.
pub(crate) fn order<'a>(texts: impl Iterator<Item = &'a str>, otherwise: Order) -> Order {
    static PAIR: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b(\d{1,2})[/-](\d{1,2})[/-](?:\d{4}|\d{2})\b").expect("pattern is valid")
    });
    for text in texts {
        for found in PAIR.captures_iter(text) {
            let (first, second): (u8, u8) = match (found[1].parse(), found[2].parse()) {
                (Ok(first), Ok(second)) => (first, second),
                _ => continue,
            };
            if first > 12 && (1..=12).contains(&second) {
                return Order::DayFirst;
            }
            if second > 12 && (1..=12).contains(&first) {
                return Order::MonthFirst;
            }
        }
    }
    otherwise
}

/// The dates of a text, from left to right.
pub(crate) fn find(text: &str, order: Order) -> Vec<FoundDate> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(captures) = text.get(from..).and_then(|rest| WRITTEN.captures(rest)) {
        let whole = captures.get(0).expect("a match has a whole");
        let (start, end) = (from + whole.start(), from + whole.end());
        let before = text[..start].chars().next_back();
        let after = text[end..].chars().next();
        let is_bounded = !before
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '/' | '-'))
            && !after.is_some_and(|c| c.is_alphanumeric() || c == '/');
        match read(&captures, order).filter(|_| is_bounded) {
            Some(value) => {
                found.push(FoundDate { value, start, end });
                from = end;
            }
            // Another date may begin within.
            None => from = text.ceil_char_boundary(start + 1),
        }
    }
    found
}

fn read(captures: &Captures<'_>, order: Order) -> Option<Date> {
    let number = |name: &str| captures.name(name)?.as_str().parse::<i16>().ok();
    let date = |year: i16, month: i16, day: i16| {
        let year = if year < 100 { 2000 + year } else { year };
        let is_plausible = (1950..=2100).contains(&year);
        let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok();
        date.filter(|_| is_plausible)
    };
    if let Some(year) = number("y1") {
        return date(year, number("m1")?, number("d1")?);
    }
    if let Some(year) = number("y2") {
        let (a, b) = (number("a")?, number("b")?);
        let day_first = captures.name("sep")?.as_str() == "." || order == Order::DayFirst;
        return match day_first {
            true => date(year, b, a),
            false => date(year, a, b),
        };
    }
    if let Some(year) = number("y3") {
        return date(year, month(captures.name("n3")?.as_str())?, number("d3")?);
    }
    if let Some(year) = number("y4") {
        return date(year, month(captures.name("n4")?.as_str())?, number("d4")?);
    }
    let compact = captures.name("c")?.as_str();
    iso_of_xml(compact)?.parse().ok()
}

/// The number of a month, by its name or the beginning of it.
fn month(name: &str) -> Option<i16> {
    let name = name.to_lowercase();
    // The longest beginning counts: "juin" is not "jun", "juil" is not "jul".
    let all = MONTHS.iter().zip(1..);
    let fitting =
        all.flat_map(|(names, number)| names.iter().map(move |beginning| (*beginning, number)));
    let fitting = fitting.filter(|(beginning, _)| name.starts_with(beginning));
    fitting
        .max_by_key(|(beginning, _)| beginning.len())
        .map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(text: &str, order: Order) -> Vec<String> {
        find(text, order)
            .iter()
            .map(|found| found.value.to_string())
            .collect()
    }

    #[test]
    fn dates_of_many_languages_are_read() {
        for text in [
            "05.03.2018",
            "5. März 2018",
            "05/03/2018",
            "2018-03-05",
            "5 mars 2018",
            "5 maart 2018",
            "March 5, 2018",
            "5-Mar-2018",
            "20180305",
            "05.03.18",
            "1.2.3 am 5.3.2018",
            "5 de marzo de 2018",
        ] {
            assert_eq!(dates(text, Order::DayFirst), ["2018-03-05"], "{text}");
        }
        assert_eq!(dates("03/05/2018", Order::MonthFirst), ["2018-03-05"]);
        assert_eq!(dates("31.02.2018 und 1850-01-01", Order::DayFirst), [""; 0]);
    }

    #[test]
    fn a_date_that_reads_in_one_way_only_decides_for_all() {
        let texts = ["11/03/2017", "11/17/2017"];
        assert_eq!(order(texts.into_iter(), Order::DayFirst), Order::MonthFirst);
        assert_eq!(
            order(["11/03/2017"].into_iter(), Order::DayFirst),
            Order::DayFirst
        );
    }
}
