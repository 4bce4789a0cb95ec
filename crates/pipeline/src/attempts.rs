//! What counts as a failed attempt, what as a death, and what as neither.
//!
//! A run writes a start marker into the record before it does anything heavy, moves it from stage to stage, and takes
//! it away at its end. How a run ends decides what is counted:
//!
//! | end of a run | marker | `attempts` | `deaths` |
//! |---|---|---|---|
//! | commit | taken away | 0 | none |
//! | failure that may pass, wrong setting | taken away | +1 | as they were |
//! | failure for good | taken away | +1 | none |
//! | panic of a stage, wherever in it | taken away | +1 | +1 in that stage, by this run |
//! | stopped by a shutdown, at a boundary or inside a stage | taken away | as they were | as they were |
//! | overtaken by another worker ([`PipelineError::Conflict`]) | the other's | as they were | as they were |
//! | killed, out of memory, crashed, lease lost (also by a stall) | **stays** | +1, by the next run | +1 in that stage, by the next run |
//! | the same, after it had kept more pages than any that died before | **stays** | 0, by the next run | 0, by the next run |
//!
//! So a death is a marker that the next run of the *same* message finds: the queue hands a message over again only
//! when the worker before is done with it. The marker of *another* message's run may be of a worker that is alive, and
//! this run steps aside ([`PipelineError::Conflict`]) until that message is redelivered and settles it. When the marker
//! is older than [`ABANDONED_AFTER`], the other message must be gone, and this run takes over without counting a death.
//! After [`YIELDS_MAX`] receives it takes over and counts one: two messages about a document that kills its workers
//! would otherwise take turns for ever, each with the marker of the other before it. A run without a message (a folder
//! run) takes every marker for a death.
//!
//! A run that reads a long document keeps the pages that it has read, and says in its marker how many they are
//! ([`InProgress::done`]). One that died with more of them than any before made progress: the document gets to its end
//! even where every worker is killed after minutes, and no run is made slow by a kill that came from outside. So such a
//! death is not counted, and those before it are forgotten. A document that kills its worker always at the same place
//! makes progress until there and no further: from then on each death counts. Pages at which a cautious run died stay
//! left out; `attempts.max_deaths` of them end the document too, for they are its own doing.
//!
//! A run whose end could not be written, because the object store failed, is remembered in this process: its marker
//! is no death. A worker whose lease is lost must not write, so that its marker counts. Three outages of the queue,
//! each longer than a lease, in the same stage of the same document would look like three deaths.
//!
//! A panic is a death of which only the document's run died: it is caught, and the run itself counts it. So it has
//! the same limit and the same care in the next run, and the two add up; the last one names the reason, which is
//! [`INTERNAL_ERROR`] for a panic. A run without a message has no next one that would try again by itself, so there the
//! first panic is the failure for good. A panic outside the stages, where no record is at hand, is counted by the
//! message's receives.
//!
//! Deaths are counted for one stage, one version of the source, one set of settings, one engine and one build of the
//! worker ([`Deaths::fingerprint`]); whatever changes begins anew, and so does the next stage. After
//! `attempts.max_deaths` of them the document fails for good with [`WORKER_DIED`] or [`INTERNAL_ERROR`], until one of
//! these changes or a run is forced.
//!
//! Backoff: 30 s × 2ⁿ by the record's `attempts`, and by the message's receive count where no record could be read.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use pagemill_index::TargetStore;
use pagemill_panics::Panicked;
use pagemill_storage::{
    Deaths, Fault, Fingerprint, InProgress, ObjectMeta, Record, RecordStatus, SourceKey, Stage,
};

use crate::fingerprint::Fingerprinter;
use crate::graph::Graph;
use crate::outcome::PipelineError;
use crate::pipeline::{Options, Pipeline, Source};
use crate::run::{FailedStage, Run};

/// The reason code of a document that ended too many workers.
pub const WORKER_DIED: &str = "worker_died";

/// The reason code of a document at which the program itself fails.
pub const INTERNAL_ERROR: &str = "internal_error";

