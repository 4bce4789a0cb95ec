//! A worker process behind a wire.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;

use crate::emulated_cloud::Cloud;
use crate::support::{Ended, PATIENCE};
use crate::wire::{Rule, Wire};

/// A running `worker run`, and the wire that it is on.
#[derive(Debug)]
pub(crate) struct Wired {
    pub(crate) wire: Wire,
    child: Child,
    pid: Pid,
}

impl Wired {
    /// Starts a worker for this cloud, one document at a time unless the environment says otherwise.
    pub(crate) async fn start(
        cloud: &Cloud,
        environment: &[(&str, &str)],
        rules: impl IntoIterator<Item = Rule>,
    ) -> Self {
        let wire = Wire::start(
            &cloud.emulator.endpoint(),
            &cloud.qdrant.url(),
            cloud.llm.base_url(),
        )
        .await;
        wire.shorten_polls(1);
        for rule in rules {
            wire.rule(rule);
        }
        let status = format!("status-{}.json", wire.port());
        let mut command = cloud.place.worker();
        command
            .arg("run")
            .env("AWS_ENDPOINT_URL", wire.url())
            .env("QDRANT_URL", wire.url())
            .env("LLM_BASE_URL", format!("{}/v1", wire.url()))
            .env("PAGEMILL_DOCUMENTS", "1")
            .env("PAGEMILL_STATUS_FILE", cloud.place.root().join(status))
            .envs(environment.iter().copied());
        let child = command.spawn().expect("the worker starts");
        let pid = Pid::from_raw(child.id().expect("it runs").cast_signed());
        wire.belongs_to(pid);
        Self { wire, child, pid }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("a child that was not waited for can be sent signals");
    }

    /// Waits until it is dead by SIGKILL; answers its wire, for the log.
    pub(crate) async fn dies(self, why: &str) -> Wire {
        let output = tokio::time::timeout(PATIENCE, self.child.wait_with_output()).await;
        let output = output
            .unwrap_or_else(|_| panic!("{why}: it is not dead; {:#?}", self.wire.calls()))
            .expect("output");
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        assert_eq!(
            signal,
            Some(Signal::SIGKILL as i32),
            "{why}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.wire
    }

    /// Waits for its end; answers how it ended, after how long, and its wire.
    pub(crate) async fn ends(self) -> (Ended, Duration, Wire) {
        let begun = Instant::now();
        let ended = tokio::time::timeout(PATIENCE, self.child.wait_with_output()).await;
        let took = begun.elapsed();
        let output = ended
            .unwrap_or_else(|_| panic!("the worker does not end: {:#?}", self.wire.calls()))
            .expect("output");
        let ended = Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        (ended, took, self.wire)
    }

    /// SIGTERM, and its end, which must be a good one.
    pub(crate) async fn stops(self) -> (Ended, Duration, Wire) {
        self.signal(Signal::SIGTERM);
        let (ended, took, wire) = self.ends().await;
        (ended.with_code(0), took, wire)
    }

    /// Waits until this worker has polled and the queue holds nothing, then stops it.
    pub(crate) async fn stops_when_done(self, cloud: &Cloud) -> (Ended, Wire) {
        let polled = |wire: &Wire| {
            let calls = wire.calls();
            let mut polls = calls
                .iter()
                .filter(|call| call.name == "SQS ReceiveMessage");
            polls.any(|call| call.answered.is_some())
        };
        self.wire.until("it has polled", polled).await;
        queue_is_empty(cloud, &self.wire).await;
        let (ended, _, wire) = self.stops().await;
        (ended, wire)
    }
}

/// Waits until a queue holds nothing, neither visible nor taken.
pub(crate) async fn queue_is_empty(cloud: &Cloud, wire: &Wire) {
    let begun = Instant::now();
    while cloud.messages(&cloud.queue).await != (0, 0) {
        assert!(
            begun.elapsed() < PATIENCE,
            "the queue does not get empty: {:#?}",
            wire.calls()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Makes what a dead worker had taken visible at once, instead of waiting for the end of its lease.
pub(crate) async fn give_back(cloud: &Cloud, wire: &Wire) {
    for receipt in wire.receipts() {
        let visible = cloud
            .sqs
            .change_message_visibility()
            .queue_url(&cloud.queue)
            .receipt_handle(receipt)
            .visibility_timeout(0)
            .send()
            .await;
        // A receipt whose message is settled is refused, which is as good.
        drop(visible);
    }
}
