//! Pages that are mostly not text: one that looks scanned, a grey one, a coloured one, an empty one.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::picture::{file_of, scanned};
use crate::raw::RawPdf;
use crate::typeset::{A4, Book, Face, Ink, Sheet, Style};

/// One A4 page with one full-page grey image of five lines of text at 150 dpi, a little askew, and no text: what a
/// scanner makes. A recogniser should read [`SCAN_LINES`] from it.
#[must_use]
pub fn scan() -> Vec<u8> {
    file_of(&[scanned(&SCAN_LINES, 0)])
}

/// The lines that [`scan`] shows as pixels.
pub const SCAN_LINES: [&str; 5] = [
    "Delivery note 88",
    "Received at the mill on 12 January 2026:",
    "forty sacks of wheat and ten sacks of rye.",
    "The scale was checked before weighing.",
    "Keep this note for seven years.",
];

/// zlib data, as `/FlateDecode` wants it.
pub(crate) fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(data)
        .expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail")
}

/// One page whose text and areas are all grey: a renderer may store it in one channel.
#[must_use]
pub fn grey() -> Vec<u8> {
    let mut sheet = Sheet::new(A4);
    sheet.text(64.0, 90.0, Style::new(Face::Bold, 20.0), "Shades of grey");
    for step in 0..8_u8 {
        let top = 130.0 + f32::from(step) * 70.0;
        sheet.area(64.0, top, 300.0, 60.0, Ink::Grey(step * 32));
        sheet.text(
            380.0,
            top + 36.0,
            Style::new(Face::Serif, 12.0),
            &format!("step {step}"),
        );
    }
    single("Shades of grey", sheet)
}

/// One page with red, green and blue areas: a renderer must keep the colours.
#[must_use]
pub fn colour() -> Vec<u8> {
    let mut sheet = Sheet::new(A4);
    sheet.text(
        64.0,
        90.0,
        Style::new(Face::Bold, 20.0).ink(Ink::Rgb(160, 0, 90)),
        "Colours",
    );
    let areas = [
        ("red", Ink::Rgb(200, 30, 30)),
        ("green", Ink::Rgb(30, 150, 60)),
        ("blue", Ink::Rgb(30, 60, 190)),
    ];
    for (row, (name, ink)) in areas.iter().enumerate() {
        let top = 130.0 + row as f32 * 190.0;
        sheet.area(64.0, top, 300.0, 160.0, *ink);
        sheet.text(
            380.0,
            top + 85.0,
            Style::new(Face::Serif, 14.0).ink(*ink),
            name,
        );
    }
    single("Colours", sheet)
}

/// One A4 page with nothing on it.
#[must_use]
pub fn blank() -> Vec<u8> {
    let mut pdf = RawPdf::new();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    pdf.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>");
    pdf.finish("")
}

fn single(title: &'static str, sheet: Sheet) -> Vec<u8> {
    Book {
        title,
        author: "Pagemill samples",
        subject: "One page",
        keywords: &["sample"],
        language: "en",
        sheets: vec![sheet],
        ..Book::default()
    }
    .to_pdf()
}
