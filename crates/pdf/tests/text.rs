//! The text of real pages, read by PDFium. Needs `PAGEMILL_RUNTIME`, a folder that holds `libpdfium.so`.

use pagemill_document::{PageNumber, PageState, PageText};
use pagemill_pdf::{Limits, text};
use pdfium_render::prelude::Pdfium;

/// A PDF of one page in Helvetica (`/F1`) and Helvetica-Bold (`/F2`).
fn pdf(page_entries: &str, content: &str) -> Vec<u8> {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        format!(
            "<< /Type /Page /Parent 2 0 R {page_entries} /Contents 4 0 R \
             /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>"
        ),
        format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        offsets.push(file.len());
        file.extend(format!("{number} 0 obj\n{object}\nendobj\n").bytes());
    }
    let xref = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for offset in offsets {
        file.extend(format!("{offset:010} 00000 n \n").bytes());
    }
    file.extend(
        format!(
            "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{xref}\n%%EOF\n",
            objects.len() + 1
        )
        .bytes(),
    );
    file
}

struct Reader(Pdfium);

impl Reader {
    fn read(&self, page_entries: &str, content: &str, limits: &Limits) -> PageText {
        let file = pdf(page_entries, content);
        let document = self
            .0
            .load_pdf_from_byte_slice(&file, None)
            .expect("PDFium opens the generated file");
        let page = document.pages().get(0).expect("it has a page");
        text::extract_page(&page, PageNumber(1), limits)
    }

    fn read_a4(&self, content: &str) -> PageText {
        self.read("/MediaBox [0 0 595 842]", content, &Limits::default())
    }
}

/// PDFium is bound once a process and used by one thread: so this is one test.
#[test]
fn pages_of_real_pdfs_are_read() {
    let Some(runtime) = pagemill_testkit::runtime("text") else {
        return;
    };
    let bindings =
        Pdfium::bind_to_library(runtime.join("libpdfium.so")).expect("libpdfium.so can be loaded");
    let reader = Reader(Pdfium::new(bindings));

    words_sizes_and_weights(&reader);
    two_columns(&reader);
    a_turned_and_cropped_page(&reader);
    a_stamp_along_the_margin(&reader);
    invisible_text_is_kept_and_text_off_the_page_is_not(&reader);
    a_page_without_text_needs_ocr(&reader);
    the_limit_holds(&reader);
}

fn words_sizes_and_weights(reader: &Reader) {
    let page = reader.read_a4(
        "BT /F2 18 Tf 72 770 Td (A heading) Tj ET \
         BT /F1 10 Tf 72 740 Td [(ker) 20 (ned) -300 (words of hyphen-)] TJ 0 -12 Td (ation here) Tj ET",
    );
    assert_eq!(page.state, PageState::Text);
    assert_eq!(page.text, "A heading\n\nkerned words of hyphenation here");
    let heading = &page.blocks[0];
    assert!(
        heading.bold && (heading.font_size - 18.0).abs() < 0.1,
        "{heading:?}"
    );
    assert!(!page.blocks[1].bold);
    assert!((heading.bbox.x0 - 72.0).abs() < 2.0, "{:?}", heading.bbox);
    assert!(
        heading.bbox.y0 > 50.0 && heading.bbox.y1 < 80.0,
        "{:?}",
        heading.bbox
    );
}

fn two_columns(reader: &Reader) {
    let mut content = String::new();
    for row in 0..8 {
        let y = 700 - 12 * row;
        for (x, column) in [(72, "left"), (320, "right")] {
            content.push_str(&format!(
                "BT /F1 10 Tf {x} {y} Td ({column}{row} goes on with words of some prose here) Tj ET "
            ));
        }
    }
    let page = reader.read_a4(&content);
    let last_left = page.text.find("left7").expect("the left column is there");
    let first_right = page.text.find("right0").expect("the right column is there");
    assert!(last_left < first_right, "{}", page.text);
}

fn a_turned_and_cropped_page(reader: &Reader) {
    // Printed upwards in the file, so that it reads from left to right when the page is turned clockwise.
    let page = reader.read(
        "/MediaBox [0 0 600 800] /CropBox [100 100 500 700] /Rotate 90",
        "BT /F1 10 Tf 0 1 -1 0 150 200 Tm (Turned) Tj ET",
        &Limits::default(),
    );
    assert_eq!((page.width, page.height, page.rotation), (600.0, 400.0, 90));
    assert_eq!(page.text, "Turned");
    let bbox = page.blocks[0].bbox;
    // 100 points from the crop box's bottom become 100 from the left, 50 from its left become 50 from the top.
    assert!((bbox.x0 - 100.0).abs() < 2.0, "{bbox:?}");
    assert!(
        bbox.y0 < 50.0 && bbox.y1 > 49.0 && bbox.y1 < 54.0,
        "{bbox:?}"
    );
    assert!(bbox.x1 - bbox.x0 > 20.0, "{bbox:?}");
}

fn a_stamp_along_the_margin(reader: &Reader) {
    let page = reader.read_a4(
        "BT /F1 14 Tf 0 1 -1 0 30 300 Tm (Stamp of 2024) Tj ET \
         BT /F1 10 Tf 72 400 Td (First line of the page) Tj 0 -12 Td (and its second line) Tj ET",
    );
    assert_eq!(
        page.text,
        "First line of the page\nand its second line\n\nStamp of 2024"
    );
}

fn invisible_text_is_kept_and_text_off_the_page_is_not(reader: &Reader) {
    let page = reader.read_a4(
        "BT /F1 10 Tf 3 Tr 72 700 Td (recognised) Tj ET BT /F1 10 Tf 0 Tr -400 700 Td (hidden) Tj ET",
    );
    assert_eq!(page.text, "recognised");
}

fn a_page_without_text_needs_ocr(reader: &Reader) {
    let page = reader.read_a4("100 100 200 200 re f");
    assert_eq!(page.state, PageState::NeedsOcr);
    assert!(page.text.is_empty() && page.blocks.is_empty());
}

fn the_limit_holds(reader: &Reader) {
    let limits = Limits {
        max_text_bytes_per_page: 10,
        ..Limits::default()
    };
    let page = reader.read(
        "/MediaBox [0 0 595 842]",
        "BT /F1 10 Tf 72 700 Td (more than ten bytes) Tj ET",
        &limits,
    );
    assert!(page.truncated);
    assert_eq!(page.text, "more than ");
}
