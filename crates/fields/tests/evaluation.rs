//! Whether people must look at what was extracted.

use pagemill_document::PageNumber;
use pagemill_document::testing::page_of;
use pagemill_fields::{Decision, Evaluation, Input, XmlFile, extract};
use pagemill_metadata::DocumentType;
use pagemill_samples::CII;

const PAGE: &str = "
Muster Mühle GmbH · Wehrgasse 1 · 12345 Musterstadt

Beispielbäckerei KG
Ofenweg 7
54321 Krumenheim

Rechnung Nr. R-2026-0417 vom 15.01.2026
Leistungsdatum|12.01.2026
Fällig am|14.02.2026

1|Weizenmehl Typ 550|40|18,50 €|740,00 €
2|Roggenschrot|12|21,25 €|255,00 €

Nettobetrag|995,00 €
zzgl. 7 % USt.|69,65 €
Rechnungsbetrag|1.064,65 €

USt-IdNr. DE136695976
IBAN DE89 3704 0044 0532 0130 00
";

fn evaluated(page: &str, with_xml: bool) -> Evaluation {
    let pages = [page_of(PageNumber(1), &page.trim().replace('|', "\t"))];
    let xml = [XmlFile {
        name: "factur-x.xml",
        bytes: CII.as_bytes(),
    }];
    let found = extract(&Input {
        pages: &pages,
        files: if with_xml { &xml } else { &[] },
        document_type: Some(DocumentType::Invoice),
        ..Input::default()
    });
    found.evaluation.expect("an invoice is evaluated")
}

fn reasons(evaluation: &Evaluation) -> Vec<(&str, &str)> {
    let reasons = evaluation.reasons.iter();
    reasons
        .map(|reason| (reason.field.as_str(), reason.reason.as_str()))
        .collect()
}

#[test]
fn an_invoice_that_is_whole_and_adds_up_is_approved() {
    for with_xml in [true, false] {
        let evaluation = evaluated(PAGE, with_xml);
        assert_eq!(evaluation.decision, Decision::Approved, "{evaluation:#?}");
        assert_eq!(evaluation.gates.required, 1.0);
        assert_eq!(evaluation.gates.rules, 1.0);
        assert!(evaluation.quality_score > 0.9, "{evaluation:#?}");
    }
}

#[test]
fn a_conflict_or_a_missing_field_or_a_failed_check_is_for_people() {
    let other_account = PAGE.replace("DE89 3704 0044 0532 0130 00", "DE75 5121 0800 1245 1261 99");
    let evaluation = evaluated(&other_account, true);
    assert_eq!(evaluation.decision, Decision::ManualReview);
    assert_eq!(reasons(&evaluation), [("BT-84", "conflict")]);

    let without_number = PAGE.replace("Rechnung Nr. R-2026-0417 vom", "Datum");
    let evaluation = evaluated(&without_number, false);
    assert!(
        reasons(&evaluation).contains(&("BT-1", "missing")),
        "{evaluation:#?}"
    );
    assert!(evaluation.quality_score < 0.9);

    let wrong_digits = PAGE.replace("0130 00", "0130 01");
    let evaluation = evaluated(&wrong_digits, false);
    assert_eq!(reasons(&evaluation), [("BT-84", "check IBAN")]);
}

#[test]
fn what_only_the_xml_says_is_for_people_where_it_is_required() {
    let without_buyer = PAGE.replace("Beispielbäckerei KG", "An den Inhaber");
    let evaluation = evaluated(&without_buyer, true);
    assert_eq!(reasons(&evaluation), [("BT-44", "not_shown")]);
}
