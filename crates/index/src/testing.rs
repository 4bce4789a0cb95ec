//! Helpers for tests of this and other crates; behind the feature `testing`.
//!
//! [`TestQdrant`] is a Qdrant server on loopback, made from the server stubs that `qdrant-client` ships: a real
//! client speaks real gRPC to it. Behind the wire is a small engine in memory that knows what this project uses:
//! named dense vectors by cosine, named sparse ones by dot product with IDF, payload filters, counts, scrolls. What it
//! does not know it answers with `Unimplemented`, so that a test can't pass on it by chance.
//!
//! Faults are scripted: [`TestQdrant::fail_next`] lets the next calls fail with a status of your choice.

mod engine;
mod service;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pagemill_document::ChargeSink;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
pub use tonic::Code;
use tonic::Status;

use self::engine::Engine;
use crate::embed::{Embedder, Embedding, Purpose};
use crate::error::IndexError;

/// What the server and the test share.
#[derive(Debug, Default)]
struct State {
    engine: Engine,
    /// Failures of the next calls whose name begins so.
    faults: VecDeque<(String, Status)>,
    calls: Vec<String>,
    api_key: Option<String>,
}

type SharedState = Arc<Mutex<State>>;

fn lock(state: &SharedState) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A Qdrant server on loopback, until it is dropped.
#[derive(Debug)]
pub struct TestQdrant {
    address: SocketAddr,
    state: SharedState,
    task: JoinHandle<()>,
}

impl TestQdrant {
    /// Starts a server on a free port.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_with_key(None).await
    }

    /// Starts a server that wants this API key.
    pub async fn start_with_key(api_key: Option<&str>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = SharedState::default();
        lock(&state).api_key = api_key.map(str::to_owned);
        let router = service::router(Arc::clone(&state));
        let task = tokio::spawn(async move {
            // A failing listener ends the server; the test's next call then says so.
            drop(
                router
                    .serve_with_incoming(TcpListenerStream::new(listener))
                    .await,
            );
        });
        Ok(Self {
            address,
            state,
            task,
        })
    }

    /// Its URL, for `QDRANT_URL` or [`crate::QdrantServer::connect`].
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets the next calls fail, `times` times.
    pub fn fail_next(&self, times: usize, code: Code, message: &str) {
        self.fail_call("", times, code, message);
    }

    /// Lets the next calls whose name begins so (as in [`TestQdrant::calls`]) fail, `times` times.
    pub fn fail_call(&self, name: &str, times: usize, code: Code, message: &str) {
        let faults =
            std::iter::repeat_with(|| (name.to_owned(), Status::new(code, message))).take(times);
        lock(&self.state).faults.extend(faults);
    }

    /// Lets the next call be throttled, with this `retry-after`.
    pub fn throttle_next(&self, retry_after: Duration) {
        let mut fault = Status::resource_exhausted("too many requests");
        fault
            .metadata_mut()
            .insert("retry-after", retry_after.as_secs().into());
        lock(&self.state).faults.push_back((String::new(), fault));
    }

    /// Takes back the failures that have not happened yet.
    pub fn heal(&self) {
        lock(&self.state).faults.clear();
    }

    /// The calls so far, such as `upsert semantic_store`, in order.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.state).calls.clone()
    }

    /// How many points a collection holds; 0 when it is not there.
    pub fn points(&self, collection: &str) -> usize {
        lock(&self.state).engine.points(collection)
    }

    /// Every point of a collection as (id, payload), by id.
    pub fn dump(&self, collection: &str) -> Vec<(String, serde_json::Value)> {
        lock(&self.state).engine.dump(collection)
    }

    /// Takes over what another server holds, in place of what it held itself.
    pub fn copy_from(&self, other: &Self) {
        let engine = lock(&other.state).engine.clone();
        lock(&self.state).engine = engine;
    }
}

impl Drop for TestQdrant {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An embedder that needs no model: each word adds to the dimensions its hash names, so texts that share words are
/// near. The same text always gives the same vector.
#[derive(Debug, Clone)]
pub struct HashEmbedder {
    /// Dimensions of its vectors.
    pub dimensions: usize,
}

impl Default for HashEmbedder {
    fn default() -> Self {
        Self { dimensions: 64 }
    }
}

#[async_trait]
impl Embedder for HashEmbedder {
    fn name(&self) -> String {
        format!("hash-{}", self.dimensions)
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    async fn embed(
        &self,
        texts: &[String],
        _purpose: Purpose,
        _: &dyn ChargeSink,
    ) -> Result<Embedding, IndexError> {
        let mut embedding = Embedding::default();
        for text in texts {
            let settings = crate::settings::IndexSettings::default();
            let terms = crate::sparse::document_vector(text, &[], &settings);
            let mut vector = vec![0.0; self.dimensions];
            for index in &terms.indices {
                vector[*index as usize % self.dimensions] += 1.0;
            }
            crate::embed::normalise(&mut vector);
            embedding.tokens += terms.indices.len() as u64;
            embedding.vectors.push(vector);
        }
        Ok(embedding)
    }
}
