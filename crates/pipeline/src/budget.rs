//! What may be spent: asked before each call with the most that it can cost, and told what it did cost.
//!
//! The day's budget holds over all workers: one object a day, written only over what was read. What a call may cost is set
//! aside in it before the call. A worker that dies between leaves that standing, so that a day ends too early rather than too
//! late; the next day begins anew.
#![expect(
    clippy::disallowed_methods,
    reason = "the day's count is no document's, so no lease is asked for; a tag fences each write"
)]

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use pagemill_storage::{
    Condition, KeyLayout, ObjectStore, PutOptions, StorageError, to_canonical_json,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::prices::Usd;

/// What may be spent on models. A budget needs a price for each model that is paid for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetSettings {
    /// The most that asking a model about one document may cost, in millionths of a US dollar; `null`: no limit. Answers that
    /// were kept count with what they did cost.
    pub per_document: Option<u64>,
    /// The most that all workers of this bucket or folder may spend in one day (UTC), in millionths of a US dollar; `null`: no
    /// limit.
    pub per_day: Option<u64>,
    /// What is done with a document when a budget does not allow its next call: `extractive` (its metadata is made by rules,
    /// with a warning, and everything else goes on) or `hold` (it is put off and tried again, until the next day or until the
    /// setting is raised; the calls that were paid are kept). Embeddings that are paid for are always held.
    pub on_reached: OnReached,
}

/// What is done when a budget is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnReached {
    /// Go on without the model.
    #[default]
    Extractive,
    /// Put the document off.
    Hold,
}

/// A budget, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Of one document.
    Document,
    /// Of one day.
    Day,
}

impl Budget {
    /// Its name, in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Day => "day",
        }
    }

    /// In words, with its limit.
    pub(crate) fn describe(self, limit: u64) -> String {
        format!("the {}'s budget of {}", self.name(), Usd(limit))
    }
}

/// Tries to write the day's count before it is given up. Each lost try means that another worker's took place.
const TRIES: u32 = 60;

/// The longest wait between two of them.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What was spent on a day: the object `processing/budget/<day>.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DayCount {
    /// Version of this format.
    pub format: u32,
    /// What ended calls did cost, in millionths of a US dollar; where nobody can say, the most that they can have cost.
    pub spent: u64,
    /// What is set aside for calls under way, and for those of workers that died in them.
    pub reserved: u64,
}

/// Why nothing was set aside.
#[derive(Debug)]
pub(crate) enum NotSetAside {
    /// It would be more than the limit.
    Reached,
    /// Nobody can say.
    Storage(StorageError),
    /// Others wrote the count each time.
    Contended,
}

/// The count of one day.
#[derive(Debug)]
pub(crate) struct Day<'a> {
    pub(crate) store: &'a Arc<dyn ObjectStore>,
    pub(crate) layout: &'a KeyLayout,
    pub(crate) date: Date,
}

/// Today, in UTC.
pub(crate) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// Days since 1970-01-01.
pub(crate) fn number_of(date: Date) -> i32 {
    let days = date
        .duration_since(Date::new(1970, 1, 1).expect("a date"))
        .as_hours()
        / 24;
    i32::try_from(days).unwrap_or_default()
}

/// The day with this number.
pub(crate) fn date_of(number: i32) -> Date {
    let first = Date::new(1970, 1, 1).expect("a date");
    let days = jiff::SignedDuration::from_hours(i64::from(number) * 24);
    first.saturating_add(days)
}

