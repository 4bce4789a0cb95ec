//! Keys: none escapes its prefix, none is longer than S3 takes, and each leads back to its source.

use super::*;

fn key(text: &str) -> SourceKey {
    SourceKey(text.into())
}

#[test]
fn ordinary_keys_appear_as_they_are() {
    let layout = KeyLayout::default();
    let source = key("source-pdfs/reports/2024 Q3+é.pdf");
    let generation = Generation("0123456789abcdef".into());
    assert_eq!(
        layout.page_image(&source, &generation, 1, "png"),
        "pdf_page_images/reports/2024 Q3+é.pdf/0123456789abcdef/page-00001.png"
    );
    assert_eq!(
        layout.thumbnail(&source, &generation, 12, "png"),
        "pdf_page_images/reports/2024 Q3+é.pdf/0123456789abcdef/thumb-00012.png"
    );
    assert_eq!(
        layout.text(&source),
        "extracted_text/reports/2024 Q3+é.pdf.json"
    );
    assert_eq!(
        layout.links(&source),
        "extracted_links/reports/2024 Q3+é.pdf.json"
    );
    assert_eq!(
        layout.structure(&source),
        "extracted_structure/reports/2024 Q3+é.pdf.json"
    );
    assert_eq!(
        layout.markdown(&source),
        "extracted_markdown/reports/2024 Q3+é.pdf.md"
    );
    assert_eq!(
        layout.metadata(&source),
        "pdf-metadata/reports/2024 Q3+é.pdf.json"
    );
    assert_eq!(
        layout.record(&source),
        "processing/records/reports/2024 Q3+é.pdf.json"
    );
    assert_eq!(
        layout.charge(&source, "0123456789abcdef", Stage::Metadata, 7),
        "processing/charges/reports/2024 Q3+é.pdf/0123456789abcdef-metadata-00007.json"
    );
    assert_eq!(
        layout.answer(&source, "0123abcd"),
        "processing/answers/reports/2024 Q3+é.pdf/0123abcd.json"
    );
    let day = jiff::civil::date(2026, 1, 31);
    assert_eq!(layout.spent_on(day), "processing/budget/2026-01-31.json");
    assert_eq!(layout.history(), "processing/pdf_process_history.json");
    assert_eq!(layout.relative(&source), "reports/2024 Q3+é.pdf");
}

#[test]
fn a_file_named_only_pdf_is_one() {
    let layout = KeyLayout::default();
    for name in [".pdf", "a/.pdf", "a.PDF", "a.Pdf", "ü.pdf", "a..pdf"] {
        assert!(is_pdf_name(name.as_bytes()), "{name}");
        assert!(layout.is_source(&format!("source-pdfs/{name}")), "{name}");
    }
    for name in ["", "pdf", "apdf", ".pdf/", "a.pdfx", "a.pdf.json", "a.pdf "] {
        assert!(!is_pdf_name(name.as_bytes()), "{name}");
        assert!(!layout.is_source(&format!("source-pdfs/{name}")), "{name}");
    }
    assert!(!layout.is_source("elsewhere/a.pdf"));
}

