//! The invoice's number and type, and the numbers of what it refers to.

use std::sync::LazyLock;

use regex::Regex;

use super::{Manner, behind, set};
use crate::dates;
use crate::field::Fields;
use crate::rows::{Rows, Spot};
use crate::term::{self, Term};

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("pattern is valid")
}

/// Labels that name the number of the invoice itself.
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)(?:^|[^\p{L}])(?:
        (?:rechnungs?|beleg|gutschrifts?)[-\ ]?(?:nr\b\.?|nummer|no\b\.?)
      | (?:tax\ |vat\ |sales\ )?(?:invoice|credit\ note|bill)\ *(?:no\b|nr\b|number|num\b|id\b|\#|n°)
      | (?:facture|avoir)\ *(?:n°|nº|no\b|num[ée]ro)
      | (?:n°|nº|num[ée]ro)\ *(?:de\ )?(?:la\ |l')?(?:facture|avoir)
      | factuur\ ?(?:nr\b\.?|nummer)
      | factura\ *(?:n°|nº|no\b|n[uú]mero) | n[uú]mero\ de\ factura | fattura\ *(?:n°|nr?\b\.?|numero)
        )",
    )
});

/// A heading that ends in the number: `Rechnung RE1001`, `HANDELSRECHNUNG (380) Nr. 471102 vom ...`.
static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^(?:vat\ |tax\ |commercial\ |proforma\ )?(?:\p{L}*rechnung(?:\ \p{Lu}\p{L}+\b)?|rechnungskorrektur|\p{L}+hilfe|gutschrift|invoice|credit\ note|facture|avoir|factuur|creditnota|factura|fattura)
        (?:\ ?\([^)]{1,40}\))?\ *(?:\#|nr\b\.?|no\b\.?|n°|nº|num[ée]ro|number)?\ *:?\ *",
    )
});

/// The same with a word or sign that announces a number.
static MARKED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^(?:vat\ |tax\ |commercial\ )?(?:\p{L}*rechnung(?:\ \p{Lu}\p{L}+\b)?|rechnungskorrektur|\p{L}+hilfe|gutschrift|invoice|credit\ note|facture|avoir|factuur|creditnota)
        (?:\ ?\([^)]{1,40}\))?\ *(?:\#|nr\b\.?|no\b\.?|n°|nº|num[ée]ro|number)\ *:?\ *",
    )
});

/// A number without a word beside it.
static ALONE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^(?:n°|nº|no\.|nr\.|#)\s*"));

static ORDER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:^|[^\p{L}])(?:bestell(?:ung|nummer|[-\s]?nr\b\.?)(?:\s*nr\b\.?)?(?:\s*kunde)?|auftrags?(?:nummer|[-\s]?nr\b\.?)|(?:purchase\s+)?order\s*(?:no|number|id|#|nr)\b?|p\.?o\.?\s*(?:no|number|#)|your order|ordernummer|votre r[ée]f[ée]rence|your reference|n° de commande|commande n°)",
    )
});

/// A number: it has a digit, and may have letters and marks within.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^[\s:.#°№=|–-]*((?:[A-Z]{1,6}\s?[-/]?\s?)?[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?)",
    )
});

static CREDIT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:gutschrift|rechnungskorrektur|stornorechnung|credit note|credit memo|avoir|creditnota|nota de cr[ée]dito|nota di credito)\b",
    )
});
static INVOICE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:rechnung|invoice|facture|factuur|factura|fattura)"));
static CODE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^\p{L}+\s?\((\d{3})\)\s*nr"));

