//! Runs of the pipeline one after the other, by one worker or several: what one leaves to the next.

// The tests are another worker, and the user who uploads: no lease is asked.
#![allow(clippy::disallowed_methods)]

#[path = "runs/added.rs"]
mod added;
#[path = "runs/attachments.rs"]
mod attachments;
#[path = "runs/attempts.rs"]
mod attempts;
#[path = "runs/charges.rs"]
mod charges;
#[path = "runs/checkpoints.rs"]
mod checkpoints;
#[path = "runs/doubles.rs"]
mod doubles;
#[path = "runs/fields.rs"]
mod fields;
#[path = "runs/markdown.rs"]
mod markdown;
#[path = "runs/ocr.rs"]
mod ocr;
#[path = "runs/order.rs"]
mod order;
#[path = "runs/panics.rs"]
mod panics;
#[path = "runs/predict.rs"]
mod predict;
#[path = "runs/prompt.rs"]
mod prompt;
#[path = "runs/readings.rs"]
mod readings;
#[path = "runs/review.rs"]
mod review;
