//! `make-samples OUT_DIR [--hostile] [--unusual] [--scans [--font FILE]...]` writes the sample PDFs into a folder.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: make-samples OUT_DIR [--hostile] [--unusual] [--scans [--font FILE]...]

Writes the sample PDFs into OUT_DIR, which is created when it is missing. Files of the same name are replaced.
With --hostile the files that a worker must survive are written too, into OUT_DIR/hostile; with --unusual those that
readers get wrong, into OUT_DIR/unusual. With --scans pictures of pages are written into OUT_DIR/scans, each with
what it says beside it as text; a Japanese and a Chinese one among them where a font FILE has their letters.";

fn main() -> ExitCode {
    let mut out_dir = None;
    let mut with_hostile = false;
    let mut with_unusual = false;
    let mut with_scans = false;
    let mut fonts: Vec<PathBuf> = Vec::new();
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("-h" | "--help") => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            Some("--hostile") => with_hostile = true,
            Some("--unusual") => with_unusual = true,
            Some("--scans") => with_scans = true,
            Some("--font") => match arguments.next() {
                Some(file) => fonts.push(PathBuf::from(file)),
                None => return refuse(),
            },
            Some(option) if option.starts_with('-') => return refuse(),
            _ if out_dir.is_some() => return refuse(),
            _ => out_dir = Some(PathBuf::from(argument)),
        }
    }
    let Some(folder) = out_dir else {
        return refuse();
    };
    if !fonts.is_empty() && !with_scans {
        return refuse();
    }

    let hostile_folder = folder.join("hostile");
    let mut written = write_all(&folder, pagemill_samples::all());
    if with_hostile {
        written =
            written.and_then(|()| write_all(&hostile_folder, pagemill_samples::hostile::all()));
    }
    if with_unusual {
        let unusual_folder = folder.join("unusual");
        written =
            written.and_then(|()| write_all(&unusual_folder, pagemill_samples::unusual::all()));
    }
    if with_scans {
        written = written.and_then(|()| write_scans(&folder.join("scans"), &fonts));
    }
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "error: samples not written to {}: {error}",
                folder.display()
            );
            ExitCode::FAILURE
        }
    }
}

fn refuse() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn write_scans(folder: &Path, fonts: &[PathBuf]) -> io::Result<()> {
    let named = |path: &PathBuf, error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| named(path, error));
    let fonts = fonts.iter().map(read).collect::<io::Result<Vec<_>>>()?;
    let (others, left_out) = pagemill_samples::scans_in(&fonts);
    for scan in pagemill_samples::scans().into_iter().chain(others) {
        let (pdf, text) = (format!("{}.pdf", scan.name), format!("{}.txt", scan.name));
        write_all(folder, [(pdf, scan.pdf()), (text, scan.text.into_bytes())])?;
    }
    for name in left_out {
        eprintln!(
            "the {name} page is left out: no font was given that has its letters (--font FILE)"
        );
    }
    Ok(())
}

fn write_all<N: AsRef<str>>(
    folder: &Path,
    files: impl IntoIterator<Item = (N, Vec<u8>)>,
) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, bytes) in files {
        let name = name.as_ref();
        let path = folder.join(name);
        std::fs::write(&path, &bytes)?;
        writeln!(io::stdout(), "{} ({} bytes)", path.display(), bytes.len())?;
    }
    Ok(())
}
