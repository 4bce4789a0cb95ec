//! Outages: a breaker for every dependency, and what is asked to find out whether it is back.

use std::sync::Arc;
use std::time::Duration;

use pagemill_index::{IndexError, Indexer, TargetStore};
use pagemill_pipeline::Parts;
use pagemill_queue::{Breaker, BreakerSettings, Breakers, Clock, PollHealth};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::environment::Environment;

/// The dependencies, as errors name them.
const DEPENDENCIES: [&str; 4] = ["s3", "qdrant", "embedder", "llm"];

/// Longest time for a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// After a vector store that did not answer at the start, the next try comes after this; it doubles.
const PREPARE_PAUSE: Duration = Duration::from_secs(2);
const PREPARE_PAUSE_MAX: Duration = Duration::from_secs(30);

/// A closed breaker for each dependency.
pub(super) fn breakers(clock: &Arc<dyn Clock>) -> Arc<Breakers> {
    let one = |name: &str| Breaker::new(name, BreakerSettings::default(), clock.clone());
    Breakers::new(DEPENDENCIES.into_iter().map(one).collect())
}

/// While a breaker is open, asks its dependency from time to time whether it is back. No message is used for that.
pub(super) fn spawn_probes(
    breakers: &Arc<Breakers>,
    environment: &Environment,
    parts: &Parts,
    shutdown: CancellationToken,
) -> Vec<JoinHandle<()>> {
    let address =
        |api: &Option<crate::environment::Api>| api.as_ref().map(|api| api.base_url.clone());
    let (llm, embeddings) = (address(&environment.llm), address(&environment.embeddings));
    let mut probes = Vec::new();
    for name in DEPENDENCIES {
        let Some(breaker) = breakers.get(name).cloned() else {
            continue;
        };
        let store = Arc::clone(&parts.store);
        let record_prefix = parts.settings.layout.history();
        let vectors = Arc::clone(parts.indexer.store());
        let api = if name == "llm" {
            llm.clone()
        } else {
            embeddings.clone()
        };
        let shutdown = shutdown.clone();
        probes.push(tokio::spawn(async move {
            let recovery = breaker.recover_with(|| async {
                let asked = async {
                    match name {
                        "s3" => is_back(store.head(&record_prefix, None).await.err()),
                        "qdrant" => vectors.ping().await.is_ok(),
                        _ => match &api {
                            Some(address) => answers(address).await,
                            None => true,
                        },
                    }
                };
                tokio::time::timeout(PROBE_TIMEOUT, asked)
                    .await
                    .unwrap_or(false)
            });
            tokio::select! {
                () = recovery => {}
                () = shutdown.cancelled() => {}
            }
        }));
    }
    probes
}

/// Makes the collections that are missing, before anything is received. A collection of the wrong size is an error of
/// the configuration, and better known before the first document.
///
/// A vector store that does not answer is waited for, with the intake paused, as in an outage later on: a worker that
/// ended instead would be started again and again, and a service counts that against its deployment. Without
/// `patience`, for one-off runs, it is an error.
pub(super) async fn prepare_collections(
    indexer: &Indexer,
    targets: &[TargetStore],
    patience: bool,
    polls: &PollHealth,
    shutdown: &CancellationToken,
) -> Result<(), IndexError> {
    let mut pause = PREPARE_PAUSE;
    loop {
        match indexer.ensure(targets).await {
            Err(error @ (IndexError::Unavailable { .. } | IndexError::Throttled { .. }))
                if patience =>
            {
                tracing::warn!("nothing is received until the vector store answers: {error}");
                polls.set_paused(true);
            }
            prepared => {
                polls.set_paused(false);
                return prepared;
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PREPARE_PAUSE_MAX),
        }
    }
}

/// A store that says "not found" is a store that answers.
fn is_back(error: Option<pagemill_storage::StorageError>) -> bool {
    matches!(
        error,
        None | Some(pagemill_storage::StorageError::NotFound { .. })
    )
}

/// Whether something accepts connections at an address. More than that would cost tokens.
async fn answers(base_url: &str) -> bool {
    let Ok(address) = url::Url::parse(base_url) else {
        return false;
    };
    let (Some(host), Some(port)) = (address.host_str(), address.port_or_known_default()) else {
        return false;
    };
    let host = host.trim_matches(['[', ']']);
    tokio::net::TcpStream::connect((host, port)).await.is_ok()
}
