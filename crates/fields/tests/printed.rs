//! Invoices that are nothing but a page, in the languages that the rules know.

use std::collections::BTreeMap;

use pagemill_document::testing::page_of;
use pagemill_document::{PageNumber, PageText};
use pagemill_fields::{DocumentFields, Input, Outcome, Verified, extract};
use pagemill_metadata::DocumentType;

/// A page of text whose columns are parted by bars.
fn page(text: &str) -> PageText {
    page_of(PageNumber(1), &text.trim().replace('|', "\t"))
}

const GERMAN: &str = "
Muster Mühle GmbH · Wehrgasse 1 · 12345 Musterstadt

Beispielbäckerei KG
Ofenweg 7
54321 Krumenheim

Rechnung Nr. R-2026-0417

Rechnungsdatum|15.01.2026
Leistungsdatum|12.01.2026
Bestelldatum|02.01.2026
Fällig am|14.02.2026

Pos|Bezeichnung|Menge|Einzelpreis|Betrag
1|Weizenmehl Typ 550|40|18,50 €|740,00 €
2|Roggenschrot|12|21,25 €|255,00 €

Nettobetrag|995,00 €
zzgl. 7 % USt.|69,65 €
Rechnungsbetrag|1.064,65 €

USt-IdNr. DE136695976
IBAN DE89 3704 0044 0532 0130 00
";

const ENGLISH: &str = "
Example Mill Ltd
1 Weir Lane
12345 Sampleford

Bill to:
Sample Bakery Inc.
7 Oven Street
54321 Crumbton

Invoice number: 2026-00417
Invoice date: January 15, 2026
Due date: February 14, 2026
Order date: January 2, 2026

Subtotal|$1,130.00
Sales tax 10%|$113.00
Total|$1,243.00
";

const FRENCH: &str = "
Moulin d'Exemple SARL - 3 rue du Barrage - 69001 Lyon - France

Facture n° FA-2026-0031

Date de facture|03/02/2026
Date d'échéance|05/03/2026

Destinataire :
Boulangerie Modèle SAS
8 place du Four
31000 Toulouse

Total HT|1 250,00 €
TVA 20 %|250,00 €
Total TTC|1 500,00 €

N° TVA : FR83404833048
";

const DUTCH: &str = "
Voorbeeldmolen B.V.
Dijkweg 4
3012 CN Rotterdam

Bakkerij Monster
Ovenstraat 9
1025 RX Amsterdam

Factuurnummer: 993548
Factuurdatum: 19 april 2026
Vervaldatum: 19 mei 2026

Exclusief BTW|€ 200,00
BTW 21%|€ 42,00
Totaal|€ 242,00

BTW NL004495445B01
";

fn extracted(text: &str) -> DocumentFields {
    let pages: [PageText; 1] = [page(text)];
    extract(&Input {
        pages: &pages,
        document_type: Some(DocumentType::Invoice),
        ..Input::default()
    })
}

fn values(found: &DocumentFields) -> BTreeMap<&str, &str> {
    let fields = found.fields.values();
    fields
        .filter_map(|field| Some((field.name.as_str(), field.value.as_deref()?)))
        .collect()
}

#[track_caller]
fn assert_has(text: &str, expected: &[(&str, &str)]) {
    let found = extracted(text);
    let values = values(&found);
    for (name, value) in expected {
        assert_eq!(values.get(name), Some(value), "{name} of {values:#?}");
    }
}

#[test]
fn a_german_invoice_is_read() {
    assert_has(
        GERMAN,
        &[
            ("invoice_number", "R-2026-0417"),
            ("issue_date", "2026-01-15"),
            ("due_date", "2026-02-14"),
            ("delivery_date", "2026-01-12"),
            ("type_code", "380"),
            ("currency", "EUR"),
            ("seller_name", "Muster Mühle GmbH"),
            ("buyer_name", "Beispielbäckerei KG"),
            ("seller_vat_id", "DE136695976"),
            ("iban", "DE89370400440532013000"),
            ("net_total", "995.00"),
            ("vat_total", "69.65"),
            ("gross_total", "1064.65"),
        ],
    );
}