/// The version of the program, as failures and dead letters name it.
pub(crate) const BUILD: &str = env!("CARGO_PKG_VERSION");

/// So often a message steps aside for another one's run of the same document. The waits between its receives begin at
/// a second, so that a burst of events of one key ends in seconds, and double: so many of them take over an hour.
pub const YIELDS_MAX: u32 = 17;

/// A start marker of another message is not waited for any longer than this. Runs that read a long document renew
/// theirs every minute.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(15 * 60);

/// The queue message that asks for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// Its id, the same at each redelivery.
    pub message_id: String,
    /// How often it was received, this time included.
    pub receives: u32,
}

/// What the record says of the run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Previous {
    /// It ended, or there was none.
    Ended,
    /// It is gone, for reasons that are not the document's.
    Gone,
    /// It died.
    Died,
    /// It may still be at work.
    MaybeAtWork,
}

/// Runs of this process whose end the object store did not take.
#[derive(Debug, Default)]
pub(crate) struct UnrecordedEnds(Mutex<BTreeSet<String>>);

impl UnrecordedEnds {
    /// More than a worker can have at work; beyond it something is wrong, and memory matters more.
    const MOST: usize = 1_024;

    pub(crate) fn add(&self, run: &str) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.len() >= Self::MOST {
            runs.pop_first();
        }
        runs.insert(run.to_owned());
    }

    fn has(&self, run: &str) -> bool {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.contains(run)
    }
}

fn previous(
    marker: Option<&InProgress>,
    message: Option<&QueueMessage>,
    unrecorded: &UnrecordedEnds,
    now: Timestamp,
) -> Previous {
    let Some(marker) = marker else {
        return Previous::Ended;
    };
    if unrecorded.has(&marker.run) {
        return Previous::Gone;
    }
    let (Some(message), Some(other)) = (message, &marker.message_id) else {
        return Previous::Died;
    };
    if message.message_id == *other || message.receives > YIELDS_MAX {
        return Previous::Died;
    }
    let age = Duration::try_from(now.duration_since(marker.since)).unwrap_or_default();
    if age >= ABANDONED_AFTER {
        Previous::Gone
    } else {
        Previous::MaybeAtWork
    }
}

/// Where a run died.
#[derive(Debug, Clone, Copy)]
struct Death {
    stage: Stage,
    /// The page that was at work, in a cautious run.
    page: Option<u32>,
    /// Pages that were kept.
    done: u32,
}

/// The deaths after one more, of the same inputs.
fn one_more(
    graph: &Graph,
    before: Option<Deaths>,
    death: Death,
    fingerprint: Fingerprint,
) -> Deaths {
    let Death { stage, page, done } = death;
    let is_same_work = |deaths: &Deaths| {
        deaths.stage == stage || (graph.reads_source(deaths.stage) && graph.reads_source(stage))
    };
    let (count, most, mut pages) = match before {
        Some(deaths) if is_same_work(&deaths) => (deaths.count, deaths.done, deaths.pages),
        _ => (0, 0, BTreeSet::new()),
    };
    pages.extend(page);
    let has_progressed = done > most;
    Deaths {
        stage,
        count: match has_progressed {
            true => 0,
            false => count.saturating_add(1),
        },
        done: most.max(done),
        fingerprint,
        pages,
    }
}

/// Whether a document is given up: after so many deaths in a row without progress, or so many pages that are known to end
/// their worker.
fn is_over(deaths: &Deaths, limit: u32) -> bool {
    deaths.count >= limit || deaths.pages.len() >= limit as usize
}

