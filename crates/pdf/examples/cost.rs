//! What pages cost: CPU time of this process and its children for images, text and links of the files named.
//!
//! `PAGEMILL_RUNTIME=FOLDER cargo run --release -p pagemill-pdf --example cost -- --help` tells the options.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use futures::StreamExt;
use nix::sys::resource::{UsageWho, getrusage};
use pagemill_pdf::{
    Engine, EngineSettings, ExtractRequest, ImageFormat, ImageSettings, Limits, SealedFile,
    child_main,
};

/// The first argument of a child.
const CHILD: &str = "child";

/// Images, text and links of some PDFs, and what they cost.
#[derive(Parser)]
struct Options {
    /// Makes JPEGs instead of PNGs.
    #[arg(long)]
    jpeg: bool,
    /// Keeps the images in a folder.
    #[arg(long)]
    save: Option<PathBuf>,
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|first| first == CHILD) {
        return child_main();
    }
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn cpu(who: UsageWho) -> Duration {
    let usage = getrusage(who).expect("both kinds of usage exist");
    let time = |value: nix::sys::time::TimeVal| {
        Duration::from_micros((value.tv_sec() * 1_000_000 + value.tv_usec()).unsigned_abs())
    };
    time(usage.user_time()) + time(usage.system_time())
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let images = ImageSettings {
        format: match options.jpeg {
            true => ImageFormat::Jpeg,
            false => ImageFormat::Png,
        },
        ..ImageSettings::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let began = Instant::now();
    let engine = Engine::new(EngineSettings {
        child_command: vec![
            std::env::current_exe()?.display().to_string(),
            CHILD.to_owned(),
        ],
        libpdfium: std::env::var_os("PAGEMILL_RUNTIME").map_or_else(PathBuf::new, PathBuf::from),
        children: 2,
        limits: Limits::default(),
        required_layers: BTreeSet::new(),
    })?;
    let (mut pages, mut failures, mut bytes) = (0_u32, 0_u32, 0_u64);
    runtime.block_on(async {
        for file in &options.files {
            let sealed = SealedFile::from_bytes(&std::fs::read(file)?, 1 << 30)?;
            let document = engine.open(sealed, &[]).await?;
            let mut stream = document.extract(ExtractRequest {
                images: Some(images.clone()),
                text: true,
                links: true,
                ..ExtractRequest::default()
            });
            while let Some((number, outcome)) = stream.next().await {
                pages += 1;
                let Ok(page) = outcome else {
                    failures += 1;
                    continue;
                };
                let Some(image) = page.image else { continue };
                bytes += image.data.len() as u64;
                if let Some(folder) = &options.save {
                    let stem = file.file_stem().unwrap_or_default();
                    let name = format!(
                        "{}-{:05}.{}",
                        stem.to_string_lossy(),
                        number.0,
                        images.format.extension()
                    );
                    std::fs::write(folder.join(name), &image.data)?;
                }
            }
        }
        engine.shutdown().await;
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    drop(engine);
    let (parent, children) = (cpu(UsageWho::RUSAGE_SELF), cpu(UsageWho::RUSAGE_CHILDREN));
    let per_page = |time: Duration| time.as_secs_f64() * 1000.0 / f64::from(pages.max(1));
    println!(
        "{pages} pages, {failures} failed, {:.0} kB an image; a page: {:.2} ms CPU ({:.2} parent, {:.2} children), {:.2} ms wall",
        bytes as f64 / 1000.0 / f64::from(pages.max(1)),
        per_page(parent + children),
        per_page(parent),
        per_page(children),
        per_page(began.elapsed()),
    );
    Ok(())
}
