//! A document is a build: what is unchanged does not run again, and an answer of the LLM is paid for once.

use pagemill_metadata::stub::{Reply, StubServer};
use pagemill_storage::{RecordStatus, Stage};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{Place, ran_again, until};

const NAMES: [&str; 2] = ["invoice.pdf", "links.pdf"];

fn settings() -> Value {
    json!({"metadata": {"generator": "llm", "model": "stub"}, "pages": {"dpi": 50}})
}

/// A place whose LLM is a stub that counts.
async fn place_with_llm(test: &str) -> Option<(Place, StubServer)> {
    let mut place = Place::new(test)?;
    let llm = StubServer::start().await.expect("loopback has a free port");
    place
        .environment
        .push(("LLM_BASE_URL", llm.base_url().to_owned()));
    place.add("invoice.pdf", &pagemill_samples::invoice());
    place.add("links.pdf", &pagemill_samples::links_and_outline());
    place.configure(&settings());
    Some((place, llm))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_setting_runs_what_depends_on_it_and_nothing_else() {
    let Some((place, llm)) = place_with_llm("rebuild").await else {
        return;
    };
    place.local(&[]).await.with_code(0).says("2 processed");
    assert_eq!(llm.chat_calls(), 2, "one call a document");
    let metadata: Value = place.json("pdf-metadata/invoice.pdf.json");
    assert_eq!(metadata["metadata"]["model"], "stub", "{metadata}");
    place
        .local(&[])
        .await
        .with_code(0)
        .says("0 processed, 2 unchanged");
    assert_eq!(llm.chat_calls(), 2, "nothing is asked again");

    let from_the_model = &[
        Stage::Predict,
        Stage::Metadata,
        Stage::Extract,
        Stage::Index,
        Stage::Commit,
    ][..];
    let mut now = settings();
    for (what, stages, calls) in [
        ("prompt", from_the_model, 2),
        ("chunk size", &[Stage::Index, Stage::Commit][..], 0),
        ("dpi", &[Stage::Pages, Stage::Index, Stage::Commit][..], 0),
    ] {
        match what {
            "prompt" => now["metadata"]["user_prompt"] = "Describe: {{document}}".into(),
            "chunk size" => {
                now["index"] =
                    json!({"chunk_tokens": 80, "chunk_overlap_tokens": 10, "min_chunk_tokens": 20})
            }
            _ => now["pages"]["dpi"] = 60.into(),
        }
        let records = NAMES.map(|name| place.record(name));
        let images = NAMES.map(|name| place.page_images(name));
        let objects = place.objects();
        let asked = llm.chat_calls();
        place.configure(&now);
        place.local(&[]).await.with_code(0).says("2 processed");
        assert_eq!(
            llm.chat_calls() - asked,
            calls,
            "calls after a changed {what}"
        );
        for ((name, before), images) in NAMES.iter().zip(&records).zip(images) {
            let after = place.record(name);
            let fingerprints_changed: Vec<Stage> = after
                .stages
                .iter()
                .filter(|(stage, entry)| before.stages[stage].fingerprint != entry.fingerprint)
                .map(|(stage, _)| *stage)
                .collect();
            assert_eq!(
                fingerprints_changed, stages,
                "{name} after a changed {what}"
            );
            let mut again = ran_again(before, &after);
            // The document must be opened to render it.
            again.retain(|stage| *stage != Stage::Inspect);
            assert_eq!(again, stages, "{name} after a changed {what}");
            if !stages.contains(&Stage::Pages) {
                assert_eq!(
                    place.page_images(name),
                    images,
                    "{name} after a changed {what}"
                );
                let objects_now = place.objects();
                for key in objects_now
                    .keys()
                    .filter(|key| key.starts_with("pdf_page_images/"))
                {
                    assert_eq!(
                        objects_now[key].0, objects[key].0,
                        "{key} is not written again"
                    );
                }
            }
            let objects_now = place.objects();
            for (kind, extension) in [
                ("extracted_text", "json"),
                ("extracted_links", "json"),
                ("extracted_structure", "json"),
                ("extracted_attachments", "json"),
                ("extracted_markdown", "md"),
            ] {
                let key = format!("{kind}/{name}.{extension}");
                assert_eq!(
                    objects_now[&key].0, objects[&key].0,
                    "{key} is not written again after a changed {what}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_the_llm_answers_resumes_at_the_metadata() {
    let Some((place, llm)) = place_with_llm("killed at the LLM").await else {
        return;
    };
    std::fs::remove_file(place.input().join("links.pdf")).expect("a file to remove");
    llm.set_default(Reply::Slow(Duration::from_secs(600)));
    let mut child = place.local_command(&[]).spawn().expect("the worker starts");
    until("the LLM is asked", || llm.chat_calls() == 1).await;
    child.kill().await.expect("it can be killed");
    let killed = place.record("invoice.pdf");
    assert_eq!(killed.status, RecordStatus::Processing);
    assert_eq!(
        killed.in_progress.as_ref().map(|marker| marker.stage),
        Some(Stage::Metadata)
    );
    let before = place.objects();

    llm.set_default(Reply::Good);
    place.local(&[]).await.with_code(0).says("1 processed");
    assert_eq!(llm.chat_calls(), 2, "one more call");
    let record = place.record("invoice.pdf");
    assert_eq!(record.status, RecordStatus::Done);
    assert_eq!(record.in_progress, None);
    assert_eq!(
        ran_again(&killed, &record),
        [
            Stage::Predict,
            Stage::Metadata,
            Stage::Extract,
            Stage::Index,
            Stage::Commit,
        ]
    );
    let after = place.objects();
    for key in before
        .keys()
        .filter(|key| key.starts_with("pdf_page_images/") || key.starts_with("extracted_"))
    {
        assert_eq!(before[key].0, after[key].0, "{key} is not written again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_after_the_llm_answered_does_not_ask_again() {
    let Some((place, llm)) = place_with_llm("killed after the LLM").await else {
        return;
    };
    std::fs::remove_file(place.input().join("links.pdf")).expect("a file to remove");
    // Embeddings come from the stub's endpoint too, but nobody is there: the index stage fails after the metadata.
    let mut offline = place.local_command(&[]);
    offline.env("EMBEDDINGS_BASE_URL", "http://127.0.0.1:9/v1");
    let mut with_api = settings();
    with_api["index"] = json!({"embedder": {"kind": "open_ai", "model": "stub", "dimensions": 64}});
    place.configure(&with_api);
    let ended = crate::support::to_its_end(offline).await.with_code(3);
    ended.says("1 left for the next run");
    assert_eq!(llm.chat_calls(), 1);
    let left = place.record("invoice.pdf");
    assert!(left.stages.contains_key(&Stage::Metadata) && !left.stages.contains_key(&Stage::Index));

    place.local(&[]).await.with_code(0).says("1 processed");
    assert_eq!(llm.chat_calls(), 1, "the answer is not paid for twice");
    assert!(llm.embedding_calls() > 0);
    let record = place.record("invoice.pdf");
    assert_eq!(ran_again(&left, &record), [Stage::Index, Stage::Commit]);
}
