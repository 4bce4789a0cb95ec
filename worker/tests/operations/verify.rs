//! `worker verify`: every kind of inconsistency, one by one, and nothing on a clean state.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pagemill_index::{Collection, CollectionNames, EdgeStore, TargetStore, VectorStore};
use pagemill_metadata::stub::{Reply, StubServer};
use serde_json::{Value, json};

use crate::emulated_cloud::Cloud;
use crate::support::{Place, until};

const SOURCE: &str = "source-pdfs/invoice.pdf";

/// Verifies the folder and answers kind and key of each finding.
async fn findings(place: &Place, more: &[&str]) -> Vec<(String, String)> {
    let mut arguments = vec!["verify", "--out", "out", "--input", "in", "--json"];
    arguments.extend(more);
    let ended = place.run(&arguments).await;
    let lines: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let found: Vec<(String, String)> = lines
        .iter()
        .filter(|line| line.get("kind").is_some())
        .map(|line| {
            let text = |name: &str| line[name].as_str().expect("a text").to_owned();
            assert!(!text("what").is_empty() && !text("remedy").is_empty());
            (text("kind"), text("key"))
        })
        .collect();
    let code = i32::from(!found.is_empty());
    let ended = ended.with_code(code);
    let last = lines.last().expect("a summary");
    assert!(last.get("checked").is_some(), "{}", ended.stdout);
    found
}

fn found(kind: &str, key: &str) -> Vec<(String, String)> {
    vec![(kind.to_owned(), key.to_owned())]
}

/// A folder with one processed document.
async fn processed(test: &str) -> Option<Place> {
    let place = Place::new(test)?;
    place.configure(&json!({"pages": {"dpi": 50}}));
    place.add("invoice.pdf", &pagemill_samples::invoice());
    place.local(&[]).await.with_code(0);
    Some(place)
}

fn record_path(place: &Place) -> PathBuf {
    place.out().join("processing/records/invoice.pdf.json")
}

fn change_record(place: &Place, change: impl FnOnce(&mut Value)) {
    let path = record_path(place);
    let mut record: Value =
        serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
    change(&mut record);
    fs::write(&path, record.to_string()).expect("a writable file");
}

