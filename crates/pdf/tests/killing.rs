//! Children that are killed from outside, at random moments and hundreds of times, change nothing. Needs libpdfium: set
//! `PAGEMILL_RUNTIME` to the folder that holds it.
//!
//! The only test of this program, because it kills the children of the whole process.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pagemill_document::{Inspection, OutlineItem, PageLabel, PageNumber};
use pagemill_pdf::{
    Engine, EngineSettings, ExtractRequest, ImageSettings, Limits, PageFailure, PageOutput,
    SealedFile,
};
use tokio::sync::watch;

#[path = "support/sample.rs"]
mod sample;
use sample::{Page, pdf};

/// Children that are killed, at least.
const KILLS: u32 = 300;

/// Longest time between a step of the work and the killing, in microseconds: about what a step takes.
const LONGEST_PAUSE: u64 = 12_000;

/// Most steps of the work from one killing to the next.
const MOST_STEPS: u64 = 6;

/// All that a document gives.
#[derive(Debug, PartialEq)]
struct Everything {
    inspection: Inspection,
    outline: Vec<OutlineItem>,
    page_labels: Vec<PageLabel>,
    pages: Vec<(PageNumber, Result<PageOutput, PageFailure>)>,
}

/// Some documents of different lengths: text, drawings, links, pages without text.
fn documents() -> Vec<Vec<u8>> {
    let of = |document: u32, pages: u32| {
        let pages = (1..=pages).map(|number| {
            let mut page = match number % 5 {
                0 => Page::drawn("0 0 1 rg 50 50 200 300 re f", 300.0, 400.0),
                1 => Page::drawn("", 300.0, 400.0),
                _ => Page::text(&format!("Document {document} page {number}")),
            };
            if number % 3 == 0 {
                let target = format!("https://example.com/{document}/{number}");
                page.links.push(([70.0, 690.0, 300.0, 740.0], target));
            }
            page
        });
        pdf(&pages.collect::<Vec<_>>())
    };
    vec![of(1, 1), of(2, 9), of(3, 34), of(4, 17)]
}

/// Opens and extracts all documents side by side. Each step that is done is counted.
async fn run(
    engine: &Engine,
    documents: &[Vec<u8>],
    steps: &watch::Sender<u64>,
) -> Vec<Everything> {
    let request = ExtractRequest {
        images: Some(ImageSettings {
            dpi: 36,
            ..ImageSettings::default()
        }),
        text: true,
        links: true,
        ..ExtractRequest::default()
    };
    let runs = documents.iter().map(|bytes| async {
        let file = SealedFile::from_bytes(bytes, 1 << 20).expect("a PDF");
        let document = engine.open(file, &[]).await.expect("it opens");
        steps.send_modify(|count| *count += 1);
        let pages = document
            .extract(request.clone())
            .inspect(|_| steps.send_modify(|count| *count += 1));
        Everything {
            pages: pages.collect().await,
            inspection: document.inspection().clone(),
            outline: document.outline().to_vec(),
            page_labels: document.page_labels().to_vec(),
        }
    });
    futures::future::join_all(runs).await
}

/// Children of this process that run, by their parent's id: proc(5), the state and the parent in `stat`.
fn children() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").expect("a Linux system");
    let ids = processes.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse::<i32>().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let is_ours = fields.next()? != "Z" && fields.next()? == own;
        is_ours.then(|| Pid::from_raw(pid))
    });
    ids.collect()
}

/// Numbers by chance, the same ones for the same seed (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Kills one child after the other until it is dropped. Between two there are some steps of the work, so that a slow
/// machine loses no more of it than a fast one.
async fn kill_children(
    mut steps: watch::Receiver<u64>,
    killed: Arc<watch::Sender<u32>>,
    mut chance: Chance,
) {
    loop {
        let next = *steps.borrow() + 1 + chance.below(MOST_STEPS);
        if steps.wait_for(|count| *count >= next).await.is_err() {
            return;
        }
        let pause = Duration::from_micros(chance.below(LONGEST_PAUSE));
        tokio::time::sleep(pause).await;
        let alive = children();
        if alive.is_empty() {
            continue;
        }
        let victim = alive[chance.below(alive.len() as u64) as usize];
        if kill(victim, Signal::SIGKILL).is_ok() {
            killed.send_modify(|count| *count += 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ho_1_children_killed_hundreds_of_times_change_nothing() {
    let Some(runtime) = pagemill_testkit::runtime("killing") else {
        return;
    };
    let engine = Engine::new(EngineSettings {
        child_command: vec![env!("CARGO_BIN_EXE_pdf-child").to_owned()],
        libpdfium: runtime,
        children: 2,
        limits: Limits::default(),
        required_layers: BTreeSet::new(),
        ocr: None,
    })
    .expect("the engine starts");
    let documents = documents();
    let steps = watch::Sender::new(0);
    let undisturbed = run(&engine, &documents, &steps).await;
    assert!(
        undisturbed
            .iter()
            .all(|document| document.pages.iter().all(|(_, page)| page.is_ok()))
    );

    let killed = Arc::new(watch::Sender::new(0));
    let chance = Chance(0x9e37_79b9_7f4a_7c15);
    let killer = tokio::spawn(kill_children(
        steps.subscribe(),
        Arc::clone(&killed),
        chance,
    ));
    let mut runs = 0;
    while *killed.borrow() < KILLS {
        let disturbed = run(&engine, &documents, &steps).await;
        for (one, other) in disturbed.iter().zip(&undisturbed) {
            let pages = one.pages.iter().zip(&other.pages);
            let changed = pages.filter(|(one, other)| one != other);
            let changed: Vec<_> = changed.map(|((number, page), _)| (number, page)).collect();
            assert!(changed.is_empty(), "run {runs}: {changed:?}");
            assert_eq!(one, other, "run {runs}");
        }
        runs += 1;
    }
    killer.abort();
    println!(
        "{} children killed over {runs} runs, {} of them at work",
        *killed.borrow(),
        engine.deaths()
    );
}
