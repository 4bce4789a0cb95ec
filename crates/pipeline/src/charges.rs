//! What a run pays: each call of a paid service becomes an object of its own as soon as it ended, before its answer is looked
//! at, and a part of the record's sum at the record's next write. These objects are the ledger, and there is no other.
//!
//! The object is written once a call, so an answer that is cut, of no use or thrown away counts, and so does one after which
//! the worker dies. A run that finds one before it died sums the objects up again ([`Pipeline::recount`]): the record of the
//! dead one may lack the last of them.
//!
//! An answer that can be asked for again is kept beside it, under the hash of the question, and is written first: a worker
//! that dies between the two leaves an answer that knows its charge, and whoever finds it writes the charge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use jiff::Timestamp;
use jiff::civil::Date;
use pagemill_document::{
    CallOutcome, ChargeSink, Dependency, NotCharged, NotReserved, PaidCall, Reserved, Units,
};
use pagemill_storage::{
    Answer, Charge, ChargeError, Charged, ObjectStore, SourceKey, Stage, charges_of,
    to_canonical_json,
};

use crate::budget::{
    Budget, BudgetSettings, Day, NotSetAside, OnReached, date_of, number_of, today,
};
use crate::outcome::PipelineError;
use crate::permit::Progress;
use crate::pipeline::Pipeline;
use crate::prices::Prices;
use crate::run::{Outputs, Run};

/// What one run has paid so far, by stage. Shared, so that a run that is dropped in a call still knows it.
#[derive(Debug, Default)]
pub(crate) struct Spending(Mutex<BTreeMap<Stage, Charged>>);

impl Spending {
    /// What a stage has paid.
    pub(crate) fn of(&self, stage: Stage) -> Charged {
        self.locked().get(&stage).copied().unwrap_or_default()
    }

    /// What all stages have paid.
    pub(crate) fn total(&self) -> Charged {
        let mut total = Charged::default();
        for charged in self.locked().values() {
            total.add(charged);
        }
        total
    }

