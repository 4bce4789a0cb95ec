//! The simulation: the product's own intake, lease, pipeline and settlement, between doubles, under a paused clock.
//!
//! A seed decides everything: what users do, when workers are killed, frozen and stopped, which calls fail, which
//! answers are lost. The same seed gives the same run. The oracle watches each call and compares the end with an
//! undisturbed run. A failing seed prints the command that shows its trace:
//!
//! ```sh
//! PAGEMILL_SIM_SEED=1234 PAGEMILL_SIM_BUS=nats cargo test -p pagemill-worker --test simulation one_seed -- --nocapture
//! ```
//!
//! `PAGEMILL_SIM_SEEDS=1000000` and `PAGEMILL_SIM_FIRST=10001` run more of them, and others. The queue behaves like SQS,
//! like NATS or like RabbitMQ, each for a third of the seeds; `PAGEMILL_SIM_BUS=nats` runs all of them like NATS, and
//! `PAGEMILL_SIM_BUS=all` each like each.

#[path = "simulation/bus.rs"]
mod bus;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/documents.rs"]
mod documents;
#[path = "simulation/engine.rs"]
mod engine;
#[path = "simulation/gate.rs"]
mod gate;
#[path = "simulation/model.rs"]
mod model;
#[path = "simulation/oracle.rs"]
mod oracle;
#[path = "simulation/process.rs"]
mod process;
#[path = "simulation/sabotage.rs"]
mod sabotage;
#[path = "simulation/schedule.rs"]
mod schedule;
#[path = "simulation/trace.rs"]
mod trace;
#[path = "simulation/world.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bus::Bus;
use documents::Content;
use model::Snapshot;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sabotage::Sabotage;
use schedule::Plan;
use world::World;

/// Whether documents that kill their worker are among the uploads.
pub(crate) const KILLERS: bool = true;

/// Seeds of a plain `cargo test`, over all buses.
const SEEDS: u64 = 10_000;

/// Within this time twenty uploads of one key, all within a second, are settled. Each of the one or two runs that they
/// need takes some seconds.
const STORM: Duration = Duration::from_secs(20);

/// What one run showed.
struct Report {
    seed: u64,
    bus: Bus,
    violations: Vec<String>,
    /// Hash of the trace, and its length.
    digest: (u64, u64),
    lines: Vec<String>,
    /// Answers of the LLM, and how many of them were asked for again.
    payments: (u64, u64),
    stale_calls: u64,
    most_receives: u32,
    calls: u64,
}

fn in_a_world<T>(
    plan: Plan,
    sabotage: Sabotage,
    keeps_lines: bool,
    look: impl FnOnce(&Arc<World>) -> T,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system");
    runtime.block_on(async {
        let world = World::new(plan, sabotage, keeps_lines);
        world.live().await;
        let seen = look(&world);
        world.end();
        seen
    })
}

/// Runs one seed.
fn run(seed: u64, bus: Bus, sabotage: Sabotage, keeps_lines: bool) -> Report {
    model::prepare();
    let plan = Plan::of_seed(seed, bus);
    in_a_world(plan, sabotage, keeps_lines, |world| Report {
        seed,
        bus,
        violations: world.oracle().violations(),
        digest: world.trace.digest(),
        lines: world.trace.lines(),
        payments: world.oracle().payments(),
        stale_calls: world.oracle().stale_calls(),
        most_receives: world.oracle().most_receives(),
        calls: world.calls().values().sum(),
    })
}

/// What there is of a source after one undisturbed run.
fn undisturbed(key: usize, content: Content) -> Snapshot {
    in_a_world(
        Plan::undisturbed(key, content),
        Sabotage::None,
        false,
        |world| Snapshot::of(world, key),
    )
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|error| panic!("{name} is {value:?}, and should be a number: {error}")),
    )
}

