//! The contract of the extractive generator: what it says of small documents, and that it is bounded and repeatable.

use std::time::{Duration, Instant};

use pagemill_document::testing::page_with;
use pagemill_document::{
    Block, BlockKind, Inspection, PageNumber, PageState, PageText, Rect, Structure,
};
use pagemill_metadata::document::IdentifierKind;
use pagemill_metadata::extractive::ExtractiveGenerator;
use pagemill_metadata::{
    DocumentInput, DocumentMetadata, DocumentType, MetadataSettings, Source, Verified, schema,
};

/// A page from blocks of (font size, text).
fn page(number: u32, blocks: &[(f32, &str)]) -> PageText {
    let mut text = String::new();
    let mut placed = Vec::new();
    for (font_size, content) in blocks {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        let start = text.len() as u32;
        text.push_str(content);
        placed.push(Block {
            kind: BlockKind::Paragraph,
            level: None,
            start,
            end: text.len() as u32,
            bbox: Rect::default(),
            font_size: *font_size,
            bold: false,
            lines: Vec::new(),
            table: None,
        });
    }
    page_with(PageNumber(number), text, placed)
}

fn extract(inspection: &Inspection, pages: &[PageText]) -> DocumentMetadata {
    let structure = Structure::default();
    let input = DocumentInput {
        source_name: "inbox/scan-0042.pdf",
        sha256: "3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b",
        inspection,
        structure: &structure,
        pages,
        links: &[],
        custom_prompt: None,
    };
    ExtractiveGenerator::new(&MetadataSettings::default()).extract(input)
}

#[test]
fn in_7_without_an_llm_a_custom_prompt_is_ignored_and_that_is_said() {
    let (inspection, pages) = invoice();
    let structure = Structure::default();
    let made = |custom_prompt| {
        ExtractiveGenerator::new(&MetadataSettings::default()).extract(DocumentInput {
            source_name: "invoice.pdf",
            sha256: "00",
            inspection: &inspection,
            structure: &structure,
            pages: &pages,
            links: &[],
            custom_prompt,
        })
    };
    let plain = made(None);
    assert_eq!(made(Some("")), plain, "an empty one is none");
    let mut with_prompt = made(Some("Mind the mills."));
    let note = with_prompt.warnings.remove(0);
    assert!(note.contains("prompt was ignored") && !note.contains("mills"));
    assert_eq!(with_prompt, plain);
}

fn invoice() -> (Inspection, Vec<PageText>) {
    let mut inspection = Inspection {
        pages: 1,
        ..Inspection::default()
    };
    inspection.info.info.insert(
        "title".to_owned(),
        "Microsoft Word - inv_template.doc".to_owned(),
    );
    inspection
        .info
        .info
        .insert("author".to_owned(), "admin".to_owned());
    inspection.info.info.insert(
        "creation_date".to_owned(),
        "2024-05-02T10:00:00Z".to_owned(),
    );
    let pages = vec![page(
        1,
        &[
            (20.0, "Invoice"),
            (10.0, "Example Mills GmbH\nMill Lane 1\nVAT ID: DE136695976"),
            (
                10.0,
                "Invoice number: RE-2024-0042\nInvoice date: 2 May 2024\nDue date: 16 May 2024",
            ),
            (
                10.0,
                "Grinding of grain, 3 tonnes\nSubtotal 300.00\nVAT 19 % 57.00\nAmount due 357.00",
            ),
            (10.0, "IBAN: DE89 3704 0044 0532 0130 00"),
        ],
    )];
    (inspection, pages)
}

#[test]
fn an_invoice_gives_its_numbers_and_dates() {
    let (inspection, pages) = invoice();
    let metadata = extract(&inspection, &pages);
    assert_eq!(
        metadata
            .document_type
            .as_ref()
            .and_then(|found| found.value),
        Some(DocumentType::Invoice)
    );
    assert_eq!(
        metadata
            .dates
            .issued
            .as_ref()
            .and_then(|date| date.value.as_deref()),
        Some("2024-05-02")
    );
    assert_eq!(
        metadata
            .dates
            .due
            .as_ref()
            .and_then(|date| date.value.as_deref()),
        Some("2024-05-16")
    );
    let identifiers: Vec<(IdentifierKind, &str, bool)> = metadata
        .identifiers
        .iter()
        .map(|identifier| {
            (
                identifier.kind,
                identifier.claim.value.as_deref().unwrap_or_default(),
                identifier.checked,
            )
        })
        .collect();
    for expected in [
        (IdentifierKind::InvoiceNumber, "RE-2024-0042", false),
        (IdentifierKind::Iban, "DE89370400440532013000", true),
        (IdentifierKind::VatId, "DE136695976", true),
    ] {
        assert!(
            identifiers.contains(&expected),
            "{expected:?} not in {identifiers:?}"
        );
    }
    assert_eq!(metadata.authors, [], "a user name is no author");
    assert_eq!(
        metadata.organisations[0].claim.value.as_deref(),
        Some("Example Mills GmbH")
    );
    assert_eq!(
        metadata
            .dates
            .created
            .map(|date| (date.sources, date.verified)),
        Some((vec![Source::file("info")], Verified::File))
    );
    assert_eq!(metadata.generator.as_str(), "extractive");
    assert!(metadata.questions_answered.is_empty());
}

