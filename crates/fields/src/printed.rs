//! What an invoice's pages show, by labels, forms, check digits and arithmetic; no sender has a template here.

use pagemill_metadata::Source;

use crate::amounts::{self, DecimalMark};
use crate::dates::{self, Order};
use crate::field::{Field, Fields, Verified};
use crate::rows::{Rows, Spot};
use crate::term::{self, Term};

mod currency;
mod identifiers;
mod labelled_dates;
mod lines;
mod number;
mod parties;
pub(crate) mod terms;
mod totals;
mod vat;

pub(crate) use self::parties::without_form;

/// What was found on the pages.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    pub(crate) fields: Fields,
    pub(crate) lines: Vec<Fields>,
    pub(crate) vat: Vec<Fields>,
}

/// How a document writes what can be read in two ways.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) mark: DecimalMark,
    pub(crate) order: Order,
}

impl Manner {
    pub(crate) fn of(rows: &Rows<'_>) -> Self {
        let mark = amounts::decimal_mark(rows.texts());
        // Who writes dollars and a decimal point most likely puts the month first.
        let is_american = mark == DecimalMark::Point
            && rows
                .texts()
                .any(|text| text.contains('$') || text.contains("USD"));
        let otherwise = match is_american {
            true => Order::MonthFirst,
            false => Order::DayFirst,
        };
        Self {
            mark,
            order: dates::order(rows.texts(), otherwise),
        }
    }
}

/// Reads the pages.
pub(crate) fn read(rows: &Rows<'_>) -> Printed {
    let manner = Manner::of(rows);
    let mut found = Printed::default();
    number::find(rows, manner, &mut found.fields);
    labelled_dates::find(rows, manner, &mut found.fields);
    currency::find(rows, &mut found.fields);
    identifiers::find(rows, &mut found.fields);
    parties::find(rows, &mut found.fields);
    totals::find(rows, manner, &mut found.fields);
    vat::find(rows, manner, &mut found);
    lines::find(rows, manner, &mut found);
    found
}

/// Sets a term to what stands at a spot.
fn set(fields: &mut Fields, rows: &Rows<'_>, term: Term, value: String, spot: Spot, rule: &str) {
    let field = at(rows, term, value, spot, rule);
    fields.entry(term.0.to_owned()).or_insert(field);
}

/// A field of what stands at a spot.
fn at(rows: &Rows<'_>, term: Term, value: String, spot: Spot, rule: &str) -> Field {
    let raw = rows.text_at(spot).to_owned();
    let verified = match raw == value {
        true => Verified::Verbatim,
        false => Verified::Normalised,
    };
    let mut field = Field::new(term.name(), value, verified, Source::rule(rule));
    field.raw = (verified == Verified::Normalised).then_some(raw);
    field.evidence.extend(rows.evidence(spot));
    field
}

/// The spots where a label's value may stand: behind it in its piece, in the pieces to its right, and below it.
pub(crate) fn behind(rows: &Rows<'_>, label: Spot) -> Vec<Spot> {
    let row = &rows.rows[label.row];
    let whole = |row: usize, piece: usize| Spot {
        row,
        piece,
        start: 0,
        end: rows.rows[row].pieces[piece].text.len(),
    };
    let mut spots = vec![Spot {
        start: label.end,
        ..whole(label.row, label.piece)
    }];
    spots.extend(
        (label.piece + 1..row.pieces.len())
            .take(2)
            .map(|piece| whole(label.row, piece)),
    );
    let below = rows
        .rows
        .get(label.row + 1)
        .filter(|below| below.page == row.page);
    if let Some(below) = below {
        if label.piece < below.pieces.len() {
            spots.push(whole(label.row + 1, label.piece));
        }
        if below.pieces.len() == 1 && label.piece > 0 {
            spots.push(whole(label.row + 1, 0));
        }
    }
    spots
}

/// The amount of a field, for computing with it.
fn decimal(fields: &Fields, term: Term) -> Option<rust_decimal::Decimal> {
    crate::field::value(fields, term)?.parse().ok()
}

/// Whether the type of the document is that of a credit note.
fn is_credit_note(fields: &Fields) -> bool {
    crate::field::value(fields, term::TYPE) == Some("381")
}
