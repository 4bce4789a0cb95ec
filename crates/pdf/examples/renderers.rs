//! How hayro, a renderer in Rust alone, compares with PDFium: CPU time a page, and how alike the images are.
//!
//! `PAGEMILL_RUNTIME=FOLDER cargo run --release -p pagemill-pdf --features hayro --example renderers -- --help` tells the
//! options. Each round opens the files anew, and who begins a page alternates.
//!
//! A FILE that ends in `.tsv` or `.txt` is a list: the first column of each line names a file beside it. Each file is
//! drawn in a process of its own without a sandbox, so that a panic, an endless page or a crash costs one page.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use pagemill_pdf::ImageSettings;
use pagemill_pdf::renderers::{BothDrawn, Difference, SQUARE_BOUND, Second, draw_both};

type Fault = Box<dyn Error>;

/// Largest difference of a channel with which two images count as equal.
const EQUAL: u8 = 2;

/// Exit code of a process whose page took too long.
const TOOK_TOO_LONG: i32 = 3;

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match options.first {
        Some(first) => draw_part(&options, first),
        None => compare(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Compares hayro with PDFium, page by page.
#[derive(Parser)]
struct Options {
    /// Resolution of the images.
    #[arg(long, default_value_t = 150)]
    dpi: u32,
    /// Rounds over each file.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Most seconds for a page before its process is ended.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Lists the worst page of each of so many files.
    #[arg(long, default_value_t = 20)]
    worst: usize,
    /// Keeps both images of these pages, and their difference, as PNG in a folder.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Given to a process that draws: the first page it takes.
    #[arg(long, hide = true)]
    first: Option<u32>,
    /// And the round.
    #[arg(long, hide = true, default_value_t = 0)]
    round: u32,
    /// And whether it takes only this page, and keeps its images.
    #[arg(long, hide = true)]
    keep: bool,
    /// PDFs, and lists of them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// The files, with lists replaced by what they name.
fn listed(files: &[PathBuf]) -> Result<Vec<PathBuf>, Fault> {
    let mut all = Vec::new();
    for file in files {
        if !file
            .extension()
            .is_some_and(|end| end == "tsv" || end == "txt")
        {
            all.push(file.clone());
            continue;
        }
        for line in std::fs::read_to_string(file)?.lines() {
            let name = line.split('\t').next().unwrap_or_default();
            if name.ends_with(".pdf") {
                all.push(file.with_file_name(name));
            }
        }
    }
    Ok(all)
}

/// What is known of a page.
#[derive(Default)]
struct Page {
    /// Microseconds of each round: PDFium's reading, PDFium's drawing, hayro's both.
    rounds: Vec<[u64; 3]>,
    difference: Option<Difference>,
    /// Why there is no difference.
    fault: Option<String>,
}

/// Microseconds since the start at which the page in work has taken too long.
static DEADLINE: AtomicU64 = AtomicU64::new(u64::MAX);

/// The folder with libpdfium.so.
fn runtime() -> Result<PathBuf, Fault> {
    let folder = std::env::var_os("PAGEMILL_RUNTIME")
        .ok_or("PAGEMILL_RUNTIME is not set: run scripts/setup and set it")?;
    Ok(folder.into())
}

/// Draws the pages of one file and prints a line for each: in a process of its own.
fn draw_part(options: &Options, first: u32) -> Result<(), Fault> {
    std::panic::set_hook(Box::new(|_| {}));
    let start = Instant::now();
    let micros = move || u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let allowed = options.seconds * 1_000_000;
    DEADLINE.store(allowed, Ordering::Relaxed);
    std::thread::spawn(move || {
        while micros() < DEADLINE.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(200));
        }
        std::process::exit(TOOK_TOO_LONG);
    });
    let file = options.files.first().ok_or("no file")?;
    let library = runtime()?;
    let settings = ImageSettings {
        dpi: options.dpi,
        ..ImageSettings::default()
    };
    let bytes = std::fs::read(file)?;
    let mut kept = Ok(());
    draw_both(
        &library,
        &bytes,
        &settings,
        first,
        options.round % 2 == 1,
        &mut |page| {
            println!("{}", line(&page, options.round == 0));
            DEADLINE.store(micros() + allowed, Ordering::Relaxed);
            if options.keep {
                kept = keep(options, file, &page);
            }
            !options.keep
        },
    )?;
    kept
}

/// A page in words: its index, then either three times, or three times and the difference, or what went wrong.
fn line(page: &BothDrawn<'_>, compare: bool) -> String {
    let (index, load, draw) = (page.index, page.load.as_micros(), page.draw.as_micros());
    match (page.bgrx, &page.second) {
        (None, _) => format!("{index} refused by PDFium"),
        (_, Second::Refused) => format!("{index} refused by hayro"),
        (_, Second::Panicked) => format!("{index} panic of hayro"),
        (Some(bgrx), Second::Drawn { bgrx: other, cpu }) => {
            let times = format!("{index} {load} {draw} {}", cpu.as_micros());
            if !compare {
                return times;
            }
            let difference = Difference::of(bgrx, other, page.width);
            let Difference { max, mean, squares } = difference;
            format!("{times} {max} {mean} {squares}")
        }
    }
}

/// Writes both images of a page, and where they differ.
fn keep(options: &Options, file: &Path, page: &BothDrawn<'_>) -> Result<(), Fault> {
    let (Some(folder), Some(one), Second::Drawn { bgrx: other, .. }) =
        (&options.save, page.bgrx, &page.second)
    else {
        return Ok(());
    };
    let differing: Vec<u8> = one
        .iter()
        .zip(*other)
        .map(|(value, other_value)| 255 - value.abs_diff(*other_value))
        .collect();
    for (name, bgrx) in [
        ("pdfium", one),
        ("hayro", other),
        ("difference", &differing),
    ] {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!("{stem}-{}-{name}.png", page.index + 1));
        let writer = std::io::BufWriter::new(std::fs::File::create(path)?);
        let mut encoder = png::Encoder::new(writer, page.width, page.height);
        encoder.set_color(png::ColorType::Rgb);
        let rgb: Vec<u8> = bgrx
            .chunks_exact(4)
            .flat_map(|pixel| [pixel[2], pixel[1], pixel[0]])
            .collect();
        encoder.write_header()?.write_image_data(&rgb)?;
    }
    Ok(())
}

