//! What would run, at what price; running exactly that; and what it did cost.

use pagemill_metadata::stub::StubServer;
use pagemill_storage::Stage;
use serde_json::{Value, json};

use crate::support::{Place, ran_again};

const WHERE: [&str; 4] = ["--folder", "out", "--input", "in"];

fn settings(prompt: &str) -> Value {
    json!({
        "pages": {"dpi": 50},
        "metadata": {"generator": "llm", "model": "stub", "custom_prompt": prompt},
        "prices": {"stub": {"input": 1_000_000, "output": 1_000_000}}
    })
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_has_a_price_is_applied_as_it_is_and_is_in_the_ledger_afterwards() {
    let Some(mut place) = Place::new("plan") else {
        return;
    };
    let llm = StubServer::start().await.expect("loopback has a free port");
    place.environment = vec![("LLM_BASE_URL", llm.base_url().to_owned())];
    place.add("a/invoice.pdf", &pagemill_samples::invoice());
    place.add("b/paper.pdf", &pagemill_samples::paper());
    place.configure(&settings("Mind the mills."));
    let plan = |more: &[&'static str]| {
        let arguments = [&["plan"], more, &WHERE].concat();
        let place = &place;
        async move { place.run(&arguments).await }
    };

    // Of what nobody has read: every stage, and the most that the model can cost.
    let new = plan(&["a/"])
        .await
        .with_code(0)
        .says("1 of 1 document would run, for at most");
    assert!(
        new.stdout.contains("source-pdfs/a/invoice.pdf: inspect"),
        "{}",
        new.stdout
    );
    let all = plan(&["--out", "first.plan"]).await;
    all.with_code(0).says("2 of 2 documents would run");
    let apply = ["apply", "first.plan", "--folder", "out", "--input", "in"];
    place.run(&apply).await.with_code(0).says("2 processed");
    assert_eq!(llm.chat_calls(), 2);
    plan(&[])
        .await
        .with_code(0)
        .says("0 of 2 documents would run");
    // Again: all of it is done.
    place.run(&apply).await.with_code(0);
    assert_eq!(llm.chat_calls(), 2);

    // Another prompt: the model, and what is made of it, as much as the last time.
    let before = place.record("a/invoice.pdf");
    place.configure(&settings("Mind the wheels."));
    let again = plan(&["--json", "--out", "second.plan"]).await.with_code(0);
    let told = lines(&again.stdout);
    let names: Vec<&str> = told[0]["stages"]
        .as_array()
        .expect("stages")
        .iter()
        .filter_map(|planned| planned["stage"].as_str())
        .collect();
    assert_eq!(names, ["predict", "metadata", "extract", "index", "commit"]);
    let price = &told[0]["stages"][0]["estimate"]["as_before"]["micro_usd"];
    assert!(price.as_u64().is_some_and(|price| price > 0), "{}", told[0]);
    assert_eq!(
        (&told[2]["would_run"], &told[2]["is_limit"]),
        (&json!(2), &json!(false))
    );

    // What changed since is left alone and named; the rest is run.
    place.add("b/paper.pdf", &pagemill_samples::report());
    let apply = ["apply", "second.plan", "--folder", "out", "--input", "in"];
    let ended = place.run(&apply).await.with_code(1);
    assert!(
        ended
            .stderr
            .contains("b/paper.pdf: not run, the plan is outdated: its PDF was uploaded again"),
        "{}",
        ended.stderr
    );
    assert_eq!(llm.chat_calls(), 3);
    let after = place.record("a/invoice.pdf");
    assert_eq!(
        ran_again(&before, &after),
        [
            Stage::Predict,
            Stage::Metadata,
            Stage::Extract,
            Stage::Index,
            Stage::Commit,
        ]
    );
    place.configure(&settings("Mind the sacks."));
    let ended = place.run(&apply).await.with_code(1);
    assert!(ended.stderr.contains("changed"), "{}", ended.stderr);
    assert_eq!(llm.chat_calls(), 3);

    let cost = place
        .run(&[
            "cost",
            "--folder",
            "out",
            "--by",
            "prefix,outcome",
            "--json",
        ])
        .await;
    let sums = lines(&cost.with_code(0).stdout);
    assert_eq!(
        (&sums[0]["prefix"], &sums[0]["calls"], &sums[0]["outcome"]),
        (&json!("a/"), &json!(2), &json!("answered"))
    );
    assert_eq!(
        (&sums[1]["prefix"], &sums[1]["calls"]),
        (&json!("b/"), &json!(1))
    );
    let spent: u64 = ["a/invoice.pdf", "b/paper.pdf"]
        .iter()
        .map(|name| place.record(name).spent.micro_usd.expect("a price"))
        .sum();
    assert_eq!(
        sums[2]["micro_usd"],
        json!(spent),
        "the ledger says what the records say"
    );
    let below = place
        .run(&["cost", "b/", "--folder", "out"])
        .await
        .with_code(0);
    assert!(
        below.stdout.contains("stub") && below.stdout.contains("predict"),
        "{}",
        below.stdout
    );
    place
        .run(&["cost", "--folder", "out", "--since", "2999-01-01"])
        .await
        .with_code(0)
        .says("total");
    place
        .run(&["cost", "--folder", "out", "--by", "weekday"])
        .await
        .with_code(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn bu_2_documents_that_went_without_the_model_are_in_a_plan_when_there_is_money() {
    let Some(mut place) = Place::new("budget") else {
        return;
    };
    let llm = StubServer::start().await.expect("loopback has a free port");
    place.environment = vec![("LLM_BASE_URL", llm.base_url().to_owned())];
    place.add("invoice.pdf", &pagemill_samples::invoice());
    let mut tunables = settings("");
    tunables["budget"] = json!({"per_day": 1});
    place.configure(&tunables);
    place.local(&[]).await.with_code(0).says("1 processed");
    assert_eq!(llm.chat_calls(), 0);
    let metadata: Value = place.json("pdf-metadata/invoice.pdf.json");
    assert_eq!(metadata["metadata"]["generator"], "extractive");
    assert!(
        metadata
            .to_string()
            .contains("the day's budget of 0.000001 USD"),
        "{metadata}"
    );
    tunables["budget"] = json!({"per_day": 5_000_000});
    place.configure(&tunables);
    place.local(&[]).await.with_code(0).says("1 unchanged");
    let plan = [&["plan", "--out", "p"][..], &WHERE].concat();
    place
        .run(&plan)
        .await
        .with_code(0)
        .says("the budget was reached the last time");
    let apply = [&["apply", "p"][..], &WHERE].concat();
    place.run(&apply).await.with_code(0).says("1 processed");
    assert_eq!(llm.chat_calls(), 1);
    let metadata: Value = place.json("pdf-metadata/invoice.pdf.json");
    assert_eq!(metadata["metadata"]["generator"], "llm");
}
