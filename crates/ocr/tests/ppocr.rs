//! Pictures of pages that the project makes itself, read by PP-OCR. Needs its models, as `scripts/setup` brings them.
#![cfg(feature = "ppocr")]

use std::time::Duration;

use pagemill_ocr::{Looks, OcrError, PpOcrModels, PpOcrReader, Reading};
use pagemill_samples::{Picture, SCAN_LINES, scanned, scans};

#[path = "support/scan.rs"]
mod scan;
use scan::{assert_lines_at_their_places, image};

const PATIENCE: Duration = Duration::from_secs(300);

fn reader() -> Option<PpOcrReader> {
    let folder = pagemill_testkit::ppocr("ppocr")?;
    let models = PpOcrModels::open(&folder).expect("scripts/setup brings both");
    Some(PpOcrReader::new(models))
}

fn read(reader: &mut PpOcrReader, picture: &Picture) -> Reading {
    let read = reader.read(&image(picture), Looks::AtPage, PATIENCE);
    read.expect("it is read")
}

#[test]
fn the_lines_of_a_scan_are_read_word_by_word_at_their_places() {
    let Some(mut reader) = reader() else {
        return;
    };
    let picture = scanned(&SCAN_LINES, 0);
    let reading = read(&mut reader, &picture);
    assert_eq!(
        (reading.language.as_str(), reading.reader.as_str()),
        ("eng", reader.name())
    );
    // 34 pixels are 16 points.
    assert_lines_at_their_places(&reading, 13.0..19.0);
}

#[test]
fn bad_scans_in_two_languages_are_read_without_being_told_which() {
    let Some(mut reader) = reader() else {
        return;
    };
    for name in ["german-noisy", "french-noisy"] {
        let scan = scans().into_iter().find(|scan| scan.name == name);
        let scan = scan.expect("there is such a page");
        let reading = read(&mut reader, &scan.picture);
        let (found, wanted) = (reading.text(), scan.text);
        let wrong = wanted
            .lines()
            .filter(|line| !found.lines().any(|read| read == *line));
        // A line with one wrong letter is wrong.
        assert!(wrong.count() <= 1, "{name}:\n{found}");
        let language = if name == "german-noisy" { "deu" } else { "fra" };
        assert_eq!(reading.language, language, "{name}");
    }
}

#[test]
fn an_empty_page_has_no_words() {
    let Some(mut reader) = reader() else {
        return;
    };
    assert_eq!(read(&mut reader, &scanned(&[], 0)).words, []);
}

#[test]
fn a_page_that_takes_too_long_is_given_up() {
    let Some(mut reader) = reader() else {
        return;
    };
    let picture = scanned(&SCAN_LINES, 0);
    let ended = reader.read(&image(&picture), Looks::AtPage, Duration::from_millis(1));
    assert_eq!(ended, Err(OcrError::TimedOut));
}

#[test]
fn a_file_that_is_no_model_is_told_with_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in PpOcrModels::FILES {
        std::fs::write(folder.path().join(name), b"no model").expect("it is written");
    }
    let models = PpOcrModels::open(folder.path()).expect("they are there");
    let mut reader = PpOcrReader::new(models);
    let picture = scanned(&SCAN_LINES, 0);
    let ended = reader.read(&image(&picture), Looks::AtPage, PATIENCE);
    let told = ended.unwrap_err().to_string();
    assert!(
        told.contains("PP-OCRv6_det_small.onnx") && told.contains("scripts/setup"),
        "{told}"
    );
}
