//! Pictures of pages that the project makes itself, read by the real reader. Needs `PAGEMILL_RUNTIME`, as `scripts/setup`
//! makes it.

use std::time::Duration;

use pagemill_ocr::{GreyImage, Library, Looks, Models, OcrError, Reading, TesseractReader};
use pagemill_samples::{Picture, SCAN_LINES, scanned, scans};

#[path = "support/scan.rs"]
mod scan;
use scan::{assert_lines_at_their_places, image};

const PATIENCE: Duration = Duration::from_secs(60);

const GERMAN: [&str; 4] = [
    "Die Mühle liefert am Dienstag vierzig Säcke Weizen und",
    "zehn Säcke Roggen. Bitte prüfen Sie die Ware sofort und",
    "melden Sie Mängel innerhalb von acht Tagen. Die Größe",
    "der Säcke ist außen vermerkt, das Gewicht schätzen wir.",
];

fn reader(languages: &[&str]) -> Option<TesseractReader> {
    let folder = pagemill_testkit::runtime("reading")?.join("tesseract");
    let library = Library::load(&folder).expect("scripts/setup brings Tesseract");
    assert!(library.version().starts_with('5'), "{}", library.version());
    let languages: Vec<String> = languages.iter().map(|name| (*name).to_owned()).collect();
    let models = Models::open(&folder, &languages).expect("scripts/setup brings the models");
    Some(TesseractReader::new(library, models))
}

fn read(reader: &mut TesseractReader, picture: &Picture) -> Reading {
    reader
        .read(&image(picture), Looks::AtPage, PATIENCE)
        .expect("it is read")
}

#[test]
fn the_lines_of_a_scan_are_read_word_by_word_at_their_places() {
    let Some(mut reader) = reader(&["eng"]) else {
        return;
    };
    let picture = scanned(&SCAN_LINES, 0);
    let reading = read(&mut reader, &picture);
    assert!(reading.confidence > 85.0, "{}", reading.confidence);
    // 34 pixels are 16 points; from the lowest to the highest letter it is a little less.
    assert_lines_at_their_places(&reading, 12.0..18.0);
    // Another page in between changes nothing.
    read(&mut reader, &scanned(&["Something else"], 0));
    assert_eq!(read(&mut reader, &picture), reading);
}

#[test]
fn dust_does_not_keep_a_page_from_being_read() {
    let Some(mut reader) = reader(&["eng"]) else {
        return;
    };
    let reading = read(&mut reader, &scanned(&SCAN_LINES, 40));
    assert_eq!(reading.text(), SCAN_LINES.join("\n"));
}

#[test]
fn a_page_is_read_in_the_language_that_it_is_in() {
    let Some(mut reader) = reader(&["eng", "deu"]) else {
        return;
    };
    let german = read(&mut reader, &scanned(&GERMAN, 0));
    assert_eq!(
        (german.language.as_str(), german.text()),
        ("deu", GERMAN.join("\n"))
    );
    let english = read(&mut reader, &scanned(&SCAN_LINES, 0));
    assert_eq!(english.language, "eng");
}

/// Characters to insert, delete or replace to make one text of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, left) in one.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], index + 1);
        for (at, right) in other.iter().enumerate() {
            let replaced = before + usize::from(left != *right);
            before = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(before + 1);
        }
    }
    row[other.len()]
}

#[test]
fn of_a_page_clean_or_noisy_at_most_one_character_in_a_hundred_is_misread() {
    let Some(mut reader) = reader(&["eng", "deu"]) else {
        return;
    };
    // There is no model for French here, and the cells of the invoice come in the reader's order: `scripts/ocr-bench` has both.
    let scans = scans().into_iter();
    for scan in
        scans.filter(|scan| !scan.name.starts_with("french") && !scan.name.starts_with("invoice"))
    {
        let reading = read(&mut reader, &scan.picture);
        let [read, wanted] = [reading.text(), scan.text.clone()]
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        let errors = distance(&read, &wanted);
        let most = wanted.chars().count() / 100;
        assert!(
            errors <= most,
            "{}: {errors} of {}:\n{read}",
            scan.name,
            100 * most
        );
        let language = if scan.name.starts_with("german") {
            "deu"
        } else {
            "eng"
        };
        assert_eq!(reading.language, language, "{}", scan.name);
    }
}

#[test]
fn an_empty_page_has_no_words() {
    let Some(mut reader) = reader(&["eng"]) else {
        return;
    };
    let reading = read(&mut reader, &scanned(&[], 0));
    assert_eq!(reading.words, []);
}

#[test]
fn a_page_that_takes_too_long_is_given_up() {
    let Some(mut reader) = reader(&["eng"]) else {
        return;
    };
    let picture = scanned(&SCAN_LINES, 0);
    let ended = reader.read(&image(&picture), Looks::AtPage, Duration::from_millis(1));
    assert_eq!(ended, Err(OcrError::TimedOut));
    assert_eq!(read(&mut reader, &picture).text(), SCAN_LINES.join("\n"));
}

#[test]
fn an_image_that_is_not_what_it_says_is_refused() {
    let Some(mut reader) = reader(&["eng"]) else {
        return;
    };
    let image = GreyImage {
        width: 10,
        height: 10,
        dpi: 150,
        pixels: &[0; 99],
    };
    assert!(matches!(
        reader.read(&image, Looks::AtPage, PATIENCE),
        Err(OcrError::BadImage { .. })
    ));
}
