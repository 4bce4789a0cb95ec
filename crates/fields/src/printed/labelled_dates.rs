//! Dates by their labels: beside them, or in the row above.

use std::sync::LazyLock;

use regex::Regex;

use super::{Manner, set};
use crate::dates;
use crate::field::Fields;
use crate::rows::{Rows, Spot};
use crate::term::{self, Term};

/// What a label says of the date behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Issued,
    /// A date, of what is not said.
    Some,
    Due,
    Delivered,
    /// Of something else: an order, a discount, a print.
    Other,
}

static LABELS: LazyLock<Vec<(Role, Regex)>> = LazyLock::new(|| {
    let label = |names: &str| {
        Regex::new(&format!(
            r"(?ix)(?:^|[^\p{{L}}])(?:{names})(?:$|[^\p{{L}}])"
        ))
        .expect("pattern is valid")
    };
    vec![
        (
            Role::Other,
            label(
                r"version\p{L}*.{0,14}\ (?:vom|of) | gemäß.{0,50}\ vom | (?:bestell|auftrags|lieferschein|druck|ablauf|geburts|vertrags)\p{L}*datum | order(?:\ ?date|datum) | date\ de\ (?:la\ )?commande | date\ de\ (?:la\ )?facture\ (?:associée|d.origine)
                | skonto\p{L}*.{0,40} | discount.{0,30} | escompte.{0,30} | valid\ until | gültig\ (?:ab|bis) | printed | (?:bestellung|order|lieferschein|auftrag|vertrag|commande)\p{L}*\ ?(?:nr\.?|no\.?|kunde)?.{0,25}\ (?:vom|of|du)
                | period\p{L}* | zeitraum | abrechnungszeitraum | remise\ à\ zéro | fin\ d.engagement | iDEAL.{0,6} | virement | wire\ transfer",
            ),
        ),
        (
            Role::Due,
            label(
                r"fällig(?:keit|keitsdatum)?(?:\ am|\ bis|\ zum)? | zahlbar\ (?:bis|am)(?:\ zum)? | zahlungsziel | zu\ zahlen\ bis | zahlungstermin | zahlungsdatum
                | überweisen\ sie.{0,40}\ bis(?:\ zum)? | (?:tage[n]?\ )?netto(?:\ bis)?(?:\ zum)? | bis\ (?:zum|spätestens)
                | (?:payment\ )?due(?:\ date)?(?:\ on|\ by)? | payable\ (?:by|until|on) | (?:remit|pay|paid)\ (?:until|by|before) | payment\ date
                | (?:date\ d['’])?échéance(?:\ le)? | (?:date\ d['’])?echeance | à\ (?:payer|régler)\ (?:avant|le|au\ plus\ tard\ le).{0,6} | prélevé\ le | date\ limite\ de\ paiement
                | vervaldatum | vervaldag | (?:te\ )?betalen\ (?:voor|vóór) | uiterste\ betaaldatum | fecha\ de\ vencimiento | scadenza",
            ),
        ),
        (
            Role::Delivered,
            label(
                r"leistungs\p{L}* | liefer(?:-\ und\ leistungs)?datum | liefertermin | date\ of\ (?:delivery|supply) | delivery\ date | date\ de\ livraison | leverdatum | shipped",
            ),
        ),
        (
            Role::Issued,
            label(
                r"(?:rechnungs|beleg|ausstellungs|gutschrifts)-?datum | datum\ der\ rechnung | invoice\ ?date | bill\ ?date | date\ of\ (?:issue|invoice) | issue(?:d)?(?:\ date|\ at|\ on)? | dated
                | date\ de\ (?:la\ )?(?:facture|facturation|l['’]avoir) | date\ (?:d['’])?(?:émission|emission|facture) | (?:facture|avoir)\ du | fecha\ de\ (?:la\ )?factura | data\ (?:della\ )?fattura
                | factuurdatum | \p{L}*(?:rechnung|invoice|gutschrift|hilfe|korrektur)(?:\ \p{L}+)?\ ?(?:\(\d{3}\))?\ *(?:nr\.?|no\.?|number|\#|n°)?\ *\S{1,40}(?:\ \S{1,12}){0,2}\ +(?:vom|von|of|from|issued\ at)",
            ),
        ),
        (
            Role::Some,
            label(r"date | datum | fecha | data | vom | von | du | le | den | am | on | dated"),
        ),
    ]
});

/// What follows a date until which less is to be paid.
static OF_DISCOUNT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^[\s,]*(?:erhalten sie|abzüglich|[\d.,]+ ?% ?skonto|with|avec|minus|less)")
        .expect("pattern is valid")
});