#[test]
fn odd_keys_keep_apart_stay_inside_and_come_back() {
    let layout = KeyLayout::default();
    let long_segment = "é".repeat(300);
    let odd = [
        "source-pdfs/a.pdf".to_owned(),
        "source-pdfs/A.pdf".to_owned(),
        "source-pdfs//a.pdf".to_owned(),
        "source-pdfs/%~/a.pdf".to_owned(),
        "source-pdfs/./a.pdf".to_owned(),
        "source-pdfs/../a.pdf".to_owned(),
        "source-pdfs/../../a.pdf".to_owned(),
        "source-pdfs/%~%2E%2E/a.pdf".to_owned(),
        "source-pdfs/%2E%2E/a.pdf".to_owned(),
        "source-pdfs/a\nb.pdf".to_owned(),
        "source-pdfs/a%0Ab.pdf".to_owned(),
        "source-pdfs/a b.pdf".to_owned(),
        "source-pdfs/a+b.pdf".to_owned(),
        "source-pdfs/~.pdf".to_owned(),
        "source-pdfs/%~~/a.pdf".to_owned(),
        format!("source-pdfs/{long_segment}.pdf"),
        format!("source-pdfs/{}.pdf", "x".repeat(201)),
        "source-pdfs/".to_owned(),
        "source-pdfs/..".to_owned(),
        "a.pdf".to_owned(),
        "/a.pdf".to_owned(),
        "other/a.pdf".to_owned(),
        String::new(),
    ];
    let mut seen = std::collections::BTreeMap::new();
    for source in &odd {
        let record = layout.record(&key(source));
        assert!(record.len() <= 1024, "{record}");
        let path = record
            .strip_prefix("processing/records/")
            .expect("stays inside");
        for segment in path.split('/') {
            assert!(
                !matches!(segment, "" | "." | ".."),
                "{source:?} gives {record:?}"
            );
            assert!(segment.len() <= 240, "{source:?} gives {record:?}");
            assert!(
                !segment.chars().any(char::is_control),
                "{source:?} gives {record:?}"
            );
        }
        assert_eq!(
            layout.source_of_record(&record),
            Some(key(source)),
            "{record:?}"
        );
        if let Some(other) = seen.insert(record.clone(), source) {
            panic!("{source:?} and {other:?} share {record:?}");
        }
    }
}

proptest::proptest! {
    /// S3 keys have at most 1,024 bytes. A key that comes back from its record's key shares it with no other.
    #[test]
    fn any_key_comes_back_from_a_safe_record_key(
        path in "([a%~./\\PC\u{0}-\u{7f}]|\\.\\./|%~|//|é{90}|x{190}){0,12}",
        is_under_prefix: bool,
    ) {
        let layout = KeyLayout::default();
        let prefix = if is_under_prefix { "source-pdfs/" } else { "" };
        let source = key(&format!("{prefix}{path}"));
        proptest::prop_assume!(source.0.len() <= 1024);
        let record = layout.record(&source);
        proptest::prop_assert!(record.len() <= 1024);
        for segment in record.split('/') {
            proptest::prop_assert!(!matches!(segment, "" | "." | ".."), "{record:?}");
            proptest::prop_assert!(segment.len() <= 240, "{record:?}");
        }
        if !record.starts_with("processing/records/%~~") || record.contains("%~~/") {
            proptest::prop_assert_eq!(layout.source_of_record(&record), Some(source));
        }
    }
}

#[test]
fn a_path_too_long_to_spell_becomes_a_hash() {
    let layout = KeyLayout::default();
    let deep = |last: char| key(&format!("source-pdfs/{}{last}.pdf", "\u{1}/".repeat(480)));
    let generation = Generation("0123456789abcdef".into());
    let one = layout.page_image(&deep('a'), &generation, 1, "webp");
    let two = layout.page_image(&deep('b'), &generation, 1, "webp");
    assert_ne!(one, two);
    assert!(one.len() <= 1024);
    assert_eq!(layout.source_of_record(&layout.record(&deep('a'))), None);
}

#[test]
fn a_source_is_a_pdf_in_any_case_under_the_prefix() {
    let layout = KeyLayout::default();
    assert!(layout.is_source("source-pdfs/a.pdf"));
    assert!(layout.is_source("source-pdfs/é/a.PdF"));
    assert!(!layout.is_source("source-pdfs/a.pdf.json"));
    assert!(!layout.is_source("source-pdfs/"));
    assert!(!layout.is_source("source-pdfs/pdf"));
    assert!(!layout.is_source("source-pdfs/dir.pdf/"));
    assert!(!layout.is_source("elsewhere/a.pdf"));
    assert!(
        !layout.is_source("source-pdfs/aéé"),
        "no cut inside a character"
    );
}

#[test]
fn images_of_a_source_below_another_are_not_the_others() {
    let layout = KeyLayout::default();
    let generation = Generation("0123456789abcdef".into());
    let outer = key("source-pdfs/a.pdf");
    let inner = key("source-pdfs/a.pdf/b.pdf");
    let image = layout.page_image(&outer, &generation, 3, "png");
    assert_eq!(
        layout.generation_of_image(&outer, &image),
        Some(generation.clone())
    );
    let inner_image = layout.page_image(&inner, &generation, 3, "png");
    assert!(inner_image.starts_with(&layout.page_images_of_all_generations(&outer)));
    assert_eq!(layout.generation_of_image(&outer, &inner_image), None);
}

