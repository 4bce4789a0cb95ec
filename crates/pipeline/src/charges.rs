//! What a run pays: each paid call becomes an object of its own before its answer is looked at, and a part of the record's
//! sum at the record's next write.
//!
//! The object is written once a call, so an answer that is cut, of no use or thrown away counts, and so does one after which
//! the worker dies. A run that finds one before it died sums the objects up again ([`Pipeline::recount`]): the record of the
//! dead one may lack the last of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use jiff::Timestamp;
use pagemill_document::{ChargeSink, NotCharged, PaidCall};
use pagemill_storage::{
    Charge, ChargeError, Charged, SourceKey, Stage, charges_of, to_canonical_json,
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
        u32::try_from(charged.calls).unwrap_or(u32::MAX)
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
    pub(crate) source: SourceKey,
    pub(crate) stage: Stage,
    pub(crate) run: String,
    pub(crate) trace_id: String,
    /// Why a call could not be written down: the callers between here and the run can't carry it.
    pub(crate) failed: Mutex<Option<PipelineError>>,
}

impl Till<'_> {
    /// Ends the stage's calls.
    ///
    /// # Errors
    /// When one of them could not be written down: that is why the stage failed, whatever it says itself.
    pub(crate) fn close(self) -> Result<(), PipelineError> {
        let failed = self.failed.into_inner();
        match failed.unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    async fn write(&self, number: u32, charge: &Charge) -> Result<(), PipelineError> {
        let layout = self.outputs.layout();
        let key = layout.charge(&self.source, &self.run, self.stage, number);
        let body = to_canonical_json(charge).expect("a charge is plain data with string keys");
        self.outputs.append(&key, body).await
    }
}

#[async_trait]
impl ChargeSink for Till<'_> {
    async fn charge(&self, call: PaidCall) -> Result<(), NotCharged> {
        let charge = Charge {
            format: Charge::FORMAT,
            source: self.source.clone(),
            stage: self.stage,
            micro_usd: self.prices.of(&call.model, &call.units),
            provider: call.provider,
            model: call.model,
            units: call.units,
            run: self.run.clone(),
            trace_id: self.trace_id.clone(),
            at: Timestamp::now(),
        };
        let number = self.spending.add(self.stage, &charge);
        self.outputs.permit().charged(&charge);
        let Err(error) = self.write(number, &charge).await else {
            return Ok(());
        };
        // The money is gone all the same, so the log has what the ledger lacks.
        tracing::error!(
            provider = charge.provider,
            model = charge.model,
            units = ?charge.units,
            micro_usd = charge.micro_usd,
            "a paid call could not be recorded: {error}"
        );
        let reason = error.to_string();
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        Err(NotCharged { reason })
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
