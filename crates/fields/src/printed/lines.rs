//! The lines of an invoice, from rows in which a quantity and a price make an amount.

use std::sync::LazyLock;

use pagemill_metadata::Source;
use regex::Regex;
use rust_decimal::Decimal;

use super::totals::rounded;
use super::{Manner, Printed, decimal};
use crate::amounts::{self, FoundAmount, shown};
use crate::field::{Field, Fields, Verified};
use crate::rows::{Rows, Spot};
use crate::term::{self, Term};

/// Amounts of a row that are tried at most.
const MAX_AMOUNTS: usize = 24;

/// Where the lines end: at the first total below them.
static END: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:sub-?\s?total|total|summe|gesamt|netto|zwischensumme|positionssumme|subtotaal|totaal|sous-total|net total)").expect("pattern is valid")
});

/// Finds the lines. They are kept only when their sum is the net total of the document, or its total of lines: rows that happen to
/// look like lines don't add up.
pub(super) fn find(rows: &Rows<'_>, manner: Manner, found: &mut Printed) {
    let sums = [term::LINES_NET, term::NET, term::GROSS].map(|term| decimal(&found.fields, term));
    let mut lines = Vec::new();
    for (index, row) in rows.rows.iter().enumerate() {
        if END.is_match(&row.pieces[0].text) {
            continue;
        }
        if let Some(line) = line(rows, index, manner) {
            lines.push(line);
        }
    }
    let total: Decimal = lines.iter().map(|(net, _)| *net).sum();
    let fits = |sum: &Option<Decimal>| {
        sum.is_some_and(|sum| (sum.abs() - total.abs()).abs() <= Decimal::new(2, 2))
    };
    if !lines.is_empty() && sums[..2].iter().any(fits) {
        found.lines = lines.into_iter().map(|(_, fields)| fields).collect();
    }
}

fn line(rows: &Rows<'_>, index: usize, manner: Manner) -> Option<(Decimal, Fields)> {
    let row = &rows.rows[index];
    let mut amounts: Vec<(Spot, FoundAmount)> = Vec::new();
    for (piece, of_piece) in row.pieces.iter().enumerate() {
        let found = amounts::find(&of_piece.text, manner.mark);
        amounts.extend(
            found
                .into_iter()
                .filter(|amount| !amount.is_rate)
                .map(|amount| {
                    let spot = Spot {
                        row: index,
                        piece,
                        start: amount.start,
                        end: amount.end,
                    };
                    (spot, amount)
                }),
        );
    }
    amounts.truncate(MAX_AMOUNTS);
    let (net_spot, net) = *amounts.iter().rev().find(|(_, amount)| amount.is_money)?;
    let others: Vec<_> = amounts
        .iter()
        .filter(|(spot, _)| *spot != net_spot)
        .collect();
    let pair = others.iter().enumerate().find_map(|(at, first)| {
        let fits = |second: &&&&(Spot, FoundAmount)| {
            let product = rounded(first.1.value * second.1.value);
            (product.abs() - net.value.abs()).abs() <= Decimal::new(1, 2)
        };
        let second = others[at + 1..]
            .iter()
            .filter(|second| second.1.is_money || first.1.is_money)
            .collect::<Vec<_>>();
        second.iter().find(fits).map(|second| (**first, ***second))
    });
    let (first, second) = pair?;
    // The price is the one that is written as money; of two such the latter.
    let (quantity, price) = match second.1.is_money {
        true => (first, second),
        false => (second, first),
    };
    let name = row
        .pieces
        .iter()
        .enumerate()
        .find_map(|(piece, of_piece)| {
            let words = of_piece.text.chars().filter(|c| c.is_alphabetic()).count();
            let spot = Spot {
                row: index,
                piece,
                start: 0,
                end: of_piece.text.len(),
            };
            (words > 3).then_some(spot)
        })?;
    let mut fields = Fields::new();
    let mut put = |term: Term, spot: Spot, value: String, verified: Verified| {
        let mut field = Field::new(
            term.name(),
            value,
            verified,
            Source::rule("line.arithmetic"),
        );
        field.evidence.extend(rows.evidence(spot));
        if verified == Verified::Arithmetic {
            field.raw = Some(rows.text_at(spot).to_owned());
            let others = [term::QUANTITY, term::PRICE, term::LINE_NET]
                .into_iter()
                .filter(|other| *other != term);
            field.derived_from = others.map(|other| other.number().to_owned()).collect();
        }
        fields.insert(term.0.to_owned(), field);
    };
    put(
        term::QUANTITY,
        quantity.0,
        shown(quantity.1.value),
        Verified::Arithmetic,
    );
    put(
        term::PRICE,
        price.0,
        shown(price.1.value),
        Verified::Arithmetic,
    );
    put(
        term::LINE_NET,
        net_spot,
        shown(net.value),
        Verified::Arithmetic,
    );
    put(
        term::ITEM,
        name,
        rows.text_at(name).to_owned(),
        Verified::Verbatim,
    );
    Some((net.value, fields))
}