impl Pipeline {
    /// Looks at the start marker that a run before left, counts a death, and says whether this run may begin.
    ///
    /// # Errors
    /// [`PipelineError::Conflict`] when another message's run may be at work, and [`WORKER_DIED`] when there were too
    /// many deaths.
    pub(crate) fn take_over(
        &self,
        run: &mut Run<'_>,
        head: &ObjectMeta,
        targets: &[TargetStore],
        options: &Options,
    ) -> Result<(), PipelineError> {
        let marker = run.record.in_progress.take();
        let message = options.message.as_ref();
        let before = previous(
            marker.as_ref(),
            message,
            &self.unrecorded_ends,
            Timestamp::now(),
        );
        if before == Previous::MaybeAtWork {
            return Err(PipelineError::Conflict);
        }
        if run.record.status == RecordStatus::Failed {
            // Something has changed since, or this run would not be: it begins anew.
            run.record.attempts = 0;
            run.record.deaths = None;
        }
        let source = run.record.source.clone();
        let fingerprint = self.death_fingerprint(&source, head, targets, options);
        let deaths = run.record.deaths.take();
        let deaths = deaths.filter(|deaths| deaths.fingerprint == fingerprint);
        let marker = match (marker, before) {
            (Some(marker), Previous::Died) => marker,
            _ => {
                run.record.deaths = deaths;
                return Ok(());
            }
        };
        let death = Death {
            stage: marker.stage,
            page: marker.page,
            done: marker.done.unwrap_or(0),
        };
        let deaths = one_more(self.graph(), deaths, death, fingerprint);
        run.record.attempts = match deaths.count {
            0 => 0,
            _ => run.record.attempts.saturating_add(1),
        };
        run.permit.progress(crate::permit::Progress::Death);
        tracing::warn!(
            source = %source,
            stage = marker.stage.name(),
            page = marker.page,
            done = marker.done,
            deaths = deaths.count,
            before_trace_id = marker.trace_id,
            "a worker died in this document before"
        );
        let limit = self.parts().settings.attempts.max_deaths;
        let is_over = is_over(&deaths, limit);
        run.record.deaths = Some(deaths);
        if is_over {
            let stage = marker.stage;
            return Err(PipelineError::Permanent {
                reason: WORKER_DIED.to_owned(),
                stage,
                message: format!(
                    "{limit} workers died in the stage {} of this document, and it got no further: look for the worker's end in \
                     the logs around {} (out of memory, a crash); give it more memory, or take the document out",
                    stage.name(),
                    marker.since
                ),
            });
        }
        Ok(())
    }

    /// Ends a run that panicked: counts that as a death, and fails the document for good after the last one.
    pub(crate) async fn end_after_panic(
        &self,
        mut run: Run<'_>,
        panicked: &Panicked,
        source: &Source,
        head: &ObjectMeta,
        targets: &[TargetStore],
        options: &Options,
    ) -> PipelineError {
        let stage = run.stage();
        let error = PipelineError::from_panic(stage, panicked);
        let marker = run.record.in_progress.as_ref();
        let page = marker.and_then(|marker| marker.page);
        let fingerprint = self.death_fingerprint(&source.key, head, targets, options);
        let before = run.record.deaths.take();
        let before = before.filter(|deaths| deaths.fingerprint == fingerprint);
        let death = Death {
            stage,
            page,
            done: run.kept(),
        };
        let deaths = one_more(self.graph(), before, death, fingerprint.clone());
        tracing::error!(
            source = %source.key,
            stage = stage.name(),
            page,
            deaths = deaths.count,
            place = panicked.place(),
            build = BUILD,
            "the program panicked at this document"
        );
        let limit = self.parts().settings.attempts.max_deaths;
        let is_over = is_over(&deaths, limit) || options.message.is_none();
        run.record.deaths = Some(deaths);
        if !is_over {
            if !run.save_death().await {
                self.unrecorded_ends.add(&run.id);
            }
            run.permit.failed(run.record.attempts);
            return error;
        }
        run.record.attempts = run.record.attempts.saturating_add(1);
        let failed = FailedStage {
            reason: INTERNAL_ERROR.to_owned(),
            stage,
            message: error.to_string(),
            fault: Some(Fault {
                place: panicked.place().to_owned(),
                build: BUILD.to_owned(),
            }),
        };
        let recorded = self.fail_after_deaths(&mut run, failed, source, head, fingerprint);
        if let Err(unrecorded) = recorded.await {
            self.unrecorded_ends.add(&run.id);
            return unrecorded;
        }
        run.permit.failed(run.record.attempts);
        error.without_another_try()
    }

