//! How well a number says whether values are right: discrimination (AUROC), calibration (Brier, ECE), and what may be accepted
//! without a person.
//!
//! A number that is calibrated need not tell right from wrong: one that says .95 of everything has an ECE of nothing where .95
//! of it is right. So none of these is told without the others, and none without how many values were wrong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A value's number, and whether the value is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// A score or a probability: the higher, the surer. Never NaN.
    pub score: f64,
    /// Whether the value is right.
    pub is_right: bool,
}

/// Bounds of a share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The lower bound, from 0.
    pub low: f64,
    /// The upper bound, to 1.
    pub high: f64,
}

/// The 97.5 % point of the normal distribution: both sides of it leave out 5 %.
const Z: f64 = 1.959_963_984_540_054;

/// The 95 % interval of a share by Wilson's score (Wilson 1927), which holds for few values and for shares near 0 and 1 too;
/// of nothing, everything from 0 to 1.
pub fn wilson(hits: u64, of: u64) -> Interval {
    if of == 0 {
        return Interval {
            low: 0.0,
            high: 1.0,
        };
    }
    let n = of as f64;
    let share = hits as f64 / n;
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    Interval {
        low: match hits {
            0 => 0.0,
            _ => ((middle - half) / scale).max(0.0),
        },
        high: match hits == of {
            true => 1.0,
            false => ((middle + half) / scale).min(1.0),
        },
    }
}

/// How many values without one that is wrong are needed for Wilson's upper bound of their error to be `error`.
pub fn needed_without_error(error: f64) -> u64 {
    (Z * Z * (1.0 - error) / error).ceil() as u64
}

/// The area under the ROC curve: the share of pairs of a right and a wrong value in which the right one has the higher number,
/// an equal one counted as half. 0.5 is a coin. `None` where all are right or all are wrong.
pub fn auroc(scored: &[Scored]) -> Option<f64> {
    let mut sorted = scored.to_vec();
    sorted.sort_by(|left, right| left.score.total_cmp(&right.score));
    let (mut wrong_below, mut halves) = (0_u64, 0_u64);
    for ties in sorted.chunk_by(|left, right| left.score == right.score) {
        let right = ties.iter().filter(|value| value.is_right).count() as u64;
        let wrong = ties.len() as u64 - right;
        halves += right * (2 * wrong_below + wrong);
        wrong_below += wrong;
    }
    let right = scored.len() as u64 - wrong_below;
    let pairs = right * wrong_below;
    (pairs > 0).then(|| halves as f64 / 2.0 / pairs as f64)
}

/// The Brier score: the mean squared distance of probabilities from what is (0 or 1). 0 is best. `None` of nothing.
pub fn brier(predicted: &[Scored]) -> Option<f64> {
    let squares = predicted.iter().map(|value| {
        let is = f64::from(u8::from(value.is_right));
        (value.score - is).powi(2)
    });
    mean(squares, predicted.len())
}

/// Values of nearly the same probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bin {
    /// Values.
    pub values: u64,
    /// Those that are right.
    pub right: u64,
    /// The mean of their probabilities.
    pub predicted: f64,
    /// The share that is right.
    pub observed: f64,
    /// Its 95 % interval.
    pub interval: Interval,
}

/// Bins of equal mass, the lowest probability first: each has at least the `bins`-th part of the values, the last one perhaps
/// less. Values of the same probability are in one bin, so that there may be fewer.
pub fn reliability(predicted: &[Scored], bins: usize) -> Vec<Bin> {
    let mut sorted = predicted.to_vec();
    sorted.sort_by(|left, right| left.score.total_cmp(&right.score));
    let mass = sorted.len().div_ceil(bins.max(1));
    let mut made = Vec::new();
    let mut open: Vec<Scored> = Vec::new();
    for ties in sorted.chunk_by(|left, right| left.score == right.score) {
        open.extend(ties);
        if open.len() >= mass {
            made.extend(bin(&open));
            open.clear();
        }
    }
    made.extend(bin(&open));
    made
}

fn bin(values: &[Scored]) -> Option<Bin> {
    let right = values.iter().filter(|value| value.is_right).count() as u64;
    let predicted = mean(values.iter().map(|value| value.score), values.len())?;
    Some(Bin {
        values: values.len() as u64,
        right,
        predicted,
        observed: right as f64 / values.len() as f64,
        interval: wilson(right, values.len() as u64),
    })
}

/// The expected calibration error: the distance of each bin's mean probability from the share that is right, weighted by its
/// values. `None` of nothing.
pub fn expected_calibration_error(bins: &[Bin]) -> Option<f64> {
    let values: u64 = bins.iter().map(|bin| bin.values).sum();
    let off = bins
        .iter()
        .map(|bin| (bin.predicted - bin.observed).abs() * bin.values as f64);
    let off: f64 = off.sum();
    (values > 0).then(|| off / values as f64)
}

/// What happens when all from a probability on is accepted without a person.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Acceptance {
    /// The least probability that is accepted.
    pub threshold: f64,
    /// Values that are accepted.
    pub accepted: u64,
    /// Their share of all that was asked for, also of what was not found.
    pub share: f64,
    /// Those of them that are wrong.
    pub wrong: u64,
    /// The share of the accepted that is wrong.
    pub error: f64,
    /// Its 95 % interval.
    pub interval: Interval,
}

/// The acceptance curve: a point for each probability that there is, the highest first. `asked` counts all that was asked for:
/// the values, and what has none and so needs a person anyway.
pub fn acceptance(predicted: &[Scored], asked: u64) -> Vec<Acceptance> {
    let mut sorted = predicted.to_vec();
    sorted.sort_by(|left, right| right.score.total_cmp(&left.score));
    let (mut accepted, mut wrong) = (0_u64, 0_u64);
    let mut curve = Vec::new();
    for ties in sorted.chunk_by(|left, right| left.score == right.score) {
        accepted += ties.len() as u64;
        wrong += ties.iter().filter(|value| !value.is_right).count() as u64;
        curve.push(Acceptance {
            threshold: ties[0].score,
            accepted,
            share: accepted as f64 / asked.max(accepted) as f64,
            wrong,
            error: wrong as f64 / accepted as f64,
            interval: wilson(wrong, accepted),
        });
    }
    curve
}

/// The point that accepts most with no more than this share of it wrong; `None` where even the surest values are worse.
pub fn within_error(curve: &[Acceptance], error: f64) -> Option<Acceptance> {
    let within = curve.iter().filter(|point| point.error <= error);
    within.max_by_key(|point| point.accepted).copied()
}

fn mean(values: impl Iterator<Item = f64>, count: usize) -> Option<f64> {
    let sum: f64 = values.sum();
    (count > 0).then(|| sum / count as f64)
}