pub(super) fn find(rows: &Rows<'_>, manner: Manner, fields: &mut Fields) {
    let behind = |pattern: &Regex, spot: Spot, text: &str| {
        let start = pattern.find(text)?.end();
        token(rows, manner, Spot { start, ..spot })
    };
    let mut pieces = rows.pieces();
    let marked = pieces.find_map(|(spot, text)| behind(&MARKED, spot, text));
    let labelled = || {
        rows.pieces().find_map(|(spot, text)| {
            LABEL
                .find_iter(text)
                .find_map(|label| number_behind(rows, manner, spot, label.end()))
        })
    };
    let heading = || {
        let mut pieces = rows.pieces();
        pieces.find_map(|(spot, text)| behind(&HEADING, spot, text))
    };
    let alone = || {
        let mut first = rows.pieces().take(60);
        first.find_map(|(spot, text)| behind(&ALONE, spot, text))
    };
    let found = marked.map(|found| (found, "number.heading"));
    let found = found.or_else(|| labelled().map(|found| (found, "number.label")));
    let found = found.or_else(|| heading().map(|found| (found, "number.heading")));
    let found = found.or_else(|| alone().map(|found| (found, "number.alone")));
    if let Some((spot, rule)) = found {
        let value = rows.text_at(spot).to_owned();
        set(fields, rows, term::NUMBER, value, spot, rule);
    }
    kind(rows, fields);
    reference(rows, manner, fields, term::ORDER, &ORDER, "number.order");
}

fn number_behind(rows: &Rows<'_>, manner: Manner, piece: Spot, end: usize) -> Option<Spot> {
    let label = Spot {
        start: 0,
        end,
        ..piece
    };
    behind(rows, label)
        .into_iter()
        .find_map(|spot| token(rows, manner, spot))
}

/// The number that a spot begins with.
fn token(rows: &Rows<'_>, manner: Manner, spot: Spot) -> Option<Spot> {
    let text = rows.text_at(spot);
    let found = TOKEN.captures(text)?.get(1)?;
    let mut value = found.as_str();
    // Letters before a blank are of the number only where digits follow right there: "FA 2024-7", not "Nr 7".
    let mut begin = found.start();
    if let Some((head, tail)) = value.split_once(char::is_whitespace)
        && (!tail.starts_with(|c: char| c.is_ascii_digit())
            || matches!(head.to_lowercase().as_str(), "nr" | "no" | "num" | "id"))
    {
        let rest = match head.chars().any(|c| c.is_ascii_digit()) {
            true => head,
            false => tail,
        };
        begin += value.find(rest)?;
        value = rest;
    }
    let has_digit = value.chars().any(|c| c.is_ascii_digit());
    let is_date = dates::find(value, manner.order)
        .iter()
        .any(|date| date.end - date.start == value.len())
        && !value.chars().all(|c| c.is_ascii_digit());
    let rest = &text[begin + value.len()..];
    let is_amount = rest.trim_start().starts_with(['€', '$', '%', ',']);
    (has_digit && !is_date && !is_amount && value.len() <= 40).then_some(Spot {
        start: spot.start + begin,
        end: spot.start + begin + value.len(),
        ..spot
    })
}

/// The type of the document (UNTDID 1001): what its heading says, else an invoice where the word stands anywhere.
fn kind(rows: &Rows<'_>, fields: &mut Fields) {
    let coded = rows.pieces().find_map(|(spot, text)| {
        let code = CODE.captures(text)?.get(1)?;
        Some(Spot {
            start: code.start(),
            end: code.end(),
            ..spot
        })
    });
    if let Some(spot) = coded {
        let value = rows.text_at(spot).to_owned();
        return set(fields, rows, term::TYPE, value, spot, "type.code");
    }
    for (names, code) in [(&*CREDIT, "381"), (&*INVOICE, "380")] {
        let named = rows.pieces().find_map(|(spot, text)| {
            let name = names.find(text)?;
            Some(Spot {
                start: name.start(),
                end: name.end(),
                ..spot
            })
        });
        if let Some(spot) = named {
            return set(fields, rows, term::TYPE, code.to_owned(), spot, "type.word");
        }
    }
}

fn reference(
    rows: &Rows<'_>,
    manner: Manner,
    fields: &mut Fields,
    term: Term,
    labels: &Regex,
    rule: &str,
) {
    let found = rows.pieces().find_map(|(spot, text)| {
        let label = labels.find(text)?;
        number_behind(rows, manner, spot, label.end())
    });
    if let Some(spot) = found {
        let value = rows.text_at(spot).to_owned();
        set(fields, rows, term, value, spot, rule);
    }
}
