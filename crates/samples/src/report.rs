//! A report: running header and footer, headings on two levels, paragraphs, a table over a page's width, links.

use crate::typeset::{A4, Book, Entry, Face, Ink, Sheet, Style, break_lines};

const MARGIN: f32 = 64.0;
const TOP: f32 = 104.0;
const BOTTOM: f32 = 760.0;
const BODY: Style = Style::new(Face::Serif, 11.0);
const CHAPTER: Style = Style::new(Face::Bold, 18.0);
const SECTION: Style = Style::new(Face::Bold, 13.0);
const SMALL: Style = Style::new(Face::Serif, 9.0);
const TITLE: &str = "River Levels and Mill Capacity: Annual Report 2025";

enum Part {
    Chapter(&'static str),
    Section(&'static str),
    Text(&'static str),
    Link(&'static str, &'static str),
    Table(&'static [[&'static str; 5]]),
}

use Part::{Chapter, Link, Section, Table, Text};

const PARTS: &[Part] = &[
    Chapter("1 Summary"),
    Text(
        "In 2025 the eight gauges along the upper river reported a mean level of 1.84 metres, which is eleven \
         centimetres below the mean of the ten years before. The mills on the river were able to run at their rated \
         capacity on 231 days, and at half capacity or better on 322 days. No mill stood still for want of water for \
         more than nine days in a row.",
    ),
    Text(
        "Two findings stand out. First, the spring flood came three weeks earlier than in any year since 1998. \
         Second, the new weir at the middle gauge holds back enough water to carry the two mills below it through a \
         dry fortnight. The sections that follow give the measurements, the method, and what we recommend for 2026.",
    ),
    Section("1.1 Recommendations"),
    Text(
        "We recommend that the sluice at the lower gauge be repaired before the first of March, that the gauge at the \
         ford be moved forty metres upstream, where ice does not reach it, and that the three mills which share one \
         headrace agree on a common timetable for the dry months of July and August.",
    ),
    Chapter("2 Measurements"),
    Text(
        "Levels were read every fifteen minutes by pressure sensors and checked by hand on the first working day of \
         each month. A reading was rejected when it differed from its two neighbours by more than twenty centimetres; \
         0.4 per cent of the readings were rejected for that reason. Table 1 gives the quarterly means.",
    ),
    Section("2.1 Quarterly levels"),
    Table(&[
        ["Gauge", "Q1 (m)", "Q2 (m)", "Q3 (m)", "Q4 (m)"],
        ["Spring head", "1.12", "1.31", "0.88", "1.07"],
        ["Stone bridge", "1.54", "1.79", "1.16", "1.43"],
        ["Ford", "1.60", "1.92", "1.21", "1.50"],
        ["Middle weir", "2.05", "2.40", "1.71", "1.98"],
        ["Old mill", "2.11", "2.47", "1.73", "2.02"],
        ["Ferry landing", "2.38", "2.71", "1.94", "2.29"],
        ["Lower sluice", "2.44", "2.80", "1.99", "2.35"],
        ["Harbour", "2.59", "2.96", "2.10", "2.48"],
    ]),
    Text(
        "Table 1: Mean water level by gauge and quarter, in metres above the local datum. The third quarter was the \
         driest since the gauges were installed, at every gauge but the harbour, where the tide reaches.",
    ),
    Section("2.2 Uncertainty"),
    Text(
        "The sensors are accurate to one centimetre over their whole range. The larger part of the uncertainty comes \
         from silt, which raises the bed under a gauge by two to three centimetres a year until it is cleared. The \
         gauges were cleared in May; readings before that date were corrected by a straight line between the two \
         surveys. The corrected series and the raw one are both kept, and any table in this report can be made from \
         either.",
    ),
    Chapter("3 Method"),
    Text(
        "The capacity of a mill on a given day is the share of its rated power that the level at the nearest gauge \
         upstream allows. It is computed from the head and the flow with the rating curve that each mill filed when \
         it was licensed. Where a curve was older than twenty years, we measured three points of it again.",
    ),
    Text(
        "All figures were computed from the corrected fifteen-minute series. Days with fewer than eighty valid \
         readings were left out; there were four of them, all at the ford, and all in the frost of January.",
    ),
    Section("3.1 Data"),
    Text("The series and the rating curves can be read at the addresses below."),
    Link(
        "https://data.example.org/rivers/levels-2025.csv",
        "https://data.example.org/rivers/levels-2025.csv",
    ),
    Link(
        "Questions about this report: rivers@example.org",
        "mailto:rivers@example.org",
    ),
    Chapter("4 Outlook"),
    Text(
        "If the winter is as dry as the long-range forecast expects, the lower mills will reach half capacity ten to \
         fourteen days earlier in 2026 than they did in 2025. The weir can delay that by about a week. A second weir \
         would delay it by a further six days, at a cost of 240,000 euros; it would pay for itself in nine years at \
         the present price of electricity.",
    ),
];

/// A report of four pages in English: title, running header and footer, numbered headings on two levels, a table of
/// nine rows, an outline with six or more entries, one web link and one mail link, document information and XMP.
#[must_use]
pub fn report() -> Vec<u8> {
    let mut book = Book {
        title: TITLE,
        author: "River Gauging Office",
        subject: "Water levels of the upper river in 2025 and what they meant for the mills",
        keywords: &["river levels", "hydrology", "mills", "annual report"],
        language: "en",
        ..Book::default()
    };
    book.sheets.push(title_page());
    book.sheets.push(Sheet::new(A4));
    let mut y = TOP;
    for part in PARTS {
        let needed = match part {
            Chapter(_) => 110.0,
            Section(_) => 70.0,
            Table(rows) => rows.len() as f32 * 19.0 + 12.0,
            Link(..) => 18.0,
            Text(_) => 32.0,
        };
        let chapter_break = matches!(part, Chapter(title) if title.starts_with(['2', '3']));
        if y + needed > BOTTOM || chapter_break && y > TOP {
            book.sheets.push(Sheet::new(A4));
            y = TOP;
        }
        y = place(&mut book, part, y);
    }
    let pages = book.sheets.len();
    for (index, sheet) in book.sheets.iter_mut().enumerate().skip(1) {
        sheet.text(MARGIN, 56.0, SMALL, TITLE);
        sheet.rule(MARGIN, 64.0, A4.0 - 2.0 * MARGIN);
        sheet.text_centred(800.0, SMALL, &format!("Page {} of {pages}", index + 1));
    }
    book.to_pdf()
}

fn title_page() -> Sheet {
    let mut sheet = Sheet::new(A4);
    sheet.area(0.0, 0.0, A4.0, 14.0, Ink::Rgb(30, 80, 120));
    sheet.text(
        MARGIN,
        260.0,
        Style::new(Face::Bold, 30.0),
        "River Levels and Mill Capacity",
    );
    sheet.text(
        MARGIN,
        300.0,
        Style::new(Face::Serif, 20.0),
        "Annual Report 2025",
    );
    sheet.text(MARGIN, 340.0, BODY, "River Gauging Office");
    sheet.text(MARGIN, 358.0, BODY, "Published 15 January 2026");
    sheet
}

fn place(book: &mut Book, part: &Part, y: f32) -> f32 {
    let width = A4.0 - 2.0 * MARGIN;
    let page_index = book.sheets.len() - 1;
    match part {
        Chapter(title) => {
            let baseline = y + if y > TOP { 26.0 } else { 8.0 };
            book.outline.push(Entry {
                level: 0,
                title: (*title).to_owned(),
                page_index,
                y: baseline - 18.0,
            });
            book.sheets[page_index].text(MARGIN, baseline, CHAPTER, title);
            baseline + 26.0
        }
        Section(title) => {
            let baseline = y + 14.0;
            book.outline.push(Entry {
                level: 1,
                title: (*title).to_owned(),
                page_index,
                y: baseline - 13.0,
            });
            book.sheets[page_index].text(MARGIN, baseline, SECTION, title);
            baseline + 20.0
        }
        Text(text) => {
            let mut baseline = y;
            for line in break_lines(BODY, text, width) {
                if baseline > BOTTOM {
                    book.sheets.push(Sheet::new(A4));
                    baseline = TOP;
                }
                let last = book.sheets.len() - 1;
                book.sheets[last].text(MARGIN, baseline, BODY, &line);
                baseline += 15.5;
            }
            baseline + 8.0
        }
        Link(label, uri) => {
            book.sheets[page_index].link_text(MARGIN, y, BODY, label, uri);
            y + 18.0
        }
        Table(rows) => table(&mut book.sheets[page_index], rows, y, width),
    }
}

fn table(sheet: &mut Sheet, rows: &[[&str; 5]], y: f32, width: f32) -> f32 {
    let mut baseline = y + 4.0;
    sheet.rule(MARGIN, baseline - 14.0, width);
    for (number, row) in rows.iter().enumerate() {
        let style = if number == 0 {
            Style::new(Face::Bold, 10.5)
        } else {
            Style::new(Face::Serif, 10.5)
        };
        sheet.text(MARGIN + 4.0, baseline, style, row[0]);
        for (column, cell) in row.iter().enumerate().skip(1) {
            sheet.text_to(MARGIN + 180.0 + column as f32 * 70.0, baseline, style, cell);
        }
        sheet.rule(MARGIN, baseline + 5.0, width);
        baseline += 19.0;
    }
    baseline + 8.0
}