impl Day<'_> {
    /// Sets so much aside, if that is within the limit.
    pub(crate) async fn reserve(&self, amount: u64, limit: u64) -> Result<(), NotSetAside> {
        self.change(|count| {
            let taken = count.spent.saturating_add(count.reserved);
            if taken.saturating_add(amount) > limit {
                return Err(NotSetAside::Reached);
            }
            count.reserved = count.reserved.saturating_add(amount);
            Ok(())
        })
        .await
    }

    /// Ends a call for which so much was set aside.
    pub(crate) async fn settle(&self, reserved: u64, cost: u64) -> Result<(), NotSetAside> {
        self.change(|count| {
            count.reserved = count.reserved.saturating_sub(reserved);
            count.spent = count.spent.saturating_add(cost);
            Ok(())
        })
        .await
    }

    async fn change(
        &self,
        change: impl Fn(&mut DayCount) -> Result<(), NotSetAside> + Send + Sync,
    ) -> Result<(), NotSetAside> {
        let key = self.layout.spent_on(self.date);
        for attempt in 0..TRIES {
            let (mut count, condition) = match self.store.get_bytes(&key).await {
                // One that can't be read is no reason to spend without a limit, nor to stop for good: it begins anew.
                Ok((meta, body)) => (
                    serde_json::from_slice::<DayCount>(&body).unwrap_or_default(),
                    Condition::IfMatch(meta.etag),
                ),
                Err(StorageError::NotFound { .. }) => (DayCount::default(), Condition::IfAbsent),
                Err(error) => return Err(NotSetAside::Storage(error)),
            };
            change(&mut count)?;
            count.format = 1;
            let body = to_canonical_json(&count).expect("a count is plain data");
            let options = PutOptions {
                content_type: Some("application/json"),
                condition,
            };
            match self.store.put(&key, body, options).await {
                Ok(_) => return Ok(()),
                Err(StorageError::Precondition { .. } | StorageError::NotFound { .. }) => {}
                Err(error) => return Err(NotSetAside::Storage(error)),
            }
            let most = Duration::from_millis(10 * u64::from(attempt + 1)).min(LONGEST_WAIT);
            tokio::time::sleep(most.mul_f64(rand::random())).await;
        }
        Err(NotSetAside::Contended)
    }
}

#[cfg(test)]
mod tests {
    use pagemill_storage::MemoryStore;

    use super::*;

    fn store() -> Arc<dyn ObjectStore> {
        Arc::new(MemoryStore::new("test"))
    }

    async fn count(day: &Day<'_>) -> DayCount {
        let (_, body) = day
            .store
            .get_bytes(&day.layout.spent_on(day.date))
            .await
            .expect("a count");
        serde_json::from_slice(&body).expect("a count")
    }

    #[tokio::test]
    async fn bu_1_workers_that_race_for_a_day_never_take_more_than_it_has() {
        let (store, layout) = (store(), KeyLayout::default());
        let day = Day {
            store: &store,
            layout: &layout,
            date: jiff::civil::date(2026, 1, 31),
        };
        let races = (0..40).map(|_| day.reserve(30, 1_000));
        let ended = futures::future::join_all(races).await;
        let taken = ended.iter().filter(|ended| ended.is_ok()).count();
        assert_eq!(taken, 33, "33 times 30 is the most that 1000 has");
        let refused = |ended: &Result<(), NotSetAside>| matches!(ended, Err(NotSetAside::Reached));
        assert_eq!(ended.iter().filter(|ended| refused(ended)).count(), 7);
        let settled = futures::future::join_all((0..taken).map(|_| day.settle(30, 10))).await;
        assert!(settled.iter().all(Result::is_ok));
        let now = count(&day).await;
        assert_eq!((now.spent, now.reserved), (330, 0));
        day.reserve(670, 1_000).await.expect("there is room again");
        day.reserve(1, 1_000).await.expect_err("there is none");
    }

    #[tokio::test]
    async fn bu_1_each_day_has_a_count_of_its_own() {
        let (store, layout) = (store(), KeyLayout::default());
        for date in [
            jiff::civil::date(2026, 1, 31),
            jiff::civil::date(2026, 2, 1),
        ] {
            let day = Day {
                store: &store,
                layout: &layout,
                date,
            };
            day.reserve(10, 10).await.expect("a new day");
            day.reserve(1, 10).await.expect_err("no more");
        }
    }
}