#[test]
fn a_part_is_named_by_its_build_and_its_pages_and_belongs_to_one_source() {
    let layout = KeyLayout::default();
    let generation = Generation("0123456789abcdef".into());
    let outer = key("source-pdfs/a.pdf");
    let inner = key("source-pdfs/a.pdf/b.pdf");
    let part = layout.part(&outer, &generation, &(1..=512));
    assert_eq!(
        part,
        "processing/parts/a.pdf/0123456789abcdef/000001-000512.jsonl"
    );
    let pages = |key: &str| layout.pages_of_part(&outer, &generation, key);
    assert_eq!(pages(&part), Some(1..=512));
    let folder = layout.parts_of(&outer, &generation);
    for name in [
        "",
        "000002-000001.jsonl",
        "1-512.jsonl",
        "000001-000512.jsonl.bak",
        "x/000001-000512.jsonl",
    ] {
        assert_eq!(pages(&format!("{folder}{name}")), None, "{name}");
    }
    let many = layout.part(&outer, &generation, &(999_999..=1_000_000));
    assert_eq!(pages(&many), Some(999_999..=1_000_000));

    let of_inner = layout.part(&inner, &generation, &(1..=2));
    assert!(of_inner.starts_with(&layout.parts_of_all_generations(&outer)));
    assert!(layout.is_part_of(&inner, &of_inner) && !layout.is_part_of(&outer, &of_inner));
    assert!(layout.is_part_of(&outer, &part) && !layout.is_part_of(&inner, &part));
}

#[test]
fn a_reading_is_named_by_its_reader_its_page_and_its_pictures_and_belongs_to_one_source() {
    let layout = KeyLayout::default();
    let generation = Generation("0123456789abcdef".into());
    let outer = key("source-pdfs/a.pdf");
    let inner = key("source-pdfs/a.pdf/b.pdf");
    let pictures = "fedcba9876543210ffffffff";
    let reading = layout.reading(&outer, &generation, 12, pictures);
    assert_eq!(
        reading,
        "processing/readings/a.pdf/0123456789abcdef/000012-fedcba9876543210.json"
    );
    let page = |key: &str| layout.page_of_reading(&outer, &generation, key);
    assert_eq!(page(&reading), Some(12));
    let folder = layout.readings_of(&outer, &generation);
    for name in [
        "",
        "12-fedcba9876543210.json",
        "000000-fedcba9876543210.json",
        "000012-fedcba98.json",
        "000012-fedcba987654321z.json",
        "000012-fedcba9876543210.json.bak",
        "x/000012-fedcba9876543210.json",
    ] {
        assert_eq!(page(&format!("{folder}{name}")), None, "{name}");
    }
    let of_inner = layout.reading(&inner, &generation, 1, pictures);
    assert!(of_inner.starts_with(&layout.readings_of_all_generations(&outer)));
    assert!(layout.is_reading_of(&inner, &of_inner) && !layout.is_reading_of(&outer, &of_inner));
    assert!(layout.is_reading_of(&outer, &reading) && !layout.is_reading_of(&inner, &reading));
}

#[test]
fn overlapping_or_unclean_prefixes_are_refused() {
    assert_eq!(KeyLayout::default().validate(), Ok(()));
    let with_source = |source: &str| KeyLayout {
        source: source.into(),
        ..KeyLayout::default()
    };
    for (source, fault) in [
        ("in", "slash"),
        ("", "slash"),
        ("/", "empty segment"),
        ("/in/", "empty segment"),
        ("a/../b/", "empty segment"),
        ("processing/in/", "overlap"),
        ("extracted_text/", "overlap"),
        (".pagemill/in/", "own files"),
    ] {
        let message = with_source(source).validate().expect_err(source);
        assert!(message.contains(fault), "{source:?}: {message}");
    }
}
