//! Pages as rows of pieces: what stands side by side, parted by wide gaps. Cells of tables whose lines belong together are parted
//! into rows, as they are seen.

use pagemill_document::{Block, PageNumber, PageText, Rect, Table};
use pagemill_metadata::Evidence;

/// What is looked at of a document at most: pages, rows, pieces of a row, and bytes of a piece. An invoice has less, and what takes
/// the time of all pairs of something must end soon for a document that was made to be slow.
pub(crate) const MAX_PAGES: usize = 30;
const MAX_ROWS: usize = 10_000;
const MAX_PIECES: usize = 40;
const MAX_PIECE_BYTES: usize = 600;

/// A text without wide gaps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// Where it begins in the page's text; what stands in it is looked for from there.
    pub(crate) start: usize,
}

/// What stands side by side.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) page: PageNumber,
    pub(crate) block: usize,
    pub(crate) pieces: Vec<Piece>,
}

/// A place in a document: a row, a piece of it, and a span of the piece's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) row: usize,
    pub(crate) piece: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A document's pages and their rows.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    pages: &'a [PageText],
    pub(crate) rows: Vec<Row>,
}

impl<'a> Rows<'a> {
    pub(crate) fn of(pages: &'a [PageText]) -> Self {
        let pages = &pages[..pages.len().min(MAX_PAGES)];
        let mut rows = Vec::new();
        for page in pages {
            for (index, block) in page.blocks.iter().enumerate() {
                match block.table.as_deref().filter(|table| table.is_sound()) {
                    Some(table) => of_table(page, index, block, table, &mut rows),
                    None => of_text(page, index, block, &mut rows),
                }
            }
        }
        Self { pages, rows }
    }

    pub(crate) fn text_at(&self, spot: Spot) -> &str {
        let piece = &self.rows[spot.row].pieces[spot.piece];
        piece.text.get(spot.start..spot.end).unwrap_or_default()
    }

    /// All pieces, as spots of their whole text.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (Spot, &str)> {
        let rows = self.rows.iter().enumerate();
        rows.flat_map(|(row, of_row)| {
            let pieces = of_row.pieces.iter().enumerate();
            pieces.map(move |(piece, of_piece)| {
                let spot = Spot {
                    row,
                    piece,
                    start: 0,
                    end: of_piece.text.len(),
                };
                (spot, of_piece.text.as_str())
            })
        })
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &'a str> {
        self.pages.iter().map(|page| page.text.as_str())
    }

    pub(crate) fn page_texts(&self) -> impl Iterator<Item = &'a PageText> {
        self.pages.iter()
    }

    /// Where a spot stands in its page's text; `None` where the text has it otherwise.
    pub(crate) fn evidence(&self, spot: Spot) -> Option<Evidence> {
        let row = &self.rows[spot.row];
        let page = self.pages.iter().find(|page| page.page == row.page)?;
        let value = self.text_at(spot);
        let piece = &row.pieces[spot.piece];
        let from = piece.start + spot.start;
        let at = match page
            .text
            .get(from..)
            .is_some_and(|rest| rest.starts_with(value))
        {
            true => from,
            false => piece.start + page.text.get(piece.start..)?.find(value)?,
        };
        Some(evidence_at(page, at, at + value.len()))
    }
}

/// Evidence for a span of a page's text.
pub(crate) fn evidence_at(page: &PageText, start: usize, end: usize) -> Evidence {
    let begin = page.text[..start].rfind('\n').map_or(0, |at| at + 1);
    let stop = page.text[end..]
        .find('\n')
        .map_or(page.text.len(), |at| end + at);
    let quote = page.text[begin..stop]
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    Evidence {
        page: page.page,
        start: u32::try_from(start).unwrap_or(u32::MAX),
        end: u32::try_from(end).unwrap_or(u32::MAX),
        quote: quote.chars().take(300).collect(),
        boxes: boxes(page, start, end),
    }
}

/// The boxes of the blocks' lines that a span touches, as far as lines are known.
fn boxes(page: &PageText, start: usize, end: usize) -> Vec<Rect> {
    let touches = |block: &&Block| (block.start as usize) < end && start < block.end as usize;
    let wanted = page.text.get(start..end).unwrap_or_default();
    let blocks = page.blocks.iter().filter(touches);
    let boxes = blocks.map(|block| {
        let line = block.lines.iter().find(|line| line.text.contains(wanted));
        line.map_or(block.bbox, |line| line.bbox)
    });
    boxes.take(4).collect()
}

fn of_text(page: &PageText, index: usize, block: &Block, rows: &mut Vec<Row>) {
    let Some(text) = page.text.get(block.start as usize..block.end as usize) else {
        return;
    };
    let mut at = block.start as usize;
    for line in text.split('\n') {
        let mut start = at;
        let mut pieces = Vec::new();
        for piece in line.split('\t') {
            let trimmed = piece.trim();
            if !trimmed.is_empty() {
                let lead = piece.len() - piece.trim_start().len();
                pieces.push(Piece {
                    text: trimmed.to_owned(),
                    start: start + lead,
                });
            }
            start += piece.len() + 1;
        }
        at += line.len() + 1;
        push(page, index, pieces, rows);
    }
}

fn of_table(page: &PageText, index: usize, block: &Block, table: &Table, rows: &mut Vec<Row>) {
    let mut from = block.start as usize;
    for row in 0..table.rows {
        let cells: Vec<_> = table.cells.iter().filter(|cell| cell.row == row).collect();
        let lines_of = |text: &str| text.lines().filter(|line| !line.trim().is_empty()).count();
        let deepest = cells
            .iter()
            .map(|cell| lines_of(&cell.text))
            .max()
            .unwrap_or(0);
        let mut sub_rows: Vec<Vec<Piece>> = vec![Vec::new(); deepest];
        for cell in &cells {
            let lines = cell
                .text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty());
            for (sub_row, line) in sub_rows.iter_mut().zip(lines) {
                let start = place(page, block, &mut from, line);
                sub_row.push(Piece {
                    text: line.to_owned(),
                    start,
                });
            }
        }
        for pieces in sub_rows {
            push(page, index, pieces, rows);
        }
    }
}

/// Where a cell's line stands: behind the one before it, else anywhere in the block.
fn place(page: &PageText, block: &Block, from: &mut usize, line: &str) -> usize {
    let within = |from: usize| {
        page.text
            .get(from..block.end as usize)?
            .find(line)
            .map(|at| from + at)
    };
    match within(*from).or_else(|| within(block.start as usize)) {
        Some(at) => {
            *from = at + line.len();
            at
        }
        None => block.start as usize,
    }
}

fn push(page: &PageText, block: usize, mut pieces: Vec<Piece>, rows: &mut Vec<Row>) {
    pieces.truncate(MAX_PIECES);
    for piece in &mut pieces {
        let end = piece.text.floor_char_boundary(MAX_PIECE_BYTES);
        piece.text.truncate(end);
    }
    if !pieces.is_empty() && rows.len() < MAX_ROWS {
        rows.push(Row {
            page: page.page,
            block,
            pieces,
        });
    }
}
