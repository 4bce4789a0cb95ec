//! Lists of contents: their name is a heading, and what they list is none. Rules between their entries make no table of them.

use crate::{Block, BlockKind, PageText, Table};

/// A page with so many entries at least is one of a list of contents.
const FEWEST_ENTRIES: usize = 5;

/// A table of so many entries at least, below the name of such a list, is one.
const FEWEST_LISTED: usize = 3;

/// What lists of contents are called, in small letters.
const NAMES: [&str; 11] = [
    "contents",
    "table of contents",
    "inhalt",
    "inhaltsverzeichnis",
    "sommaire",
    "table des matières",
    "índice",
    "contenido",
    "indice",
    "sommario",
    "inhoud",
];

/// Whether a text is the name of a list of contents.
pub(super) fn is_name(text: &str) -> bool {
    let text = text.trim().trim_end_matches(':');
    text.len() <= 24 && NAMES.contains(&text.to_lowercase().as_str())
}

/// Takes tables for the text that they are which stand below the name of a list of contents and hold its entries: titles, and
/// the numbers of their pages.
pub(super) fn without_tables(page: &mut PageText) {
    let is_named = |block: &Block| {
        let text = page.text.get(block.start as usize..block.end as usize);
        block.table.is_none() && text.is_some_and(is_name)
    };
    let Some(name) = page.blocks.iter().position(is_named) else {
        return;
    };
    for block in &mut page.blocks[name + 1..] {
        if block.table.as_deref().is_some_and(is_list) {
            block.table = None;
            block.kind = BlockKind::Paragraph;
        }
    }
}

/// Whether the last cells of a table's rows are page numbers, which never fall, behind titles.
fn is_list(table: &Table) -> bool {
    let rows = table.grid();
    let numbers: Option<Vec<u32>> = rows
        .iter()
        .filter_map(|row| {
            row.last()
                .map(|last| last.trim())
                .filter(|last| !last.is_empty())
        })
        .map(|number| number.parse().ok())
        .collect();
    let Some(numbers) = numbers else {
        return false;
    };
    let has_titles = rows.iter().all(|row| {
        let titles = &row[..row.len().saturating_sub(1)];
        titles
            .iter()
            .any(|title| title.chars().any(char::is_alphabetic))
    });
    numbers.len() >= FEWEST_LISTED
        && numbers.len() * 2 > rows.len()
        && numbers.is_sorted()
        && has_titles
}

/// The block in which the list begins that takes most of a page; none on other pages. Its entries end in page numbers, which
/// never fall.
pub(super) fn first_entry(page: &PageText) -> Option<usize> {
    let (mut lines, mut entries) = (0, 0);
    let mut first = None;
    let (mut first_number, mut last_number) = (None, 0);
    let mut falls = 0;
    let is_listed = |block: &Block| block.kind != BlockKind::Furniture && block.table.is_none();
    let blocks = page.blocks.iter().enumerate();
    for (index, block) in blocks.filter(|(_, block)| is_listed(block)) {
        for line in &block.lines {
            lines += 1;
            let Some(number) = page_number(&line.text) else {
                continue;
            };
            entries += 1;
            first = first.or(Some(index));
            if let Some(number) = number {
                falls += usize::from(number < last_number);
                first_number = first_number.or(Some(number));
                last_number = number;
            }
        }
    }
    let rises = first_number.is_none_or(|first| first < last_number);
    let is_list =
        entries >= FEWEST_ENTRIES && entries * 2 >= lines && rises && falls * 8 <= entries;
    first.filter(|_| is_list)
}

/// The page number at the end of a line, behind dots or white; that of a page in Roman numbers is not told.
fn page_number(line: &str) -> Option<Option<u32>> {
    let line = line.trim_end();
    let title = line.trim_end_matches(|ch: char| ch.is_ascii_alphanumeric());
    let number = &line[title.len()..];
    let before = title.trim_end_matches([' ', '\t', '.', '…', '·', '_']);
    let gap = &title[before.len()..];
    let is_led = gap.contains('\t') || gap.contains('…') || gap.matches('.').count() >= 3;
    let has_title = before.chars().any(char::is_alphabetic);
    if !is_led || !has_title || !(1..=6).contains(&number.len()) {
        return None;
    }
    if number.bytes().all(|byte| byte.is_ascii_digit()) && number.len() <= 4 {
        return Some(number.parse().ok());
    }
    let is_roman = number.bytes().all(|byte| b"ivxlcIVXLC".contains(&byte));
    is_roman.then_some(None)
}
