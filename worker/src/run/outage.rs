//! Outages: a breaker for every dependency, and what is asked to find out whether it is back.

use std::sync::Arc;
use std::time::Duration;

use pagemill_index::{IndexError, Indexer, TargetStore};
use pagemill_pipeline::{Dependency, Parts};
use pagemill_queue::{Breaker, BreakerSettings, Breakers, Clock, PollHealth};
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use pagemill_app::environment::{Api, Environment};

/// Longest time for a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// After a vector store that did not answer at the start, the next try comes after this; it doubles.
const PREPARE_PAUSE: Duration = Duration::from_secs(2);
const PREPARE_PAUSE_MAX: Duration = Duration::from_secs(30);

/// A closed breaker for each dependency.
pub(super) fn breakers(clock: &Arc<dyn Clock>) -> Arc<Breakers> {
    let one = |service: Dependency| {
        Breaker::new(service.name(), BreakerSettings::default(), clock.clone())
    };
    Breakers::new(Dependency::SERVICES.into_iter().map(one).collect())
}

/// While a breaker is open, asks its dependency from time to time whether it is back. No message is used for that.
pub(super) fn spawn_probes(
    breakers: &Arc<Breakers>,
    environment: &Environment,
    parts: &Parts,
    shutdown: CancellationToken,
) -> Result<Vec<JoinHandle<()>>, reqwest::Error> {
    // A redirect would carry the key elsewhere.
    let client = pagemill_http::client()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let mut probes = Vec::new();
    for service in Dependency::SERVICES {
        let Some(breaker) = breakers.get(service.name()).cloned() else {
            continue;
        };
        let store = Arc::clone(&parts.store);
        let record_prefix = parts.settings.layout.history();
        let vectors = Arc::clone(parts.indexer.store());
        let api = match service {
            Dependency::Llm => environment.llm.clone(),
            _ => environment.embeddings.clone(),
        };
        let client = client.clone();
        let shutdown = shutdown.clone();
        probes.push(tokio::spawn(async move {
            let recovery = breaker.recover_with(|| async {
                let asked = async {
                    match service {
                        Dependency::Store => is_back(store.head(&record_prefix, None).await.err()),
                        Dependency::Vectors => vectors.ping().await.is_ok(),
                        _ => match &api {
                            Some(api) => serves(&client, api).await,
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
    Ok(probes)
}

/// Makes the collections that are missing, before anything is received. A collection of the wrong size is an error of
/// the configuration, and better known before the first document.
///
/// A vector store that does not answer is waited for, with the intake paused, as in an outage later on: a worker that
/// ended instead would be started again and again, and a service counts that against its deployment. Without
/// `waits_for_store`, for one-off runs, it is an error.
pub(super) async fn prepare_collections(
    indexer: &Indexer,
    targets: &[TargetStore],
    waits_for_store: bool,
    breakers: &Breakers,
    polls: &PollHealth,
    shutdown: &CancellationToken,
) -> Result<(), IndexError> {
    let mut pause = PREPARE_PAUSE;
    loop {
        match indexer.ensure(targets).await {
            Err(error @ (IndexError::Unavailable { .. } | IndexError::Throttled { .. }))
                if waits_for_store =>
            {
                tracing::warn!("nothing is received until the vector store answers: {error}");
                polls.set_paused(true);
                // So that the health check and the metrics say what is waited for.
                if let Some(breaker) = breakers.get(Dependency::Vectors.name()) {
                    breaker.record_failure();
                }
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

/// Whether an API serves again: asked for its models, which costs no tokens, it does not say that it is overloaded or
/// away. Any other answer will do, for not every server lists its models to everybody.
async fn serves(client: &reqwest::Client, api: &Api) -> bool {
    let mut request = client.get(format!("{}/models", api.base_url.trim_end_matches('/')));
    if let Some(key) = &api.api_key {
        request = request.bearer_auth(key.expose_secret());
    }
    match request.send().await {
        Ok(answer) => !matches!(answer.status().as_u16(), 429 | 502..=504),
        Err(_) => false,
    }
}
