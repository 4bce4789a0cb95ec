//! Slides: landscape pages, few words, colour.

use crate::typeset::{Book, Entry, Face, Ink, Sheet, Style};

/// 16:9, as presentation programs have it.
const SLIDE: (f32, f32) = (960.0, 540.0);
const NIGHT: Ink = Ink::Rgb(24, 48, 78);
const AMBER: Ink = Ink::Rgb(240, 160, 30);
const WHITE: Ink = Ink::Grey(255);

/// A slide's title and its lines.
const SLIDES: &[(&str, &[&str])] = &[
    (
        "Why a queue",
        &[
            "Work arrives in bursts",
            "Machines fail",
            "Nothing may be lost",
        ],
    ),
    (
        "What it costs",
        &["0.04 cents a page", "No servers at night"],
    ),
    (
        "Next steps",
        &[
            "Try it on one folder",
            "Then on one bucket",
            "Then on all of them",
        ],
    ),
];

/// Five landscape pages (16:9): a dark title slide, three slides with a few bullet points, one with a bar chart.
#[must_use]
pub fn slides() -> Vec<u8> {
    let mut book = Book {
        title: "Pages at Scale",
        author: "Pagemill samples",
        subject: "Slides with few words",
        keywords: &["slides", "queue", "cost"],
        language: "en",
        sheets: vec![title_slide()],
        ..Book::default()
    };
    for (title, lines) in SLIDES {
        let mut sheet = slide(title);
        for (row, line) in lines.iter().enumerate() {
            let baseline = 220.0 + row as f32 * 64.0;
            sheet.area(70.0, baseline - 17.0, 12.0, 12.0, AMBER);
            sheet.text(100.0, baseline, Style::new(Face::Serif, 32.0), line);
        }
        push(&mut book, title, sheet);
    }
    push(&mut book, "Throughput", chart());
    let slides = book.sheets.len();
    for (index, sheet) in book.sheets.iter_mut().enumerate().skip(1) {
        sheet.text_to(
            930.0,
            520.0,
            Style::new(Face::Serif, 12.0),
            &format!("{} / {slides}", index + 1),
        );
    }
    book.to_pdf()
}

fn push(book: &mut Book, title: &str, sheet: Sheet) {
    let page_index = book.sheets.len();
    book.outline.push(Entry {
        level: 0,
        title: title.to_owned(),
        page_index,
        y: 0.0,
    });
    book.sheets.push(sheet);
}

fn title_slide() -> Sheet {
    let mut sheet = Sheet::new(SLIDE);
    sheet.area(0.0, 0.0, SLIDE.0, SLIDE.1, NIGHT);
    sheet.area(70.0, 300.0, 180.0, 8.0, AMBER);
    sheet.text(
        70.0,
        260.0,
        Style::new(Face::Bold, 60.0).ink(WHITE),
        "Pages at Scale",
    );
    sheet.text(
        70.0,
        360.0,
        Style::new(Face::Serif, 28.0).ink(WHITE),
        "From files to answers",
    );
    sheet
}

fn slide(title: &str) -> Sheet {
    let mut sheet = Sheet::new(SLIDE);
    sheet.area(0.0, 0.0, SLIDE.0, 110.0, NIGHT);
    sheet.text(70.0, 74.0, Style::new(Face::Bold, 44.0).ink(WHITE), title);
    sheet
}

fn chart() -> Sheet {
    let mut sheet = slide("Throughput");
    for (column, (workers, pages)) in [(1, 40_u16), (2, 78), (4, 151), (8, 290)]
        .iter()
        .enumerate()
    {
        let height = f32::from(*pages);
        let left = 120.0 + column as f32 * 190.0;
        sheet.area(
            left,
            450.0 - height,
            110.0,
            height,
            if column == 3 { AMBER } else { NIGHT },
        );
        sheet.text(
            left + 30.0,
            440.0 - height,
            Style::new(Face::Bold, 20.0),
            &format!("{pages}"),
        );
        let label = if *workers == 1 {
            "1 worker".to_owned()
        } else {
            format!("{workers} workers")
        };
        sheet.text(left, 482.0, Style::new(Face::Serif, 20.0), &label);
    }
    sheet
}