/// Runs the processes and reports.
fn compare(options: &Options) -> Result<(), Fault> {
    let files = listed(&options.files)?;
    runtime()?;
    if let Some(folder) = &options.save {
        std::fs::create_dir_all(folder)?;
    }
    let mut pages = BTreeMap::new();
    let mut unopened = Vec::new();
    for file in &files {
        let mut skipped = BTreeSet::new();
        for round in 0..options.rounds.max(1) {
            round_over(options, file, round, &mut pages, &mut skipped)?;
        }
        if !pages.keys().any(|(of, _): &(&Path, u32)| of == file) {
            unopened.push(file);
        }
    }
    report(options, &pages);
    for file in unopened {
        println!("not opened by PDFium: {}", file.display());
    }
    Ok(())
}

type Pages<'a> = BTreeMap<(&'a Path, u32), Page>;

/// One round over a file. A process that ends early is followed by another, from the page after the fatal one;
/// `skipped` keeps such pages out of later rounds.
fn round_over<'a>(
    options: &Options,
    file: &'a Path,
    round: u32,
    pages: &mut Pages<'a>,
    skipped: &mut BTreeSet<u32>,
) -> Result<(), Fault> {
    let mut first = 0;
    loop {
        while skipped.contains(&first) {
            first += 1;
        }
        let mut child = part(options, file, round, first, false)?
            .stdout(Stdio::piped())
            .spawn()?;
        let mut next = first;
        if let Some(stdout) = child.stdout.take() {
            for answer in BufReader::new(stdout).lines() {
                next = note(file, &answer?, pages)? + 1;
                if skipped.contains(&next) {
                    break;
                }
            }
        }
        if skipped.contains(&next) {
            child.kill()?;
            child.wait()?;
            first = next;
            continue;
        }
        let status = child.wait()?;
        if status.success() || status.code() == Some(1) {
            return Ok(());
        }
        let fault = match status.code() {
            Some(TOOK_TOO_LONG) => "took too long".to_owned(),
            _ => format!("ended its process ({status})"),
        };
        pages.entry((file, next)).or_default().fault = Some(fault);
        skipped.insert(next);
        first = next + 1;
    }
}

fn part(
    options: &Options,
    file: &Path,
    round: u32,
    first: u32,
    keep: bool,
) -> Result<Command, Fault> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--dpi", &options.dpi.to_string()])
        .args(["--seconds", &options.seconds.to_string()])
        .args(["--round", &round.to_string()])
        .args(["--first", &first.to_string()])
        .args(keep.then_some("--keep"))
        .stderr(Stdio::null());
    if let Some(folder) = &options.save {
        command.arg("--save").arg(folder);
    }
    command.arg(file);
    Ok(command)
}

