//! One process of a worker: the product's own intake, handler, heartbeat, settler, breakers and pipeline, as
//! `worker run` puts them together, over gated doubles.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use pagemill_index::testing::HashEmbedder;
use pagemill_index::{CollectionNames, Indexer};
use pagemill_pipeline::{Dependency, Parts, Pipeline};
use pagemill_queue::{
    Breaker, BreakerSettings, Breakers, Clock, Heartbeat, Intake, IntakeSettings, Jitter,
    LeaseSettings, PollHealth, Queue, Settler,
};
use pagemill_storage::{ObjectStore, StorageError};
use pagemill_worker::{Handler, Telemetry};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::engine::SimulatedEngine;
use crate::gate::llm::GatedLlm;
use crate::gate::queue::GatedQueue;
use crate::gate::store::GatedStore;
use crate::gate::vectors::GatedVectors;
use crate::gate::{Gate, Gated, GatedClock};
use crate::world::{BUCKET, World};

/// The time that ECS leaves between SIGTERM and SIGKILL, less what the worker keeps for itself.
pub(crate) const DRAIN: Duration = Duration::from_secs(110);

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) gate: Arc<Gate>,
    pub(crate) number: u32,
    /// Its SIGTERM.
    pub(crate) shutdown: CancellationToken,
    tasks: Vec<AbortHandle>,
}

impl Process {
    /// Drops all of its tasks.
    pub(crate) fn abort(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }

    /// Starts one.
    pub(crate) fn start(world: &Arc<World>, worker: usize, number: u32) -> Self {
        let gate = Gate::new(Arc::clone(world), worker, number);
        gate.note("STARTED");
        let clock: Arc<dyn Clock> = Arc::new(GatedClock {
            gate: Arc::clone(&gate),
        });
        let queue = || -> Arc<dyn Queue> {
            Arc::new(GatedQueue {
                gate: Arc::clone(&gate),
                queue: gate.connection.clone(),
            })
        };
        let store: Arc<dyn ObjectStore> = Arc::new(GatedStore {
            gate: Arc::clone(&gate),
            store: Arc::clone(&world.store),
        });
        let indexer = Indexer::new(
            world.settings.index.clone(),
            Arc::new(HashEmbedder { dimensions: 4 }),
            Arc::new(GatedVectors {
                gate: Arc::clone(&gate),
                vectors: Arc::clone(&world.vectors),
            }),
            CollectionNames::default(),
        );
        let parts = Parts {
            store: Arc::clone(&store),
            engine: Arc::new(SimulatedEngine {
                gate: Arc::clone(&gate),
            }),
            engine_version: "simulated".to_owned(),
            ocr_version: String::new(),
            generator: Arc::new(GatedLlm {
                gate: Arc::clone(&gate),
            }),
            indexer: Arc::new(indexer.expect("the default settings are in order")),
            history: None,
            settings: Arc::clone(&world.settings),
        };
        let breakers = Breakers::new(
            Dependency::SERVICES
                .into_iter()
                .map(|service| {
                    Breaker::new(service.name(), BreakerSettings::default(), clock.clone())
                })
                .collect(),
        );
        let mut tasks = probes(&gate, &breakers, &parts);
        let shutdown = CancellationToken::new();
        let heartbeat = Heartbeat::on_current_runtime(clock.clone(), queue());
        let work = heartbeat
            .client_for_work(|| async { Ok(queue()) })
            .now_or_never()
            .expect("a queue in memory connects at once")
            .expect("and always");
        let jitter = Jitter::seeded(world.dice.number(0, u64::MAX));
        let lease = LeaseSettings::default()
            .fit(work.capabilities())
            .expect("the default settings fit every bus");
        let handler = Arc::new(Handler {
            pipeline: Pipeline::new(parts),
            bucket: BUCKET.to_owned(),
            settler: Settler::new(Arc::clone(&work), "simulated").with_jitter(jitter),
            heartbeat,
            lease: lease.clone(),
            breakers: Arc::clone(&breakers),
            shutdown: shutdown.clone(),
            drain: DRAIN,
            telemetry: Arc::new(Telemetry::default()),
        });
        let intake_settings = IntakeSettings::under(&lease, work.capabilities(), world.plan.slots);
        let intake = Intake::new(
            work,
            intake_settings,
            breakers,
            PollHealth::new(clock.clone()),
            clock,
        );
        let main = {
            let (gate, shutdown) = (Arc::clone(&gate), shutdown.clone());
            async move {
                let handled_by = Arc::clone(&gate);
                let received = intake
                    .run(shutdown, move |delivery| {
                        let handler = Arc::clone(&handler);
                        Gated::new(&handled_by, async move { handler.handle(delivery).await })
                    })
                    .await;
                match received {
                    Ok(()) => gate.exit(),
                    Err(error) => gate.die(&format!("could not receive: {error}")),
                }
            }
        };
        tasks.push(tokio::spawn(Gated::new(&gate, main)).abort_handle());
        Self {
            gate,
            number,
            shutdown,
            tasks,
        }
    }
}

/// While a breaker is open, its dependency is asked whether it is back, as `worker run` does.
fn probes(gate: &Arc<Gate>, breakers: &Arc<Breakers>, parts: &Parts) -> Vec<AbortHandle> {
    let mut tasks = Vec::new();
    for service in Dependency::SERVICES {
        let Some(breaker) = breakers.get(service.name()).cloned() else {
            continue;
        };
        let store = Arc::clone(&parts.store);
        let vectors = Arc::clone(parts.indexer.store());
        let world = Arc::clone(&gate.world);
        let probing = async move {
            breaker
                .recover_with(|| async {
                    let asked = async {
                        match service {
                            Dependency::Store => matches!(
                                store.head("probe", None).await,
                                Ok(_) | Err(StorageError::NotFound { .. })
                            ),
                            Dependency::Vectors => vectors.ping().await.is_ok(),
                            Dependency::Llm => !world.is_out(crate::schedule::Dependency::Llm),
                            _ => true,
                        }
                    };
                    tokio::time::timeout(Duration::from_secs(5), asked)
                        .await
                        .unwrap_or(false)
                })
                .await;
        };
        tasks.push(tokio::spawn(Gated::new(gate, probing)).abort_handle());
    }
    tasks
}
