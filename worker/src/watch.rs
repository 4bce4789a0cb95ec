//! `worker local --watch`: process PDFs as they arrive.
//!
//! The folder is looked at once a second, which works on every file system, network shares included. A file is taken
//! when its size and its time of change were the same at two looks, so that a file that is still being written waits.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::local::{FolderRun, Found, Input, process_all};
use crate::progress::Display;
use crate::summary::Summary;

/// How long between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Goes on until Ctrl-C.
pub(crate) async fn go_on(
    run: &FolderRun,
    input: &Input,
    done: Vec<Found>,
    display: &Display,
    summary: &mut Summary,
) {
    let mut settled = Settled::new(done);
    println!("watching for more; press Ctrl-C to end");
    loop {
        tokio::select! {
            () = run.stop().cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let ready = settled.look(input.find().0);
        if !ready.is_empty() {
            display.add_documents(ready.len() as u64);
            process_all(run, ready, display, summary).await;
        }
    }
}

/// Tells files that have come to rest from files that are still being written.
#[derive(Debug)]
struct Settled {
    done: BTreeMap<String, Found>,
    seen: BTreeMap<String, Found>,
}

impl Settled {
    fn new(done: Vec<Found>) -> Self {
        let done = done
            .into_iter()
            .map(|found| (found.name.clone(), found))
            .collect();
        Self {
            done,
            seen: BTreeMap::new(),
        }
    }

    /// The files that are new or changed, and were the same at the look before.
    fn look(&mut self, found: Vec<Found>) -> Vec<Found> {
        let mut ready = Vec::new();
        let mut seen = BTreeMap::new();
        for file in found {
            if self.done.get(&file.name) == Some(&file) {
                continue;
            }
            if self.seen.get(&file.name) == Some(&file) && file.bytes > 0 {
                self.done.insert(file.name.clone(), file.clone());
                ready.push(file);
            } else {
                seen.insert(file.name.clone(), file);
            }
        }
        self.seen = seen;
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn file(name: &str, bytes: u64) -> Found {
        Found {
            name: name.into(),
            bytes,
            modified: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_growing_file_waits_until_it_is_whole_and_is_taken_once() {
        let mut settled = Settled::new(vec![file("old.pdf", 1)]);
        assert!(
            settled
                .look(vec![file("new.pdf", 10), file("old.pdf", 1)])
                .is_empty()
        );
        assert!(
            settled
                .look(vec![file("new.pdf", 20), file("old.pdf", 1)])
                .is_empty()
        );
        assert_eq!(
            settled.look(vec![file("new.pdf", 20), file("old.pdf", 1)]),
            [file("new.pdf", 20)]
        );
        assert!(
            settled
                .look(vec![file("new.pdf", 20), file("old.pdf", 1)])
                .is_empty()
        );
    }

    #[test]
    fn a_changed_file_is_taken_again() {
        let mut settled = Settled::new(vec![file("old.pdf", 1)]);
        assert!(settled.look(vec![file("old.pdf", 2)]).is_empty());
        assert_eq!(settled.look(vec![file("old.pdf", 2)]), [file("old.pdf", 2)]);
    }
}
