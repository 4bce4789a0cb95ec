//! A table as Markdown, HTML and CSV.

use std::collections::HashMap;

use crate::{Table, TableCell};

/// As GitHub has tables, or as HTML where a cell takes several rows or columns. Ends with a newline.
pub fn markdown_table(table: &Table) -> String {
    if table.has_spans() {
        return html_table(table);
    }
    let mut text = rows(table, 0, "");
    let end_of_names = text.find('\n').map_or(text.len(), |end| end + 1);
    let below_names = format!("|{}\n", " --- |".repeat(table.columns as usize));
    text.insert_str(end_of_names, &below_names);
    text
}

/// The rows from one on, each a line as GitHub has it; the first cell begins with `anchor`.
pub(super) fn rows(table: &Table, from: u32, anchor: &str) -> String {
    let mut text = String::new();
    let mut anchor = Some(anchor);
    for row in table.grid().iter().skip(from as usize) {
        text.push('|');
        for cell in row {
            let cell = cell.replace('|', "\\|");
            let anchor = anchor.take().unwrap_or_default();
            text.push_str(&format!(" {anchor}{cell} |"));
        }
        text.push('\n');
    }
    text
}

/// As HTML. Ends with a newline.
pub fn html_table(table: &Table) -> String {
    format!("<table>\n{}{END}", html_rows(table, 0, ""))
}

/// What ends a table in HTML.
pub(super) const END: &str = "</table>\n";

/// The rows from one on in HTML; the first cell begins with `anchor`.
pub(super) fn html_rows(table: &Table, from: u32, anchor: &str) -> String {
    let places = places(table);
    let mut text = String::new();
    let mut anchor = Some(anchor);
    for row in from..table.rows {
        text.push_str("<tr>");
        for column in 0..table.columns {
            let cell = places
                .get(&(row, column))
                .map(|&number| &table.cells[number]);
            let before = anchor.take().unwrap_or_default();
            match cell {
                Some(cell) if (cell.row, cell.column) == (row, column) => {
                    push_cell(&mut text, cell, before);
                }
                Some(_) => {}
                None => text.push_str(&format!("<td>{before}</td>")),
            }
        }
        text.push_str("</tr>\n");
    }
    text
}

/// Which cell, by its number, fills each place of the grid.
fn places(table: &Table) -> HashMap<(u32, u32), usize> {
    let mut places = HashMap::new();
    for (number, cell) in table.cells.iter().enumerate() {
        let last_row = cell.row.saturating_add(cell.row_span).min(table.rows);
        let last_column = cell
            .column
            .saturating_add(cell.column_span)
            .min(table.columns);
        for row in cell.row..last_row {
            for column in cell.column..last_column {
                places.entry((row, column)).or_insert(number);
            }
        }
    }
    places
}

fn push_cell(text: &mut String, cell: &TableCell, before: &str) {
    let name = if cell.header { "th" } else { "td" };
    text.push_str(&format!("<{name}"));
    for (span, attribute) in [(cell.row_span, "rowspan"), (cell.column_span, "colspan")] {
        if span > 1 {
            text.push_str(&format!(" {attribute}=\"{span}\""));
        }
    }
    let mut escaped = String::new();
    for ch in cell.on_one_line().chars() {
        match ch {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            ch => escaped.push(ch),
        }
    }
    text.push_str(&format!(">{before}{escaped}</{name}>"));
}

/// As CSV (RFC 4180): lines end with CR LF; a cell that takes several places stands in the first of them.
pub fn csv_table(table: &Table) -> String {
    let mut text = String::new();
    for row in table.grid() {
        let cells = row
            .iter()
            .map(|cell| match cell.contains([',', '"', '\n', '\r']) {
                true => format!("\"{}\"", cell.replace('"', "\"\"")),
                false => cell.clone(),
            });
        text.push_str(&cells.collect::<Vec<_>>().join(","));
        text.push_str("\r\n");
    }
    text
}
