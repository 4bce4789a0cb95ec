//! How well the extraction says which values are right, measured on documents that the probabilities were not made from.

use std::collections::BTreeMap;

use pagemill_fields::calibration::{Calibration, MIN_DOCUMENTS, MIN_VALUES, rounded};
use pagemill_fields::statistics::{
    Acceptance, Bin, Interval, Scored, acceptance, auroc, brier, expected_calibration_error,
    needed_without_error, reliability, wilson, within_error,
};
use serde::{Deserialize, Serialize};

use super::markdown::counted;
use super::report::rounded_interval;
use super::{Judged, Judgement};

/// Bins of the reliability diagram, at most.
const BINS: usize = 10;

/// Parts that the documents are divided into, at most: the probabilities of each are made from the others.
const FOLDS: usize = 10;

/// Fewer wrong values than these say little of which are wrong.
const FEW_WRONG: u64 = 20;

/// How well the extraction says which values are right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confidence {
    /// Documents with a value that was judged.
    pub documents: u64,
    /// Values that were extracted and judged.
    pub values: u64,
    /// Those that are wrong or invented.
    pub wrong: u64,
    /// Area under the ROC curve of the score, which knows nothing of golden data: how well it tells right from wrong, 0.5 a coin
    /// and 1 always; null where nothing is wrong, or all.
    pub auroc: Option<f64>,
    /// Parts that the documents were divided into: what is held out of each was measured with what the others say.
    pub folds: u64,
    /// Of probabilities of documents that were held out.
    pub held_out: Quality,
    /// Of the probabilities that the extraction wrote, by the calibration that was in force; null where it wrote none.
    pub in_force: Option<Quality>,
    /// What is accepted without a person from a score on, the highest first.
    pub curve: Vec<Point>,
    /// The threshold that was asked for.
    pub wanted: Wanted,
    /// Made of all values.
    pub calibration: Calibration,
}

/// How good probabilities are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Values that have one.
    pub values: u64,
    /// Brier score: the mean squared distance from what is, 0 the best.
    pub brier: Option<f64>,
    /// Expected calibration error over the bins: how far they are from the shares that are right, 0 the best.
    pub ece: Option<f64>,
    /// Bins of equal mass, by rising probability.
    pub bins: Vec<Bin>,
}

/// A point of the acceptance curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The lowest score that is accepted.
    pub score: i32,
    /// The probability that the calibration by all values gives it.
    pub probability: f64,
    /// What is accepted.
    #[serde(flatten)]
    pub accepted: Accepted,
}

/// Values that are accepted without a person.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// How many.
    pub accepted: u64,
    /// Their share of all that was asked for, also of what was not found.
    pub share: f64,
    /// Those of them that are wrong.
    pub wrong: u64,
    /// The share of them that is wrong.
    pub error: f64,
    /// Its 95 % interval.
    pub interval: Interval,
}

/// The threshold with which no more than a share of the accepted values is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// The share of the accepted values that may be wrong.
    pub max_error: f64,
    /// The lowest probability with which that holds; null where even the surest values are worse.
    pub point: Option<Point>,
    /// What is accepted where threshold and probabilities are those that other documents gave; null where nothing is.
    pub held_out: Option<Accepted>,
    /// Whether the upper bound of the error on documents that were held out is within it too: else the values are too few to
    /// promise it.
    pub is_proven: bool,
    /// So many accepted values without one that is wrong would prove it.
    pub needed: u64,
}

impl Confidence {
    pub(super) fn of(judgement: &Judgement, asked: u64, max_error: f64) -> Option<Self> {
        let values = judgement.values.iter();
        let scored: Vec<&Judged> = values.filter(|value| value.score.is_some()).collect();
        let of_documents = by_document(&scored);
        let fit = Fit::of(&scored, of_documents.len(), max_error)?;
        let folds = of_documents.len().min(FOLDS);
        let mut predicted = Vec::new();
        let mut accepted = Vec::new();
        for fold in 0..folds {
            let documents = of_documents.iter().enumerate();
            let (held, others): (Vec<_>, Vec<_>) =
                documents.partition(|(at, _)| at % folds == fold);
            // Of one document alone there are no others.
            let made = Fit::of(&values_of(&others), others.len(), max_error);
            let made = made.as_ref().unwrap_or(&fit);
            for value in values_of(&held) {
                let probability = made.calibration.probability(score_of(value));
                let value = plain(value, probability);
                predicted.push(value);
                if made
                    .threshold
                    .is_some_and(|threshold| probability >= threshold)
                {
                    accepted.push(value);
                }
            }
        }
        let written = scored.iter();
        let written = written.filter_map(|value| Some(plain(value, value.probability?)));
        let written: Vec<Scored> = written.collect();
        let wrong = accepted.iter().filter(|value| !value.is_right).count() as u64;
        let held_out = Accepted::of(accepted.len() as u64, wrong, asked);
        let point = |point: &Acceptance| fit.point(point, asked);
        let curve: Vec<Point> = fit.curve.iter().map(point).collect();
        let mut points = curve.iter().rev();
        let threshold = fit.threshold;
        Some(Self {
            documents: of_documents.len() as u64,
            values: fit.calibration.basis.values,
            wrong: fit.calibration.basis.wrong,
            auroc: fit.calibration.basis.auroc,
            folds: folds as u64,
            held_out: Quality::of(&predicted),
            in_force: (!written.is_empty()).then(|| Quality::of(&written)),
            wanted: Wanted {
                max_error,
                point: points
                    .find(|point| threshold.is_some_and(|least| point.probability >= least))
                    .copied(),
                held_out,
                is_proven: held_out.is_some_and(|held_out| held_out.interval.high <= max_error),
                needed: needed_without_error(max_error),
            },
            curve,
            calibration: fit.calibration,
        })
    }

