//! The totals: the three amounts of which net and VAT make the gross, by their labels and by arithmetic.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use rust_decimal::Decimal;

use super::{Manner, at, is_credit_note};
use crate::amounts::{self, shown};
use crate::field::{Fields, Verified};
use crate::rows::{Rows, Spot};
use crate::term::{self, Term};

/// Amounts that are looked at most: a document of more is a list, and no invoice.
const MAX_AMOUNTS: usize = 2_000;

/// Rates of a document that are tried at most.
const MAX_RATES: usize = 30;

/// What a label says of the amount beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Due,
    Paid,
    LinesNet,
    Net,
    Vat,
    Gross,
    /// An amount that bears no total: a discount, a rate, a fee.
    Other,
}

static LABELS: LazyLock<Vec<(Role, i32, Regex)>> = LazyLock::new(|| {
    let label = |names: &str| Regex::new(&format!(r"(?ix){names}")).expect("pattern is valid");
    vec![
        // What speaks of tax in order to leave it out comes before the tax.
        (
            Role::Other,
            0,
            label(
                r"skonto | discount | rabatt | remise | capital | stammkapital | indemnité | bruttopreis | einzelpreis | unit\ price | versicherungss?teuer | gesamtbetrag\ der\ (?:zu|ab)schläge",
            ),
        ),
        (
            Role::Paid,
            3,
            label(
                r"anzahlung(?:en)? | bereits\ (?:be|ge)zahlt | already\ paid | amount\ paid | paid\ amount | acompte | déjà\ (?:payé|réglé|versé) | prepaid | reeds\ betaald",
            ),
        ),
        (
            Role::Due,
            3,
            label(
                r"zahlbetrag | offener\ betrag | balance\ due | amount\ due | solde | residual | restbetrag | noch\ zu\ zahlen | reste\ à\ payer | openstaand | net\ à\ payer",
            ),
        ),
        (
            Role::LinesNet,
            3,
            label(
                r"positionssumme | summe\ (?:der\ )?positionen | zwischensumme | positionen\ netto | total\ lines",
            ),
        ),
        (
            Role::Net,
            4,
            label(
                r"ohne\ (?:ust|mwst|umsatzsteuer) | (?:exkl|excl|exclus|zzgl\.?\ ust|vor\ steuer|hors|before|without)\p{L}*\.?\ (?:ust|mwst|vat|btw|tva|taxes?|steuer)\p{L}* | total\ (?:net|ht|hors) | (?:montant|total|sous-total|base)\ (?:net\ )?ht\b | \bnet(?:to)?(?:\ |-)?(?:summe|betrag|total|amount|wert)? $ | (?:summe|total|gesamt\p{L}*|rechnungssumme)\ net(?:to)?\b | nettobetrag | nettosumme | \bnet\ total | total\ excl | subtotal\ excl | taxable | imponibile | base\ imponible | totaal\ excl | soumis\ à\ une\ tva",
            ),
        ),
        (
            Role::Gross,
            4,
            label(
                r"(?:inkl|incl|inclus)\p{L}*\.?\ (?:\d+\ ?%\ )?(?:ust|mwst|vat|btw|tva|taxes?|umsatzsteuer|mehrwertsteuer) | \bttc\b | brutto(?:summe|betrag)? | totale?\ (?:fattura|documento) | taxes\ comprises",
            ),
        ),
        (
            Role::Vat,
            3,
            label(
                r"steuerbetrag | (?:^|[^\p{L}])(?:ust|mwst|ust-betrag|umsatzsteuer|mehrwertsteuer|vat|tva|btw|taxe?s?|gst|iva|igst|cgst|sgst|cst|sales\ tax)(?:$|[^\p{L}])",
            ),
        ),
        (
            Role::Gross,
            4,
            label(
                r"gesamtbetrag | endsumme | endbetrag | rechnungs(?:betrag|beitrag|summe|endbetrag) | gesamtsumme | grand\ total | total\ (?:amount|due|payable|invoice|à\ payer|general) | (?:invoice|amount)\ total | due\ payable | zu\ (?:zahlen|überweisen) | zahlen\ sie | te\ betalen | totaalbedrag | importe\ total | à\ payer | prélevé",
            ),
        ),
        (
            Role::Net,
            2,
            label(
                r"sub-?\ ?total(?:e)? | subtotaal | sous-total | warenwert | \bnetto\b | \bnet\b",
            ),
        ),
        (
            Role::Gross,
            2,
            label(
                r"(?:^|[^\p{L}])(?:total|totaal|totale|summe|gesamt|betrag|eur|usd)(?:$|[^\p{L}])",
            ),
        ),
    ]
});

