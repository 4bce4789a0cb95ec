//! The fields of a user's profile: by the labels and the forms that it names.

use pagemill_metadata::Source;
use rust_decimal::Decimal;

use crate::amounts::{self, shown};
use crate::checks::{Check, Outcome};
use crate::dates;
use crate::field::{Field, Fields, Verified};
use crate::ids;
use crate::printed::{Manner, behind};
use crate::profile::{Profile, Property, Reading, Rule};
use crate::rows::{Rows, Spot};

/// Longest text that is taken for a value, in characters.
const MAX_VALUE: usize = 200;

/// Finds the fields.
pub(crate) fn find(profile: &Profile, rows: &Rows<'_>) -> Fields {
    let manner = Manner::of(rows);
    let found = profile
        .schema
        .properties
        .iter()
        .filter_map(|(name, property)| {
            let reading = property.reading().ok()?;
            let (value, spot) = field(property, reading, rows, manner)?;
            let raw = rows.text_at(spot).to_owned();
            let verified = match raw == value {
                true => Verified::Verbatim,
                false => Verified::Normalised,
            };
            let rule = format!("{}.{name}", profile.name);
            let mut field = Field::new(name, value, verified, Source::rule(&rule));
            field.raw = (verified == Verified::Normalised).then_some(raw);
            field.evidence.extend(rows.evidence(spot));
            Some((name.clone(), field))
        });
    found.collect()
}

fn field(
    property: &Property,
    reading: Reading,
    rows: &Rows<'_>,
    manner: Manner,
) -> Option<(String, Spot)> {
    let pattern = property.pattern();
    let take = |spot: Spot| {
        let (value, spot) = value_in(reading, rows, spot, manner)?;
        let fits = pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(&value));
        fits.then_some((value, spot))
    };
    for label in &property.labels {
        let label = label.trim().to_lowercase();
        for (piece, text) in rows.pieces() {
            let Some(end) = label_end(text, &label) else {
                continue;
            };
            let label = Spot {
                start: 0,
                end,
                ..piece
            };
            if let Some(found) = behind(rows, label).into_iter().find_map(take) {
                return Some(found);
            }
        }
    }
    // What has check digits needs no label.
    let by_form = property.labels.is_empty();
    let mut pieces = rows.pieces().map(|(spot, _)| spot).filter(|_| by_form);
    pieces.find_map(take)
}

/// Where a label ends in a text, which must have it as whole words.
fn label_end(text: &str, label: &str) -> Option<usize> {
    // Lower case may have another length: ends are counted in characters.
    let folded: Vec<char> = text
        .chars()
        .map(|c| c.to_lowercase().next().unwrap_or(c))
        .collect();
    let wanted: Vec<char> = label.chars().collect();
    let at = folded
        .windows(wanted.len())
        .position(|window| window == wanted)?;
    let end = at + wanted.len();
    let is_letter = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric());
    let begins_within = at
        .checked_sub(1)
        .is_some_and(|before| is_letter(folded.get(before)));
    let goes_on = is_letter(wanted.last()) && is_letter(folded.get(end));
    if begins_within || goes_on {
        return None;
    }
    text.char_indices()
        .map(|(byte, _)| byte)
        .chain(std::iter::once(text.len()))
        .nth(end)
}

fn value_in(
    reading: Reading,
    rows: &Rows<'_>,
    spot: Spot,
    manner: Manner,
) -> Option<(String, Spot)> {
    let text = rows.text_at(spot);
    let within = |start: usize, end: usize| Spot {
        start: spot.start + start,
        end: spot.start + end,
        ..spot
    };
    match reading {
        Reading::Text => {
            let start = text.len()
                - text
                    .trim_start_matches([' ', ':', '.', '#', '=', '\u{a0}'])
                    .len();
            let value = text[start..].trim_end();
            let is_value = !value.is_empty() && value.chars().count() <= MAX_VALUE;
            is_value.then(|| (value.to_owned(), within(start, start + value.len())))
        }
        Reading::Date => {
            let found = *dates::find(text, manner.order).first()?;
            Some((found.value.to_string(), within(found.start, found.end)))
        }
        Reading::Amount => {
            let found = amounts::find(text, manner.mark);
            let found = found.iter().find(|amount| !amount.is_rate)?;
            Some((shown(found.value), within(found.start, found.end)))
        }
        Reading::Iban => {
            let found = ids::ibans(text)
                .into_iter()
                .find(|found| ids::is_iban(&found.value))?;
            Some((found.value, within(found.start, found.end)))
        }
        Reading::Vat => {
            let found = ids::vat_numbers(text).into_iter().next()?;
            Some((found.value, within(found.start, found.end)))
        }
    }
}

/// What the profile's own rules say: those that must be there, sums, and dates.
pub(crate) fn checks(profile: &Profile, fields: &Fields) -> Vec<Check> {
    let value = |name: &String| fields.get(name)?.value.as_deref();
    let required = profile.schema.required.iter().map(|name| {
        let message = value(name).is_none().then(|| format!("{name} is missing"));
        check("REQUIRED", vec![name.clone()], Some(message))
    });
    let rules = profile.checks.iter().map(|rule| match rule {
        Rule::Sum { of, is } => {
            let amount = |name: &String| value(name)?.parse::<Decimal>().ok();
            let sum = of
                .iter()
                .try_fold(Decimal::ZERO, |sum, name| Some(sum + amount(name)?));
            let message = sum.zip(amount(is)).map(|(sum, total)| {
                (sum.round_dp(2) != total.round_dp(2))
                    .then(|| format!("{} where {} is expected", shown(total), shown(sum)))
            });
            let named = std::iter::once(is).chain(of).cloned().collect();
            check("SUM", named, message)
        }
        Rule::NotBefore(later, earlier) => {
            let date = |name: &String| value(name)?.parse::<jiff::civil::Date>().ok();
            let message = date(later).zip(date(earlier)).map(|(later, earlier)| {
                (later < earlier).then(|| format!("{later} is before {earlier}"))
            });
            check("DATES", vec![later.clone(), earlier.clone()], message)
        }
    });
    required.chain(rules).collect()
}

/// Not applicable, failed with a message, or passed.
fn check(rule: &str, fields: Vec<String>, message: Option<Option<String>>) -> Check {
    let (outcome, message) = match message {
        None => (Outcome::NotApplicable, None),
        Some(None) => (Outcome::Passed, None),
        Some(message) => (Outcome::Failed, message),
    };
    Check {
        rule: rule.to_owned(),
        outcome,
        fields,
        message,
    }
}
