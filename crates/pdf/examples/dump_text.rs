//! Writes the text of PDFs as the worker's `extracted_text` has it: `dump_text LIBPDFIUM OUT FILE...`, and prints
//! CPU milliseconds a page.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pagemill_document::PageNumber;
use pagemill_pdf::engine::Limits;
use pagemill_pdf::text;
use pdfium_render::prelude::Pdfium;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(library), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: dump_text LIBPDFIUM OUT FILE...".into());
    };
    let pdfium = Pdfium::new(Pdfium::bind_to_library(&library)?);
    let folder = out.join("extracted_text");
    std::fs::create_dir_all(&folder)?;
    let (mut pages_read, mut time) = (0u32, Duration::ZERO);
    for file in arguments {
        match dump(&pdfium, &file, &folder) {
            Ok((pages, took)) => {
                pages_read += pages;
                time += took;
                println!(
                    "{:8.2} ms/page {pages:5} pages {}",
                    per_page(took, pages),
                    file.display()
                );
            }
            Err(error) => println!("failed: {}: {error}", file.display()),
        }
    }
    println!(
        "{:8.2} ms/page {pages_read:5} pages in all",
        per_page(time, pages_read)
    );
    Ok(())
}

/// CPU time of this thread, from the kernel's scheduler statistics (first field, nanoseconds); zero without them.
fn cpu_time() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = statistics.split_whitespace().next();
    Duration::from_nanos(first.and_then(|value| value.parse().ok()).unwrap_or(0))
}

fn per_page(took: Duration, pages: u32) -> f64 {
    took.as_secs_f64() * 1000.0 / f64::from(pages.max(1))
}

fn dump(
    pdfium: &Pdfium,
    file: &Path,
    folder: &Path,
) -> Result<(u32, Duration), Box<dyn std::error::Error>> {
    let document = pdfium.load_pdf_from_file(file, None)?;
    let limits = Limits::default();
    let mut pages = Vec::new();
    let mut took = Duration::ZERO;
    for (number, page) in (1..).zip(document.pages().iter()) {
        let started = cpu_time();
        pages.push(text::extract_page(&page, PageNumber(number), &limits));
        took += cpu_time().saturating_sub(started);
    }
    let count = u32::try_from(pages.len())?;
    let started = cpu_time();
    text::classify(&mut pages);
    took += cpu_time().saturating_sub(started);
    let name = format!(
        "{}.json",
        file.file_name().unwrap_or_default().to_string_lossy()
    );
    let output = serde_json::json!({ "pages": pages });
    std::fs::write(folder.join(name), serde_json::to_vec(&output)?)?;
    Ok((count, took))
}
