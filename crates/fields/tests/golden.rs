//! Golden data: what it may say, and what counts as right.

use pagemill_document::PageNumber;
use pagemill_document::testing::page_of;
use pagemill_fields::golden::is_same;
use pagemill_fields::{
    Calibration, DocumentFields, Features, Golden, Input, Verdict, Verified, XmlFile, extract,
};
use pagemill_metadata::DocumentType;
use pagemill_samples::CII;

const PAGE: &str = "
Muster Mühle GmbH · Wehrgasse 1 · 12345 Musterstadt

Beispielbäckerei KG
Ofenweg 7
54321 Krumenheim

Rechnung Nr. R-2026-0417 vom 15.01.2026
Fällig am|14.02.2026

Nettobetrag|995,00 €
zzgl. 7 % USt.|69,65 €
Rechnungsbetrag|1.064,65 €

USt-IdNr. DE136695976
IBAN DE89 3704 0044 0532 0130 00
";

fn extracted(page: &str, with_xml: bool, calibration: Option<&Calibration>) -> DocumentFields {
    let pages = [page_of(PageNumber(1), &page.trim().replace('|', "\t"))];
    let xml = [XmlFile {
        name: "factur-x.xml",
        bytes: CII.as_bytes(),
    }];
    extract(&Input {
        pages: &pages,
        files: if with_xml { &xml } else { &[] },
        document_type: Some(DocumentType::Invoice),
        calibration,
        ..Input::default()
    })
}

fn score(made: &DocumentFields, key: &str) -> i32 {
    Features::of(made, key).expect("a value").score()
}

#[test]
fn values_are_right_however_they_are_written() {
    for (key, left, right) in [
        (
            "BT-84",
            "DE89 3704 0044 0532 0130 00",
            "DE89370400440532013000",
        ),
        ("BT-31", "de136695976", "DE136695976"),
        ("BT-112", "1064.65", "1064.650"),
        ("BT-112", "-1064.65", "1064.65"),
        ("BT-27", "Muster Mühle GmbH", "MUSTER MÜHLE"),
        ("BT-44", "Grundbesitz GmbH & Co. KG", "Grundbesitz"),
        ("BT-1", "R-2026/0417", "r 2026 0417"),
        ("net_weight", "12.50", "12.5"),
    ] {
        assert!(is_same(key, left, right), "{key}: {left} and {right}");
    }
    for (key, left, right) in [
        ("BT-84", "DE89370400440532013000", "DE89370400440532013001"),
        ("BT-112", "1064.65", "106465"),
        ("BT-2", "2026-01-15", "2026-01-16"),
        ("BT-27", "Muster Mühle GmbH", "Meister Mühle GmbH"),
        ("net_weight", "12.5", "125"),
    ] {
        assert!(!is_same(key, left, right), "{key}: {left} and {right}");
    }
}

