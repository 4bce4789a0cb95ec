//! How long a message waits for its next try.

use std::time::Duration;

use rand::Rng;
use rand::seq::IndexedRandom;

use crate::capabilities::RetryDelays;

/// The backoff after the first transient failure.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(30);
/// The wait after the first time that a message found its document at another message's run.
pub const YIELD_FIRST: Duration = Duration::from_secs(1);
/// The longest backoff.
pub const BACKOFF_MAX: Duration = Duration::from_secs(15 * 60);

/// How long a message waits after its n-th failed attempt: 30 s × 2ⁿ⁻¹ and at most 15 minutes, of which a random
/// half is taken off so that failures do not come back in step. `retry_after` is a lower bound.
pub fn backoff(
    attempts: u32,
    retry_after: Option<Duration>,
    delays: &RetryDelays,
    random: &mut impl Rng,
) -> Duration {
    let full = doubled(BACKOFF_FIRST, attempts);
    let least = retry_after.unwrap_or_default().min(BACKOFF_MAX);
    drawn(full, least, delays, random)
}

/// How long a message waits that was received for the n-th time and found its document at another message's run:
/// 1 s × 2ⁿ⁻¹ and at most 15 minutes, of which a random half is taken off.
///
/// Most documents are done in seconds, and a burst of events of one key ends as soon; for one that takes long, the
/// waits grow with it, so that looking costs little and a message is not received too often.
pub fn yield_wait(receives: u32, delays: &RetryDelays, random: &mut impl Rng) -> Duration {
    let full = doubled(YIELD_FIRST, receives);
    drawn(full, YIELD_FIRST, delays, random)
}

fn doubled(first: Duration, time: u32) -> Duration {
    let doublings = time.saturating_sub(1).min(10);
    first.saturating_mul(2_u32.pow(doublings)).min(BACKOFF_MAX)
}

/// A wait between half of `full` and all of it, but not below `least`.
fn drawn(full: Duration, least: Duration, delays: &RetryDelays, random: &mut impl Rng) -> Duration {
    match delays {
        RetryDelays::Any { max } => {
            let jittered = full.mul_f64(random.random_range(0.5..=1.0));
            let whole_seconds = Duration::from_secs(jittered.as_secs());
            whole_seconds.max(least).min(*max)
        }
        RetryDelays::Steps(steps) => {
            let shortest = (full / 2).max(least);
            // Where steps double, one alone lies between the half and the whole: with the next longer one there is a
            // choice, or failures would come back in step.
            let within = steps
                .iter()
                .filter(|step| **step >= shortest)
                .take_while(|step| **step <= full);
            let enough = within.count().max(2);
            let choices: Vec<Duration> = steps
                .iter()
                .copied()
                .filter(|step| *step >= shortest)
                .take(enough)
                .filter(|step| *step <= BACKOFF_MAX)
                .collect();
            let drawn = choices.choose(random).copied();
            drawn.unwrap_or_else(|| delays.granted(shortest))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn doubling_steps() -> RetryDelays {
        let powers = (0..10).map(|power| Duration::from_secs(1 << power));
        RetryDelays::Steps(powers.chain([BACKOFF_MAX]).collect())
    }

    fn seen(wait: impl Fn(&mut StdRng) -> Duration) -> Vec<u64> {
        let mut random = StdRng::seed_from_u64(1);
        let waits: BTreeSet<u64> = (0..200).map(|_| wait(&mut random).as_secs()).collect();
        waits.into_iter().collect()
    }

    #[test]
    fn se_2_where_delays_have_steps_a_wait_is_one_of_two_of_them() {
        let steps = doubling_steps();
        let waits = |attempts| seen(|random| backoff(attempts, None, &steps, random));
        assert_eq!(waits(1), [16, 32]);
        assert_eq!(waits(2), [32, 64]);
        assert_eq!(waits(5), [256, 512]);
        assert_eq!(waits(6), [512, 900]);
        assert_eq!(waits(100), [512, 900]);
    }

    #[test]
    fn se_2_retry_after_is_a_lower_bound_among_steps_too() {
        let steps = doubling_steps();
        let waits = |seconds| {
            let asked = Some(Duration::from_secs(seconds));
            seen(|random| backoff(1, asked, &steps, random))
        };
        assert_eq!(waits(120), [128, 256]);
        assert_eq!(waits(600), [900]);
        assert_eq!(waits(5_000), [900]);
    }

    #[test]
    fn out_2_the_first_waits_of_a_message_that_steps_aside_are_short_among_steps_too() {
        let steps = doubling_steps();
        let waits = |receives| seen(|random| yield_wait(receives, &steps, random));
        assert_eq!(waits(1), [1, 2]);
        assert_eq!(waits(2), [1, 2]);
        assert_eq!(waits(3), [2, 4]);
    }
}
