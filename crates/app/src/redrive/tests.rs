use pagemill_events::Job;
use pagemill_queue::memory::{Fault, Operation};
use pagemill_queue::{MemoryQueue, QueueError, TokioClock};

use super::*;

/// Options under which an empty poll ends at once.
fn quick() -> Options {
    Options {
        wait: Duration::ZERO,
        ..Options::default()
    }
}

struct World {
    dead: MemoryQueue,
    queue: MemoryQueue,
}

impl World {
    fn with(reasons: &[Option<&str>]) -> Self {
        let dead = MemoryQueue::new("dead", TokioClock::shared());
        for (number, reason) in reasons.iter().enumerate() {
            let mut message = OutMessage::new(JobRequest::new("b", format!("k{number}")).to_json());
            if let Some(reason) = reason {
                for (name, value) in [
                    (attribute::REASON, *reason),
                    (attribute::PAGE, "3"),
                    ("mine", "x"),
                ] {
                    message.attributes.insert(name.into(), value.into());
                }
            }
            dead.push_message(message);
        }
        Self {
            dead,
            queue: MemoryQueue::new("queue", TokioClock::shared()),
        }
    }

    async fn redrive(&self, options: &Options) -> Redriven {
        redrive(&self.dead, &self.queue, options, &mut |_| ())
            .await
            .unwrap()
    }

    async fn waiting_dead(&self) -> u64 {
        self.dead.depth().await.unwrap().waiting
    }
}

#[tokio::test]
async fn everything_comes_back_without_what_the_failure_said() {
    let world = World::with(&[Some("encrypted"); 25]);
    let bodies: BTreeSet<String> = world
        .dead
        .contents()
        .into_iter()
        .map(|(body, _)| body)
        .collect();
    let done = world.redrive(&quick()).await;
    assert_eq!((done.moved, done.failed, done.undeleted), (25, 0, 0));
    assert!(world.dead.contents().is_empty());
    let returned = world.queue.contents();
    assert_eq!(
        returned
            .iter()
            .map(|(body, _)| body.clone())
            .collect::<BTreeSet<_>>(),
        bodies
    );
    assert!(
        returned
            .iter()
            .all(|(_, attributes)| attributes.keys().eq(["mine"]))
    );
}

#[tokio::test]
async fn only_the_asked_reason_moves_and_the_rest_can_be_received_again() {
    let world = World::with(&[
        Some("encrypted"),
        Some("not_a_pdf"),
        None,
        Some("encrypted"),
    ]);
    let options = Options {
        reasons: vec!["encrypted".into()],
        ..quick()
    };
    let done = world.redrive(&options).await;
    assert_eq!(done.moved, 2);
    assert_eq!(
        done.seen.into_iter().collect::<Vec<_>>(),
        [
            ("encrypted".to_owned(), 2),
            ("none".to_owned(), 1),
            ("not_a_pdf".to_owned(), 1)
        ]
    );
    assert_eq!(world.waiting_dead().await, 2);
    let options = Options {
        reasons: vec!["none".into()],
        ..quick()
    };
    assert_eq!(world.redrive(&options).await.moved, 1);
}

#[tokio::test]
async fn a_dry_run_counts_and_leaves_all_where_it_is() {
    let world = World::with(&[Some("a"), Some("b"), Some("a")]);
    let options = Options {
        reasons: vec!["a".into()],
        dry_run: true,
        ..quick()
    };
    let done = world.redrive(&options).await;
    assert_eq!((done.chosen, done.moved), (2, 0));
    assert_eq!(world.waiting_dead().await, 3);
    assert!(world.queue.contents().is_empty());
}

#[tokio::test]
async fn no_more_than_the_maximum_moves() {
    let world = World::with(&[None; 15]);
    let done = world
        .redrive(&Options {
            max: Some(12),
            ..quick()
        })
        .await;
    assert_eq!(done.moved, 12);
    assert_eq!(
        (world.queue.contents().len(), world.waiting_dead().await),
        (12, 3)
    );
}

#[tokio::test]
async fn a_forced_redrive_asks_for_every_job_of_the_body() {
    let world = World::with(&[]);
    let s3_event = r#"{"Records": [
        {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
         "s3": {"bucket": {"name": "b"}, "object": {"key": "a+b.pdf"}}},
        {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
         "s3": {"bucket": {"name": "b"}, "object": {"key": "c.pdf"}}}]}"#;
    world.dead.push(s3_event);
    world.dead.push("no request at all");
    let done = world
        .redrive(&Options {
            force: true,
            ..quick()
        })
        .await;
    assert_eq!(done.moved, 2);
    let bodies: Vec<String> = world
        .queue
        .contents()
        .into_iter()
        .map(|(body, _)| body)
        .collect();
    let requests: Vec<Job> = bodies
        .iter()
        .flat_map(|body| parse(body))
        .filter_map(|event| match event {
            Event::Job(job) => Some(job),
            _ => None,
        })
        .collect();
    assert_eq!(
        requests
            .iter()
            .map(|request| request.key.as_str())
            .collect::<Vec<_>>(),
        ["a b.pdf", "c.pdf"]
    );
    assert!(requests.iter().all(|request| request.force));
    assert!(bodies.contains(&"no request at all".to_owned()));
}

#[tokio::test]
async fn in_7_a_redrive_keeps_the_custom_prompt() {
    for force in [false, true] {
        let world = World::with(&[]);
        let request = JobRequest {
            custom_prompt: Some("Name the parties.".into()),
            ..JobRequest::new("b", "k")
        };
        world.dead.push(request.to_json());
        let options = Options { force, ..quick() };
        assert_eq!(world.redrive(&options).await.moved, 1);
        let (body, _) = world.queue.contents().remove(0);
        let [Event::Job(job)] = &parse(&body)[..] else {
            panic!("one job: {body}");
        };
        assert_eq!(
            (job.custom_prompt.as_deref(), job.force),
            (Some("Name the parties."), force)
        );
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_deleted() {
    let world = World::with(&[Some("a"), Some("a")]);
    let denied = QueueError::Denied {
        queue: "queue".into(),
        remedy: "allow it".into(),
    };
    world.queue.script(Operation::Send, [Fault::Error(denied)]);
    let done = world.redrive(&quick()).await;
    assert_eq!((done.moved, done.failed), (1, 1));
    assert_eq!(
        (world.queue.contents().len(), world.waiting_dead().await),
        (1, 1)
    );
}

#[tokio::test]
async fn a_dead_letter_queue_that_is_gone_stops_the_run() {
    let world = World::with(&[]);
    let gone = QueueError::NoQueue {
        queue: "dead".into(),
        remedy: "make it".into(),
    };
    world.dead.script(Operation::Receive, [Fault::Error(gone)]);
    let stopped = redrive(&world.dead, &world.queue, &quick(), &mut |_| ()).await;
    assert!(!stopped.unwrap_err().may_pass());
}
