//! When an invoice is to be paid where it says after how many days, and no date: `30 Tage netto`, `payable within 14 days`.
//!
//! Terms are believed when payment is spoken of beside the number of days, and all that is said of it agrees. Days until which less
//! is to be paid, in which goods can be sent back, or after which a reminder comes, are others.

use std::sync::LazyLock;

use jiff::ToSpan;
use pagemill_metadata::Source;
use regex::Regex;

use crate::field::{self, Field, Fields, Verified};
use crate::rows::{Rows, Spot};
use crate::term;

/// Terms of more days than this are no terms of payment.
const MOST_DAYS: i64 = 180;

static DAYS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix) (?:^|[^\p{L}\d.,]) (?:
            net\ ?(?<net>\d{1,3}) (?: \ days? | $ | [^\d.,%\p{L}] )
            | (?<days>\d{1,3}) \ ? (?: (?:kalender)?tage?n? | days? | jours? | dagen | días? | giorni ) (?:$|[^\p{L}])
        )",
    )
});

/// Payment at once.
static AT_ONCE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix) (?:^|[^\p{L}]) (?:
            sofort \  (?:fällig|zahlbar|netto|ohne\ abzug) | (?:zahlbar|fällig) \  (?:sofort|bei\ erhalt|nach\ erhalt)
            | (?:due|payable|payment\ due) \  (?:immediately|(?:up)?on\ receipt)
            | (?:payable|paiement) \  (?:comptant|à\ (?:la\ )?réception)
        ) (?:$|[^\p{L}])",
    )
});

/// Words of payment, or of terms.
static OF_PAYMENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix) zahl | fällig | netto | überweis | begleich | ohne\ abzug
            | \bpay | \bdue\b | \bremit | settle | \bterms\b | \bnet\b
            | paiement | payable | règle | régl | échéance | betal | vervalt | pago | pagamento | scadenza",
    )
});

/// What else is spoken of in days, and terms that are counted otherwise.
static OF_OTHERS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix) skonto | % | discount | escompte | sconto | nachlass | korting | rabatt
            | widerruf | rückgabe | reklam | beanstand | einspruch | einwend | rücksend | mahn | verzug | überfällig | verspät
            | return | refund | complain | dispute | claim | object | overdue | \blate\b | interest | reminder | past\ due | cancel
            | retard | pénalit | réclam | rétract | fin\ de\ mois | end\ of\ (?:the\ )?month | monatsende | \beom\b
            | liefer | deliver | shipment | livraison | gültig | valid | garant | kündig | werktage | working | business",
    )
});

/// Parts of a text of terms: another one begins there.
static BETWEEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)[;,/]\s|\.\s|\s(?:oder|or|ou|bzw\.?|sonst|ansonsten|otherwise|sinon)\s")
});

fn pattern(of: &str) -> Regex {
    Regex::new(of).expect("pattern is valid")
}

/// Gives an invoice that has a date and none until which it is to be paid the one that its terms make.
pub(crate) fn add(rows: &Rows<'_>, fields: &mut Fields) {
    if fields.contains_key(term::DUE.0) {
        return;
    }
    let issued = field::value(fields, term::ISSUED).and_then(|value| value.parse().ok());
    let Some(issued): Option<jiff::civil::Date> = issued else {
        return;
    };
    let mut found: Option<(i64, Spot)> = None;
    for (spot, text) in rows.pieces() {
        let label = spot
            .piece
            .checked_sub(1)
            .map(|left| rows.rows[spot.row].pieces[left].text.as_str());
        let Some(days) = days(text, label.unwrap_or_default()) else {
            continue;
        };
        match found {
            Some((other, _)) if other != days => return,
            Some(_) => {}
            None => found = Some((days, spot)),
        }
    }
    let Some((days, spot)) = found else {
        return;
    };
    let Ok(due) = issued.checked_add(days.days()) else {
        return;
    };
    let source = Source::rule("date.terms");
    let mut field = Field::new(
        term::DUE.name(),
        due.to_string(),
        Verified::Arithmetic,
        source,
    );
    field.raw = Some(rows.text_at(spot).to_owned());
    field.evidence.extend(rows.evidence(spot));
    field.derived_from = vec![term::ISSUED.0.to_owned()];
    fields.insert(term::DUE.0.to_owned(), field);
}

/// After how many days a text, with the label to its left, says that is to be paid; nothing where it says no such thing, or two.
fn days(text: &str, label: &str) -> Option<i64> {
    let mut parts = Vec::new();
    let mut from = 0;
    for between in BETWEEN.find_iter(text) {
        parts.push(&text[from..between.start()]);
        from = between.end();
    }
    parts.push(&text[from..]);
    let whole_is_of_payment = OF_PAYMENT.is_match(text) || OF_PAYMENT.is_match(label);
    if !whole_is_of_payment || OF_OTHERS.is_match(label) {
        return None;
    }
    let mut said: Option<i64> = None;
    for part in parts {
        let days = match DAYS.captures(part) {
            _ if OF_OTHERS.is_match(part) => continue,
            Some(found) => {
                let number = found.name("net").or_else(|| found.name("days"))?;
                number.as_str().parse().ok()?
            }
            None if AT_ONCE.is_match(part) => 0,
            None => continue,
        };
        if days > MOST_DAYS || said.is_some_and(|other| other != days) {
            return None;
        }
        said = Some(days);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_of_payment_are_read_in_the_languages_of_their_writers() {
        for (text, expected) in [
            ("Zahlbar innerhalb von 30 Tagen ohne Abzug.", 30),
            ("Zahlungsziel: 14 Tage", 14),
            ("14 Tage 2 % Skonto, 30 Tage netto", 30),
            ("30 Tage netto oder 10 Tage 3% Skonto", 30),
            ("Bitte überweisen Sie den Betrag binnen 10 Tagen", 10),
            ("Zahlbar sofort ohne Abzug", 0),
            ("Payment is due within 14 days of the invoice date.", 14),
            ("Terms: Net 30", 30),
            ("2% 10 days, net 45 days", 45),
            ("Payable upon receipt", 0),
            ("Paiement à 30 jours", 30),
            ("À régler sous 15 jours", 15),
            ("Te betalen binnen 21 dagen", 21),
            ("Pago a 60 días", 60),
        ] {
            assert_eq!(days(text, ""), Some(expected), "{text}");
        }
        assert_eq!(days("30 days", "Payment terms"), Some(30));
    }

    #[test]
    fn other_days_and_amounts_are_no_terms_of_payment() {
        for text in [
            "Innerhalb von 14 Tagen können Sie widerrufen.",
            "Returns within 30 days, no refund after payment",
            "30 days",
            "Net 100.00",
            "Net 30.00 VAT 5.70",
            "Netto 100,00",
            "10 Tage 2 % Skonto",
            "30 jours fin de mois, paiement par virement",
            "Nach 30 Tagen geraten Sie mit der Zahlung in Verzug",
            "Payment within 400 days",
            "Payable within 10 days or within 20 days",
            "Late payment: interest after 30 days",
            "Delivery within 5 days of payment",
        ] {
            assert_eq!(days(text, ""), None, "{text}");
        }
        assert_eq!(days("30 days", "Return policy"), None);
    }
}