#[test]
fn golden_data_is_read_as_people_write_it_or_refused_with_the_file_the_field_and_the_remedy() {
    let read = |fields: &str| {
        let json = format!(r#"{{"format": 1, "fields": {fields}}}"#);
        Golden::from_json("golden/a.pdf.json", json.as_bytes())
    };
    let golden = read(r#"{"BT-84": "DE75 5121 0800 1245 1261 99", "BT-9": null}"#);
    let golden = golden.expect("golden data");
    assert_eq!(
        golden.fields["BT-84"].as_deref(),
        Some("DE75512108001245126199")
    );
    assert_eq!(golden.fields["BT-9"], None);
    for (fields, said) in [
        (r#"{"BT-2": "15.01.2026"}"#, "2024-05-31"),
        (r#"{"BT-112": "1.064,65"}"#, "1064.65"),
        (r#"{"BT-112": 1064.65}"#, "docs/EVALUATION.md"),
        (r#"{"BT-1": " "}"#, "null"),
    ] {
        let refused = read(fields).expect_err("refused").to_string();
        assert!(
            refused.contains(said) && refused.contains("golden/a.pdf.json"),
            "{refused}"
        );
    }
    let other = Golden::from_json("g", br#"{"format": 2, "fields": {}}"#);
    assert!(
        other
            .expect_err("refused")
            .to_string()
            .contains("format is 2")
    );
}

#[test]
fn each_way_of_not_being_right_has_its_name() {
    let other_account = PAGE.replace("DE89 3704 0044 0532 0130 00", "DE75 5121 0800 1245 1261 99");
    let made = extracted(&other_account, true, None);
    let verdict = |key: &str, right| Verdict::of(key, right, made.fields.get(key));
    assert_eq!(verdict("BT-1", Some("R-2026-0417")), Verdict::Right);
    assert_eq!(verdict("BT-1", Some("R-2026-0418")), Verdict::Wrong);
    assert_eq!(verdict("BT-1", None), Verdict::Invented);
    assert_eq!(verdict("BT-13", Some("A-7")), Verdict::Missing);
    assert_eq!(verdict("BT-13", None), Verdict::Absent);
    assert_eq!(made.fields["BT-84"].verified, Verified::Conflict);
    let right = Some("DE75512108001245126199");
    assert_eq!(verdict("BT-84", right), Verdict::Conflict);
    assert_eq!(Features::of(&made, "BT-84"), None, "nothing was taken");
}

#[test]
fn what_is_borne_out_scores_higher_than_what_stands_alone_or_is_doubted() {
    let by_xml = extracted(PAGE, true, None);
    let by_page = extracted(PAGE, false, None);
    assert!(score(&by_xml, "BT-112") > score(&by_page, "BT-112"));
    assert!(
        score(&by_page, "BT-112") > score(&by_page, "BT-1"),
        "its sum was checked"
    );
    let by_place = by_page.fields["BT-44"].sources[0].0.as_str();
    assert_eq!(by_place, "rule:party.address");
    assert!(score(&by_page, "BT-44") < score(&by_page, "BT-1"));
    let wrong_digits = extracted(&PAGE.replace("0130 00", "0130 01"), false, None);
    assert!(score(&wrong_digits, "BT-84") < score(&by_page, "BT-84"));
}

#[test]
fn a_calibration_gives_each_extracted_value_a_probability_and_none_to_what_people_decide() {
    let values = (0..60).map(|at| (at % 6, at % 6 > 1 || at % 4 == 0));
    let calibration = Calibration::of(10, Some(0.9), values).expect("values");
    let json = serde_json::to_vec(&calibration).expect("JSON");
    let calibration = Calibration::from_json("c.json", &json).expect("its own form");
    for pair in calibration.steps.windows(2) {
        assert!(pair[0].probability < pair[1].probability);
    }
    let (lowest, highest) = (calibration.probability(-99), calibration.probability(99));
    assert!(0.0 < lowest && lowest < highest && highest < 1.0);

    let made = extracted(PAGE, true, Some(&calibration));
    let field = &made.fields["BT-1"];
    let expected = calibration.probability(score(&made, "BT-1"));
    assert_eq!(field.probability, Some(expected));
    let evaluation = made.evaluation.as_ref().expect("an evaluation");
    let accuracy = evaluation.predicted_accuracy.expect("a mean");
    assert!((lowest..=highest).contains(&accuracy));
    assert_eq!(evaluation.calibration, Some(calibration.basis));
    let without = extracted(PAGE, true, None);
    assert!(
        without
            .fields
            .values()
            .all(|field| field.probability.is_none())
    );
    let json = serde_json::to_string(&without).expect("JSON");
    assert!(!json.contains("probability") && !json.contains("predicted_accuracy"));
}

#[test]
fn a_calibration_of_another_score_or_without_order_is_refused() {
    let step = |from: i32, probability: f64| {
        format!(
            r#"{{"from": {from}, "values": 9, "right": 8, "probability": {probability}, "interval": {{"low": 0.5, "high": 1.0}}}}"#
        )
    };
    let read = |score: u32, steps: &[String]| {
        let json = format!(
            r#"{{"format": 1, "score": {score}, "documents": 9, "values": 18, "wrong": 2, "auroc": null, "steps": [{}]}}"#,
            steps.join(",")
        );
        Calibration::from_json("config/calibration.json", json.as_bytes())
    };
    read(1, &[step(1, 0.5), step(2, 0.9)]).expect("a calibration");
    for (score, steps) in [
        (2, vec![step(1, 0.5)]),
        (1, vec![]),
        (1, vec![step(1, 0.9), step(2, 0.5)]),
        (1, vec![step(2, 0.5), step(1, 0.9)]),
        (1, vec![step(1, 1.5)]),
    ] {
        let refused = read(score, &steps).expect_err("refused").to_string();
        assert!(
            refused.contains("config/calibration.json") && refused.contains("worker evaluate"),
            "{refused}"
        );
    }
}

#[test]
fn few_values_that_are_all_right_make_no_certainty() {
    let all_right = |count: usize| {
        let values = std::iter::repeat_n((3, true), count);
        Calibration::of(5, None, values)
            .expect("values")
            .probability(3)
    };
    assert!(all_right(3) < 0.9 && all_right(30) < 0.99);
    assert!(all_right(300) > 0.99 && all_right(300) < 1.0);
    assert_eq!(Calibration::of(0, None, []), None);
}
