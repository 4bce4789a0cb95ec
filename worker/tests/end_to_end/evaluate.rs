//! Extracted fields against golden data: what was planted is found, people's decisions become golden data, and a calibration gives
//! probabilities.

use std::collections::BTreeMap;
use std::fs;

use pagemill_fields::Golden;
use pagemill_pipeline::FieldsFile;
use pagemill_samples::{CII, invoice_carrying};
use pagemill_storage::Stage;
use serde_json::{Value, json};

use crate::emulated_cloud::Cloud;
use crate::support::{Place, files, ran_again};

/// What the page of the sample invoice says.
const RIGHT: &[(&str, Option<&str>)] = &[
    ("BT-1", Some("R-2026-0417")),
    ("BT-2", Some("2026-01-15")),
    ("BT-5", Some("EUR")),
    ("BT-9", Some("2026-02-14")),
    ("BT-10", None),
    ("BT-27", Some("Muster Mühle GmbH")),
    ("BT-31", Some("DE136695976")),
    ("BT-44", Some("Beispielbäckerei")),
    ("BT-84", Some("DE89 3704 0044 0532 0130 00")),
    ("BT-109", Some("995")),
    ("BT-110", Some("69.65")),
    ("BT-112", Some("1064.65")),
];

/// Another number in the XML than on the page.
const NUMBER: &[(&str, &str)] = &[(
    "<ram:ID>R-2026-0417</ram:ID>",
    "<ram:ID>R-2026-9999</ram:ID>",
)];

/// An invoice whose XML says something else than its page.
fn invoice(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut xml = CII.to_owned();
    for (from, to) in changes {
        assert!(xml.contains(from), "{from}");
        xml = xml.replace(from, to);
    }
    invoice_carrying(&[("factur-x.xml", "text/xml", xml.as_bytes())])
}

fn write_golden(place: &Place, name: &str, more: &[(&str, Option<&str>)]) {
    let fields: BTreeMap<_, _> = RIGHT.iter().chain(more).copied().collect();
    let folder = place.root().join("right");
    fs::create_dir_all(&folder).expect("a folder");
    let golden = json!({"format": 1, "fields": fields});
    fs::write(folder.join(format!("{name}.json")), golden.to_string()).expect("a file");
}

/// Six invoices; faults are planted in the XML of three, and one has nothing but its page.
fn planted(test: &str) -> Option<Place> {
    let place = Place::new(test)?;
    place.configure(&json!({"goal": "metadata", "pages": {"dpi": 36}}));
    place.add("right.pdf", &invoice(&[]));
    place.add("page.pdf", &invoice_carrying(&[]));
    place.add("more.pdf", &invoice(&[]));
    place.add("number.pdf", &invoice(NUMBER));
    let reference = "<ram:ApplicableHeaderTradeAgreement>";
    place.add(
        "reference.pdf",
        &invoice(&[
            (
                reference,
                "<ram:ApplicableHeaderTradeAgreement><ram:BuyerReference>X-1</ram:BuyerReference>",
            ),
            (">Muster Mühle GmbH<", ">Meister Mühle GmbH<"),
        ]),
    );
    place.add(
        "account.pdf",
        &invoice(&[("DE89370400440532013000", "DE75512108001245126199")]),
    );
    for name in [
        "right.pdf",
        "page.pdf",
        "number.pdf",
        "reference.pdf",
        "account.pdf",
    ] {
        write_golden(&place, name, &[]);
    }
    write_golden(&place, "more.pdf", &[("BT-13", Some("A-7"))]);
    Some(place)
}

