//! `make-samples OUT_DIR [--hostile] [--unusual] [--scans]` writes the sample PDFs into a folder.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: make-samples OUT_DIR [--hostile] [--unusual] [--scans]

Writes the sample PDFs into OUT_DIR, which is created when it is missing. Files of the same name are replaced.
With --hostile the files that a worker must survive are written too, into OUT_DIR/hostile; with --unusual those that
readers get wrong, into OUT_DIR/unusual. With --scans pictures of pages are written into OUT_DIR/scans, each with
what it says beside it as text.";

fn main() -> ExitCode {
    let mut out_dir = None;
    let mut with_hostile = false;
    let mut with_unusual = false;
    let mut with_scans = false;
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("-h" | "--help") => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            Some("--hostile") => with_hostile = true,
            Some("--unusual") => with_unusual = true,
            Some("--scans") => with_scans = true,
            Some(option) if option.starts_with('-') => return refuse(),
            _ if out_dir.is_some() => return refuse(),
            _ => out_dir = Some(PathBuf::from(argument)),
        }
    }
    let Some(folder) = out_dir else {
        return refuse();
    };

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
        written = written.and_then(|()| write_scans(&folder.join("scans")));
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

fn write_scans(folder: &Path) -> io::Result<()> {
    for scan in pagemill_samples::scans() {
        let (pdf, text) = (format!("{}.pdf", scan.name), format!("{}.txt", scan.name));
        write_all(folder, [(pdf, scan.pdf()), (text, scan.text.into_bytes())])?;
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
