//! An invoice: addresses, a table with amounts aligned right, totals, payment details.

use crate::typeset::{A4, Book, Face, Ink, Sheet, Style};

const BODY: Style = Style::new(Face::Serif, 10.5);
const BOLD: Style = Style::new(Face::Bold, 10.5);
const LEFT: f32 = 64.0;
const RIGHT: f32 = 531.0;
/// Where the columns of the table end: quantity, unit price, amount.
const COLUMNS: [f32; 3] = [370.0, 450.0, RIGHT - 4.0];

const ITEMS: &[(&str, &str, &str, &str)] = &[
    ("Rolling of wholemeal, 25 kg sacks", "40", "18.50", "740.00"),
    ("Fine sieve, type 550", "12", "21.25", "255.00"),
    ("Delivery, two pallets", "2", "48.00", "96.00"),
    ("Deposit on sacks", "52", "0.75", "39.00"),
];

/// One page: invoice number, dates, four lines of goods, net, VAT and gross totals, an IBAN (the one that the standard's
/// own examples use) and a payment reference.
#[must_use]
pub fn invoice() -> Vec<u8> {
    let mut sheet = Sheet::new(A4);
    heading(&mut sheet);
    let table_end = goods(&mut sheet, 330.0);
    totals(&mut sheet, table_end);
    payment(&mut sheet);
    Book {
        title: "Invoice 2026-00417",
        author: "Example Mill Ltd",
        subject: "Invoice for flour and delivery",
        keywords: &["invoice"],
        language: "en",
        sheets: vec![sheet],
        ..Book::default()
    }
    .to_pdf()
}

fn heading(sheet: &mut Sheet) {
    sheet.text(LEFT, 90.0, Style::new(Face::Bold, 20.0), "Example Mill Ltd");
    sheet.text(LEFT, 108.0, BODY, "1 Weir Lane, 12345 Sampleford");
    sheet.link_text(
        LEFT,
        124.0,
        BODY,
        "accounts@mill.example",
        "mailto:accounts@mill.example",
    );
    sheet.text(LEFT, 170.0, BOLD, "Bill to");
    for (row, line) in ["Sample Bakery Co.", "7 Oven Street", "54321 Crumbton"]
        .iter()
        .enumerate()
    {
        sheet.text(LEFT, 186.0 + row as f32 * 15.0, BODY, line);
    }
    sheet.text(
        LEFT,
        272.0,
        Style::new(Face::Bold, 16.0),
        "Invoice 2026-00417",
    );
    let facts = [
        ("Invoice number", "2026-00417"),
        ("Invoice date", "2026-01-15"),
        ("Delivery date", "2026-01-12"),
        ("Due date", "2026-02-14"),
        ("Customer number", "C-20931"),
    ];
    for (row, (name, value)) in facts.iter().enumerate() {
        let baseline = 170.0 + row as f32 * 16.0;
        sheet.text(340.0, baseline, BODY, name);
        sheet.text_to(RIGHT, baseline, BOLD, value);
    }
}

fn goods(sheet: &mut Sheet, top: f32) -> f32 {
    sheet.area(LEFT, top - 15.0, RIGHT - LEFT, 22.0, Ink::Grey(225));
    sheet.text(LEFT + 4.0, top, BOLD, "Description");
    for (right, name) in COLUMNS
        .iter()
        .zip(["Quantity", "Unit price", "Amount (EUR)"])
    {
        sheet.text_to(*right, top, BOLD, name);
    }
    let mut baseline = top + 24.0;
    for (description, quantity, price, amount) in ITEMS {
        sheet.text(LEFT + 4.0, baseline, BODY, description);
        for (right, value) in COLUMNS.iter().zip([quantity, price, amount]) {
            sheet.text_to(*right, baseline, BODY, value);
        }
        sheet.rule(LEFT, baseline + 6.0, RIGHT - LEFT);
        baseline += 22.0;
    }
    baseline
}

fn totals(sheet: &mut Sheet, top: f32) {
    let rows = [
        ("Net total", "1,130.00", BODY),
        ("VAT 7 %", "79.10", BODY),
        ("Total due", "1,209.10", BOLD),
    ];
    for (row, (name, value, style)) in rows.iter().enumerate() {
        let baseline = top + 14.0 + row as f32 * 18.0;
        sheet.text(360.0, baseline, *style, name);
        sheet.text_to(COLUMNS[2], baseline, *style, value);
    }
    sheet.rule(360.0, top + 37.0, RIGHT - 360.0);
}

fn payment(sheet: &mut Sheet) {
    sheet.text(LEFT, 600.0, BOLD, "Payment");
    sheet.text(
        LEFT,
        617.0,
        BODY,
        "Please pay 1,209.10 EUR by 14 February 2026 to:",
    );
    sheet.text(
        LEFT,
        634.0,
        Style::new(Face::Mono, 10.0),
        "IBAN DE89 3704 0044 0532 0130 00",
    );
    sheet.text(
        LEFT,
        650.0,
        Style::new(Face::Mono, 10.0),
        "Reference 2026-00417",
    );
    sheet.text(
        LEFT,
        790.0,
        Style::new(Face::Serif, 8.5),
        "VAT number: XX000000000. Goods remain ours until paid for.",
    );
}
