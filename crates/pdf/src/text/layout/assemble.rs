//! The page's text from its blocks.

use std::ops::Range;

use crate::text::layout::blocks::LaidBlock;
use crate::text::layout::direction::is_ideographic;
use crate::text::layout::tables::LaidTable;
use crate::text::layout::{Direction, LaidOut};
use pagemill_document::{
    AnnotationSource, AnnotationSpan, Block, BlockKind, CharacterAccount, Letters, Line,
    PageNumber, PageState, PageText, RaisedSpan, Rect, Table, TableCell,
};

/// Joins blocks by a blank line and the lines of a block as [`PageText::text`] says, up to `max_bytes`.
pub(super) fn page_text(laid_out: Vec<(LaidBlock, Direction)>, max_bytes: usize) -> LaidOut {
    // Spans are 32 bits wide.
    let max_bytes = max_bytes.min(u32::MAX as usize);
    let mut text = String::new();
    let mut blocks = Vec::with_capacity(laid_out.len());
    let mut truncated = false;
    let (mut annotations, mut numbers) = (Vec::new(), Vec::new());
    let mut raised = Vec::new();
    let (mut overprinted, mut overprints) = (0_u32, Letters::default());
    for (block, _) in &laid_out {
        for line in &block.lines {
            overprinted = overprinted.saturating_add(line.overprinted);
            overprints = overprints.with(line.overprints);
        }
    }
    for (block, direction) in laid_out {
        let separator = if text.is_empty() { "" } else { "\n\n" };
        if text.len() + separator.len() >= max_bytes {
            truncated = true;
            break;
        }
        text.push_str(separator);
        let start = text.len();
        for (index, line) in block.lines.iter().enumerate() {
            match index {
                0 => {}
                _ if block.table.is_some() => text.push('\n'),
                _ => join(&mut text, start, &line.text),
            }
            let line_start = text.len();
            text.push_str(&line.text);
            for (span, number) in &line.annotations {
                annotations.push(line_start + span.start..line_start + span.end);
                numbers.push(*number);
            }
            let shifted = line.raised.iter();
            raised.extend(shifted.map(|span| line_start + span.start..line_start + span.end));
        }
        if text.len() > max_bytes {
            truncated = true;
            text.truncate(text.floor_char_boundary(max_bytes));
        }
        let mut finished = finish(&block, direction, start, text.len());
        if truncated && finished.table.take().is_some() {
            finished.kind = BlockKind::Paragraph;
        }
        blocks.push(finished);
        if truncated {
            break;
        }
    }
    let state = if text.trim().is_empty() {
        PageState::NeedsOcr
    } else {
        PageState::Text
    };
    let (annotations, numbers) = within(annotations, numbers, text.len());
    raised.retain(|span: &Range<usize>| span.end <= text.len());
    // Spans are within the text, whose length fits.
    let raised = raised.into_iter().map(|span| RaisedSpan {
        start: span.start as u32,
        end: span.end as u32,
    });
    let text = PageText {
        page: PageNumber(1),
        width: 0.0,
        height: 0.0,
        rotation: 0,
        state,
        text,
        blocks,
        annotations,
        raised: raised.collect(),
        figures: Vec::new(),
        characters: CharacterAccount::default(),
        ocr: None,
        truncated,
    };
    LaidOut {
        text,
        annotations: numbers,
        overprinted,
        overprints,
    }
}

/// The spans of annotations that lie in a text of so many bytes, with their numbers.
fn within(
    spans: Vec<Range<usize>>,
    numbers: Vec<u16>,
    bytes: usize,
) -> (Vec<AnnotationSpan>, Vec<u16>) {
    spans
        .into_iter()
        .zip(numbers)
        .filter(|(span, _)| span.end <= bytes)
        .map(|(span, number)| {
            let span = AnnotationSpan {
                // Texts are shorter than 4 GiB.
                start: span.start as u32,
                end: span.end as u32,
                source: AnnotationSource::default(),
                name: None,
            };
            (span, number)
        })
        .unzip()
}

/// Makes ready for the next line of a block that began at `start`.
pub(super) fn join(text: &mut String, start: usize, next: &str) {
    let block = &text[start..];
    let next_is_lower = next.chars().next().is_some_and(char::is_lowercase);
    let mut from_end = block.chars().rev();
    let (last, before_last) = (from_end.next(), from_end.next());
    let ends_in_hyphen =
        matches!(last, Some('-' | '\u{2010}')) && before_last.is_some_and(char::is_alphabetic);
    if ends_in_hyphen && next_is_lower {
        let word = block.rsplit(char::is_whitespace).next().unwrap_or_default();
        let is_compound = word
            .trim_end_matches(['-', '\u{2010}'])
            .contains(['-', '\u{2010}']);
        if !is_compound {
            text.pop();
        }
        return;
    }
    let next_is_ideographic = next.chars().next().is_some_and(is_ideographic);
    if next_is_ideographic && last.is_some_and(is_ideographic) {
        return;
    }
    text.push('\n');
}

fn finish(block: &LaidBlock, direction: Direction, start: usize, end: usize) -> Block {
    let (font_size, bold) = block.style();
    let lines = block
        .lines
        .iter()
        .map(|line| Line {
            text: line.text.clone(),
            bbox: rounded(direction.rect_to_seen(line.bbox)),
            font_size: hundredth(line.size),
            bold: line.bold,
        })
        .collect();
    Block {
        kind: block.kind,
        level: None,
        // Both are at most `max_bytes`, which fits.
        start: start as u32,
        end: end as u32,
        bbox: rounded(direction.rect_to_seen(block.bbox())),
        font_size: hundredth(font_size),
        bold,
        lines,
        table: block
            .table
            .as_ref()
            .map(|table| Box::new(finish_table(table, direction))),
    }
}

fn finish_table(table: &LaidTable, direction: Direction) -> Table {
    let cells = table.cells.iter().map(|cell| TableCell {
        row: cell.row,
        column: cell.column,
        row_span: cell.row_span,
        column_span: cell.column_span,
        header: cell.header,
        bbox: rounded(direction.rect_to_seen(cell.bbox)),
        text: cell.text().0,
    });
    Table {
        rows: table.rows,
        columns: table.columns,
        cells: cells.collect(),
        continued: false,
        caption: None,
    }
}

fn rounded(rect: Rect) -> Rect {
    Rect {
        x0: hundredth(rect.x0),
        y0: hundredth(rect.y0),
        x1: hundredth(rect.x1),
        y1: hundredth(rect.y1),
    }
}

/// A hundredth of a point is finer than any printer, and half as long in JSON.
fn hundredth(value: f32) -> f32 {
    (value * 100.0).round() / 100.0
}
