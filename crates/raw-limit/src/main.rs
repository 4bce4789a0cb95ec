//! The raw limit: what pages cost when nothing is done but the work itself. `scripts/bench` measures everything else
//! against it.
//!
//! A bare loop over PDFium and libjpeg-turbo: each page is loaded once, drawn into a BGRx bitmap, encoded from it as
//! JPEG without a copy or a colour conversion of our own, its text and its links are asked for, and all of it is thrown
//! away. No sandbox, no protocol, no layout of the text, no output.
//!
//! `PAGEMILL_RUNTIME=FOLDER cargo run --release -p pagemill-raw-limit -- --help` tells the options.
//!
//! `libpdfium.so` comes from `PAGEMILL_RUNTIME`, `libturbojpeg.so.0` from there or from the system. The last line of
//! standard output is JSON: pages, pages that failed, bytes of the JPEGs, and for each file its pages and its CPU time
//! in microseconds.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::{c_int, c_ushort};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use nix::sys::resource::{UsageWho, getrusage};

mod libraries;

use libraries::{Jpeg, Opened, Pdfium};

type Fault = Box<dyn Error>;

/// Pages of one document that a process takes at a time.
const PAGES_PER_UNIT: c_int = 16;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Draws, encodes and reads pages, and throws all of it away.
#[derive(Parser)]
struct Options {
    /// Shares the pages over so many processes.
    #[arg(long, default_value_t = 1)]
    processes: usize,
    /// Resolution of the images.
    #[arg(long, default_value_t = 150.0)]
    dpi: f64,
    /// Quality of the JPEGs.
    #[arg(long, default_value_t = 85)]
    quality: c_int,
    /// Takes the units from standard input instead of making them: one of several processes.
    #[arg(long, hide = true)]
    shares: bool,
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Some pages of one document.
#[derive(Clone, Copy)]
struct Unit {
    document: u32,
    first: c_int,
    end: c_int,
}

impl Unit {
    const BYTES: usize = 12;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.document.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.first.to_le_bytes());
        bytes[8..].copy_from_slice(&self.end.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        Self {
            document: u32::from_le_bytes(word(0)),
            first: c_int::from_le_bytes(word(4)),
            end: c_int::from_le_bytes(word(8)),
        }
    }
}

/// What was done.
#[derive(Default)]
struct Tally {
    failed: u64,
    bytes: u64,
    /// Pages and CPU time in microseconds, by document.
    documents: BTreeMap<u32, (u64, u64)>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.failed += other.failed;
        self.bytes += other.bytes;
        for (document, (pages, micros)) in &other.documents {
            let entry = self.documents.entry(*document).or_default();
            entry.0 += pages;
            entry.1 += micros;
        }
    }

    /// One line a document, then one for the rest.
    fn to_lines(&self) -> String {
        let documents = self.documents.iter();
        let mut lines: String = documents
            .map(|(document, (pages, micros))| format!("{document} {pages} {micros}\n"))
            .collect();
        lines.push_str(&format!("end {} {}\n", self.failed, self.bytes));
        lines
    }

    fn from_lines(lines: &str) -> Result<Self, Fault> {
        let mut tally = Self::default();
        for line in lines.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["end", failed, bytes] => {
                    tally.failed = failed.parse()?;
                    tally.bytes = bytes.parse()?;
                }
                [document, pages, micros] => {
                    let done = (pages.parse()?, micros.parse()?);
                    tally.documents.insert(document.parse()?, done);
                }
                _ => return Err(format!("a process said {line:?}").into()),
            }
        }
        Ok(tally)
    }
}

