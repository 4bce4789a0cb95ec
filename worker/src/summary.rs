//! The table at the end of a run.

use std::fmt::Write as _;
use std::time::Duration;

use pagemill_pipeline::{PipelineError, RunOutcome, Usd};
use pagemill_storage::{Charged, shown};

/// How one document ended, for the table.
#[derive(Debug)]
pub(crate) enum Ended {
    Processed,
    Unchanged,
    Superseded,
    Failed { reason: String, message: String },
    Left { message: String },
}

/// Counts of a run, and the documents that need a person's eye.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    documents: u32,
    processed: u32,
    unchanged: u32,
    superseded: u32,
    pages: u64,
    pages_rendered: u64,
    links: u64,
    chunks: u64,
    ocr: u64,
    needs_ocr: u64,
    partial: Vec<(String, String)>,
    failed: Vec<(String, String, String)>,
    left: Vec<(String, String)>,
}

impl Summary {
    /// Adds a document, and says how it ended.
    pub(crate) fn add(&mut self, name: &str, result: &Result<RunOutcome, PipelineError>) -> Ended {
        self.documents += 1;
        match result {
            Ok(RunOutcome::Processed(done)) => {
                self.processed += 1;
                self.pages_rendered += u64::from(done.counts.pages);
                self.count(name, done);
                Ended::Processed
            }
            Ok(RunOutcome::Unchanged(done)) => {
                self.unchanged += 1;
                self.count(name, done);
                Ended::Unchanged
            }
            Ok(RunOutcome::Superseded | RunOutcome::Removed) => {
                self.superseded += 1;
                Ended::Superseded
            }
            Err(PipelineError::Permanent {
                reason, message, ..
            }) => {
                self.failed
                    .push((name.to_owned(), reason.clone(), message.clone()));
                Ended::Failed {
                    reason: reason.clone(),
                    message: message.clone(),
                }
            }
            Err(error) => {
                self.left.push((name.to_owned(), error.to_string()));
                Ended::Left {
                    message: error.to_string(),
                }
            }
        }
    }

    /// Adds a file that could not even be given to the pipeline.
    pub(crate) fn add_unusable(&mut self, name: &str, message: &str) {
        self.documents += 1;
        self.failed
            .push((name.to_owned(), "bad_name".into(), message.to_owned()));
    }

    fn count(&mut self, name: &str, done: &pagemill_pipeline::Processed) {
        self.pages += u64::from(done.counts.pages);
        self.links += u64::from(done.counts.links);
        self.chunks += u64::from(done.counts.chunks);
        self.ocr += u64::from(done.counts.ocr);
        self.needs_ocr += u64::from(done.counts.needs_ocr);
        if !done.failed_pages.is_empty() {
            let pages: Vec<_> = done
                .failed_pages
                .iter()
                .map(|(page, reason)| format!("page {page} {reason}"))
                .collect();
            let shown = pages.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            let more = pages.len().saturating_sub(5);
            let more = if more > 0 {
                format!(", and {more} more")
            } else {
                String::new()
            };
            self.partial
                .push((name.to_owned(), format!("{shown}{more}")));
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    pub(crate) fn is_incomplete(&self) -> bool {
        !self.left.is_empty()
    }

    /// The table, as text, of a run that took and paid so much.
    pub(crate) fn table(&mut self, elapsed: Duration, spent: &Charged) -> String {
        self.partial.sort();
        self.failed.sort();
        self.left.sort();
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            writeln!(text, "{name:<12} {value}").expect("writing into a string does not fail");
        };
        let mut documents = vec![
            format!("{} processed", self.processed),
            format!("{} unchanged", self.unchanged),
            format!("{} failed", self.failed.len()),
        ];
        if self.superseded > 0 {
            documents.push(format!("{} superseded", self.superseded));
        }
        if !self.left.is_empty() {
            documents.push(format!("{} left for the next run", self.left.len()));
        }
        row(
            "documents",
            format!("{} ({})", self.documents, documents.join(", ")),
        );
        row(
            "pages",
            match self.ocr {
                0 => format!("{} ({} need OCR)", self.pages, self.needs_ocr),
                ocr => format!(
                    "{} ({ocr} read by OCR, {} need it)",
                    self.pages, self.needs_ocr
                ),
            },
        );
        row("links", self.links.to_string());
        row("chunks", self.chunks.to_string());
        if !spent.is_nothing() {
            row("paid calls", paid(spent));
        }
        let seconds = elapsed.as_secs_f64();
        let pace = match self.pages_rendered {
            0 => String::new(),
            pages => format!(" ({})", speed(pages, elapsed)),
        };
        row("time", format!("{seconds:.1} s{pace}"));
        let mut section = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                writeln!(text, "\n{title}").expect("writing into a string does not fail");
                for line in lines {
                    // Names and messages may hold any character; the table is for a terminal.
                    writeln!(text, "  {}", shown(&line))
                        .expect("writing into a string does not fail");
                }
            }
        };
        let lines = |rows: &[(String, String)]| {
            rows.iter()
                .map(|(name, what)| format!("{name}: {what}"))
                .collect()
        };
        section("with pages missing:", lines(&self.partial));
        let failed = self
            .failed
            .iter()
            .map(|(name, reason, message)| format!("{name} [{reason}]: {message}"));
        section("failed:", failed.collect());
        section("left for the next run:", lines(&self.left));
        text
    }
}