/// Takes over a line of a process and answers the index of its page.
fn note<'a>(file: &'a Path, answer: &str, pages: &mut Pages<'a>) -> Result<u32, Fault> {
    let (index, rest) = answer.split_once(' ').ok_or("a line without a page")?;
    let index = index.parse()?;
    let page = pages.entry((file, index)).or_default();
    let words: Vec<&str> = rest.split(' ').collect();
    match words[..] {
        [load, draw, second] => page
            .rounds
            .push([load.parse()?, draw.parse()?, second.parse()?]),
        [load, draw, second, max, mean, squares] => {
            page.rounds
                .push([load.parse()?, draw.parse()?, second.parse()?]);
            page.difference = Some(Difference {
                max: max.parse()?,
                mean: mean.parse()?,
                squares: squares.parse()?,
            });
        }
        _ => page.fault = Some(rest.to_owned()),
    }
    Ok(index)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn report(options: &Options, pages: &Pages<'_>) {
    // Milliseconds: PDFium's reading, PDFium's drawing, hayro's both; the median of the rounds of each page.
    let mut times = Vec::new();
    let mut drawn = Vec::new();
    let mut faults: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((file, index), page) in pages {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let place = format!("{name} page {}", index + 1);
        if let Some(fault) = &page.fault {
            faults.entry(fault).or_default().push(place);
            continue;
        }
        let of = |part: usize| {
            let micros = page.rounds.iter().map(|round| round[part] as f64);
            median(micros.collect()) / 1000.0
        };
        times.push([of(0), of(1), of(2)]);
        if let Some(difference) = page.difference {
            drawn.push((difference, place, *file, *index));
        }
    }
    println!(
        "{} pages of {} files at {} dpi, {} rounds; {} drawn by both",
        pages.len(),
        options.files.len(),
        options.dpi,
        options.rounds,
        drawn.len()
    );
    for (fault, places) in &faults {
        println!("{}: {} pages ({})", fault, places.len(), places.join(", "));
    }
    let mean =
        |part: usize| times.iter().map(|time| time[part]).sum::<f64>() / times.len().max(1) as f64;
    println!("CPU ms a page (mean; median):");
    for (part, what) in ["PDFium reads", "PDFium draws", "hayro reads and draws"]
        .into_iter()
        .enumerate()
    {
        let all = times.iter().map(|time| time[part]).collect();
        println!("  {what:<22} {:7.2} {:7.2}", mean(part), median(all));
    }
    let faster = times.iter().filter(|time| time[2] < time[1]).count();
    let faster_in_all = times
        .iter()
        .filter(|time| time[2] < time[0] + time[1])
        .count();
    println!(
        "hayro takes less than PDFium's drawing on {faster} pages, less than its reading and drawing on {faster_in_all}"
    );
    let share = |count: usize| 100.0 * count as f64 / drawn.len().max(1) as f64;
    for bound in [0, EQUAL, 8, 32, 128] {
        let count = drawn.iter().filter(|page| page.0.max <= bound).count();
        println!(
            "largest difference of a channel <= {bound}: {count} pages ({:.1} %)",
            share(count)
        );
    }
    let equal: Vec<&str> = drawn
        .iter()
        .filter(|page| page.0.max <= EQUAL)
        .map(|page| page.1.as_str())
        .take(options.worst)
        .collect();
    println!("equal (at most {EQUAL}), for example: {}", equal.join(", "));
    println!(
        "mean difference of a channel: {:.3} of 255, median page {:.3}",
        drawn.iter().map(|page| page.0.mean).sum::<f64>() / drawn.len().max(1) as f64,
        median(drawn.iter().map(|page| page.0.mean).collect())
    );
    for bound in [0.0, 0.001, 0.01, 0.05] {
        let count = drawn.iter().filter(|page| page.0.squares <= bound).count();
        println!(
            "squares of 8 by 8 that differ by more than {SQUARE_BOUND} of 255 on average, at most {} %: {count} pages ({:.1} %)",
            100.0 * bound,
            share(count)
        );
    }
    drawn.sort_by(|one, other| other.0.squares.total_cmp(&one.0.squares));
    let mut files_seen = BTreeSet::new();
    drawn.retain(|page| files_seen.insert(page.2));
    println!("worst page of each file (share of such squares, mean difference, largest):");
    for (difference, place, file, index) in drawn.iter().take(options.worst) {
        println!(
            "  {:5.1} % {:6.2} {:3}  {place}",
            100.0 * difference.squares,
            difference.mean,
            difference.max
        );
        if options.save.is_some() {
            let kept = part(options, file, 0, *index, true)
                .and_then(|mut command| Ok(command.stdout(Stdio::null()).status()?));
            if !matches!(kept, Ok(status) if status.success()) {
                println!("           its images could not be kept");
            }
        }
    }
}