/// The buses that `PAGEMILL_SIM_BUS` names; `None` where it names none.
fn named_buses() -> Option<Vec<Bus>> {
    let name = std::env::var("PAGEMILL_SIM_BUS").ok()?;
    if name == "all" {
        return Some(Bus::ALL.to_vec());
    }
    let named = Bus::ALL.into_iter().find(|bus| bus.to_string() == name);
    let bus = named.unwrap_or_else(|| {
        panic!("PAGEMILL_SIM_BUS is {name:?}, and should be sqs, nats, rabbitmq or all")
    });
    Some(vec![bus])
}

/// Runs seeds on all processors until they are done or one of them breaks a promise.
fn run_seeds(runs: &[(u64, Bus)], sees: impl Fn(Report) -> bool + Sync) {
    model::prepare();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&(seed, bus)) = runs.get(number) else {
                        return;
                    };
                    if !sees(run(seed, bus, Sabotage::None, false)) {
                        next.fetch_max(runs.len(), Ordering::Relaxed);
                        return;
                    }
                }
            });
        }
    });
}

fn complaint(report: &Report) -> String {
    format!(
        "seed {} on {} breaks promises:\n  {}\nreplay it with its trace:\n  \
         PAGEMILL_SIM_SEED={} PAGEMILL_SIM_BUS={} cargo test -p pagemill-worker --test simulation one_seed -- --nocapture",
        report.seed,
        report.bus,
        report.violations.join("\n  "),
        report.seed,
        report.bus,
    )
}

