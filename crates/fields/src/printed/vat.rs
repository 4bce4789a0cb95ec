//! The rows of the VAT breakdown: a base, a rate and the VAT that they make.

use pagemill_metadata::Source;
use rust_decimal::Decimal;

use super::totals::{Labelled, labelled, rounded};
use super::{Manner, Printed, decimal};
use crate::amounts::shown;
use crate::field::{Field, Fields, Verified};
use crate::rows::Rows;
use crate::term::{self, Term};

/// Rows that are looked at on both sides of a rate: some layouts part a base from its VAT.
const NEAR: usize = 2;

/// Amounts near a rate that are tried at most.
const MAX_NEAR: usize = 24;

/// Finds the rows whose sum is the VAT of the document; without such there are none.
pub(super) fn find(rows: &Rows<'_>, manner: Manner, found: &mut Printed) {
    let (Some(net), Some(vat)) = (
        decimal(&found.fields, term::NET),
        decimal(&found.fields, term::VAT),
    ) else {
        return;
    };
    let all = labelled(rows, manner);
    let mut candidates: Vec<[&Labelled; 3]> = Vec::new();
    for rate in all.iter().filter(|amount| is_rate(amount)) {
        let near: Vec<&Labelled> = all
            .iter()
            .filter(|amount| {
                amount.is_money
                    && !amount.is_rate
                    && amount.spot.row.abs_diff(rate.spot.row) <= NEAR
            })
            .take(MAX_NEAR)
            .collect();
        for base in &near {
            for tax in &near {
                let expected = rounded(base.value * rate.value / Decimal::ONE_HUNDRED);
                let fits =
                    base.spot != tax.spot && (expected - tax.value).abs() <= Decimal::new(1, 2);
                let is_new = |known: &[&Labelled; 3]| {
                    known[0].value != base.value || known[2].value != rate.value
                };
                if fits
                    && !base.value.is_zero()
                    && !rate.value.is_zero()
                    && candidates.iter().all(is_new)
                {
                    candidates.push([base, tax, rate]);
                }
            }
        }
    }
    // The smallest set whose bases and taxes make the totals.
    candidates.truncate(12);
    let sets = 1_u32..1 << candidates.len();
    let chosen = |set: u32| {
        candidates
            .iter()
            .enumerate()
            .filter(move |(at, _)| set >> at & 1 == 1)
            .map(|(_, row)| row)
    };
    let fits = |set: &u32| {
        let sum = |part: usize| {
            chosen(*set)
                .map(|row| row[part].value)
                .sum::<Decimal>()
                .abs()
        };
        (sum(1) - vat.abs()).abs() <= Decimal::new(2, 2) && sum(0) <= net.abs() + Decimal::new(2, 2)
    };
    let Some(set) = sets.filter(fits).min_by_key(|set| set.count_ones()) else {
        return;
    };
    found.vat = chosen(set).map(|row| fields_of(rows, row)).collect();
}

/// A rate has its sign, or is a plain small number that stands among amounts.
fn is_rate(amount: &Labelled) -> bool {
    amount.is_rate
        || (!amount.is_money && amount.value > Decimal::ZERO && amount.value <= Decimal::from(27))
}

fn fields_of(rows: &Rows<'_>, row: &[&Labelled; 3]) -> Fields {
    let mut fields = Fields::new();
    for (term, amount) in [
        (term::VAT_BASE, row[0]),
        (term::VAT_AMOUNT, row[1]),
        (term::VAT_RATE, row[2]),
    ] {
        fields.insert(term.0.to_owned(), field(rows, term, amount));
    }
    fields
}

fn field(rows: &Rows<'_>, term: Term, amount: &Labelled) -> Field {
    let mut field = Field::new(
        term.name(),
        shown(amount.value),
        Verified::Arithmetic,
        Source::rule("vat.arithmetic"),
    );
    field.raw = Some(rows.text_at(amount.spot).to_owned());
    field.evidence.extend(rows.evidence(amount.spot));
    let others = [term::VAT_BASE, term::VAT_AMOUNT, term::VAT_RATE];
    field.derived_from = others
        .iter()
        .filter(|other| **other != term)
        .map(|other| other.number().to_owned())
        .collect();
    field
}
