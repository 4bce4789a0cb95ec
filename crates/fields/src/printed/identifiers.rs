//! VAT numbers, bank accounts and banks.

use std::sync::LazyLock;

use regex::Regex;

use super::{behind, set};
use crate::field::Fields;
use crate::ids::{self, FoundId};
use crate::rows::{Rows, Spot};
use crate::term;

static OF_BUYER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)client|customer|kunde|\bkäufer|empfänger|ihre\b|your\b|votre|\buw\b|buyer|acheteur|destinataire")
        .expect("pattern is valid")
});
static HEADS_BUYER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:käufer|rechnungsempfänger|leistungsempfänger|buyer|bill(?:ed)? to|sold to|customer|destinataire|client|acheteur|koper|abweichender)\b[\p{L}/ ]{0,25}:?$")
        .expect("pattern is valid")
});
static OF_SELLER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)verkäufer|seller|vendeur|émetteur|rechnungs(?:ersteller|steller)")
        .expect("pattern is valid")
});
/// What stands below the parties: lines, totals, how to pay.
static ENDS_PARTIES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:pos\b|position|description|désignation|bezeichnung|menge|qty|total|sub-?total|summe|netto|nettobetrag|bank|payment|zahlung|règlement)").expect("pattern is valid")
});
static VAT_LABEL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\bvat\b|ust[-.\s]*id|umsatzsteuer|\btva\b|\bbtw\b|\biva\b|tax id|mwst|\buid\b|intracom").expect("pattern is valid")
});
static BIC: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?:BIC|SWIFT)(?:[-\s]?Code)?[\s:/]*([A-Z]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)\b",
    )
    .expect("pattern is valid")
});
static ACCOUNT_LABEL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\biban\b|bank account|account (?:no|number)").expect("pattern is valid")
});
static ANY_ACCOUNT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[\s:]*([A-Z]{2}\d{2}(?: ?[A-Z0-9]){6,30})(?:$|\s|,)").expect("pattern is valid")
});

/// Rows under a buyer's heading that are the buyer's.
const SECTION_ROWS: usize = 14;

pub(super) fn find(rows: &Rows<'_>, fields: &mut Fields) {
    // A section's heading says whose the numbers below it are, until the next one.
    let mut section_of_buyer: Option<usize> = None;
    let mut account: Option<(Spot, FoundId, bool)> = None;
    for (piece, text) in rows.pieces() {
        if OF_SELLER.is_match(text) || ENDS_PARTIES.is_match(text) {
            section_of_buyer = None;
        }
        let is_section_of_buyer =
            section_of_buyer.is_some_and(|row| piece.row - row <= SECTION_ROWS);
        let left = piece
            .piece
            .checked_sub(1)
            .map(|left| rows.rows[piece.row].pieces[left].text.as_str());
        for found in ids::vat_numbers(text) {
            let before = &text[..found.start];
            let is_labelled =
                VAT_LABEL.is_match(before) || left.is_some_and(|left| VAT_LABEL.is_match(left));
            let is_whole = before.trim().is_empty() && text[found.end..].trim().is_empty();
            // Without a label the check digits must be right, or its own form is all there is to it.
            if !is_labelled && ids::is_vat_number(&found.value) != Some(true) && !is_whole {
                continue;
            }
            let near = before.chars().rev().take(30).collect::<String>();
            let near: String = near.chars().rev().collect();
            let is_of_buyer = is_section_of_buyer
                || OF_BUYER.is_match(&near)
                || left.is_some_and(|left| OF_BUYER.is_match(left));
            let (term, rule) = match is_of_buyer {
                true => (term::BUYER_VAT, "vat_id.buyer"),
                false => (term::SELLER_VAT, "vat_id.form"),
            };
            put(rows, fields, term, piece, &found, rule);
        }
        if HEADS_BUYER.is_match(text) {
            section_of_buyer = Some(piece.row);
        }
        for found in ids::ibans(text) {
            let is_labelled = ACCOUNT_LABEL.is_match(&text[..found.start])
                || left.is_some_and(|left| ACCOUNT_LABEL.is_match(left));
            let is_right = ids::is_iban(&found.value);
            // One whose check digits are right comes before one that only a label vouches for.
            if (is_right || is_labelled)
                && account
                    .as_ref()
                    .is_none_or(|(.., known)| is_right && !known)
            {
                account = Some((piece, found, is_right));
            }
        }
        if let Some(bic) = BIC.captures(text).and_then(|captures| captures.get(1)) {
            let found = FoundId {
                value: bic.as_str().to_owned(),
                start: bic.start(),
                end: bic.end(),
            };
            put(rows, fields, term::BIC, piece, &found, "bic.label");
        }
    }
    match account {
        Some((piece, found, _)) => put(rows, fields, term::IBAN, piece, &found, "iban.form"),
        None => labelled_account(rows, fields),
    }
}

/// An account by its label alone, of a country or length that is not known.
fn labelled_account(rows: &Rows<'_>, fields: &mut Fields) {
    for (piece, text) in rows.pieces() {
        let Some(label) = ACCOUNT_LABEL.find(text) else {
            continue;
        };
        let label = Spot {
            start: 0,
            end: label.end(),
            ..piece
        };
        let found = behind(rows, label).into_iter().take(2).find_map(|spot| {
            let account = ANY_ACCOUNT.captures(rows.text_at(spot))?.get(1)?;
            Some(Spot {
                end: spot.start + account.end(),
                start: spot.start + account.start(),
                ..spot
            })
        });
        if let Some(spot) = found {
            let value = ids::compact(rows.text_at(spot));
            return set(fields, rows, term::IBAN, value, spot, "iban.label");
        }
    }
}

fn put(
    rows: &Rows<'_>,
    fields: &mut Fields,
    term: term::Term,
    piece: Spot,
    found: &FoundId,
    rule: &str,
) {
    let spot = Spot {
        start: found.start,
        end: found.end,
        ..piece
    };
    set(fields, rows, term, found.value.clone(), spot, rule);
}