#[test]
fn the_whole_of_a_small_document_reads_as_agreed() {
    let (inspection, pages) = invoice();
    insta::assert_json_snapshot!(extract(&inspection, &pages));
}

#[test]
fn the_printed_title_replaces_a_file_name_and_evidence_is_on_its_page() {
    let mut inspection = Inspection {
        pages: 1,
        ..Inspection::default()
    };
    inspection
        .info
        .xmp
        .insert("dc:title".to_owned(), "paper_final_v2.tex".to_owned());
    let pages = vec![page(
        1,
        &[
            (9.0, "Journal of Milling 12 (2020)"),
            (18.0, "The response of water\nwheels to drought"),
            (10.0, "Abstract"),
            (
                10.0,
                "We measured the flow of forty mill streams over ten years and compared it with rainfall.",
            ),
            (
                10.0,
                "The results show that water wheels lose half of their power in dry summers.",
            ),
        ],
    )];
    let metadata = extract(&inspection, &pages);
    let title = metadata.title.expect("there is a title");
    assert_eq!(
        title.value.as_deref(),
        Some("The response of water wheels to drought")
    );
    assert_eq!(title.sources, [Source::rule("title")]);
    assert_eq!(title.evidence[0].page, PageNumber(1));
    assert_eq!(metadata.languages[0].value, "en");
    assert!(
        metadata
            .warnings
            .iter()
            .any(|warning| warning.contains("file name")),
        "{:?}",
        metadata.warnings
    );
}

#[test]
fn nothing_is_made_up_for_a_document_without_text() {
    let inspection = Inspection {
        pages: 1,
        ..Inspection::default()
    };
    let mut empty = page(1, &[]);
    empty.state = PageState::NeedsOcr;
    let metadata = extract(&inspection, &[empty]);
    assert_eq!(
        (&metadata.title, &metadata.document_type, &metadata.summary),
        (&None, &None, &None)
    );
    assert!(metadata.languages.is_empty() && metadata.keywords.is_empty());
    assert_eq!(metadata.pages_without_text, 1);
    assert_eq!(
        metadata.warnings,
        ["1 pages have no text and were not analysed"]
    );
}

/// What IEEE papers print: the pattern for keywords ends with the dash, and a line of it was cut inside that dash.
#[test]
fn keywords_that_a_dash_introduces_are_read() {
    for dash in ["—", ":", "-", " —"] {
        let keywords = format!("Index Terms{dash}mills, water wheels, grinding stones");
        let pages = [page(
            1,
            &[
                (18.0, "On the Flow of Water Through Mills"),
                (10.0, "Department of Mills, University of Example Town"),
                (10.0, "Abstract"),
                (10.0, &keywords),
                (10.0, "1 Introduction"),
                (10.0, "References"),
            ],
        )];
        let metadata = extract(&Inspection::default(), &pages);
        let document_type = metadata.document_type.and_then(|found| found.value);
        assert_eq!(document_type, Some(DocumentType::Paper), "{dash}");
    }
}

fn with_info(entries: &[(&str, &str)]) -> Inspection {
    let mut inspection = Inspection {
        pages: 1,
        ..Inspection::default()
    };
    for (name, value) in entries {
        let info = &mut inspection.info.info;
        info.insert((*name).to_owned(), (*value).to_owned());
    }
    inspection
}

#[test]
fn résumés_agreements_and_filings_have_their_types() {
    let resume = [page(
        1,
        &[
            (20.0, "Ada Miller"),
            (12.0, "Experience"),
            (10.0, "Miller at Example Mills since 2015"),
            (12.0, "Education"),
            (10.0, "University of Example Town"),
            (12.0, "Skills"),
            (10.0, "Grinding, sieving"),
        ],
    )];
    let agreement = [page(
        1,
        &[
            (16.0, "CREDIT AGREEMENT"),
            (
                10.0,
                "dated as of 3 May 2019 by and between Example Mills Ltd. as borrower and Example Bank",
            ),
        ],
    )];
    let filing = [page(
        1,
        &[
            (16.0, "FORM 10-Q"),
            (10.0, "Quarterly report pursuant to section 13"),
        ],
    )];
    for (pages, expected) in [
        (&resume, DocumentType::Resume),
        (&agreement, DocumentType::Contract),
        (&filing, DocumentType::Report),
    ] {
        let found = extract(&Inspection::default(), pages).document_type;
        assert_eq!(found.and_then(|found| found.value), Some(expected));
    }
}

