//! A table as Markdown, HTML and CSV.

use std::collections::HashMap;

use crate::{Table, TableCell};

/// As GitHub has tables, or as HTML where a cell takes several rows or columns. Ends with a newline.
pub fn markdown_table(table: &Table) -> String {
    if table.has_spans() {
        return html_table(table);
    }
    let mut text = String::new();
    for (index, row) in table.grid().iter().enumerate() {
        text.push('|');
        for cell in row {
            let cell = cell.replace('|', "\\|");
            text.push_str(&format!(" {cell} |"));
        }
        text.push('\n');
        if index == 0 {
            text.push('|');
            text.push_str(&" --- |".repeat(row.len()));
            text.push('\n');
        }
    }
    text
}

/// As HTML. Ends with a newline.
pub fn html_table(table: &Table) -> String {
    let places = places(table);
    let mut text = String::from("<table>\n");
    for row in 0..table.rows {
        text.push_str("<tr>");
        for column in 0..table.columns {
            let cell = places
                .get(&(row, column))
                .map(|&number| &table.cells[number]);
            match cell {
                Some(cell) if (cell.row, cell.column) == (row, column) => {
                    push_cell(&mut text, cell);
                }
                Some(_) => {}
                None => text.push_str("<td></td>"),
            }
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table>\n");
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

fn push_cell(text: &mut String, cell: &TableCell) {
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
    text.push_str(&format!(">{escaped}</{name}>"));
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