pub(super) fn role_of(label: &str) -> Option<(Role, i32)> {
    LABELS
        .iter()
        .find(|(_, _, pattern)| pattern.is_match(label))
        .map(|(role, weight, _)| (*role, *weight))
}

/// An amount with what its label says.
#[derive(Debug, Clone)]
pub(super) struct Labelled {
    pub(super) spot: Spot,
    pub(super) value: Decimal,
    pub(super) role: Option<Role>,
    pub(super) weight: i32,
    pub(super) is_money: bool,
    pub(super) is_rate: bool,
}

/// What the names of a row of columns say.
type ColumnNames = Vec<Option<(Role, i32)>>;

/// All amounts of a document with their labels.
pub(super) fn labelled(rows: &Rows<'_>, manner: Manner) -> Vec<Labelled> {
    let mut all = Vec::new();
    let mut columns: Vec<(usize, ColumnNames)> = Vec::new();
    for (index, row) in rows.rows.iter().enumerate() {
        if all.len() > MAX_AMOUNTS {
            break;
        }
        let has_amount = row.pieces.iter().any(|piece| {
            amounts::find(&piece.text, manner.mark)
                .iter()
                .any(|amount| amount.is_money)
        });
        if !has_amount && row.pieces.len() > 1 {
            let roles = row
                .pieces
                .iter()
                .map(|piece| role_of(&piece.text))
                .collect();
            columns.push((index, roles));
        }
        for (piece, of_piece) in row.pieces.iter().enumerate() {
            let text = of_piece.text.as_str();
            let mut behind = 0;
            for amount in amounts::find(text, manner.mark) {
                let spot = Spot {
                    row: index,
                    piece,
                    start: amount.start,
                    end: amount.end,
                };
                // A rate between a label and its amount is of the label: "VAT 20% 9.34".
                let own = text.get(behind..amount.start).unwrap_or_default();
                if !amount.is_rate {
                    behind = amount.end;
                }
                let mut label = own.to_owned();
                let has_words = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count() > 2;
                if !has_words(&label) {
                    let left = row.pieces[..piece]
                        .iter()
                        .rev()
                        .find(|left| has_words(&left.text));
                    label = left.map_or_else(String::new, |left| left.text.clone());
                }
                let mut role = role_of(&label);
                if role.is_none() {
                    let mut near = columns.iter().rev().take_while(|(at, _)| index - at <= 12);
                    let header = near.find(|(at, roles)| {
                        roles.len() == row.pieces.len() && rows.rows[*at].page == row.page
                    });
                    // A column's name says less than a label of the amount's own.
                    role = header
                        .and_then(|(_, roles)| roles[piece])
                        .map(|(role, _)| (role, 1));
                }
                if role.is_none() && row.pieces.len() == 1 && index > 0 {
                    // A label on a line of its own, above.
                    let above = &rows.rows[index - 1];
                    let is_alone =
                        above.page == row.page && above.pieces.len() == 1 && !has_words(text);
                    role = role_of(&above.pieces[0].text)
                        .filter(|_| is_alone && above.pieces[0].text.len() < 40)
                        .map(|(role, _)| (role, 1));
                }
                all.push(Labelled {
                    spot,
                    value: amount.value,
                    role: role.map(|(role, _)| role),
                    weight: role.map_or(0, |(_, weight)| weight),
                    is_money: amount.is_money,
                    is_rate: amount.is_rate,
                });
            }
        }
    }
    all.truncate(MAX_AMOUNTS);
    all
}

/// Net, VAT and gross that make each other up, with the amounts that the net and the VAT are sums of.
#[derive(Debug, Clone)]
struct Triple<'a> {
    score: i32,
    gross: &'a Labelled,
    net: Vec<&'a Labelled>,
    vat: Vec<&'a Labelled>,
    /// Whether all three stand on the page.
    net_value: Decimal,
    vat_value: Decimal,
}

/// Rates that VAT is charged at, in percent, where a document does not print its own.
const RATES: &[u32] = &[
    3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27,
];