fn run() -> Result<(), Fault> {
    let options = Options::parse();
    let runtime = std::env::var_os("PAGEMILL_RUNTIME").map_or_else(PathBuf::new, PathBuf::from);
    let pdfium = Pdfium::load(&runtime)?;
    if options.shares {
        let mut worker = Worker::new(pdfium, Jpeg::load(&runtime)?, &options);
        // Not through the standard input of the library, which reads ahead and would take the others' units.
        let mut units = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        let mut bytes = [0; Unit::BYTES];
        while units.read_exact(&mut bytes).is_ok() {
            worker.process(Unit::from_bytes(bytes))?;
        }
        print!("{}", worker.tally.to_lines());
        return Ok(());
    }
    let mut units = Vec::new();
    for (document, file) in (0..).zip(&options.files) {
        let opened = Opened::new(&pdfium, file)?;
        let pages = opened.pages();
        let firsts = (0..pages).step_by(PAGES_PER_UNIT as usize);
        units.extend(firsts.map(|first| Unit {
            document,
            first,
            end: pages.min(first + PAGES_PER_UNIT),
        }));
    }
    let tally = if options.processes > 1 {
        share(&options, &units)?
    } else {
        let mut worker = Worker::new(pdfium, Jpeg::load(&runtime)?, &options);
        for unit in units {
            worker.process(unit)?;
        }
        worker.tally
    };
    report(&options, &tally);
    Ok(())
}

/// Several processes take units from one pipe, until it is empty.
fn share(options: &Options, units: &[Unit]) -> Result<Tally, Fault> {
    let (reader, mut writer) = std::io::pipe()?;
    let mut children = Vec::new();
    for _ in 0..options.processes {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("--shares")
            .args(["--dpi", &options.dpi.to_string()])
            .args(["--quality", &options.quality.to_string()])
            .args(&options.files)
            .stdin(reader.try_clone()?)
            .stdout(Stdio::piped());
        children.push(command.spawn()?);
    }
    drop(reader);
    for unit in units {
        writer.write_all(&unit.to_bytes())?;
    }
    drop(writer);
    let mut tally = Tally::default();
    for mut child in children {
        let mut lines = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut lines)?;
        }
        if !child.wait()?.success() {
            return Err("one of the processes failed".into());
        }
        tally.add(&Tally::from_lines(&lines)?);
    }
    Ok(tally)
}

fn report(options: &Options, tally: &Tally) {
    let pages: u64 = tally.documents.values().map(|(pages, _)| pages).sum();
    let documents: serde_json::Map<String, serde_json::Value> = tally
        .documents
        .iter()
        .map(|(document, (pages, micros))| {
            let name = options.files[*document as usize].display().to_string();
            (
                name,
                serde_json::json!({"pages": pages, "cpu_micros": micros}),
            )
        })
        .collect();
    println!(
        "{}",
        serde_json::json!({
            "pages": pages,
            "failed": tally.failed,
            "bytes": tally.bytes,
            "documents": documents,
        })
    );
}

/// CPU time of this process so far in microseconds.
fn cpu_micros() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("this process has a usage");
    let micros =
        |time: nix::sys::time::TimeVal| (time.tv_sec() * 1_000_000 + time.tv_usec()).unsigned_abs();
    micros(usage.user_time()) + micros(usage.system_time())
}

/// Does the work.
struct Worker<'a> {
    pdfium: Pdfium,
    jpeg: Jpeg,
    options: &'a Options,
    tally: Tally,
    text: Vec<c_ushort>,
}

impl<'a> Worker<'a> {
    fn new(pdfium: Pdfium, jpeg: Jpeg, options: &'a Options) -> Self {
        Self {
            pdfium,
            jpeg,
            options,
            tally: Tally::default(),
            text: Vec::new(),
        }
    }

    fn process(&mut self, unit: Unit) -> Result<(), Fault> {
        let begun = cpu_micros();
        let file = &self.options.files[unit.document as usize];
        let document = Opened::new(&self.pdfium, file)?;
        for index in unit.first..unit.end {
            let (scale, quality) = (self.options.dpi / 72.0, self.options.quality);
            let drawn = document.page(&self.jpeg, index, scale, quality, &mut self.text);
            match drawn {
                Some(bytes) => self.tally.bytes += bytes,
                None => self.tally.failed += 1,
            }
        }
        drop(document);
        let entry = self.tally.documents.entry(unit.document).or_default();
        entry.0 += u64::from((unit.end - unit.first).unsigned_abs());
        entry.1 += cpu_micros() - begun;
        Ok(())
    }
}
