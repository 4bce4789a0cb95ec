//! From scores to probabilities: what share of the values with such a score was right in golden data.
//!
//! A calibration is a small file of JSON that `worker evaluate` makes and an operator puts beside the tunables. Without one no
//! value has a probability.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::confidence::{Features, SCORE};
use crate::document::DocumentFields;
use crate::isotonic::{Block, pool, pool_adjacent_violators};
use crate::statistics::{Interval, wilson};

/// The version of the format of [`Calibration`].
pub const FORMAT: u32 = 1;

/// Values, and documents that they are from, with fewer of which no calibration is made: it would say next to nothing.
pub const MIN_VALUES: usize = 30;
/// See [`MIN_VALUES`].
pub const MIN_DOCUMENTS: usize = 5;

/// Which share of the values is right, by their score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// Version of the format: 1.
    pub format: u32,
    /// Version of the score that it is of.
    pub score: u32,
    /// What it rests on.
    #[serde(flatten)]
    pub basis: Basis,
    /// The steps, by rising score and rising probability.
    pub steps: Vec<Step>,
}

/// What a calibration rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Basis {
    /// Documents of golden data.
    pub documents: u32,
    /// Values that were extracted of them and judged.
    pub values: u64,
    /// Those that were wrong.
    pub wrong: u64,
    /// How well the score tells right values from wrong ones: the area under the ROC curve, 0.5 a coin and 1 always. `null` where
    /// nothing was wrong, so that it is not known.
    pub auroc: Option<f64>,
}

/// The values from one score up to the next step's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The lowest score; the first step is for lower ones too.
    pub from: i32,
    /// Values of golden data with such scores.
    pub values: u64,
    /// Those that were right.
    pub right: u64,
    /// The probability that such a value is right: their share, with half a right and half a wrong value more.
    pub probability: f64,
    /// The 95 % interval of the share (Wilson).
    pub interval: Interval,
}

/// Why a calibration can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the calibration {file} can't be used: {reason}")]
pub struct CalibrationError {
    /// Its file.
    pub file: String,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl Calibration {
    /// Made of scores and of whether their values are right. `None` of none.
    pub fn of(
        documents: u32,
        auroc: Option<f64>,
        scored: impl IntoIterator<Item = (i32, bool)>,
    ) -> Option<Self> {
        let blocks = pool_adjacent_violators(scored);
        let (values, right) = blocks.iter().fold((0, 0), |(values, right), block| {
            (values + block.values, right + block.right)
        });
        // The prior lowers small blocks more than large ones.
        let blocks = pool(blocks, Block::with_prior);
        let steps = blocks.iter().map(|block| Step {
            from: block.from,
            values: block.values,
            right: block.right,
            probability: rounded(block.with_prior()),
            interval: {
                let interval = wilson(block.right, block.values);
                Interval {
                    low: rounded(interval.low),
                    high: rounded(interval.high),
                }
            },
        });
        (values > 0).then(|| Self {
            format: FORMAT,
            score: SCORE,
            basis: Basis {
                documents,
                values,
                wrong: values - right,
                auroc: auroc.map(rounded),
            },
            steps: steps.collect(),
        })
    }

    /// Reads a calibration from its file.
    ///
    /// # Errors
    /// [`CalibrationError`], with the file, what is wrong and what to do.
    pub fn from_json(file: &str, json: &[u8]) -> Result<Self, CalibrationError> {
        let refused = |reason: String| CalibrationError {
            file: file.to_owned(),
            reason,
        };
        let read: Self = serde_json::from_slice(json)
            .map_err(|error| refused(format!("{error}: make it again with `worker evaluate`")))?;
        read.validate().map_err(refused)?;
        Ok(read)
    }

    fn validate(&self) -> Result<(), String> {
        if (self.format, self.score) != (FORMAT, SCORE) {
            return Err(format!(
                "it is of format {} and score {}, and this program has {FORMAT} and {SCORE}: make it again with `worker evaluate`",
                self.format, self.score
            ));
        }
        let is_rising = self
            .steps
            .windows(2)
            .all(|pair| pair[0].from < pair[1].from && pair[0].probability <= pair[1].probability);
        let is_share = |step: &Step| (0.0..=1.0).contains(&step.probability);
        if self.steps.is_empty() || !is_rising || !self.steps.iter().all(is_share) {
            return Err(
                "its steps must have rising scores and rising probabilities from 0 to 1: make it again with `worker evaluate`"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The probability that a value with this score is right. Between two steps it is that of the lower one.
    pub fn probability(&self, score: i32) -> f64 {
        let mut steps = self.steps.iter().rev();
        let step = steps.find(|step| step.from <= score);
        step.or(self.steps.first())
            .map_or(0.0, |step| step.probability)
    }

    /// Gives each value that was extracted its probability, and the document their mean.
    pub(crate) fn apply(&self, document: &mut DocumentFields) {
        let keys: Vec<String> = document.fields.keys().cloned().collect();
        let mut all = Vec::new();
        for key in keys {
            let features = Features::of(document, &key);
            let probability = features.map(|features| self.probability(features.score()));
            if let Some(field) = document.fields.get_mut(&key) {
                field.probability = probability;
            }
            all.extend(probability);
        }
        if let Some(evaluation) = &mut document.evaluation {
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            evaluation.predicted_accuracy = (!all.is_empty()).then(|| rounded(mean));
            evaluation.calibration = Some(self.basis);
        }
    }
}

/// To four decimals, as numbers are written.
pub fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}