fn findings(report: &Value) -> Vec<(String, String, String)> {
    let findings = report["findings"].as_array().expect("findings");
    let text = |finding: &Value, name: &str| finding[name].as_str().expect("text").to_owned();
    findings
        .iter()
        .map(|finding| {
            let of = |name| text(finding, name);
            (of("document"), of("field"), of("verdict"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_errors_are_found_and_listed_and_the_exit_code_tells_of_the_threshold() {
    let Some(place) = planted("evaluate") else {
        return;
    };
    place.local(&[]).await.with_code(0);
    let evaluate = ["evaluate", "--out", "out", "--golden", "right"];
    let with = |more: &[&'static str]| {
        let arguments = [&evaluate[..], more].concat();
        let place = &place;
        async move { place.run(&arguments).await }
    };
    let ended = with(&["--json"]).await.with_code(0);
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let expected = [
        ("account.pdf", "BT-84", "conflict"),
        ("more.pdf", "BT-13", "missing"),
        ("number.pdf", "BT-1", "wrong"),
        ("reference.pdf", "BT-10", "invented"),
        ("reference.pdf", "BT-27", "wrong"),
    ];
    let expected = expected.map(|(document, field, verdict)| {
        (document.to_owned(), field.to_owned(), verdict.to_owned())
    });
    assert_eq!(findings(&report), expected, "{report:#}");
    assert_eq!(report["documents"], 6);
    // 6 documents of 11 values and one that one of them has not; 4 of these were not found as they are.
    assert_eq!(report["overall"]["right"], 6 * 11 + 1 - 4);
    assert_eq!(report["sources"]["xml"]["wrong"], 2);
    assert_eq!(report["sources"]["rule"]["wrong"], 0);
    let confidence = &report["confidence"];
    assert!(
        confidence["auroc"]
            .as_f64()
            .is_some_and(|auroc| auroc > 0.9),
        "{confidence:#}"
    );

    let listed = with(&["--report", "report", "--min-f1", "0.9"])
        .await
        .with_code(0);
    let row = listed
        .stdout
        .lines()
        .find(|line| line.contains("R-2026-9999"));
    let row = row.expect("the wrong number is listed");
    for part in ["number.pdf", "BT-1", "wrong", "R-2026-0417", "xml"] {
        assert!(row.contains(part), "{row}");
    }
    let written = files(&place.root().join("report"));
    let names: Vec<&str> = written.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "calibration.json",
            "evaluation.json",
            "evaluation.md",
            "evaluation.svg"
        ]
    );
    assert_eq!(written["evaluation.md"].1, listed.stdout.as_bytes());
    with(&["--report", "again"]).await.with_code(0);
    let again = files(&place.root().join("again"));
    for (name, (_, bytes)) in &written {
        assert!(again[name].1 == *bytes, "{name} has other bytes");
    }

    with(&["--min-f1", "0.99"])
        .await
        .with_code(1)
        .complains("--min-f1");
    with(&["--min-f1", "95"])
        .await
        .with_code(2)
        .complains("from 0 to 1");
    let nothing = place.run(&["evaluate", "--out", "out"]).await.with_code(2);
    nothing.complains("there is no golden data in golden/");
    fs::write(
        place.root().join("right/page.pdf.json"),
        r#"{"format": 1, "fields": {"BT-2": "15.1.2026"}}"#,
    )
    .expect("a file");
    with(&[]).await.with_code(2).complains("page.pdf.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calibration_beside_the_tunables_gives_values_a_probability_and_runs_nothing_else() {
    let Some(place) = planted("evaluate_calibration") else {
        return;
    };
    place.local(&[]).await.with_code(0);
    let fields = |name: &str| {
        place
            .json::<FieldsFile>(&format!("extracted_fields/{name}.json"))
            .fields
    };
    let before = place.record("right.pdf");
    assert!(
        fields("right.pdf")
            .fields
            .values()
            .all(|field| field.probability.is_none())
    );
    let evaluate = [
        "evaluate", "--out", "out", "--golden", "right", "--report", "report",
    ];
    place.run(&evaluate).await.with_code(0);
    let calibration = place.root().join("report/calibration.json");
    let in_force = place.out().join("config/calibration.json");
    fs::copy(calibration, &in_force).expect("a copy");

    place.local(&[]).await.with_code(0);
    let after = place.record("right.pdf");
    assert_eq!(ran_again(&before, &after), [Stage::Extract, Stage::Commit]);
    let sure = fields("right.pdf").fields["BT-1"]
        .probability
        .expect("a probability");
    let doubted = fields("number.pdf").fields["BT-1"]
        .probability
        .expect("a probability");
    assert!(doubted < sure && sure < 1.0, "{doubted} and {sure}");
    let evaluation = fields("right.pdf").evaluation.expect("an evaluation");
    assert!(evaluation.predicted_accuracy.is_some_and(|mean| mean > 0.9));
    place.run(&evaluate).await.with_code(0).says("as written");

    // One that can't be used is told, and stops nothing.
    fs::write(&in_force, "{}").expect("a file");
    place.local(&[]).await.with_code(0);
    let made = fields("right.pdf");
    assert!(made.fields["BT-1"].probability.is_none());
    assert!(
        made.warnings[0].contains("calibration.json"),
        "{:?}",
        made.warnings
    );
    fs::remove_file(&in_force).expect("a file");
    place.local(&[]).await.with_code(0);
    let print =
        |record: &pagemill_storage::Record| record.stages[&Stage::Extract].fingerprint.clone();
    assert_eq!(
        print(&place.record("right.pdf")),
        print(&before),
        "as before there was one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_decided_becomes_golden_data_which_does_not_praise_them() {
    let Some(place) = planted("evaluate_export") else {
        return;
    };
    place.local(&[]).await.with_code(0);
    let review = async |arguments: &[&str]| {
        let arguments = [&["review", "--folder", "out"], arguments, &["--by", "ann"]].concat();
        place.run(&arguments).await.with_code(0);
    };
    let export = async || {
        let arguments = ["evaluate", "--out", "out", "--export-golden"];
        place.run(&arguments).await.with_code(0)
    };
    export().await.says("golden data of 0 documents written");
    review(&["correct", "number.pdf", "BT-1", "R-2026-0417"]).await;
    export()
        .await
        .says("number.pdf: none, no run has taken over");
    place.local(&[]).await.with_code(0);
    review(&["approve", "number.pdf"]).await;
    place.local(&[]).await.with_code(0);
    export()
        .await
        .says("source-pdfs/number.pdf\n")
        .says("golden data of 1 document written");
    let golden = fs::read(place.out().join("golden/number.pdf.json")).expect("golden data");
    let golden = Golden::from_json("golden/number.pdf.json", &golden).expect("its own form");
    assert_eq!(golden.fields["BT-1"].as_deref(), Some("R-2026-0417"));
    assert_eq!(golden.by, ["ann"]);
    export().await.says("of 1 document there already");

    // What is stored is what Ann decided; what is judged is what the XML had said.
    let ended = place
        .run(&["evaluate", "--out", "out", "--json"])
        .await
        .with_code(0);
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let wrong = (
        "number.pdf".to_owned(),
        "BT-1".to_owned(),
        "wrong".to_owned(),
    );
    assert_eq!(findings(&report), [wrong], "{report:#}");
    assert_eq!(report["sources"]["xml"]["wrong"], 1);
    let values = golden.fields.values().flatten().count();
    assert_eq!(report["sources"]["person"]["right"], values);

    // Another file of the same name is not compared with it.
    place.add("number.pdf", &invoice(&[]));
    place.local(&[]).await.with_code(0);
    let ended = place.run(&["evaluate", "--out", "out"]).await.with_code(2);
    ended.complains("it is of other bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_has_its_golden_data_and_its_calibration_in_it() {
    let Some(cloud) = Cloud::start("evaluate_bucket").await else {
        return;
    };
    let settings = json!({"goal": "metadata", "pages": {"dpi": 36}});
    cloud.configure(&settings).await;
    let fields: BTreeMap<_, _> = RIGHT.iter().copied().collect();
    let golden = json!({"format": 1, "fields": fields}).to_string();
    for at in 0..5 {
        let name = format!("a folder/{at}.pdf");
        let pdf = invoice(if at == 3 { NUMBER } else { &[] });
        cloud.put(&format!("source-pdfs/{name}"), pdf).await;
        let key = format!("golden/{name}.json");
        cloud.put(&key, golden.clone().into_bytes()).await;
    }
    cloud.run_until_empty().await.with_code(0);
    let evaluate = ["evaluate", "--json", "--report", "report"];
    let ended = cloud.place.run(&evaluate).await.with_code(0);
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let wrong = ("a folder/3.pdf", "BT-1", "wrong");
    let wrong = (wrong.0.to_owned(), wrong.1.to_owned(), wrong.2.to_owned());
    assert_eq!(findings(&report), [wrong], "{report:#}");

    let calibration = fs::read(cloud.place.root().join("report/calibration.json"));
    let calibration = calibration.expect("a calibration");
    cloud.put("config/calibration.json", calibration).await;
    cloud.put("source-pdfs/new.pdf", invoice(&[])).await;
    cloud.run_until_empty().await.with_code(0);
    let made = cloud.get("extracted_fields/new.pdf.json").await;
    let made: FieldsFile = serde_json::from_slice(&made).expect("fields");
    assert!(made.fields.fields["BT-1"].probability.is_some());
}