    /// Adds a call, and answers which one of its stage it is, from 1.
    fn add(&self, stage: Stage, charge: &Charge) -> u32 {
        let mut spending = self.locked();
        let charged = spending.entry(stage).or_default();
        charged.add(&Charged::from(charge));
        u32::try_from(charged.calls + charged.failed_calls).unwrap_or(u32::MAX)
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Stage, Charged>> {
        // Plain numbers: a panic elsewhere can't leave them half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a stage's paid calls are written down.
pub(crate) struct Till<'a> {
    pub(crate) outputs: Outputs<'a>,
    pub(crate) spending: Arc<Spending>,
    pub(crate) prices: &'a Prices,
    pub(crate) budget: &'a BudgetSettings,
    pub(crate) store: &'a Arc<dyn ObjectStore>,
    pub(crate) source: SourceKey,
    pub(crate) stage: Stage,
    pub(crate) run: String,
    pub(crate) trace_id: String,
    /// The request that forces the run: what was answered before is of no use to it.
    pub(crate) forced_by: Option<String>,
    /// Whether a run before this one died.
    pub(crate) resumes: bool,
    /// Whether one may have kept answers: each begins with a record.
    pub(crate) had_record: bool,
    pub(crate) paid: Mutex<Paid>,
    /// Why a call could not be written down: the callers between here and the run can't carry it.
    pub(crate) failed: Mutex<Option<PipelineError>>,
}

/// What a stage's calls came to, those of runs before this one too whose answers were found.
#[derive(Debug, Default)]
pub(crate) struct Paid {
    /// What they cost.
    pub(crate) spent: Charged,
    /// The keys of the answers.
    pub(crate) answers: BTreeSet<String>,
    /// What these calls count in the document's budget, those under way too: the most that they can cost where nobody knows.
    counted: u64,
}

/// How long a document that is held waits at most before it is tried again.
const LONGEST_HOLD: Duration = Duration::from_secs(900);

impl Till<'_> {
    /// Ends the stage's calls.
    ///
    /// # Errors
    /// When one of them could not be written down: that is why the stage failed, whatever it says itself.
    pub(crate) fn close(self) -> Result<Paid, PipelineError> {
        let failed = self.failed.into_inner();
        match failed.unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(self
                .paid
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn day(&self, date: Date) -> Day<'_> {
        Day {
            store: self.store,
            layout: self.outputs.layout(),
            date,
        }
    }

    /// What to do where a budget is reached.
    fn reached(&self, budget: Budget, limit: u64) -> NotReserved {
        self.outputs.permit().budget_reached(budget);
        let words = budget.describe(limit);
        let holds = self.stage != Stage::Predict || self.budget.on_reached == OnReached::Hold;
        tracing::warn!(
            source = %self.source,
            stage = self.stage.name(),
            budget = budget.name(),
            holds,
            "the budget is reached: {words}"
        );
        if !holds {
            return NotReserved::Budget(words);
        }
        NotReserved::Stop(self.stop(PipelineError::Transient {
            dependency: Dependency::Budget,
            stage: self.stage,
            message: format!(
                "{words} does not allow another call; wait for the next day, or raise it in the tunables"
            ),
            retry_after: Some(LONGEST_HOLD),
        }))
    }

    fn not_counted(&self, why: NotSetAside, limit: u64) -> NotReserved {
        match why {
            NotSetAside::Reached => self.reached(Budget::Day, limit),
            NotSetAside::Storage(error) => {
                NotReserved::Stop(self.stop(PipelineError::from_storage(self.stage, error)))
            }
            NotSetAside::Contended => NotReserved::Stop(
                self.stop(PipelineError::Transient {
                    dependency: Dependency::Budget,
                    stage: self.stage,
                    message:
                        "too many workers write the day's count at the same time; it is tried again"
                            .to_owned(),
                    retry_after: None,
                }),
            ),
        }
    }

    /// Puts what a call did cost in the place of what was set aside for it.
    async fn settle(&self, charge: &Charge, reserved: Reserved) {
        let cost = |reserved: u64| charge.micro_usd.unwrap_or(reserved);
        {
            let mut paid = self.paid();
            paid.counted = paid.counted.saturating_sub(reserved.of_document);
            paid.counted = paid.counted.saturating_add(cost(reserved.of_document));
        }
        if self.budget.per_day.is_none() {
            return;
        }
        let date = date_of(reserved.day);
        let day = self.day(date);
        let settled = day.settle(reserved.of_day, cost(reserved.of_day)).await;
        if let Err(error) = settled {
            // It stays set aside: the day's budget ends too early rather than too late.
            tracing::warn!("the cost of a call could not be put into the day's count: {error:?}");
        }
    }

    /// Keeps the error for the run, and tells the caller to stop.
    fn stop(&self, error: PipelineError) -> NotCharged {
        let reason = error.to_string();
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        NotCharged { reason }
    }

    fn paid(&self) -> MutexGuard<'_, Paid> {
        // Each change is one step: a panic elsewhere can't leave it half done.
        self.paid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(
        &self,
        charge_key: String,
        charge: &Charge,
        answer: Option<&str>,
    ) -> Result<(), PipelineError> {
        let answer = answer.and_then(|answer| serde_json::from_str(answer).ok());
        if let (Some(answer), Some(sha)) = (answer, &charge.request_sha) {
            let answer = Answer {
                format: Answer::FORMAT,
                charge: charge.clone(),
                charge_key: charge_key.clone(),
                forced_by: self.forced_by.clone(),
                answer,
            };
            let body = to_canonical_json(&answer).expect("an answer is data with string keys");
            let key = self.outputs.layout().answer(&self.source, sha);
            let kept = self.outputs.put_new(&key, body, "application/json").await;
            if let Err(error) = kept {
                // Somebody else may have the document by now; what was paid is true all the same.
                self.write_charge(&charge_key, charge).await?;
                return Err(error);
            }
            self.paid().answers.insert(key);
        }
        self.write_charge(&charge_key, charge).await?;
        Ok(())
    }

    async fn write_charge(&self, key: &str, charge: &Charge) -> Result<bool, PipelineError> {
        let body = to_canonical_json(charge).expect("a charge is plain data with string keys");
        self.outputs.append(key, body).await
    }

    async fn find(&self, request_sha: &str) -> Result<Option<String>, PipelineError> {
        let key = self.outputs.layout().answer(&self.source, request_sha);
        if !self.had_record && !self.paid().answers.contains(&key) {
            return Ok(None);
        }
        let Some(body) = self.outputs.read(&key).await? else {
            return Ok(None);
        };
        // One that can't be read is written over.
        let Ok(kept) = serde_json::from_slice::<Answer>(&body) else {
            return Ok(None);
        };
        let is_of_this_request = self.forced_by.is_none() || kept.forced_by == self.forced_by;
        if kept.format != Answer::FORMAT || !is_of_this_request {
            return Ok(None);
        }
        if self.resumes && self.write_charge(&kept.charge_key, &kept.charge).await? {
            // Its worker died between the two writes, so that it is in nobody's sum.
            self.spending.add(kept.charge.stage, &kept.charge);
        }
        let mut paid = self.paid();
        paid.spent.add(&Charged::from(&kept.charge));
        paid.counted = paid
            .counted
            .saturating_add(kept.charge.micro_usd.unwrap_or(0));
        paid.answers.insert(key);
        Ok(Some(kept.answer.to_string()))
    }
}

#[async_trait]
impl ChargeSink for Till<'_> {
    async fn charge(&self, call: PaidCall) -> Result<(), NotCharged> {
        let micro_usd = match call.outcome {
            CallOutcome::Rejected if call.units.is_unknown() => Some(0),
            CallOutcome::Lost => None,
            _ => self.prices.of(&call.model, &call.units),
        };
        let charge = Charge {
            format: Charge::FORMAT,
            source: self.source.clone(),
            stage: self.stage,
            micro_usd,
            provider: call.provider,
            model: call.model,
            units: call.units,
            outcome: call.outcome,
            request_sha: call.request_sha,
            run: self.run.clone(),
            trace_id: self.trace_id.clone(),
            at: Timestamp::now(),
        };
        let number = self.spending.add(self.stage, &charge);
        self.paid().spent.add(&Charged::from(&charge));
        self.outputs.permit().charged(&charge);
        let layout = self.outputs.layout();
        let key = layout.charge(&self.source, &self.run, self.stage, number);
        let written = self.write(key, &charge, call.answer.as_deref()).await;
        self.settle(&charge, call.reserved).await;
        let Err(error) = written else {
            return Ok(());
        };
        // The money is gone all the same, so the log has what the ledger lacks.
        tracing::error!(
            provider = charge.provider,
            model = charge.model,
            units = ?charge.units,
            micro_usd = charge.micro_usd,
            outcome = charge.outcome.name(),
            "a paid call could not be recorded: {error}"
        );
        Err(self.stop(error))
    }

    async fn reserve(&self, model: &str, most: &Units) -> Result<Reserved, NotReserved> {
        let budget = self.budget;
        // Models without a price are refused with the settings, where there is a budget.
        let cost = self.prices.of(model, most).unwrap_or(0);
        let mut reserved = Reserved::default();
        if let Some(limit) = budget.per_document.filter(|_| self.stage == Stage::Predict) {
            let is_within = {
                let mut paid = self.paid();
                let counted = paid.counted.saturating_add(cost);
                let is_within = counted <= limit;
                if is_within {
                    paid.counted = counted;
                }
                is_within
            };
            if !is_within {
                return Err(self.reached(Budget::Document, limit));
            }
            reserved.of_document = cost;
        }
        if let Some(limit) = budget.per_day {
            let today = today();
            let set_aside = self.day(today).reserve(cost, limit).await;
            set_aside.map_err(|why| self.not_counted(why, limit))?;
            (reserved.of_day, reserved.day) = (cost, number_of(today));
        }
        Ok(reserved)
    }

    async fn kept(&self, request_sha: &str) -> Result<Option<String>, NotCharged> {
        let found = self.find(request_sha).await;
        found.map_err(|error| self.stop(error))
    }

    fn answering(&self) {
        self.outputs.permit().progress(Progress::Step);
    }
}

impl Pipeline {
    /// Sums up what was paid for a source from its charges, where a run that died may have left the record behind them.
    pub(crate) async fn recount(&self, run: &mut Run<'_>) -> Result<(), PipelineError> {
        let mut charges = charges_of(&self.parts().store, self.layout(), &run.record.source);
        let mut total = Charged::default();
        let mut last_runs: BTreeMap<Stage, (Timestamp, String, Charged)> = BTreeMap::new();
        while let Some(charge) = charges.next().await {
            let charge = match charge {
                Ok(charge) => charge,
                Err(ChargeError::Storage(error)) => return Err(run.storage(error)),
                Err(error @ ChargeError::Unreadable { .. }) => {
                    tracing::warn!(source = %run.record.source, "left out of the sum: {error}");
                    continue;
                }
            };
            let charged = Charged::from(&charge);
            total.add(&charged);
            match last_runs.get_mut(&charge.stage) {
                Some((at, last, sum)) if *last == charge.run => {
                    *at = charge.at.max(*at);
                    sum.add(&charged);
                }
                Some((at, _, _)) if *at > charge.at => {}
                _ => {
                    last_runs.insert(charge.stage, (charge.at, charge.run, charged));
                }
            }
        }
        let last_runs = last_runs.into_iter();
        run.recounted(
            total,
            last_runs.map(|(stage, (_, _, sum))| (stage, sum)).collect(),
        );
        Ok(())
    }
}
