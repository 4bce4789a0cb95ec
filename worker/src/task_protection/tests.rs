//! Scale-in protection: taken for work, renewed, dropped when idle, and what the agent's answers mean.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::put;
use pagemill_queue::{
    Breakers, Clock, Depth, End, Intake, IntakeSettings, MemoryQueue, PollHealth, Queue,
    QueueError, TokioClock,
};
use pretty_assertions::assert_eq;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::agent::{EcsAgent, ProtectionAgent, ProtectionError};
use super::{ProtectionSettings, ProtectionState, TaskProtection};

const SECOND: Duration = Duration::from_secs(1);

/// What the agent was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Protect(u32),
    Unprotect,
}

/// An agent that answers as it is told, and else with yes.
#[derive(Debug, Default)]
struct FakeAgent {
    calls: Mutex<Vec<Call>>,
    answers: Mutex<VecDeque<ProtectionError>>,
}

impl FakeAgent {
    fn answers(errors: impl IntoIterator<Item = ProtectionError>) -> Arc<Self> {
        let agent = Self::default();
        locked(&agent.answers).extend(errors);
        Arc::new(agent)
    }

    fn call(&self, call: Call) -> Result<(), ProtectionError> {
        locked(&self.calls).push(call);
        match locked(&self.answers).pop_front() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn calls(&self) -> Vec<Call> {
        locked(&self.calls).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl ProtectionAgent for FakeAgent {
    async fn protect(&self, minutes: u32) -> Result<(), ProtectionError> {
        self.call(Call::Protect(minutes))
    }

    async fn unprotect(&self) -> Result<(), ProtectionError> {
        self.call(Call::Unprotect)
    }
}

fn refused() -> ProtectionError {
    ProtectionError::Refused {
        reason: "DEPLOYMENT_BLOCKED".to_owned(),
        detail: None,
    }
}

fn unavailable() -> ProtectionError {
    ProtectionError::Unavailable {
        reason: "away".to_owned(),
    }
}

/// An intake whose handlers end when they are told.
struct Setup {
    clock: Arc<dyn Clock>,
    queue: MemoryQueue,
    protection: Arc<TaskProtection>,
    shutdown: CancellationToken,
    release: Arc<Notify>,
    intake: JoinHandle<Result<(), QueueError>>,
}

impl Setup {
    fn start(agent: &Arc<FakeAgent>) -> Self {
        let clock = TokioClock::shared();
        let queue = MemoryQueue::new("pdfs", clock.clone());
        let protection = TaskProtection::new(
            Arc::clone(agent) as Arc<dyn ProtectionAgent>,
            ProtectionSettings::default(),
            clock.clone(),
        );
        let intake = Intake::new(
            Arc::new(queue.clone()),
            IntakeSettings {
                slots: 2,
                // There is no lease here that would renew it.
                hold: SECOND * 40_000,
                ..IntakeSettings::default()
            },
            Breakers::new(vec![]),
            PollHealth::new(clock.clone()),
            clock.clone(),
        )
        .protected_by(Arc::clone(&protection) as Arc<dyn pagemill_queue::Protection>);
        let (shutdown, release) = (CancellationToken::new(), Arc::new(Notify::new()));
        let (until, handlers) = (shutdown.clone(), (queue.clone(), Arc::clone(&release)));
        let agent = Arc::clone(agent);
        let intake = tokio::spawn(async move {
            let handle = move |delivery: pagemill_queue::Delivery| {
                assert!(
                    !agent.calls().is_empty(),
                    "work starts after the agent was asked"
                );
                let (queue, release) = handlers.clone();
                async move {
                    release.notified().await;
                    let deleted = queue.settle(&delivery.message.receipt, &End::Done).await;
                    deleted.expect("a delete");
                }
            };
            intake.run(until, handle).await
        });
        Self {
            clock,
            queue,
            protection,
            shutdown,
            release,
            intake,
        }
    }

    /// Sends a message and lets its handler end after some time.
    async fn work(&self, time: Duration) {
        self.queue.push("work");
        self.clock.sleep(time).await;
        self.release.notify_one();
        self.clock.sleep(SECOND).await;
    }

    /// Where the protection stands.
    async fn state(&self) -> ProtectionState {
        *self.protection.state.lock().await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.intake.await.expect("no panic").expect("no error");
    }
}

#[tokio::test(start_paused = true)]
async fn sh_2_protection_is_taken_for_work_renewed_and_dropped_when_idle() {
    let agent = FakeAgent::answers([]);
    let setup = Setup::start(&agent);
    setup.clock.sleep(SECOND * 3600).await;
    assert_eq!(agent.calls(), [], "an idle worker holds no protection");

    setup.work(SECOND * 500).await;
    let taken_and_renewed = [Call::Protect(10); 3];
    assert_eq!(agent.calls(), taken_and_renewed, "after 0, 240 and 480 s");

    setup.clock.sleep(SECOND * 70).await;
    let state = setup.state().await;
    assert_eq!(state, ProtectionState::Unprotected { retry_at: None });
    assert_eq!(agent.calls()[3..], [Call::Unprotect]);
    setup.clock.sleep(SECOND * 3600).await;
    assert_eq!(agent.calls().len(), 4, "idle again: no calls");
    setup.stop().await;
}

#[tokio::test(start_paused = true)]
async fn sh_2_a_busy_queue_makes_no_call_a_message() {
    let agent = FakeAgent::answers([]);
    let setup = Setup::start(&agent);
    for _ in 0..100 {
        setup.work(SECOND).await;
        // Shorter than the linger.
        setup.clock.sleep(SECOND * 10).await;
    }
    let calls = agent.calls();
    assert!(!calls.contains(&Call::Unprotect), "{calls:?}");
    // 1,200 s, renewed every 240.
    assert!((5..=6).contains(&calls.len()), "{calls:?}");
    setup.stop().await;
}

#[tokio::test(start_paused = true)]
async fn sh_2_a_refusal_gives_back_what_arrived_and_ends_the_intake() {
    let agent = FakeAgent::answers([refused()]);
    let mut setup = Setup::start(&agent);
    setup.queue.push("late");
    let ended = tokio::time::timeout(SECOND * 5, &mut setup.intake).await;
    ended
        .expect("it ends at once")
        .expect("no panic")
        .expect("no error");
    let waiting = Depth {
        waiting: 1,
        in_flight: Some(0),
        delayed: Some(0),
    };
    assert_eq!(setup.queue.depth().await.expect("a depth"), waiting);
    assert!(
        !setup.shutdown.is_cancelled(),
        "the shutdown is another's to begin"
    );
}

#[tokio::test(start_paused = true)]
async fn sh_2_a_refused_renewal_lets_work_finish_and_takes_nothing_more() {
    let agent = FakeAgent::answers([]);
    let mut setup = Setup::start(&agent);
    setup.queue.push("first");
    setup.clock.sleep(SECOND).await;
    locked(&agent.answers).push_back(refused());
    setup.clock.sleep(SECOND * 300).await;
    assert_eq!(setup.state().await, ProtectionState::Refused);
    setup.queue.push("second");
    setup.clock.sleep(SECOND * 60).await;
    assert!(!setup.intake.is_finished(), "the first is still at work");
    setup.release.notify_one();
    let ended = tokio::time::timeout(SECOND * 30, &mut setup.intake).await;
    ended
        .expect("it ends")
        .expect("no panic")
        .expect("no error");
    let left: Vec<String> = setup
        .queue
        .contents()
        .into_iter()
        .map(|(body, _)| body)
        .collect();
    assert_eq!(left, ["second"]);
}

#[tokio::test(start_paused = true)]
async fn sh_2_an_agent_that_fails_stops_nothing_and_is_asked_again() {
    let agent = FakeAgent::answers([unavailable(), unavailable()]);
    let setup = Setup::start(&agent);
    setup.work(SECOND * 10).await;
    assert_eq!(setup.queue.contents(), [], "the work was done");
    assert_eq!(agent.calls().len(), 1);
    setup.work(SECOND * 100).await;
    assert_eq!(agent.calls(), [Call::Protect(10); 3], "twice no, then yes");
    let state = setup.state().await;
    assert!(
        matches!(state, ProtectionState::Protected { .. }),
        "{state:?}"
    );
    setup.stop().await;
}

#[tokio::test(start_paused = true)]
async fn sh_2_a_task_without_a_service_works_and_asks_no_more() {
    let agent = FakeAgent::answers([ProtectionError::NotInAService]);
    let setup = Setup::start(&agent);
    for _ in 0..3 {
        setup.work(SECOND * 400).await;
    }
    assert_eq!(setup.queue.contents(), []);
    assert_eq!(agent.calls(), [Call::Protect(10)]);
    setup.stop().await;
}

/// An HTTP server with one answer, and the bodies that it was sent.
async fn agent_that_answers(
    status: StatusCode,
    answer: &'static str,
) -> (EcsAgent, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let answers = move |body: String| async move {
        locked(&seen).push(body);
        (status, answer)
    };
    let routes = Router::new().route("/api/1234/task-protection/v1/state", put(answers));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let agent = EcsAgent::new(&format!("http://{address}/api/1234")).expect("a client");
    (agent, asked)
}

#[tokio::test]
async fn sh_2_the_endpoint_is_asked_as_documented() {
    let yes = r#"{"protection":{"ExpirationDate":"2026-01-01T00:10:00Z","ProtectionEnabled":true,"TaskArn":"arn:aws:ecs:r:1:task/c/t"}}"#;
    let (agent, asked) = agent_that_answers(StatusCode::OK, yes).await;
    assert_eq!(agent.protect(10).await, Ok(()));
    let not_confirmed = agent.unprotect().await;
    assert!(
        matches!(not_confirmed, Err(ProtectionError::Unavailable { .. })),
        "{not_confirmed:?}"
    );
    let asked = locked(&asked).clone();
    assert_eq!(
        asked,
        [
            r#"{"ProtectionEnabled":true,"ExpiresInMinutes":10}"#,
            r#"{"ProtectionEnabled":false}"#
        ]
    );
}

#[tokio::test]
async fn sh_2_each_documented_answer_is_understood() {
    let blocked = r#"{"failure":{"Arn":"arn","Detail":null,"Reason":"DEPLOYMENT_BLOCKED"}}"#;
    let (agent, _) = agent_that_answers(StatusCode::OK, blocked).await;
    assert_eq!(agent.protect(10).await, Err(refused()));

    let alone = r#"{"requestID":"1","failure":{"Arn":"arn","Reason":"TASK_NOT_VALID"}}"#;
    let (agent, _) = agent_that_answers(StatusCode::OK, alone).await;
    assert_eq!(agent.protect(10).await, Err(ProtectionError::NotInAService));

    for (status, answer, says) in [
        (
            StatusCode::BAD_REQUEST,
            r#"{"requestID":"1","error":{"Arn":"arn","Code":"AccessDeniedException","Message":"no"}}"#,
            "ecs:UpdateTaskProtection",
        ),
        (
            StatusCode::GATEWAY_TIMEOUT,
            r#"{"error":{"Arn":"arn","Code":"RequestCanceled","Message":"Timed out calling ECS"}}"#,
            "RequestCanceled",
        ),
        (StatusCode::BAD_GATEWAY, "<html>", "502"),
        (StatusCode::OK, "{}", "confirm"),
    ] {
        let (agent, _) = agent_that_answers(status, answer).await;
        match agent.protect(10).await {
            Err(ProtectionError::Unavailable { reason }) => {
                assert!(reason.contains(says), "{reason}");
            }
            other => panic!("{answer}: {other:?}"),
        }
    }

    let nobody = EcsAgent::new("http://127.0.0.1:9").expect("a client");
    let silent = nobody.protect(10).await;
    assert!(
        matches!(silent, Err(ProtectionError::Unavailable { .. })),
        "{silent:?}"
    );
}