    /// Whether there is enough to make a calibration of.
    pub fn is_enough(&self) -> bool {
        self.values >= MIN_VALUES as u64 && self.documents >= MIN_DOCUMENTS as u64
    }
}

impl Quality {
    fn of(predicted: &[Scored]) -> Self {
        let bins = reliability(predicted, BINS);
        let ece = expected_calibration_error(&bins);
        let bins = bins.into_iter().map(|bin| Bin {
            predicted: rounded(bin.predicted),
            observed: rounded(bin.observed),
            interval: rounded_interval(bin.interval),
            ..bin
        });
        Self {
            values: predicted.len() as u64,
            brier: brier(predicted).map(rounded),
            ece: ece.map(rounded),
            bins: bins.collect(),
        }
    }
}

impl Accepted {
    fn of(accepted: u64, wrong: u64, asked: u64) -> Option<Self> {
        (accepted > 0).then(|| Self {
            accepted,
            share: rounded(accepted as f64 / asked.max(accepted) as f64),
            wrong,
            error: rounded(wrong as f64 / accepted as f64),
            interval: rounded_interval(wilson(wrong, accepted)),
        })
    }
}

/// What some values say of their scores.
struct Fit {
    calibration: Calibration,
    curve: Vec<Acceptance>,
    /// The lowest probability of the calibration from which on no more than the share that was asked for is wrong.
    threshold: Option<f64>,
}

impl Fit {
    fn of(values: &[&Judged], documents: usize, max_error: f64) -> Option<Self> {
        let by_score = values.iter();
        let by_score = by_score.map(|value| plain(value, f64::from(score_of(value))));
        let by_score: Vec<Scored> = by_score.collect();
        let pairs = values.iter();
        let pairs = pairs.map(|value| (score_of(value), !value.verdict.is_error()));
        let calibration = Calibration::of(documents as u32, auroc(&by_score), pairs)?;
        let curve = acceptance(&by_score, values.len() as u64);
        // Only where a step begins do values differ in probability.
        let is_step = |point: &&Acceptance| {
            let steps = calibration.steps.iter();
            let mut from = steps.map(|step| f64::from(step.from));
            from.any(|from| from == point.threshold)
        };
        let steps: Vec<Acceptance> = curve.iter().filter(is_step).copied().collect();
        let point = within_error(&steps, max_error);
        let threshold = point.map(|point| calibration.probability(point.threshold as i32));
        Some(Self {
            calibration,
            curve,
            threshold,
        })
    }

    fn point(&self, point: &Acceptance, asked: u64) -> Point {
        let score = point.threshold as i32;
        Point {
            score,
            probability: self.calibration.probability(score),
            accepted: Accepted::of(point.accepted, point.wrong, asked)
                .expect("a point of the curve accepts at least a value"),
        }
    }
}

fn values_of<'a>(documents: &[(usize, &Vec<&'a Judged>)]) -> Vec<&'a Judged> {
    let values = documents.iter().flat_map(|(_, values)| values.iter());
    values.copied().collect()
}

fn by_document<'a>(values: &[&'a Judged]) -> Vec<Vec<&'a Judged>> {
    let mut groups: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    for value in values {
        groups.entry(&value.document).or_default().push(value);
    }
    groups.into_values().collect()
}

fn score_of(value: &Judged) -> i32 {
    value.score.map_or(0, |scored| scored.score)
}

fn plain(value: &Judged, score: f64) -> Scored {
    Scored {
        score,
        is_right: !value.verdict.is_error(),
    }
}

/// What makes these numbers weak.
pub(super) fn notes(confidence: &Confidence) -> Vec<String> {
    let mut notes = Vec::new();
    let Confidence { values, wrong, .. } = confidence;
    match wrong {
        0 => notes.push(format!(
            "None of {values} values is wrong: how well the score tells right from wrong is not known."
        )),
        few if *few < FEW_WRONG => notes.push(format!(
            "AUROC, Brier score and calibration rest on {} of {values}: one more or less moves them. Take them for a hint below {FEW_WRONG}.",
            counted(*few, "wrong value")
        )),
        _ => {}
    }
    if !confidence.is_enough() {
        notes.push(format!(
            "It takes {MIN_VALUES} values of {MIN_DOCUMENTS} documents at least for a calibration, and these are {values} of {}.",
            confidence.documents
        ));
    }
    let wanted = &confidence.wanted;
    let percent = rounded(wanted.max_error * 100.0);
    let needed = wanted.needed;
    notes.extend(match (&wanted.point, &wanted.held_out) {
        (None, _) => Some(format!(
            "An error of at most {percent} % is not reached at any probability."
        )),
        (Some(_), Some(_)) if wanted.is_proven => None,
        (Some(_), held_out) => {
            let seen = held_out.map_or_else(String::new, |held_out| {
                format!(
                    " On documents that were held out {} of {} accepted values are wrong, which may stand for up to {:.1} %.",
                    held_out.wrong,
                    held_out.accepted,
                    held_out.interval.high * 100.0
                )
            });
            Some(format!(
                "An error of at most {percent} % is not proven.{seen} {needed} accepted values without one that is wrong would prove it."
            ))
        }
    });
    notes
}