/// What paid calls used and cost: `3 (7000 tokens read, 300 written, 0.001234 USD)`.
pub(crate) fn paid(spent: &Charged) -> String {
    let mut used: Vec<String> = Vec::new();
    let units = &spent.units;
    for (count, what) in [
        (units.input_tokens, "tokens read"),
        (units.output_tokens, "written"),
    ] {
        used.extend(count.map(|count| format!("{count} {what}")));
    }
    used.extend(spent.micro_usd.map(|cost| Usd(cost).to_string()));
    if spent.unpriced_calls > 0 {
        used.push(match spent.unpriced_calls == spent.calls {
            true => "price not known".to_owned(),
            false => format!("the price of {} not known", spent.unpriced_calls),
        });
    }
    if spent.failed_calls > 0 {
        used.push(format!("{} more failed", spent.failed_calls));
    }
    format!("{} ({})", spent.calls, used.join(", "))
}

/// A number with its noun: `1 page`, `2 pages`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Pages a second, with a decimal where the number is small.
pub(crate) fn speed(pages: u64, elapsed: Duration) -> String {
    let speed = pages as f64 / elapsed.as_secs_f64().max(0.001);
    let decimals = usize::from(speed < 10.0);
    format!("{speed:.decimals$} pages/s")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagemill_pipeline::{DocumentSize, Processed};

    #[test]
    fn one_page_is_not_pages() {
        assert_eq!(counted(1, "page"), "1 page");
        assert_eq!(counted(0, "link"), "0 links");
        assert_eq!(speed(250, Duration::from_secs(2)), "125 pages/s");
    }

    #[test]
    fn what_was_paid_is_told_with_what_is_not_known() {
        let mut spent = Charged {
            calls: 2,
            micro_usd: Some(1_234_567),
            ..Charged::default()
        };
        spent.units.input_tokens = Some(7_000);
        assert_eq!(paid(&spent), "2 (7000 tokens read, 1.234567 USD)");
        spent.unpriced_calls = 1;
        spent.units.output_tokens = Some(0);
        assert_eq!(
            paid(&spent),
            "2 (7000 tokens read, 0 written, 1.234567 USD, the price of 1 not known)"
        );
        let unknown = Charged {
            calls: 1,
            unpriced_calls: 1,
            ..Charged::default()
        };
        assert_eq!(paid(&unknown), "1 (price not known)");
    }

    #[test]
    fn every_document_is_counted_once_and_the_bad_ones_are_named() {
        let mut summary = Summary::default();
        let whole = Processed {
            counts: DocumentSize {
                pages: 3,
                links: 2,
                chunks: 4,
                ocr: 0,
                needs_ocr: 1,
            },
            ..Processed::default()
        };
        summary.add("a.pdf", &Ok(RunOutcome::Processed(whole.clone())));
        summary.add("b.pdf", &Ok(RunOutcome::Unchanged(whole)));
        let failed = PipelineError::Permanent {
            reason: "encrypted".into(),
            stage: pagemill_storage::Stage::Inspect,
            message: "no password".into(),
        };
        summary.add("c.pdf", &Err(failed));
        summary.add("d.pdf", &Err(PipelineError::Conflict));
        let table = summary.table(Duration::from_secs(2), &Charged::default());
        assert!(!table.contains("paid"), "{table}");
        assert!(
            table.contains("4 (1 processed, 1 unchanged, 1 failed, 1 left for the next run)"),
            "{table}"
        );
        assert!(table.contains("6 (2 need OCR)"), "{table}");
        assert!(table.contains("c.pdf [encrypted]: no password"), "{table}");
        assert!(table.contains("d.pdf: another worker"), "{table}");
        assert!(table.contains("(1.5 pages/s)"), "{table}");
        assert!(summary.has_failed() && summary.is_incomplete());
    }

    #[test]
    fn ho_4_names_can_not_forge_lines_of_the_table() {
        let mut summary = Summary::default();
        let name = "a\nfailed:\u{1b}[2J\u{202e}.pdf";
        summary.add(name, &Err(PipelineError::Conflict));
        summary.add_unusable(name, "can't be read");
        let table = summary.table(Duration::from_secs(1), &Charged::default());
        assert!(
            table.contains(r"a\nfailed:\u{1b}[2J\u{202e}.pdf: another"),
            "{table}"
        );
        let is_foreign =
            |character| character != '\n' && pagemill_storage::shown::is_steering(character);
        assert!(!table.contains(is_foreign), "{table:?}");
    }
}
