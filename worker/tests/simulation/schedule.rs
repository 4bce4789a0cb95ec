//! What happens to the world in one run: what users do, and what goes wrong. All of it comes from the seed.

use std::time::Duration;

use crate::bus::Bus;
use crate::dice::Dice;
use crate::documents::{Content, KEYS};

/// What a worker calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Dependency {
    Sqs,
    S3,
    Qdrant,
    Llm,
}

/// Something that happens at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A user writes an object.
    Upload { key: usize, content: Content },
    /// A user deletes one.
    Remove { key: usize },
    /// The bulk trigger asks for one.
    Ask { key: usize },
    /// A worker is stopped by SIGSTOP for a while.
    Freeze { worker: usize, time: Duration },
    /// A worker is resumed.
    Resume { worker: usize, process: u32 },
    /// A worker is killed.
    Kill { worker: usize },
    /// A worker gets SIGTERM, and SIGKILL when it is still there after ECS's two minutes.
    Terminate { worker: usize },
    /// A worker that did not stop in time is killed.
    EndOfPatience { worker: usize, process: u32 },
    /// A worker is started.
    Start { worker: usize },
    /// A dependency does not answer for a while.
    Outage {
        dependency: Dependency,
        time: Duration,
    },
    /// An event message is sent.
    Send { message: usize },
}

/// How often calls go wrong, in a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rates {
    pub(crate) fails: u32,
    pub(crate) answer_lost: u32,
    pub(crate) sent_twice: u32,
    pub(crate) dies_before: u32,
    pub(crate) dies_after: u32,
    pub(crate) slow: u32,
    pub(crate) duplicate: u32,
}

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) bus: Bus,
    pub(crate) workers: usize,
    /// Documents at once in one worker.
    pub(crate) slots: usize,
    /// Whether the bucket keeps versions, and events name them.
    pub(crate) versioned: bool,
    /// Whether events arrive at once, pages take half a second at most and the LLM two: for tests that look at the time.
    pub(crate) quick: bool,
    pub(crate) rates: Rates,
    /// When everything heals.
    pub(crate) calm_at: Duration,
    pub(crate) actions: Vec<(Duration, Action)>,
}

impl Plan {
    /// The run of a seed. It is the same on every bus, but for what that does.
    pub(crate) fn of_seed(seed: u64, bus: Bus) -> Self {
        let dice = Dice::new(seed, 1);
        let workers = dice.number(2, 3) as usize;
        let calm_at = dice.millis(60_000, 600_000);
        let up_to = |low: u64| {
            let high = calm_at.as_millis() as u64;
            dice.millis(low.min(high), high)
        };
        let rate = |choices: &[u32]| *dice.pick(choices);
        let rates = Rates {
            fails: rate(&[0, 5, 30, 100]),
            answer_lost: rate(&[0, 5, 30]),
            sent_twice: rate(&[0, 5, 30]),
            dies_before: rate(&[0, 0, 2, 10]),
            dies_after: rate(&[0, 0, 2, 10]),
            slow: rate(&[0, 10, 50]),
            duplicate: rate(&[0, 0, 50, 300]),
        };
        let mut actions = Vec::new();
        let keys = dice.number(1, KEYS.len() as u64) as usize;
        for key in 0..keys {
            for _ in 0..dice.number(1, 3) {
                // Many changes of one document close together are what makes workers meet.
                let at = if dice.coin() {
                    dice.millis(0, 20_000)
                } else {
                    up_to(0)
                };
                actions.push((at, Self::change(&dice, key)));
            }
        }
        for worker in 0..workers {
            for _ in 0..dice.number(0, 3) {
                let trouble = match dice.number(0, 3) {
                    0 => Action::Kill { worker },
                    1 => Action::Terminate { worker },
                    _ => Action::Freeze {
                        worker,
                        time: dice.millis(1_000, 300_000),
                    },
                };
                actions.push((up_to(1_000), trouble));
            }
        }
        for dependency in [
            Dependency::Sqs,
            Dependency::S3,
            Dependency::Qdrant,
            Dependency::Llm,
        ] {
            if dice.per_mille(120) {
                let time = dice.millis(5_000, 400_000);
                actions.push((up_to(0), Action::Outage { dependency, time }));
            }
        }
        Self {
            seed,
            bus,
            workers,
            slots: dice.number(1, 2) as usize,
            versioned: dice.coin(),
            quick: false,
            rates,
            calm_at,
            actions,
        }
    }

    fn change(dice: &Dice, key: usize) -> Action {
        match dice.number(0, 19) {
            0..=2 => Action::Remove { key },
            3..=4 => Action::Ask { key },
            5 => Action::Upload {
                key,
                content: Content::Corrupt,
            },
            6 if crate::KILLERS => Action::Upload {
                key,
                content: Content::Killer,
            },
            _ => Action::Upload {
                key,
                content: *dice.pick(&[
                    Content::Three,
                    Content::One,
                    Content::Long,
                    Content::HalfReadable,
                ]),
            },
        }
    }

    /// One document, one worker, and nothing goes wrong.
    pub(crate) fn undisturbed(key: usize, content: Content) -> Self {
        Self {
            seed: 0,
            bus: Bus::Sqs,
            workers: 1,
            slots: 1,
            versioned: true,
            quick: false,
            rates: Rates::default(),
            calm_at: Duration::from_secs(1),
            actions: vec![(Duration::ZERO, Action::Upload { key, content })],
        }
    }

    /// One key is written over and over within a second, and nothing goes wrong but that events come twice and in any
    /// order.
    pub(crate) fn storm(seed: u64, bus: Bus, uploads: u32, workers: usize, slots: usize) -> Self {
        let dice = Dice::new(seed, 1);
        let versioned = dice.coin();
        let actions = (0..uploads).map(|_| {
            let content = *dice.pick(&[Content::Three, Content::One, Content::HalfReadable]);
            (dice.millis(0, 1_000), Action::Upload { key: 0, content })
        });
        Self {
            actions: actions.collect(),
            seed,
            bus,
            workers,
            slots,
            versioned,
            quick: true,
            rates: Rates::default(),
            calm_at: Duration::from_secs(1),
        }
    }

    /// The LLM is away for an hour. Three new documents need it meanwhile, among many requests for one that is done.
    pub(crate) fn outage_among_unchanged() -> Self {
        let minute = Duration::from_secs(60);
        let upload = |key| Action::Upload {
            key,
            content: Content::One,
        };
        let outage = Action::Outage {
            dependency: Dependency::Llm,
            time: minute * 60,
        };
        let mut actions = vec![(Duration::ZERO, upload(0)), (minute, outage)];
        actions.extend(
            (1..KEYS.len()).map(|key| (minute + Duration::from_secs(30) * key as u32, upload(key))),
        );
        actions.extend((0..400).map(|ask| {
            (
                minute + Duration::from_secs(5) * ask,
                Action::Ask { key: 0 },
            )
        }));
        Self {
            actions,
            seed: 0,
            bus: Bus::Sqs,
            workers: 1,
            slots: 1,
            versioned: false,
            quick: true,
            rates: Rates::default(),
            calm_at: minute * 61,
        }
    }
}
