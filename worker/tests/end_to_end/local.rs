//! `worker local`: a folder in, a folder out.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Write};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pagemill_index::TargetStore;
use pagemill_pipeline::{LinksFile, MetadataFile, StructureFile, TextFile};
use pagemill_storage::{RecordStatus, Stage};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader as AsyncBufReader};

use crate::support::{PATIENCE, Place, ran_again};

/// Width and height of a PNG whose every pixel can be decoded.
fn size_of_png(path: &std::path::Path) -> (u32, u32) {
    let file = BufReader::new(File::open(path).expect("a readable image"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let frame = reader.next_frame(&mut pixels).expect("whole pixels");
    (frame.width, frame.height)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_is_processed_into_the_documented_layout() {
    let Some(place) = Place::new("local samples") else {
        return;
    };
    let mut names = BTreeSet::new();
    for (name, bytes) in pagemill_samples::all() {
        // A folder and a space in a key are ordinary.
        let name = if name == "invoice.pdf" {
            "bills/May 2026/invoice.pdf"
        } else {
            name
        };
        place.add(name, &bytes);
        names.insert(name);
    }
    place.add("notes.txt", b"not to be touched");
    place.local(&[]).await.with_code(0).says(&format!(
        "{0} ({0} processed, 0 unchanged, 0 failed)",
        names.len()
    ));

    for name in &names {
        let record = place.record(name);
        assert_eq!(record.status, RecordStatus::Done, "{name}");
        assert_eq!(record.source.0, format!("source-pdfs/{name}"));
        assert_eq!(record.in_progress, None, "{name}");
        let text: TextFile = place.json(&format!("extracted_text/{name}.json"));
        let links: LinksFile = place.json(&format!("extracted_links/{name}.json"));
        let structure: StructureFile = place.json(&format!("extracted_structure/{name}.json"));
        let metadata: MetadataFile = place.json(&format!("pdf-metadata/{name}.json"));
        for header in [
            &text.header,
            &links.header,
            &structure.header,
            &metadata.header,
        ] {
            assert_eq!(header.source, record.source);
        }
        assert_eq!(text.pages.len() as u32, record.ledger.pages, "{name}");
        let images = place.page_images(name);
        assert_eq!(
            images.len() as u32,
            record.ledger.pages,
            "{name}: one image a page"
        );
        for (image, number) in images.iter().zip(1..) {
            assert!(
                image.ends_with(format!("page-{number:05}.png")),
                "{}",
                image.display()
            );
            let (width, height) = size_of_png(image);
            assert!(
                width > 300 && height > 300,
                "{}: {width} x {height}",
                image.display()
            );
        }
        let points = place.points(TargetStore::Pages, &record.source.0).await;
        assert_eq!(
            points.values().sum::<u64>(),
            u64::from(record.ledger.pages),
            "{name}: one point a page"
        );
    }

    let prefixes: BTreeSet<String> = place
        .objects()
        .into_keys()
        .filter_map(|key| Some(key.split_once('/')?.0.to_owned()))
        .collect();
    let documented = [
        "extracted_attachments",
        "extracted_fields",
        "extracted_links",
        "extracted_markdown",
        "extracted_structure",
        "extracted_text",
        "pdf-metadata",
        "pdf_page_images",
        "processing",
    ];
    assert_eq!(
        prefixes.iter().map(String::as_str).collect::<Vec<_>>(),
        documented
    );
    let history: Value = place.json("processing/pdf_process_history.json");
    for name in &names {
        assert!(
            history.to_string().contains(&format!("source-pdfs/{name}")),
            "{name} is in the history"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_of_an_invoice_come_from_its_xml_and_the_command_prints_the_same() {
    let Some(place) = Place::new("fields") else {
        return;
    };
    for (name, sample) in [
        ("electronic.pdf", pagemill_samples::electronic_invoice()),
        ("printed.pdf", pagemill_samples::invoice_carrying(&[])),
        ("report.pdf", pagemill_samples::report()),
    ] {
        place.add(name, &sample);
        place.local(&[]).await.with_code(0);
        let file = place.input().join(name);
        let file = file.to_str().expect("a plain path");
        let printed = place.run(&["fields", file]).await.with_code(0);
        let stored = place.out().join(format!("extracted_fields/{name}.json"));
        let stored = std::fs::read_to_string(stored).expect("it is stored");
        let body = printed.stdout.trim().strip_prefix('{').expect("an object");
        assert!(stored.trim().ends_with(body), "{name}: {stored}\n{body}");
        let made: Value = serde_json::from_str(&stored).expect("JSON");
        let has = |term: &str, value: &str| {
            assert_eq!(
                made["fields"][term]["value"], value,
                "{term} of {name}: {made}"
            );
        };
        match name {
            "report.pdf" => assert_eq!(made["profile"], "document"),
            _ => {
                assert_eq!(made["profile"], "invoice", "{name}");
                has("BT-1", "R-2026-0417");
                has("BT-2", "2026-01-15");
                has("BT-9", "2026-02-14");
                has("BT-84", "DE89370400440532013000");
                has("BT-109", "995.00");
                has("BT-112", "1064.65");
                assert_eq!(
                    made["fields"]["BT-1"]["verified"] == "xml",
                    name == "electronic.pdf"
                );
                assert_eq!(made["lines"].as_array().map(Vec::len), Some(2), "{name}");
                let failed = made["checks"].as_array().expect("checks").iter();
                let failed: Vec<_> = failed
                    .filter(|check| check["outcome"] == "failed")
                    .collect();
                assert!(failed.is_empty(), "{name}: {failed:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_beside_the_settings_give_fields_and_a_bad_one_loses_no_document() {
    let Some(place) = Place::new("profiles") else {
        return;
    };
    place.add("note.pdf", &pagemill_samples::invoice_carrying(&[]));
    place.local(&[]).await.with_code(0).says("1 processed");
    let stored = "extracted_fields/note.pdf.json";
    assert_eq!(place.json::<Value>(stored)["profile"], "invoice");

    let folder = place.out().join("config/profiles");
    std::fs::create_dir_all(&folder).expect("a folder");
    let good = serde_json::json!({
        "name": "mill_note",
        "when": {"any": [{"prefix": "source-pdfs/"}]},
        "schema": {"type": "object", "required": ["delivered"], "properties": {
            "delivered": {"type": "string", "format": "date", "labels": ["Leistungsdatum"]},
        }},
    });
    std::fs::write(folder.join("good.json"), good.to_string()).expect("written");
    std::fs::write(folder.join("bad.json"), "{\"name\": \"x\"}").expect("written");
    place.local(&[]).await.with_code(0).says("1 processed");
    let made: Value = place.json(stored);
    assert_eq!(
        (&made["profile"], &made["chosen_by"]),
        (&"mill_note".into(), &"prefix".into())
    );
    assert_eq!(made["fields"]["delivered"]["value"], "2026-01-12");
    let warning = made["warnings"][0].as_str().expect("a warning");
    assert!(
        warning.contains("bad.json") && warning.contains("docs/FIELDS.md"),
        "{warning}"
    );

    // Mended, and the next run says nothing of it any more; then nothing is left to do.
    std::fs::remove_file(folder.join("bad.json")).expect("removed");
    place.local(&[]).await.with_code(0).says("1 processed");
    assert_eq!(place.json::<Value>(stored)["warnings"], Value::Null);
    place.local(&[]).await.with_code(0).says("1 unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_markdown_that_is_stored_is_what_the_command_prints() {
    let Some(place) = Place::new("markdown") else {
        return;
    };
    for (name, sample) in [
        ("invoice.pdf", pagemill_samples::invoice()),
        ("links.pdf", pagemill_samples::links_and_outline()),
    ] {
        place.add(name, &sample);
        place.local(&[]).await.with_code(0);
        let file = place.input().join(name);
        let file = file.to_str().expect("a plain path");
        let printed = place.run(&["markdown", file]).await.with_code(0);
        let stored = place.out().join(format!("extracted_markdown/{name}.md"));
        let stored = std::fs::read_to_string(stored).expect("it is stored");
        assert!(!stored.is_empty(), "{name}");
        assert_eq!(printed.stdout, stored, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_searchable_copy_is_made_on_demand_from_what_was_read_before() {
    let Some(place) = Place::new("searchable") else {
        return;
    };
    // However much else the machine has to do, there is time to read a page.
    place.configure(&json!({"limits": {"page_timeout_seconds": 120}, "pages": {"dpi": 50}}));
    let settings = place.out().join("config/app_config.json");
    let settings = settings.to_str().expect("a plain path");
    let copy = |name: &str| std::fs::read(place.out().join("searchable_pdf").join(name)).ok();
    place.add("scan.pdf", &pagemill_samples::scan());
    place.add("invoice.pdf", &pagemill_samples::invoice());
    place.local(&[]).await.with_code(0).says("2 processed");
    assert_eq!(copy("scan.pdf"), None);
    let before = place.record("scan.pdf");
    assert_eq!(before.ledger.ocr, [1]);

    place
        .local(&["--searchable"])
        .await
        .with_code(0)
        .says("2 processed");
    let after = place.record("scan.pdf");
    let stage: Stage = "searchable".parse().expect("a name");
    assert_eq!(ran_again(&before, &after), [Stage::Commit, stage]);
    assert_eq!(after.stages[&stage].facts["pages"], 1);
    let made = copy("scan.pdf").expect("a copy");
    assert!(
        made.starts_with(&pagemill_samples::scan()) && made.len() > pagemill_samples::scan().len()
    );
    // What has a text layer already is copied as it is.
    assert_eq!(copy("invoice.pdf"), Some(pagemill_samples::invoice()));
    let verify = ["verify", "--out", "out", "--input", "in"];
    place.run(&verify).await.with_code(0);
    let stray = place.out().join("searchable_pdf/stray.pdf");
    std::fs::copy(place.input().join("scan.pdf"), &stray).expect("a copy");
    let told = place.run(&verify).await;
    told.with_code(1).says("searchable_pdf/stray.pdf");
    std::fs::remove_file(&stray).expect("it is there");
    place
        .local(&["--searchable"])
        .await
        .with_code(0)
        .says("0 processed, 2 unchanged");

    // The command alone makes the same, and another reader finds what is in it.
    let scan = place.input().join("scan.pdf");
    let alone = place.root().join("alone");
    let [scan, alone] = [&scan, &alone].map(|path| path.to_str().expect("a plain path"));
    let ended = place
        .run(&["searchable", scan, "--out", alone, "--config", settings])
        .await
        .with_code(0);
    ended.says("1 of 1 pages read from their pictures");
    let alone = Path::new(alone).join("scan.pdf");
    assert_eq!(std::fs::read(&alone).expect("a copy"), made);
    let alone = alone.to_str().expect("a plain path");
    let printed = place.run(&["markdown", alone]).await.with_code(0);
    assert!(
        printed.stdout.contains("forty sacks of wheat"),
        "{}",
        printed.stdout
    );
    place
        .run(&["searchable", scan, "--out", "in"])
        .await
        .with_code(1)
        .complains("written over it");

    // A run without the option leaves a copy that is true, and takes away one that is not.
    place
        .local(&[])
        .await
        .with_code(0)
        .says("0 processed, 2 unchanged");
    assert!(copy("scan.pdf").is_some());
    place.add("scan.pdf", &pagemill_samples::blank());
    place.local(&[]).await.with_code(0).says("1 processed");
    assert_eq!(copy("scan.pdf"), None);
    place.run(&verify).await.with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_does_nothing_and_writes_nothing() {
    let Some(place) = Place::new("second run") else {
        return;
    };
    place.add("invoice.pdf", &pagemill_samples::invoice());
    place.add("links.pdf", &pagemill_samples::links_and_outline());
    place
        .local(&[])
        .await
        .with_code(0)
        .says("2 processed, 0 unchanged");
    let before = place.objects();
    let points = place
        .points(TargetStore::Semantic, "source-pdfs/invoice.pdf")
        .await;
    place
        .local(&[])
        .await
        .with_code(0)
        .says("0 processed, 2 unchanged");
    assert!(
        place.objects() == before,
        "a second run leaves every file as it was"
    );
    assert_eq!(
        place
            .points(TargetStore::Semantic, "source-pdfs/invoice.pdf")
            .await,
        points
    );
    place
        .local(&["--force"])
        .await
        .with_code(0)
        .says("2 processed, 0 unchanged");
    assert_eq!(
        place
            .points(TargetStore::Semantic, "source-pdfs/invoice.pdf")
            .await,
        points
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_run_and_does_nothing() {
    let Some(place) = Place::new("dry run") else {
        return;
    };
    place.add("invoice.pdf", &pagemill_samples::invoice());
    place
        .local(&["--dry-run"])
        .await
        .with_code(0)
        .says("invoice.pdf: inspect, pages, text, links, structure, attachments, markdown, metadata, extract, index, commit (new)")
        .says("1 of 1 documents would run");
    assert!(place.objects().is_empty(), "a dry run writes nothing");
    place.local(&[]).await.with_code(0);
    let before = place.objects();
    place
        .local(&["--dry-run"])
        .await
        .with_code(0)
        .says("invoice.pdf: up to date")
        .says("0 of 1 documents would run");
    assert!(place.objects() == before, "a dry run writes nothing");
    place.configure(&json!({"pages": {"dpi": 72}}));
    let ended = place
        .local(&["--dry-run"])
        .await
        .with_code(0)
        .says("invoice.pdf: pages, index, commit (its inputs or settings changed)");
    assert!(!ended.stdout.contains("metadata"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_the_invoice() {
    let Some(place) = Place::new("search") else {
        return;
    };
    place
        .run(&["search", "--out", "out", "invoice"])
        .await
        .with_code(2)
        .complains("worker local");
    place.add("invoice.pdf", &pagemill_samples::invoice());
    place.add("report.pdf", &pagemill_samples::report());
    place.add("other/slides.pdf", &pagemill_samples::slides());
    place.local(&[]).await.with_code(0);
    for store in ["semantic", "pages", "haystack"] {
        let question = "total amount due on the invoice";
        let ended = place
            .run(&[
                "search", "--out", "out", "--json", "--store", store, question,
            ])
            .await
            .with_code(0);
        let first: Value =
            serde_json::from_str(ended.stdout.lines().next().expect("a hit")).expect("JSON");
        assert_eq!(
            first["source"], "source-pdfs/invoice.pdf",
            "{store}: {first}"
        );
        let image = place
            .out()
            .join(first["page_image"].as_str().expect("a page image"));
        assert!(image.is_file(), "{}", image.display());
    }
    let below = place
        .run(&[
            "search",
            "--out",
            "out",
            "--json",
            "--prefix",
            "source-pdfs/other/",
            "invoice",
        ])
        .await;
    for line in below.with_code(0).stdout.lines() {
        let hit: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(hit["source"], "source-pdfs/other/slides.pdf");
    }
    let questions = "total amount due\n\nwhat do the slides show?\n";
    std::fs::write(place.root().join("questions"), questions).expect("a file");
    let asked = place
        .run(&["search", "--out", "out", "--questions", "questions"])
        .await
        .with_code(0);
    let answers: Vec<Value> = asked
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let found: Vec<(&Value, &Value)> = answers
        .iter()
        .map(|answer| (&answer["question"], &answer["hits"][0]["source"]))
        .collect();
    assert_eq!(
        found,
        [
            (
                &"total amount due".into(),
                &"source-pdfs/invoice.pdf".into()
            ),
            (
                &"what do the slides show?".into(),
                &"source-pdfs/other/slides.pdf".into()
            ),
        ]
    );
    place
        .run(&["search", "--out", "out", "--questions", "nothing"])
        .await
        .with_code(2)
        .complains("nothing can't be opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_file_is_processed_alone() {
    let Some(place) = Place::new("single file") else {
        return;
    };
    place.add("invoice.pdf", &pagemill_samples::invoice());
    place.add("blank.pdf", &pagemill_samples::blank());
    let ended = place
        .run(&["local", "in/invoice.pdf", "--out", "out"])
        .await;
    ended.with_code(0).says("1 (1 processed");
    assert_eq!(place.record("invoice.pdf").status, RecordStatus::Done);
    assert!(
        !place
            .out()
            .join("processing/records/blank.pdf.json")
            .exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_arguments_and_settings_is_said_with_exit_code_2() {
    let Some(mut place) = Place::new("exit codes") else {
        return;
    };
    place
        .run(&["local", "nowhere", "--out", "out"])
        .await
        .with_code(2)
        .complains("nowhere can't be opened");
    place
        .local(&[])
        .await
        .with_code(2)
        .complains("holds no PDF");
    place.add("invoice.pdf", &pagemill_samples::invoice());
    place
        .local(&["--target-stores", "semantik"])
        .await
        .with_code(2)
        .complains("semantik");
    place
        .local(&["--config", "none.json"])
        .await
        .with_code(2)
        .complains("none.json can't be read");
    place.configure(&json!({"pages": {"dbi": 72}}));
    place.local(&[]).await.with_code(2).complains("dbi");
    place.configure(&json!({"metadata": {"generator": "llm", "model": "m"}}));
    place
        .local(&[])
        .await
        .with_code(2)
        .complains("LLM_BASE_URL");
    place.configure(&json!({}));
    place.environment.push(("PAGEMILL_CHILDRN", "1".into()));
    place
        .local(&[])
        .await
        .with_code(2)
        .complains("PAGEMILL_CHILDRN");
    place.environment.clear();
    place.environment.push(("PAGEMILL_RUNTIME", "empty".into()));
    place
        .local(&[])
        .await
        .with_code(2)
        .complains("scripts/setup");
    assert!(
        !place.out().join("processing").exists(),
        "nothing was processed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_leaves_no_old_images_or_points() {
    let Some(place) = Place::new("changed file") else {
        return;
    };
    let key = "source-pdfs/paper.pdf";
    place.add("paper.pdf", &pagemill_samples::report());
    place.local(&[]).await.with_code(0);
    let (old_record, old_images) = (place.record("paper.pdf"), place.page_images("paper.pdf"));
    assert!(
        old_images.len() > 2,
        "the first version has more pages than the second"
    );

    place.add("paper.pdf", &pagemill_samples::invoice());
    place.local(&[]).await.with_code(0).says("1 processed");
    let record = place.record("paper.pdf");
    assert_ne!(
        record.version.map(|version| version.sha256),
        old_record.version.map(|version| version.sha256)
    );
    let images = place.page_images("paper.pdf");
    assert_eq!(images.len() as u32, record.ledger.pages);
    assert!(
        images.iter().all(|image| !old_images.contains(image)),
        "old images are gone"
    );
    for target in TargetStore::ALL {
        let points = place.points(target, key).await;
        let expected = record.stages[&pagemill_storage::Stage::Index].facts
            [&format!("points_{}", target.name())]
            .as_u64();
        assert_eq!(
            points.len(),
            1,
            "{target}: points of one generation only: {points:?}"
        );
        assert_eq!(points.into_values().next(), expected, "{target}");
    }
    let text: TextFile = place.json("extracted_text/paper.pdf.json");
    assert_eq!(text.pages.len() as u32, record.ledger.pages);
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_takes_a_file_when_it_is_whole_and_ends_on_ctrl_c() {
    let Some(place) = Place::new("watch") else {
        return;
    };
    place.add("first.pdf", &pagemill_samples::blank());
    let mut child = place
        .local_command(&["--watch"])
        .spawn()
        .expect("the worker starts");
    let mut lines = AsyncBufReader::new(child.stdout.take().expect("standard output")).lines();
    let mut seen = Vec::new();
    let mut next_line = async |wanted: &str| {
        let found = async {
            while let Some(line) = lines.next_line().await.expect("readable output") {
                let is_wanted = line.contains(wanted);
                seen.push(line);
                if is_wanted {
                    return;
                }
            }
            panic!("the output ended without {wanted:?}: {seen:#?}");
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("no {wanted:?}"));
    };
    next_line("first.pdf").await;
    next_line("watching").await;

    // The file grows for longer than two looks of the worker.
    let bytes = pagemill_samples::invoice();
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(place.input().join("slow.pdf"))
        .expect("a file");
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    for part in bytes.chunks(bytes.len().div_ceil(16)) {
        tick.tick().await;
        file.write_all(part).expect("a writable file");
        assert!(
            !place
                .out()
                .join("processing/records/slow.pdf.json")
                .exists(),
            "taken before it was whole"
        );
    }
    drop(file);
    next_line("slow.pdf").await;
    let pid = Pid::from_raw(child.id().expect("it runs").cast_signed());
    kill(pid, Signal::SIGINT).expect("a signal can be sent");
    let status = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .expect("it ends")
        .expect("a status");
    assert_eq!(status.code(), Some(0), "{seen:#?}");
    assert!(
        !seen.iter().any(|line| line.contains("FAILED")),
        "{seen:#?}"
    );
    let record = place.record("slow.pdf");
    assert_eq!(record.status, RecordStatus::Done);
    assert_eq!(record.version.expect("a version").bytes, bytes.len() as u64);
    assert_eq!(
        fs::read(place.input().join("slow.pdf")).expect("a file"),
        bytes,
        "the source is left alone"
    );
}
