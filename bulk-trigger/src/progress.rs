//! How far a command is: a bar on a terminal, a plain line now and then otherwise.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows progress on standard error.
pub(crate) enum Progress {
    Bar(ProgressBar),
    Lines { next: Instant },
}

impl Progress {
    pub(crate) fn start() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines {
                next: Instant::now() + LINE_EVERY,
            };
        }
        let bar = ProgressBar::new_spinner();
        // How many there will be is only known when the listing ends.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self::Bar(bar)
    }

    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        match self {
            Self::Bar(bar) => bar.set_message(line()),
            Self::Lines { next } if Instant::now() >= *next => {
                eprintln!("{}", line());
                *next = Instant::now() + LINE_EVERY;
            }
            Self::Lines { .. } => {}
        }
    }

    pub(crate) fn finish(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
