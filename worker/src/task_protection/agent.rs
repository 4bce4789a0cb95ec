//! The endpoint of the ECS container agent, and what can be said to it.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// The agent gives up its own call of ECS after 4 s, and this side a little later.
const CALL_TIMEOUT: Duration = Duration::from_secs(6);

/// Where below `ECS_AGENT_URI` the endpoint is.
const PATH: &str = "/task-protection/v1/state";

/// The failure reason of a task that no service runs (API reference, `UpdateTaskProtection`).
const NOT_IN_A_SERVICE: &str = "TASK_NOT_VALID";

/// Sets the scale-in protection of the task that asks. [`EcsAgent`] is the one of production.
#[async_trait]
pub(crate) trait ProtectionAgent: Send + Sync + Debug {
    /// Protects the task for so many minutes from now, 1 to 2,880.
    ///
    /// # Errors
    /// [`ProtectionError`].
    async fn protect(&self, minutes: u32) -> Result<(), ProtectionError>;

    /// Makes the task one that scale-in may take.
    ///
    /// # Errors
    /// [`ProtectionError`].
    async fn unprotect(&self) -> Result<(), ProtectionError>;
}

/// Why the protection was not set, by what the worker does about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtectionError {
    /// ECS says no: it wants this task gone. Drain.
    #[error("ECS refuses to protect this task: {reason}{}", .detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    Refused {
        /// The failure reason, such as `DEPLOYMENT_BLOCKED`.
        reason: String,
        /// What ECS says about it.
        detail: Option<String>,
    },
    /// The task was started alone, not by a service: there is no scale-in, and nothing to protect from.
    #[error("the task is not part of a service, so that there is nothing to protect it from")]
    NotInAService,
    /// No answer, or an error: throttled, a permission that is missing, an agent that is restarted. Work goes on.
    #[error("the task's protection could not be set: {reason}")]
    Unavailable {
        /// What happened, and the remedy where there is one.
        reason: String,
    },
}

/// The agent's endpoint (Amazon ECS Developer Guide, "Amazon ECS task scale-in protection endpoint").
#[derive(Debug, Clone)]
pub(crate) struct EcsAgent {
    client: reqwest::Client,
    url: String,
}

impl EcsAgent {
    /// The endpoint of this task's agent: `agent_uri` is the value of `ECS_AGENT_URI`, which ECS puts into the
    /// environment of every container.
    ///
    /// # Errors
    /// [`ProtectionError::Unavailable`] when no HTTP client can be made.
    pub(crate) fn new(agent_uri: &str) -> Result<Self, ProtectionError> {
        let client = pagemill_http::client()
            .timeout(CALL_TIMEOUT)
            // A link-local address: never by way of a proxy.
            .no_proxy()
            .build()
            .map_err(|error| unavailable(error.to_string()))?;
        Ok(Self {
            client,
            url: format!("{}{PATH}", agent_uri.trim_end_matches('/')),
        })
    }

    async fn put(&self, state: &State) -> Result<(), ProtectionError> {
        let body = serde_json::to_vec(state).expect("a flag and a number always serialise");
        let request = self
            .client
            .put(&self.url)
            .header("Content-Type", "application/json")
            .body(body);
        let answered = async {
            let answer = request.send().await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        };
        let (status, body) = answered
            .await
            .map_err(|error| unavailable(format!("the agent did not answer: {error}")))?;
        let Ok(answer) = serde_json::from_slice::<Answer>(&body) else {
            return Err(unavailable(format!("the agent answered {status}")));
        };
        answer.judge(state)
    }
}

#[async_trait]
impl ProtectionAgent for EcsAgent {
    async fn protect(&self, minutes: u32) -> Result<(), ProtectionError> {
        let state = State {
            protection_enabled: true,
            expires_in_minutes: Some(minutes),
        };
        self.put(&state).await
    }

    async fn unprotect(&self) -> Result<(), ProtectionError> {
        let state = State {
            protection_enabled: false,
            expires_in_minutes: None,
        };
        self.put(&state).await
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    protection_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_minutes: Option<u32>,
}

/// One of the three is set.
#[derive(Debug, Deserialize)]
struct Answer {
    protection: Option<Protection>,
    failure: Option<Failure>,
    error: Option<AgentError>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Protection {
    protection_enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    reason: String,
    detail: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentError {
    code: String,
    #[serde(default)]
    message: String,
}

impl Answer {
    fn judge(self, asked: &State) -> Result<(), ProtectionError> {
        if let Some(failure) = self.failure {
            return Err(match failure.reason == NOT_IN_A_SERVICE {
                true => ProtectionError::NotInAService,
                false => ProtectionError::Refused {
                    reason: failure.reason,
                    detail: failure.detail,
                },
            });
        }
        if let Some(AgentError { code, message }) = self.error {
            let remedy = match code.contains("AccessDenied") {
                true => ": allow the task role ecs:UpdateTaskProtection",
                false => "",
            };
            return Err(unavailable(format!("{code}: {message}{remedy}")));
        }
        match self.protection {
            Some(state) if state.protection_enabled == asked.protection_enabled => Ok(()),
            _ => Err(unavailable("the agent did not confirm it".to_owned())),
        }
    }
}

fn unavailable(reason: String) -> ProtectionError {
    ProtectionError::Unavailable { reason }
}
