//! `worker health` beside a real worker.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pagemill_metadata::stub::Reply;
use serde_json::json;

use crate::emulated_cloud::Cloud;
use crate::support::{Ended, PATIENCE, until};

async fn health(cloud: &Cloud) -> Ended {
    cloud.place.run(&["health"]).await
}

async fn until_health_says(cloud: &Cloud, code: i32, text: &str) -> Ended {
    let begun = tokio::time::Instant::now();
    loop {
        let ended = health(cloud).await;
        if ended.code == Some(code) && ended.stdout.contains(text) {
            assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
            return ended;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "waited in vain for {text:?}: {ended:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn he_1_health_follows_a_worker_that_starts_works_freezes_and_ends() {
    let Some(mut cloud) = Cloud::start("health").await else {
        return;
    };
    cloud
        .place
        .environment
        .push(("PAGEMILL_STATUS_SECONDS", "1".to_owned()));
    health(&cloud).await.with_code(1).says("is not there");

    cloud.llm.set_default(Reply::Slow(Duration::from_secs(600)));
    let mut command = cloud.place.worker();
    command
        .arg("run")
        .env("PAGEMILL_DOCUMENTS", "1")
        .env("PAGEMILL_DRAIN_SECONDS", "4");
    let child = command.spawn().expect("the worker starts");
    let pid = Pid::from_raw(child.id().expect("it runs").cast_signed());
    until_health_says(&cloud, 0, "0 of 1 slots busy").await;

    // At work: the status names the document and its stage.
    cloud
        .put("source-pdfs/invoice.pdf", pagemill_samples::invoice())
        .await;
    until("the LLM is asked", || cloud.llm.chat_calls() == 1).await;
    until_health_says(&cloud, 0, "1 of 1 slots busy").await;
    let status = std::fs::read_to_string(cloud.place.root().join("status.json")).expect("a status");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["jobs"][0]["source"], "source-pdfs/invoice.pdf");
    assert_eq!(status["jobs"][0]["stage"], "predict");

    // Frozen, the status grows old; awake, it is well again.
    kill(pid, Signal::SIGSTOP).expect("a signal can be sent");
    until_health_says(&cloud, 1, "frozen or dead").await;
    kill(pid, Signal::SIGCONT).expect("a signal can be sent");
    until_health_says(&cloud, 0, "1 of 1 slots busy").await;

    kill(pid, Signal::SIGTERM).expect("a signal can be sent");
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
        .await
        .expect("it ends")
        .expect("output");
    assert_eq!(output.status.code(), Some(0));
    // A worker that has ended is not healthy, and leaves no status that says so.
    health(&cloud).await.with_code(1).says("is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn he_1_a_worker_that_waits_for_a_service_is_healthy_and_says_so() {
    let Some(mut cloud) = Cloud::start("health in an outage").await else {
        return;
    };
    cloud
        .place
        .environment
        .push(("PAGEMILL_STATUS_SECONDS", "1".to_owned()));
    let retries = json!({"max_retries": 0, "first_wait_millis": 1, "longest_wait_millis": 1});
    cloud
        .configure(&json!({
            "pages": {"dpi": 40},
            "metadata": {"generator": "llm", "model": "stub", "retries": retries},
        }))
        .await;
    // Enough documents that the failures in a row open the breaker.
    for n in 0..4 {
        let key = format!("source-pdfs/{n}.pdf");
        cloud.put(&key, pagemill_samples::invoice()).await;
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port");
    let mut command = cloud.place.worker();
    command
        .arg("run")
        .env("LLM_BASE_URL", format!("http://{closed}/v1"))
        .env("PAGEMILL_DRAIN_SECONDS", "4");
    let child = command.spawn().expect("the worker starts");
    until_health_says(&cloud, 0, "paused because llm does not answer").await;
    let pid = Pid::from_raw(child.id().expect("it runs").cast_signed());
    kill(pid, Signal::SIGTERM).expect("a signal can be sent");
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
        .await
        .expect("it ends")
        .expect("output");
    assert_eq!(output.status.code(), Some(0));
    let metrics = String::from_utf8_lossy(&output.stdout);
    assert!(
        metrics.contains("\"Dependency\":\"llm\",\"BreakerOpen\":[1]")
            || metrics.contains("\"BreakerOpen\":[1],\"Dependency\":\"llm\""),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn he_1_a_worker_whose_vector_store_is_away_at_the_start_is_healthy_and_says_so() {
    let Some(mut cloud) = Cloud::start("health at the start").await else {
        return;
    };
    cloud
        .place
        .environment
        .push(("PAGEMILL_STATUS_SECONDS", "1".to_owned()));
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port");
    let mut command = cloud.place.worker();
    command
        .arg("run")
        .env("QDRANT_URL", format!("http://{closed}"));
    let child = command.spawn().expect("the worker starts");
    until_health_says(&cloud, 0, "paused because qdrant does not answer").await;
    let pid = Pid::from_raw(child.id().expect("it runs").cast_signed());
    kill(pid, Signal::SIGTERM).expect("a signal can be sent");
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
        .await
        .expect("it ends")
        .expect("output");
    assert_eq!(output.status.code(), Some(0));
}
