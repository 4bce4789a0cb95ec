//! The buses in whose manner the queue behaves. What a promise means on each is what [`Capabilities`] say, and the oracle
//! asks those where it has to.

use std::fmt;
use std::time::Duration;

use pagemill_queue::Capabilities;
use pagemill_queue::memory::likeness;

/// How often a message is received before a queue like SQS gives it up. Far beyond what a run needs: the product's own
/// verdicts must come first.
const MAX_RECEIVES: u32 = 100;

/// A kind of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Bus {
    /// Leases by call, messages delivered twice now and then, a limit of receives.
    #[default]
    Sqs,
    /// One hold for all; whoever calls by an old receipt changes what somebody else holds.
    Nats,
    /// Messages belong to a connection and come back when that ends; delays have steps.
    RabbitMq,
}

impl Bus {
    pub(crate) const ALL: [Self; 3] = [Self::Sqs, Self::Nats, Self::RabbitMq];

    /// The bus that a seed runs on where none is named: each has a third of them.
    pub(crate) fn of_seed(seed: u64) -> Self {
        let number = usize::try_from(seed % 3).expect("less than three");
        Self::ALL[number]
    }

    pub(crate) fn capabilities(self) -> Capabilities {
        // Holds of the length that renewals ask for, so that the time a request travels fits the lease's margin.
        match self {
            Self::Sqs => Capabilities {
                receive_limit: Some(MAX_RECEIVES),
                ..likeness::sqs()
            },
            Self::Nats => likeness::nats(Duration::from_secs(120)),
            Self::RabbitMq => likeness::rabbitmq(Duration::from_secs(60)),
        }
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sqs => "sqs",
            Self::Nats => "nats",
            Self::RabbitMq => "rabbitmq",
        })
    }
}