#[test]
fn out_1_out_2_nothing_is_lost_and_nothing_doubled_in_many_seeds() {
    let first = number("PAGEMILL_SIM_FIRST").unwrap_or(1);
    let count = number("PAGEMILL_SIM_SEEDS").unwrap_or(SEEDS);
    let most = number("PAGEMILL_SIM_FAILURES").unwrap_or(1) as usize;
    let seeds = first..first + count;
    let runs: Vec<(u64, Bus)> = match named_buses() {
        Some(buses) => buses
            .into_iter()
            .flat_map(|bus| seeds.clone().map(move |seed| (seed, bus)))
            .collect(),
        None => seeds.map(|seed| (seed, Bus::of_seed(seed))).collect(),
    };
    let mut complaints = Vec::new();
    for bus in Bus::ALL {
        let of_bus: Vec<(u64, Bus)> = runs.iter().copied().filter(|run| run.1 == bus).collect();
        if !of_bus.is_empty() {
            complaints.extend(many_seeds(bus, &of_bus, most));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

/// Runs seeds on one bus, says what they were, and what is wrong, with at most so many failures.
fn many_seeds(bus: Bus, runs: &[(u64, Bus)], most: usize) -> Vec<String> {
    let begun = std::time::Instant::now();
    let broken = std::sync::Mutex::new(Vec::new());
    let [events, payments, again, stale, receives, calls] = [const { AtomicU64::new(0) }; 6];
    run_seeds(runs, |report| {
        events.fetch_add(report.digest.1, Ordering::Relaxed);
        payments.fetch_add(report.payments.0, Ordering::Relaxed);
        again.fetch_add(report.payments.1, Ordering::Relaxed);
        stale.fetch_add(report.stale_calls, Ordering::Relaxed);
        receives.fetch_max(u64::from(report.most_receives), Ordering::Relaxed);
        calls.fetch_max(report.calls, Ordering::Relaxed);
        if report.violations.is_empty() {
            return true;
        }
        let mut broken = broken.lock().expect("no thread panics with it");
        broken.push(complaint(&report));
        broken.len() < most
    });
    println!(
        "{bus}: {} seeds from {} in {:.1} s: {events:?} events, {payments:?} answers of the LLM, {again:?} asked for \
         again; {stale:?} stale calls answered as good ones; at most {receives:?} receives of a message and {calls:?} calls in a run",
        runs.len(),
        runs[0].0,
        begun.elapsed().as_secs_f64()
    );
    broken.into_inner().expect("no thread panics with it")
}

/// Finds a planted bug on each of these buses, within so many seeds.
fn is_caught(sabotage: Sabotage, buses: &[Bus], within: u64) {
    for &bus in buses {
        let caught = (1..=within)
            .map(|seed| run(seed, bus, sabotage, false))
            .find(|report| !report.violations.is_empty());
        let report = caught.unwrap_or_else(|| panic!("{sabotage:?} passes for right on {bus}"));
        println!("seed {} on {bus}: {:#?}", report.seed, report.violations);
    }
}

#[test]
fn se_1_a_message_that_is_deleted_before_the_commit_is_found_within_5_seeds() {
    is_caught(Sabotage::DeleteBeforeCommit, &Bus::ALL, 5);
}

/// The other buses hold a message for longer than most runs need, or as long as its connection lives, renewed or not.
#[test]
fn le_4_a_heartbeat_that_does_not_renew_is_found_within_100_seeds() {
    is_caught(Sabotage::NoHeartbeat, &[Bus::Sqs], 100);
}

/// Workers meet there more often than on the other buses, which don't deliver a message twice.
#[test]
fn out_2_a_commit_without_a_fence_is_found_within_1000_seeds() {
    is_caught(Sabotage::UnfencedCommit, &[Bus::Sqs], 1_000);
}

#[test]
fn out_2_twenty_uploads_of_one_key_are_settled_in_seconds() {
    model::prepare();
    for bus in Bus::ALL {
        for (workers, slots) in [(1, 1), (1, 4), (3, 2)] {
            let mut longest = Duration::ZERO;
            for seed in 1..=40 {
                let plan = Plan::storm(seed, bus, 20, workers, slots);
                let (violations, took) = in_a_world(plan, Sabotage::None, false, |world| {
                    (world.oracle().violations(), world.settled_after())
                });
                assert!(violations.is_empty(), "seed {seed}: {violations:#?}");
                longest = longest.max(took.expect("all was settled"));
            }
            println!("{bus}: {workers} workers with {slots} slots: {longest:?}");
            assert!(
                longest < STORM,
                "{bus}: {workers} workers with {slots} slots: {longest:?}"
            );
        }
    }
}

/// What an unchanged document says of the LLM is nothing: it can't close its breaker.
#[test]
fn se_3_unchanged_documents_do_not_hide_an_outage_of_the_llm() {
    model::prepare();
    let plan = Plan::outage_among_unchanged();
    let (violations, calls) = in_a_world(plan, Sabotage::None, false, |world| {
        (world.oracle().violations(), world.calls())
    });
    assert!(violations.is_empty(), "{violations:#?}");
    // The one before the outage, three that open the breaker, and one for each document after it.
    assert_eq!(calls[&schedule::Dependency::Llm], 1 + 3 + 3);
}

/// A message that finds its document at another one's run for so long that it takes it over has waited over an hour,
/// whatever chance takes off its waits.
#[test]
fn out_2_a_message_steps_aside_for_over_an_hour() {
    for bus in Bus::ALL {
        let delays = bus.capabilities().retry;
        let mut random = StdRng::seed_from_u64(1);
        let mut shortest = |receives| {
            (0..1_000)
                .map(|_| pagemill_queue::settle::yield_wait(receives, &delays, &mut random))
                .min()
                .expect("a thousand waits")
        };
        assert_eq!(shortest(1), Duration::from_secs(1));
        let before: Duration = (1..=pagemill_pipeline::attempts::YIELDS_MAX)
            .map(shortest)
            .sum();
        assert!(before > Duration::from_secs(3_600), "{bus}: {before:?}");
    }
}

/// Shows the trace of the seed that is named.
#[test]
fn one_seed() {
    let named = number("PAGEMILL_SIM_SEED");
    let seed = named.unwrap_or(1);
    let bus = match named_buses().as_deref() {
        Some([bus]) => *bus,
        _ => Bus::of_seed(seed),
    };
    let report = run(seed, bus, Sabotage::None, named.is_some());
    if named.is_some() {
        println!("{:#?}", Plan::of_seed(seed, bus));
        println!("{}", report.lines.join("\n"));
    }
    assert!(report.violations.is_empty(), "{}", complaint(&report));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1..=50 {
        let bus = Bus::of_seed(seed);
        let first = run(seed, bus, Sabotage::None, false);
        let second = run(seed, bus, Sabotage::None, true);
        assert_eq!(first.digest, second.digest, "seed {seed} on {bus}");
    }
}
