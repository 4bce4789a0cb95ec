//! Profiles of users: fields of other documents, without a line of code.

use pagemill_document::testing::page_of;
use pagemill_document::{PageNumber, PageText};
use pagemill_fields::{DocumentFields, Input, Outcome, Profile, Verified, extract};
use pagemill_metadata::DocumentType;

const PROFILE: &str = r#"{
  "name": "delivery_note",
  "when": {"any": [{"prefix": "source-pdfs/notes/"}, {"attachment": ["despatch.xml"]}, {"type": ["order"]}]},
  "schema": {
    "type": "object",
    "properties": {
      "number": {"type": "string", "pattern": "^L-[0-9]+$", "labels": ["Lieferschein-Nr.", "Delivery note"]},
      "date": {"type": "string", "format": "date", "labels": ["Lieferdatum", "Delivery date"]},
      "ordered": {"type": "string", "format": "date", "labels": ["Bestelldatum"]},
      "gross_weight": {"type": "number", "labels": ["Bruttogewicht"]},
      "net_weight": {"type": "number", "labels": ["Nettogewicht"]},
      "tare": {"type": "number", "labels": ["Tara"]},
      "account": {"type": "string", "format": "iban"},
      "driver": {"type": "string", "labels": ["Fahrer"]}
    },
    "required": ["number", "date", "driver"]
  },
  "checks": [{"sum": {"of": ["net_weight", "tare"], "is": "gross_weight"}}, {"not_before": ["date", "ordered"]}]
}"#;

fn page(text: &str) -> PageText {
    page_of(PageNumber(1), &text.trim().replace('|', "\t"))
}

fn profile() -> Profile {
    Profile::from_json("config/profiles/note.json", PROFILE.as_bytes()).expect("a profile")
}

fn extracted(
    key: &str,
    document_type: Option<DocumentType>,
    attachments: &[&str],
) -> DocumentFields {
    let pages = [page(
        "
Lieferschein-Nr.|L-4711
Lieferdatum: 5. März 2026
Bestelldatum: 07.03.2026

Nettogewicht|1.200,50 kg
Tara|99,50 kg
Bruttogewicht|1.300,00 kg

IBAN DE89 3704 0044 0532 0130 00
",
    )];
    let profiles = [profile()];
    extract(&Input {
        key,
        pages: &pages,
        attachments,
        document_type,
        profiles: &profiles,
        ..Input::default()
    })
}

#[test]
fn the_fields_that_a_profile_names_are_found_with_their_evidence() {
    let found = extracted("source-pdfs/notes/a.pdf", None, &[]);
    assert_eq!(
        (found.profile.as_str(), found.chosen_by.as_str()),
        ("delivery_note", "prefix")
    );
    for (name, value, verified) in [
        ("number", "L-4711", Verified::Verbatim),
        ("date", "2026-03-05", Verified::Normalised),
        ("net_weight", "1200.50", Verified::Normalised),
        ("gross_weight", "1300.00", Verified::Normalised),
        ("account", "DE89370400440532013000", Verified::Normalised),
    ] {
        let field = &found.fields[name];
        assert_eq!(
            (field.value.as_deref(), field.verified),
            (Some(value), verified),
            "{name}"
        );
        assert_eq!(field.evidence.len(), 1, "{name}");
    }
    assert!(!found.fields.contains_key("driver"));
    let outcomes: Vec<_> = found
        .checks
        .iter()
        .map(|check| (check.rule.as_str(), check.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("REQUIRED", Outcome::Passed),
            ("REQUIRED", Outcome::Passed),
            ("REQUIRED", Outcome::Failed),
            ("SUM", Outcome::Passed),
            ("DATES", Outcome::Failed),
        ]
    );
}

#[test]
fn a_profile_is_chosen_by_key_attachment_or_type_and_else_not() {
    let by = |found: DocumentFields| found.chosen_by;
    assert_eq!(
        by(extracted("x.pdf", None, &["DESPATCH.xml"])),
        "attachment"
    );
    assert_eq!(
        by(extracted("x.pdf", Some(DocumentType::Order), &[])),
        "type"
    );
    assert_eq!(
        by(extracted(
            "x.pdf",
            Some(DocumentType::Letter),
            &["other.xml"]
        )),
        "none"
    );
}

#[test]
fn a_profile_that_can_not_be_used_says_where_why_and_what_to_do() {
    let with = |from: &str, to: &str| {
        assert!(PROFILE.contains(from), "{from}");
        let json = PROFILE.replacen(from, to, 1);
        let error = Profile::from_json("config/profiles/note.json", json.as_bytes());
        error.expect_err("it can't be used").to_string()
    };
    for (from, to, reasons) in [
        ("delivery_note", "invoice", ["is taken", "use 1 to 40"]),
        (
            "\"labels\": [\"Fahrer\"]",
            "\"labels\": []",
            ["driver", "give what stands before"],
        ),
        ("^L-[0-9]+$", "^L-[", ["number", "regular expression"]),
        ("\"driver\"]", "\"pilot\"]", ["pilot", "add it there"]),
        (
            "\"format\": \"date\"",
            "\"format\": \"time\"",
            ["date", "use \"string\""],
        ),
        ("\"checks\"", "\"rules\"", ["rules", "docs/FIELDS.md"]),
        (
            "\"type\": [\"order\"]",
            "\"type\": [\"poem\"]",
            ["poem", "docs/FIELDS.md"],
        ),
    ] {
        let error = with(from, to);
        assert!(error.contains("config/profiles/note.json"), "{error}");
        assert!(
            reasons.iter().all(|reason| error.contains(reason)),
            "{error}"
        );
    }
}
