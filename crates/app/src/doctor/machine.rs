//! This machine: the PDF engine and its sandbox, memory, places to write.

use std::path::Path;

use pagemill_pdf::{ImageFormat, JpegEncoder, OcrReaderKind, OcrReaderReport, OcrReport};
use pagemill_pipeline::Settings;

use super::Report;
use crate::adapters;
use crate::environment::{self, Environment};
use crate::memory_limit::{self, RENDERER_MIB, WORKER_MIB};

/// Less room than this is soon full.
const FREE_MIB: u64 = 256;

pub(super) fn examine(environment: &Environment, settings: &Settings, report: &mut Report<'_>) {
    engine(environment, settings, report);
    memory(environment, settings, report);
    places(environment, report);
}

fn engine(environment: &Environment, settings: &Settings, report: &mut Report<'_>) {
    let engine = match adapters::engine(environment, settings) {
        Ok((engine, version)) => {
            let found = engine.report();
            report.ok(
                "engine",
                format!(
                    "{version}, {} bytes, from {}",
                    found.libpdfium_bytes,
                    found.libpdfium.display()
                ),
            );
            engine
        }
        Err(error) => {
            report.error("engine", "no page can be rendered", &error);
            return;
        }
    };
    match &engine.report().jpeg_encoder {
        JpegEncoder::LibjpegTurbo { path } => {
            report.ok("jpeg", format!("libjpeg-turbo, from {}", path.display()));
        }
        JpegEncoder::CompiledIn { reason } if settings.pages.format == ImageFormat::Jpeg => report
            .warn(
                "jpeg",
                format!("page images are encoded at three times the cost: {reason}"),
                "run scripts/setup, or install libturbojpeg0 (Debian)",
            ),
        JpegEncoder::CompiledIn { reason } => report.ok(
            "jpeg",
            format!("the compiled-in encoder, which page images do not use now ({reason})"),
        ),
    }
    match &engine.report().ocr {
        OcrReport::Off => report.skip(
            "ocr",
            "ocr.enabled is false: pages without text stay without",
        ),
        OcrReport::Ready { readers, lacks } => {
            for reader in readers {
                report.ok("ocr", in_words(reader));
            }
            let is_alone = |kind| readers.iter().all(|reader| reader.kind == kind);
            match lacks {
                Some(reason) if is_alone(OcrReaderKind::Tesseract) => report.warn(
                    "ocr",
                    format!("scans in Chinese or Japanese can't be read: {reason}"),
                    "run scripts/setup; until then they are told as needs_ocr",
                ),
                Some(reason) => report.warn(
                    "ocr",
                    format!("scans are read at three times the cost: {reason}"),
                    "run scripts/setup",
                ),
                None => {}
            }
        }
        OcrReport::Missing { reason } => report.warn(
            "ocr",
            format!("pages without text can't be read: {reason}"),
            "run scripts/setup; until then they are told as needs_ocr",
        ),
    }
    for layer in &engine.report().layers {
        match layer.missing() {
            None => report.ok("sandbox", layer.to_string()),
            Some(reason) => report.warn(
                "sandbox",
                format!("renderers have no layer {}: {reason}", layer.name),
                layer.name.remedy(),
            ),
        }
    }
}

/// A reader of pictures, from where, and what it reads.
fn in_words(reader: &OcrReaderReport) -> String {
    let (name, place) = (&reader.name, reader.place.display());
    let wanted = reader.languages.join(", ");
    let reads = match (reader.kind, wanted.is_empty()) {
        (OcrReaderKind::Tesseract, _) => wanted,
        (OcrReaderKind::PpOcr, false) => {
            format!("{wanted}, and what turns out to be in Chinese, Japanese or Latin letters")
        }
        (OcrReaderKind::PpOcr, true) => {
            "what turns out to be in Chinese or Japanese, or in a language without a model of Tesseract's"
                .to_owned()
        }
    };
    format!("{name}, from {place}, reads {reads}")
}

fn memory(environment: &Environment, settings: &Settings, report: &mut Report<'_>) {
    let Some(limit_mib) = memory_limit::of_container_mib() else {
        report.skip("memory", "there is no limit for this container");
        return;
    };
    let child = settings.limits.child_memory_mib;
    let children = environment.children as u64;
    let wanted = WORKER_MIB + children * RENDERER_MIB;
    if limit_mib < child {
        report.fail(
            "memory",
            format!("the container has {limit_mib} MiB, and one renderer may take {child} MiB"),
            "lower limits.child_memory_mib, or give the task more memory; else one page can end the worker",
        );
    } else if limit_mib < wanted {
        report.warn(
            "memory",
            format!("the container has {limit_mib} MiB, and {children} renderers and the worker want about {wanted} MiB"),
            "lower PAGEMILL_CHILDREN, or give the task more memory",
        );
    } else {
        report.ok(
            "memory",
            format!(
                "the container has {limit_mib} MiB for {children} renderers of at most {child} MiB"
            ),
        );
    }
}

fn places(environment: &Environment, report: &mut Report<'_>) {
    let status = environment::status_file();
    let folder = status
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    place(
        folder,
        "the status file",
        "set PAGEMILL_STATUS_FILE to a place that can be written, or `worker health` fails",
        report,
    );
    if let Some(folder) = &environment.vector_dir {
        place(
            folder,
            "the embedded vector store",
            "set PAGEMILL_VECTOR_DIR to a folder that can be written",
            report,
        );
    }
}

/// Writes a file and takes it away again.
fn place(folder: &Path, what: &str, remedy: &str, report: &mut Report<'_>) {
    let probe = folder.join(format!(".worker-doctor-{}", std::process::id()));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&probe, b"probe"));
    let removed = std::fs::remove_file(&probe);
    if let Err(error) = written.and(removed) {
        report.fail(
            "disk",
            format!("{what} can't be kept in {}: {error}", folder.display()),
            remedy,
        );
        return;
    }
    let free = nix::sys::statvfs::statvfs(folder).map(|found| {
        found
            .blocks_available()
            .saturating_mul(found.fragment_size())
    });
    match free.map(|bytes| bytes >> 20) {
        Ok(free) if free < FREE_MIB => report.warn(
            "disk",
            format!("{} has {free} MiB left for {what}", folder.display()),
            "make room, or name another place",
        ),
        Ok(free) => report.ok(
            "disk",
            format!(
                "{what} can be kept in {}, {free} MiB are free",
                folder.display()
            ),
        ),
        Err(error) => report.warn(
            "disk",
            format!("the room in {} is not known: {error}", folder.display()),
            "look with df",
        ),
    }
}
