//! What people decided: it counts more than every other source, of the file that they looked at and of no other.

use pagemill_fields::{
    Correction, Corrections, Decision, DocumentFields, Input, Verified, XmlFile,
};

const XML: &[u8] = br#"<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"><ID>R-7</ID><IssueDate>2026-01-15</IssueDate><DocumentCurrencyCode>EUR</DocumentCurrencyCode></Invoice>"#;

fn correction(field: &str, to: Option<&str>, sha256: &str) -> Correction {
    Correction {
        field: field.to_owned(),
        from: None,
        to: to.map(str::to_owned),
        by: "reviewer".to_owned(),
        at: "2026-02-01T12:00:00Z".parse().expect("a time"),
        sha256: sha256.to_owned(),
        fingerprint: "f".to_owned(),
    }
}

fn extracted(corrections: &[Correction]) -> DocumentFields {
    let corrections = Corrections {
        all: corrections.to_vec(),
        unreadable: Vec::new(),
    };
    let files = [XmlFile {
        name: "invoice.xml",
        bytes: XML,
    }];
    pagemill_fields::extract(&Input {
        files: &files,
        sha256: "aa",
        corrections: Some(&corrections),
        ..Input::default()
    })
}

fn reasons(made: &DocumentFields) -> Vec<(&str, &str)> {
    let evaluation = made.evaluation.as_ref().expect("an evaluation");
    let reasons = evaluation.reasons.iter();
    reasons
        .map(|reason| (reason.field.as_str(), reason.reason.as_str()))
        .collect()
}

#[test]
fn what_people_decided_takes_the_place_of_what_was_extracted_which_stays_beside_it() {
    let made = extracted(&[
        correction("BT-1", Some("R-8"), "aa"),
        correction("BT-1", Some("R-9"), "aa"),
    ]);
    let number = &made.fields["BT-1"];
    assert_eq!(number.value.as_deref(), Some("R-9"), "the last one counts");
    assert_eq!(number.verified, Verified::Corrected);
    assert_eq!(number.sources[0].0, "person:reviewer");
    assert_eq!(number.candidates[0].value, "R-7");
    let view = made.seed_view.expect("a view");
    assert_eq!(view.invoice_number.as_deref(), Some("R-9"));
}

#[test]
fn a_document_is_approved_once_people_decided_all_that_was_open() {
    let open = extracted(&[]);
    let all: Vec<Correction> = reasons(&open)
        .iter()
        .map(|(field, _)| {
            let now = open.fields.get(*field);
            correction(field, now.and_then(|field| field.value.as_deref()), "aa")
        })
        .collect();
    assert!(all.len() > 3, "{:?}", reasons(&open));
    let all_but_one = extracted(&all[1..]);
    assert_eq!(reasons(&all_but_one).len(), 1);
    let decided = extracted(&all);
    assert_eq!(reasons(&decided), []);
    let evaluation = decided.evaluation.expect("an evaluation");
    assert_eq!(evaluation.decision, Decision::Approved);
    assert_eq!(decided.fields["BT-44"].value, None, "nobody is named");
}

#[test]
fn a_changed_file_takes_no_old_correction_and_asks_people_again() {
    let made = extracted(&[
        correction("BT-1", Some("R-8"), "other"),
        correction("BT-5", Some("EUR"), "other"),
    ]);
    let number = &made.fields["BT-1"];
    assert_eq!(number.value.as_deref(), Some("R-7"));
    assert_eq!(number.candidates[0].value, "R-8");
    assert!(reasons(&made).contains(&("BT-1", "corrected_before")));
    let of_currency = reasons(&made)
        .into_iter()
        .find(|reason| *reason == ("BT-5", "corrected_before"));
    assert_eq!(of_currency, None, "the file says the same as people did");
    let again = [
        correction("BT-1", Some("R-8"), "other"),
        correction("BT-1", Some("R-7"), "aa"),
    ];
    let made = extracted(&again);
    assert_eq!(made.fields["BT-1"].verified, Verified::Corrected);
    assert!(!reasons(&made).iter().any(|(field, _)| *field == "BT-1"));
}

#[test]
fn nothing_that_people_wrote_is_lost_without_a_word() {
    let made = extracted(&[correction("BT-999", Some("x"), "aa")]);
    assert!(made.warnings[0].contains("BT-999"), "{:?}", made.warnings);
    let damaged = Corrections::read(b"{\"field\": 1}\n\nno JSON\n");
    assert_eq!(damaged.unreadable, [1, 3]);
    let made = pagemill_fields::extract(&Input {
        sha256: "aa",
        corrections: Some(&damaged),
        ..Input::default()
    });
    assert_eq!(made.warnings.len(), 2);
}

#[test]
fn values_are_written_as_the_output_has_them_or_refused_with_the_form() {
    use pagemill_fields::correction::written_value;
    let written = |field, value| written_value(field, value).expect("a value");
    assert_eq!(
        written("BT-84", "DE75 5121 0800 1245 1261 99"),
        "DE75512108001245126199"
    );
    assert_eq!(written("BT-2", " 2026-01-15 "), "2026-01-15");
    assert_eq!(written("BT-112", "-3.50"), "-3.50");
    assert_eq!(written("place", "Ulm"), "Ulm");
    for (field, value, form) in [
        ("BT-2", "15.01.2026", "2024-05-31"),
        ("BT-112", "1.064,65", "1064.65"),
        ("BT-1", " ", "--none"),
    ] {
        let refused = written_value(field, value)
            .expect_err("refused")
            .to_string();
        assert!(refused.contains(form), "{refused}");
    }
}
