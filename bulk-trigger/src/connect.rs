//! The bucket and the queues that the command line or the environment names.

use std::sync::Arc;

use pagemill_app::{Error, adapters};
use pagemill_queue::{Queue, SqsQueue};
use pagemill_storage::ObjectStore;

use crate::cli::StackArguments;

/// The bucket.
pub(crate) async fn bucket(stack: &StackArguments) -> Result<Arc<dyn ObjectStore>, Error> {
    let name = required(stack.bucket.as_deref(), "S3_BUCKET", "--bucket")?;
    Ok(Arc::new(adapters::bucket(name).await))
}

/// The queue that the workers read.
pub(crate) async fn queue(stack: &StackArguments) -> Result<SqsQueue, Error> {
    let url = required(stack.queue_url.as_deref(), "SQS_QUEUE_URL", "--queue-url")?;
    Ok(adapters::queue(url).await)
}

/// The dead-letter queue.
pub(crate) async fn dead_letters(
    stack: &StackArguments,
    queue: &SqsQueue,
) -> Result<SqsQueue, Error> {
    let named = given(stack.dlq_url.as_deref());
    adapters::dead_letters(queue, named).await?.ok_or_else(|| {
        Error::Setting(format!(
            "the queue {} has no dead-letter queue: give --dlq-url or set SQS_DLQ_URL",
            queue.name()
        ))
    })
}

fn required<'a>(value: Option<&'a str>, variable: &str, flag: &str) -> Result<&'a str, Error> {
    given(value)
        .ok_or_else(|| Error::Setting(format!("{variable} is not set: set it or give {flag}")))
}

fn given(value: Option<&str>) -> Option<&str> {
    value.filter(|text| !text.trim().is_empty())
}