#[test]
fn an_american_invoice_is_read() {
    assert_has(
        ENGLISH,
        &[
            ("invoice_number", "2026-00417"),
            ("issue_date", "2026-01-15"),
            ("due_date", "2026-02-14"),
            ("currency", "USD"),
            ("seller_name", "Example Mill Ltd"),
            ("buyer_name", "Sample Bakery Inc."),
            ("net_total", "1130.00"),
            ("vat_total", "113.00"),
            ("gross_total", "1243.00"),
        ],
    );
}

#[test]
fn a_french_invoice_is_read() {
    assert_has(
        FRENCH,
        &[
            ("invoice_number", "FA-2026-0031"),
            ("issue_date", "2026-02-03"),
            ("due_date", "2026-03-05"),
            ("seller_name", "Moulin d'Exemple SARL"),
            ("buyer_name", "Boulangerie Modèle SAS"),
            ("seller_vat_id", "FR83404833048"),
            ("net_total", "1250.00"),
            ("vat_total", "250.00"),
            ("gross_total", "1500.00"),
        ],
    );
}

#[test]
fn a_dutch_invoice_is_read() {
    assert_has(
        DUTCH,
        &[
            ("invoice_number", "993548"),
            ("issue_date", "2026-04-19"),
            ("due_date", "2026-05-19"),
            ("seller_name", "Voorbeeldmolen B.V."),
            ("buyer_name", "Bakkerij Monster"),
            ("seller_vat_id", "NL004495445B01"),
            ("net_total", "200.00"),
            ("vat_total", "42.00"),
            ("gross_total", "242.00"),
        ],
    );
}

#[test]
fn each_value_says_where_it_stands_and_what_bears_it_out() {
    let found = extracted(GERMAN);
    let text = page(GERMAN).text;
    for field in found.fields.values() {
        for place in &field.evidence {
            let shown = &text[place.start as usize..place.end as usize];
            let expected = field.raw.as_ref().or(field.value.as_ref());
            assert_eq!(Some(shown), expected.map(String::as_str), "{field:#?}");
        }
    }
    let date = &found.fields["BT-2"];
    assert_eq!(date.verified, Verified::Normalised);
    assert_eq!(date.raw.as_deref(), Some("15.01.2026"));
    assert_eq!(date.evidence[0].quote, "Rechnungsdatum 15.01.2026");
    assert_eq!(found.fields["BT-1"].verified, Verified::Verbatim);
    assert_eq!(found.fields["BT-112"].derived_from, ["BT-109", "BT-110"]);
}

#[test]
fn lines_and_vat_are_kept_when_they_add_up() {
    let found = extracted(GERMAN);
    let of = |row: &pagemill_fields::Fields, term: &str| row[term].value.clone().expect("a value");
    let lines: Vec<_> = found
        .lines
        .iter()
        .map(|line| {
            [
                of(line, "BT-153"),
                of(line, "BT-129"),
                of(line, "BT-146"),
                of(line, "BT-131"),
            ]
        })
        .collect();
    assert_eq!(
        lines,
        [
            ["Weizenmehl Typ 550", "40.00", "18.50", "740.00"],
            ["Roggenschrot", "12.00", "21.25", "255.00"]
        ]
    );
    assert_eq!(found.vat_breakdown.len(), 1);
    assert_eq!(of(&found.vat_breakdown[0], "BT-116"), "995.00");
    assert_eq!(of(&found.vat_breakdown[0], "BT-119"), "7.00");
    // A line that is missing a cent: the rows are no lines of this invoice then.
    let found = extracted(&GERMAN.replace("12|21,25 €|255,00 €", "12|21,24 €|254,88 €"));
    assert_eq!(found.lines, []);
}

#[test]
fn totals_that_do_not_add_up_are_not_taken_for_such() {
    let found = extracted(&GERMAN.replace("69,65 €", "79,65 €"));
    assert!(!found.fields.contains_key("BT-110"), "{:#?}", found.fields);
    assert!(found.fields["BT-112"].derived_from.is_empty());
}

#[test]
fn sums_of_two_rates_are_found_by_arithmetic() {
    let text = "
Rechnung Nr. 77

Nettobetrag|300,00
USt. 7 % auf 100,00|7,00
USt. 19 % auf 200,00|38,00
Gesamtbetrag|345,00
";
    let found = extracted(text);
    let vat = &found.fields["BT-110"];
    assert_eq!(vat.value.as_deref(), Some("45.00"));
    assert_eq!(vat.verified, Verified::Arithmetic);
    assert_eq!(vat.derived_from, ["7.00", "38.00"]);
    assert_eq!(found.vat_breakdown.len(), 2);
}