    /// A panic where no record is at hand, or that came while its end was written.
    pub(crate) fn panicked_outside(
        &self,
        stage: Stage,
        panicked: &Panicked,
        options: &Options,
    ) -> PipelineError {
        let place = panicked.place();
        tracing::error!(
            place,
            build = BUILD,
            "the program panicked outside the stages"
        );
        let error = PipelineError::from_panic(stage, panicked);
        let message = options.message.as_ref();
        match message.is_none_or(|message| message.receives > YIELDS_MAX) {
            true => error.without_another_try(),
            false => error,
        }
    }

    /// Lets the run of another message that may be at work go first.
    ///
    /// # Errors
    /// [`PipelineError::Conflict`] while it may be.
    pub(crate) fn step_aside(
        &self,
        record: &Record,
        options: &Options,
    ) -> Result<(), PipelineError> {
        let before = previous(
            record.in_progress.as_ref(),
            options.message.as_ref(),
            &self.unrecorded_ends,
            Timestamp::now(),
        );
        match before {
            Previous::MaybeAtWork => Err(PipelineError::Conflict),
            Previous::Ended | Previous::Gone | Previous::Died => Ok(()),
        }
    }

    /// Records the failure of a document that ended too many workers or runs. Its bytes may never have been read.
    pub(crate) async fn fail_after_deaths(
        &self,
        run: &mut Run<'_>,
        failed: FailedStage,
        source: &Source,
        head: &ObjectMeta,
        fingerprint: Fingerprint,
    ) -> Result<(), PipelineError> {
        let known = crate::source::same_bytes(run.record.version.as_ref(), head);
        let sha256 = known
            .map(|version| version.sha256.clone())
            .unwrap_or_default();
        let version = crate::source::version_of(sha256, head, source);
        self.delete_parts(run).await?;
        run.save_failure(failed, version, fingerprint).await?;
        self.note_history(&run.record);
        Ok(())
    }