#[test]
fn a_title_is_what_names_this_document() {
    let title = |inspection: &Inspection, large: &str| {
        let pages = [page(
            1,
            &[
                (22.0, large),
                (
                    10.0,
                    "Invoice number 4711-23\nInvoice date 2 May 2024\nVAT 19 % 57.00\nAmount due 357.00",
                ),
            ],
        )];
        extract(inspection, &pages)
            .title
            .and_then(|title| title.value)
    };
    let none = Inspection::default();
    for no_title in [
        "Rechnung",
        "Grand Total 319.00",
        "INVOICE No. 4711",
        "Copy",
        "Example Street 7 Town",
    ] {
        assert_eq!(title(&none, no_title), None, "{no_title}");
    }
    let named = with_info(&[("title", "Example Mills: Invoice 4711-23 dated 2024-05-02")]);
    assert_eq!(
        title(&named, "Rechnung").as_deref(),
        Some("Example Mills: Invoice 4711-23 dated 2024-05-02")
    );
    let copied = with_info(&[("title", "Copy of Amount due in May - Google Docs")]);
    assert_eq!(
        title(&copied, "Rechnung").as_deref(),
        Some("Amount due in May")
    );
}

#[test]
fn authors_are_persons_and_companies_are_organisations() {
    let by = |author: &str| {
        let metadata = extract(
            &with_info(&[("author", author)]),
            &[page(1, &[(10.0, "Text.")])],
        );
        let authors: Vec<String> = metadata
            .authors
            .into_iter()
            .filter_map(|author| author.value)
            .collect();
        let organisations = metadata.organisations.into_iter();
        let organisations: Vec<String> = organisations
            .filter_map(|found| found.claim.value)
            .collect();
        (authors, organisations)
    };
    let nobody = (Vec::new(), Vec::new());
    for code in ["SE:W:CAR:MP:I:S", "EDGAR Online", "USCIS", "jenny.miller"] {
        assert_eq!(by(code), nobody, "{code}");
    }
    assert_eq!(
        by("Grundbesitz Muster GmbH & Co."),
        (Vec::new(), vec!["Grundbesitz Muster GmbH & Co.".to_owned()])
    );
    assert_eq!(
        by("Ada Miller and Bob Stone").0,
        ["Ada Miller", "Bob Stone"]
    );
}

#[test]
fn numbers_and_dates_are_found_below_their_labels() {
    let pages = [page(
        1,
        &[
            (
                10.0,
                "Rechnungsnr.\tBestelldatum\tRechnungsdatum\tKundennr.",
            ),
            (10.0, "AB-4711\t01.02.2023\t05.03.2023\t88120"),
        ],
    )];
    let metadata = extract(&Inspection::default(), &pages);
    let issued = metadata.dates.issued.and_then(|date| date.value);
    assert_eq!(issued.as_deref(), Some("2023-03-05"));
    let numbers: Vec<(IdentifierKind, Option<&str>)> = metadata
        .identifiers
        .iter()
        .map(|found| (found.kind, found.claim.value.as_deref()))
        .collect();
    assert_eq!(
        numbers,
        [
            (IdentifierKind::InvoiceNumber, Some("AB-4711")),
            (IdentifierKind::CustomerNumber, Some("88120"))
        ]
    );
}

#[test]
fn ten_thousand_pages_take_bounded_time_and_equal_bytes_come_out_twice() {
    let paragraph = "The miller grinds wheat, rye and barley between two stones and sells the flour in the town. ";
    let pages: Vec<PageText> = (1..=10_000)
        .map(|number| {
            page(
                number,
                &[(
                    10.0,
                    &format!(
                        "Chapter {number} tells of day {number}. {}",
                        paragraph.repeat(20)
                    ),
                )],
            )
        })
        .collect();
    let inspection = Inspection {
        pages: 10_000,
        ..Inspection::default()
    };
    let begun = Instant::now();
    let first = serde_json::to_string(&extract(&inspection, &pages)).expect("metadata serialises");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(60), "took {took:?}");
    let second = serde_json::to_string(&extract(&inspection, &pages)).expect("metadata serialises");
    assert_eq!(first, second);
}

#[test]
fn the_output_follows_the_published_schema() {
    let (inspection, pages) = invoice();
    let metadata = serde_json::to_value(extract(&inspection, &pages)).expect("metadata serialises");
    let validator = jsonschema::validator_for(&schema()).expect("the schema is a schema");
    assert!(validator.is_valid(&metadata));
    let mut wrong = metadata;
    wrong["document_type"]["value"] = "poem".into();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn the_schema_in_the_documents_is_current() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metadata.schema.json");
    let current = serde_json::to_string_pretty(&schema()).expect("the schema serialises") + "\n";
    if std::env::var_os("PAGEMILL_UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().expect("the path has a folder"))
            .expect("docs can be made");
        std::fs::write(&path, &current).expect("the schema can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        written, current,
        "run this test with PAGEMILL_UPDATE_DOCS=1 and commit docs/metadata.schema.json"
    );
}