#[test]
fn amounts_of_a_credit_note_are_positive_whatever_its_page_shows() {
    let text = "
Avoir AV-2026-0005

Date de facture|16/01/2026

Total HT|-200,00 €
TVA 20 %|-40,00 €
Total TTC|-240,00 €
";
    let found = extracted(text);
    assert_eq!(found.fields["BT-3"].value.as_deref(), Some("381"));
    assert_eq!(found.fields["BT-112"].value.as_deref(), Some("240.00"));
    assert_eq!(found.fields["BT-112"].verified, Verified::Normalised);
}

#[test]
fn checks_say_what_holds() {
    let found = extracted(GERMAN);
    let outcome = |rule: &str| {
        let check = found.checks.iter().find(|check| check.rule == rule);
        check.map(|check| check.outcome)
    };
    for rule in [
        "BR-02", "BR-06", "BR-07", "BR-CO-09", "BR-CO-14", "BR-CO-15", "BR-CO-17", "IBAN",
        "VAT-ID", "DATES",
    ] {
        assert_eq!(
            outcome(rule),
            Some(Outcome::Passed),
            "{rule}: {:#?}",
            found.checks
        );
    }
    let found = extracted(
        &GERMAN
            .replace("0130 00", "0130 01")
            .replace("14.02.2026", "14.02.2025"),
    );
    let iban = found
        .checks
        .iter()
        .find(|check| check.rule == "IBAN")
        .expect("it is checked");
    assert_eq!(iban.outcome, Outcome::Failed);
}

#[test]
fn another_name_for_each_value_is_in_the_view() {
    let view = extracted(GERMAN).seed_view.expect("an invoice has one");
    assert_eq!(view.invoice_number.as_deref(), Some("R-2026-0417"));
    assert_eq!(view.amount.as_deref(), Some("995.00"));
    assert_eq!(view.vat.as_deref(), Some("69.65"));
    assert_eq!(view.total.as_deref(), Some("1064.65"));
}

#[test]
fn a_letter_is_no_invoice() {
    let pages = [page(
        "Dear Sir,\n\nyour invoice of last week came late. It says 100.00, which is wrong.\n\nYours",
    )];
    let found = extract(&Input {
        pages: &pages,
        document_type: None,
        ..Input::default()
    });
    assert_eq!(
        (found.profile.as_str(), found.chosen_by.as_str()),
        ("document", "none")
    );
    assert!(found.fields.is_empty());
    // Nor what is known to be something else, unless it has all that an invoice has.
    let pages = [page(GERMAN)];
    let found = extract(&Input {
        pages: &pages,
        document_type: Some(DocumentType::Order),
        ..Input::default()
    });
    assert_eq!(
        (found.profile.as_str(), found.chosen_by.as_str()),
        ("invoice", "content")
    );
}

#[test]
fn terms_of_payment_make_the_due_date_where_none_is_printed() {
    let due = |terms: &str| {
        let text = GERMAN.replace("Fällig am|14.02.2026", terms);
        let fields = extracted(&text);
        let due = fields.fields.get("BT-9").cloned();
        due.map(|due| (due.value, due.verified, due.raw, due.derived_from))
    };
    let terms = "Zahlbar innerhalb 10 Tagen mit 2 % Skonto, 30 Tage netto";
    let expected = (
        Some("2026-02-14".to_owned()),
        Verified::Arithmetic,
        Some(terms.to_owned()),
        vec!["BT-2".to_owned()],
    );
    assert_eq!(due(terms), Some(expected));
    let printed = due("Zahlbar in 30 Tagen, fällig am 20.02.2026").expect("it is printed");
    assert_eq!(printed.0.as_deref(), Some("2026-02-20"));
    assert_eq!(due("Widerruf innerhalb von 14 Tagen"), None);
    // Two terms that differ: nobody knows which.
    assert_eq!(due("Zahlbar in 30 Tagen\nZahlbar in 20 Tagen"), None);
}
