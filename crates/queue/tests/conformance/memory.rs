//! Queues in memory, in the manner of each bus that there is or may be.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pagemill_queue::capabilities::{DeadLettering, Stale};
use pagemill_queue::memory::likeness;
use pagemill_queue::{Capabilities, MemoryQueue, TokioClock};

use crate::suite::{self, Fresh, Kind};

struct InMemory {
    capabilities: Capabilities,
    refuses_stale_deletes: bool,
}

impl InMemory {
    fn like(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            refuses_stale_deletes: false,
        }
    }
}

#[async_trait]
impl Kind for InMemory {
    async fn fresh(&self, receive_limit: u32) -> Fresh {
        let clock = TokioClock::shared();
        let dead_letters = MemoryQueue::new("pdfs-dlq", clock.clone());
        let has_limit = self.capabilities.receive_limit.is_some();
        let capabilities = Capabilities {
            receive_limit: has_limit.then_some(receive_limit),
            ..self.capabilities.clone()
        };
        let mut queue = MemoryQueue::with_dead_letters("pdfs", clock, dead_letters.clone(), 1)
            .like(capabilities);
        if self.refuses_stale_deletes {
            queue = queue.refusing_stale_deletes();
        }
        let first = queue.clone();
        Fresh {
            other: Arc::new(queue.connect()),
            queue: Arc::new(queue),
            dead_letters: Arc::new(dead_letters),
            hang_up: Box::new(move || first.hang_up()),
        }
    }

    fn stale_done(&self) -> Stale {
        match self.refuses_stale_deletes {
            true => Stale::Refused,
            false => Stale::Ignored,
        }
    }

    fn can_let_hours_pass(&self) -> bool {
        true
    }
}

fn like_sqs() -> Capabilities {
    Capabilities {
        receive_limit: Some(1),
        ..likeness::sqs()
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_like_sqs_conforms() {
    suite::run(&InMemory::like(like_sqs())).await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_like_sqs_that_refuses_stale_deletes_conforms() {
    let kind = InMemory {
        refuses_stale_deletes: true,
        ..InMemory::like(like_sqs())
    };
    suite::run(&kind).await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_like_nats_conforms() {
    let capabilities = likeness::nats(Duration::from_secs(30));
    suite::run(&InMemory::like(capabilities)).await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_like_rabbitmq_conforms() {
    let capabilities = likeness::rabbitmq(Duration::from_secs(15));
    suite::run(&InMemory::like(capabilities)).await;
}

/// No bus that we know: what capabilities can say besides.
#[tokio::test(start_paused = true)]
async fn a_queue_that_ignores_stale_calls_and_has_atomic_letters_conforms() {
    let capabilities = Capabilities {
        stale: Stale::Ignored,
        dead_letter: DeadLettering::Atomic,
        ..likeness::sqs()
    };
    suite::run(&InMemory::like(capabilities)).await;
}