/// The label that stands right before the end of a text.
fn role_before(text: &str) -> Option<Role> {
    let mut best: Option<(usize, usize, Role)> = None;
    for (role, pattern) in LABELS.iter() {
        for found in pattern.find_iter(text) {
            // The nearer one counts; at the same end the longer one, and of these the one that was named first.
            let (end, length) = (found.end(), found.len());
            if best.is_none_or(|(best_end, best_length, _)| (end, length) > (best_end, best_length))
            {
                best = Some((end, length, *role));
            }
        }
    }
    let (end, _, role) = best?;
    let gap = text.get(end..)?;
    let is_near = gap.chars().count() <= 18 && !gap.chars().any(|c| c.is_ascii_digit());
    is_near.then_some(role)
}

/// A date with its role.
struct Dated {
    spot: Spot,
    value: jiff::civil::Date,
    role: Option<Role>,
    page: u32,
}

pub(super) fn find(rows: &Rows<'_>, manner: Manner, fields: &mut Fields) {
    let mut found = Vec::new();
    for (piece, text) in rows.pieces() {
        for date in dates::find(text, manner.order) {
            let spot = Spot {
                start: date.start,
                end: date.end,
                ..piece
            };
            let mut role = role(rows, spot, manner);
            let after = text[date.end..].chars().take(40).collect::<String>();
            if role == Some(Role::Due) && OF_DISCOUNT.is_match(&after) {
                role = Some(Role::Other);
            }
            let is_compact = rows.text_at(spot).chars().all(|c| c.is_ascii_digit());
            if is_compact && role.is_none_or(|role| role == Role::Other) {
                continue;
            }
            found.push(Dated {
                spot,
                value: date.value,
                role,
                page: rows.rows[spot.row].page.0,
            });
        }
    }
    let first_of = |role: Role| found.iter().find(|dated| dated.role == Some(role));
    let issued = first_of(Role::Issued).map(|dated| (dated, "date.issued"));
    let issued = issued.or_else(|| first_of(Role::Some).map(|dated| (dated, "date.label")));
    let issued = issued.or_else(|| {
        let mut alone = found
            .iter()
            .filter(|dated| dated.role.is_none() && dated.page == 1);
        alone.next().map(|dated| (dated, "date.first"))
    });
    let mut put = |term: Term, dated: &Dated, rule: &str| {
        set(
            fields,
            rows,
            term,
            dated.value.to_string(),
            dated.spot,
            rule,
        );
    };
    if let Some((dated, rule)) = issued {
        put(term::ISSUED, dated, rule);
    }
    let is_after = |dated: &&Dated| issued.is_none_or(|(issued, _)| dated.value >= issued.value);
    if let Some(dated) = found
        .iter()
        .filter(|dated| dated.role == Some(Role::Due))
        .find(is_after)
    {
        put(term::DUE, dated, "date.due");
    }
    if let Some(dated) = first_of(Role::Delivered) {
        put(term::DELIVERED, dated, "date.delivered");
    }
}

/// By the label before a date: in its piece, in the piece to its left, in the line before where the date begins one, or above.
fn role(rows: &Rows<'_>, spot: Spot, manner: Manner) -> Option<Role> {
    let row = &rows.rows[spot.row];
    let before = &row.pieces[spot.piece].text[..spot.start];
    if let Some(role) = role_before(before) {
        return Some(role);
    }
    // Words before it that are no label: a sentence that speaks of a date.
    if before.chars().filter(|c| c.is_alphabetic()).count() > 3 {
        return Some(Role::Other);
    }
    let has_date = |text: &str| !dates::find(text, manner.order).is_empty();
    let left = spot
        .piece
        .checked_sub(1)
        .map(|left| row.pieces[left].text.as_str());
    if let Some(left) = left.filter(|left| !has_date(left)) {
        let role = role_before(left);
        if role.is_some() {
            return role;
        }
    }
    for above in rows.rows[..spot.row].iter().rev().take(2) {
        if above.page != row.page {
            break;
        }
        let of_column = above
            .pieces
            .get(spot.piece)
            .map(|piece| piece.text.as_str());
        let role = of_column
            .filter(|text| !has_date(text))
            .and_then(role_before);
        if role.is_some() {
            return role;
        }
        let mut labels = above.pieces.iter().filter(|piece| !has_date(&piece.text));
        let labels: Vec<Role> = labels
            .by_ref()
            .filter_map(|piece| role_before(&piece.text))
            .collect();
        if let ([only], 1) = (labels.as_slice(), row.pieces.len()) {
            return Some(*only);
        }
    }
    None
}
