//! What a person sees while a folder is processed: a bar on a terminal, plain lines otherwise.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pagemill_pipeline::{Permit, PermitLost, PipelineError, Progress, RunOutcome};
use pagemill_storage::{Charge, Charged, shown};

use crate::local::Stop;
use crate::summary::{Ended, counted, speed};

/// The progress of a whole run.
#[derive(Debug)]
pub(crate) struct Display {
    bar: Option<ProgressBar>,
    total: AtomicU64,
    done: AtomicU64,
    pages: AtomicU64,
    begun: Instant,
}

impl Display {
    /// A bar when standard error is a terminal.
    pub(crate) fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{bar:30} {pos}/{len} documents  {msg}  {elapsed_precise}",
            )
            .expect("the template is a constant and is valid");
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            bar.set_style(style);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self {
            bar,
            total: AtomicU64::new(total),
            done: AtomicU64::new(0),
            pages: AtomicU64::new(0),
            begun: Instant::now(),
        }
    }

    /// More documents came.
    pub(crate) fn add_documents(&self, more: u64) {
        let total = self.total.fetch_add(more, Ordering::Relaxed) + more;
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
    }

    fn page(&self) {
        let pages = self.pages.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            let pace = speed(pages, self.begun.elapsed());
            bar.set_message(format!("{}, {pace}", counted(pages, "page")));
        }
    }

    /// A document ended.
    pub(crate) fn document(
        &self,
        name: &str,
        result: &Result<RunOutcome, PipelineError>,
        ended: &Ended,
        took: Duration,
    ) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let seconds = took.as_secs_f64();
        let what = match (ended, result) {
            (Ended::Processed, Ok(RunOutcome::Processed(document))) => {
                let missing = match document.failed_pages.len() {
                    0 => String::new(),
                    count => format!(", {} missing", counted(count as u64, "page")),
                };
                let counts = &document.counts;
                let pages = counted(counts.pages.into(), "page");
                let links = counted(counts.links.into(), "link");
                format!("{pages}, {links}{missing}, {seconds:.2} s")
            }
            (Ended::Failed { reason, message }, _) => format!("FAILED [{reason}]: {message}"),
            (Ended::Left { message }, _) => format!("left for the next run: {message}"),
            (Ended::Superseded, _) => "superseded by a newer version".to_owned(),
            _ => "unchanged".to_owned(),
        };
        let is_news = matches!(ended, Ended::Failed { .. } | Ended::Left { .. });
        // Messages hold names too.
        let line = format!("{name}: {what}");
        let line = shown(&line);
        match &self.bar {
            Some(bar) => {
                if is_news {
                    bar.println(line);
                }
                bar.inc(1);
            }
            None => println!("[{done}/{}] {line}", self.total.load(Ordering::Relaxed)),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The permit of a folder run: nobody else can take a document over, and Ctrl-C ends it at the next boundary, or at
/// once when it is pressed twice.
pub(crate) struct LocalPermit<'a> {
    pub(crate) display: &'a Display,
    pub(crate) stop: &'a Stop,
    /// What the folder's runs have paid.
    pub(crate) spent: &'a Mutex<Charged>,
}

impl Permit for LocalPermit<'_> {
    fn check(&self) -> Result<(), PermitLost> {
        Ok(())
    }

    fn progress(&self, progress: Progress) {
        if let Progress::Page { .. } = progress {
            self.display.page();
        }
    }

    fn should_stop(&self) -> bool {
        self.stop.soon.is_cancelled()
    }

    fn charged(&self, charge: &Charge) {
        // Plain numbers: a panic elsewhere can't leave them half written.
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.add(&Charged::from(charge));
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        self.stop.now.cancelled().boxed()
    }
}