#[tokio::test(flavor = "multi_thread")]
async fn out_4_each_inconsistency_is_found_and_nothing_else() {
    let Some(place) = processed("verify").await else {
        return;
    };
    assert_eq!(findings(&place, &[]).await, []);
    let links = "extracted_links/invoice.pdf.json";
    let image = place.page_images("invoice.pdf").remove(0);
    let folder = image.parent().expect("a folder").strip_prefix(place.out());
    let folder = format!("{}/", folder.expect("below the output").display());

    // Missing: a file, a page image.
    let bytes = fs::read(place.out().join(links)).expect("a file");
    fs::remove_file(place.out().join(links)).expect("removed");
    assert_eq!(findings(&place, &[]).await, found("missing", links));
    // The remedy mends it.
    place.local(&["--force"]).await.with_code(0);
    assert_eq!(findings(&place, &[]).await, []);
    let image_bytes = fs::read(&image).expect("an image");
    fs::remove_file(&image).expect("removed");
    assert_eq!(findings(&place, &[]).await, found("missing", &folder));

    // Tampered: a page image of another size, a file that was edited, a file that is damaged.
    fs::write(&image, [&image_bytes[..], b"more"].concat()).expect("written");
    assert_eq!(findings(&place, &[]).await, found("tampered", &folder));
    fs::write(&image, &image_bytes).expect("written");
    assert_eq!(
        findings(&place, &[]).await,
        [],
        "an image that is put back is whole"
    );
    for content in [&bytes[..], b"{}", b"{\"format\":"] {
        fs::write(place.out().join(links), content).expect("written");
        assert_eq!(findings(&place, &[]).await, found("tampered", links));
    }
    place.local(&["--force"]).await.with_code(0);
    assert_eq!(findings(&place, &[]).await, []);

    // Markdown, which does not say what it was made from, is known all the same.
    let markdown = "extracted_markdown/invoice.pdf.md";
    fs::write(place.out().join(markdown), "# Another").expect("written");
    assert_eq!(findings(&place, &[]).await, found("tampered", markdown));
    fs::remove_file(place.out().join(markdown)).expect("removed");
    assert_eq!(findings(&place, &[]).await, found("missing", markdown));
    place.local(&["--force"]).await.with_code(0);
    assert_eq!(findings(&place, &[]).await, []);

    // Letters: a text that was edited, and is JSON still.
    let text = "extracted_text/invoice.pdf.json";
    assert_eq!(findings(&place, &["--letters"]).await, []);
    let whole = fs::read_to_string(place.out().join(text)).expect("a file");
    let edited = whole.replacen("Invoice", "Invoce", 2);
    assert_ne!(edited, whole, "the invoice says what it is");
    fs::write(place.out().join(text), edited).expect("written");
    let both: Vec<_> = ["tampered", "letters"]
        .into_iter()
        .flat_map(|kind| found(kind, text))
        .collect();
    assert_eq!(findings(&place, &["--letters"]).await, both);
    place.local(&["--force"]).await.with_code(0);
    assert_eq!(findings(&place, &["--letters"]).await, []);

    // Orphaned: a file of no record, images of an old generation, a stranger among the images.
    for key in [
        "extracted_text/gone.pdf.json",
        "extracted_attachments/gone.pdf.json",
        "extracted_fields/gone.pdf.json",
        "extracted_markdown/gone.pdf.md",
        "pdf_page_images/invoice.pdf/0123456789abcdef/page-00001.png",
        &format!("{folder}notes.txt"),
    ] {
        let path = place.out().join(key);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, b"x").expect("written");
        let named = match key.ends_with(".png") {
            true => "pdf_page_images/invoice.pdf/0123456789abcdef/",
            false => key,
        };
        assert_eq!(findings(&place, &[]).await, found("orphaned", named));
        assert_eq!(
            findings(&place, &["--delete-orphans"]).await,
            found("orphaned", named)
        );
        assert!(!path.exists(), "{key}");
        assert_eq!(findings(&place, &[]).await, []);
    }
    assert!(image.exists() && place.out().join(links).exists());

    // Points: of another generation, and too few.
    let collection = Collection::of(TargetStore::Semantic, &CollectionNames::default());
    let generation = {
        let store = EdgeStore::open(&place.out().join("vectors")).expect("the store opens");
        let entry = store.inventory(&collection).await.expect("read").remove(0);
        let mut points = store
            .nearest(
                &collection,
                pagemill_index::QueryVector::Dense(vec![0.1; 256]),
                1,
                &pagemill_index::SearchFilter::default(),
            )
            .await
            .expect("hits");
        let mut payload = points.remove(0).payload;
        payload.insert("generation".into(), "fedcba9876543210".into());
        let point = pagemill_index::Point {
            id: "00000000-0000-4000-8000-000000000001"
                .parse()
                .expect("an id"),
            dense: Some(vec![0.1; 256]),
            sparse: None,
            payload,
        };
        store
            .upsert(&collection, vec![point])
            .await
            .expect("written");
        store.flush().await.expect("durable");
        entry.generation
    };
    assert_eq!(findings(&place, &[]).await, found("orphaned", SOURCE));
    assert_eq!(
        findings(&place, &["--delete-orphans"]).await,
        found("orphaned", SOURCE)
    );
    assert_eq!(findings(&place, &[]).await, []);
    {
        let store = EdgeStore::open(&place.out().join("vectors")).expect("the store opens");
        store
            .delete_generation(&collection, SOURCE, &generation)
            .await
            .expect("deleted");
        store.flush().await.expect("durable");
    }
    assert_eq!(findings(&place, &[]).await, found("missing", SOURCE));
    place.local(&["--force"]).await.with_code(0);
    assert_eq!(findings(&place, &[]).await, []);

    // Sources: one without a record, one that changed, one that is gone.
    place.add("new.pdf", &pagemill_samples::invoice());
    assert_eq!(
        findings(&place, &[]).await,
        found("unprocessed", "source-pdfs/new.pdf")
    );
    fs::remove_file(place.input().join("new.pdf")).expect("removed");
    let source = fs::read(place.input().join("invoice.pdf")).expect("a source");
    place.add("invoice.pdf", &[&source[..], b"\n"].concat());
    assert_eq!(findings(&place, &[]).await, found("stale", SOURCE));
    fs::remove_file(place.input().join("invoice.pdf")).expect("removed");
    assert_eq!(findings(&place, &[]).await, found("sourceless", SOURCE));
    place.add("invoice.pdf", &source);
    place.local(&[]).await.with_code(0);
    assert_eq!(findings(&place, &[]).await, []);

    // Parts: of no use once the document is done, nor where it was never read.
    for name in ["invoice.pdf", "gone.pdf"] {
        let key = format!("processing/parts/{name}/0123456789abcdef/000001-000002.jsonl");
        let path = place.out().join(&key);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, "{}").expect("written");
        assert_eq!(findings(&place, &[]).await, found("orphaned", &key));
        let more = ["--delete-orphans"];
        assert_eq!(findings(&place, &more).await, found("orphaned", &key));
        assert_eq!(findings(&place, &[]).await, []);
    }

    // Settings: what they would make today.
    place.configure(&json!({"pages": {"dpi": 60}}));
    assert_eq!(findings(&place, &[]).await, []);
    assert_eq!(
        findings(&place, &["--settings"]).await,
        found("outdated", SOURCE)
    );
    place.configure(&json!({"pages": {"dpi": 50}}));
    assert_eq!(findings(&place, &["--settings"]).await, []);

    // Records: a run that died, one that ended early, one that can't be read.
    let whole = fs::read(record_path(&place)).expect("a record");
    change_record(&place, |record| {
        record["status"] = "processing".into();
        record["in_progress"] =
            json!({"stage": "pages", "since": "2024-01-01T00:00:00Z", "trace_id": "t"});
    });
    let part = "processing/parts/invoice.pdf/0123456789abcdef/000001-000002.jsonl";
    fs::create_dir_all(place.out().join(part).parent().expect("a folder")).expect("a folder");
    fs::write(place.out().join(part), "{}").expect("written");
    assert_eq!(findings(&place, &[]).await, found("dead", SOURCE));
    change_record(&place, |record| {
        record
            .as_object_mut()
            .expect("an object")
            .remove("in_progress");
    });
    assert_eq!(findings(&place, &[]).await, found("unfinished", SOURCE));
    fs::remove_file(place.out().join(part)).expect("removed");
    change_record(&place, |record| {
        record["updated_at"] = jiff::Timestamp::now().to_string().into();
    });
    assert_eq!(
        findings(&place, &["--grace", "60"]).await,
        [],
        "at work just now"
    );
    fs::write(record_path(&place), b"{\"format\": 1}").expect("written");
    let key = "processing/records/invoice.pdf.json";
    assert_eq!(findings(&place, &[]).await, found("unreadable", key));
    // A record that is gone leaves its source unprocessed, and all that was made is of no record.
    fs::remove_file(record_path(&place)).expect("removed");
    let kinds: std::collections::BTreeSet<String> = findings(&place, &[])
        .await
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(kinds, ["orphaned", "unprocessed"].map(str::to_owned).into());
    fs::write(record_path(&place), whole).expect("written");
    assert_eq!(findings(&place, &[]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn out_4_samples_bad_files_and_an_interrupted_run_leave_a_clean_state() {
    let Some(mut place) = Place::new("verify samples") else {
        return;
    };
    let llm = StubServer::start().await.expect("loopback has a free port");
    place.environment = vec![("LLM_BASE_URL", llm.base_url().to_owned())];
    place.configure(
        &json!({"pages": {"dpi": 40}, "metadata": {"generator": "llm", "model": "stub"}}),
    );
    for (name, bytes) in pagemill_samples::all() {
        place.add(name, &bytes);
    }
    place.add("deep/ü +1/a'b.pdf", &pagemill_samples::invoice());
    place.add("bad.pdf", &pagemill_samples::hostile::html());

    // Killed in the middle: the record says that a run died, and nothing else is wrong with that document.
    llm.set_default(Reply::Slow(std::time::Duration::from_secs(600)));
    let mut child = place
        .local_command(&["--jobs", "1"])
        .spawn()
        .expect("it starts");
    until("the LLM is asked", || llm.chat_calls() == 1).await;
    let pid = Pid::from_raw(child.id().expect("it runs").cast_signed());
    kill(pid, Signal::SIGKILL).expect("killed");
    child.wait().await.expect("it ended");
    let interrupted = findings(&place, &[]).await;
    let dead: Vec<_> = interrupted
        .iter()
        .filter(|(kind, _)| kind == "dead")
        .collect();
    assert_eq!(dead.len(), 1, "{interrupted:?}");
    assert!(
        interrupted
            .iter()
            .all(|(kind, _)| kind == "dead" || kind == "unprocessed"),
        "{interrupted:?}"
    );

    llm.set_default(Reply::Good);
    place.local(&[]).await.with_code(1);
    assert_eq!(findings(&place, &[]).await, []);
    assert_eq!(findings(&place, &["--settings"]).await, []);
    // Another resolution makes another generation, and the old one goes.
    place.configure(
        &json!({"pages": {"dpi": 45}, "metadata": {"generator": "llm", "model": "stub"}}),
    );
    place.local(&[]).await.with_code(1);
    assert_eq!(findings(&place, &[]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn out_4_a_bucket_is_clean_after_work_and_after_removals() {
    let Some(cloud) = Cloud::start("verify bucket").await else {
        return;
    };
    for name in ["one.pdf", "two.pdf"] {
        cloud
            .put(&format!("source-pdfs/{name}"), pagemill_samples::invoice())
            .await;
    }
    cloud.run_until_empty().await.with_code(0);
    cloud.delete("source-pdfs/one.pdf").await;
    cloud.run_until_empty().await.with_code(0);
    let verify = ["verify", "--grace", "0"];
    let ended = cloud.place.run(&verify).await.with_code(0);
    ended.says("0 findings in 2 records");

    cloud.delete("extracted_text/two.pdf.json").await;
    cloud
        .put("source-pdfs/it's new.pdf", pagemill_samples::invoice())
        .await;
    let ended = cloud.place.run(&verify).await.with_code(1);
    let ended = ended.says("missing     extracted_text/two.pdf.json");
    let ended = ended.says("bulk-trigger send 'source-pdfs/two.pdf' --force");
    let ended = ended.says("unprocessed source-pdfs/it's new.pdf");
    let ended = ended.says(r"bulk-trigger send 'source-pdfs/it'\''s new.pdf'");
    ended.says("2 findings");
}
