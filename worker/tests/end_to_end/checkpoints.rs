//! A document of thousands of pages, whose worker is killed late.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pagemill_samples::hostile;
use pagemill_storage::RecordStatus;
use serde_json::json;

use crate::support::{Place, files, to_its_end_within, until};

const PAGES: u32 = 3_000;
/// Kept when the worker is killed, at least.
const LATE: u32 = 2_300;
const NAME: &str = "long.pdf";
/// The run after a death does one page at a time, each in a process of its own.
const PATIENCE: Duration = Duration::from_secs(600);

/// A folder with the document, of which pages are kept as they come: with a second between parts, a fast machine is done
/// before the worker can be killed.
fn place(test: &str) -> Option<Place> {
    let place = Place::new(test)?;
    place.configure(&json!({
        "goal": "extraction",
        "pages": {"dpi": 36},
        "checkpoints": {"every_seconds": 0},
    }));
    place.add(NAME, &hostile::many_pages(PAGES as usize));
    Some(place)
}

/// Numbers of the first and the last page of each part, in order.
fn parts(place: &Place) -> Vec<(u32, u32)> {
    let keys = files(&place.out().join("processing/parts")).into_keys();
    let mut parts: Vec<(u32, u32)> = keys
        .filter_map(|key| {
            let name = key.rsplit('/').next()?.strip_suffix(".jsonl")?;
            let (first, last) = name.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        })
        .collect();
    parts.sort_unstable();
    parts
}

fn outputs(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let objects = place.objects().into_iter();
    objects
        .filter(|(key, _)| !key.starts_with("processing/"))
        .map(|(key, (_, bytes))| (key, bytes))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn out_1_a_worker_that_is_killed_late_in_a_long_document_loses_seconds() {
    let Some(undisturbed) = place("checkpoints, undisturbed") else {
        return;
    };
    to_its_end_within(PATIENCE, undisturbed.local_command(&[]))
        .await
        .with_code(0);
    let wanted = outputs(&undisturbed);
    assert_eq!(parts(&undisturbed), []);

    let place = place("checkpoints").expect("what it needs was there a moment ago");
    let mut victim = place.local_command(&[]).spawn().expect("the worker starts");
    let kept = || parts(&place).last().map_or(0, |(_, last)| *last);
    until("most pages are kept", || kept() >= LATE).await;
    let pid = Pid::from_raw(victim.id().expect("it runs").cast_signed());
    kill(pid, Signal::SIGKILL).expect("a child that was not waited for can be killed");
    victim.wait().await.expect("it is dead");

    let parts_left = parts(&place);
    let kept = kept();
    assert!(kept < PAGES, "killed too late");
    let longest = parts_left.iter().map(|(first, last)| last - first + 1);
    let longest = longest.max().expect("parts");
    let rendered = |place: &Place, since: SystemTime| {
        let images = files(&place.out().join("pdf_page_images"));
        let new = images.values().filter(|(time, _)| *time >= since);
        u32::try_from(new.count()).expect("few")
    };
    let before = rendered(&place, SystemTime::UNIX_EPOCH);

    let since = SystemTime::now();
    to_its_end_within(PATIENCE, place.local_command(&[]))
        .await
        .with_code(0);
    let again = rendered(&place, since);
    println!(
        "{kept} of {PAGES} pages were kept in {} parts of at most {longest} pages; {before} were rendered when the \
         worker was killed, {again} after it: {} of them again",
        parts_left.len(),
        before + again - PAGES
    );
    assert_eq!(again, PAGES - kept, "pages that are kept are not rendered");
    // What was read since the last part, and what was on its way.
    assert!(before + again - PAGES <= 2 * longest + 64);
    assert_eq!(parts(&place), [], "nobody needs them any more");
    let record = place.record(NAME);
    assert_eq!(record.status, RecordStatus::Done);
    assert_eq!((record.ledger.pages, record.ledger.text), (PAGES, PAGES));
    let found = outputs(&place);
    assert!(
        found == wanted,
        "differs in {:?}",
        wanted
            .iter()
            .filter(|(key, bytes)| found.get(*key) != Some(bytes))
            .map(|(key, _)| key)
            .collect::<Vec<_>>()
    );
}

const SLIPS: u32 = 60;

/// What was read of pictures: a file a page, with the time at which it was written.
fn readings(place: &Place) -> BTreeMap<String, SystemTime> {
    let files = files(&place.out().join("processing/readings"));
    let times = files.into_iter().map(|(key, (time, _))| (key, time));
    times.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn out_7_a_scan_whose_worker_is_killed_half_way_has_each_of_its_pages_read_once() {
    let Some(place) = Place::new("checkpoints, a scan") else {
        return;
    };
    // Without parts: what is not read twice is so by what was read alone.
    place.configure(&json!({
        "goal": "extraction",
        "pages": {"dpi": 36},
        "ocr": {"languages": ["eng"]},
        "limits": {"page_timeout_seconds": 120},
        "checkpoints": {"every_seconds": 3600},
    }));
    place.add("scan.pdf", &pagemill_samples::scanned_slips(SLIPS as usize));
    let mut victim = place.local_command(&[]).spawn().expect("the worker starts");
    let half = SLIPS as usize / 2;
    until("half of the pages are read", || {
        readings(&place).len() >= half
    })
    .await;
    let pid = Pid::from_raw(victim.id().expect("it runs").cast_signed());
    kill(pid, Signal::SIGKILL).expect("a child that was not waited for can be killed");
    victim.wait().await.expect("it is dead");
    let before = readings(&place);
    assert!(before.len() < SLIPS as usize, "killed too late");

    to_its_end_within(PATIENCE, place.local_command(&[]))
        .await
        .with_code(0);
    let after = readings(&place);
    println!(
        "{} of {SLIPS} pages were read when the worker was killed, and {} after it",
        before.len(),
        after.len() - before.len()
    );
    // One that had been read again would have been written again.
    let unchanged = before
        .iter()
        .filter(|(key, time)| after.get(*key) == Some(time));
    assert_eq!(unchanged.count(), before.len());
    assert_eq!(after.len(), SLIPS as usize);
    let record = place.record("scan.pdf");
    assert_eq!(record.ledger.ocr, Vec::from_iter(1..=SLIPS));
    place
        .run(&["verify", "--out", "out", "--input", "in"])
        .await
        .with_code(0);
}
