//! Metrics: each defined once, in [`table`]; counted in memory; written as CloudWatch Embedded Metric Format.
//!
//! A metric has one dimension at most, whose values are codes of this program: a source's key is never one, for each
//! value of a dimension is a metric of its own in CloudWatch. A metric with a dimension is given without it too, so
//! that an alarm needs no sum.

mod emf;
mod reference;
mod table;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use reference::reference;
pub(crate) use table::Metric;
pub(crate) use writer::MetricsWriter;

/// So many values of a dimension are kept apart; more are `other`. A slip in the code must not cost a fortune.
const SERIES_MAX: usize = 100;

/// What was counted since the last time it was written.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    series: Mutex<BTreeMap<(Metric, String), Counted>>,
}

/// One series of one interval.
#[derive(Debug, Clone, PartialEq)]
enum Counted {
    Sum(f64),
    Values(Vec<f64>),
}

impl Metrics {
    /// Adds to a sum. `value` is the dimension's value; empty for a metric without one.
    pub(crate) fn add(&self, metric: Metric, value: &str, amount: f64) {
        debug_assert!(
            metric.definition().is_sum,
            "{metric:?} is measured, not counted"
        );
        let mut series = self.locked();
        let key = key(&series, metric, value);
        match series.entry(key).or_insert(Counted::Sum(0.0)) {
            Counted::Sum(sum) => *sum += amount,
            Counted::Values(values) => values.push(amount),
        }
    }

    /// Counts one.
    pub(crate) fn count(&self, metric: Metric, value: &str) {
        self.add(metric, value, 1.0);
    }

    /// Notes a measured value.
    pub(crate) fn observe(&self, metric: Metric, value: &str, measured: f64) {
        debug_assert!(
            !metric.definition().is_sum,
            "{metric:?} is counted, not measured"
        );
        let mut series = self.locked();
        let key = key(&series, metric, value);
        match series
            .entry(key)
            .or_insert_with(|| Counted::Values(Vec::new()))
        {
            Counted::Values(values) => values.push(measured),
            Counted::Sum(sum) => *sum += measured,
        }
    }

    /// Takes everything counted so far as lines of Embedded Metric Format.
    pub(crate) fn drain(&self, namespace: &str, at: std::time::SystemTime) -> Vec<String> {
        let series = std::mem::take(&mut *self.locked());
        emf::lines(namespace, at, series)
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<(Metric, String), Counted>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(
    series: &BTreeMap<(Metric, String), Counted>,
    metric: Metric,
    value: &str,
) -> (Metric, String) {
    debug_assert_eq!(
        metric.definition().dimension.is_some(),
        !value.is_empty(),
        "{metric:?} has a dimension or has none"
    );
    let wanted = (metric, value.to_owned());
    let is_full = || {
        let of_metric = series.range((metric, String::new())..);
        of_metric
            .take_while(|((other, _), _)| *other == metric)
            .count()
            >= SERIES_MAX
    };
    if !value.is_empty() && !series.contains_key(&wanted) && is_full() {
        return (metric, "other".to_owned());
    }
    wanted
}
