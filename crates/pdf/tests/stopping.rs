//! What becomes of children when work is dropped, and when a document is read cautiously.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::StreamExt;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use pagemill_document::PageNumber;
use pagemill_pdf::{
    Engine, EngineSettings, ExtractRequest, ImageSettings, Limits, Pace, PageFailure, SealedFile,
};

#[path = "support/sample.rs"]
mod sample;
use sample::{Page, pdf};

/// Longest time that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// An engine whose children write their process ids into a file, and then become what `then` says.
struct Watched {
    engine: Engine,
    folder: tempfile::TempDir,
}

impl Watched {
    fn new(children: usize, then: &str, libpdfium: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("child.sh");
        let place = folder.path().display();
        let lines = format!("#!/bin/sh\ncd {place}\necho $$ >> pids\n{then}\n");
        fs::write(&script, lines).expect("a script");
        // The answer of a child that reports as it should, for those that are none.
        let ready = br#"{"Ready":{"libpdfium":"/x","jpeg_encoder":{"name":"compiled_in","reason":"x"},"layers":[],"ocr":{"state":"off"}}}"#;
        let mut frame = b"PMC1".to_vec();
        frame.extend((ready.len() as u32).to_le_bytes());
        frame.extend([0; 4]);
        frame.extend(ready);
        fs::write(folder.path().join("ready"), frame).expect("a file");
        let engine = Engine::new(EngineSettings {
            child_command: vec!["/bin/sh".to_owned(), script.display().to_string()],
            libpdfium,
            children,
            limits: Limits {
                page_timeout_seconds: 600,
                ..Limits::default()
            },
            required_layers: BTreeSet::new(),
            ocr: None,
        });
        Self {
            engine: engine.expect("the engine starts"),
            folder,
        }
    }

    /// With real children; nothing, with a line that says so, without libpdfium.
    fn real(children: usize) -> Option<Self> {
        let runtime = pagemill_testkit::runtime("stopping")?;
        let child = format!("exec {}", env!("CARGO_BIN_EXE_pdf-child"));
        Some(Self::new(children, &child, runtime))
    }

    fn started(&self) -> Vec<Pid> {
        let pids = fs::read_to_string(self.folder.path().join("pids")).expect("started children");
        let pids = pids.lines().map(|line| line.parse().expect("a number"));
        pids.map(Pid::from_raw).collect()
    }

    fn alive(&self) -> usize {
        let started = self.started();
        started
            .iter()
            .filter(|pid| kill(**pid, None).is_ok())
            .count()
    }

    /// Waits until so many children are alive.
    async fn until_alive(&self, count: usize) {
        let began = Instant::now();
        while self.alive() != count {
            assert!(began.elapsed() < PATIENCE, "{} are alive", self.alive());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn sealed(bytes: &[u8]) -> SealedFile {
    SealedFile::from_bytes(bytes, 1 << 30).expect("a PDF")
}

fn everything() -> ExtractRequest {
    ExtractRequest {
        images: Some(ImageSettings {
            dpi: 36,
            ..ImageSettings::default()
        }),
        text: true,
        links: true,
        ..ExtractRequest::default()
    }
}

/// Processor time that a process has used, in clock ticks: proc(5), the 14th field of `stat`.
fn ticks(pid: Pid) -> u64 {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    let stat = stat.unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let used = fields.split_ascii_whitespace().nth(11);
    used.and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn le_3_dropping_the_pages_kills_the_child_that_is_at_work() {
    let Some(watched) = Watched::real(1) else {
        return;
    };
    let mut slow = Page::text("slow");
    slow.form_levels = 8;
    let opened = watched.engine.open(sealed(&pdf(&[slow])), &[]).await;
    let document = opened.expect("a file that opens");
    let mut pages = document.extract(everything());
    // The child is deep in the page when it has computed for a while.
    let at_work = async {
        let pid = watched.started()[0];
        let before = ticks(pid);
        while ticks(pid) < before + 30 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        page = pages.next() => panic!("the page was to take long: {page:?}"),
        () = at_work => {}
    }
    assert_eq!(watched.alive(), 1);
    drop(pages);
    watched.until_alive(0).await;

    let again = watched
        .engine
        .open(sealed(&pdf(&[Page::text("next")])), &[])
        .await;
    let pages: Vec<_> = again
        .expect("the engine goes on")
        .extract(everything())
        .collect()
        .await;
    assert!(pages[0].1.is_ok());
}

#[tokio::test]
async fn le_3_dropping_an_opening_kills_its_child() {
    let then = "/bin/cat ready >&0\nexec /bin/sleep 600";
    let watched = Watched::new(1, then, PathBuf::from("/x"));
    let file = sealed(&pdf(&[Page::text("x")]));
    {
        let opening = watched.engine.open(file, &[]);
        let waited = tokio::time::timeout(Duration::from_millis(200), opening).await;
        assert!(waited.is_err(), "it answers nothing");
    }
    watched.until_alive(0).await;
}

#[tokio::test]
async fn se_5_a_cautious_reading_has_one_child_a_page_and_leaves_out_what_it_is_told() {
    let Some(watched) = Watched::real(2) else {
        return;
    };
    let pages: Vec<Page> = (1..=5).map(|n| Page::text(&format!("page {n}"))).collect();
    let opened = watched.engine.open(sealed(&pdf(&pages)), &[]).await;
    let document = opened.expect("a file that opens");
    let whole: Vec<_> = document.extract(everything()).collect().await;
    assert!(watched.alive() > 0, "warm children wait for more");

    let before = watched.started().len();
    let mut cautious = document.extract(ExtractRequest {
        pace: Pace::Cautious,
        skip: [2].into(),
        ..everything()
    });
    for expected in whole {
        let number = expected.0;
        let got = cautious.next().await.expect("every page comes");
        if number == PageNumber(2) {
            let left_out = PageFailure::KilledTheWorker { page: number };
            assert_eq!(got, (number, Err(left_out)));
        } else {
            assert_eq!(got, expected);
        }
        // No child is kept, and the next page is not begun before it is asked for.
        watched.until_alive(0).await;
    }
    assert!(cautious.next().await.is_none());
    assert_eq!(watched.started().len() - before, 4);
}
