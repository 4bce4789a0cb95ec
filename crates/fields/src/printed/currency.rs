//! The currency: by its label, by a code beside amounts, by its sign.

use std::sync::LazyLock;

use regex::Regex;

use super::{behind, set};
use crate::field::Fields;
use crate::rows::{Rows, Spot};
use crate::term;

static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:^|[^\p{L}])(?:währung|currency|devise|valuta|moneda|beträge in|amounts? in|montants? en)\s*:?")
        .expect("pattern is valid")
});

/// Codes that stand on invoices; others are taken only behind a label.
static CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(EUR|USD|GBP|CHF|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|JPY|CNY|INR|AUD|CAD|NZD|SGD|HKD|ZAR|BRL|MXN|TRY|AED|SAR|DEM)\b")
        .expect("pattern is valid")
});
static ANY_CODE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*:?\s*([A-Z]{3})\b").expect("pattern is valid"));

/// Signs that mean one currency, or most likely do.
const SIGNS: &[(&str, &str)] = &[
    ("€", "EUR"),
    ("£", "GBP"),
    ("₹", "INR"),
    ("Rs.", "INR"),
    ("Rs ", "INR"),
    ("zł", "PLN"),
    ("$", "USD"),
];

pub(super) fn find(rows: &Rows<'_>, fields: &mut Fields) {
    let labelled = rows.pieces().find_map(|(spot, text)| {
        let label = LABEL.find(text)?;
        let label = Spot {
            start: 0,
            end: label.end(),
            ..spot
        };
        behind(rows, label).into_iter().find_map(|spot| {
            let code = ANY_CODE.captures(rows.text_at(spot))?.get(1)?;
            Some(Spot {
                end: spot.start + code.end(),
                start: spot.start + code.start(),
                ..spot
            })
        })
    });
    if let Some(spot) = labelled {
        let code = rows.text_at(spot).to_owned();
        return set(fields, rows, term::CURRENCY, code, spot, "currency.label");
    }
    // Of codes and signs, the one that stands most often.
    let mut counted: Vec<(&str, usize, Spot)> = Vec::new();
    let mut count = |code: &'static str, spot: Spot| match counted
        .iter_mut()
        .find(|(known, ..)| *known == code)
    {
        Some((_, times, _)) => *times += 1,
        None => counted.push((code, 1, spot)),
    };
    for (spot, text) in rows.pieces() {
        for (sign, code) in SIGNS {
            for (at, _) in text.match_indices(sign) {
                count(
                    code,
                    Spot {
                        start: at,
                        end: at + sign.trim_end().len(),
                        ..spot
                    },
                );
            }
        }
    }
    for (spot, text) in rows.pieces() {
        for found in CODE.find_iter(text) {
            let known = counted
                .iter_mut()
                .find(|(known, ..)| *known == found.as_str());
            match known {
                Some((_, times, _)) => *times += 2,
                None => {
                    let code = SIGNS
                        .iter()
                        .map(|(_, code)| *code)
                        .find(|code| *code == found.as_str());
                    let code = code.unwrap_or_else(|| known_code(found.as_str()));
                    counted.push((
                        code,
                        2,
                        Spot {
                            start: found.start(),
                            end: found.end(),
                            ..spot
                        },
                    ));
                }
            }
        }
    }
    let most = counted.into_iter().rev().max_by_key(|(_, times, _)| *times);
    if let Some((code, _, spot)) = most {
        set(
            fields,
            rows,
            term::CURRENCY,
            code.to_owned(),
            spot,
            "currency.sign",
        );
    }
}

fn known_code(code: &str) -> &'static str {
    const CODES: &[&str] = &[
        "CHF", "SEK", "NOK", "DKK", "CZK", "HUF", "RON", "BGN", "JPY", "CNY", "AUD", "CAD", "NZD",
        "SGD", "HKD", "ZAR", "BRL", "MXN", "TRY", "AED", "SAR", "DEM",
    ];
    CODES
        .iter()
        .find(|known| **known == code)
        .copied()
        .unwrap_or("EUR")
}