pub(super) fn find(rows: &Rows<'_>, manner: Manner, fields: &mut Fields) {
    let all = labelled(rows, manner);
    let money: Vec<&Labelled> = all
        .iter()
        .filter(|amount| amount.is_money && !amount.is_rate)
        .collect();
    let rates: BTreeSet<Decimal> = all
        .iter()
        .filter(|amount| amount.is_rate)
        .map(|amount| amount.value)
        .collect();
    let rates: Vec<Decimal> = rates.into_iter().take(MAX_RATES).collect();
    let best = best_triple(&money, &rates);
    let sign = match is_credit_note(fields)
        && best
            .as_ref()
            .is_some_and(|triple| triple.gross.value.is_sign_negative())
    {
        // A credit note's amounts are positive (EN 16931), as its type says what they are.
        true => Decimal::NEGATIVE_ONE,
        false => Decimal::ONE,
    };
    match &best {
        Some(triple) => take(rows, fields, triple, sign),
        None => {
            let gross = money
                .iter()
                .filter(|amount| matches!(amount.role, Some(Role::Gross | Role::Due)));
            if let Some(gross) = gross.max_by_key(|amount| (amount.weight, amount.spot.row)) {
                put(rows, fields, term::GROSS, gross, gross.value, "total.label");
            }
        }
    }
    let gross = super::decimal(fields, term::GROSS);
    for (role, term, rule) in [
        (Role::Due, term::DUE_AMOUNT, "total.due"),
        (Role::Paid, term::PAID, "total.paid"),
        (Role::LinesNet, term::LINES_NET, "total.lines"),
    ] {
        let found = money
            .iter()
            .rev()
            .find(|amount| amount.role == Some(role) && amount.weight >= 3);
        let value = |amount: &Labelled| match role {
            // Written as what is taken off.
            Role::Paid => amount.value.abs(),
            _ => amount.value * sign,
        };
        if let Some(amount) =
            found.filter(|amount| gross.is_none_or(|gross| value(amount).abs() <= gross.abs()))
        {
            put(rows, fields, term, amount, value(amount), rule);
        }
    }
}

fn best_triple<'a>(money: &[&'a Labelled], rates: &[Decimal]) -> Option<Triple<'a>> {
    let of = |role: Role| {
        money
            .iter()
            .copied()
            .filter(move |amount| amount.role == Some(role))
    };
    let grosses: Vec<&Labelled> = of(Role::Gross).chain(of(Role::Due)).collect();
    let nets: Vec<&Labelled> = of(Role::Net).chain(of(Role::LinesNet)).collect();
    let vats: Vec<&Labelled> = of(Role::Vat).collect();
    let mut best: Option<Triple<'a>> = None;
    let mut consider = |triple: Triple<'a>| {
        let key = |triple: &Triple<'_>| {
            (
                triple.score,
                triple.gross.value.abs(),
                triple.gross.spot.row,
            )
        };
        if best.as_ref().is_none_or(|best| key(&triple) > key(best)) {
            best = Some(triple);
        }
    };
    let tolerance = Decimal::new(1, 2);
    let fits = |a: Decimal, b: Decimal| (a - b).abs() < tolerance;
    for gross in grosses.iter().take(60) {
        for net in nets.iter().chain(money).take(200) {
            let vat = gross.value - net.value;
            let is_sane = same_sign(gross.value, net.value)
                && net.value.abs() <= gross.value.abs() + tolerance
                && vat.abs() <= gross.value.abs() / Decimal::TWO;
            let is_same_place = gross.spot == net.spot;
            if !is_sane || is_same_place || gross.value.is_zero() {
                continue;
            }
            let weight_of_net = match net.role {
                Some(Role::Net) => 10 * net.weight,
                Some(Role::LinesNet) => 8,
                Some(Role::Gross) => 2,
                Some(_) => -4,
                None => 0,
            };
            let base = 10 * gross.weight + weight_of_net
                - if gross.role == Some(Role::Due) { 6 } else { 0 };
            if vat.is_zero() {
                // Without VAT: a VAT of nothing is printed, or the net has a label of its own.
                let nothing = vats.iter().find(|vat| vat.value.is_zero());
                if net.role == Some(Role::Net)
                    && (nothing.is_some() || net.weight >= 4 && vats.is_empty())
                {
                    consider(Triple {
                        score: base + if nothing.is_some() { 12 } else { 0 },
                        gross,
                        net: vec![net],
                        vat: nothing.into_iter().copied().collect(),
                        net_value: net.value,
                        vat_value: Decimal::ZERO,
                    });
                }
                continue;
            }
            let by_rate = rates
                .iter()
                .copied()
                .find(|rate| fits(rounded(net.value * rate / Decimal::ONE_HUNDRED), vat));
            let rate_bonus = if by_rate.is_some() { 10 } else { 0 };
            if let Some(found) = vats
                .iter()
                .filter(|found| fits(found.value, vat))
                .max_by_key(|found| found.weight)
            {
                consider(Triple {
                    score: base + 20 + 2 * found.weight + rate_bonus,
                    gross,
                    net: vec![net],
                    vat: vec![found],
                    net_value: net.value,
                    vat_value: vat,
                });
                continue;
            }
            if let Some(parts) = sum_of(&vats, vat).filter(|_| net.role == Some(Role::Net)) {
                consider(Triple {
                    score: base + 14,
                    gross,
                    net: vec![net],
                    vat: parts,
                    net_value: net.value,
                    vat_value: vat,
                });
                continue;
            }
            let plain = money.iter().find(|found| {
                fits(found.value, vat) && found.spot != net.spot && found.spot != gross.spot
            });
            let is_usual = by_rate.is_some()
                || RATES.iter().any(|rate| {
                    fits(
                        rounded(net.value * Decimal::from(*rate) / Decimal::ONE_HUNDRED),
                        vat,
                    )
                });
            if let Some(found) = plain.filter(|_| is_usual) {
                consider(Triple {
                    score: base + 6 + rate_bonus,
                    gross,
                    net: vec![net],
                    vat: vec![found],
                    net_value: net.value,
                    vat_value: vat,
                });
            }
        }
        // Several bases and their taxes, and no sum of either.
        for (at, first) in nets.iter().enumerate().take(30) {
            for second in nets.iter().skip(at + 1).take(30) {
                let net = first.value + second.value;
                let vat = gross.value - net;
                if first.spot.row == second.spot.row
                    || vat.is_zero()
                    || !same_sign(vat, gross.value)
                {
                    continue;
                }
                if let Some(parts) = sum_of(&vats, vat).filter(|parts| parts.len() > 1) {
                    consider(Triple {
                        score: 10 * gross.weight + 5,
                        gross,
                        net: vec![first, second],
                        vat: parts,
                        net_value: net,
                        vat_value: vat,
                    });
                }
            }
        }
    }
    best
}

