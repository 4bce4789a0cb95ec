//! The table of known differences in docs/SEMANTICS.md says what capabilities say, which the suite holds queues to.

use std::path::Path;
use std::time::Duration;

use pagemill_queue::capabilities::{
    DeadLettering, HoldLength, Proof, Receipts, Receives, RetryDelays, Stale,
};
use pagemill_queue::memory::likeness;
use pagemill_queue::{Capabilities, Queue, SqsQueue};

use crate::sqs::client_for;

/// What the table says of a queue.
type Told = fn(&Capabilities) -> String;

/// What is told of a queue, each with the promise that it bears on.
const ROWS: [(&str, Told); 10] = [
    ("a message is held (LE-2)", hold),
    ("the longest that one receipt holds it (LE-3)", hold_total),
    ("a receipt counts (LE-2)", receipts),
    ("a call by a stale receipt (LE-4)", stale),
    ("a worker hears that it has lost its lease (LE-4)", loss),
    ("a worker is killed: its message is back (OUT-1)", death),
    ("an end is certain (SE-1)", proof),
    ("a message waits for its next try (SE-2)", retry),
    ("the count of receives (SE-4)", receives),
    ("a dead letter (SE-2)", dead_letter),
];

fn hold(capabilities: &Capabilities) -> String {
    match capabilities.hold {
        HoldLength::PerCall { .. } => "as long as each call asks".to_owned(),
        HoldLength::Fixed(_) => "for a time that is the same for all messages".to_owned(),
        HoldLength::Connection { .. } => {
            "while its connection lives; a renewal is good for two of its beats".to_owned()
        }
    }
}

fn hold_total(capabilities: &Capabilities) -> String {
    match capabilities.hold_total {
        None => "no limit".to_owned(),
        Some(total) => format!("{} h", total.as_secs() / 3600),
    }
}

fn receipts(capabilities: &Capabilities) -> String {
    match capabilities.receipts {
        Receipts::Anywhere => "everywhere: renewals have a client of their own".to_owned(),
        Receipts::Connection => {
            "on its connection: the worker works on the one of the renewals".to_owned()
        }
    }
}

fn stale(capabilities: &Capabilities) -> String {
    match capabilities.stale {
        Stale::Refused if capabilities.receipts == Receipts::Anywhere => {
            "refused, or (a deletion) accepted without effect".to_owned()
        }
        Stale::Refused => "refused".to_owned(),
        Stale::Ignored => "accepted without effect".to_owned(),
        Stale::Applied => {
            "applied to what another worker holds: deleted, extended, handed on".to_owned()
        }
    }
}

fn loss(capabilities: &Capabilities) -> String {
    match (capabilities.receipts, capabilities.stale) {
        (Receipts::Connection, _) => "at once: its connection is closed".to_owned(),
        (Receipts::Anywhere, Stale::Refused) => "at its next renewal".to_owned(),
        (Receipts::Anywhere, Stale::Ignored | Stale::Applied) => "never".to_owned(),
    }
}

fn death(capabilities: &Capabilities) -> String {
    match capabilities.hold {
        HoldLength::PerCall { .. } | HoldLength::Fixed(_) => "when its hold ends".to_owned(),
        HoldLength::Connection { .. } => "at once".to_owned(),
    }
}

fn proof(capabilities: &Capabilities) -> String {
    match capabilities.proof {
        Proof::Answered => "by its answer".to_owned(),
        Proof::Ordered => "by the answer to a later call on the same connection".to_owned(),
    }
}

fn retry(capabilities: &Capabilities) -> String {
    match &capabilities.retry {
        RetryDelays::Any { .. } => "any time".to_owned(),
        RetryDelays::Steps(steps) => {
            let ends = [steps.first(), steps.last()].map(|step| step.map_or(0, Duration::as_secs));
            format!(
                "one of {} steps from {} to {} s, at random one of two",
                steps.len(),
                ends[0],
                ends[1]
            )
        }
    }
}

fn receives(capabilities: &Capabilities) -> String {
    let count = match capabilities.receives {
        Receives::Exact => "exact",
        Receives::Approximate => "approximate",
    };
    match capabilities.receive_limit {
        None => format!("{count}; the queue sets no limit"),
        Some(_) => format!("{count}; the queue's own limit is a backstop"),
    }
}

fn dead_letter(capabilities: &Capabilities) -> String {
    match capabilities.dead_letter {
        DeadLettering::Nowhere => "there is none".to_owned(),
        DeadLettering::Atomic => "in one step".to_owned(),
        DeadLettering::Deduplicated { .. } => {
            "sent, then the message deleted; a second one is dropped".to_owned()
        }
        DeadLettering::SendThenDelete => {
            "sent, then the message deleted: twice at worst".to_owned()
        }
    }
}

#[test]
fn the_documentation_tells_the_differences() {
    let queue = |name: &str| {
        let client = client_for("http://127.0.0.1:9");
        SqsQueue::new(client, format!("http://127.0.0.1:9/000000000000/{name}"))
    };
    let sqs = queue("pdfs").with_dead_letters(Some(queue("dlq")));
    let sqs = Capabilities {
        receive_limit: Some(100),
        ..sqs.capabilities().clone()
    };
    let buses = [
        sqs,
        likeness::nats(Duration::from_secs(120)),
        likeness::rabbitmq(Duration::from_secs(60)),
    ];
    let table: Vec<String> = ROWS
        .iter()
        .map(|(name, told)| {
            let cells = buses.iter().map(|bus| format!(" {} |", told(bus)));
            format!("| {name} |{}", cells.collect::<String>())
        })
        .collect();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/SEMANTICS.md");
    let document = std::fs::read_to_string(document).expect("docs/SEMANTICS.md is there");
    assert!(
        document.contains(&table.join("\n")),
        "the table of docs/SEMANTICS.md should be\n{}",
        table.join("\n")
    );
}

/// The likeness that tests of the worker use is the one of the adapter.
#[test]
fn a_queue_like_sqs_promises_what_the_adapter_does() {
    let queue = || {
        SqsQueue::new(
            client_for("http://127.0.0.1:9"),
            "http://127.0.0.1:9/0/pdfs",
        )
    };
    let adapter = queue().with_dead_letters(Some(queue()));
    assert_eq!(*adapter.capabilities(), likeness::sqs());
}