    /// What a worker's death in a document may depend on. The content is named by the store's tag and size, because
    /// a worker may die before it has read the bytes.
    pub(crate) fn death_fingerprint(
        &self,
        source: &SourceKey,
        head: &ObjectMeta,
        targets: &[TargetStore],
        options: &Options,
    ) -> Fingerprint {
        let content = format!("{} {}", head.etag.0, head.bytes);
        let settings = &self.parts().settings;
        let print = Fingerprinter::new(Stage::Inspect, self.graph().code_version(Stage::Inspect))
            .part("death")
            .part(BUILD)
            .settings(&settings.limits)
            .settings(&settings.attempts)
            .settings(&settings.passwords.patterns(source));
        let expected = self.expected(source, &content, targets, options);
        expected
            .values()
            .fold(print, Fingerprinter::upstream)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(stage: Stage, message_id: Option<&str>) -> InProgress {
        InProgress {
            stage,
            since: Timestamp::UNIX_EPOCH,
            trace_id: "t".into(),
            run: "run 1".into(),
            message_id: message_id.map(str::to_owned),
            page: None,
            done: None,
            total: None,
        }
    }

    fn death(stage: Stage, page: Option<u32>, done: u32) -> Death {
        Death { stage, page, done }
    }

    fn message(message_id: &str, receives: u32) -> Option<QueueMessage> {
        Some(QueueMessage {
            message_id: message_id.into(),
            receives,
        })
    }

    fn fingerprint(name: &str) -> Fingerprint {
        Fingerprint(name.into())
    }

    #[test]
    fn se_4_a_marker_is_a_death_only_for_the_message_that_left_it() {
        let now = Timestamp::UNIX_EPOCH;
        let none = UnrecordedEnds::default();
        let of = |marker: &InProgress, message: Option<QueueMessage>, now| {
            previous(Some(marker), message.as_ref(), &none, now)
        };
        let left = marker(Stage::Pages, Some("m1"));
        assert_eq!(of(&left, message("m1", 2), now), Previous::Died);
        assert_eq!(of(&left, None, now), Previous::Died);
        assert_eq!(of(&left, message("m2", 1), now), Previous::MaybeAtWork);
        let later = now + ABANDONED_AFTER;
        assert_eq!(of(&left, message("m2", 1), later), Previous::Gone);
        assert_eq!(
            of(&marker(Stage::Pages, None), message("m2", 1), now),
            Previous::Died
        );
        assert_eq!(previous(None, None, &none, now), Previous::Ended);
    }

    /// A document that kills its workers, asked for twice: each of the two messages finds the other's marker.
    #[test]
    fn se_4_messages_that_take_turns_at_a_document_count_its_deaths_after_all() {
        let marker = marker(Stage::Inspect, Some("m1"));
        let of = |receives| {
            let message = message("m2", receives);
            let none = UnrecordedEnds::default();
            previous(
                Some(&marker),
                message.as_ref(),
                &none,
                Timestamp::UNIX_EPOCH,
            )
        };
        assert_eq!(of(YIELDS_MAX), Previous::MaybeAtWork);
        assert_eq!(of(YIELDS_MAX + 1), Previous::Died);
    }

    #[test]
    fn se_4_an_end_that_the_store_did_not_take_is_no_death() {
        let ends = UnrecordedEnds::default();
        ends.add("run 1");
        let left = marker(Stage::Index, Some("m1"));
        let again = message("m1", 2);
        assert_eq!(
            previous(Some(&left), again.as_ref(), &ends, Timestamp::UNIX_EPOCH),
            Previous::Gone
        );
    }

    fn one_more(before: Option<Deaths>, death: Death, fingerprint: Fingerprint) -> Deaths {
        super::one_more(&Graph::default(), before, death, fingerprint)
    }

    #[test]
    fn se_4_deaths_add_up_in_a_stage_and_begin_anew_in_another() {
        let first = one_more(None, death(Stage::Inspect, None, 0), fingerprint("a"));
        assert_eq!((first.stage, first.count), (Stage::Inspect, 1));
        let second = one_more(
            Some(first.clone()),
            death(Stage::Pages, Some(7), 0),
            fingerprint("a"),
        );
        assert_eq!((second.stage, second.count), (Stage::Pages, 2));
        assert_eq!(second.pages, BTreeSet::from([7]));
        let elsewhere = one_more(Some(second), death(Stage::Index, None, 0), fingerprint("a"));
        assert_eq!((elsewhere.stage, elsewhere.count), (Stage::Index, 1));
    }

    #[test]
    fn se_4_a_death_after_progress_begins_anew_and_one_at_the_same_place_counts() {
        let after = |before: Option<&Deaths>, page, done| {
            one_more(
                before.cloned(),
                death(Stage::Pages, page, done),
                fingerprint("a"),
            )
        };
        let stuck = after(Some(&after(None, None, 0)), None, 0);
        assert_eq!(stuck.count, 2);
        let first = after(Some(&stuck), None, 800);
        assert_eq!((first.count, first.done), (0, 800));
        let further = after(Some(&first), None, 801);
        assert_eq!((further.count, further.done), (0, 801));
        let mut again = further;
        for count in 1..=3 {
            assert!(!is_over(&again, 3));
            // A later run may find fewer pages than the one before, when parts were lost.
            again = after(Some(&again), None, 700 + count);
            assert_eq!((again.count, again.done), (count, 801));
        }
        assert!(is_over(&again, 3));
    }

    #[test]
    fn se_5_pages_that_kill_end_a_document_whatever_lies_between_them() {
        let mut deaths = None;
        for page in [10, 20, 30] {
            let kept = page - 1;
            assert!(!deaths.as_ref().is_some_and(|deaths| is_over(deaths, 3)));
            let death = death(Stage::Pages, Some(page), kept);
            deaths = Some(one_more(deaths, death, fingerprint("a")));
        }
        let deaths = deaths.expect("three of them");
        assert_eq!(deaths.count, 0);
        assert!(is_over(&deaths, 3));
    }
}