fn same_sign(a: Decimal, b: Decimal) -> bool {
    a.is_zero() || b.is_zero() || a.is_sign_negative() == b.is_sign_negative()
}

pub(super) fn rounded(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
}

/// Two to four amounts of different rows that make up a sum.
fn sum_of<'a>(parts: &[&'a Labelled], sum: Decimal) -> Option<Vec<&'a Labelled>> {
    let parts: Vec<&Labelled> = parts
        .iter()
        .copied()
        .filter(|part| !part.value.is_zero())
        .take(8)
        .collect();
    let subsets = 1_u32 << parts.len();
    let mut fitting = (1..subsets)
        .filter(|set| (2..=4).contains(&set.count_ones()))
        .filter_map(|set| {
            let chosen: Vec<&Labelled> = parts
                .iter()
                .enumerate()
                .filter(|(at, _)| set >> at & 1 == 1)
                .map(|(_, part)| *part)
                .collect();
            let total: Decimal = chosen.iter().map(|part| part.value).sum();
            let mut rows: Vec<usize> = chosen.iter().map(|part| part.spot.row).collect();
            rows.dedup();
            ((total - sum).abs() < Decimal::new(1, 2) && rows.len() == chosen.len())
                .then_some(chosen)
        });
    fitting.next()
}

fn put(
    rows: &Rows<'_>,
    fields: &mut Fields,
    term: Term,
    amount: &Labelled,
    value: Decimal,
    rule: &str,
) {
    let field = at(rows, term, shown(value), amount.spot, rule);
    fields.entry(term.0.to_owned()).or_insert(field);
}

fn take(rows: &Rows<'_>, fields: &mut Fields, triple: &Triple<'_>, sign: Decimal) {
    let borne_out = |others: [Term; 2]| others.map(|term| term.number().to_owned()).to_vec();
    for (term, parts, value, others) in [
        (
            term::NET,
            &triple.net,
            triple.net_value,
            [term::VAT, term::GROSS],
        ),
        (
            term::VAT,
            &triple.vat,
            triple.vat_value,
            [term::NET, term::GROSS],
        ),
        (
            term::GROSS,
            &vec![triple.gross],
            triple.gross.value,
            [term::NET, term::VAT],
        ),
    ] {
        let value = value * sign;
        let mut field = match parts.as_slice() {
            [only] => at(rows, term, shown(value), only.spot, "total.arithmetic"),
            _ => {
                let source = pagemill_metadata::Source::rule("total.arithmetic");
                let mut field = crate::field::Field::new(
                    term.name(),
                    shown(value),
                    Verified::Arithmetic,
                    source,
                );
                field.evidence = parts
                    .iter()
                    .filter_map(|part| rows.evidence(part.spot))
                    .collect();
                field
            }
        };
        field.derived_from = match parts.len() {
            0 | 1 => borne_out(others),
            _ => parts.iter().map(|part| shown(part.value)).collect(),
        };
        fields.insert(term.0.to_owned(), field);
    }
}
